"""The projective grid, transcribed literally: STN, section 3.2, "a plane projective transformation with 8 parameters".

    x_s = N_x / D,  y_s = N_y / D                                                      (projective.1)
    [N_x; N_y; D] = H [x_t; y_t; 1],  H = [h_11 h_12 h_13; h_21 h_22 h_23; h_31 h_32 h_33]     (projective.2)
    H = [t_1 t_2 t_3; t_4 t_5 t_6; t_7 t_8 1]                                          (projective.3)

(x_t, y_t) are the output's points, as for the affine grid. The paper prints no formula: h_33 = 1 is the usual reading
of "8 parameters", and the horizon, where D = 0, is not specified:

    x_s = infinity with the sign of N_x, 0 where N_x = 0;  NaN where N_x = N_y = D = 0  (projective.4)

and y_s likewise, the limit as D decreases to 0; and a pixel there contributes to no derivative. With b = (x_t, y_t, 1),

    gh_rk = sum over pixels of g_r b_k / D for r = 1, 2                                (projective.5)
    gh_3k = -sum over pixels of (g_x x_s + g_y y_s) b_k / D                            (projective.6)

and of sum A_rk gh_rk, for a cotangent A of gh with a = A b, the derivatives are, with r = 1, 2 for x, y,

    with respect to g_r:     (a_r - r_s a_3) / D                                       (projective.7)
    with respect to h_rk:    -sum over pixels of g_r a_3 b_k / D^2                     (projective.8)
    with respect to h_3k:    sum over pixels and r of g_r (2 r_s a_3 - a_r) b_k / D^2  (projective.9)

where r_s is x_s or y_s. The error budget of (projective.1) has M = Nbar/|D| + |x_s| Dbar/|D|, with bars for sums
of absolute terms: the effect on the quotient of rounding each term of N and of D once.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from refwarp.exact.affine import Grid, target_coordinate
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation

Matrix = list[list[Number]]


def homography(theta: list[Number]) -> Matrix:
    """Return H of eight parameters (projective.3)."""
    return [list(theta[:3]), list(theta[3:6]), [*theta[6:8], Fraction(1)]]  # (projective.3)


def homogeneous(h: Matrix, point: tuple[Number, ...]) -> list[Sum]:
    """Return N_x, N_y and D of a point (x, y, 1) (projective.2)."""
    return [Sum(a * c for a, c in zip(row, point, strict=True)) for row in h]  # (projective.2)


def projection(h: Matrix, point: tuple[Number, ...]) -> list[Sum]:
    """Return x_s and y_s of a point (x, y, 1) (projective.1)."""
    *numerators, d = homogeneous(h, point)
    if d.value == 0:
        nowhere = all(n.value == 0 for n in numerators)
        return [Sum.of(math.nan if nowhere else _at_infinity(n.value), n.k, math.inf) for n in numerators]
    return [quotient(n, d) for n in numerators]  # (projective.1)


def quotient(n: Sum, d: Sum) -> Sum:
    """Return n/d, with the M that rounding the terms of n and d leads to."""
    value = n.value / d.value
    return Sum.of(value, n.k + d.k, (n.M + abs(value) * d.M) / abs(d.value))


def _at_infinity(n: Number) -> float:
    """Return the limit of n/D as D falls to 0 (projective.4)."""
    return math.inf if n > 0 else -math.inf if n < 0 else 0.0  # (projective.4)


def projective_grid(h: Matrix, height: int, width: int, align_corners: bool) -> Grid:
    """Return the sampling grid of one image, (height, width, 2) with x first (projective.1)."""
    return [[projection(h, p) for p in line] for line in points(height, width, align_corners)]


def points(height: int, width: int, align_corners: bool) -> list[list[tuple[Fraction, ...]]]:
    """Return the output's points (x, y, 1)."""
    xs = [target_coordinate(j, width, align_corners) for j in range(width)]
    ys = [target_coordinate(i, height, align_corners) for i in range(height)]
    return [[(x, y, Fraction(1)) for x in xs] for y in ys]


def projective_grid_gradient(ggrid: list[list[list[Number]]], h: Matrix, align_corners: bool) -> list[list[Sum]]:
    """Return the gradient to H of one image, 3 x 3."""
    gh = [[Sum() for _ in range(3)] for _ in range(3)]
    for line, cotangents in zip(points(len(ggrid), len(ggrid[0]), align_corners), ggrid, strict=True):
        for b, g in zip(line, cotangents, strict=True):
            d = homogeneous(h, b)[2].value
            if d == 0:
                continue
            s = [part.value for part in projection(h, b)]
            for k in range(3):
                for r in range(2):
                    gh[r][k].add(g[r] * b[k] / d)  # (projective.5)
                    gh[2][k].add(-g[r] * s[r] * b[k] / d)  # (projective.6)
    return gh


class SecondGradients(NamedTuple):
    """The gradients of A . gh to ggrid (height, width, 2) and to H (3 x 3)."""

    gggrid: Grid
    gh: list[list[Sum]]


def projective_grid_second_gradient(
    cotangent: Matrix, ggrid: list[list[list[Number]]], h: Matrix, align_corners: bool
) -> SecondGradients:
    """Return the gradients of A . gh for the cotangent A."""
    gggrid: Grid = []
    gh = [[Sum() for _ in range(3)] for _ in range(3)]
    for line, cotangents in zip(points(len(ggrid), len(ggrid[0]), align_corners), ggrid, strict=True):
        row: list[list[Sum]] = []
        for b, g in zip(line, cotangents, strict=True):
            d = homogeneous(h, b)[2].value
            if d == 0:
                row.append([Sum(), Sum()])
                continue
            s = [part.value for part in projection(h, b)]
            a = [part.value for part in homogeneous(cotangent, b)]
            row.append([Sum((a[r] / d, -s[r] * a[2] / d)) for r in range(2)])  # (projective.7)
            for k in range(3):
                for r in range(2):
                    gh[r][k].add(-g[r] * a[2] * b[k] / (d * d))  # (projective.8)
                    gh[2][k].add(2 * g[r] * s[r] * a[2] * b[k] / (d * d))  # (projective.9)
                    gh[2][k].add(-g[r] * a[r] * b[k] / (d * d))
        gggrid.append(row)
    return SecondGradients(gggrid, gh)


_TESTS = "tests/exact/test_projective.py::"

LEDGER = (
    Equation(
        "STN",
        "projective (section 3.2)",
        "a plane projective transformation with 8 parameters",
        "ambiguous",
        "no formula is printed; setting the ninth entry of the matrix to 1 excludes the homographies that send the "
        "centre to infinity, so 3 x 3 matrices are accepted as well; points on the horizon are infinite and have no "
        "derivative",
        ("refwarp.exact.projective.projective_grid", "refwarp.grids.projective.projective_grid"),
        (
            _TESTS + "test_four_points_fix_the_eight_parameters",
            _TESTS + "test_eight_parameters_leave_homographies_out",
            _TESTS + "test_the_gradient_is_the_derivative_of_the_grid",
            _TESTS + "test_the_second_gradients_are_the_derivatives_of_the_first",
            "tests/grids/test_projective.py::test_on_the_horizon_points_are_infinite_and_without_gradient",
        ),
    ),
)
