"""Maps of one row or column, and grids: few points, the neighbours of a number, and points clear of all seams."""

from __future__ import annotations

import math

import numpy as np

from refwarp.golden.case import Floats
from refwarp.golden.drawing import draw

# The row whose derivatives at x = 1 are -3 (right), 4 (left), 1/2 (central) and 5 (STN's Eq. 7 as printed).
ROW = [1.0, 5.0, 2.0, 9.0]
# A row of five, for lattices that are exact with align_corners.
ROW_OF_FIVE = [1.0, 5.0, 2.0, 9.0, 4.0]

# A sample is clear of a seam if it is this far from it, in pixels, and as a share of its reach.
_PIXELS, _SHARE = 1 / 16, 2.0**-8


def row(pixels: list[float]) -> Floats:
    """Return a map of one row."""
    return np.array(pixels)[None, None, None]


def column(pixels: list[float]) -> Floats:
    """Return a map of one column."""
    return row(pixels).swapaxes(2, 3)


def along_x(*points: float, y: float = 0.0) -> Floats:
    """Return a grid of one row: the given x, and by default y = 0, the centre of a map of one row."""
    return np.array([[[[x, y] for x in points]]])


def off_y(*points: float) -> Floats:
    """Return a grid of one row that is off the lattice along y, so that only x is put to the test."""
    return along_x(*points, y=0.125)


def along_y(*points: float) -> Floats:
    """Return a grid of one row with the given y, and x = 0."""
    return along_x(*points)[..., ::-1]


def points(*points: tuple[float, float]) -> Floats:
    """Return a grid of one row of points."""
    return np.array(points)[None, None]


def neighbours(x: float, dtype: str) -> list[float]:
    """Return the numbers of `dtype` below and above x."""
    number = np.dtype(dtype).type(x)
    return [float(np.nextafter(number, np.dtype(dtype).type(side))) for side in (-math.inf, math.inf)]


def clear(
    name: str, shape: tuple[int, int, int], size: tuple[int, int], low: float, high: float, align_corners: bool = False
) -> Floats:
    """Return a grid (N, H_out, W_out, 2) on a map of `size` (H, W), clear of all seams, low < |g| < high.

    A seam is the lattice or a half-integer. The numbers are exact in float16.
    """
    unit = 1024 if high <= 2 else 128
    axes = []
    for axis, pixels in (("x", size[1]), ("y", size[0])):
        drawn = draw.coordinates(f"{name} {axis}", 40 * math.prod(shape), reach=high * unit / 1024) * 1024 / unit
        scale = pixels - 1 if align_corners else pixels
        x = (drawn * scale + pixels - 1) / 2
        reach = pixels * np.maximum(np.abs(drawn), 1)
        distance = np.abs(2 * x - np.round(2 * x)) / 2
        far = (distance >= np.maximum(_PIXELS, _SHARE * reach)) | (scale == 0)
        axes.append(drawn[far & (np.abs(drawn) > low)][: math.prod(shape)].reshape(shape))
    return np.stack(axes, -1)
