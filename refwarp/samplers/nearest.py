"""Nearest-pixel sampling, as PyTorch and as STN's Eq. (4) have it.

    V_c(i) = U_c(round y_i, round x_i)                                                        (nearest.1)
    gU_c(n, m) = sum over the samples i with (round y_i, round x_i) = (n, m) of gV_c(i)       (nearest.2)

Ties go to the even pixel (PyTorch: `grid_sample`) or up (STN's integer kernel: `separable_sample`). The
coordinate is padded first, then rounded. Whether x_i is a tie is decided exactly, from the given floats. The
gradient with respect to the grid is 0 (NaN where a coordinate is): between its jumps the value is constant. Each of
the two is the transpose of the other, so second derivatives need nothing more than zeros with a history.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from refwarp.arithmetic import compensated, two_product, two_sum
from refwarp.compilation import argument, kernel, run, scalar
from refwarp.conventions import (
    OUTSIDE,
    REFLECTION,
    coordinate_scale,
    fold,
    is_undefined,
    place,
)

TIES = ("even", "up")
EVEN, UP = range(2)


@scalar
def nearest_pixel(g: float, size: int, align_corners: bool, padding: int, ties: int) -> int:
    """Return the pixel nearest to a defined coordinate; OUTSIDE if it is not in the map."""
    n, h, f, sign = place(g, size, align_corners, padding)
    if n == OUTSIDE:
        return OUTSIDE
    if f > h:
        n += 1
    elif f == h:  # within a rounding of a tie
        if padding == REFLECTION:
            g, _ = fold(g)
        t, remainder = two_product(g, coordinate_scale(size, align_corners))
        excess, lost = two_sum(t, -(2.0 * n - (size - 1) + 1.0))
        excess += lost + remainder
        # Up is meant in the given coordinate: in the mirror it is down.
        tie_goes_up = sign > 0.0 if ties == UP else n % 2 != 0
        if excess > 0.0 or (excess == 0.0 and tie_goes_up):
            n += 1
    return n if 0 <= n < size else OUTSIDE


@kernel
def _forward(
    start: int, stop: int, input: Any, grid: Any, align_corners: bool, padding: int, ties: int, out: Any
) -> None:
    """Compute (nearest.1) for the rows start to stop of the outputs of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
            if is_undefined(gx, gy, padding):
                out[b, :, i, j] = np.nan
                continue
            m = nearest_pixel(gx, width, align_corners, padding, ties)
            n = nearest_pixel(gy, height, align_corners, padding, ties)
            for c in range(channels):
                out[b, c, i, j] = 0.0 if m == OUTSIDE or n == OUTSIDE else input[b, c, n, m]


@kernel
def _backward(
    start: int, stop: int, gout: Any, grid: Any, align_corners: bool, padding: int, ties: int, ginput: Any
) -> None:
    """Compute (nearest.2) for the planes start to stop."""
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    plane, lost = np.empty((height, width)), np.empty((height, width))
    for p in range(start, stop):
        b, c = p // channels, p % channels
        plane[:], lost[:] = 0.0, 0.0
        for i in range(rows):
            for j in range(columns):
                gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
                if is_undefined(gx, gy, padding):
                    continue
                m = nearest_pixel(gx, width, align_corners, padding, ties)
                n = nearest_pixel(gy, height, align_corners, padding, ties)
                if m != OUTSIDE and n != OUTSIDE:
                    plane[n, m], remainder = two_sum(plane[n, m], np.float64(gout[b, c, i, j]))
                    lost[n, m] += remainder
        for n in range(height):
            for m in range(width):
                ginput[b, c, n, m] = compensated(plane[n, m], lost[n, m])


class Nearest(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, align_corners: bool, padding: int, ties: int) -> Any:
        """Compute (nearest.1)."""
        batch, channels = input.shape[:2]
        _, rows, columns, _ = grid.shape
        out = np.empty((batch, channels, rows, columns), input.dtype)
        run(_forward, batch * rows, out.size, argument(input), argument(grid), align_corners, padding, ties, out)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (nearest.2), and zeros."""
        input, grid = ctx.inputs
        ginput = NearestGradient.apply(gout, grid.detach(), size=input.shape[2:], **ctx.parameters)
        return ginput, NearestGridGradient.apply(gout, grid, padding=ctx.parameters["padding"])


class NearestGradient(Function):
    """(gout (N, C, H_out, W_out), grid) -> ginput (N, C, H, W)."""

    @staticmethod
    def forward(
        ctx: Context, gout: Any, grid: Any, *, size: tuple[int, int], align_corners: bool, padding: int, ties: int
    ) -> Any:
        """Compute (nearest.2)."""
        batch, channels = gout.shape[:2]
        ginput = np.empty((batch, channels, *size), gout.dtype)
        options = align_corners, padding, ties
        run(_backward, batch * channels, gout.size, argument(gout), argument(grid), *options, ginput)
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
        undefined = np.isnan(grid) | (np.isinf(grid) if padding == REFLECTION else False)
        anywhere = np.broadcast_to(undefined.any(axis=-1, keepdims=True), grid.shape)
        return np.where(anywhere, grid.dtype.type(np.nan), grid.dtype.type(0))

    @staticmethod
    def backward(ctx: Context, cotangent_grid: Tensor) -> tuple[Tensor | None, ...]:
        """Return zeros once more."""
        gout, grid = ctx.inputs
        ggrid = NearestGridGradient.apply(gout, grid, padding=ctx.parameters["padding"])
        return Tensor(np.zeros_like(gout.data)), ggrid
