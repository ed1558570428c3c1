"""Bicubic sampling: Keys' kernel with a = -3/4, as in PyTorch; for CUDA, and for the CPU one sample at a time.

    V_c(i) = sum over q, p in -1..2 of wy_q wx_p U_c(n + q, m + p)                            (bicubic.1)

in the cell (n, m) of the sample, with f = x - m, h = 1 - f and the weights, in factored form,

    w_-1 = a f h^2,   w_0 = h (1 + f - (a + 2) f^2),   w_1, w_2 the same in h, f             (bicubic.2)
    w'_-1 = a h (h - 2 f),   w'_0 = f (3 (a + 2) f - 2 (a + 3)),   w'_1, w'_2 = -(...) in h, f   (bicubic.3)
    w''_-1 = a (2 f - 4 h),   w''_0 = 6 (a + 2) f - 2 (a + 3),   w''_1, w''_2 the same in h, f  (bicubic.4)

The usual polynomials in 1 + f cancel; these do not. The kernel has a continuous first derivative, so no rule for kinks
is needed; its second derivative jumps on the lattice, where the limit from the right is used. Gradients:

    gU_c(n, m) = sum over i of gV_c(i) times the weights with which i reads that pixel        (bicubic.5)
    gg_x(i) = s_x/2 sum over c, q, p of gV_c(i) wy_q w'x_p U_c(n + q, m + p)                  (bicubic.6)

and for cotangents A of gU and b of gg, with b'_x = b_x s_x/2,

    with respect to gV_c(i):   sum over q, p of A wy wx + b'_x U wy w'x + b'_y U w'y wx          (bicubic.7)
    with respect to U_c:       sum over i of gV_c(i) (b'_x wy w'x + b'_y w'y wx)                 (bicubic.8)
    with respect to g_x(i):    s_x/2 sum of gV_c(i) (A wy w'x + b'_x U wy w''x + b'_y U w'y w'x)   (bicubic.9)

Padding applies to each pixel of the 4 x 4 window: "border" and "reflection" clamp or mirror its index. docs/bicubic.md.

The CPU reads and writes the windows of many samples at once (`cpu`). The kernels here are for CUDA, maps smaller than a
window, second derivatives (`second`), and samples that need the slow path.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.conventions import (
    OUTSIDE,
    REFLECTION,
    TINY,
    ZEROS,
    Rules,
    Size,
    cell,
    coordinate_scale,
    is_undefined,
    padded_index,
    pixel_of,
    remainder_of_four,
)

A = -0.75  # PyTorch's choice of Keys' parameter

Four = tuple[float, float, float, float]
FourPixels = tuple[int, int, int, int]


class BicubicTaps(NamedTuple):
    """What a sample reads along one axis: four pixels, -1 where there is none, and their weights w, w', w''."""

    pixels: FourPixels
    weights: Four
    slopes: Four
    curvatures: Four


class Change(NamedTuple):
    """Which weights a map gradient has: those of (bicubic.5), or if `second` of (bicubic.8) with b'_x and b'_y."""

    second: bool
    x: float
    y: float


class PixelWeights(NamedTuple):
    """The pixels that all samples read and their weights, as `gather_taps` takes them: (N, samples, 16)."""

    pixels: Any
    weights: Any


# ---- scalars: parts of the equations ----


@scalar
def keys_weights(a: float, f: float, h: float) -> Four:
    """Return the weights of the pixels n - 1 to n + 2 (bicubic.2)."""
    return a * f * h * h, h * (1 + f - (a + 2) * f * f), f * (1 + h - (a + 2) * h * h), a * h * f * f  # (bicubic.2)


@scalar
def keys_slopes(a: float, f: float, h: float) -> Four:
    """Return the derivatives of the weights with respect to x (bicubic.3)."""
    inner, outer = 3 * (a + 2), 2 * (a + 3)
    return a * h * (h - 2 * f), f * (inner * f - outer), -h * (inner * h - outer), -a * f * (f - 2 * h)  # (bicubic.3)


@scalar
def keys_curvatures(a: float, f: float, h: float) -> Four:
    """Return the second derivatives of the weights with respect to x (bicubic.4)."""
    inner, outer = 6 * (a + 2), 2 * (a + 3)
    return a * (2 * f - 4 * h), inner * f - outer, inner * h - outer, a * (2 * h - 4 * f)  # (bicubic.4)


@scalar
def locate_window(g: float, size: int, align_corners: bool, padding: int) -> tuple[int, float, float]:
    """Return the cell n, h, f of a defined coordinate; OUTSIDE if no pixel of its window is in reach."""
    if padding == REFLECTION:
        return cell(remainder_of_four(g), size, align_corners)  # the mirrored map has period 4
    if math.isinf(g) or abs(g * coordinate_scale(size, align_corners)) > size + 3:
        if padding == ZEROS:
            return OUTSIDE, 1.0, 0.0
        return (size + 1 if g > 0.0 else OUTSIDE), 1.0, 0.0
    return cell(g, size, align_corners)


@scalar
def padded_pixels(n: int, size: int, align_corners: bool, padding: int) -> FourPixels:
    """Return the pixels at n - 1 to n + 2 of the padded map."""
    return (
        padded_index(n - 1, size, align_corners, padding),
        padded_index(n, size, align_corners, padding),
        padded_index(n + 1, size, align_corners, padding),
        padded_index(n + 2, size, align_corners, padding),
    )


@scalar
def read_axis(g: float, size: int, rules: Rules) -> BicubicTaps:
    """Return what a defined sample reads along one axis."""
    n, h, f = locate_window(g, size, rules.align_corners, rules.padding)
    pixels = padded_pixels(n, size, rules.align_corners, rules.padding)
    return BicubicTaps(pixels, keys_weights(A, f, h), keys_slopes(A, f, h), keys_curvatures(A, f, h))


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
def tap(x: BicubicTaps, y: BicubicTaps, p: int, q: int, change: Change) -> float:
    """Return the weight of pixel p of row q of a window in a map gradient."""
    wx, dx, wy, dy = x.weights[p], x.slopes[p], y.weights[q], y.slopes[q]
    return change.x * (wy * dx) + change.y * (dy * wx) if change.second else wy * wx  # (bicubic.8), (bicubic.5)


# ---- one sample ----


@part
def sample_values(b: int, i: int, j: int, input: Any, grid: Any, rules: Rules, out: Any) -> None:
    """Compute (bicubic.1) for the channels of a sample."""
    _, channels, height, width = input.shape
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, rules.padding):
        for c in range(channels):
            out[b, c, i, j] = np.nan
        return
    x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
    for c in range(channels):
        out[b, c, i, j] = dot(y.weights, along_rows(input, b, c, y.pixels, x.pixels, x.weights))  # (bicubic.1)


@scalar
def lifted(w: Four) -> Four:
    """Return weights times 2^500."""
    return w[0] * 2.0**500, w[1] * 2.0**500, w[2] * 2.0**500, w[3] * 2.0**500


@part
def slope_times(
    g: float, input: Any, b: int, c: int, ys: FourPixels, xs: FourPixels, across: Four, down: Four
) -> float:
    """Return g times the sum of a window, weighted `across` its rows and `down` its columns, a summand of (bicubic.6).

    Where subnormal pixels would lose digits before they are multiplied by a large g, they are scaled up first; not
    where a sum of large ones cancels, which would overflow.
    """
    inner = dot(down, along_rows(input, b, c, ys, xs, across))
    if input.itemsize == 8 and abs(inner) < TINY and g != 0.0:
        high = g * dot(down, along_rows(input, b, c, ys, xs, lifted(across)))
        if math.isfinite(high):
            return math.ldexp(high, -500)
    return g * inner


@part
def sample_gradient(b: int, i: int, j: int, gout: Any, input: Any, grid: Any, rules: Rules, ggrid: Any) -> None:
    """Compute (bicubic.6) for a sample."""
    _, channels, height, width = input.shape
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
    if is_undefined(gx, gy, rules.padding):
        ggrid[b, i, j, 0], ggrid[b, i, j, 1] = np.nan, np.nan
        return
    x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
    total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
    for c in range(channels):
        g = np.float64(gout[b, c, i, j])
        along_x = slope_times(g, input, b, c, y.pixels, x.pixels, x.slopes, y.weights)
        along_y = slope_times(g, input, b, c, y.pixels, x.pixels, x.weights, y.slopes)
        total_x, lost = two_sum(total_x, along_x)  # (bicubic.6)
        lost_x += lost
        total_y, lost = two_sum(total_y, along_y)  # (bicubic.6), in y
        lost_y += lost
    ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
    ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)


@part
def scatter_sample(
    g: float, point: tuple[float, float], change: Change, size: Size, rules: Rules, sums: Any, lost: Any
) -> None:
    """Add the contribution of a sample to a map gradient to a plane of sums, and the rounding errors to another."""
    gx, gy = point
    if is_undefined(gx, gy, rules.padding):
        return
    x, y = read_axis(gx, size.width, rules), read_axis(gy, size.height, rules)
    for q in range(4):
        for p in range(4):
            if y.pixels[q] >= 0 and x.pixels[p] >= 0:
                pixel = y.pixels[q] * size.width + x.pixels[p]
                sums[pixel], remainder = two_sum(sums[pixel], g * tap(x, y, p, q, change))  # (bicubic.5), (bicubic.8)
                lost[pixel] += remainder


# ---- kernels ----


@kernel
def forward(start: int, stop: int, input: Any, grid: Any, rules: Rules, out: Any) -> None:
    """Compute (bicubic.1) for the samples start to stop of all images."""
    for s in items(start, stop):
        b, i, j = pixel_of(s, grid.shape[1], grid.shape[2])
        sample_values(b, i, j, input, grid, rules, out)


@kernel
def backward_grid(start: int, stop: int, gout: Any, input: Any, grid: Any, rules: Rules, ggrid: Any) -> None:
    """Compute (bicubic.6) for the samples start to stop of all images."""
    for s in items(start, stop):
        b, i, j = pixel_of(s, grid.shape[1], grid.shape[2])
        sample_gradient(b, i, j, gout, input, grid, rules, ggrid)


@kernel
def backward_input(
    start: int, stop: int, gout: Any, grid: Any, cotangent_grid: Any, second: bool, rules: Rules, ginput: Any
) -> None:
    """Compute (bicubic.5), or with `second` (bicubic.8), for the planes start to stop. For the CPU."""
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    sums, lost = np.empty(height * width), np.empty(height * width)
    for k in range(start, stop):
        b, c = k // channels, k % channels
        sums[:], lost[:] = 0.0, 0.0
        for i in range(rows):
            for j in range(columns):
                point = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
                bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
                by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
                g = np.float64(gout[b, c, i, j])
                scatter_sample(g, point, Change(second, bx, by), Size(height, width), rules, sums, lost)
        for n in range(height):
            for m in range(width):
                ginput[b, c, n, m] = compensated(sums[n * width + m], lost[n * width + m])


@kernel
def tabulate(
    start: int, stop: int, grid: Any, cotangent_grid: Any, second: bool, size: Size, rules: Rules, reads: PixelWeights
) -> None:
    """Write for the samples start to stop of all images the pixels that they read, and their weights."""
    _, rows, columns, _ = grid.shape
    height, width = size.height, size.width
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    for s in items(start, stop):
        b, i, j = pixel_of(s, rows, columns)
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        undefined = is_undefined(gx, gy, rules.padding)
        if undefined:  # its entries belong to no pixel; any will do
            gx, gy = np.float64(0.0), np.float64(0.0)
        x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
        bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
        by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
        sample = i * columns + j
        for q in range(4):
            for p in range(4):
                inside = not undefined and y.pixels[q] >= 0 and x.pixels[p] >= 0
                reads.pixels[b, sample, 4 * q + p] = y.pixels[q] * width + x.pixels[p] if inside else height * width
                reads.weights[b, sample, 4 * q + p] = tap(x, y, p, q, Change(second, bx, by))
