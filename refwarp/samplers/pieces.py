"""Second derivatives for numbers of any size: they are multilinear in their inputs, which can be split into pieces.

The second derivatives of a sampler, for cotangents A of gU and b of the grid's gradient, are sums of products of
several inputs, and of weights, which depend only on the grid:

    ggout = F1(A) + F2(b, U),   gU = F3(b, gV),   ggrid = F4(A, gV) + F5(b, gV, U)             (pieces.1)

Intermediate products may leave the range of floats although the result does not. Whether they can is determined from
the exponents of the smallest and largest numbers of the arrays. If so, an array with tiny or huge numbers is split into
pieces of neighbouring exponents, each is multiplied by a power of two that makes it moderate, and the results are
scaled back and added. Everything else is computed directly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np

from autograd_core.arrays import array_module
from refwarp.backend.jit import kernel
from refwarp.backend.launch import argument, run_on_cpu

# Products, whatever the order of their factors, stay within these exponents; the rest of the range is for the factors
# s/2 of the grid's gradient, for sums, and for the inverse of a decoder's S.
LOWEST, HIGHEST = -900, 750
# A weight along an axis is 0, at least half of |g|, or at least this power of two: g s is then 1/2 or more, of at most
# 16 + 53 binary places.
WEIGHT = -72
# Products of three numbers with exponents within this stay within the bound above; such arrays are not split.
REACH = 250
# The exponent of the smallest float.
SMALLEST = -1073
# The exponents that a piece spans, and its largest once it is scaled. That is above 1, since weights may be tiny.
SPAN, TOP = 256, 320
# From this many numbers on, several threads are used.
_PARTS, _MANY = 16, 1 << 16

# A piece, and the power of two that was taken out of it.
Piece = tuple[Any, int]
Compute = Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]


class Cotangents(NamedTuple):
    """The cotangents of a sampler's first gradients: A of gU, and b of gg."""

    ginput: Any
    ggrid: Any


class Given(NamedTuple):
    """What a sampler's first gradients were computed from."""

    gout: Any
    input: Any
    grid: Any


class SampleGradients(NamedTuple):
    """Those second gradients that each sample has its own part of: with respect to gV, and to the grid."""

    ggout: Any
    ggrid: Any


class Exponents(NamedTuple):
    """Those of an array's smallest and largest numbers but 0, as `frexp` counts; above 1024 if one is not finite."""

    low: int
    high: int

    @property
    def finite(self) -> bool:
        """Whether all numbers are."""
        return self.high <= 1024

    @property
    def within_reach(self) -> bool:
        """Whether all numbers are within REACH."""
        return -REACH <= self.low and self.high <= REACH


@kernel
def _find_exponents(start: int, stop: int, a: Any, b: Any, g: Any, u: Any, grid: Any, exponents: Any) -> None:
    """Find the exponents in the parts start to stop of each array; in one that is all 0, the low above the high.

    The bits of positive floats, as integers, are in the floats' order, and the minimum of integers is vectorised. The
    bits of 0, minus 1 and without the sign, are the largest.
    """
    positive = np.int64(0x7FFFFFFFFFFFFFFF)
    for part in range(start, stop):
        for k, array in enumerate((a, b, g, u, grid)):
            first, last = array.size * part // exponents.shape[0], array.size * (part + 1) // exponents.shape[0]
            bits = array.reshape(array.size)[first:last].view(np.int64)
            low, high = positive, np.int64(0)
            for i in range(bits.shape[0]):
                size = bits[i] & positive
                lower = (size - np.int64(1)) & positive
                low = lower if lower < low else low
                high = size if size > high else high
            lowest = (low + 1 >> 52) - 1022
            exponents[part, k, 0] = 2000 if low == positive else lowest if lowest > -1022 else SMALLEST
            exponents[part, k, 1] = (high >> 52) - 1022 if high > 0 else -2000


def exponents_of(arrays: Sequence[Any]) -> list[Exponents]:
    """Return the exponents of A, b, gV, U and the grid; (0, 0) for an array of zeros.

    It does not distinguish subnormal numbers.
    """
    xp = array_module(*arrays)
    if xp is np and not numba.config.DISABLE_JIT:
        elements = sum([array.size for array in arrays])
        ends = np.empty((_PARTS if elements >= _MANY else 1, 5, 2), np.int64)
        run_on_cpu(_find_exponents, len(ends), elements, *map(argument, arrays), ends)
        if len(ends) > 1:
            ends = np.stack([ends[..., 0].min(0), ends[..., 1].max(0)], 1)[None]
        return [Exponents(low, high) if low <= high else Exponents(0, 0) for low, high in ends[0].tolist()]
    found = []
    for array in arrays:
        sizes = xp.abs(array[array != 0])
        finite = sizes[xp.isfinite(sizes)]
        low, high = (math.frexp(float(end))[1] for end in ((finite.min(), finite.max()) if finite.size else (0.0, 0.0)))
        found.append(Exponents(low if low > -1022 else SMALLEST, high if finite.size == sizes.size else 1025))
    return found


def _can_leave_the_range(found: Sequence[Exponents], smallest_weight: int) -> bool:
    """Return whether a product in F2 to F5, or one of some of its factors, may be too small or too large.

    (In F1, which only multiplies by weights, an underflow is never scaled up again.)
    """
    (low_a, low_b, low_g, low_u), (high_a, high_b, high_g, high_u) = (
        [min(exponents.low, 0) for exponents in found],
        [max(exponents.high, 0) for exponents in found],
    )
    lowest, highest = low_g + min(low_a, low_b + low_u), high_g + max(high_a, high_b + high_u)
    return lowest + smallest_weight < LOWEST or highest > HIGHEST


def pieces_of(array: Any, exponents: Exponents) -> list[Piece]:
    """Return the array itself, if its numbers are within REACH; otherwise scaled pieces that sum to it."""
    if exponents.within_reach:
        return [(array, 0)]
    xp, low, high = array_module(array), exponents.low, exponents.high
    each = xp.where(array == 0, low - 1, xp.frexp(array)[1])
    found = []
    for top in range(high, low - 1, -SPAN):
        inside = (each <= top) & (each > top - SPAN) & (each >= low)
        if inside.any():
            found.append((xp.where(inside, xp.ldexp(xp.where(inside, array, 0.0), TOP - top), 0.0), top - TOP))
    return found


def second_gradient(compute: Compute, given: tuple[Any, Any, Any, Any], grid: Any, weights: int) -> tuple[Any, ...]:
    """Return `compute(*given)` (pieces.1), for float64 arrays piece by piece where necessary.

    `given` are A, b, gV and U. A product has at most `weights` weights along an axis of the grid as factors.
    """
    if any(array.dtype != np.float64 for array in given):  # float32 is computed in float64, whose range suffices
        return compute(*given)
    given = argument(given[0]), argument(given[1]), argument(given[2]), argument(given[3])
    *found, of_grid = exponents_of((*given, grid))
    if not _can_leave_the_range(found, weights * min(of_grid.low - 1, WEIGHT)):
        return compute(*given)
    if all(exponents.finite for exponents in found):
        return _sum_over_pieces(compute, given, found)
    # Results that are not finite are kept; the others are computed piece by piece, from the finite numbers only.
    xp, plain = array_module(*given), compute(*given)
    rest = tuple(xp.where(xp.isfinite(array), array, 0.0) for array in given)
    total = second_gradient(compute, rest, grid, weights)
    return tuple(xp.where(xp.isfinite(old), new, old) for old, new in zip(plain, total, strict=True))


def _sum_over_pieces(compute: Compute, given: Sequence[Any], found: Sequence[Exponents]) -> tuple[Any, ...]:
    """Return (pieces.1), each term once: those that do not depend on an array, with its first piece."""
    pieces = [pieces_of(array, exponents) for array, exponents in zip(given, found, strict=True)]
    xp = array_module(*given)
    no_a, no_b, _, no_u = (xp.zeros(array.shape) for array in given)
    totals: list[Any] = [0.0, 0.0, 0.0]

    def add(output: int, result: Any, power: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # what leaves the range is infinite
            totals[output] = totals[output] + xp.ldexp(result, power)

    for j, (piece_g, power_g) in enumerate(pieces[2]):
        for piece_a, power_a in pieces[0]:
            ggout, _, ggrid = compute(piece_a, no_b, piece_g, no_u)  # (pieces.1): F1(A) and F4(A, gV)
            add(2, ggrid, power_a + power_g)
            if j == 0:
                add(0, ggout, power_a)
        for piece_b, power_b in pieces[1]:
            for k, (piece_u, power_u) in enumerate(pieces[3]):
                ggout, gu, ggrid = compute(no_a, piece_b, piece_g, piece_u)  # (pieces.1): F2, F3 and F5
                add(2, ggrid, power_b + power_g + power_u)
                if j == 0:
                    add(0, ggout, power_b + power_u)
                if k == 0:
                    add(1, gu, power_b + power_g)
    return tuple(totals)
