"""The inputs that several comparisons share: maps, and grids whose samples keep off the lattice."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refwarp.grids.affine import affine_grid

GRIDS = ("smooth", "scattered")

# How far samples stay away, in pixels, from where kernels change their pixels (the lattice) or copy another one (the
# middle between two). Libraries that round coordinates may else take another cell, whose slope is another.
MARGIN = 0.02


class Sampling(NamedTuple):
    """A map (N, C, H, W), a grid (N, H, W, 2) and a cotangent (N, C, H, W)."""

    input: Any
    grid: Any
    gout: Any


def sampling(shape: tuple[int, int, int, int], dtype: str, kind: str, spread: float = 1.1) -> Sampling:
    """Return random inputs of grid_sample, with an output as large as the map.

    Parameters
    ----------
    shape : (int, int, int, int)
        (N, C, H, W).
    dtype : str
        Of all arrays.
    kind : {"smooth", "scattered"}
        Affine transformations near the identity, one for each image; or points uniform in [-spread, spread].
    spread : float
        How far scattered points lie from the centre.
    """
    rng = np.random.default_rng(sum(shape))
    batch, _, height, width = shape
    if kind == "smooth":
        theta = np.eye(2, 3) + 0.1 * rng.standard_normal((batch, 2, 3))
        grid = affine_grid(theta, shape)
    else:
        grid = rng.uniform(-spread, spread, (batch, height, width, 2))
    input, gout = (rng.standard_normal(shape, np.dtype(dtype)) for _ in range(2))
    return Sampling(input, off_the_lattice(grid, (height, width)).astype(dtype), gout)


def off_the_lattice(grid: Any, size: tuple[int, int]) -> Any:
    """Return a grid whose samples are at least `MARGIN` from the pixels of a map, and from the middles between them."""
    pixels = to_pixels(grid, size)
    half = np.floor(2.0 * pixels)  # in half pixels
    pixels = (half + np.clip(2.0 * pixels - half, 2 * MARGIN, 1.0 - 2 * MARGIN)) / 2.0
    return (2.0 * pixels + 1.0) / np.array(size[::-1]) - 1.0


def to_pixels(grid: Any, size: tuple[int, int]) -> Any:
    """Return the points (x, y) of a grid in pixels of a map of `size`, with align_corners=False, in float64."""
    return ((grid.astype(np.float64) + 1.0) * np.array(size[::-1]) - 1.0) / 2.0


def rounding(dtype: str, size: tuple[int, int]) -> float:
    """Return by how much results may differ, relative to the largest, if one of them rounds its coordinates.

    A rounded coordinate of a map of n pixels is off by some n eps / 2, where values change by up to four times the
    largest in a pixel (two for the tent's two sides, more for the cubic), and so do slopes; sums add a few eps more.
    """
    return 8.0 * float(np.finfo(dtype).eps) * max(*size, 16)
