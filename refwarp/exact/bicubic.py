"""Bicubic sampling, in exact arithmetic: Keys' kernel in its usual form.

    V_c(i) = sum over n, m of U_c(n, m) k(x_i - m) k(y_i - n), over the padded map             (bicubic.1)
    k(d) = (a + 2) |d|^3 - (a + 3) |d|^2 + 1            for |d| <= 1
         = a |d|^3 - 5 a |d|^2 + 8 a |d| - 4 a          for 1 < |d| < 2, else 0                (bicubic.10)

with a = -3/4. Its derivative is continuous; its second derivative jumps at integers, where the limit from the right is
used. The padded map continues beyond its ends with nothing, its outermost pixels, or its mirror images; each of the 4 x
4 pixels of a window is padded separately.

The kernels use factored weights instead (see `samplers.bicubic`). These are what is rounded, so M is summed over the
absolute values of their monomials in f and h = 1 - f:

    |a| f h^2,  h (1 + f + (a + 2) f^2);   |a| h (h + 2 f),  f (3 (a + 2) f + 2 (a + 3));
    |a| (2 f + 4 h),  6 (a + 2) f + 2 (a + 3)                                                  (bicubic.11)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bilinear import HALF, coordinate_scale, pixel_coordinate
from refwarp.exact.padding import mirror_index
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

A = Fraction(-3, 4)


def keys(d: Number, a: Number) -> Number:
    """Return k(d) (bicubic.10)."""
    r = abs(d)
    if r <= 1:
        return (a + 2) * r * r * r - (a + 3) * r * r + 1  # (bicubic.10)
    if r < 2:
        return a * r * r * r - 5 * a * r * r + 8 * a * r - 4 * a  # (bicubic.10)
    return 0 * r


def keys_slope(d: Number, a: Number) -> Number:
    """Return k'(d)."""
    r = abs(d)
    slope = 0 * r
    if r <= 1:
        slope = 3 * (a + 2) * r * r - 2 * (a + 3) * r
    elif r < 2:
        slope = 3 * a * r * r - 10 * a * r + 8 * a
    return -slope if d < 0 else slope


def keys_curvature(d: Number, a: Number) -> Number:
    """Return k''(d), at integers the limit from the right."""
    r = abs(d)
    if -1 <= d < 1:
        return 6 * (a + 2) * r - 2 * (a + 3)
    if -2 <= d < 2:
        return 6 * a * r - 10 * a
    return 0 * r


def weight_sizes(f: Number, a: Number) -> list[tuple[Number, Number, Number]]:
    """Return for the pixels n - 1 to n + 2 of a cell the magnitudes of k, k' and k'' (bicubic.11)."""

    def outer(f: Number, h: Number) -> tuple[Number, Number, Number]:
        return abs(a) * f * h * h, abs(a) * h * (h + 2 * f), abs(a) * (2 * f + 4 * h)

    def inner(f: Number, h: Number) -> tuple[Number, Number, Number]:
        return h * (1 + f + (a + 2) * f * f), f * (3 * (a + 2) * f + 2 * (a + 3)), 6 * (a + 2) * f + 2 * (a + 3)

    h = 1 - f
    return [outer(f, h), inner(f, h), inner(h, f), outer(h, f)]  # (bicubic.11)


def padded_index(n: int, size: int, align_corners: bool, padding: str) -> int | None:
    """Return the pixel that stands at index n of the padded map, None where there is none."""
    if padding == "border":
        return min(max(n, 0), size - 1)
    if padding == "reflection":
        return mirror_index(n, size, align_corners)
    return n if 0 <= n < size else None


def taps(x: Number, size: int, align_corners: bool, padding: str) -> list[Tap]:
    """Return what each pixel of the window contributes to a sample at the pixel coordinate x."""
    cell = math.floor(x)
    found = []
    for n, (w_size, d_size, e_size) in zip(range(cell - 1, cell + 3), weight_sizes(x - cell, A), strict=True):
        m = padded_index(n, size, align_corners, padding)
        if m is not None:
            d = x - n
            found.append(Tap(m, keys(d, A), keys_slope(d, A), keys_curvature(d, A), w_size, d_size, e_size))
    return found


def samples_at(grid: Sequence[Plane], height: int, width: int, align_corners: bool, padding: str = "zeros") -> Samples:
    """Return what the samples of one image read; the arguments are those of `grid_sample`."""

    def axis(g: Number, size: int) -> list[Tap]:
        return taps(pixel_coordinate(g, size, align_corners), size, align_corners, padding)

    def infinite(sign: int, size: int) -> list[Tap]:
        return [Tap.of(0 if sign < 0 else size - 1, 1, 0)] if padding == "border" else []

    return Samples(grid, height, width, axis, infinite, padding)


def _scales(input: Sequence[Plane], align_corners: bool) -> tuple[Number, ...]:
    return tuple(coordinate_scale(size, align_corners) * HALF for size in (len(input[0][0]), len(input[0])))


def grid_sample(
    input: Sequence[Plane], grid: Sequence[Plane], align_corners: bool, padding: str = "zeros"
) -> list[list[list[Sum]]]:
    """Return the warped map of one image, (C, H_out, W_out) (bicubic.1)."""
    return sample(input, samples_at(grid, len(input[0]), len(input[0][0]), align_corners, padding))  # (bicubic.1)


def grid_sample_gradient(
    gout: Sequence[Plane], input: Sequence[Plane], grid: Sequence[Plane], align_corners: bool, padding: str = "zeros"
) -> Gradients:
    """Return the gradients of `grid_sample` for the cotangent `gout` (C, H_out, W_out)."""
    samples = samples_at(grid, len(input[0]), len(input[0][0]), align_corners, padding)
    return sample_gradient(gout, input, samples, _scales(input, align_corners))


def grid_sample_second_gradient(
    cotangents: Cotangents,
    gout: Sequence[Plane],
    input: Sequence[Plane],
    grid: Sequence[Plane],
    align_corners: bool,
    padding: str = "zeros",
) -> SecondGradients:
    """Return the gradients of A . ginput + b . ggrid for the cotangents A and b."""
    samples = samples_at(grid, len(input[0]), len(input[0][0]), align_corners, padding)
    scales = _scales(input, align_corners)
    return sample_second_gradient(cotangents, gout, input, samples, scales)
