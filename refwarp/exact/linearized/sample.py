"""Linearized multi-sampling, transcribed literally: LMS Eqs. (1) and (2), corrected, and their derivatives.

    I~(x~) = sum over x of I(T(x)) K(x~, T(x))                                              (LMS 1)

compares output positions with T of input positions; it should compare T(x~) with the pixels x:

    I~(x~) = sum over x of I(x) K(T(x~), x)                                                 (STN 3)

The linear approximation around x_i is

    I~(x) = I(T(x_i)) + A_i (T(x) - T(x_i))                                                 (LMS 2)

where only the first two rows of A, transposed, can multiply a point; its third, b, is the value of the plane at x_i
minus I^0. The plane is fitted to the auxiliary samples (`auxiliary`) by the weights w_k of `plane_fit`.

All results are linear in a map U: with coefficients v, beta_x, beta_y, those of pixel i are based on

    L_i(U; v, beta) = v I^0 + sum over k of (v w^b_k + beta_x w^x_k s_x/2 + beta_y w^y_k s_y/2) (I^k - I^0)
                                                                                            (linearized.7)

(without w^b where the intercept is left out). The value is L_i(U; 1, 0). For cotangents gV,

    gU = sum over i of gV(i) dL_i(U; 1, 0)/dU                                               (linearized.8)
    gg_x(i) = sum over c of gV_c(i) L_i(U_c; 0, (1, 0)),   likewise gg_y                    (linearized.9)

and for cotangents A of gU and beta of gg the derivatives of A . gU + beta . gg are

    with respect to gV_c(i):   L_i(A_c; 1, 0) + L_i(U_c; 0, beta(i))                        (linearized.10)
    with respect to U_c:       sum over i of gV_c(i) dL_i(U_c; 0, beta(i))/dU               (linearized.11)
    with respect to g_x(i):    sum over c of gV_c(i) L_i(A_c; 0, (1, 0))                    (linearized.12)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.arithmetic.running_error import Bounded
from refwarp.exact.bilinear import HALF, coordinate_scale, map_derivative, pixel_coordinate, support, tent, value
from refwarp.exact.ledger import Equation
from refwarp.exact.linearized.auxiliary import Point, Transform
from refwarp.exact.linearized.plane_fit import fit_weights
from refwarp.exact.padding import pad_coordinate
from refwarp.exact.sampling import Plane

# ---- the paper's equations ----


def literal_sample(
    image: Callable[[Number, Number], Number], transform: Transform, place: Point, pixels: Iterable[Point]
) -> Sum:
    """Return the right-hand side of (LMS 1) as printed, with the tent for K. `image` is I, at any point."""
    total = Sum()
    for m, n in pixels:
        x, y = transform(m, n)
        total.add(image(x, y) * tent(place[0] - x) * tent(place[1] - y))  # (LMS 1)
    return total


def sample(
    image: Callable[[Number, Number], Number], transform: Transform, place: Point, pixels: Iterable[Point]
) -> Sum:
    """Return what (LMS 1) means (STN 3)."""
    x, y = transform(*place)
    return Sum(image(m, n) * tent(x - m) * tent(y - n) for m, n in pixels)  # (STN 3), what (LMS 1) means


def linearization(centre: Number, slopes: Point, point: Point, centre_point: Point) -> Number:
    """Return I~ at T(x) = `point` from I(T(x_i)), the slopes (a_x, a_y) and T(x_i) (LMS 2)."""
    moved = [p - c for p, c in zip(point, centre_point, strict=True)]
    return centre + slopes[0] * moved[0] + slopes[1] * moved[1]  # (LMS 2)


# ---- everything that is linear in the map ----


class Functional(NamedTuple):
    """The samples of one output pixel that the fit uses: coordinates, centre first, and weights (None: no fit)."""

    i: int
    j: int
    points: list[Point]
    weights: list[tuple[Bounded, Bounded, Bounded]]

    def coefficients(self, v: Number, beta: Point) -> list[Number]:
        """Return what multiplies I^k - I^0, for each k (linearized.7)."""
        return [wb * v + wx * beta[0] + wy * beta[1] for wx, wy, wb in self.weights]  # (linearized.7)

    def __call__(self, plane: Plane, v: Number, beta: Point = (0, 0)) -> Bounded:
        """Return L_i of a plane (linearized.7)."""
        window = [support(x, y, len(plane), len(plane[0])) for x, y in self.points]
        sums = [value(plane, x, y, near) for (x, y), near in zip(self.points, window, strict=True)]
        centre, *samples = [Bounded(total.value, total.M) for total in sums]
        result: Bounded = centre * v
        for coefficient, other in zip(self.coefficients(v, beta), samples, strict=True):
            result = result + (other - centre) * coefficient  # (linearized.7)
        return result

    def scatter(self, g: Number, plane: list[list[Bounded]], v: Number, beta: Point = (0, 0)) -> None:
        """Add g dL_i/dU to a plane."""
        coefficients = self.coefficients(v, beta)
        for n in range(len(plane)):
            for m in range(len(plane[0])):
                centre, *samples = [Bounded(map_derivative(x, y, n, m)) for x, y in self.points]
                total = centre * v
                for coefficient, other in zip(coefficients, samples, strict=True):
                    total = total + (other - centre) * coefficient
                plane[n][m] = plane[n][m] + total * g


class PlaneFit(NamedTuple):
    """How planes are fitted: the weights eps of (LMS 7), and whether they have an intercept, or "bias-free"."""

    tikhonov: Sequence[Number]
    intercept: bool | str


def functionals(
    grid: Sequence[Sequence[Point]],
    auxiliary: Sequence[Sequence[Sequence[Point]]],
    kept: Sequence[Sequence[Sequence[bool]]],
    height: int,
    width: int,
    fit: PlaneFit,
    align_corners: bool,
    padding: str = "zeros",
) -> list[Functional]:
    """Return L_i for all output pixels of one image.

    Parameters
    ----------
    grid, auxiliary : nested lists (H_out, W_out, 2) and (H_out, W_out, K, 2) of numbers
        Normalised coordinates, x first.
    kept : nested list (H_out, W_out, K) of bool
        Which samples the fit uses.
    height, width : int
        The size of the map.
    fit : PlaneFit
    align_corners, padding
        As for `refwarp.linearized_sample`. Samples lie at padded coordinates, offsets are those of the given points.
    """
    sizes = (width, height)
    halves = [coordinate_scale(size, align_corners) * HALF for size in sizes]
    result = []
    for i, row in enumerate(grid):
        for j, centre in enumerate(row):
            taking_part = [point for point, flag in zip(auxiliary[i][j], kept[i][j], strict=True) if flag]
            offsets = [
                [Bounded((g - g0) * half) for g, g0, half in zip(point, centre, halves, strict=True)]
                for point in taking_part
            ]
            weights = fit_weights(offsets, fit.tikhonov, fit.intercept == "bias-free")
            if weights is None:
                taking_part, weights = [], []
            points: list[Point] = [
                [
                    pad_coordinate(pixel_coordinate(g, size, align_corners), size, align_corners, padding)[0]
                    for g, size in zip(point, sizes, strict=True)
                ]
                for point in (centre, *taking_part)
            ]
            scaled = [
                (wx * halves[0], wy * halves[1], wb if fit.intercept is True else wb * 0) for wx, wy, wb in weights
            ]
            result.append(Functional(i, j, points, scaled))
    return result


def linearized_sample(input: Sequence[Plane], pixels: Sequence[Functional]) -> list[list[Bounded]]:
    """Return the values, for each channel one for each output pixel (linearized.7)."""
    return [[pixel(plane, 1) for pixel in pixels] for plane in input]


def _zeros(plane: Plane) -> list[list[Bounded]]:
    return [[Bounded(Fraction(0)) for _ in row] for row in plane]


def input_gradient(
    gout: Sequence[Plane], input: Sequence[Plane], pixels: Sequence[Functional]
) -> list[list[list[Bounded]]]:
    """Return the gradient with respect to the map for the cotangent `gout` (C, H_out, W_out) (linearized.8)."""
    gradient = []
    for c, plane in enumerate(input):
        gplane = _zeros(plane)
        for pixel in pixels:
            pixel.scatter(gout[c][pixel.i][pixel.j], gplane, 1)  # (linearized.8)
        gradient.append(gplane)
    return gradient


def grid_gradient(
    gout: Sequence[Plane], input: Sequence[Plane], pixels: Sequence[Functional]
) -> list[tuple[Bounded, Bounded]]:
    """Return the gradient with respect to the grid, for each output pixel (linearized.9).

    With a cotangent A in the place of `input`, these are the second derivatives of (linearized.12).
    """

    def along(pixel: Functional, beta: Point) -> Bounded:
        terms = (pixel(plane, 0, beta) * gout[c][pixel.i][pixel.j] for c, plane in enumerate(input))  # (linearized.9)
        return sum(terms, Bounded(Fraction(0)))

    return [(along(pixel, (1, 0)), along(pixel, (0, 1))) for pixel in pixels]


def second_gradient(
    cotangent_input: Sequence[Plane],
    cotangent_grid: Sequence[Sequence[Point]],
    gout: Sequence[Plane],
    input: Sequence[Plane],
    pixels: Sequence[Functional],
) -> tuple[list[list[Bounded]], list[list[list[Bounded]]], list[tuple[Bounded, Bounded]]]:
    """Return the gradients of A . gU + beta . gg with respect to gout, input and grid, each laid out as above."""
    ggout, ginput = [], []
    for c, plane in enumerate(input):
        gplane = _zeros(plane)
        row = []
        for pixel in pixels:
            beta = cotangent_grid[pixel.i][pixel.j]
            row.append(pixel(cotangent_input[c], 1) + pixel(plane, 0, beta))  # (linearized.10)
            pixel.scatter(gout[c][pixel.i][pixel.j], gplane, 0, beta)  # (linearized.11)
        ggout.append(row)
        ginput.append(gplane)
    return ggout, ginput, grid_gradient(gout, cotangent_input, pixels)  # (linearized.12)


def inside(point: Point) -> bool:
    """Return whether a point lies in the map, borders included."""
    return all(-1 <= g <= 1 for g in point)


def offset_inside(point: Point, centre: Point) -> bool:
    """Return whether its offset from the centre is inside, as in the released code."""
    return inside([g - g0 for g, g0 in zip(point, centre, strict=True)])


_EXACT = "refwarp.exact.linearized.sample."
_SAMPLER = "refwarp.samplers.linearized.function."
_TESTS = "tests/exact/linearized/test_sample.py::"
_FIT = "tests/samplers/linearized/test_fit.py::"
_CONVENTIONS = "tests/samplers/linearized/test_conventions.py::"

LEDGER = (
    Equation(
        "LMS",
        "1",
        "sampling with a kernel",
        "misprint",
        "the kernel must compare T of the output position with the pixels: as printed, a translation returns the map "
        "unshifted",
        (_EXACT + "literal_sample", _EXACT + "sample", "refwarp.samplers.bilinear.kernels.blend"),
        (_TESTS + "test_equation_1_as_printed_does_not_transform",),
    ),
    Equation(
        "LMS",
        "2",
        "linear approximation around a sample",
        "ambiguous",
        "as printed, the value is the bilinear sample, which noise cannot blur as in the figures; nor would bilinear "
        "sampling at inference change the outcome, as Sect. 7 says: `intercept` adds or omits the intercept of the "
        "plane. A_i is the gradient in T(x), not in x as the text says, and must be transposed",
        (_EXACT + "linearization", _SAMPLER + "Linearization"),
        (
            _TESTS + "test_the_value_of_equation_2_as_printed_does_not_see_the_noise",
            _TESTS + "test_the_slope_of_equation_2_is_the_gradient_in_the_transformed_point",
            _FIT + "test_without_the_intercept_the_value_is_the_bilinear_sample",
        ),
    ),
    Equation(
        "LMS",
        "multi-scale sampling (section 4)",
        '"auxiliary samples distributed over pre-defined grids at varying levels of coarseness"',
        "definition",
        "an alternative that is mentioned but not used: any points can be given as `auxiliary`. With one fit to all "
        "levels the coarsest dominates, since samples are weighted by the square of their distance; the paper prints "
        "no equation",
        (_EXACT + "functionals", _SAMPLER + "linearized_sample"),
        (
            _TESTS + "test_on_a_fixed_symmetric_grid_the_slopes_are_weighted_central_differences",
            _FIT + "test_samples_on_fixed_grids_are_an_argument",
        ),
    ),
    Equation(
        "LMS",
        "samples out of bounds",
        "excluded from (5) and (6)",
        "ambiguous",
        "a centre out of bounds is not specified: the plane is fitted to the samples inside. The released code masks "
        "by the offset instead of the position",
        (_EXACT + "inside", _EXACT + "offset_inside", "refwarp.samplers.linearized.kernels.is_kept"),
        (
            _TESTS + "test_masking_is_by_position_and_the_released_program_masks_by_offset",
            _TESTS + "test_a_centre_out_of_bounds_leaves_slope_and_value_to_the_samples",
            _CONVENTIONS + "test_a_centre_outside_the_map_is_drawn_back_by_the_samples_inside",
            _CONVENTIONS + "test_masks_by_offset_and_by_hand",
        ),
    ),
    Equation(
        "LMS",
        "stopped gradients",
        "all but T(x) is constant",
        "ambiguous",
        "the released code passes the gradient through the centre's sample to the map: `input_gradient` is none, "
        "center or fit",
        (_EXACT + "input_gradient", _SAMPLER + "linearized_sample"),
        (
            _TESTS + "test_the_gradients_are_the_derivatives_of_the_printed_forward",
            _CONVENTIONS + "test_stopped_gradients_do_not_reach_the_map",
            _FIT + "test_the_released_programs_deviations_are_options",
        ),
    ),
)
