"""Bicubic sampling: Keys' kernel with a = -3/4, as PyTorch does it.

    V_c(i) = sum over q, p in -1..2 of wy_q wx_p U_c(n + q, m + p)                            (bicubic.1)

in the cell (n, m) of the sample, with f = x - m, h = 1 - f and the weights, in factored form,

    w_-1 = a f h^2,   w_0 = h (1 + f - (a + 2) f^2),   w_1, w_2 the same in h, f             (bicubic.2)
    w'_-1 = a h (h - 2 f),   w'_0 = f (3 (a + 2) f - 2 (a + 3)),   w'_1, w'_2 = -(...) in h, f   (bicubic.3)
    w''_-1 = a (2 f - 4 h),   w''_0 = 6 (a + 2) f - 2 (a + 3),   w''_1, w''_2 the same in h, f  (bicubic.4)

The textbook's polynomials in 1 + f cancel where these do not. The kernel has a continuous first derivative, so no
rule for kinks is needed; its second derivative jumps on the lattice, where it is taken from the right. Gradients:

    gU_c(n, m) = sum over i of gV_c(i) times the weights with which i reads that pixel        (bicubic.5)
    gg_x(i) = s_x/2 sum over c, q, p of gV_c(i) wy_q w'x_p U_c(n + q, m + p)                  (bicubic.6)

and for cotangents A of gU and b of gg, with b'_x = b_x s_x/2,

    with respect to gV_c(i):   sum over q, p of A wy wx + b'_x U wy w'x + b'_y U w'y wx          (bicubic.7)
    with respect to U_c:       sum over i of gV_c(i) (b'_x wy w'x + b'_y w'y wx)                 (bicubic.8)
    with respect to g_x(i):    s_x/2 sum of gV_c(i) (A wy w'x + b'_x U wy w''x + b'_y U w'y w'x)   (bicubic.9)

Padding acts on each pixel of the 4 x 4 window: "border" and "reflection" clamp or mirror its index. docs/bicubic.md.

Weights and windows of one sample are in `kernels.py`. The CPU reads and writes the windows of many samples at once
(`cpu.py`); the kernels here serve CUDA, maps smaller than a window, second derivatives, and samples that ask for
more care.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.conventions import coordinate_scale, is_undefined, pixel_of
from refwarp.samplers.bicubic.cpu import CHUNK, backward_grid, backward_input, forward, takes_windows
from refwarp.samplers.bicubic.kernels import (
    A,
    along_rows,
    dot,
    keys_curvatures,
    keys_slopes,
    keys_weights,
    locate_window,
    sample_gradient,
    sample_values,
    scatter_sample,
    tap,
    window,
)
from refwarp.samplers.gathering import gather_taps, total
from refwarp.samplers.pieces import second_gradient
from refwarp.samplers.placement import constants

# ---- kernels: an item is a sample ----


@kernel
def _forward(start: int, stop: int, input: Any, grid: Any, align_corners: bool, padding: int, out: Any) -> None:
    """Compute (bicubic.1) for the samples start to stop of all images."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, grid.shape[1], grid.shape[2])
        sample_values(input, grid, b, i, j, align_corners, padding, out)


@kernel
def _backward_grid(
    start: int, stop: int, gout: Any, input: Any, grid: Any, align_corners: bool, padding: int, ggrid: Any
) -> None:
    """Compute (bicubic.6) for the samples start to stop of all images."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, grid.shape[1], grid.shape[2])
        sample_gradient(gout, input, grid, b, i, j, align_corners, padding, ggrid)


@kernel
def _tabulate(
    start: int,
    stop: int,
    grid: Any,
    cotangent_grid: Any,
    second: bool,
    height: int,
    width: int,
    align_corners: bool,
    padding: int,
    pixels: Any,
    weights: Any,
) -> None:
    """Write for the samples start to stop of all images the pixels that they read and their weights, as `gathering`."""
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    for p in items(start, stop):
        b, i, j = pixel_of(p, rows, columns)
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        undefined = is_undefined(gx, gy, padding)
        if undefined:  # its entries are of no pixel; any will do
            gx, gy = np.float64(0.0), np.float64(0.0)
        m, hx, fx = locate_window(gx, width, align_corners, padding)
        n, hy, fy = locate_window(gy, height, align_corners, padding)
        xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
        wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
        dx, dy = keys_slopes(A, fx, hx), keys_slopes(A, fy, hy)
        bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
        by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
        sample = i * columns + j
        for q in range(4):
            for r in range(4):
                reads = not undefined and ys[q] >= 0 and xs[r] >= 0
                pixels[b, sample, 4 * q + r] = ys[q] * width + xs[r] if reads else height * width
                weights[b, sample, 4 * q + r] = tap(wx[r], wy[q], dx[r], dy[q], bx, by, second)


@kernel
def _scatter(
    start: int,
    stop: int,
    gout: Any,
    grid: Any,
    cotangent_grid: Any,
    second: bool,
    align_corners: bool,
    padding: int,
    ginput: Any,
) -> None:
    """Compute (bicubic.5), or with `second` (bicubic.8), for the planes start to stop. For the CPU."""
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    sums, lost = np.empty(height * width), np.empty(height * width)
    for k in range(start, stop):
        b, c = k // channels, k % channels
        sums[:], lost[:] = 0.0, 0.0
        for i in range(rows):
            for j in range(columns):
                gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
                bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
                by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
                g = np.float64(gout[b, c, i, j])
                scatter_sample(g, gx, gy, bx, by, second, height, width, align_corners, padding, sums, 0, lost, 0)
        for n in range(height):
            for m in range(width):
                ginput[b, c, n, m] = compensated(sums[n * width + m], lost[n * width + m])


@kernel
def _second_gather(
    start: int,
    stop: int,
    cotangent_input: Any,
    cotangent_grid: Any,
    gout: Any,
    input: Any,
    grid: Any,
    align_corners: bool,
    padding: int,
    ggout: Any,
    ggrid: Any,
) -> None:
    """Compute (bicubic.7) and (bicubic.9) for the samples start to stop of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    for p in items(start, stop):
        b, i, j = pixel_of(p, rows, columns)
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        if is_undefined(gx, gy, padding):
            for c in range(channels):
                ggout[b, c, i, j] = np.nan
            ggrid[b, i, j, 0], ggrid[b, i, j, 1] = np.nan, np.nan
            continue
        m, hx, fx = locate_window(gx, width, align_corners, padding)
        n, hy, fy = locate_window(gy, height, align_corners, padding)
        xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
        wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
        dx, dy = keys_slopes(A, fx, hx), keys_slopes(A, fy, hy)
        ex, ey = keys_curvatures(A, fx, hx), keys_curvatures(A, fy, hy)
        bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
        by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for c in range(channels):
            a_w = along_rows(cotangent_input, b, c, ys, xs, wx)
            a_d = along_rows(cotangent_input, b, c, ys, xs, dx)
            u_w = along_rows(input, b, c, ys, xs, wx)
            u_d = along_rows(input, b, c, ys, xs, dx)
            u_e = along_rows(input, b, c, ys, xs, ex)
            ggout[b, c, i, j] = dot(wy, a_w) + (bx * dot(wy, u_d) + by * dot(dy, u_w))  # (bicubic.7)
            g = np.float64(gout[b, c, i, j])
            mixed = dot(dy, u_d)
            along_x = dot(wy, a_d) + (bx * dot(wy, u_e) + by * mixed)  # (bicubic.9)
            along_y = dot(dy, a_w) + (by * dot(ey, u_w) + bx * mixed)
            total_x, lost = two_sum(total_x, g * along_x)
            lost_x += lost
            total_y, lost = two_sum(total_y, g * along_y)
            lost_y += lost
        ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
        ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)


# ---- the Functions: each one's backward is the next ----


def _input_gradient(
    gout: Any,
    grid: Any,
    cotangent_grid: Any,
    second: bool,
    align_corners: bool,
    padding: int,
    shape: tuple[int, int, int, int],
) -> Any:
    """Return (bicubic.5), or with `second` (bicubic.8), with every care: gathered on CUDA, scattered on the CPU."""
    xp, (batch, channels, height, width) = array_module(gout), shape
    options = cotangent_grid, second
    if not runs_on_cuda(gout):
        ginput = np.empty(shape, gout.dtype)
        run(_scatter, batch * channels, gout.size, gout, grid, *options, align_corners, padding, ginput)
        return ginput
    samples = grid.shape[1] * grid.shape[2]
    pixels, weights = xp.empty((batch, samples, 16), np.int64), xp.empty((batch, samples, 16))
    run(_tabulate, batch * samples, gout.size, grid, *options, height, width, align_corners, padding, pixels, weights)
    sums, lost = xp.zeros((batch, channels, height * width)), xp.zeros((batch, channels, height * width))
    gather_taps(gout.reshape(batch, channels, samples), pixels, weights, sums, lost)
    return total(sums, lost).astype(gout.dtype).reshape(shape)


class Bicubic(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, align_corners: bool, padding: int) -> Any:
        """Compute (bicubic.1)."""
        (batch, channels, height, width), (_, rows, columns, _) = input.shape, grid.shape
        input, grid = argument(input), argument(grid)
        out = array_module(input).empty((batch, channels, rows, columns), input.dtype)
        if runs_on_cuda(input) or not takes_windows(height, width):
            run(_forward, batch * rows * columns, out.size, input, grid, align_corners, padding, out)
        else:
            known, chunks = constants(height, width, align_corners, input.dtype), batch * -(-rows * columns // CHUNK)
            run(forward, chunks, out.size, input, grid, known, align_corners, padding, out)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (bicubic.5) and (bicubic.6), those that are wanted."""
        input, grid = ctx.inputs
        ginput, ggrid = BicubicGradient.call(gout, input, grid, needs=ctx.needs, **ctx.parameters)
        return ginput if ctx.needs[0] else None, ggrid if ctx.needs[1] else None


class BicubicGradient(Function):
    """(gout, input, grid) -> (ginput, ggrid), with zeros for the one that is not needed."""

    @staticmethod
    def forward(
        ctx: Context, gout: Any, input: Any, grid: Any, *, needs: tuple[bool, bool], align_corners: bool, padding: int
    ) -> Any:
        """Compute (bicubic.5) and (bicubic.6)."""
        xp, (batch, channels, height, width) = array_module(input), input.shape
        gout, input, grid = argument(gout), argument(input), argument(grid)
        ginput, ggrid = xp.zeros(input.shape, input.dtype), xp.zeros(grid.shape, grid.dtype)
        samples = grid.shape[1] * grid.shape[2]
        if runs_on_cuda(input) or not takes_windows(height, width):
            if needs[0]:
                ginput = _input_gradient(gout, grid, grid, False, align_corners, padding, input.shape)
            if needs[1]:
                run(_backward_grid, batch * samples, gout.size, gout, input, grid, align_corners, padding, ggrid)
            return ginput, ggrid
        known = constants(height, width, align_corners, input.dtype)
        if needs[0]:
            run(backward_input, batch * channels, gout.size, gout, grid, known, align_corners, padding, ginput)
        if needs[1]:
            chunks = batch * -(-samples // CHUNK)
            run(backward_grid, chunks, gout.size, gout, input, grid, known, align_corners, padding, ggrid)
        return ginput, ggrid

    @staticmethod
    def backward(ctx: Context, cotangent_input: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute (bicubic.7), (bicubic.8), (bicubic.9)."""
        options = {name: ctx.parameters[name] for name in ("align_corners", "padding")}
        return BicubicSecondGradient.call(cotangent_input, cotangent_grid, *ctx.inputs, **options)


class BicubicSecondGradient(Function):
    """(cotangents of ginput and ggrid, gout, input, grid) -> (ggout, ginput, ggrid). It has no derivative here."""

    @staticmethod
    def forward(
        ctx: Context,
        cotangent_input: Any,
        cotangent_grid: Any,
        gout: Any,
        input: Any,
        grid: Any,
        *,
        align_corners: bool,
        padding: int,
    ) -> Any:
        """Compute (bicubic.7), (bicubic.8), (bicubic.9)."""
        xp, grid, where = array_module(input), argument(grid), (align_corners, padding)

        def compute(*arrays: Any) -> tuple[Any, Any, Any]:
            a, b, g, u = (argument(array) for array in arrays)
            ggout, ggrid = xp.empty(g.shape, g.dtype), xp.empty(grid.shape, grid.dtype)
            run(_second_gather, grid.size // 2, g.size, a, b, g, u, grid, *where, ggout, ggrid)
            return ggout, _input_gradient(g, grid, b, True, *where, u.shape), ggrid

        return second_gradient(compute, (cotangent_input, cotangent_grid, gout, input), grid, weights=3)
