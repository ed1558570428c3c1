"""Cases for grid_sample of sizes around those of tiles and vectors: each pair of axes, modes and paddings.

Every pixel, channel, image and sample has numbers of its own. Samples keep clear of the seams of their mode, which
costs less truth, where float16 can tell them from one another at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.pairwise import BATCHES, CHANNELS, SIZES, pairwise, small_enough
from refwarp.golden.drawing.samples import CLEARANCE, between_seams
from refwarp.golden.families.grid_sample.cases import Sampler

FACTORS: Mapping[str, tuple[Any, ...]] = {
    "N": BATCHES,
    "C": CHANNELS,
    "H": SIZES,
    "W": SIZES,
    "rows": SIZES,
    "columns": SIZES,
    "mode": ("nearest", "bilinear", "bicubic"),
    "padding_mode": ("zeros", "border", "reflection"),
    "align_corners": (False, True),
}

# How long the truth about a sample of one channel takes, in some unit, and how much longer next to seams.
_TRUTH, _NEXT_TO_SEAMS = {"nearest": 1, "bilinear": 1, "bicubic": 4}, 8
# The most of that, and of pixels, that a case has.
_LONGEST, _MOST_PIXELS = 2500, 20_000

# What float16 may move a sample, as a share of an axis; a fixed point of 1/32 pixel moves it too.
_MOVE = 6 * 2.0**-11


def is_clear(height: int, width: int) -> bool:
    """Tell whether rounding moves no sample of a map as far as the next seam."""
    return max(height, width) * (_MOVE + 2.0**-5 / min(height, width)) < CLEARANCE


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Tell whether the truth about a case is found soon enough."""
    n, c, height, width, rows, columns = (row[axis] for axis in ("N", "C", "H", "W", "rows", "columns"))
    longer = 1 if is_clear(height, width) else _NEXT_TO_SEAMS
    allowed: bool = (
        n * c * rows * columns * _TRUTH[row["mode"]] * longer <= _LONGEST and n * c * height * width <= _MOST_PIXELS
    )
    return allowed


def _case(row: Mapping[str, Any]) -> Case:
    n, c, height, width, rows, columns = (row[axis] for axis in ("N", "C", "H", "W", "rows", "columns"))
    sampler = Sampler(row["mode"], row["padding_mode"], row["align_corners"])
    name = f"{n}x{c}x{height}x{width}_at_{rows}x{columns}"
    seed = f"{sampler.words} {name}"
    seam = 0.5 if sampler.mode == "nearest" else 0.0
    grid = between_seams(seed, (n, rows, columns), (height, width), sampler.align_corners, seam)
    comment = f"{n} x {c} maps of {height} x {width} pixels, {rows} x {columns} samples"
    return sampler.case(name, comment, "Sizes", draw.dyadics(seed, n, c, height, width), grid)


def _wide() -> Iterator[Case]:
    """Yield maps whose indices need more than 16 bits: zeros but for a few pixels at both ends and in the middle."""
    for mode, padding, channels, tall in (
        ("nearest", "zeros", 1, False),
        ("nearest", "border", 1, True),
        ("bicubic", "zeros", 1, True),
        ("bicubic", "reflection", 1, False),
        ("bilinear", "zeros", 2, True),
    ):
        sampler, length = Sampler(mode, padding, align_corners=False), 65_536
        name = f"{channels}x{length}x1" if tall else f"{channels}x1x{length}"
        at = np.array([*range(4), *range(32_764, 32_772), *range(length - 4, length)])
        seed = f"{sampler.words} {name}"
        pixels, cotangents = (np.zeros((1, channels, 1, length)) for _ in range(2))
        pixels[..., at] = draw.dyadics(seed, 1, channels, 1, len(at))
        cotangents[..., at] = draw.dyadics(f"{seed} A", 1, channels, 1, len(at))
        off = 0.125 if mode == "nearest" else 0.375
        x = np.array([1, 2, 32_766, 32_768, 32_769, length - 3, length - 2]) + off
        along = (2 * x - length + 1) / length
        grid = np.stack([along, np.full(along.shape, 0.125)], -1)[None, None]
        if tall:
            pixels, cotangents, grid = pixels.swapaxes(2, 3), cotangents.swapaxes(2, 3), grid[..., ::-1]
        comment = f"{channels} x {length} pixels {'tall' if tall else 'wide'}: an index of 16 bits does not reach all"
        yield sampler.case(name, comment, "Wide Sizes", pixels, grid, cotangent_input=cotangents)


def cases() -> list[Case]:
    """Return the cases."""
    return small_enough([*map(_case, pairwise(FACTORS, is_allowed)), *_wide()], 9000)
