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
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from refwarp.arithmetic import compensated, two_sum
from refwarp.compilation import argument, kernel, run, scalar
from refwarp.conventions import (
    BORDER,
    OUTSIDE,
    REFLECTION,
    ZEROS,
    cell,
    coordinate_scale,
    is_undefined,
    remainder_of_four,
)

A = -0.75  # PyTorch's choice of Keys' parameter

Four = tuple[float, float, float, float]


# ---- scalars ----


@scalar
def keys_weights(a: float, f: float, h: float) -> Four:
    """Return the weights of the pixels n - 1 to n + 2 (bicubic.2)."""
    return a * f * h * h, h * (1 + f - (a + 2) * f * f), f * (1 + h - (a + 2) * h * h), a * h * f * f


@scalar
def keys_slopes(a: float, f: float, h: float) -> Four:
    """Return the derivatives of the weights with respect to x (bicubic.3)."""
    inner, outer = 3 * (a + 2), 2 * (a + 3)
    return a * h * (h - 2 * f), f * (inner * f - outer), -h * (inner * h - outer), -a * f * (f - 2 * h)


@scalar
def keys_curvatures(a: float, f: float, h: float) -> Four:
    """Return the second derivatives of the weights with respect to x (bicubic.4)."""
    inner, outer = 6 * (a + 2), 2 * (a + 3)
    return a * (2 * f - 4 * h), inner * f - outer, inner * h - outer, a * (2 * h - 4 * f)


@scalar
def locate_window(g: float, size: int, align_corners: bool, padding: int) -> tuple[int, float, float]:
    """Return the cell n, h, f of a defined coordinate; OUTSIDE if no pixel of its window is in reach."""
    if padding == REFLECTION:
        return cell(remainder_of_four(g), size, align_corners)  # the mirrored map has the period 4
    if math.isinf(g) or abs(g * coordinate_scale(size, align_corners)) > size + 3:
        if padding == ZEROS:
            return OUTSIDE, 1.0, 0.0
        return (size + 1 if g > 0.0 else OUTSIDE), 1.0, 0.0
    return cell(g, size, align_corners)


@scalar
def padded_index(n: int, size: int, align_corners: bool, padding: int) -> int:
    """Return the pixel that stands at index n of the padded map, -1 where there is none."""
    if padding == BORDER:
        return min(max(n, 0), size - 1)
    if padding == REFLECTION:
        if align_corners:
            if size == 1:
                return 0
            n = n % (2 * size - 2)
            return n if n < size else 2 * size - 2 - n
        n = n % (2 * size)
        return n if n < size else 2 * size - 1 - n
    return n if 0 <= n < size else -1


@scalar
def window(n: int, size: int, align_corners: bool, padding: int) -> tuple[int, int, int, int]:
    """Return the pixels that stand at n - 1 to n + 2."""
    return (
        padded_index(n - 1, size, align_corners, padding),
        padded_index(n, size, align_corners, padding),
        padded_index(n + 1, size, align_corners, padding),
        padded_index(n + 2, size, align_corners, padding),
    )


@scalar
def dot(w: Four, u: Four) -> float:
    """Return the sum of the four products, in pairs."""
    return (w[0] * u[0] + w[1] * u[1]) + (w[2] * u[2] + w[3] * u[3])


# ---- CPU kernels ----


@scalar
def _row(map: Any, b: int, c: int, n: int, columns: tuple[int, int, int, int]) -> Four:
    """Return four pixels of a row as doubles, 0 where there is none."""
    if n < 0:
        return 0.0, 0.0, 0.0, 0.0
    m0, m1, m2, m3 = columns
    return (
        np.float64(map[b, c, n, m0]) if m0 >= 0 else 0.0,
        np.float64(map[b, c, n, m1]) if m1 >= 0 else 0.0,
        np.float64(map[b, c, n, m2]) if m2 >= 0 else 0.0,
        np.float64(map[b, c, n, m3]) if m3 >= 0 else 0.0,
    )


@scalar
def _along_rows(
    map: Any, b: int, c: int, ys: tuple[int, int, int, int], xs: tuple[int, int, int, int], w: Four
) -> Four:
    """Return for each row of the window its sum weighted along x."""
    return (
        dot(w, _row(map, b, c, ys[0], xs)),
        dot(w, _row(map, b, c, ys[1], xs)),
        dot(w, _row(map, b, c, ys[2], xs)),
        dot(w, _row(map, b, c, ys[3], xs)),
    )


@kernel
def _forward(start: int, stop: int, input: Any, grid: Any, align_corners: bool, padding: int, out: Any) -> None:
    """Compute (bicubic.1) for the rows start to stop of the outputs of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
            if is_undefined(gx, gy, padding):
                out[b, :, i, j] = np.nan
                continue
            m, hx, fx = locate_window(gx, width, align_corners, padding)
            n, hy, fy = locate_window(gy, height, align_corners, padding)
            xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
            wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
            for c in range(channels):
                out[b, c, i, j] = dot(wy, _along_rows(input, b, c, ys, xs, wx))


@kernel
def _backward_grid(
    start: int, stop: int, gout: Any, input: Any, grid: Any, align_corners: bool, padding: int, ggrid: Any
) -> None:
    """Compute (bicubic.6) for the rows start to stop of the grids of all images."""
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
            m, hx, fx = locate_window(gx, width, align_corners, padding)
            n, hy, fy = locate_window(gy, height, align_corners, padding)
            xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
            wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
            dx, dy = keys_slopes(A, fx, hx), keys_slopes(A, fy, hy)
            total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
            for c in range(channels):
                g = np.float64(gout[b, c, i, j])
                total_x, lost = two_sum(total_x, g * dot(wy, _along_rows(input, b, c, ys, xs, dx)))  # (bicubic.6)
                lost_x += lost
                total_y, lost = two_sum(total_y, g * dot(dy, _along_rows(input, b, c, ys, xs, wx)))
                lost_y += lost
            ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
            ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)


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
    """Compute (bicubic.5), or with `second` (bicubic.8), for the planes start to stop."""
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    plane, lost = np.empty((height, width)), np.empty((height, width))
    for k in range(start, stop):
        b, c = k // channels, k % channels
        plane[:], lost[:] = 0.0, 0.0
        for i in range(rows):
            for j in range(columns):
                gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
                if is_undefined(gx, gy, padding):
                    continue
                m, hx, fx = locate_window(gx, width, align_corners, padding)
                n, hy, fy = locate_window(gy, height, align_corners, padding)
                xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
                wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
                dx, dy = keys_slopes(A, fx, hx), keys_slopes(A, fy, hy)
                g = np.float64(gout[b, c, i, j])
                bx, by = 0.0, 0.0
                if second:
                    bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
                    by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
                for q in range(4):
                    for p in range(4):
                        y, x = ys[q], xs[p]
                        if y < 0 or x < 0:
                            continue
                        if second:
                            weight = bx * (wy[q] * dx[p]) + by * (dy[q] * wx[p])  # (bicubic.8)
                        else:
                            weight = wy[q] * wx[p]  # (bicubic.5)
                        plane[y, x], remainder = two_sum(plane[y, x], g * weight)
                        lost[y, x] += remainder
        for n in range(height):
            for m in range(width):
                ginput[b, c, n, m] = compensated(plane[n, m], lost[n, m])


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
    """Compute (bicubic.7) and (bicubic.9) for the rows start to stop of the outputs of all images."""
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
                a_w = _along_rows(cotangent_input, b, c, ys, xs, wx)
                a_d = _along_rows(cotangent_input, b, c, ys, xs, dx)
                u_w = _along_rows(input, b, c, ys, xs, wx)
                u_d = _along_rows(input, b, c, ys, xs, dx)
                u_e = _along_rows(input, b, c, ys, xs, ex)
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


class Bicubic(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, align_corners: bool, padding: int) -> Any:
        """Compute (bicubic.1)."""
        batch, channels = input.shape[:2]
        _, rows, columns, _ = grid.shape
        out = np.empty((batch, channels, rows, columns), input.dtype)
        run(_forward, batch * rows, out.size, argument(input), argument(grid), align_corners, padding, out)
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
        gout, input, grid = argument(gout), argument(input), argument(grid)
        ginput, ggrid = np.zeros_like(input), np.zeros_like(grid)
        if needs[0]:
            planes = input.shape[0] * input.shape[1]
            run(_scatter, planes, gout.size, gout, grid, grid, False, align_corners, padding, ginput)
        if needs[1]:
            rows = input.shape[0] * grid.shape[1]
            run(_backward_grid, rows, gout.size, gout, input, grid, align_corners, padding, ggrid)
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
        a, b, g, u, grid = (argument(array) for array in (cotangent_input, cotangent_grid, gout, input, grid))
        ggout, ginput, ggrid = np.empty_like(g), np.empty_like(u), np.empty_like(grid)
        rows, planes = u.shape[0] * grid.shape[1], u.shape[0] * u.shape[1]
        run(_second_gather, rows, g.size, a, b, g, u, grid, align_corners, padding, ggout, ggrid)
        run(_scatter, planes, g.size, g, grid, b, True, align_corners, padding, ginput)
        return ggout, ginput, ggrid
