"""Nearest-pixel sampling, as PyTorch and as STN's Eq. (4) have it.

    V_c(i) = U_c(round y_i, round x_i)                                                        (nearest.1)
    gU_c(n, m) = sum over the samples i with (round y_i, round x_i) = (n, m) of gV_c(i)       (nearest.2)

Ties go to the even pixel (PyTorch: `grid_sample`) or up (STN's integer kernel: `separable_sample`). The
coordinate is padded first, then rounded. Whether x_i is a tie is decided exactly, from the given floats:

    k = floor((g s + o + 1)/2), the lower end of the pixel is l = 2 k - 1 - o                 (nearest.3)
    g s - l < 0: one pixel less; = 0: a tie                                                  (nearest.4)

with s and o of `conventions.py`, where g s - l is one fused multiply-add, and so has the exact sign. The gradient with
respect to the grid is 0 (NaN where a coordinate is): between its jumps the value is constant. Each of the two is the
transpose of the other, so second derivatives need nothing more than zeros with a history. docs/nearest.md.

The CPU places many samples at once (`cpu.py`); the kernels here serve CUDA, and enormous maps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import items, kernel, scalar
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.conventions import OUTSIDE, REFLECTION, ZEROS, coordinate_scale, fold, is_undefined, pixel_of
from refwarp.samplers.gathering import sort_samples
from refwarp.samplers.nearest.cpu import CHUNK, backward, constants, forward
from refwarp.samplers.placement import is_exact

TIES = ("even", "up")
EVEN, UP = range(2)


@scalar
def nearest_pixel(g: float, size: int, align_corners: bool, padding: int, ties: int) -> int:
    """Return the pixel nearest to a defined coordinate; OUTSIDE if it is not in the map."""
    s, odd = coordinate_scale(size, align_corners), (size - 1) % 2
    sign = 1.0
    if padding == REFLECTION:
        g, sign = fold(g)
    elif math.isinf(g) or abs(g * s) > size + 3:
        if padding == ZEROS:
            return OUTSIDE
        return size - 1 if g > 0.0 else 0
    k = int(math.floor(0.5 * (g * s + odd + 1)))  # (nearest.3), or one more, where a rounding reached it
    above = fused_multiply_add(g, s, odd + 1 - 2.0 * k)  # (nearest.4)
    n = (size - 1 - odd) // 2 + (k - 1 if above < 0.0 else k)
    # Up is meant in the given coordinate: in the mirror it is down.
    if above == 0.0 and (sign < 0.0 if ties == UP else n % 2 != 0):
        n -= 1
    if padding == ZEROS and not 0 <= n < size:
        return OUTSIDE
    return min(max(n, 0), size - 1)


@kernel
def _forward(
    start: int, stop: int, input: Any, grid: Any, align_corners: bool, padding: int, ties: int, out: Any
) -> None:
    """Compute (nearest.1) for the samples start to stop of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    for p in items(start, stop):
        b, i, j = pixel_of(p, rows, columns)
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        m, n = OUTSIDE, OUTSIDE
        undefined = is_undefined(gx, gy, padding)
        if not undefined:
            m = nearest_pixel(gx, width, align_corners, padding, ties)
            n = nearest_pixel(gy, height, align_corners, padding, ties)
        for c in range(channels):
            if undefined:
                out[b, c, i, j] = np.nan
            else:
                out[b, c, i, j] = 0.0 if m == OUTSIDE or n == OUTSIDE else input[b, c, n, m]


@kernel
def _locate(
    start: int, stop: int, grid: Any, height: int, width: int, align_corners: bool, padding: int, ties: int, cells: Any
) -> None:
    """Find for the samples start to stop of all images the number of the pixel that they read, or H W for none."""
    _, rows, columns, _ = grid.shape
    for p in items(start, stop):
        b, i, j = pixel_of(p, rows, columns)
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        cell = height * width
        if not is_undefined(gx, gy, padding):
            m = nearest_pixel(gx, width, align_corners, padding, ties)
            n = nearest_pixel(gy, height, align_corners, padding, ties)
            if m != OUTSIDE and n != OUTSIDE:
                cell = n * width + m
        cells[b, i * columns + j] = cell


@kernel
def _gather(start: int, stop: int, gout: Any, order: Any, starts: Any, ginput: Any) -> None:
    """Compute (nearest.2) for the pixels start to stop of all planes, from samples sorted by pixel."""
    _, channels, height, width = ginput.shape
    _, _, rows, columns = gout.shape
    for p in items(start, stop):
        plane, n, m = pixel_of(p, height, width)
        b, c = plane // channels, plane % channels
        cell = b * (height * width + 1) + n * width + m
        total, lost = 0.0, 0.0
        for k in range(starts[cell], starts[cell + 1]):
            _, i, j = pixel_of(order[k], rows, columns)
            total, remainder = two_sum(total, np.float64(gout[b, c, i, j]))
            lost += remainder
        ginput[b, c, n, m] = compensated(total, lost)


@kernel
def _grid_gradient(start: int, stop: int, grid: Any, padding: int, ggrid: Any) -> None:
    """Write 0, or NaN for undefined samples, for the samples start to stop of all images."""
    coordinates, gradients = grid.reshape(grid.size), ggrid.reshape(ggrid.size)
    for p in items(start, stop):
        x, y = coordinates[2 * p], coordinates[2 * p + 1]
        undefined = (x != x) | (y != y) | ((padding == REFLECTION) & ((x - x != 0.0) | (y - y != 0.0)))
        gradients[2 * p] = gradients[2 * p + 1] = np.nan if undefined else 0.0


class Nearest(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, align_corners: bool, padding: int, ties: int) -> Any:
        """Compute (nearest.1)."""
        (batch, channels, height, width), (_, rows, columns, _) = input.shape, grid.shape
        out = array_module(input).empty((batch, channels, rows, columns), input.dtype)
        if runs_on_cuda(input) or not is_exact(height, width):
            options = align_corners, padding, ties
            run(_forward, batch * rows * columns, out.size, argument(input), argument(grid), *options, out)
        else:
            known = constants(height, width, align_corners, input.dtype)
            chunks = batch * -(-rows * columns // CHUNK)
            run(forward, chunks, out.size, argument(input), argument(grid), known, padding, ties == UP, out)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (nearest.2), and zeros."""
        input, grid = ctx.inputs
        ginput = ggrid = None
        if ctx.needs[0]:
            ginput = NearestGradient.apply(gout, grid.detach(), size=input.shape[2:], **ctx.parameters)
        if ctx.needs[1]:
            ggrid = NearestGridGradient.apply(gout, grid, padding=ctx.parameters["padding"])
        return ginput, ggrid


class NearestGradient(Function):
    """(gout (N, C, H_out, W_out), grid) -> ginput (N, C, H, W)."""

    @staticmethod
    def forward(
        ctx: Context, gout: Any, grid: Any, *, size: tuple[int, int], align_corners: bool, padding: int, ties: int
    ) -> Any:
        """Compute (nearest.2)."""
        xp, (batch, channels, rows, columns) = array_module(gout), gout.shape
        gout, grid = argument(gout), argument(grid)
        ginput = xp.empty((batch, channels, *size), gout.dtype)
        if runs_on_cuda(gout) or not is_exact(*size):
            cells = xp.empty((batch, rows * columns), np.int64)
            run(_locate, cells.size, cells.size, grid, *size, align_corners, padding, ties, cells)
            order, starts = sort_samples(cells, size[0] * size[1])
            run(_gather, ginput.size, gout.size, gout, order, starts, ginput)
        else:
            known = constants(*size, align_corners, gout.dtype)
            run(backward, batch * channels, gout.size, gout, grid, known, padding, ties == UP, ginput)
        return ginput

    @staticmethod
    def backward(ctx: Context, cotangent_input: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (nearest.1): the transpose of the transpose."""
        options = {name: ctx.parameters[name] for name in ("align_corners", "padding", "ties")}
        return Nearest.apply(cotangent_input, ctx.inputs[1], **options), None


class NearestGridGradient(Function):
    """(gout (N, C, H_out, W_out), grid) -> ggrid: zeros, and NaN where the sample is. So are its own gradients."""

    @staticmethod
    def forward(ctx: Context, gout: Any, grid: Any, *, padding: int) -> Any:
        """Return zeros of the grid's shape."""
        ggrid = array_module(grid).empty(grid.shape, grid.dtype)
        run(_grid_gradient, grid.size // 2, grid.size, argument(grid), padding, ggrid)
        return ggrid

    @staticmethod
    def backward(ctx: Context, cotangent_grid: Tensor) -> tuple[Tensor | None, ...]:
        """Return zeros once more."""
        gout, grid = ctx.inputs
        ggrid = NearestGridGradient.apply(gout, grid, padding=ctx.parameters["padding"])
        return Tensor(array_module(gout.data).zeros(gout.shape, gout.dtype)), ggrid
