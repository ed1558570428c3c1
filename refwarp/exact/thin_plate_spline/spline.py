"""The thin plate spline grid, transcribed literally: DTN Eqs. (1) to (3), in the paper's order of rows and columns.

    T = (D^-1 [F^T; 0])^T                                                              (DTN 1)
    D = [1 C^T R; 0 0 1; 0 0 C],  R_jk = d^2 ln d^2,  d = |c_j - c_k|                  (DTN 2)
    p_i = T q_i,  q = [1, x, y, e^2 ln e^2 to each control point]                      (DTN 3)

with R_jj = 0, the limit. A smoothing weight s is added to the diagonal of R. In cardinal form, Z = D^-1 [1; 0],

    p_i = sum over k of f_k b_k(p_i),  b_k(p) = sum over j of q_j(p) Z_jk              (spline.1)

With the cotangent G of the grid, mu = D^-T sum over i of q_i G_i, and D t = [F^T; 0], t = [a; w], the gradients are

    gf_k = sum over i of G_i b_k(p_i)                                                  (spline.2)
    gc_j = sum over i of (G_i . w_j) f'(c_j - p_i)
         - sum over k of (mu_j . w_k + mu_k . w_j) f'(c_j - c_k)
         - mu_j . (a_x, a_y) - w_j . (mu_x, mu_y)                                      (spline.3)
    f'(v) = 2 (ln |v|^2 + 1) v,  f'(0) = 0                                             (spline.4)
    f''(v) d = 2 (ln |v|^2 + 1) d + 4 v (v . d) / |v|^2                                (spline.5)

where mu_1 to mu_K belong to the rows of D that interpolate, and mu_x, mu_y to its last two.

Logarithms are not rational: use balls (`Balls`), whose radius bounds the error, floats, or dual numbers of these. The
error budget is in `magnitudes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.functions import log
from refwarp.exact.arithmetic.matrices import Matrix, dot, solve, transpose
from refwarp.exact.arithmetic.numbers import Dual, Number
from refwarp.exact.ledger import Equation

Points = list[list[Number]]
Grid = list[list[list[Number]]]


def radial(r2: Number) -> Number:
    """Return r^2 ln r^2, and its limit 0 at r = 0."""
    return r2 * log(r2) if abs(r2) > 0 else r2


def squared_distance(p: list[Number], c: list[Number]) -> Number:
    """Return the squared Euclidean distance of two points."""
    return (p[0] - c[0]) * (p[0] - c[0]) + (p[1] - c[1]) * (p[1] - c[1])


def slope(p: list[Number], c: list[Number]) -> list[Number]:
    """Return f'(p - c) (spline.4)."""
    r2 = squared_distance(p, c)
    if not abs(r2) > 0:
        return [0 * r2, 0 * r2]
    return [2 * (log(r2) + 1) * (a - b) for a, b in zip(p, c, strict=True)]  # (spline.4)


def curvature(p: list[Number], c: list[Number], d: list[Number]) -> list[Number]:
    """Return f''(p - c) d (spline.5), which diverges where the points meet."""
    v = [a - b for a, b in zip(p, c, strict=True)]
    r2 = squared_distance(p, c)
    return [2 * (log(r2) + 1) * b + 4 * a * dot(v, d) / r2 for a, b in zip(v, d, strict=True)]  # (spline.5)


def system_matrix(control: Points, smoothing: Number = 0) -> Matrix:
    """Return the matrix Delta of the control points (DTN 2), smoothing on the diagonal of R."""
    rows = []
    for j, c in enumerate(control):
        row = [radial(squared_distance(c, d)) for d in control]  # (DTN 2): R
        row[j] = row[j] + smoothing
        rows.append([1, *c, *row])
    return [*rows, [0, 0, 0, *(1 for _ in control)], *([0, 0, 0, *(c[r] for c in control)] for r in range(2))]


def transformation(points: Points, control: Points, smoothing: Number = 0) -> Matrix:
    """Return T, 2 x (K + 3) (DTN 1)."""
    return transpose(solve(system_matrix(control, smoothing), [*points, *([0, 0] for _ in range(3))]))  # (DTN 1)


def extended(p: list[Number], control: Points) -> list[Number]:
    """Return q of a point (DTN 3)."""
    return [1, *p, *(radial(squared_distance(p, c)) for c in control)]  # (DTN 3): q


def target_points(height: int, width: int, align_corners: bool, number: Callable[[Fraction], Number]) -> Grid:
    """Return the output's points, (height, width, 2), as numbers of the type that `number` makes of a rational one."""
    xs = [number(target_coordinate(j, width, align_corners)) for j in range(width)]
    ys = [number(target_coordinate(i, height, align_corners)) for i in range(height)]
    return [[[x, y] for x in xs] for y in ys]


def spline_grid(points: Points, control: Points, targets: Grid, smoothing: Number = 0) -> Grid:
    """Return the sampling grid of one image, (height, width, 2) with x first (DTN 3)."""
    t = transformation(points, control, smoothing)
    return [[[dot(row, extended(p, control)) for row in t] for p in line] for line in targets]  # (DTN 3)


def cardinal_coefficients(control: Points, smoothing: Number = 0) -> Matrix:
    """Return Z, (K + 3) x K (spline.1)."""
    count = len(control)
    right = [[int(i == k) for k in range(count)] for i in range(count + 3)]
    return solve(system_matrix(control, smoothing), right)  # (spline.1): Z


class Gradients(NamedTuple):
    """The gradients of one image to the fiducial points and to the control points, each K x 2."""

    gpoints: Points
    gcontrol: Points


def spline_gradient(ggrid: Grid, points: Points, control: Points, targets: Grid, smoothing: Number = 0) -> Gradients:
    """Return both gradients (spline.2), (spline.3)."""
    count = len(control)
    matrix = system_matrix(control, smoothing)
    t = solve(matrix, [*points, *([0, 0] for _ in range(3))])
    a, w = t[:3], t[3:]
    flat = [(p, g) for line, gs in zip(targets, ggrid, strict=True) for p, g in zip(line, gs, strict=True)]
    qs = [extended(p, control) for p, _ in flat]
    moments = [
        [sum(q[j] * g[r] for q, (_, g) in zip(qs, flat, strict=True)) for r in range(2)] for j in range(count + 3)
    ]
    mu = solve(transpose(matrix), moments)
    gcontrol = []
    for j, c in enumerate(control):
        total = [-dot(mu[j], a[1 + d]) - dot(w[j], mu[count + 1 + d]) for d in range(2)]  # (spline.3)
        for p, g in flat:
            total = [x + dot(g, w[j]) * s for x, s in zip(total, slope(c, p), strict=True)]
        for k, other in enumerate(control):
            total = [x - (dot(mu[j], w[k]) + dot(mu[k], w[j])) * s for x, s in zip(total, slope(c, other), strict=True)]
        gcontrol.append(total)
    return Gradients(mu[:count], gcontrol)  # (spline.2): mu is D^-T Q^T G


class SecondGradients(NamedTuple):
    """The gradients of the gradients of one image: to the grid's cotangent, and to both sets of points."""

    gggrid: Grid
    gpoints: Points
    gcontrol: Points


def spline_second_gradient(
    cotangent_points: Points,
    cotangent_control: Points,
    ggrid: Grid,
    points: Points,
    control: Points,
    targets: Grid,
    smoothing: Number = 0,
) -> SecondGradients:
    """Return the gradients of A . gpoints + B . gcontrol for the cotangents A and B.

    gpoints and gcontrol are the gradients of one number, ggrid . grid, and second derivatives are symmetric: so this
    is how the grid and both gradients change when the points move by A and the control points by B. To a control
    point that is a target there is no second derivative; it is NaN.
    """
    f, c = duals(points, cotangent_points), duals(control, cotangent_control)
    gpoints, gcontrol = (change(part) for part in spline_gradient(ggrid, f, c, targets, smoothing))
    for j, centre in enumerate(control):
        if any(not abs(squared_distance(p, centre)) > 0 for line in targets for p in line):
            gcontrol[j] = [math.nan, math.nan]
    return SecondGradients(change(spline_grid(f, c, targets, smoothing)), gpoints, gcontrol)


def duals(points: Points, directions: Points) -> Points:
    """Return points that move."""
    return [[Dual(*pair) for pair in zip(*two, strict=True)] for two in zip(points, directions, strict=True)]


def change(nested: Any) -> Any:
    """Return the derivatives of nested dual numbers."""
    return [change(part) for part in nested] if isinstance(nested, list) else Dual.of(nested).derivative


_TESTS = "tests/exact/thin_plate_spline/test_spline.py::"
_EXACT = "refwarp.exact.thin_plate_spline.spline."
_GRID = "refwarp.grids.thin_plate_spline.function."
_DERIVATIVES = _TESTS + "test_the_gradients_are_the_derivatives_of_the_printed_forward"

LEDGER = (
    Equation(
        "DTN",
        "1",
        "the transformation matrix of a thin plate spline",
        "holds",
        "where Delta is nonsingular; it is singular if control points coincide or lie on a line",
        (_EXACT + "transformation", _GRID + "Solution"),
        (_DERIVATIVES, _TESTS + "test_coincident_and_collinear_control_points_are_singular"),
    ),
    Equation(
        "DTN",
        "2",
        "the matrix Delta of the control points",
        "holds",
        "with r_jj = 0, the limit of d^2 ln d^2",
        (_EXACT + "system_matrix", "refwarp.grids.thin_plate_spline.system._fill"),
        (_DERIVATIVES, _TESTS + "test_the_radial_function_tends_to_zero"),
    ),
    Equation(
        "DTN",
        "3",
        "the grid, p = T q",
        "holds",
        "control points map to the fiducial points exactly",
        (_EXACT + "spline_grid", _GRID + "Spline"),
        (
            _TESTS + "test_control_points_go_to_the_fiducial_points",
            _TESTS + "test_the_cardinal_form_is_the_printed_spline",
            _DERIVATIVES,
        ),
    ),
    Equation(
        "DTN",
        "control points (section 2.2)",
        "the control points are a subset of the output's pixels",
        "ambiguous",
        "for a regular grid from -1 to 1, only with align_corners, and only if its spacing is a multiple of the pixel "
        "spacing; nothing else requires it",
        (_EXACT + "target_points", _GRID + "tps_grid"),
        (_TESTS + "test_control_points_are_pixels_only_with_align_corners",),
    ),
    Equation(
        "DTN",
        "tanh (section 2.1)",
        "the fiducial points are tanh of the network's output",
        "ambiguous",
        "tanh keeps them inside (-1, 1), so the identity, with corners at -1 and 1, is never reached; tps_grid "
        "accepts any fiducial points",
        (_EXACT + "spline_grid", _GRID + "tps_grid"),
        (_TESTS + "test_tanh_never_reaches_the_identity",),
    ),
    Equation(
        "DTN",
        "released code, splines",
        "the transformation as released by the authors",
        "ambiguous",
        "r^2 is clipped at 1e-10 in the logarithm, so r^2 log r^2 vanishes at 0, like its limit; the difference is "
        "less than 4e-11. Training starts from tanh(linspace(-5, 5, 4)) = +-0.9999, +-0.931, which is not the "
        "identity",
        (_EXACT + "radial", _EXACT + "spline_grid", _GRID + "tps_grid"),
        (
            "tests/exact/test_remarks.py::test_clipping_in_the_logarithm_hardly_matters",
            "tests/exact/test_remarks.py::test_the_released_start_is_no_identity",
            _TESTS + "test_tanh_never_reaches_the_identity",
        ),
    ),
)
