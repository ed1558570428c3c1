"""Keys' cubic: its weights, and what one sample does with its window of 4 x 4 pixels, with every care.

The equations are those of `bicubic.py`, and of docs/bicubic.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import part, scalar
from refwarp.conventions import (
    BORDER,
    OUTSIDE,
    REFLECTION,
    TINY,
    ZEROS,
    cell,
    coordinate_scale,
    is_undefined,
    remainder_of_four,
)

A = -0.75  # PyTorch's choice of Keys' parameter

Four = tuple[float, float, float, float]
FourPixels = tuple[int, int, int, int]


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
def window(n: int, size: int, align_corners: bool, padding: int) -> FourPixels:
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


@part
def _row(map: Any, b: int, c: int, n: int, columns: FourPixels) -> Four:
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


@part
def along_rows(map: Any, b: int, c: int, ys: FourPixels, xs: FourPixels, w: Four) -> Four:
    """Return for each row of the window its sum weighted along x."""
    return (
        dot(w, _row(map, b, c, ys[0], xs)),
        dot(w, _row(map, b, c, ys[1], xs)),
        dot(w, _row(map, b, c, ys[2], xs)),
        dot(w, _row(map, b, c, ys[3], xs)),
    )


@scalar
def tap(wx: float, wy: float, dx: float, dy: float, bx: float, by: float, second: bool) -> float:
    """Return the weight of a pixel in (bicubic.5), or with `second` in (bicubic.8)."""
    return bx * (wy * dx) + by * (dy * wx) if second else wy * wx


@part
def sample_values(input: Any, grid: Any, b: int, i: int, j: int, align_corners: bool, padding: int, out: Any) -> None:
    """Compute (bicubic.1) for the channels of a sample."""
    _, channels, height, width = input.shape
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, padding):
        for c in range(channels):
            out[b, c, i, j] = np.nan
        return
    m, hx, fx = locate_window(gx, width, align_corners, padding)
    n, hy, fy = locate_window(gy, height, align_corners, padding)
    xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
    wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
    for c in range(channels):
        out[b, c, i, j] = dot(wy, along_rows(input, b, c, ys, xs, wx))


@scalar
def lifted(w: Four) -> Four:
    """Return weights times 2^500."""
    return w[0] * 2.0**500, w[1] * 2.0**500, w[2] * 2.0**500, w[3] * 2.0**500


@part
def slope_times(
    g: float, input: Any, b: int, c: int, ys: FourPixels, xs: FourPixels, across: Four, down: Four
) -> float:
    """Return g times the sum of a window, weighted `across` its rows and `down` its columns, a summand of (bicubic.6).

    Where subnormal pixels would lose digits before a large g multiplies them, they are lifted first; not where a sum
    of large ones cancels, which would leave the range.
    """
    inner = dot(down, along_rows(input, b, c, ys, xs, across))
    if input.itemsize == 8 and abs(inner) < TINY and g != 0.0:
        high = g * dot(down, along_rows(input, b, c, ys, xs, lifted(across)))
        if math.isfinite(high):
            return math.ldexp(high, -500)
    return g * inner


@part
def sample_gradient(
    gout: Any, input: Any, grid: Any, b: int, i: int, j: int, align_corners: bool, padding: int, ggrid: Any
) -> None:
    """Compute (bicubic.6) for a sample."""
    _, channels, height, width = input.shape
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, padding):
        ggrid[b, i, j, 0], ggrid[b, i, j, 1] = np.nan, np.nan
        return
    m, hx, fx = locate_window(gx, width, align_corners, padding)
    n, hy, fy = locate_window(gy, height, align_corners, padding)
    xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
    wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
    dx, dy = keys_slopes(A, fx, hx), keys_slopes(A, fy, hy)
    total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
    for c in range(channels):
        g = np.float64(gout[b, c, i, j])
        total_x, lost = two_sum(total_x, slope_times(g, input, b, c, ys, xs, dx, wy))  # (bicubic.6)
        lost_x += lost
        total_y, lost = two_sum(total_y, slope_times(g, input, b, c, ys, xs, wx, dy))
        lost_y += lost
    ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
    ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)


@part
def scatter_sample(
    g: float,
    gx: float,
    gy: float,
    bx: float,
    by: float,
    second: bool,
    height: int,
    width: int,
    align_corners: bool,
    padding: int,
    sums: Any,
    to: int,
    lost: Any,
    rest: int,
) -> None:
    """Add a sample's part of (bicubic.5), or with `second` (bicubic.8), to the plane that begins at sums[to].

    What roundings leave out of it goes to the plane that begins at lost[rest].
    """
    if is_undefined(gx, gy, padding):
        return
    m, hx, fx = locate_window(gx, width, align_corners, padding)
    n, hy, fy = locate_window(gy, height, align_corners, padding)
    xs, ys = window(m, width, align_corners, padding), window(n, height, align_corners, padding)
    wx, wy = keys_weights(A, fx, hx), keys_weights(A, fy, hy)
    dx, dy = keys_slopes(A, fx, hx), keys_slopes(A, fy, hy)
    for q in range(4):
        for p in range(4):
            if ys[q] >= 0 and xs[p] >= 0:
                pixel = ys[q] * width + xs[p]
                term = g * tap(wx[p], wy[q], dx[p], dy[q], bx, by, second)
                sums[to + pixel], remainder = two_sum(sums[to + pixel], term)
                lost[rest + pixel] += remainder
