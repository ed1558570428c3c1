"""Cases for separable_sample of sizes around those of tiles and vectors, with each kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, CHANNELS, SIZES, pairwise, small_enough
from refwarp.golden.drawing.samples import between_seams
from refwarp.golden.families.separable.cases import KERNELS, PADDINGS

FACTORS = {
    "N": BATCHES,
    "C": CHANNELS[:4],
    "H": SIZES[:5],
    "W": SIZES[:5],
    "rows": SIZES,
    "columns": SIZES,
    "kernel": tuple(KERNELS),
    "padding_mode": PADDINGS,
    "align_corners": (False, True),
}

# How long the truth about a sample of one channel takes, in some unit; the most of that, and of pixels, in a case.
_TRUTH = {"tent": 1, "integer": 1, "keys": 4, "b_spline": 4, "lanczos": 40, "gaussian": 60}
_LONGEST, _MOST_PIXELS = 1100, 8000


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Tell whether the truth about a case is found soon enough."""
    n, c, height, width, rows, columns, kernel, *_ = row.values()
    allowed: bool = n * c * rows * columns * _TRUTH[kernel] <= _LONGEST and n * c * height * width <= _MOST_PIXELS
    return allowed


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, is_allowed):
        n, c, height, width, rows, columns, kernel, padding, align_corners = row.values()
        option, words = KERNELS[kernel]
        what = f"{n}x{c}x{height}x{width}_at_{rows}x{columns}"
        name = f"{kernel}_{padding}_{what}" + "_corners" * align_corners
        grid = between_seams(
            f"separable {name}", (n, rows, columns), (height, width), align_corners, 0.5 * (kernel == "integer")
        )
        comment = f"{n} x {c} maps of {height} x {width} pixels, {rows} x {columns} samples, {words}, {padding}."
        found.append(
            call.case(
                f"separable_sample/{name}",
                comment + " align_corners." * align_corners,
                "Sizes",
                {"input": draw.dyadics(f"separable {name}", n, c, height, width), "grid": grid},
                (n, c, rows, columns),
                kernel=dict(option),
                padding_mode=padding,
                align_corners=align_corners,
            )
        )
    return small_enough([*found, *_wide()])


def _wide() -> list[Case]:
    """Return a wide map and a tall one, of zeros but for a few pixels at the ends and in the middle."""
    found, length = [], 65_536
    at = np.array([*range(5), *range(32_764, 32_772), *range(length - 5, length)])
    for kernel, padding, is_tall in (("tent", "border", False), ("keys", "zeros", True), ("b_spline", "border", False)):
        option, words = KERNELS[kernel]
        name = f"{kernel}_{padding}_{length}x1" if is_tall else f"{kernel}_{padding}_1x{length}"
        pixels, cotangents = (np.zeros((1, 1, 1, length)) for _ in range(2))
        pixels[..., at] = draw.dyadics(f"separable {name}", len(at))
        cotangents[..., at] = draw.dyadics(f"separable {name} A", len(at))
        x = np.array([2, 32_766, 32_768, length - 4]) + 0.375
        along = (2 * x - length + 1) / length
        grid = np.stack([along, np.full(along.shape, 0.125)], -1)[None, None]
        if is_tall:
            pixels, cotangents, grid = pixels.swapaxes(2, 3), cotangents.swapaxes(2, 3), grid[..., ::-1]
        found.append(
            call.case(
                f"separable_sample/{name}",
                f"{length} pixels, {words}, {padding}: an index of 16 bits reaches half of them.",
                "Wide Sizes",
                {"input": pixels, "grid": grid, "cotangent_input": cotangents},
                (1, 1, 1, len(x)),
                kernel=dict(option),
                padding_mode=padding,
                align_corners=False,
            )
        )
    return found
