"""Kurbiel's displayed equations, transcribed literally: the sampling grid, the sampler, and the two transformations.

    (y_s, x_s) for 0 <= i < H', 0 <= j < W'                                            (kurbiel.1)
    [x_s; y_s] = [theta_1 theta_2; theta_3 theta_4] [x_t; y_t] + [theta_5; theta_6]    (kurbiel.2)
    [x_s; y_s] = [x_t; y_t] + [theta_1; theta_2]                                       (kurbiel.3)

    V = U(y_lo, x_lo) d_y d_x + U(y_lo, x_hi) d_y (1 - d_x)
      + U(y_hi, x_lo) (1 - d_y) d_x + U(y_hi, x_hi) (1 - d_y) (1 - d_x)                (kurbiel.4)

Underlined and overlined coordinates are those of the neighbours. d_x is "the horizontal distance from the sample point
to the right cell border", d_y "the vertical distance to the top cell border". The weights are those of bilinear
sampling where d_y is the distance to the border of the larger y: "top" is that border only where y points up, while
rows are counted downwards. The neighbours of an integer are not specified:

    next   x_lo = floor(x), x_hi = floor(x) + 1                                        (kurbiel.5)
    ceil   x_lo = floor(x), x_hi = ceil(x): there both are x                           (kurbiel.6)

Both give the same value. For the first, the derivative is the one from the right; for the second, it is 0, since the
neighbours coincide:

    dV/dx = sum over the neighbours of U times d_y or 1 - d_y, times -1 (x_lo) or 1 (x_hi)       (kurbiel.7)
"""

from __future__ import annotations

import math
from collections.abc import Callable

from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.ledger import Equation

Plane = list[list[Number]]
Transformation = Callable[[Number, Number], tuple[Number, Number]]


def sampling_grid(transformation: Transformation, height: int, width: int, align_corners: bool) -> list[Plane]:
    """Return the pairs (y_s, x_s), row first (kurbiel.1)."""
    grid = []
    for i in range(height):
        row = []
        for j in range(width):
            target = target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)
            x, y = transformation(*target)
            row.append([y, x])  # (kurbiel.1)
        grid.append(row)
    return grid


def affine(theta: list[Number]) -> Transformation:
    """Return the affine transformation of six parameters (kurbiel.2)."""
    t1, t2, t3, t4, t5, t6 = theta
    return lambda x, y: (t1 * x + t2 * y + t5, t3 * x + t4 * y + t6)  # (kurbiel.2)


def translation(theta: list[Number]) -> Transformation:
    """Return the translation of two parameters (kurbiel.3)."""
    t1, t2 = theta
    return lambda x, y: (x + t1, y + t2)  # (kurbiel.3)


def neighbours(x: Number, reading: str) -> tuple[int, int]:
    """Return the neighbours of a coordinate by the reading "next" (kurbiel.5) or "ceil" (kurbiel.6)."""
    low = math.floor(x)
    return low, low + 1 if reading == "next" else -math.floor(-x)  # (kurbiel.5), (kurbiel.6)


def value(plane: Plane, x: Number, y: Number, reading: str = "next", top: str = "larger") -> Number:
    """Return V (kurbiel.4); "top" is the border of the "larger" y, or of the "smaller"."""
    x_lo, x_hi = neighbours(x, reading)
    y_lo, y_hi = neighbours(y, reading)
    dx = x_hi - x
    dy = y_hi - y if top == "larger" else y - y_lo
    return (
        _at(plane, y_lo, x_lo) * dy * dx  # (kurbiel.4)
        + _at(plane, y_lo, x_hi) * dy * (1 - dx)
        + _at(plane, y_hi, x_lo) * (1 - dy) * dx
        + _at(plane, y_hi, x_hi) * (1 - dy) * (1 - dx)
    )


def x_derivative(plane: Plane, x: Number, y: Number, reading: str = "next") -> Number:
    """Return dV/dx with the neighbours held fixed (kurbiel.7)."""
    x_lo, x_hi = neighbours(x, reading)
    y_lo, y_hi = neighbours(y, reading)
    dy = y_hi - y
    return (_at(plane, y_lo, x_hi) - _at(plane, y_lo, x_lo)) * dy + (  # (kurbiel.7)
        _at(plane, y_hi, x_hi) - _at(plane, y_hi, x_lo)
    ) * (1 - dy)


def _at(plane: Plane, n: int, m: int) -> Number:
    """Return a pixel, 0 outside of the plane (the text leaves that open)."""
    return plane[n][m] if 0 <= n < len(plane) and 0 <= m < len(plane[0]) else 0


_TESTS = "tests/exact/test_kurbiel.py::"
_HERE = "refwarp.exact.kurbiel."
_PARAMETERS = "refwarp.grids.affine_parameters."

LEDGER = (
    Equation(
        "KUR",
        "sampling grid",
        "pairs (y, x) for each output pixel",
        "holds",
        "row first, while STN and grid_sample have x first; STN's interval [-1, 1] is not mentioned",
        (_HERE + "sampling_grid", "refwarp.grids.affine.affine_grid"),
        (_TESTS + "test_the_sampling_grid_is_stns_with_its_axes_exchanged",),
    ),
    Equation(
        "KUR",
        "sampler",
        "bilinear sampling from four neighbours",
        "ambiguous",
        "d_y is the distance to the border of the larger y, which is at the top only if y points up; the upper "
        "neighbour of an integer is the next pixel (implemented: its derivative is the one from the right) or the "
        "pixel itself (then the derivative there is 0)",
        (_HERE + "value", "refwarp.exact.bilinear.value", "refwarp.samplers.bilinear.kernels.blend"),
        (
            _TESTS + "test_the_sampler_is_bilinear_by_both_readings",
            _TESTS + "test_with_the_border_of_smaller_y_the_rows_are_exchanged",
            _TESTS + "test_on_the_lattice_the_readings_have_different_derivatives",
        ),
    ),
    Equation(
        "KUR",
        "affine transformation",
        "four parameters for the matrix, then two for the shift",
        "holds",
        "not in the order of STN's rows: kurbiel_matrix converts",
        (_HERE + "affine", _PARAMETERS + "kurbiel_matrix"),
        (_TESTS + "test_the_affine_parameters_come_in_another_order_than_stns",),
    ),
    Equation(
        "KUR",
        "translation",
        "two parameters",
        "holds",
        "",
        (_HERE + "translation", _PARAMETERS + "translation_grid"),
        (_TESTS + "test_the_translation_is_the_affine_grid_of_its_matrix",),
    ),
)
