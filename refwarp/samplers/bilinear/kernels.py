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

Conventions: `refwarp.conventions`. docs/bilinear.md derives each line and its error bound. Everything here is computed
in float64 and rounded once to the dtype of the data; long sums carry their rounding errors along. These kernels serve
CUDA, and whatever the CPU's fast ones (`cpu`) leave to them; `function` joins both to Functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.backend.arithmetic import compensated, scaled_dot, two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.conventions import (
    HUGE,
    OUTSIDE,
    RIGHT,
    TINY,
    choose_padded_side,
    coordinate_scale,
    is_undefined,
    pixel_of,
    place,
    split_weight,
)

# n, w0, w1, p0, p1, d0, d1, d2 of `read_axis`.
Axis = tuple[int, float, float, float, float, float, float, float]
Three = tuple[float, float, float]

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
def slope(a: Three, d: Three, scale: float) -> float:
    """Return scale times the derivative along up to three pixels of a row or column, `d` from `choose_side`."""
    return d[0] * (scale * a[0]) + d[1] * (scale * a[1]) + d[2] * (scale * a[2])


@scalar
def scaled_slope(a: Three, d: Three) -> tuple[float, int]:
    """Return the slope as a number and a power of two, where halves lose no digits and differences stay finite."""
    largest = max(abs(a[0]), abs(a[1]), abs(a[2]))
    if largest > HUGE:
        return slope(a, d, 0.25), 2
    return (slope(a, d, 2.0**64), -64) if largest < TINY else (slope(a, d, 1.0), 0)


@scalar
def weighted(
    gout: float, scale: float, d: Three, a0: Three, w0: tuple[float, float], a1: Three, w1: tuple[float, float]
) -> float:
    """Return gout scale (slope0 w0 + slope1 w1), a summand of (bilinear.6), with care near under- and overflow.

    `a0` and `a1` are the pixels of the slopes; weights are products of two factors.
    """
    slope0, slope1 = slope(a0, d, 1.0), slope(a1, d, 1.0)
    inner = (slope0 * w0[1] * w0[0] + slope1 * w1[1] * w1[0]) * scale
    product = gout * inner
    if TINY <= abs(inner) and TINY <= abs(product) <= HUGE:
        return product
    # Twice a slope is 0 only if the slope is, while half a subnormal pixel may have been rounded to 0.
    if (gout == 0.0 and abs(inner) <= HUGE) or (slope(a0, d, 2.0) == 0.0 and slope(a1, d, 2.0) == 0.0):
        return product
    return scaled_dot(gout, scale, scaled_slope(a0, d), w0, scaled_slope(a1, d), w1)


# ---- one sample, with every care ----


@part
def _pixel(map: Any, b: int, c: int, n: int, m: int) -> float:
    """Return a pixel as a double, 0 outside the map."""
    if 0 <= n < map.shape[2] and 0 <= m < map.shape[3]:
        return np.float64(map[b, c, n, m])
    return 0.0


@part
def cell_value(map: Any, b: int, c: int, x: Axis, y: Axis) -> float:
    """Return (bilinear.2) in the cell of a sample that reads x and y."""
    m, hx, fx, px0, px1, _, _, _ = x
    n, hy, fy, py0, py1, _, _, _ = y
    u00, u01 = _pixel(map, b, c, n, m) * px0 * py0, _pixel(map, b, c, n, m + 1) * px1 * py0
    u10, u11 = _pixel(map, b, c, n + 1, m) * px0 * py1, _pixel(map, b, c, n + 1, m + 1) * px1 * py1
    return blend(u00, u01, u10, u11, hx, fx, hy, fy)


@part
def sample(b: int, i: int, j: int, input: Any, grid: Any, align_corners: bool, padding: int, out: Any) -> None:
    """Compute (bilinear.2) for one sample, in all channels."""
    _, channels, height, width = input.shape
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, padding):
        for c in range(channels):
            out[b, c, i, j] = np.nan
        return
    x = read_axis(gx, width, align_corners, padding, RIGHT)
    y = read_axis(gy, height, align_corners, padding, RIGHT)
    outside = x[0] == OUTSIDE or y[0] == OUTSIDE
    for c in range(channels):
        out[b, c, i, j] = 0.0 if outside else cell_value(input, b, c, x, y)


@part
def _add(plane: Any, lost: Any, height: int, width: int, n: int, m: int, term: float) -> None:
    """Add a term to a pixel of a flat plane, if it has that one; and what that loses to another, if there is one."""
    if 0 <= n < height and 0 <= m < width:
        at = n * width + m
        if lost.size == 0:
            plane[at] += term
        else:
            plane[at], remainder = two_sum(plane[at], term)
            lost[at] += remainder


@part
def scatter(
    g: float, gx: float, gy: float, height: int, width: int, align_corners: bool, padding: int, plane: Any, lost: Any
) -> None:
    """Add the terms of (bilinear.5) that one sample's cotangent gives to a flat plane."""
    if is_undefined(gx, gy, padding):
        return
    m, hx, fx, px0, px1, _, _, _ = read_axis(gx, width, align_corners, padding, RIGHT)
    n, hy, fy, py0, py1, _, _, _ = read_axis(gy, height, align_corners, padding, RIGHT)
    if m == OUTSIDE or n == OUTSIDE:
        return
    _add(plane, lost, height, width, n, m, g * px0 * py0 * hx * hy)
    _add(plane, lost, height, width, n, m + 1, g * px1 * py0 * fx * hy)
    _add(plane, lost, height, width, n + 1, m, g * px0 * py1 * hx * fy)
    _add(plane, lost, height, width, n + 1, m + 1, g * px1 * py1 * fx * fy)


@part
def grid_gradient(
    b: int,
    i: int,
    j: int,
    gout: Any,
    input: Any,
    grid: Any,
    align_corners: bool,
    padding: int,
    kink: int,
    ggrid: Any,
) -> None:
    """Compute (bilinear.6) for one sample."""
    _, channels, height, width = input.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, padding):
        ggrid[b, i, j, 0] = np.nan
        ggrid[b, i, j, 1] = np.nan
        return
    m, hx, fx, px0, px1, dx0, dx1, dx2 = read_axis(gx, width, align_corners, padding, kink)
    n, hy, fy, py0, py1, dy0, dy1, dy2 = read_axis(gy, height, align_corners, padding, kink)
    if m == OUTSIDE or n == OUTSIDE:
        ggrid[b, i, j, 0] = 0.0
        ggrid[b, i, j, 1] = 0.0
        return
    total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
    for c in range(channels):
        g = np.float64(gout[b, c, i, j])
        u00, u01 = _pixel(input, b, c, n, m), _pixel(input, b, c, n, m + 1)
        u10, u11 = _pixel(input, b, c, n + 1, m), _pixel(input, b, c, n + 1, m + 1)
        u02, u12, u20, u21 = 0.0, 0.0, 0.0, 0.0
        if dx2 != 0.0:
            u02, u12 = _pixel(input, b, c, n, m + 2), _pixel(input, b, c, n + 1, m + 2)
        if dy2 != 0.0:
            u20, u21 = _pixel(input, b, c, n + 2, m), _pixel(input, b, c, n + 2, m + 1)
        term = weighted(g, 0.5 * sx, (dx0, dx1, dx2), (u00, u01, u02), (hy, py0), (u10, u11, u12), (fy, py1))
        total_x, lost = two_sum(total_x, term)  # (bilinear.6)
        lost_x += lost
        term = weighted(g, 0.5 * sy, (dy0, dy1, dy2), (u00, u10, u20), (hx, px0), (u01, u11, u21), (fx, px1))
        total_y, lost = two_sum(total_y, term)
        lost_y += lost
    ggrid[b, i, j, 0] = compensated(total_x, lost_x)
    ggrid[b, i, j, 1] = compensated(total_y, lost_y)


# ---- kernels: forward and backward ----


@kernel
def forward(start: int, stop: int, input: Any, grid: Any, align_corners: bool, padding: int, out: Any) -> None:
    """Compute (bilinear.2) for the samples start to stop of all images."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, out.shape[2], out.shape[3])
        sample(b, i, j, input, grid, align_corners, padding, out)


@kernel
def backward_grid(
    start: int, stop: int, gout: Any, input: Any, grid: Any, align_corners: bool, padding: int, kink: int, ggrid: Any
) -> None:
    """Compute (bilinear.6) for the samples start to stop of all images."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, gout.shape[2], gout.shape[3])
        grid_gradient(b, i, j, gout, input, grid, align_corners, padding, kink, ggrid)


# Where a pixel gathers (`gathering.sort_samples`), the cells of a map are those that its pixels are part of: the first
# pixel of a cell reaches from -2 (for three pixels, on the lattice) to the last of the map.
BEFORE = 2


@kernel
def find_cells(
    start: int,
    stop: int,
    grid: Any,
    height: int,
    width: int,
    align_corners: bool,
    padding: int,
    kink: int,
    cells: Any,
    axes: Any,
) -> None:
    """Find the cells of the samples start to stop of all images, and what they read along x and y."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, grid.shape[1], grid.shape[2])
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        s = i * grid.shape[2] + j
        cells[b, s] = (height + BEFORE) * (width + BEFORE)
        if is_undefined(gx, gy, padding):
            continue
        m, hx, fx, px0, px1, dx0, dx1, dx2 = read_axis(gx, width, align_corners, padding, kink)
        n, hy, fy, py0, py1, dy0, dy1, dy2 = read_axis(gy, height, align_corners, padding, kink)
        if -BEFORE <= m < width and -BEFORE <= n < height:
            cells[b, s] = (n + BEFORE) * (width + BEFORE) + m + BEFORE
        axes[0, p], axes[1, p], axes[2, p], axes[3, p] = hx, fx, px0, px1
        axes[4, p], axes[5, p], axes[6, p] = dx0, dx1, dx2
        axes[7, p], axes[8, p], axes[9, p], axes[10, p] = hy, fy, py0, py1
        axes[11, p], axes[12, p], axes[13, p] = dy0, dy1, dy2


@kernel
def gather(start: int, stop: int, gout: Any, axes: Any, order: Any, starts: Any, ginput: Any) -> None:
    """Compute (bilinear.5) for the pixels start to stop of all planes, from samples sorted by their cells."""
    _, channels, height, width = ginput.shape
    samples, across = gout.shape[2] * gout.shape[3], width + BEFORE
    for p in items(start, stop):
        plane, n, m = pixel_of(p, height, width)
        b, c = plane // channels, plane % channels
        total, lost = 0.0, 0.0
        for corner in range(4):
            q, r = corner // 2, corner % 2
            cell = b * ((height + BEFORE) * across + 1) + (n - q + BEFORE) * across + m - r + BEFORE
            for k in range(starts[cell], starts[cell + 1]):
                s = order[k]
                i, j = (s - b * samples) // gout.shape[3], (s - b * samples) % gout.shape[3]
                wx, px = axes[r, s], axes[2 + r, s]
                wy, py = axes[7 + q, s], axes[9 + q, s]
                total, remainder = two_sum(total, np.float64(gout[b, c, i, j]) * px * py * wx * wy)
                lost += remainder
        ginput[b, c, n, m] = compensated(total, lost)


# ---- kernels: the gradients of the gradients ----

# What an undefined sample reads.
NOWHERE = (OUTSIDE, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0)


@kernel
def second_gather(
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
    """Compute (bilinear.7) and (bilinear.9) for the samples start to stop of all images."""
    _, channels, height, width = input.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    for s in items(start, stop):
        b, i, j = pixel_of(s, gout.shape[2], gout.shape[3])
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        undefined = is_undefined(gx, gy, padding)
        x = NOWHERE if undefined else read_axis(gx, width, align_corners, padding, kink)
        y = NOWHERE if undefined else read_axis(gy, height, align_corners, padding, kink)
        m, hx, fx, px0, px1, dx0, dx1, dx2 = x
        n, hy, fy, py0, py1, dy0, dy1, dy2 = y
        if m == OUTSIDE or n == OUTSIDE:
            nothing = np.nan if undefined else 0.0
            for c in range(channels):
                ggout[b, c, i, j] = nothing
            ggrid[b, i, j, 0] = nothing
            ggrid[b, i, j, 1] = nothing
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
                for r in range(3):
                    u, a = _pixel(input, b, c, n + q, m + r), _pixel(cotangent_input, b, c, n + q, m + r)
                    value_a += a * px[r] * py[q] * wx[r] * wy[q]
                    slope_ax += a * py[q] * dx[r] * wy[q]
                    slope_ay += a * px[r] * wx[r] * dy[q]
                    slope_x += u * py[q] * dx[r] * wy[q]
                    slope_y += u * px[r] * wx[r] * dy[q]
                    slope_xy += u * dx[r] * dy[q]
            ggout[b, c, i, j] = value_a + (bx * slope_x + by * slope_y)  # (bilinear.7)
            g = np.float64(gout[b, c, i, j])
            total_x, lost = two_sum(total_x, g * (slope_ax + by * slope_xy))  # (bilinear.9)
            lost_x += lost
            total_y, lost = two_sum(total_y, g * (slope_ay + bx * slope_xy))
            lost_y += lost
        ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
        ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)


@kernel
def second_gather_input(
    start: int,
    stop: int,
    cotangent_grid: Any,
    gout: Any,
    align_corners: bool,
    axes: Any,
    order: Any,
    starts: Any,
    ginput: Any,
) -> None:
    """Compute (bilinear.8) for the pixels start to stop of all planes, from samples sorted by their cells."""
    _, channels, height, width = ginput.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    samples, across = gout.shape[2] * gout.shape[3], width + BEFORE
    for p in items(start, stop):
        plane, n, m = pixel_of(p, height, width)
        b, c = plane // channels, plane % channels
        total, lost = 0.0, 0.0
        for corner in range(9):
            q, r = corner // 3, corner % 3
            cell = b * ((height + BEFORE) * across + 1) + (n - q + BEFORE) * across + m - r + BEFORE
            for k in range(starts[cell], starts[cell + 1]):
                s = order[k]
                i, j = (s - b * samples) // gout.shape[3], (s - b * samples) % gout.shape[3]
                wx, px = (axes[r, s], axes[2 + r, s]) if r < 2 else (0.0, 1.0)
                wy, py = (axes[7 + q, s], axes[9 + q, s]) if q < 2 else (0.0, 1.0)
                bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
                by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
                g = np.float64(gout[b, c, i, j])
                total, remainder = two_sum(total, g * (bx * py * axes[4 + r, s] * wy))  # (bilinear.8)
                lost += remainder
                total, remainder = two_sum(total, g * (by * px * wx * axes[11 + q, s]))
                lost += remainder
        ginput[b, c, n, m] = compensated(total, lost)
