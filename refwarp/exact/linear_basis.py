"""The linear basis grid, transcribed literally: STN's T = M_theta B, and the bases.

    grid_r(p) = sum over k of M_rk B_k(p)                                              (linear_basis.1)
    gM_rk = sum over p of ggrid_r(p) B_k(p)                                            (linear_basis.2)
    gB_k(p) = sum over n, r of M_nrk ggrid_nr(p)                                       (linear_basis.3)

HSTN's related work writes a deformation, in one dimension, as an affine part and a combination of basis functions:

    phi(p) = c + alpha p + sum over i of w_i f_i(p)                                    (linear_basis.4)
    U_i(p) = (p - p_i)^2 log (p - p_i)^2,  "thin plate spline"                         (linear_basis.5)
    B_i(p) = C(n, i) (1 - p)^(n - i) p^i,  "B spline"                                  (linear_basis.6)
"""

from __future__ import annotations

import math
from fractions import Fraction

from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.functions import log
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation

Basis = list[list[list[Number]]]


def linear_basis_grid(m: list[list[Number]], basis: Basis) -> list[list[list[Sum]]]:
    """Return the sampling grid of one image, (H, W, 2) (linear_basis.1)."""
    height, width = len(basis[0]), len(basis[0][0])

    def coordinate(row: list[Number], i: int, j: int) -> Sum:
        return Sum(a * b[i][j] for a, b in zip(row, basis, strict=True))  # (linear_basis.1)

    return [[[coordinate(row, i, j) for row in m] for j in range(width)] for i in range(height)]


def coefficient_gradient(ggrid: list[list[list[Number]]], basis: Basis) -> list[list[Sum]]:
    """Return the gradient to M of one image, (2, K) (linear_basis.2)."""
    points = [(i, j, g) for i, row in enumerate(ggrid) for j, g in enumerate(row)]
    return [[Sum(g[r] * b[i][j] for i, j, g in points) for b in basis] for r in range(2)]  # (linear_basis.2)


def basis_gradient(ggrids: list[list[list[list[Number]]]], ms: list[list[list[Number]]]) -> list[list[list[Sum]]]:
    """Return the gradient to B, which all images share, (K, H, W) (linear_basis.3)."""
    height, width = len(ggrids[0]), len(ggrids[0][0])
    pairs = [(m[r], ggrid, r) for m, ggrid in zip(ms, ggrids, strict=True) for r in range(2)]

    def value(k: int, i: int, j: int) -> Sum:
        return Sum(row[k] * ggrid[i][j][r] for row, ggrid, r in pairs)  # (linear_basis.3)

    return [[[value(k, i, j) for j in range(width)] for i in range(height)] for k in range(len(ms[0][0]))]


def affine_basis(height: int, width: int, align_corners: bool) -> Basis:
    """Return x, y and 1 at each output pixel, (3, H, W)."""
    x = [target_coordinate(j, width, align_corners) for j in range(width)]
    y = [target_coordinate(i, height, align_corners) for i in range(height)]
    return [[x for _ in y], [[b] * width for b in y], [[Fraction(1)] * width for _ in y]]


def bernstein(n: int, i: int, p: Number) -> Number:
    """Return the Bernstein polynomial i of degree n (linear_basis.6)."""
    return math.comb(n, i) * (1 - p) ** (n - i) * p**i  # (linear_basis.6)


def bernstein_basis(degree: int, height: int, width: int, align_corners: bool) -> Basis:
    """Return the products of B_k in y and B_m in x at each output pixel, ((degree + 1)^2, H, W)."""
    x = [(target_coordinate(j, width, align_corners) + 1) / 2 for j in range(width)]
    y = [(target_coordinate(i, height, align_corners) + 1) / 2 for i in range(height)]
    orders = range(degree + 1)
    return [[[bernstein(degree, k, b) * bernstein(degree, m, a) for a in x] for b in y] for k in orders for m in orders]


def deformation(p: Number, c: Number, alpha: Number, w: list[Number], f: list[Number]) -> Sum:
    """Return phi at a point where the basis functions are f (linear_basis.4)."""
    return Sum([c, alpha * p, *(a * b for a, b in zip(w, f, strict=True))])  # (linear_basis.4)


def u_function(p: Number, centre: Number) -> Number:
    """Return HSTN's U in one dimension (linear_basis.5), away from its centre."""
    square = (p - centre) * (p - centre)
    return square * log(square)  # (linear_basis.5)


_TESTS = "tests/exact/test_linear_basis.py::"
_GRID = "refwarp.grids.linear_basis."

LEDGER = (
    Equation(
        "STN",
        "T = M_theta B",
        "a grid that is linear in its parameters, with B learnable",
        "wrong",
        "the formula holds, but not the claim about it: M B is no superset of the projective transformations, except "
        "with a third row and a division by it, or trivially with as many basis functions as pixels",
        ("refwarp.exact.linear_basis.linear_basis_grid", _GRID + "linear_basis_grid"),
        (
            _TESTS + "test_the_gradients_are_the_derivatives_of_the_product",
            _TESTS + "test_homographies_span_all_grids",
            _TESTS + "test_a_third_row_and_a_division_make_homographies",
            _TESTS + "test_attention_and_affine_grids_are_three_basis_functions",
            "tests/exact/thin_plate_spline/test_spline.py::test_the_cardinal_form_is_the_printed_spline",
        ),
    ),
    Equation(
        "HSTN",
        "phi(p) (related work)",
        "a deformation as an affine part and a combination of basis functions",
        "definition",
        "a linear basis grid whose basis starts with 1 and the coordinates",
        ("refwarp.exact.linear_basis.deformation", _GRID + "linear_basis_grid"),
        (_TESTS + "test_a_deformation_is_a_linear_basis_grid",),
    ),
    Equation(
        "HSTN",
        "U_i(p) (related work)",
        "the function of thin plate splines",
        "ambiguous",
        "the text uses it in one dimension, where p^2 log p^2 is not the spline of least bending (|p|^3 is); in two "
        "dimensions it is",
        ("refwarp.exact.linear_basis.u_function", "refwarp.grids.thin_plate_spline.radial.radial"),
        (_TESTS + "test_u_is_the_spline_of_two_dimensions_and_not_of_one",),
    ),
    Equation(
        "HSTN",
        "B_i(p) (related work)",
        "the function of B-splines",
        "misprint",
        "this is the Bernstein polynomial, which is a B-spline only without interior knots",
        ("refwarp.exact.linear_basis.bernstein", _GRID + "bernstein_basis"),
        (_TESTS + "test_b_is_a_b_spline_without_interior_knots_only",),
    ),
)
