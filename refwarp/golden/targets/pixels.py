"""Coordinates for libraries that do not make them: of a grid in pixels, and of the pixels and points of a grid.

They are the target's, so they are made in float64 and rounded once to what the library takes: what is judged is the
library's interpolation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def to_pixels(input: Any, grid: Any, align_corners: Any, dtype: Any) -> Any:
    """Return the points x, y of a grid in pixels (N, H_out, W_out, 2); a finite one stays finite.

    Raises
    ------
    NotImplementedError
        If these are not a batch of maps and their grids: a library that samples one plane at a list of points
        neither accepts nor refuses that.
    """
    fits = input.ndim == grid.ndim == 4 and grid.shape[3] == 2 and len(input) == len(grid)
    if not fits or not isinstance(align_corners, bool):
        raise NotImplementedError("batches and align_corners are not its own")
    xp = grid.__array_namespace__()  # NumPy or JAX, which differentiates this
    sizes = np.array(input.shape[:1:-1])  # W, H
    with np.errstate(over="ignore", invalid="ignore"):
        points = grid.astype(np.float64) * ((sizes - align_corners) / 2) + (sizes - 1) / 2
    largest = float(xp.finfo(dtype).max)
    return xp.where(xp.isinf(grid), grid, xp.clip(points, -largest, largest)).astype(dtype)


def sample_planes(sample: Any, input: Any, grid: Any, align_corners: Any, dtype: Any) -> Any:
    """Return the samples of each plane of a batch: sample(plane, x, y) (H_out, W_out) in pixels, of a dtype."""
    points = to_pixels(input, grid, align_corners, dtype)
    output = np.empty((*input.shape[:2], *grid.shape[1:3]), input.dtype)
    for image, channel in np.ndindex(output.shape[:2]):
        output[image, channel] = sample(input[image, channel], points[image, ..., 0], points[image, ..., 1])
    return output


def output_size(size: Any, batch: int) -> tuple[int, int]:
    """Return the height and the width of a batch of outputs.

    Raises
    ------
    NotImplementedError
        If the size is not four non-negative numbers, the first that of the batch: a library that is given the points
        of an output neither accepts nor refuses that.
    """
    if len(size) != 4 or min(size) < 0 or size[0] != batch:
        raise NotImplementedError("the output's size is not its own")
    return size[2], size[3]


def lattice(height: int, width: int, align_corners: Any) -> Any:
    """Return the normalised coordinates x, y of an output's pixels, float64 (height, width, 2).

    Raises
    ------
    NotImplementedError
        If align_corners is not a bool.
    """
    if not isinstance(align_corners, bool):
        raise NotImplementedError("align_corners is not its own")
    axes = [(2 * np.arange(n) + 1 - n) / max(n - align_corners, 1) for n in (width, height)]
    return np.stack(np.meshgrid(*axes), axis=-1)


def regular_control(points: Any) -> Any:
    """Return a square grid of as many control points as there are fiducial points, of their dtype (K, 2)."""
    side = math.isqrt(points.shape[1])
    return lattice(side, side, True).reshape(-1, 2).astype(points.dtype)


def option(name: str, given: Any, offered: Any) -> Any:
    """Return what a library calls an option.

    Raises
    ------
    NotImplementedError
        If it does not offer it.
    """
    if given not in offered:
        raise NotImplementedError(f"{name} {given!r} is not offered")
    return offered[given]
