"""scikit-image as a target: `transform.warp` with an array of coordinates, which are in pixels, the row first."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from skimage.transform import warp

from refwarp.golden.targets import pixels

VERSION = version("scikit-image")
DTYPES = ("float32", "float64")


def grid_sample(input: Any, grid: Any, *, mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """Return the samples. Its order 3 is a B-spline, not the bicubic kernel."""
    order = pixels.option("mode", mode, {"nearest": 0, "bilinear": 1})
    borders = {"zeros": "constant", "border": "edge", "reflection": "reflect" if align_corners else "symmetric"}
    border = pixels.option("padding_mode", padding_mode, borders)
    if 0 in grid.shape:
        raise NotImplementedError("an output without pixels")

    def sample(plane: Any, x: Any, y: Any) -> Any:
        points = np.stack([y, x])
        return warp(  # type: ignore[no-untyped-call]
            plane, points, order=order, mode=border, clip=False, preserve_range=True
        )

    return pixels.sample_planes(sample, input, grid, align_corners, np.float64)
