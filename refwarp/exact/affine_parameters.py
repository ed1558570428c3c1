"""Affine grids with fewer, or other, parameters, transcribed literally: STN Eq. (2), KUR's and LMS's parameters.

Each is STN's affine grid with a matrix A built from its parameters:

    attention           A = [s 0 t_x; 0 s t_y]                                         (STN 2)
    translation         A = [1 0 t_x; 0 1 t_y]                                         (affine_parameters.1)
    similarity          A = [s cos a, -s sin a, t_x; s sin a, s cos a, t_y]            (affine_parameters.2)
    rotation, log-scales, translation: with p = 2^l_x and q = 2^l_y,
                        A = [p cos a, -q sin a, t_x; p sin a, q cos a, t_y]            (affine_parameters.3)
      translated first  t_x and t_y replaced by p cos a t_x - q sin a t_y and p sin a t_x + q cos a t_y
                                                                                       (affine_parameters.4)
    KUR's order         A = [h_1 h_2 h_5; h_3 h_4 h_6]                                 (affine_parameters.5)

Each entry of A is a list of terms, given together with the terms of its derivatives with respect to the parameters:

    grid_r = sum over k and the terms of A_rk, times (x, y, 1)_k                       (affine_parameters.6)
    gtheta_p = sum over i, j, r, k and the terms of dA_rk/dtheta_p, times ggrid_ijr (x, y, 1)_k    (affine_parameters.7)

M and k of the error budget are those of these sums. Sines and powers of two are not rational: use balls, floats,
complex numbers, dual numbers of these, or any type with `cos` and `sin`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from refwarp.exact.affine import Grid, target_coordinate
from refwarp.exact.arithmetic.functions import cos, log, power_of_two, sin
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation

Convert = Callable[[Fraction], Number]
# For each of the 2 x 3 entries, its terms.
Terms = list[list[tuple[Number, ...]]]


class Parametrised(NamedTuple):
    """The terms of A, and those of its derivative to each parameter."""

    matrix: Terms
    derivatives: list[Terms]


def attention(theta: list[Number]) -> Parametrised:
    """Return A of the parameters s, t_x, t_y (STN 2)."""
    s, tx, ty = theta
    return Parametrised(
        [[(s,), (), (tx,)], [(), (s,), (ty,)]],  # (STN 2)
        [[[(1,), (), ()], [(), (1,), ()]], *_shifts()],
    )


def translation(theta: list[Number]) -> Parametrised:
    """Return A of the parameters t_x, t_y (affine_parameters.1)."""
    tx, ty = theta
    return Parametrised([[(1,), (), (tx,)], [(), (1,), (ty,)]], _shifts())  # (affine_parameters.1)


def _shifts() -> list[Terms]:
    """Return the derivatives of A to t_x and t_y, where these are its last column."""
    return [[[(), (), (1,)], [(), (), ()]], [[(), (), ()], [(), (), (1,)]]]


def similarity(theta: list[Number]) -> Parametrised:
    """Return A of the parameters s, a, t_x, t_y (affine_parameters.2)."""
    s, a, tx, ty = theta
    c, d = cos(a), sin(a)
    return Parametrised(
        [[(s * c,), (-s * d,), (tx,)], [(s * d,), (s * c,), (ty,)]],  # (affine_parameters.2)
        [[[(c,), (-d,), ()], [(d,), (c,), ()]], [[(-s * d,), (-s * c,), ()], [(s * c,), (-s * d,), ()]], *_shifts()],
    )


def rotation_scale_translation(theta: list[Number], translate_first: bool = False) -> Parametrised:
    """Return A of the parameters a, l_x, l_y, t_x, t_y (affine_parameters.3), (affine_parameters.4)."""
    a, lx, ly, tx, ty = theta
    p, q, c, d = power_of_two(lx), power_of_two(ly), cos(a), sin(a)
    zero, ln2 = 0 * p, log(0 * p + 2)
    linear = [[p * c, -q * d], [p * d, q * c]]  # (affine_parameters.3)
    changes = [
        [[-p * d, -q * c], [p * c, -q * d]],
        [[ln2 * p * c, zero], [ln2 * p * d, zero]],
        [[zero, -ln2 * q * d], [zero, ln2 * q * c]],
    ]

    def with_shift(rows: list[list[Number]]) -> Terms:
        return [[(m,), (n,), (m * tx, n * ty) if translate_first else ()] for m, n in rows]  # (affine_parameters.4)

    matrix, derivatives = with_shift(linear), [with_shift(rows) for rows in changes]
    if translate_first:
        return Parametrised(matrix, [*derivatives, *([[(), (), (row[k],)] for row in linear] for k in range(2))])
    for row, t in zip(matrix, (tx, ty), strict=True):
        row[2] = (t,)
    return Parametrised(matrix, [*derivatives, *_shifts()])


def kurbiel(theta: list[Number]) -> Parametrised:
    """Return A of the parameters h_1 to h_6 (affine_parameters.5)."""
    places = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (1, 2)]
    matrix: Terms = [[(), (), ()], [(), (), ()]]
    derivatives: list[Terms] = []
    for (r, k), h in zip(places, theta, strict=True):
        matrix[r][k] = (h,)  # (affine_parameters.5)
        derivatives.append([[(1,) if (i, j) == (r, k) else () for j in range(3)] for i in range(2)])
    return Parametrised(matrix, derivatives)


def values(matrix: Terms) -> list[list[Number]]:
    """Return the entries of A themselves."""
    return [[sum(terms) for terms in row] for row in matrix]


def parametrised_grid(
    a: Parametrised, height: int, width: int, align_corners: bool, number: Convert = Fraction
) -> Grid:
    """Return the sampling grid of one image, (height, width, 2) with x first (affine_parameters.6).

    `number` makes numbers of the entries' type of the rational coordinates.
    """

    def coordinate(row: list[tuple[Number, ...]], p: list[Number]) -> Sum:
        return Sum(term * c for terms, c in zip(row, p, strict=True) for term in terms)  # (affine_parameters.6)

    points = _points(height, width, align_corners, number)
    return [[[coordinate(row, p) for row in a.matrix] for p in line] for line in points]


def parametrised_gradient(
    a: Parametrised,
    ggrid: list[list[list[Number]]],
    align_corners: bool,
    number: Convert = Fraction,
) -> list[Sum]:
    """Return the gradient to the parameters of one image (affine_parameters.7)."""
    points = _points(len(ggrid), len(ggrid[0]), align_corners, number)
    gtheta = []
    for derivative in a.derivatives:
        total = Sum()
        for line, cotangents in zip(points, ggrid, strict=True):
            for p, g in zip(line, cotangents, strict=True):
                for r, row in enumerate(derivative):
                    for terms, c in zip(row, p, strict=True):
                        for term in terms:
                            total.add(term * g[r] * c)  # (affine_parameters.7)
        gtheta.append(total)
    return gtheta


def _points(height: int, width: int, align_corners: bool, number: Convert) -> list[list[list[Number]]]:
    """Return the output's points (x, y, 1)."""
    xs = [number(target_coordinate(j, width, align_corners)) for j in range(width)]
    ys = [number(target_coordinate(i, height, align_corners)) for i in range(height)]
    return [[[x, y, number(Fraction(1))] for x in xs] for y in ys]


_TESTS = "tests/exact/test_affine_parameters.py::"
_GRID = "refwarp.grids.affine_parameters."
_HERE = "refwarp.exact.affine_parameters."

LEDGER = (
    Equation(
        "STN",
        "2",
        "attention grid",
        "holds",
        "",
        (_HERE + "attention", _GRID + "_attention"),
        (_TESTS + "test_attention_is_the_affine_grid_of_its_matrix", _TESTS + "test_derivatives_of_rational_matrices"),
    ),
    Equation(
        "LMS",
        "parameters (section 6.4)",
        "rotation, scale changes in log-space, translation",
        "ambiguous",
        "the example implies base 2; the direction of positive angles and the order of the three are not specified. "
        "The angle rotates x towards y; the translation comes last, or first, as in the released code "
        "(translate_first), which has one scale for both axes",
        (_HERE + "rotation_scale_translation", _GRID + "rotation_scale_translation_grid"),
        (
            _TESTS + "test_the_base_of_the_log_scales_is_two",
            _TESTS + "test_the_order_of_rotation_scales_and_translation_matters",
            _TESTS + "test_derivatives_of_matrices_with_angles_and_log_scales",
        ),
    ),
)
