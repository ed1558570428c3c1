"""Nearest-pixel sampling once more, literally, with ties as PyTorch and as STN's Eq. (4) have them.

    V_c(i) = U_c(round y_i, round x_i)                                                       (nearest.1)
    V_c(i) = sum over n, m of U_c(n, m) delta(floor(x_i + 1/2) - m) delta(floor(y_i + 1/2) - n)   (STN 4)

PyTorch and ONNX Runtime round ties to even, STN rounds them up. The coordinate is padded first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from refwarp.exact.bilinear import HALF, coordinate_scale, pixel_coordinate
from refwarp.exact.ledger import Equation
from refwarp.exact.numbers import Number, Sum
from refwarp.exact.padding import pad_coordinate
from refwarp.exact.sampling import Gradients, Plane, Samples, Tap, sample, sample_gradient


def half_up(x: Number) -> int:
    """Return floor(x + 1/2) (STN 4)."""
    return int(math.floor(x + HALF))


def half_to_even(x: Number) -> int:
    """Return the integer nearest to x, of two equally near the even one (nearest.1)."""
    below = int(math.floor(x))
    if x - below == Fraction(1, 2):
        return below + below % 2
    return half_up(x)


def _samples(grid: Sequence[Plane], height: int, width: int, align_corners: bool, padding: str) -> Samples:
    def taps(g: Number, size: int) -> list[Tap]:
        x = pixel_coordinate(g, size, align_corners)
        n = half_to_even(pad_coordinate(x, size, align_corners, padding)[0])
        return [Tap.of(n, 1, 0)] if 0 <= n < size else []

    def infinite(sign: int, size: int) -> list[Tap]:
        return [Tap.of(0 if sign < 0 else size - 1, 1, 0)] if padding == "border" else []

    return Samples(grid, height, width, taps, infinite, padding)


def grid_sample(
    input: Sequence[Plane], grid: Sequence[Plane], align_corners: bool, padding: str = "zeros"
) -> list[list[list[Sum]]]:
    """Return the warped map of one image, (C, H_out, W_out) (nearest.1)."""
    return sample(input, _samples(grid, len(input[0]), len(input[0][0]), align_corners, padding))


def grid_sample_gradient(
    gout: Sequence[Plane], input: Sequence[Plane], grid: Sequence[Plane], align_corners: bool, padding: str = "zeros"
) -> Gradients:
    """Return the gradients of `grid_sample`: each pixel gathers its samples' cotangents, the grid's is 0."""
    height, width = len(input[0]), len(input[0][0])
    scales = tuple(coordinate_scale(size, align_corners) * HALF for size in (width, height))
    return sample_gradient(gout, input, _samples(grid, height, width, align_corners, padding), scales)


LEDGER = (
    Equation(
        "STN",
        "4",
        "integer (nearest) kernel",
        "holds",
        "ties round up; PyTorch and ONNX Runtime round them to even, so mode=\"nearest\" does, too",
        ("refwarp.exact.nearest.half_up", "refwarp.samplers.nearest.nearest_pixel"),
        ("tests/exact/test_exact_sampling_modes.py::test_ties_go_up_in_the_paper_and_to_even_in_pytorch",),
    ),
)
