"""Frames at the sizes of a pyramid, and a flow from one size to the next."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from refwarp.grids.affine import affine_grid
from refwarp.samplers.grid_sample import grid_sample

Size = tuple[int, int]

# Standard deviation of the blur, in pixels of the reduced size, that leaves little above its Nyquist frequency.
_BLUR = 0.6


def sizes(size: Size, ratio: float, smallest: int) -> Iterator[Size]:
    """Yield the sizes of a pyramid, the smallest first: `ratio` to the k-th power times `size`, rounded.

    The shorter side of the first has about `smallest` pixels, or as many as the frames if these are smaller.
    """
    count = max(0, round(math.log(smallest / min(size)) / math.log(ratio)))
    for k in range(count, -1, -1):
        yield max(1, round(size[0] * ratio**k)), max(1, round(size[1] * ratio**k))


def reduced(frame: Any, size: Size, blur: float) -> Any:
    """Return a frame (C, H, W) at a size, blurred by `blur` pixels and by what the reduction asks for."""
    factor = max(frame.shape[1] / size[0], frame.shape[2] / size[1])
    deviation = math.hypot(blur, _BLUR * math.sqrt(max(0.0, factor**2 - 1)))
    blurred = np.stack([gaussian_filter(channel, deviation, mode="nearest") for channel in frame])
    return resized(blurred, size)


def resized(maps: Any, size: Size) -> Any:
    """Return maps (C, H, W) at a size, sampled with the bicubic kernel."""
    if maps.shape[1:] == size:
        return maps
    grid = affine_grid(np.eye(2, 3)[None], (1, 1, *size))
    return grid_sample(maps[None], grid, mode="bicubic", padding_mode="border")[0]


def resized_flow(flow: Any, size: Size) -> Any:
    """Return a flow (2, H, W) in pixels at a size, in pixels of that size."""
    height, width = flow.shape[1:]
    return resized(flow, size) * np.array([size[1] / width, size[0] / height])[:, None, None]
