"""Bilinear sampling: STN Eqs. (3), (5), with corrected gradients, and second derivatives.

    V_c(i) = sum over n, m of U_c(n, m) k(x_i - m) k(y_i - n),   k(d) = max(0, 1 - |d|)      (STN 5)

At most four terms of the sum are nonzero: those of the cell (n, n + 1) x (m, m + 1) around the sample, with the weights
f = x - m, h = 1 - f and likewise in y. `conventions.place` computes cell and weights. Then

    V_c(i) = (U(n, m) h_x + U(n, m+1) f_x) h_y + (U(n+1, m) h_x + U(n+1, m+1) f_x) f_y       (bilinear.2)

STN's (6) is printed with a sum too many, and its (7) is wrong where x is an integer. The gradients are

    gU_c(n, m) = sum over i of gV_c(i) k(x_i - m) k(y_i - n)                                 (bilinear.5)
    gg_x(i) = s_x/2 sum over c, n, m of gV_c(i) U_c(n, m) k'(x_i - m) k(y_i - n)             (bilinear.6)

and likewise gg_y, where s/2 = dx/dg. In a cell k' is -1 at its left pixel and 1 at its right one; on the lattice it is
given by `kink`, see `conventions.choose_side`. Padding clamps or mirrors the coordinate first, and its slope (1, -1 or
0) multiplies k'. For cotangents A of gU and (b_x, b_y) of (gg_x, gg_y), with b'_x = b_x s_x/2, the second derivatives
are

    with respect to gV_c(i):     sum over n, m of A k k + b'_x U k' k + b'_y U k k'            (bilinear.7)
    with respect to U_c(n, m):   sum over i of gV_c(i) (b'_x k' k + b'_y k k')                 (bilinear.8)
    with respect to g_x(i):      s_x/2 sum over c, n, m of gV_c(i) (A k' k + b'_y U k' k')     (bilinear.9)

Conventions: `refwarp.conventions`. docs/bilinear.md derives each line and its error bound. Everything is computed in
float64 and rounded once to the dtype of the data; long sums are compensated. These kernels are for CUDA, and for
samples that the fast ones for the CPU (`cpu`) do not handle; second derivatives are in `second`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refwarp.backend.arithmetic import compensated, scaled_dot, two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.conventions import (
    HUGE,
    OUTSIDE,
    TINY,
    Rules,
    choose_padded_side,
    coordinate_scale,
    is_undefined,
    pixel_of,
    place,
    split_weight,
)
from refwarp.samplers.gathering import Sorted

Two = tuple[float, float]
Three = tuple[float, float, float]


class BilinearTaps(NamedTuple):
    """What a sample reads along one axis.

    These are its first pixel n (OUTSIDE if it reads none), the weights of n and n + 1, each times a factor (see
    `split_weight`), and the slopes of n, n + 1, n + 2.
    """

    first: int
    weights: Two
    factors: Two
    slopes: Three


class AxisTables(NamedTuple):
    """The weights, their factors and the slopes of all samples along one axis: (2, samples) or (3, samples)."""

    weights: Any
    factors: Any
    slopes: Any


class Tables(NamedTuple):
    """What all samples read along both axes."""

    x: AxisTables
    y: AxisTables


# ---- scalars: parts of the equations, for the CPU and the GPU ----


@scalar
def blend(u00: float, u01: float, u10: float, u11: float, hx: float, fx: float, hy: float, fy: float) -> float:
    """Return the value in a cell: (STN 5) without the terms that are 0."""
    return (u00 * hx + u01 * fx) * hy + (u10 * hx + u11 * fx) * fy  # (STN 5), (DTN 4), (LMS 1), (bilinear.2)


@scalar
def read_axis(g: float, size: int, rules: Rules) -> BilinearTaps:
    """Return what a defined sample reads along one axis."""
    n, h, f, sign = place(g, size, rules.align_corners, rules.padding)
    if n == OUTSIDE:
        return BilinearTaps(OUTSIDE, (0.0, 0.0), (1.0, 1.0), (0.0, 0.0, 0.0))
    n, w0, w1, d0, d1, d2 = choose_padded_side(n, h, f, sign, size, rules.align_corners, rules.padding, rules.kink)
    s = coordinate_scale(size, rules.align_corners)
    (w0, p0), (w1, p1) = split_weight(w0, g, s), split_weight(w1, g, s)
    return BilinearTaps(n, (w0, w1), (p0, p1), (d0, d1, d2))


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
def weighted(gout: float, scale: float, d: Three, a0: Three, w0: Two, a1: Three, w1: Two) -> float:
    """Return gout scale (slope0 w0 + slope1 w1), a summand of (bilinear.6), without intermediate under- or overflow.

    `a0` and `a1` are the pixels of the slopes; weights are products of two factors.
    """
    slope0, slope1 = slope(a0, d, 1.0), slope(a1, d, 1.0)
    inner = (slope0 * w0[1] * w0[0] + slope1 * w1[1] * w1[0]) * scale  # (STN 7) corrected
    term = gout * inner  # (bilinear.6)
    if TINY <= abs(inner) and TINY <= abs(term) <= HUGE:
        return term
    # Twice a slope is 0 only if the slope is, while half a subnormal pixel may have been rounded to 0.
    if (gout == 0.0 and abs(inner) <= HUGE) or (slope(a0, d, 2.0) == 0.0 and slope(a1, d, 2.0) == 0.0):
        return term
    return scaled_dot(gout, scale, scaled_slope(a0, d), w0, scaled_slope(a1, d), w1)


# ---- one sample ----


@part
def pixel(map: Any, b: int, c: int, n: int, m: int) -> float:
    """Return a pixel as a double, 0 outside the map."""
    if 0 <= n < map.shape[2] and 0 <= m < map.shape[3]:
        return np.float64(map[b, c, n, m])
    return 0.0


@part
def cell_value(map: Any, b: int, c: int, x: BilinearTaps, y: BilinearTaps) -> float:
    """Return the value in the cell of a sample that reads x and y."""
    m, (hx, fx), (px0, px1) = x.first, x.weights, x.factors
    n, (hy, fy), (py0, py1) = y.first, y.weights, y.factors
    u00, u01 = pixel(map, b, c, n, m) * px0 * py0, pixel(map, b, c, n, m + 1) * px1 * py0
    u10, u11 = pixel(map, b, c, n + 1, m) * px0 * py1, pixel(map, b, c, n + 1, m + 1) * px1 * py1
    return blend(u00, u01, u10, u11, hx, fx, hy, fy)


@part
def sample(b: int, i: int, j: int, input: Any, grid: Any, rules: Rules, out: Any) -> None:
    """Compute (bilinear.2) for one sample, in all channels."""
    _, channels, height, width = input.shape
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, rules.padding):
        for c in range(channels):
            out[b, c, i, j] = np.nan
        return
    x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
    outside = x.first == OUTSIDE or y.first == OUTSIDE
    for c in range(channels):
        out[b, c, i, j] = 0.0 if outside else cell_value(input, b, c, x, y)


@part
def _add(plane: Any, lost: Any, height: int, width: int, n: int, m: int, term: float) -> None:
    """Add a term to a pixel of a flat plane, if it is inside, and the rounding error to another, if there is one."""
    if 0 <= n < height and 0 <= m < width:
        at = n * width + m
        if lost.size == 0:
            plane[at] += term
        else:
            plane[at], remainder = two_sum(plane[at], term)
            lost[at] += remainder


@part
def scatter(g: float, gx: float, gy: float, height: int, width: int, rules: Rules, plane: Any, lost: Any) -> None:
    """Add the terms of (bilinear.5) that one sample's cotangent gives to a flat plane."""
    if is_undefined(gx, gy, rules.padding):
        return
    x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
    m, (hx, fx), (px0, px1) = x.first, x.weights, x.factors
    n, (hy, fy), (py0, py1) = y.first, y.weights, y.factors
    if m == OUTSIDE or n == OUTSIDE:
        return
    _add(plane, lost, height, width, n, m, g * px0 * py0 * hx * hy)  # (bilinear.5), (STN 6) corrected
    _add(plane, lost, height, width, n, m + 1, g * px1 * py0 * fx * hy)  # (bilinear.5)
    _add(plane, lost, height, width, n + 1, m, g * px0 * py1 * hx * fy)  # (bilinear.5)
    _add(plane, lost, height, width, n + 1, m + 1, g * px1 * py1 * fx * fy)  # (bilinear.5)


@part
def grid_gradient(b: int, i: int, j: int, gout: Any, input: Any, grid: Any, rules: Rules, ggrid: Any) -> None:
    """Compute (bilinear.6) for one sample."""
    _, channels, height, width = input.shape
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, rules.padding):
        ggrid[b, i, j, 0] = np.nan
        ggrid[b, i, j, 1] = np.nan
        return
    x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
    m, (hx, fx), (px0, px1), dx = x.first, x.weights, x.factors, x.slopes
    n, (hy, fy), (py0, py1), dy = y.first, y.weights, y.factors, y.slopes
    if m == OUTSIDE or n == OUTSIDE:
        ggrid[b, i, j, 0] = 0.0
        ggrid[b, i, j, 1] = 0.0
        return
    total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
    for c in range(channels):
        g = np.float64(gout[b, c, i, j])
        u00, u01 = pixel(input, b, c, n, m), pixel(input, b, c, n, m + 1)
        u10, u11 = pixel(input, b, c, n + 1, m), pixel(input, b, c, n + 1, m + 1)
        u02, u12, u20, u21 = 0.0, 0.0, 0.0, 0.0
        if dx[2] != 0.0:
            u02, u12 = pixel(input, b, c, n, m + 2), pixel(input, b, c, n + 1, m + 2)
        if dy[2] != 0.0:
            u20, u21 = pixel(input, b, c, n + 2, m), pixel(input, b, c, n + 2, m + 1)
        term = weighted(g, 0.5 * sx, dx, (u00, u01, u02), (hy, py0), (u10, u11, u12), (fy, py1))
        total_x, lost = two_sum(total_x, term)  # (bilinear.6)
        lost_x += lost
        term = weighted(g, 0.5 * sy, dy, (u00, u10, u20), (hx, px0), (u01, u11, u21), (fx, px1))
        total_y, lost = two_sum(total_y, term)  # (bilinear.6)
        lost_y += lost
    ggrid[b, i, j, 0] = compensated(total_x, lost_x)
    ggrid[b, i, j, 1] = compensated(total_y, lost_y)


# ---- kernels: forward and backward ----


@kernel
def forward(start: int, stop: int, input: Any, grid: Any, rules: Rules, out: Any) -> None:
    """Compute (bilinear.2) for the samples start to stop of all images."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, out.shape[2], out.shape[3])
        sample(b, i, j, input, grid, rules, out)


@kernel
def backward_grid(start: int, stop: int, gout: Any, input: Any, grid: Any, rules: Rules, ggrid: Any) -> None:
    """Compute (bilinear.6) for the samples start to stop of all images."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, gout.shape[2], gout.shape[3])
        grid_gradient(b, i, j, gout, input, grid, rules, ggrid)


# Where pixels gather, the cells of a map are those that contain one of its pixels: the first pixel of a cell ranges
# from -2 (for three pixels, on the lattice) to the last of the map.
BEFORE = 2


@scalar
def cell_count(height: int, width: int) -> int:
    """Return how many cells a map has."""
    return (height + BEFORE) * (width + BEFORE)


@scalar
def cell_number(n: int, m: int, width: int) -> int:
    """Return the number of the cell whose first pixel is (n, m)."""
    return (n + BEFORE) * (width + BEFORE) + m + BEFORE


@kernel
def find_cells(
    start: int, stop: int, grid: Any, height: int, width: int, rules: Rules, cells: Any, tables: Tables
) -> None:
    """Find the cells of the samples start to stop of all images, and what they read along x and y."""
    for p in items(start, stop):
        b, i, j = pixel_of(p, grid.shape[1], grid.shape[2])
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        s = i * grid.shape[2] + j
        cells[b, s] = cell_count(height, width)
        if is_undefined(gx, gy, rules.padding):
            continue
        x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
        if -BEFORE <= x.first < width and -BEFORE <= y.first < height:
            cells[b, s] = cell_number(y.first, x.first, width)
        _store(tables.x, p, x)
        _store(tables.y, p, y)


@part
def _store(table: AxisTables, p: int, taps: BilinearTaps) -> None:
    for k in range(2):
        table.weights[k, p], table.factors[k, p] = taps.weights[k], taps.factors[k]
    for k in range(3):
        table.slopes[k, p] = taps.slopes[k]


@kernel
def backward_input(start: int, stop: int, gout: Any, tables: Tables, samples: Sorted, ginput: Any) -> None:
    """Compute (bilinear.5) for the pixels start to stop of all planes, from samples sorted by their cells."""
    _, channels, height, width = ginput.shape
    _, _, rows, columns = gout.shape
    x, y = tables.x, tables.y
    for p in items(start, stop):
        plane, n, m = pixel_of(p, height, width)
        b, c = plane // channels, plane % channels
        total, lost = 0.0, 0.0
        for corner in range(4):
            q, r = corner // 2, corner % 2
            cell = b * (cell_count(height, width) + 1) + cell_number(n - q, m - r, width)
            for k in range(samples.starts[cell], samples.starts[cell + 1]):
                s = samples.order[k]
                _, i, j = pixel_of(s, rows, columns)
                factor = np.float64(gout[b, c, i, j]) * x.factors[r, s] * y.factors[q, s]
                total, remainder = two_sum(total, factor * x.weights[r, s] * y.weights[q, s])  # (bilinear.5)
                lost += remainder
        ginput[b, c, n, m] = compensated(total, lost)
