"""Bending energy and smoothness once more, literally: HSTN Eq. (7).

    l = alpha |Laplacian w| + beta |grad w|                                                  (HSTN 7)

on pixels one unit apart, w(i, j) with the row i first:

    w_x = w(i, j+1) - w(i, j),   w_y = w(i+1, j) - w(i, j)                                   (penalties.1)
    w_xx = w(i, j-1) - 2 w(i, j) + w(i, j+1),   w_yy alike                                   (penalties.2)
    w_xy = (w(i+1, j+1) - w(i+1, j-1) - w(i-1, j+1) + w(i-1, j-1)) / 4                       (penalties.3)

Of a sum of entries v_k, each the sum of weights s(q - p) times w(q) around its pixel p, the gradient is

    gw(q) = sum over p, k of s_k(q - p) (sign(v_k), 0 at 0; or 2 v_k)                         (penalties.4)

with the weights of pixels beyond the border moved onto the outermost ones, whose copies they are.

The 1-norm and the squared 2-norm are rational; the 2-norm needs square roots, so it is left to the caller to take
them of `vectors`. M bounds what rounding acts on: the absolute terms of the differences, not the differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

from refwarp.exact.ledger import Equation
from refwarp.exact.numbers import Number, Sum

Plane = Sequence[Sequence[Number]]
QUARTER = Fraction(1, 4)


# One entry of the vector at a pixel: the weights of the neighbours (row, column) that it sums.
Stencil = dict[tuple[int, int], Number]

GRADIENT: tuple[Stencil, ...] = ({(0, 1): 1, (0, 0): -1}, {(1, 0): 1, (0, 0): -1})  # (penalties.1)
_XX: Stencil = {(0, -1): 1, (0, 0): -2, (0, 1): 1}  # (penalties.2)
_YY: Stencil = {(-1, 0): 1, (0, 0): -2, (1, 0): 1}
_XY: Stencil = {(1, 1): QUARTER, (1, -1): -QUARTER, (-1, 1): -QUARTER, (-1, -1): QUARTER}  # (penalties.3)
LAPLACIAN: tuple[Stencil, ...] = ({**_XX, **_YY, (0, 0): -4},)
HESSIAN: tuple[Stencil, ...] = (_XX, _XY, _XY, _YY)


def place(plane: Plane, i: int, j: int) -> tuple[int, int]:
    """Return the pixel of a plane that (i, j) is, or is a copy of."""
    return min(max(i, 0), len(plane) - 1), min(max(j, 0), len(plane[0]) - 1)


def entry(plane: Plane, stencil: Stencil, i: int, j: int) -> Sum:
    """Return what a stencil sums around pixel (i, j) of a plane continued by its outermost pixels."""
    total = Sum()
    for (di, dj), weight in stencil.items():
        row, column = place(plane, i + di, j + dj)
        total.add(weight * plane[row][column])
    return total


def centres(plane: Plane, stencils: Sequence[Stencil], boundary: str) -> list[tuple[int, int]]:
    """Return the pixels that `boundary` leaves: "valid" those with every stencil inside the map, "replicate" all."""
    offsets = [offset for stencil in stencils for offset in stencil]
    pixels = [(i, j) for i in range(len(plane)) for j in range(len(plane[0]))]
    if boundary == "replicate":
        return pixels
    return [(i, j) for i, j in pixels if all(place(plane, i + di, j + dj) == (i + di, j + dj) for di, dj in offsets)]


def vectors(field: Sequence[Plane], stencils: Sequence[Stencil], boundary: str) -> list[list[Sum]]:
    """Return for each pixel that `boundary` leaves the entries of all components."""
    return [
        [entry(plane, stencil, i, j) for stencil in stencils for plane in field]
        for i, j in centres(field[0], stencils, boundary)
    ]


def penalty(
    fields: Sequence[Sequence[Plane]], stencils: Sequence[Stencil], norm: str, boundary: str, reduction: str
) -> Sum:
    """Return the penalty of a batch of fields (N, D, H, W) in the norm "1" or "squared" (HSTN 7)."""
    pixels = [vector for field in fields for vector in vectors(field, stencils, boundary)]
    scale = Fraction(1, len(pixels)) if reduction == "mean" else Fraction(1)
    total = Sum()
    for vector in pixels:
        for component in vector:
            size = component.M if norm == "1" else component.M * component.M
            value = abs(component.value) if norm == "1" else component.value * component.value
            total.add(scale * value, scale * size)
    return total


def gradient(
    fields: Sequence[Sequence[Plane]], stencils: Sequence[Stencil], norm: str, boundary: str, reduction: str
) -> list[list[list[list[Sum]]]]:
    """Return the gradient (N, D, H, W) of `penalty` (penalties.4)."""
    pixels = centres(fields[0][0], stencils, boundary)
    scale = Fraction(1, len(fields) * len(pixels)) if reduction == "mean" else Fraction(1)
    gfields = [[[[Sum() for _ in row] for row in plane] for plane in field] for field in fields]
    for field, gfield in zip(fields, gfields, strict=True):
        for plane, gplane in zip(field, gfield, strict=True):
            for stencil, (i, j) in product(stencils, pixels):
                v = entry(plane, stencil, i, j)
                slope, size = (sign(v.value), 1) if norm == "1" else (2 * v.value, 2 * v.M)
                for (di, dj), weight in stencil.items():
                    row, column = place(plane, i + di, j + dj)
                    gplane[row][column].add(scale * weight * slope, scale * abs(weight) * size)
    return gfields


def sign(v: Number) -> int:
    """Return the derivative of |v|, 0 at v = 0 (penalties.4)."""
    return int(v > 0) - int(v < 0)


_TESTS = "tests/warps/test_penalties.py::"

LEDGER = (
    Equation(
        "HSTN",
        "7",
        "bending energy and smoothness of a motion field",
        "ambiguous",
        "norm, boundary and reduction are not said: all are arguments. The Laplacian is not the bending energy "
        "(w = x y: 0 against 2): both are offered. At 0, where training starts, the 1-norm has a kink: the "
        "subgradient is 0",
        (
            "refwarp.exact.penalties.penalty",
            "refwarp.exact.penalties.gradient",
            "refwarp.penalties.bending_energy",
            "refwarp.penalties.smoothness",
        ),
        (
            _TESTS + "test_the_laplacian_is_not_the_bending_energy",
            _TESTS + "test_the_subgradient_at_zero_is_zero",
            _TESTS + "test_values_are_within_their_budget",
            _TESTS + "test_gradients_are_within_their_budget",
        ),
    ),
)
