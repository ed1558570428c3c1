"""Dense SIFT: a descriptor of the surroundings of each pixel (C. Liu et al., "SIFT flow", TPAMI 2011).

The gradient of the brightness is shared among eight directions theta_k, by max(0, cos(theta - theta_k))^9 times its
length, and collected in 4 x 4 cells around the pixel with the weights of a tent, which ends at the centres of the next
cells. The 128 numbers are scaled to length 1, cut at 0.2 and scaled again (D. Lowe, IJCV 2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import convolve1d

DIRECTIONS, CELLS = 8, 4
# So short a descriptor, of frames in [0, 1], belongs to a place without structure, and stays shorter than 1.
_FAINT = 0.05
_SHARPNESS, _LARGEST = 9, 0.2


def dense_sift(frame: Any, cell: int = 4) -> Any:
    """Return the descriptors of all pixels.

    Parameters
    ----------
    frame : ndarray, shape (C, H, W)
        A picture, float64, about in [0, 1]; its brightness is the mean of the channels.
    cell : int
        The side of a cell in pixels, even.

    Returns
    -------
    ndarray, shape (H, W, 128)
        float32; each has at most length 1. Beyond its edge the picture goes on as it is there.
    """
    brightness = frame.mean(axis=0)
    height, width = brightness.shape
    reach = CELLS * cell // 2 + cell
    wide = np.pad(brightness, reach, mode="edge")
    slope_y, slope_x = (np.gradient(wide, axis=axis) for axis in (0, 1))
    tent = np.concatenate([np.arange(1, cell + 1), np.arange(cell - 1, 0, -1)]) / cell
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    length = np.hypot(slope_x, slope_y)
    along = np.divide(1.0, length, out=np.zeros(length.shape), where=length > 0)
    found = np.empty((height, width, CELLS, CELLS, DIRECTIONS), np.float32)
    offsets = [reach + k * cell - (CELLS - 1) * cell // 2 for k in range(CELLS)]
    for k, angle in enumerate(angles):
        cosine = (slope_x * np.cos(angle) + slope_y * np.sin(angle)) * along
        shared = length * np.maximum(cosine, 0.0) ** _SHARPNESS
        collected = convolve1d(convolve1d(shared, tent, 0, mode="nearest"), tent, 1, mode="nearest")
        for i, top in enumerate(offsets):
            for j, left in enumerate(offsets):
                found[:, :, i, j, k] = collected[top : top + height, left : left + width]
    return _scaled(np.minimum(_scaled(found.reshape(height, width, -1)), _LARGEST))


def _scaled(descriptors: Any) -> Any:
    lengths = np.sqrt((descriptors**2).sum(axis=-1, keepdims=True) + np.float32(_FAINT**2))
    return descriptors / lengths
