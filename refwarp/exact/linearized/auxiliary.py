"""The positions of auxiliary samples, transcribed literally: LMS Eqs. (3), (8), (9).

    x_i^k ~ N(x_i, sigma), k = 1 ... K                                                      (LMS 3)
    u^k <- u^k + N(0, delta_u)                                                              (LMS 8)
    v^k <- v^k + N(0, delta_v)                                                              (LMS 9)

where (u^k, v^k) = T(x_i^k). sigma is called a standard deviation, delta is not defined; in the text after (9) it is the
width and height of a pixel, so also a deviation. For given standard normal numbers everything is arithmetic.

T is applied to the displaced x_i^k; or else its grid is interpolated between its points and extrapolated beyond them:

    T(j + f) = (1 - f) T(j) + f T(j + 1),   j the nearest cell, also for f outside [0, 1]    (auxiliary.1)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.ledger import Equation

Point = Sequence[Number]
Transform = Callable[[Number, Number], Point]


def auxiliary_point(
    transform: Transform, place: Point, noise: Point, deviation: Point, collapse_noise: Point, collapse_deviation: Point
) -> Point:
    """Return the place of one auxiliary sample in the map, for given standard normal numbers."""
    displaced = [x + sigma * n for x, sigma, n in zip(place, deviation, noise, strict=True)]  # (LMS 3)
    u, v = transform(*displaced)
    return (
        u + collapse_deviation[0] * collapse_noise[0],  # (LMS 8)
        v + collapse_deviation[1] * collapse_noise[1],  # (LMS 9)
    )


def interpolated(grid: Sequence[Sequence[Point]], i: int, j: int, dx: Number, dy: Number) -> Point:
    """Return T at the output pixel (i, j), displaced by (dx, dy) pixels, from its grid (auxiliary.1)."""

    def cell(index: int, displacement: Number, size: int) -> tuple[int, int, Number]:
        """Return the ends of the nearest cell of an axis, and f. An axis of one point has that one everywhere."""
        if size == 1:
            return 0, 0, displacement * 0
        left = min(max(index + math.floor(displacement), 0), size - 2)
        return left, left + 1, displacement - (left - index)

    (y0, y1, fy), (x0, x1, fx) = cell(i, dy, len(grid)), cell(j, dx, len(grid[0]))

    def along_x(row: Sequence[Point], axis: int) -> Number:
        return row[x0][axis] * (1 - fx) + row[x1][axis] * fx  # (auxiliary.1)

    return [along_x(grid[y0], axis) * (1 - fy) + along_x(grid[y1], axis) * fy for axis in range(2)]


_TESTS = "tests/exact/linearized/test_sample.py::"
_POSITIONS = "tests/samplers/linearized/test_auxiliary.py::"
_HOMES = ("refwarp.exact.linearized.auxiliary.auxiliary_point", "refwarp.samplers.linearized.auxiliary.auxiliary_grid")

LEDGER = (
    Equation(
        "LMS",
        "3",
        "auxiliary samples",
        "ambiguous",
        "K or K - 1 of them, the latter by (5) and (6): `count`. Displaced in the target image, by one output pixel; "
        "the released code displaces them after the transformation: `displaced_in`",
        _HOMES,
        (
            _TESTS + "test_equations_3_and_5_count_samples_differently",
            _TESTS + "test_samples_are_displaced_before_the_transformation_and_kept_apart_after_it",
            _POSITIONS + "test_positions_are_those_of_the_equations",
            _POSITIONS + "test_the_samples_spread_as_the_transformation_spreads_pixels",
        ),
    ),
    Equation(
        "LMS",
        "8, 9",
        "noise against collapse",
        "ambiguous",
        "delta is interpreted as a standard deviation, of one pixel of the map, as in the text after (9), not as a "
        'variance; the text also calls it "the magnitude of the transform", which is not defined; masks apply to the '
        "final positions, and `mask` accepts any other choice",
        _HOMES,
        (
            _TESTS + "test_the_collapse_noise_is_a_deviation_and_not_a_variance",
            _POSITIONS + "test_the_second_noise_keeps_samples_apart_where_a_transformation_collapses_them",
        ),
    ),
)
