"""OpenCV as a target: `cv2.remap`, which takes pixel coordinates in float32 and samples one plane."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from refwarp.golden.targets import pixels

VERSION = cv2.__version__
DTYPES = ("float32", "float64")

_MODES = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
_BORDERS = {"zeros": cv2.BORDER_CONSTANT, "border": cv2.BORDER_REPLICATE, "reflection": cv2.BORDER_REFLECT}


def grid_sample(input: Any, grid: Any, *, mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """Return the samples."""
    interpolation = pixels.option("mode", mode, _MODES)
    border = pixels.option("padding_mode", padding_mode, _BORDERS)
    if border == cv2.BORDER_REFLECT and align_corners:
        border = cv2.BORDER_REFLECT_101
        if interpolation == cv2.INTER_CUBIC and 1 in input.shape[2:]:
            raise NotImplementedError("mirrored cubic sampling of one row or column, which never returns")
    if 0 in grid.shape or max(*input.shape[2:], *grid.shape[1:3]) >= 32767:
        raise NotImplementedError("maps and outputs without pixels or with 32767 in a row or column")

    def sample(plane: Any, x: Any, y: Any) -> Any:
        try:
            return cv2.remap(plane, x, y, interpolation, None, border, 0)
        except cv2.error as error:  # which is no RuntimeError
            raise RuntimeError(str(error)) from error

    return pixels.sample_planes(sample, input, grid, align_corners, np.float32)
