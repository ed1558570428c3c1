"""Bending energy and smoothness once more, literally: HSTN Eq. (7).

    l = alpha |Laplacian w| + beta |grad w|                                                  (HSTN 7)

on pixels one unit apart, w(i, j) with the row i first:

    w_x = w(i, j+1) - w(i, j),   w_y = w(i+1, j) - w(i, j)                                   (penalties.1)
    w_xx = w(i, j-1) - 2 w(i, j) + w(i, j+1),   w_yy alike                                   (penalties.2)
    w_xy = (w(i+1, j+1) - w(i+1, j-1) - w(i-1, j+1) + w(i-1, j-1)) / 4                       (penalties.3)

The 1-norm and the squared 2-norm are rational; the 2-norm needs square roots, so it is left to the caller to take
them of `vectors`. M bounds what rounding acts on: the absolute terms of the differences, not the differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

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


def entry(plane: Plane, stencil: Stencil, i: int, j: int) -> Sum:
    """Return what a stencil sums around pixel (i, j) of a plane continued by its outermost pixels."""
    bottom, right = len(plane) - 1, len(plane[0]) - 1
    return Sum(
        weight * plane[min(max(i + di, 0), bottom)][min(max(j + dj, 0), right)]
        for (di, dj), weight in stencil.items()
    )


def vectors(field: Sequence[Plane], stencils: Sequence[Stencil], boundary: str) -> list[list[Sum]]:
    """Return for each pixel that `boundary` leaves the entries of all components.

    "valid" takes the pixels at which every stencil lies inside the map, "replicate" all.
    """
    height, width = len(field[0]), len(field[0][0])
    offsets = [offset for stencil in stencils for offset in stencil]

    def inside(i: int, j: int) -> bool:
        return all(0 <= i + di < height and 0 <= j + dj < width for di, dj in offsets)

    return [
        [entry(plane, stencil, i, j) for stencil in stencils for plane in field]
        for i in range(height)
        for j in range(width)
        if boundary == "replicate" or inside(i, j)
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
            "refwarp.penalties.bending_energy",
            "refwarp.penalties.smoothness",
        ),
        (
            _TESTS + "test_the_laplacian_is_not_the_bending_energy",
            _TESTS + "test_the_subgradient_at_zero_is_zero",
            _TESTS + "test_values_are_within_their_budget",
        ),
    ),
)
