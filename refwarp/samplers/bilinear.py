"""Bilinear sampling: STN Eqs. (3), (5), with corrected gradients, and the gradients of those.

    V_c(i) = sum over n, m of U_c(n, m) k(x_i - m) k(y_i - n),   k(d) = max(0, 1 - |d|)      (STN 5)

Of the sum at most four terms differ from zero: those of the cell (n, n + 1) x (m, m + 1) around the sample, with
the weights f = x - m, h = 1 - f and alike in y. `conventions.place` finds cell and weights. Then

    V_c(i) = (U(n, m) h_x + U(n, m+1) f_x) h_y + (U(n+1, m) h_x + U(n+1, m+1) f_x) f_y       (bilinear.2)

STN's (6) is printed with a sum too many, and its (7) fails where x is an integer. The gradients are

    gU_c(n, m) = sum over i of gV_c(i) k(x_i - m) k(y_i - n)                                 (bilinear.5)
    gg_x(i) = s_x/2 sum over c, n, m of gV_c(i) U_c(n, m) k'(x_i - m) k(y_i - n)             (bilinear.6)

and gg_y alike, where s/2 = dx/dg. In a cell k' is -1 at its left pixel and 1 at its right one; what it is on the
lattice is the rule `kink`, see `conventions.choose_side`; padding clamps or mirrors the coordinate first, and its
slope (1, -1 or 0) multiplies k'. For cotangents A of gU and (b_x, b_y) of (gg_x, gg_y), with b'_x = b_x s_x/2,
the second derivatives are

    with respect to gV_c(i):     sum over n, m of A k k + b'_x U k' k + b'_y U k k'            (bilinear.7)
    with respect to U_c(n, m):   sum over i of gV_c(i) (b'_x k' k + b'_y k k')                 (bilinear.8)
    with respect to g_x(i):      s_x/2 sum over c, n, m of gV_c(i) (A k' k + b'_y U k' k')     (bilinear.9)

Conventions: `refwarp.conventions`. docs/bilinear.md derives each line and its error bound. Everything is computed
in float64 and rounded once to the dtype of the data; long sums of float64 data carry their rounding errors along.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from refwarp.arithmetic import compensated, scaled_dot, two_sum
from refwarp.compilation import argument, kernel, run, scalar
from refwarp.conventions import (
    HUGE,
    OUTSIDE,
    RIGHT,
    TINY,
    choose_padded_side,
    coordinate_scale,
    is_undefined,
    place,
    split_weight,
)

# n, w0, w1, p0, p1, d0, d1, d2 of `read_axis`.
Axis = tuple[int, float, float, float, float, float, float, float]

# ---- scalars: the equations' pieces, for the CPU and the GPU ----


@scalar
def blend(u00: float, u01: float, u10: float, u11: float, hx: float, fx: float, hy: float, fy: float) -> float:
    """Return the value in a cell, (STN 5) without the terms that are 0 (bilinear.2)."""
    return (u00 * hx + u01 * fx) * hy + (u10 * hx + u11 * fx) * fy


@scalar
def read_axis(g: float, size: int, align_corners: bool, padding: int, kink: int) -> Axis:
    """Return what a defined sample reads along one axis.

    That is its first pixel n (OUTSIDE if it reads none), the weights of n and n + 1, each as a product of two factors
    (w0, w1, and p0, p1), and the slopes of n, n + 1, n + 2.
    """
    n, h, f, sign = place(g, size, align_corners, padding)
    if n == OUTSIDE:
        return OUTSIDE, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0
    n, w0, w1, d0, d1, d2 = choose_padded_side(n, h, f, sign, size, align_corners, padding, kink)
    s = coordinate_scale(size, align_corners)
    (w0, p0), (w1, p1) = split_weight(w0, g, s), split_weight(w1, g, s)
    return n, w0, w1, p0, p1, d0, d1, d2


@scalar
def slope(a0: float, a1: float, a2: float, d0: float, d1: float, d2: float) -> float:
    """Return the derivative along up to three pixels of a row or column, `d` from `choose_side`."""
    return d0 * a0 + d1 * a1 + d2 * a2


@scalar
def weighted(gout: float, scale: float, slope0: float, w0: float, slope1: float, w1: float) -> float:
    """Return gout scale (slope0 w0 + slope1 w1), a summand of (bilinear.6), with care near under- and overflow."""
    inner = (slope0 * w0 + slope1 * w1) * scale
    product = gout * inner
    if TINY <= abs(inner) and TINY <= abs(product) <= HUGE:
        return product
    if gout == 0.0 or (slope0 == 0.0 and slope1 == 0.0):
        return product
    return scaled_dot(gout, scale, slope0, w0, slope1, w1)


# ---- CPU kernels: forward and backward ----


@scalar
def _pixel(map: Any, b: int, c: int, n: int, m: int) -> float:
    """Return a pixel as a double, 0 outside the map."""
    if 0 <= n < map.shape[2] and 0 <= m < map.shape[3]:
        return np.float64(map[b, c, n, m])
    return 0.0


@kernel
def _forward(start: int, stop: int, input: Any, grid: Any, align_corners: bool, padding: int, out: Any) -> None:
    """Compute (bilinear.2) for the rows start to stop of the outputs of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
            if is_undefined(gx, gy, padding):
                out[b, :, i, j] = np.nan
                continue
            m, hx, fx, px0, px1, _, _, _ = read_axis(gx, width, align_corners, padding, RIGHT)
            n, hy, fy, py0, py1, _, _, _ = read_axis(gy, height, align_corners, padding, RIGHT)
            if m == OUTSIDE or n == OUTSIDE:
                out[b, :, i, j] = 0.0
                continue
            for c in range(channels):
                u00 = _pixel(input, b, c, n, m) * px0 * py0
                u01 = _pixel(input, b, c, n, m + 1) * px1 * py0
                u10 = _pixel(input, b, c, n + 1, m) * px0 * py1
                u11 = _pixel(input, b, c, n + 1, m + 1) * px1 * py1
                out[b, c, i, j] = blend(u00, u01, u10, u11, hx, fx, hy, fy)


@scalar
def _scatter(plane: Any, lost: Any, n: int, m: int, term: float) -> None:
    """Add a term to a pixel of a plane, if it has that pixel, and to another plane what the rounding left out."""
    if 0 <= n < plane.shape[0] and 0 <= m < plane.shape[1]:
        plane[n, m], remainder = two_sum(plane[n, m], term)
        lost[n, m] += remainder


@kernel
def _backward_input(
    start: int, stop: int, gout: Any, grid: Any, align_corners: bool, padding: int, ginput: Any
) -> None:
    """Compute (bilinear.5) for the planes start to stop; each is summed by one thread, in the order of the samples."""
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
                m, hx, fx, px0, px1, _, _, _ = read_axis(gx, width, align_corners, padding, RIGHT)
                n, hy, fy, py0, py1, _, _, _ = read_axis(gy, height, align_corners, padding, RIGHT)
                if m == OUTSIDE or n == OUTSIDE:
                    continue
                g = np.float64(gout[b, c, i, j])
                _scatter(plane, lost, n, m, g * px0 * py0 * hx * hy)
                _scatter(plane, lost, n, m + 1, g * px1 * py0 * fx * hy)
                _scatter(plane, lost, n + 1, m, g * px0 * py1 * hx * fy)
                _scatter(plane, lost, n + 1, m + 1, g * px1 * py1 * fx * fy)
        for n in range(height):
            for m in range(width):
                ginput[b, c, n, m] = compensated(plane[n, m], lost[n, m])


@kernel
def _backward_grid(
    start: int, stop: int, gout: Any, input: Any, grid: Any, align_corners: bool, padding: int, kink: int, ggrid: Any
) -> None:
    """Compute (bilinear.6) for the rows start to stop of the grids of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
            if is_undefined(gx, gy, padding):
                ggrid[b, i, j, :] = np.nan
                continue
            m, hx, fx, px0, px1, dx0, dx1, dx2 = read_axis(gx, width, align_corners, padding, kink)
            n, hy, fy, py0, py1, dy0, dy1, dy2 = read_axis(gy, height, align_corners, padding, kink)
            if m == OUTSIDE or n == OUTSIDE:
                ggrid[b, i, j, :] = 0.0
                continue
            total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
            for c in range(channels):
                g = np.float64(gout[b, c, i, j])
                u00, u01 = _pixel(input, b, c, n, m), _pixel(input, b, c, n, m + 1)
                u10, u11 = _pixel(input, b, c, n + 1, m), _pixel(input, b, c, n + 1, m + 1)
                u02 = u12 = u20 = u21 = 0.0
                if dx2 != 0.0:
                    u02, u12 = _pixel(input, b, c, n, m + 2), _pixel(input, b, c, n + 1, m + 2)
                if dy2 != 0.0:
                    u20, u21 = _pixel(input, b, c, n + 2, m), _pixel(input, b, c, n + 2, m + 1)
                row0, row1 = slope(u00, u01, u02, dx0, dx1, dx2), slope(u10, u11, u12, dx0, dx1, dx2)
                column0, column1 = slope(u00, u10, u20, dy0, dy1, dy2), slope(u01, u11, u21, dy0, dy1, dy2)
                total_x, lost = two_sum(total_x, weighted(g, 0.5 * sx, row0 * py0, hy, row1 * py1, fy))  # (bilinear.6)
                lost_x += lost
                total_y, lost = two_sum(total_y, weighted(g, 0.5 * sy, column0 * px0, hx, column1 * px1, fx))
                lost_y += lost
            ggrid[b, i, j, 0] = compensated(total_x, lost_x)
            ggrid[b, i, j, 1] = compensated(total_y, lost_y)


# ---- CPU kernels: the gradients of the gradients ----


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
    kink: int,
    ggout: Any,
    ggrid: Any,
) -> None:
    """Compute (bilinear.7) and (bilinear.9) for the rows start to stop of the outputs of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
            if is_undefined(gx, gy, padding):
                ggout[b, :, i, j] = np.nan
                ggrid[b, i, j, :] = np.nan
                continue
            m, hx, fx, px0, px1, dx0, dx1, dx2 = read_axis(gx, width, align_corners, padding, kink)
            n, hy, fy, py0, py1, dy0, dy1, dy2 = read_axis(gy, height, align_corners, padding, kink)
            if m == OUTSIDE or n == OUTSIDE:
                ggout[b, :, i, j] = 0.0
                ggrid[b, i, j, :] = 0.0
                continue
            wx, px, dx = (hx, fx, 0.0), (px0, px1, 1.0), (dx0, dx1, dx2)
            wy, py, dy = (hy, fy, 0.0), (py0, py1, 1.0), (dy0, dy1, dy2)
            bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
            by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
            total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
            for c in range(channels):
                value_a, slope_ax, slope_ay = 0.0, 0.0, 0.0
                slope_x, slope_y, slope_xy = 0.0, 0.0, 0.0
                for q in range(3):
                    for p in range(3):
                        u, a = _pixel(input, b, c, n + q, m + p), _pixel(cotangent_input, b, c, n + q, m + p)
                        value_a += a * px[p] * py[q] * wx[p] * wy[q]
                        slope_ax += a * py[q] * dx[p] * wy[q]
                        slope_ay += a * px[p] * wx[p] * dy[q]
                        slope_x += u * py[q] * dx[p] * wy[q]
                        slope_y += u * px[p] * wx[p] * dy[q]
                        slope_xy += u * dx[p] * dy[q]
                ggout[b, c, i, j] = value_a + (bx * slope_x + by * slope_y)  # (bilinear.7)
                g = np.float64(gout[b, c, i, j])
                total_x, lost = two_sum(total_x, g * (slope_ax + by * slope_xy))  # (bilinear.9)
                lost_x += lost
                total_y, lost = two_sum(total_y, g * (slope_ay + bx * slope_xy))
                lost_y += lost
            ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
            ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)


@kernel
def _second_scatter(
    start: int,
    stop: int,
    cotangent_grid: Any,
    gout: Any,
    grid: Any,
    align_corners: bool,
    padding: int,
    kink: int,
    ginput: Any,
) -> None:
    """Compute (bilinear.8) for the planes start to stop."""
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    plane, lost = np.empty((height, width)), np.empty((height, width))
    for p in range(start, stop):
        b, c = p // channels, p % channels
        plane[:], lost[:] = 0.0, 0.0
        for i in range(rows):
            for j in range(columns):
                gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
                if is_undefined(gx, gy, padding):
                    continue
                m, hx, fx, px0, px1, dx0, dx1, dx2 = read_axis(gx, width, align_corners, padding, kink)
                n, hy, fy, py0, py1, dy0, dy1, dy2 = read_axis(gy, height, align_corners, padding, kink)
                if m == OUTSIDE or n == OUTSIDE:
                    continue
                wx, px, dx = (hx, fx, 0.0), (px0, px1, 1.0), (dx0, dx1, dx2)
                wy, py, dy = (hy, fy, 0.0), (py0, py1, 1.0), (dy0, dy1, dy2)
                g = np.float64(gout[b, c, i, j])
                bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
                by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
                for q in range(3):
                    for r in range(3):
                        _scatter(plane, lost, n + q, m + r, g * (bx * py[q] * dx[r] * wy[q]))  # (bilinear.8)
                        _scatter(plane, lost, n + q, m + r, g * (by * px[r] * wx[r] * dy[q]))
        for n in range(height):
            for m in range(width):
                ginput[b, c, n, m] = compensated(plane[n, m], lost[n, m])


# ---- the Functions: each one's backward is the next ----


class Bilinear(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, align_corners: bool, padding: int, kink: int) -> Any:
        """Compute (bilinear.2)."""
        batch, channels = input.shape[:2]
        _, rows, columns, _ = grid.shape
        out = np.empty((batch, channels, rows, columns), input.dtype)
        run(_forward, batch * rows, out.size, argument(input), argument(grid), align_corners, padding, out)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (bilinear.5) and (bilinear.6), those that are wanted."""
        input, grid = ctx.inputs
        ginput, ggrid = BilinearGradient.call(gout, input, grid, needs=ctx.needs, **ctx.parameters)
        return ginput if ctx.needs[0] else None, ggrid if ctx.needs[1] else None


class BilinearGradient(Function):
    """(gout, input, grid) -> (ginput, ggrid), with zeros for the one that is not needed."""

    @staticmethod
    def forward(
        ctx: Context,
        gout: Any,
        input: Any,
        grid: Any,
        *,
        needs: tuple[bool, bool],
        align_corners: bool,
        padding: int,
        kink: int,
    ) -> Any:
        """Compute (bilinear.5) and (bilinear.6)."""
        gout, input, grid = argument(gout), argument(input), argument(grid)
        batch, channels = input.shape[:2]
        ginput, ggrid = np.zeros_like(input), np.zeros_like(grid)
        if needs[0]:
            run(_backward_input, batch * channels, gout.size, gout, grid, align_corners, padding, ginput)
        if needs[1]:
            rows = batch * grid.shape[1]
            run(_backward_grid, rows, gout.size, gout, input, grid, align_corners, padding, kink, ggrid)
        return ginput, ggrid

    @staticmethod
    def backward(ctx: Context, cotangent_input: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute (bilinear.7) to (bilinear.9)."""
        options = {name: ctx.parameters[name] for name in ("align_corners", "padding", "kink")}
        return BilinearSecondGradient.call(cotangent_input, cotangent_grid, *ctx.inputs, **options)


class BilinearSecondGradient(Function):
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
        kink: int,
    ) -> Any:
        """Compute (bilinear.7) to (bilinear.9)."""
        a, b, g, u, grid = (argument(array) for array in (cotangent_input, cotangent_grid, gout, input, grid))
        ggout, ginput, ggrid = np.empty_like(g), np.empty_like(u), np.empty_like(grid)
        rows, planes = u.shape[0] * grid.shape[1], u.shape[0] * u.shape[1]
        run(_second_gather, rows, g.size, a, b, g, u, grid, align_corners, padding, kink, ggout, ggrid)
        run(_second_scatter, planes, g.size, b, g, grid, align_corners, padding, kink, ginput)
        return ggout, ginput, ggrid
