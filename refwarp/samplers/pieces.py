"""Second derivatives of numbers of any size: multilinear in what is given, and so the sum over pieces of it.

The gradients of a sampler's gradients, for cotangents A of gU and b of the grid's gradient, are sums of products of
several given numbers (with what depends on the grid alone, which is not at the ends of the range of floats):

    ggout = F1(A) + F2(b, U),   gU = F3(b, gV),   ggrid = F4(A, gV) + F5(b, gV, U)             (pieces.1)

A product may leave that range on the way to one within it. So an array some of whose numbers are tiny or huge is taken
apart into pieces of neighbouring exponents, each is multiplied by a power of two that brings it to moderate numbers,
and the results are multiplied back and added up. Arrays of ordinary numbers are computed as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core.arrays import array_module
from refwarp.samplers.ordinary import are_ordinary

# Products of three numbers of exponents within this are no trouble.
REACH = 250
# The exponents that a piece spans, and its largest once it is scaled. That is above 1, for weights may be tiny.
SPAN, TOP = 256, 320

# A piece, and the power of two that was taken out of it.
Piece = tuple[Any, int]
Compute = Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]


def _exponents(xp: Any, array: Any) -> tuple[int, int]:
    """Return the exponents of the smallest and the largest number that is not 0; of none, or not finite ones, 0."""
    sizes = xp.abs(array[array != 0])
    if sizes.size == 0 or not xp.isfinite(sizes).all():
        return 0, 0
    return math.frexp(float(sizes.min()))[1], math.frexp(float(sizes.max()))[1]


def pieces_of(array: Any) -> list[Piece]:
    """Return the array itself, if its numbers are ordinary, or not all finite; else scaled pieces whose sum it is."""
    xp = array_module(array)
    low, high = (0, 0) if are_ordinary(array, reach=REACH) else _exponents(xp, array)
    if -REACH <= low and high <= REACH:
        return [(array, 0)]
    exponents = xp.where(array == 0, low - 1, xp.frexp(array)[1])
    found = []
    for top in range(high, low - 1, -SPAN):
        inside = (exponents <= top) & (exponents > top - SPAN) & (exponents >= low)
        if inside.any():
            found.append((xp.where(inside, xp.ldexp(xp.where(inside, array, 0.0), TOP - top), 0.0), top - TOP))
    return found


def second_gradient(compute: Compute, a: Any, b: Any, g: Any, u: Any) -> tuple[Any, ...]:
    """Return what `compute(A, b, gV, U)` does (pieces.1), of float64 arrays piece by piece."""
    given = a, b, g, u
    pieces = [pieces_of(array) if array.dtype == np.float64 else [(array, 0)] for array in given]
    if all(len(found) == 1 and found[0][1] == 0 for found in pieces):
        return compute(*given)
    xp = array_module(u)
    no_a, no_b, no_u = (xp.zeros(array.shape) for array in (a, b, u))
    totals: list[Any] = [0.0, 0.0, 0.0]

    def add(output: int, result: Any, power: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # what leaves the range is infinite
            totals[output] = totals[output] + xp.ldexp(result, power)

    # Each term once: those that do not depend on an array, with its first piece.
    for j, (piece_g, power_g) in enumerate(pieces[2]):
        for piece_a, power_a in pieces[0]:
            ggout, _, ggrid = compute(piece_a, no_b, piece_g, no_u)
            add(2, ggrid, power_a + power_g)
            if j == 0:
                add(0, ggout, power_a)
        for piece_b, power_b in pieces[1]:
            for k, (piece_u, power_u) in enumerate(pieces[3]):
                ggout, gu, ggrid = compute(no_a, piece_b, piece_g, piece_u)
                add(2, ggrid, power_b + power_g + power_u)
                if j == 0:
                    add(0, ggout, power_b + power_u)
                if k == 0:
                    add(1, gu, power_b + power_g)
    return tuple(totals)
