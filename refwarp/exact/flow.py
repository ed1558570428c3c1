"""Motion fields, transcribed literally: HSTN Eqs. (1) to (5).

With x := (x, y), source I, target T and a flow w, HSTN minimises over w, and over an affine motion H, the squares of

    I(x + w) - T(x)                                                                    (HSTN 1)
    I(x) + grad I(x) w - T(x)                                                          (HSTN 2)
    I(x + H x + w) - T(x)                                                              (HSTN 3)
    I(x + H x) + grad I(x + H x) w - T(x)                                              (HSTN 4)

(summed over the pixels, which is not printed). Where H multiplies it x is homogeneous, (x, y, 1):

    [u; v] = [a - 1, b, c; d, e - 1, f] [x; y; 1]                                      (HSTN 5)

so H is the motion of an affine transformation, not the transformation. A grid contains the points that a flow leads to,

    g_x = x_t(j) + u p_x,  x_t(j) = (2 j + 1 - W)/s                                    (flow.1)
    p_x = 1 (normalised units) or 2/s_x (pixels), and 0 in pixels where s_x = 0        (flow.2)

with s = W - 1 (align_corners) or W, and y likewise. The gradients are those of linear maps:

    gflow_r = p_r ggrid_r                                                              (flow.3)
    gtheta_rk = sum over i, j of gmotion_r q_r (x_t, y_t, 1)_k                         (flow.4)

q is 1 in normalised units and s/2 in pixels, the factor of (HSTN 5) there.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from refwarp.exact.affine import Grid, target_coordinate
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bilinear import HALF, coordinate_scale
from refwarp.exact.ledger import Equation

Point = tuple[Number, Number]
Image = Callable[[Number, Number], Number]
Gradient = Callable[[Number, Number], Point]
Matrix = list[list[Number]]
Field = list[list[list[Number]]]


def difference(source: Image, target: Image, x: Point, w: Point) -> Number:
    """Return what is squared in (HSTN 1)."""
    return source(*add(x, w)) - target(*x)  # (HSTN 1)


def linearised_difference(source: Image, gradient: Gradient, target: Image, x: Point, w: Point) -> Number:
    """Return what is squared in (HSTN 2)."""
    return source(*x) + inner(gradient(*x), w) - target(*x)  # (HSTN 2)


def combined_difference(source: Image, target: Image, x: Point, h: Matrix, w: Point) -> Number:
    """Return what is squared in (HSTN 3)."""
    return source(*add(add(x, linear_motion(h, x)), w)) - target(*x)  # (HSTN 3)


def linearised_combined_difference(
    source: Image, gradient: Gradient, target: Image, x: Point, h: Matrix, w: Point
) -> Number:
    """Return what is squared in (HSTN 4)."""
    moved = add(x, linear_motion(h, x))
    return source(*moved) + inner(gradient(*moved), w) - target(*x)  # (HSTN 4)


def converter(theta: Matrix) -> Matrix:
    """Return H, the matrix of the motion of the affine transformation [a b c; d e f] (HSTN 5)."""
    (a, b, c), (d, e, f) = theta
    return [[a - 1, b, c], [d, e - 1, f]]  # (HSTN 5)


def linear_motion(h: Matrix, x: Point) -> Point:
    """Return H (x, y, 1), the motion (u, v) (HSTN 5)."""
    u, v = (a * x[0] + b * x[1] + c for a, b, c in h)  # (HSTN 5)
    return u, v


def add(a: Point, b: Point) -> Point:
    """Return the sum of two vectors."""
    return a[0] + b[0], a[1] + b[1]


def inner(a: Point, b: Point) -> Number:
    """Return the inner product of two vectors."""
    return a[0] * b[0] + a[1] * b[1]


# ---- motion fields on the pixels of a map ----


def normalised_step(size: int, align_corners: bool, unit: str) -> Fraction:
    """Return p, what a motion of one unit is in normalised units (flow.2)."""
    if unit == "normalised":
        return Fraction(1)
    s = coordinate_scale(size, align_corners)
    return Fraction(2, s) if s else Fraction(0)  # (flow.2)


def flow_grid(flow: Field, align_corners: bool, unit: str) -> Grid:
    """Return the grid of one image's flow (2, H, W), u first (flow.1)."""
    height, width = len(flow[0]), len(flow[0][0])
    steps = [normalised_step(size, align_corners, unit) for size in (width, height)]
    grid = []
    for i in range(height):
        row = []
        for j in range(width):
            rest = target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)
            row.append([Sum((rest[r], flow[r][i][j] * steps[r])) for r in range(2)])  # (flow.1)
        grid.append(row)
    return grid


def flow_gradient(ggrid: Field, align_corners: bool, unit: str) -> list[list[list[Sum]]]:
    """Return the gradient to the flow of one image, (2, H, W) (flow.3)."""
    steps = [normalised_step(size, align_corners, unit) for size in (len(ggrid[0]), len(ggrid))]
    return [[[Sum((g[r] * steps[r],)) for g in row] for row in ggrid] for r in range(2)]  # (flow.3)


def pixels(size: int, align_corners: bool, unit: str) -> Fraction:
    """Return q, what a motion of one normalised unit is in the unit."""
    return Fraction(1) if unit == "normalised" else coordinate_scale(size, align_corners) * HALF


def affine_motion(theta: Matrix, height: int, width: int, align_corners: bool, unit: str) -> list[list[list[Sum]]]:
    """Return the motion field of one image, (2, H, W), u first (HSTN 5)."""
    factors = [pixels(size, align_corners, unit) for size in (width, height)]
    xs = [target_coordinate(j, width, align_corners) for j in range(width)]
    ys = [target_coordinate(i, height, align_corners) for i in range(height)]
    return [
        [[Sum((a * x * factor, b * y * factor, c * factor)) for x in xs] for y in ys]  # (HSTN 5)
        for (a, b, c), factor in zip(converter(theta), factors, strict=True)
    ]


def affine_motion_gradient(gmotion: Field, align_corners: bool, unit: str) -> list[list[Sum]]:
    """Return the gradient to theta of one image, 2 x 3 (flow.4)."""
    height, width = len(gmotion[0]), len(gmotion[0][0])
    gtheta = []
    for plane, size in zip(gmotion, (width, height), strict=True):
        factor, totals = pixels(size, align_corners, unit), [Sum(), Sum(), Sum()]
        for i, row in enumerate(plane):
            for j, g in enumerate(row):
                totals[0].add(g * factor * target_coordinate(j, width, align_corners))  # (flow.4)
                totals[1].add(g * factor * target_coordinate(i, height, align_corners))
                totals[2].add(g * factor)
        gtheta.append(totals)
    return gtheta


_TESTS = "tests/exact/test_flow.py::"
_HERE = "refwarp.exact.flow."
_GRID = "refwarp.grids.flow."
_LINEARISED = "the first-order approximation, exact for an image that is linear along the flow"

LEDGER = (
    Equation(
        "HSTN",
        "1",
        "the flow that takes the source to the target",
        "definition",
        "the sum over the pixels is not printed; the source is sampled at x + w, as flow_grid and a sampler do",
        (_HERE + "difference", _GRID + "flow_grid"),
        (_TESTS + "test_a_flow_of_whole_pixels_fetches_the_pixels_it_points_to",),
    ),
    Equation(
        "HSTN",
        "2",
        "its linearisation",
        "holds",
        _LINEARISED,
        (_HERE + "linearised_difference",),
        (_TESTS + "test_the_linearisations_leave_out_the_second_order",),
    ),
    Equation(
        "HSTN",
        "3",
        "a linear transformation and a flow",
        "holds",
        "with x homogeneous where H multiplies it, and H the motion of the transformation, not the transformation. x "
        "+ H x + w is a sum of motions; warping by w a map that was warped by H adds H w, without the translation of "
        "H",
        (_HERE + "combined_difference", _GRID + "flow_grid", _GRID + "affine_motion"),
        (
            _TESTS + "test_a_sum_of_motions_differs_from_composed_warps_by_h_w",
            _TESTS + "test_h_is_the_motion_and_not_the_transformation",
            "tests/grids/test_flow.py::test_the_sum_of_an_affine_motion_and_a_flow",
        ),
    ),
    Equation(
        "HSTN",
        "4",
        "its linearisation",
        "holds",
        _LINEARISED,
        (_HERE + "linearised_combined_difference",),
        (_TESTS + "test_the_linearisations_leave_out_the_second_order",),
    ),
    Equation(
        "HSTN",
        "5",
        "the converter: affine parameters to a motion field",
        "holds",
        "the units of (x, y) and (u, v) are not specified: the parameters act on normalised coordinates, the motion "
        "is in pixels or normalised units",
        (_HERE + "affine_motion", _GRID + "affine_motion"),
        (
            _TESTS + "test_the_motion_of_an_affine_transformation_leads_to_its_grid",
            _TESTS + "test_the_gradients_are_the_derivatives_of_the_fields",
        ),
    ),
)
