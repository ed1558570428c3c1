"""Sampling with any separable kernel, transcribed literally: STN Eq. (3).

    V_c(i) = sum over n, m of U_c(n, m) k(x_i - m; Phi_x) k(y_i - n; Phi_y)                  (STN 3)

A kernel is a function d -> (k, k', k'') and their magnitudes, number-generic; those provided are

    tent             max(0, 1 - |d|)                                                         (STN 5)
    integer          1 for -1/2 <= d < 1/2                                                   (STN 4)
    Keys' cubic      its usual polynomials, see    `exact.bicubic`                           (kernels.1)
    cubic B-spline   (4 - 6 r^2 + 3 r^3)/6 for r = |d| up to 1, (2 - r)^3/6 up to 2          (kernels.2)
    Lanczos          sinc(d) sinc(d/a) for r up to a, sinc(d) = sin(pi d)/(pi d)             (kernels.3)
    Gaussian         exp(-d^2/(2 s^2))/(s sqrt(2 pi)) for r up to 4 s                        (kernels.4)

Each piece includes its left end in d: at corners and jumps the limit from the right is used. The last two run on
python-flint's balls, `arb`. A magnitude bounds what is rounded: the absolute values of the monomials of a formula, and
|d| times those of its slope, since d itself is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bicubic import keys, keys_curvature, keys_slope, padded_index
from refwarp.exact.bilinear import HALF, coordinate_scale, pixel_coordinate, tent, tent_derivative
from refwarp.exact.ledger import Equation
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

# k, k', k'' at a distance d, and their magnitudes.
Profile = tuple[Number, Number, Number, Number, Number, Number]
KernelFunction = Callable[[Number], Profile]


def tent_kernel(d: Number) -> Profile:
    """Return the tent (STN 5), corners from the right."""
    inside = 1 if -1 <= d < 1 else 0
    return tent(d), tent_derivative(d, "right"), 0, inside * (1 + abs(d)), inside, 0  # (STN 5)


def integer_kernel(d: Number) -> Profile:
    """Return the nearest pixel's kernel, ties up (STN 4)."""
    inside = 1 if -HALF <= d < HALF else 0
    return inside, 0, 0, inside, 0, 0  # (STN 4)


def keys_kernel(a: Number) -> KernelFunction:
    """Return Keys' cubic (kernels.1)."""

    def profile(d: Number) -> Profile:
        r = abs(d)
        if -1 <= d < 1:
            curvature = 6 * abs(a + 2) * r + 2 * abs(a + 3)
            slope = r * (3 * abs(a + 2) * r + 2 * abs(a + 3))
            size = (1 - r) * (1 + r + abs(a + 2) * r * r) + r * slope
        elif -2 <= d < 2:
            curvature = abs(a) * (6 * r + 10)
            slope = abs(a) * ((2 - r) * (4 + 3 * r) + r * (2 - r))
            size = abs(a) * (r - 1) * (2 - r) * (2 - r) + r * slope
        else:
            return 0, 0, 0, 0, 0, 0
        values = keys(d, a), keys_slope(d, a), keys_curvature(d, a)  # (kernels.1)
        return (*values, size, slope + r * curvature, curvature + 6 * r * (abs(a) + 2))

    return profile


def b_spline_kernel(d: Number) -> Profile:
    """Return the cubic B-spline (kernels.2)."""
    r, sign = abs(d), -1 if d < 0 else 1
    half, sixth = Fraction(1, 2), Fraction(1, 6)
    if -1 <= d < 1:
        slope = 3 * half * r * r + 2 * r
        return (
            (4 - 6 * r * r + 3 * r * r * r) * sixth,  # (kernels.2)
            sign * (3 * half * r * r - 2 * r),
            3 * r - 2,
            (4 + 6 * r * r + 3 * r * r * r) * sixth + r * slope,
            slope + r * (3 * r + 2),
            6 * r + 2,
        )
    if -2 <= d < 2:
        s = 2 - r
        return (
            s * s * s * sixth,  # (kernels.2)
            -sign * s * s * half,
            s,
            s * s * s * sixth + r * s * s * half,
            s * s * half + r * s,
            s + r,
        )
    return 0, 0, 0, 0, 0, 0


def _sinc(d: Any, order: int) -> Any:
    """Return sinc or a derivative of it at an `arb`."""
    pi = d.pi()
    z = pi * d
    if d == 0:
        return (d + 1, d, -(pi * pi) / 3)[order]
    sine, cosine = d.sin_pi() / z, d.cos_pi()  # exactly 0 where they are
    value = (sine, (cosine - sine) / z, -sine - 2 * (cosine - sine) / (z * z))[order]
    return value * pi**order


def _sinc_sizes(d: Any) -> list[Any]:
    """Return the magnitudes of sinc, sinc' and sinc''.

    With z = pi d they are those of sin z / z, (cos z - sin z / z)/z and -(sin z + 2 (cos z - sin z / z)/z)/z, and z
    times the derivatives' in front of the division, for z is rounded. Below z = 1/2 they are those of the series.
    """
    pi, z = d.pi(), abs(d.pi() * d)
    both = abs(_sinc(d, 0)) + abs(d.cos_pi())
    if z < 0.5:
        return [both, z * pi, pi * pi]
    first = both / z + abs(d.sin_pi())
    return [both, first * pi, (both + 2 * first / z) * pi * pi]


def lanczos_kernel(lobes: int) -> KernelFunction:
    """Return the Lanczos kernel for distances that are `arb` (kernels.3)."""

    def profile(d: Any) -> Profile:
        r = abs(d)
        if not -lobes <= d < lobes:
            return 0, 0, 0, 0, 0, 0
        f, g = ([_sinc(x, order) for order in range(3)] for x in (d, d / lobes))
        f_sizes, g_sizes = _sinc_sizes(d), _sinc_sizes(d / lobes)

        def leibniz(f: list[Any], g: list[Any], order: int) -> Any:
            return sum(math.comb(order, j) * f[order - j] * g[j] / lobes**j for j in range(order + 1))

        values = [leibniz(f, g, order) for order in range(3)]  # (kernels.3)
        f, g = ([abs(x) for x in part] for part in (f, g))
        own = [leibniz(f_sizes, g, order) + leibniz(f, g_sizes, order) for order in range(3)]
        # d is rounded. Derivative j of sinc is at most pi^j/(j + 1).
        third = sum(math.comb(3, j) / Fraction((4 - j) * (j + 1) * lobes**j) for j in range(4))
        steepness = [abs(values[1]), abs(values[2]), d.pi() ** 3 * third.numerator / third.denominator]
        return (*values, *(size + r * steep for size, steep in zip(own, steepness, strict=True)))

    return profile


def gaussian_kernel(deviation: Fraction) -> KernelFunction:
    """Return the Gaussian for distances that are `arb` (kernels.4)."""

    def profile(d: Any) -> Profile:
        s = (0 * d + deviation.numerator) / deviation.denominator
        if not -4 * s <= d < 4 * s:
            return 0, 0, 0, 0, 0, 0
        z = d / s
        value = (-z * z / 2).exp() / (s * (2 * d.pi()).sqrt())  # (kernels.4)
        size = value * (1 + z * z)
        slope, curvature = -z / s * value, (z * z - 1) / (s * s) * value
        return value, slope, curvature, size, abs(z) / s * size + value / s, (z * z + 1) / (s * s) * size

    return profile


def taps(x: Number, size: int, align_corners: bool, kernel: KernelFunction, support: int, padding: str) -> list[Tap]:
    """Return what each pixel of the window contributes to a sample at the pixel coordinate x."""
    found = []
    for n in range(math.floor(x) - support + 1, math.floor(x) + support + 1):
        m = padded_index(n, size, align_corners, padding)
        if m is not None:
            found.append(Tap(m, *kernel(x - n)))
    return found


def samples_at(
    grid: Sequence[Plane],
    size: tuple[int, int],
    align_corners: bool,
    kernel_at: Callable[[Number, int], KernelFunction],
    support: int,
    padding: str,
) -> Samples:
    """Return what the samples of one image read; `kernel_at` gives the kernel for (g, pixels of the axis)."""

    def axis(g: Number, length: int) -> list[Tap]:
        x = pixel_coordinate(g, length, align_corners)
        return taps(x, length, align_corners, kernel_at(g, length), support, padding)

    def infinite(sign: int, length: int) -> list[Tap]:
        if padding == "zeros":
            return []
        edge, kernel = 0 if sign < 0 else length - 1, kernel_at(sign * math.inf, length)
        return [Tap(edge, *kernel(Fraction(-offset))) for offset in range(1 - support, support + 1)]

    return Samples(grid, *size, axis, infinite, padding)


def separable_sample(
    input: Sequence[Plane],
    grid: Sequence[Plane],
    kernel: KernelFunction,
    support: int,
    align_corners: bool = False,
    padding: str = "zeros",
) -> list[list[list[Sum]]]:
    """Return the warped map of one image, (C, H_out, W_out) (STN 3)."""
    size = len(input[0]), len(input[0][0])
    samples = samples_at(grid, size, align_corners, lambda g, length: kernel, support, padding)
    return sample(input, samples)  # (STN 3)


def separable_sample_gradients(
    cotangents: Cotangents,
    gout: Sequence[Plane],
    input: Sequence[Plane],
    grid: Sequence[Plane],
    kernel: KernelFunction,
    support: int,
    align_corners: bool = False,
    padding: str = "zeros",
) -> tuple[Gradients, SecondGradients]:
    """Return the gradients for the cotangent gout, and theirs for the cotangents of ginput and ggrid."""
    size = len(input[0]), len(input[0][0])
    zero = 0 * gout[0][0][0]  # of the caller's number type
    scales = tuple((zero + coordinate_scale(length, align_corners)) / 2 for length in reversed(size))
    samples = samples_at(grid, size, align_corners, lambda g, length: kernel, support, padding)
    first = sample_gradient(gout, input, samples, scales)
    return first, sample_second_gradient(cotangents, gout, input, samples, scales)


_TESTS = "tests/samplers/test_separable.py::"

LEDGER = (
    Equation(
        "STN",
        "3",
        "sampling with any separable kernel",
        "holds",
        "needs (sub)gradients of k, supplied by the caller; nothing is normalised",
        ("refwarp.exact.sampling.sample", "refwarp.samplers.separable._gather"),
        (
            _TESTS + "test_every_element_is_within_its_budget",
            _TESTS + "test_a_kernel_of_ones_own",
            "tests/exact/test_separable.py::test_the_gradients_are_the_derivatives_of_the_sum",
        ),
    ),
)
