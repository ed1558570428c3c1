"""Bilinear sampling, transcribed literally: STN Eqs. (3), (5), (6), (7), and corrections of the last two.

    V_c(i) = sum over n, m of U_c(n, m) k(x_i - m) k(y_i - n)                               (STN 3)
    k(d) = max(0, 1 - |d|)                                                                  (STN 5)

x and y are in pixels; the grid contains g in [-1, 1], and the paper does not specify the conversion:

    x = (g s + W - 1) / 2,   s = W - 1 (align_corners) or W,   dx/dg = s / 2               (bilinear.1)

A pixel outside the map does not exist, which is equivalent to a zero ("zeros" padding; for the others see
`exact.padding`). A coordinate that is NaN makes its sample and its coordinate's gradient NaN and affects nothing else;
an infinite one is outside.

The gradients as printed:

    dV/dU(n, m) = sum over n, m of k(x - m) k(y - n)                                        (STN 6)
    dV/dx = sum over n, m of U(n, m) k(y - n) {0 if |m - x| >= 1, 1 if m >= x, -1 if m < x}   (STN 7)

The first has a sum too many, the second is wrong on the lattice. The corrected ones are

    dV/dU(n, m) = k(x - m) k(y - n)                                                         (bilinear.3)
    dV/dx = sum over n, m of U(n, m) k'(x - m) k(y - n)                                     (bilinear.4)

with k' the derivative of the tent, one-sided where the tent has a corner (d = -1, 0, 1):

    kink        k' on the lattice                 slope of the row U at x = m
    right       the limit from the right          U(m + 1) - U(m)
    left        the limit from the left           U(m) - U(m - 1)
    central     their mean                        (U(m + 1) - U(m - 1)) / 2
    literal     STN's (7) as printed              U(m)

HSTN prints the same sampler for a motion w, over the four neighbours of p + w, with the squared 2-norm of a vector,

    T(p) = sum over i of I(p_i) |(1, 1) - |p_i - p - w||^2                                  (HSTN 6)

where the product of the two components is meant: as printed, the weights do not sum to 1.

For the whole operation, with ggrid in units of g (so with the factors s_x / 2, s_y / 2 of (bilinear.1)):

    gU_c(n, m) = sum over i of gV_c(i) k(x_i - m) k(y_i - n)                                (bilinear.5)
    gg_x(i) = s_x/2 sum over c, n, m of gV_c(i) U_c(n, m) k'(x_i - m) k(y_i - n)            (bilinear.6)

and likewise gg_y. Both are linear in gV. For the derivatives, let A be a cotangent of gU and (b_x, b_y) one of
(gg_x, gg_y), and b'_x = b_x s_x/2. Since k'' is 0 within a cell, the derivatives of A . gU + b . gg are

    with respect to gV_c(i):     sum over n, m of A k k + b'_x U k' k + b'_y U k k'           (bilinear.7)
    with respect to U_c(n, m):   sum over i of gV_c(i) (b'_x k' k + b'_y k k')                (bilinear.8)
    with respect to g_x(i):      s_x/2 sum over c, n, m of gV_c(i) (A k' k + b'_y U k' k')    (bilinear.9)

where the first factor of each product is at x_i - m, the second at y_i - n; likewise for g_y.

With padding z(x), k is taken at z(x_i) - m, and its slope is

    k' times the slope of z, and 0 at the outermost pixels and beyond                       (bilinear.10)

for "right" and "literal"; for "left" and "central" it is one-sided in x. See `taps`.

The functions for single samples loop over all pixels, as the sums of the paper do, or over a `Window` of indices that
contains the support of the kernel: the omitted terms are zeros. For whole operations, `literal` selects which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation
from refwarp.exact.padding import pad_coordinate, step_within_piece
from refwarp.exact.sampling import (
    Cotangents,
    Gradients,
    Plane,
    Samples,
    SecondGradients,
    Tap,
    sample,
    sample_gradient,
    sample_second_gradient,
)

HALF = Fraction(1, 2)


def pixel_coordinate(g: Number, size: int, align_corners: bool) -> Number:
    """Return the pixel coordinate x of the normalised coordinate `g` on an axis of `size` pixels (bilinear.1)."""
    return (g * coordinate_scale(size, align_corners) + size - 1) * HALF  # (bilinear.1)


def coordinate_scale(size: int, align_corners: bool) -> int:
    """Return s of (bilinear.1); dx/dg is s / 2."""
    return size - 1 if align_corners else size  # (bilinear.1)


def tent(d: Number) -> Number:
    """Return k(d) = max(0, 1 - |d|) (STN 5)."""
    return max(0, 1 - abs(d))  # (STN 5)


def tent_derivative(d: Number, kink: str) -> Number:
    """Return k'(d), at the corners of the tent by the rule `kink`.

    Examples
    --------
    >>> [tent_derivative(0, kink) for kink in ("right", "left", "central", "literal")]
    [-1, 1, Fraction(0, 1), 1]
    """
    if kink in ("right", "ahead"):
        return 1 if -1 <= d < 0 else -1 if 0 <= d < 1 else 0
    if kink == "left":
        return 1 if -1 < d <= 0 else -1 if 0 < d <= 1 else 0
    if kink == "central":
        return HALF * (tent_derivative(d, "right") + tent_derivative(d, "left"))
    return literal_case(d)


def literal_case(d: Number) -> int:
    """Return the three cases of STN's (7) as printed, d = x - m: 0 if |d| >= 1, 1 if m >= x, -1 if m < x."""
    return 0 if abs(d) >= 1 else 1 if d <= 0 else -1


def literal_norm_weights(x: Number, y: Number) -> list[Number]:
    """Return the weights that HSTN's (6) gives to the four neighbours of (x, y), as printed (HSTN 6)."""
    left, top = math.floor(x), math.floor(y)
    parts = [(1 - abs(m - x), 1 - abs(n - y)) for n in (top, top + 1) for m in (left, left + 1)]
    return [a * a + b * b for a, b in parts]  # (HSTN 6)


class Window(NamedTuple):
    """Where the loops run: the indices of rows and of columns."""

    rows: Iterable[int]
    columns: Iterable[int]


def everywhere(plane: Plane) -> Window:
    """Return all the indices of a plane."""
    return Window(range(len(plane)), range(len(plane[0])))


def near(z: Number, size: int) -> range:
    """Return the indices of an axis at which the tent or a one-sided derivative of it can differ from zero."""
    return range(max(0, math.floor(z) - 1), max(0, min(size, math.floor(z) + 3)))


def support(x: Number, y: Number, height: int, width: int) -> Window:
    """Return the indices in which the tent or a one-sided derivative of it can differ from zero."""
    return Window(near(y, height), near(x, width))


def _terms(
    plane: Plane, x: Number, y: Number, kx: Callable[[Number], Number], ky: Callable[[Number], Number], window: Window
) -> Iterator[Number]:
    """Yield U(n, m) kx(x - m) ky(y - n) for all n, m in the window (STN 3)."""
    for n in window.rows:
        for m in window.columns:
            yield plane[n][m] * kx(x - m) * ky(y - n)  # (STN 3)


def value(plane: Plane, x: Number, y: Number, window: Window | None = None) -> Sum:
    """Return V, the value sampled at the pixel coordinates (x, y) (STN 5)."""
    return Sum(_terms(plane, x, y, tent, tent, window or everywhere(plane)))  # (STN 5), and what (HSTN 6) means


def map_derivative(x: Number, y: Number, n: int, m: int) -> Number:
    """Return dV/dU(n, m), one product of tents (bilinear.3)."""
    return tent(x - m) * tent(y - n)  # (bilinear.3), (STN 6) corrected


def x_derivative(plane: Plane, x: Number, y: Number, kink: str, window: Window | None = None) -> Sum:
    """Return dV/dx (bilinear.4)."""
    window = window or everywhere(plane)
    return Sum(_terms(plane, x, y, lambda d: tent_derivative(d, kink), tent, window))  # (bilinear.4), (STN 7) corrected


def y_derivative(plane: Plane, x: Number, y: Number, kink: str, window: Window | None = None) -> Sum:
    """Return dV/dy (bilinear.4)."""
    window = window or everywhere(plane)
    return Sum(_terms(plane, x, y, tent, lambda d: tent_derivative(d, kink), window))  # (bilinear.4), in y


def literal_map_derivative(plane: Plane, x: Number, y: Number) -> Number:
    """Return the right-hand side of STN's (6) as printed: the tents' product, summed over all n and m.

    A misprint: the derivative with respect to one U(n, m) is one product, `map_derivative`. Read as printed
    it is 1 at every interior sample, whatever n and m.
    """
    total: Number = 0
    for n in range(len(plane)):
        for m in range(len(plane[0])):
            total = total + tent(x - m) * tent(y - n)  # (STN 6)
    return total


def literal_x_derivative(plane: Plane, x: Number, y: Number) -> Number:
    """Return the right-hand side of STN's (7) as printed. On the lattice it is U itself, not a derivative."""
    total: Number = 0
    for n in range(len(plane)):
        for m in range(len(plane[0])):
            total = total + plane[n][m] * tent(y - n) * literal_case(x - m)  # (STN 7)
    return total


def taps(x: Number, size: int, align_corners: bool, kink: str, padding: str, literal: bool = False) -> list[Tap]:
    """Return for each pixel of an axis what it contributes to the sample at the pixel coordinate x.

    With padding z(x), pixel m has the weight K_m(x) = k(z(x) - m). Its slope is, by the rule `kink`,

        left        the derivative of K_m from the left, as a quotient of differences so small that it is exact
        ahead       that from the right
        central     the mean of the two
        right       the slope of z (1 or -1) times k', "right"; 0 where z(x) <= 0 or >= size - 1      (bilinear.10)
        literal     the same with STN's (7) for k'

    and with zeros padding, where z(x) = x, simply k'.
    """
    z, sign = pad_coordinate(x, size, align_corners, padding)

    def weight(x: Number, m: int) -> Number:
        return tent(pad_coordinate(x, size, align_corners, padding)[0] - m)

    def slope(m: int) -> Number:
        if padding == "zeros":
            return tent_derivative(x - m, kink)
        if kink in ("left", "ahead", "central"):
            step = step_within_piece(x)
            left = (weight(x, m) - weight(x - step, m)) / step
            right = (weight(x + step, m) - weight(x, m)) / step
            return {"left": left, "ahead": right, "central": HALF * (left + right)}[kink]
        return sign * tent_derivative(z - m, kink) if 0 < z < size - 1 else 0  # (bilinear.10)

    return [Tap.of(m, weight(x, m), slope(m)) for m in (range(size) if literal else near(z, size))]


def finite_samples(
    grid: Sequence[Plane], height: int, width: int, align_corners: bool
) -> Iterator[tuple[int, int, Number, Number]]:
    """Yield row, column and pixel coordinates (x, y) of the samples at finite coordinates (bilinear.1)."""
    for i, row in enumerate(grid):
        for j, point in enumerate(row):
            if not any(isinstance(g, float) and not math.isfinite(g) for g in point):
                x, y = (
                    pixel_coordinate(g, size, align_corners) for g, size in zip(point, (width, height), strict=True)
                )
                yield i, j, x, y


def samples_at(
    grid: Sequence[Plane],
    height: int,
    width: int,
    align_corners: bool,
    kink: str = "right",
    padding: str = "zeros",
    literal: bool = False,
) -> Samples:
    """Return what the samples of one image read; the arguments are those of `grid_sample_gradient`."""

    def axis(g: Number, size: int) -> list[Tap]:
        return taps(pixel_coordinate(g, size, align_corners), size, align_corners, kink, padding, literal)

    def infinite(sign: int, size: int) -> list[Tap]:
        return [Tap.of(0 if sign < 0 else size - 1, 1, 0)] if padding == "border" else []

    return Samples(grid, height, width, axis, infinite, padding)


def grid_sample(
    input: Sequence[Plane], grid: Sequence[Plane], align_corners: bool, literal: bool = False, padding: str = "zeros"
) -> list[list[list[Sum]]]:
    """Return the warped map of one image, (C, H_out, W_out) (STN 5).

    Parameters
    ----------
    input : nested list (C, H, W) of numbers
    grid : nested list (H_out, W_out, 2) of numbers
        Normalised coordinates, x first; NaN and infinite ones as Python floats.
    align_corners : bool
        See (bilinear.1).
    literal : bool
        Whether the sums run over the whole map, as they are printed.
    padding : {"zeros", "border", "reflection"}
        See `exact.padding`.
    """
    height, width = len(input[0]), len(input[0][0])
    return sample(input, samples_at(grid, height, width, align_corners, "right", padding, literal))


def grid_sample_gradient(
    gout: Sequence[Plane],
    input: Sequence[Plane],
    grid: Sequence[Plane],
    align_corners: bool,
    kink: str = "right",
    literal: bool = False,
    padding: str = "zeros",
) -> Gradients:
    """Return the gradients of `grid_sample` for the cotangent `gout` (C, H_out, W_out) (bilinear.5), (bilinear.6)."""
    height, width = len(input[0]), len(input[0][0])
    scales = tuple(coordinate_scale(size, align_corners) * HALF for size in (width, height))
    samples = samples_at(grid, height, width, align_corners, kink, padding, literal)
    return sample_gradient(gout, input, samples, scales)  # (bilinear.5), (bilinear.6)


def grid_sample_second_gradient(
    cotangents: Cotangents,
    gout: Sequence[Plane],
    input: Sequence[Plane],
    grid: Sequence[Plane],
    align_corners: bool,
    kink: str = "right",
    literal: bool = False,
    padding: str = "zeros",
) -> SecondGradients:
    """Return the gradients of A . ginput + b . ggrid for the cotangents A, b (bilinear.7), (bilinear.8), (bilinear.9).

    On the lattice k' is what `kink` says, and the equations are taken as they stand.
    """
    height, width = len(input[0]), len(input[0][0])
    scales = tuple(coordinate_scale(size, align_corners) * HALF for size in (width, height))
    samples = samples_at(grid, height, width, align_corners, kink, padding, literal)
    return sample_second_gradient(cotangents, gout, input, samples, scales)  # (bilinear.7), (bilinear.8), (bilinear.9)


_TESTS = "tests/exact/test_bilinear.py::"
_DERIVATIVES = _TESTS + "test_the_gradients_are_the_derivatives_of_the_printed_forward"
_REMARKS = "tests/exact/test_remarks.py::"
_SAMPLER = "refwarp.samplers.bilinear.kernels"

LEDGER = (
    Equation(
        "STN",
        "3 - 7, units",
        "x: in [-1, 1] in the grid of Eq. (1), compared with pixels in the samplers; also in DTN's Eqs. (4) to (10)",
        "ambiguous",
        "not printed: where -1 and 1 are (`align_corners`), whether sums count pixels from 0 or 1 (here from 0), and "
        "the factor W/2 or (W - 1)/2 that the chain rule adds to every gradient with respect to the grid",
        (
            "refwarp.exact.bilinear.pixel_coordinate",
            "refwarp.exact.bilinear.coordinate_scale",
            "refwarp.conventions.cell",
        ),
        (
            _REMARKS + "test_the_two_readings_of_the_unit_have_different_gradients",
            _REMARKS + "test_sums_from_one_are_a_pixel_off",
            _DERIVATIVES,
        ),
    ),
    Equation(
        "STN",
        "5",
        "bilinear kernel",
        "holds",
        "the pixels at -1 and 1 are not specified: align_corners",
        ("refwarp.exact.bilinear.value", f"{_SAMPLER}.blend"),
        (_DERIVATIVES, _TESTS + "test_windows_hold_every_term_that_is_not_zero"),
    ),
    Equation(
        "STN",
        "6",
        "dV/dU of the bilinear kernel",
        "misprint",
        "the sum over n and m is too much: as printed, the result is 1 at every interior sample",
        (
            "refwarp.exact.bilinear.literal_map_derivative",
            "refwarp.exact.bilinear.map_derivative",
            f"{_SAMPLER}.scatter",
        ),
        (_TESTS + "test_equation_6_as_printed_is_no_derivative",),
    ),
    Equation(
        "STN",
        "7",
        "dV/dx of the bilinear kernel",
        "wrong",
        "on the lattice, where it gives the pixel itself, U_m: inside the generalised gradient only if U_(m-1) (2 U_m "
        "- U_(m+1)) <= 0 (next to a zero, for example; U after blending along y), otherwise outside. It holds off the "
        "lattice",
        ("refwarp.exact.bilinear.literal_x_derivative", "refwarp.exact.bilinear.x_derivative", f"{_SAMPLER}.weighted"),
        (
            _TESTS + "test_equation_7_as_printed_lies_outside_the_generalised_gradient",
            _TESTS + "test_when_equation_7_lies_inside_the_generalised_gradient",
            _TESTS + "test_equation_7_holds_off_the_lattice",
        ),
    ),
    Equation(
        "STN",
        "discontinuities (section 3.3)",
        '"Due to discontinuities in the sampling functions, sub-gradients must be used"',
        "wrong",
        "the bilinear kernel is continuous; its slope is not, at its centre and ends. The integer kernel is "
        "discontinuous, but its slope is 0 on both sides, and no convention helps. At a local maximum no subgradient "
        "exists: the intended term is generalised gradient, of which `kink` selects an element",
        ("refwarp.exact.bilinear.tent", "refwarp.exact.bilinear.x_derivative", f"{_SAMPLER}.slope"),
        (
            _REMARKS + "test_the_bilinear_kernel_is_continuous_and_its_slope_is_not",
            _REMARKS + "test_the_integer_kernel_jumps_and_has_no_slope",
            _REMARKS + "test_at_a_peak_there_is_no_subgradient",
        ),
    ),
    Equation(
        "STN",
        "size of the output (section 3.4)",
        "H', W' other than H, W",
        "definition",
        "a bilinear sample reads four pixels, so pixels between samples are skipped if the output is smaller: aliasing",
        ("refwarp.exact.affine.affine_grid", "refwarp.networks.spatial_transformer.SpatialTransformer"),
        (
            "tests/networks/test_spatial_transformer.py::test_size_of_the_output",
            _REMARKS + "test_a_smaller_output_does_not_see_every_pixel",
        ),
    ),
    Equation(
        "STN",
        "several transformers (section 3.4)",
        "in series, of images and of maps in a network, or in parallel",
        "definition",
        "in series, each warps the interpolated output of the previous one; in parallel, the gradients of the input "
        "are added",
        (
            "refwarp.exact.bilinear.grid_sample_gradient",
            "refwarp.networks.spatial_transformer.SpatialTransformer",
        ),
        (
            "tests/networks/test_spatial_transformer.py::test_it_drops_in_anywhere",
            _REMARKS + "test_transformers_in_parallel_add_their_gradients",
        ),
    ),
    Equation(
        "HSTN",
        "6",
        "bilinear sampler as a squared 2-norm",
        "misprint",
        "the intended weight is the product of the two components: as printed, the weights at (1/4, 1/3) sum to "
        "85/36, not to 1",
        ("refwarp.exact.bilinear.literal_norm_weights", "refwarp.exact.bilinear.value"),
        (_TESTS + "test_hstn_6_as_printed_does_not_interpolate",),
    ),
)
