"""Nearest-pixel sampling, transcribed literally, with ties as in PyTorch and as in STN's Eq. (4).

    V_c(i) = U_c(round y_i, round x_i)                                                       (nearest.1)
    V_c(i) = sum over n, m of U_c(n, m) delta(floor(x_i + 1/2) - m) delta(floor(y_i + 1/2) - n)   (STN 4)

Where x_i is halfway between two pixels, the rule `ties` decides:

    even    the even pixel: PyTorch, ONNX Runtime. The coordinate is padded first
    up      floor(x + 1/2): STN. Up refers to the original coordinate, so it is down where mirrored
    away    the pixel further from 0, as in C's round and in many programs. The coordinate is padded first
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bicubic import padded_index
from refwarp.exact.bilinear import HALF, coordinate_scale, pixel_coordinate
from refwarp.exact.ledger import Equation
from refwarp.exact.padding import pad_coordinate
from refwarp.exact.sampling import Gradients, Plane, Samples, Tap, sample, sample_gradient


def half_up(x: Number) -> int:
    """Return floor(x + 1/2) (STN 4)."""
    return int(math.floor(x + HALF))  # (STN 4)


def half_to_even(x: Number) -> int:
    """Return the integer nearest to x, of two equally near the even one (nearest.1)."""
    below = int(math.floor(x))
    if x - below == Fraction(1, 2):
        return below + below % 2  # (nearest.1)
    return half_up(x)


def half_away(x: Number) -> int:
    """Return the integer nearest to x, of two equally near the one further from 0."""
    return half_up(x) if x >= 0 else -half_up(-x)


def nearest_pixel(x: Number, size: int, align_corners: bool, padding: str, ties: str) -> int | None:
    """Return the pixel of the padded map that is nearest to x, by the rule `ties`; None where there is none."""
    if ties == "up":
        return padded_index(half_up(x), size, align_corners, padding)
    z = pad_coordinate(x, size, align_corners, padding)[0]
    n = half_to_even(z) if ties == "even" else half_away(z)
    return n if 0 <= n < size else None


def samples_at(
    grid: Sequence[Plane], height: int, width: int, align_corners: bool, padding: str = "zeros", ties: str = "even"
) -> Samples:
    """Return what the samples of one image read; the arguments are those of `grid_sample`."""

    def taps(g: Number, size: int) -> list[Tap]:
        n = nearest_pixel(pixel_coordinate(g, size, align_corners), size, align_corners, padding, ties)
        return [] if n is None else [Tap.of(n, 1, 0)]

    def infinite(sign: int, size: int) -> list[Tap]:
        return [Tap.of(0 if sign < 0 else size - 1, 1, 0)] if padding == "border" else []

    return Samples(grid, height, width, taps, infinite, padding)


def grid_sample(
    input: Sequence[Plane], grid: Sequence[Plane], align_corners: bool, padding: str = "zeros", ties: str = "even"
) -> list[list[list[Sum]]]:
    """Return the warped map of one image, (C, H_out, W_out) (nearest.1).

    `ties` is "even", "up" or "away".
    """
    return sample(input, samples_at(grid, len(input[0]), len(input[0][0]), align_corners, padding, ties))


def grid_sample_gradient(
    gout: Sequence[Plane],
    input: Sequence[Plane],
    grid: Sequence[Plane],
    align_corners: bool,
    padding: str = "zeros",
    ties: str = "even",
) -> Gradients:
    """Return the gradients of `grid_sample`: each pixel gathers its samples' cotangents, the grid's is 0."""
    height, width = len(input[0]), len(input[0][0])
    scales = tuple(coordinate_scale(size, align_corners) * HALF for size in (width, height))
    return sample_gradient(gout, input, samples_at(grid, height, width, align_corners, padding, ties), scales)


LEDGER = (
    Equation(
        "STN",
        "4",
        "integer (nearest) kernel",
        "holds",
        'ties round up; PyTorch and ONNX Runtime round them to even, and so does mode="nearest"',
        ("refwarp.exact.nearest.half_up", "refwarp.samplers.nearest.kernels.nearest_pixel"),
        ("tests/exact/test_sampling_modes.py::test_ties_go_up_in_the_paper_and_to_even_in_pytorch",),
    ),
)
