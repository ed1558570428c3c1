"""Nearest-pixel sampling, as in PyTorch and as in STN's Eq. (4).

    V_c(i) = U_c(round y_i, round x_i)                                                        (nearest.1)
    gU_c(n, m) = sum over the samples i with (round y_i, round x_i) = (n, m) of gV_c(i)       (nearest.2)

Ties go to the even pixel (PyTorch: `grid_sample`) or up (STN's integer kernel: `separable_sample`). The
coordinate is padded first, then rounded. Whether x_i is a tie is decided exactly, from the given floats:

    k = floor((g s + o + 1)/2), the lower end of the pixel is l = 2 k - 1 - o                 (nearest.3)
    g s - l < 0: one pixel less; = 0: a tie                                                  (nearest.4)

with s and o of `conventions.py`, where g s - l is one fused multiply-add, so its sign is exact. The gradient with
respect to the grid is 0 (NaN where a coordinate is): between its jumps the value is constant. (nearest.1) and
(nearest.2) are each other's transpose, so second derivatives need no further equations. docs/nearest.md.

The CPU places many samples at once (`cpu`); the kernels here are for CUDA, and for huge maps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import items, kernel, scalar
from refwarp.conventions import OUTSIDE, REFLECTION, ZEROS, Rules, coordinate_scale, fold, is_undefined, pixel_of
from refwarp.samplers.gathering import Sorted

# Which pixel a sample halfway between two takes: the even one, or the one of the larger coordinate.
EVEN, UP = range(2)


@scalar
def nearest_pixel(g: float, size: int, rules: Rules, ties: int) -> int:
    """Return the pixel nearest to a defined coordinate; OUTSIDE if it is not in the map."""
    s, odd = coordinate_scale(size, rules.align_corners), (size - 1) % 2
    sign = 1.0
    if rules.padding == REFLECTION:
        g, sign = fold(g)
    elif math.isinf(g) or abs(g * s) > size + 3:
        if rules.padding == ZEROS:
            return OUTSIDE
        return size - 1 if g > 0.0 else 0
    k = int(math.floor(0.5 * (g * s + odd + 1)))  # (nearest.3), or one more, where a rounding reached it
    above = fused_multiply_add(g, s, odd + 1 - 2.0 * k)  # (nearest.4)
    n = (size - 1 - odd) // 2 + (k - 1 if above < 0.0 else k)  # (STN 4), except where mirrored
    # Up refers to the original coordinate: where mirrored, it is down.
    if above == 0.0 and (sign < 0.0 if ties == UP else n % 2 != 0):
        n -= 1
    if rules.padding == ZEROS and not 0 <= n < size:
        return OUTSIDE
    return min(max(n, 0), size - 1)


@kernel
def forward(start: int, stop: int, input: Any, grid: Any, rules: Rules, ties: int, out: Any) -> None:
    """Compute (nearest.1) for the samples start to stop of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    for p in items(start, stop):
        b, i, j = pixel_of(p, rows, columns)
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        m, n = OUTSIDE, OUTSIDE
        undefined = is_undefined(gx, gy, rules.padding)
        if not undefined:
            m, n = nearest_pixel(gx, width, rules, ties), nearest_pixel(gy, height, rules, ties)
        for c in range(channels):
            if undefined:
                out[b, c, i, j] = np.nan
            else:
                out[b, c, i, j] = 0.0 if m == OUTSIDE or n == OUTSIDE else input[b, c, n, m]  # (nearest.1)


@kernel
def find_pixels(
    start: int, stop: int, grid: Any, height: int, width: int, rules: Rules, ties: int, pixels: Any
) -> None:
    """Find for the samples start to stop of all images the number of the pixel that they read, or H W for none."""
    _, rows, columns, _ = grid.shape
    for p in items(start, stop):
        b, i, j = pixel_of(p, rows, columns)
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        pixel = height * width
        if not is_undefined(gx, gy, rules.padding):
            m, n = nearest_pixel(gx, width, rules, ties), nearest_pixel(gy, height, rules, ties)
            if m != OUTSIDE and n != OUTSIDE:
                pixel = n * width + m
        pixels[b, i * columns + j] = pixel


@kernel
def backward_input(start: int, stop: int, gout: Any, samples: Sorted, ginput: Any) -> None:
    """Compute (nearest.2) for the pixels start to stop of all planes, from samples sorted by pixel."""
    _, channels, height, width = ginput.shape
    _, _, rows, columns = gout.shape
    for p in items(start, stop):
        plane, n, m = pixel_of(p, height, width)
        b, c = plane // channels, plane % channels
        pixel = b * (height * width + 1) + n * width + m
        total, lost = 0.0, 0.0
        for k in range(samples.starts[pixel], samples.starts[pixel + 1]):
            _, i, j = pixel_of(samples.order[k], rows, columns)
            total, remainder = two_sum(total, np.float64(gout[b, c, i, j]))  # (nearest.2)
            lost += remainder
        ginput[b, c, n, m] = compensated(total, lost)


@kernel
def backward_grid(start: int, stop: int, grid: Any, padding: int, ggrid: Any) -> None:
    """Write 0, or NaN for undefined samples, for the samples start to stop of all images."""
    coordinates, gradients = grid.reshape(grid.size), ggrid.reshape(ggrid.size)
    for p in items(start, stop):
        x, y = coordinates[2 * p], coordinates[2 * p + 1]
        undefined = (x != x) | (y != y) | ((padding == REFLECTION) & ((x - x != 0.0) | (y - y != 0.0)))
        gradients[2 * p] = gradients[2 * p + 1] = np.nan if undefined else 0.0
