"""Planes fitted to scattered samples, for many output pixels at once: `kernels.planes` in vector instructions.

All pixels of a chunk go through each step together, in loops without branches. All data of a chunk are in one array,
`work`, since the compiler does not vectorise loops over many arrays, which might overlap: a row has one number for each
pixel, a slab one row for each sample, the centre first. Instead of the weights of `part_of` three sums are computed for
each channel, with p_k, t_k and the other numbers of (linearized.1) to (linearized.4):

    S = sum of y_k,   S_p = sum of p_k y_k,   S_t = sum of t_k y_k                           (chunks.1)
    a_y = S_t / D,   a_x = S_p / C_xx - r a_y,   b = S / (n + e_1) - c_x S_p / C_xx - z a_y    (chunks.2)

Sums are computed in blocks of four. Samples are read from a map with a margin of zeros, so that each cell around it has
four pixels, and with interleaved channels (`surround`). Pixels that need the slow path are left to `kernels`: where a
coordinate or a result is not finite, a rounding moved a coordinate across the lattice, a weight is so small that a
product of two could underflow, or the samples determine no plane.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from refwarp.backend.arithmetic import two_sum
from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.conventions import REFLECTION, ZEROS, Rules, Size, coordinate_scale
from refwarp.samplers.linearized.kernels import GIVEN, LeastSquares, is_determined, is_kept, is_near, plane_of_pixel
from refwarp.samplers.placement import THREE, TWO, Axis, axes_of, clamped, weights_of_cell

# Pixels of a chunk.
CHUNK = 64
# Up to this many samples, uncompensated sums have few enough blocks for the error bound.
MOST = 32
# With fewer channels than this, loops over pixels are vectorised, otherwise loops over channels.
FEW = 4
# Zeros before the first and after the last pixel of a map: a whole cell, for samples that read no pixel.
BEFORE, AFTER = 2, 1

# Single rows of `work`: the numbers of the fit, as factors, and whether a pixel needs the slow path.
CX, CY, M, CXX, CXY, CYY, R, Z, D, LOST_X, LOST_Y, LOST, SLOW, SINGLE = (np.uint64(k * CHUNK) for k in range(14))
# The slabs, with a row for each sample, the centre first: the point of the pixel and of the sample; the offset and what
# is left of it; whether the fit uses it, and whether it needs the slow path; the first of its pixels and their weights;
# its value.
SLAB = (MOST + 1) * CHUNK
GX, GY, AX, AY, DX, DY, TAKES, SLOW_SAMPLE, CELL, W00, W01, W10, W11, VALUE, SIZE = (
    SINGLE + np.uint64(k * SLAB) for k in range(15)
)
PIXELS = np.uint64(CHUNK)


class Margin(NamedTuple):
    """An axis of a map with a margin, and where samples lie that see no pixel of the map.

    They are those whose cell is below `low` or above `high`; their first pixel is then `before` or `after`, which has
    all of the weight. A coordinate beyond `limit`, nearer than the axis's own, is read there.
    """

    axis: Axis
    limit: float
    low: float
    high: float
    before: float
    after: float


class Flat(NamedTuple):
    """A map with its margin as one row of numbers, with the distances of neighbouring pixels and rows."""

    numbers: Any
    pixel: Any
    row: Any


class Factors(NamedTuple):
    """The numbers of a pixel's fit that (chunks.2) needs, the divisors inverted."""

    m: float
    cx: float
    cxx: float
    r: float
    z: float
    d: float


class Scratch(NamedTuple):
    """The scratch memory of a thread: `work`, the samples and sums of one pixel's channels, and a chunk's results."""

    work: Any
    near: Any
    found: Any


def fits_chunks(size: Size, count: int, rules: Rules) -> bool:
    """Tell whether chunks can be computed: for the usual paddings, and no more samples than the error bound allows."""
    scaled = all(coordinate_scale(length, rules.align_corners) > 0.0 for length in size)
    return scaled and rules.padding != REFLECTION and count <= MOST


@scalar
def with_margin(axis: Axis, padding: int) -> Margin:
    """Return an axis with its margin."""
    limit = 1.0 + 2.0 / axis.half_scale
    if padding == ZEROS:
        return Margin(axis, limit, -1.0, axis.last, -float(BEFORE), -float(BEFORE))
    return Margin(axis, limit, 0.0, axis.last - 1.0, 0.0, axis.last)


def surrounded_shape(shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the shape of maps with their margin."""
    batch, channels, height, width = shape
    return batch, BEFORE + height + AFTER, BEFORE + width + AFTER, channels


@kernel
def surround(start: int, stop: int, input: Any, out: Any) -> None:
    """Copy the rows start to stop of maps (N, C, H, W) with a margin of zeros: (N, H + 3, W + 3, C)."""
    _, channels, height, width = input.shape
    _, rows, _, _ = out.shape
    for row in items(start, stop):
        b, n = row // rows, row % rows
        out[b, n] = 0.0
        if BEFORE <= n < BEFORE + height:
            for c in range(channels):
                for m in range(width):
                    out[b, n, m + BEFORE, c] = input[b, c, n - BEFORE, m]


@scalar
def _place(g: float, margin: Margin, smallest: float) -> tuple[float, float, float, bool]:
    """Return the first pixel that a point reads along an axis, the weights of it and the next, and if it is slow.

    Like `place_axis`, but where a rounding moved a coordinate across the lattice, the slow path is taken instead of a
    correction; likewise for a weight that is NaN or tiny.
    """
    axis = margin.axis
    g = clamped(g, margin.limit)
    k = np.floor(g * axis.half_scale + axis.half_odd)  # (cells.1)
    h, f = weights_of_cell(g, axis.half_scale, k - axis.half_odd, 1.0)
    slow = (not h >= smallest) | ((not f >= smallest) & (f != 0.0))
    n = k + axis.centre
    outside = (n < margin.low) | (n > margin.high)
    n = margin.before if n < margin.low else (margin.after if n > margin.high else n)
    return n, 1.0 if outside else h, 0.0 if outside else f, slow


@part
def _load(work: Any, squares: LeastSquares, b: int, first: int) -> None:
    """Copy the points of a chunk and its samples. The last pixel of an image is repeated."""
    grid, auxiliary, given, mask = squares.grid, squares.auxiliary, squares.given, squares.mask
    pixels, count = auxiliary.shape[1], auxiliary.shape[2]
    for lane in range(CHUNK):
        p = min(first + lane, pixels - 1)
        gx, gy = np.float64(grid[b, p, 0]), np.float64(grid[b, p, 1])
        j = np.uint64(lane)
        work[GX + j], work[GY + j], work[AX + j], work[AY + j], work[TAKES + j] = gx, gy, gx, gy, 0.0
        for k in range(count):
            j += PIXELS
            work[GX + j], work[GY + j] = gx, gy
            work[AX + j], work[AY + j] = auxiliary[b, p, k, 0], auxiliary[b, p, k, 1]
            work[TAKES + j] = 1.0 if mask != GIVEN or given[b, p, k] else 0.0
        for _ in range(count, filled(count)):
            j += PIXELS
            work[GX + j], work[GY + j], work[AX + j], work[AY + j], work[TAKES + j] = gx, gy, gx, gy, 0.0


@part
def _offset(work: Any, count: int, squares: LeastSquares) -> None:
    """Set the offsets, and move samples that the fit does not use to the centre."""
    mask, half_x, half_y = squares.mask, squares.half_x, squares.half_y
    for j in range(np.uint64((filled(count) + 1) * CHUNK)):
        gx, gy, ax, ay = work[GX + j], work[GY + j], work[AX + j], work[AY + j]
        kept = is_kept(mask, ax, ay, gx, gy) & (work[TAKES + j] > 0.0)
        dx, dy = (ax - gx) * half_x, (ay - gy) * half_y  # (LMS 6)
        takes_part = kept & is_near(dx, dy)
        work[DX + j], work[DY + j] = dx if takes_part else 0.0, dy if takes_part else 0.0
        work[AX + j], work[AY + j] = ax if takes_part else gx, ay if takes_part else gy
        work[TAKES + j] = 1.0 if takes_part else 0.0
        work[SLOW_SAMPLE + j] = 1.0 if kept & ((ax != ax) | (ay != ay)) else 0.0


@scalar
def filled(count: int) -> int:
    """Return the number of samples, rounded up to whole blocks of four."""
    return (count + 3) // 4 * 4


@part
def _place_samples(work: Any, count: int, x: Margin, y: Margin, smallest: float, width: float) -> None:
    """Set cells and weights of all points; `width` is that of the map with its margin."""
    for j in range(np.uint64((filled(count) + 1) * CHUNK)):
        m, hx, fx, slow_x = _place(work[AX + j], x, smallest)
        n, hy, fy, slow_y = _place(work[AY + j], y, smallest)
        slow = slow_x | slow_y
        work[CELL + j] = 0.0 if slow else (n + BEFORE) * width + (m + BEFORE)
        work[W00 + j], work[W01 + j], work[W10 + j], work[W11 + j] = hx * hy, fx * hy, hx * fy, fx * fy
        work[SLOW_SAMPLE + j] = 1.0 if slow else work[SLOW_SAMPLE + j]


@scalar
def _four(a0: float, b0: float, a1: float, b1: float, a2: float, b2: float, a3: float, b3: float) -> float:
    """Return the sum of four products."""
    total: float = fused_multiply_add(a1, b1, a0 * b0) + fused_multiply_add(a3, b3, a2 * b2)
    return total


@part
def _fit(work: Any, count: int, squares: LeastSquares) -> None:
    """Compute (linearized.1) to (linearized.4): p and t replace the offsets."""
    ex, ey, e1 = squares.ex, squares.ey, squares.e1
    for lane in range(PIXELS):
        work[CX + lane], work[CY + lane], work[CXX + lane], work[CXY + lane] = 0.0, 0.0, 0.0, 0.0
        work[CYY + lane], work[D + lane] = 0.0, 0.0
        work[M + lane], work[SLOW + lane] = e1, work[SLOW_SAMPLE + lane]
        work[LOST_X + lane], work[LOST_Y + lane], work[LOST + lane] = 0.0, 0.0, 0.0
    for k in range(1, count + 1, 4):
        k0 = np.uint64(k * CHUNK)
        k1, k2, k3 = k0 + PIXELS, k0 + TWO * PIXELS, k0 + THREE * PIXELS
        for j in range(PIXELS):
            x = (work[DX + k0 + j] + work[DX + k1 + j]) + (work[DX + k2 + j] + work[DX + k3 + j])
            y = (work[DY + k0 + j] + work[DY + k1 + j]) + (work[DY + k2 + j] + work[DY + k3 + j])
            work[CX + j], lost_x = two_sum(work[CX + j], x)  # (linearized.1)
            work[CY + j], lost_y = two_sum(work[CY + j], y)  # (linearized.1)
            work[LOST_X + j] += lost_x
            work[LOST_Y + j] += lost_y
            work[M + j] += (work[TAKES + k0 + j] + work[TAKES + k1 + j]) + (work[TAKES + k2 + j] + work[TAKES + k3 + j])
            work[SLOW + j] += (work[SLOW_SAMPLE + k0 + j] + work[SLOW_SAMPLE + k1 + j]) + (
                work[SLOW_SAMPLE + k2 + j] + work[SLOW_SAMPLE + k3 + j]
            )
    for j in range(PIXELS):
        m = work[M + j]
        work[CX + j] = (work[CX + j] + work[LOST_X + j]) / m  # (linearized.1)
        work[CY + j] = (work[CY + j] + work[LOST_Y + j]) / m  # (linearized.1)
        work[LOST_X + j], work[LOST_Y + j] = 0.0, 0.0
    if math.isinf(e1):
        e1 = 0.0  # (linearized.13): M is infinite, and quotients by it are 0
    for k in range(1, filled(count) + 1):
        at = np.uint64(k * CHUNK)
        for j in range(PIXELS):
            takes_part = work[TAKES + at + j]
            work[DX + at + j] = (work[DX + at + j] - work[CX + j]) * takes_part  # (linearized.1): p
            work[DY + at + j] = (work[DY + at + j] - work[CY + j]) * takes_part  # (linearized.1): q
    for k in range(1, count + 1, 4):
        k0 = np.uint64(k * CHUNK)
        k1, k2, k3 = k0 + PIXELS, k0 + TWO * PIXELS, k0 + THREE * PIXELS
        for j in range(PIXELS):
            p0, p1, p2, p3 = work[DX + k0 + j], work[DX + k1 + j], work[DX + k2 + j], work[DX + k3 + j]
            q0, q1, q2, q3 = work[DY + k0 + j], work[DY + k1 + j], work[DY + k2 + j], work[DY + k3 + j]
            work[CXX + j], lost_x = two_sum(work[CXX + j], _four(p0, p0, p1, p1, p2, p2, p3, p3))  # (linearized.2)
            work[CXY + j], lost_y = two_sum(work[CXY + j], _four(p0, q0, p1, q1, p2, q2, p3, q3))  # (linearized.2)
            work[CYY + j] += _four(q0, q0, q1, q1, q2, q2, q3, q3)  # for a comparison only
            work[LOST_X + j] += lost_x
            work[LOST_Y + j] += lost_y
    for j in range(PIXELS):
        cx, cy = work[CX + j], work[CY + j]
        cxx = (work[CXX + j] + work[LOST_X + j]) + (e1 * cx * cx + ex)  # (linearized.2)
        r = ((work[CXY + j] + work[LOST_Y + j]) + e1 * cx * cy) / cxx  # (linearized.2), (linearized.3)
        work[CYY + j] += e1 * cy * cy + ey
        work[CXX + j], work[R + j], work[Z + j] = cxx, r, cy - r * cx  # (linearized.3)
    for k in range(1, filled(count) + 1):
        at = np.uint64(k * CHUNK)
        for j in range(PIXELS):
            work[DY + at + j] -= work[R + j] * work[DX + at + j]  # (linearized.3): t
    for k in range(1, count + 1, 4):
        k0 = np.uint64(k * CHUNK)
        k1, k2, k3 = k0 + PIXELS, k0 + TWO * PIXELS, k0 + THREE * PIXELS
        for j in range(PIXELS):
            t0, t1, t2, t3 = work[DY + k0 + j], work[DY + k1 + j], work[DY + k2 + j], work[DY + k3 + j]
            work[D + j], lost = two_sum(work[D + j], _four(t0, t0, t1, t1, t2, t2, t3, t3))  # (linearized.4)
            work[LOST + j] += lost
    for j in range(PIXELS):
        r, z = work[R + j], work[Z + j]
        d = (work[D + j] + work[LOST + j]) + (e1 * z * z + r * r * ex + ey)  # (linearized.4)
        determined = is_determined(work[CXX + j], work[CYY + j], d)
        work[SLOW + j] = work[SLOW + j] if determined else 1.0
        work[M + j], work[CXX + j], work[D + j] = 1.0 / work[M + j], 1.0 / work[CXX + j], 1.0 / d


@part
def _read(work: Any, count: int, map: Flat, first: Any) -> None:
    """Read the samples of a channel, given the position of its first number."""
    numbers, pixel, row = map.numbers, map.pixel, map.row
    for k in range(filled(count) + 1):
        at = np.uint64(k * CHUNK)
        for lane in range(PIXELS):
            j = at + lane
            n = first + np.uint64(work[CELL + j]) * pixel
            top = numbers[n] * work[W00 + j] + numbers[n + pixel] * work[W01 + j]
            n += row
            bottom = numbers[n] * work[W10 + j] + numbers[n + pixel] * work[W11 + j]
            work[VALUE + j] = top + bottom  # (bilinear.2)


@scalar
def _plane(s: float, sp: float, st: float, by: Factors) -> tuple[float, float, float]:
    """Return b, a_x and a_y (LMS 7)."""
    y, x = st * by.d, sp * by.cxx  # (chunks.2)
    return s * by.m - by.cx * x - by.z * y, x - by.r * y, y  # (chunks.2)


@part
def _planes_of_channel(scratch: Scratch, count: int, squares: LeastSquares, c: int, channels: Any) -> None:
    """Compute the planes of a chunk from the samples of one channel."""
    work, found = scratch.work, scratch.found
    half_x, half_y, intercept = squares.half_x, squares.half_y, squares.intercept
    for j in range(PIXELS):
        work[CXY + j], work[LOST_X + j], work[LOST_Y + j] = 0.0, 0.0, 0.0
    for k in range(1, count + 1, 4):
        k0 = np.uint64(k * CHUNK)
        k1, k2, k3 = k0 + PIXELS, k0 + TWO * PIXELS, k0 + THREE * PIXELS
        for j in range(PIXELS):
            v = work[VALUE + j]
            y0, y1 = work[VALUE + k0 + j] - v, work[VALUE + k1 + j] - v  # (LMS 5)
            y2, y3 = work[VALUE + k2 + j] - v, work[VALUE + k3 + j] - v
            p0, p1, p2, p3 = work[DX + k0 + j], work[DX + k1 + j], work[DX + k2 + j], work[DX + k3 + j]
            t0, t1, t2, t3 = work[DY + k0 + j], work[DY + k1 + j], work[DY + k2 + j], work[DY + k3 + j]
            work[CXY + j] += (y0 + y1) + (y2 + y3)  # (chunks.1): S
            work[LOST_X + j] += _four(p0, y0, p1, y1, p2, y2, p3, y3)  # (chunks.1): S_p
            work[LOST_Y + j] += _four(t0, y0, t1, y1, t2, y2, t3, y3)  # (chunks.1): S_t
    at = np.uint64(c * CHUNK)
    at_x, at_y = at + channels * PIXELS, at + TWO * channels * PIXELS
    for j in range(PIXELS):
        by = Factors(work[M + j], work[CX + j], work[CXX + j], work[R + j], work[Z + j], work[D + j])
        b, x, y = _plane(work[CXY + j], work[LOST_X + j], work[LOST_Y + j], by)  # (LMS 7)
        found[at + j] = work[VALUE + j] + b if intercept else work[VALUE + j]  # (LMS 2), at x = x_i
        found[at_x + j], found[at_y + j] = x * half_x, y * half_y


@part
def _planes_of_pixel(scratch: Scratch, lane: Any, count: int, squares: LeastSquares, map: Flat, first: Any) -> None:
    """Read the samples of all channels of one pixel, and compute its planes."""
    work, near, found = scratch.work, scratch.near, scratch.found
    numbers, channels, row = map.numbers, map.pixel, map.row
    half_x, half_y, intercept = squares.half_x, squares.half_y, squares.intercept
    for k in range(filled(count) + 1):
        j, at = lane + np.uint64(k * CHUNK), np.uint64(k) * channels
        w00, w01, w10, w11 = work[W00 + j], work[W01 + j], work[W10 + j], work[W11 + j]
        n00 = first + np.uint64(work[CELL + j]) * channels
        n01, n10, n11 = n00 + channels, n00 + row, n00 + row + channels
        for c in range(channels):
            top = numbers[n00 + c] * w00 + numbers[n01 + c] * w01
            near[at + c] = top + (numbers[n10 + c] * w10 + numbers[n11 + c] * w11)  # (bilinear.2)
    s = np.uint64(filled(count) + 1) * channels
    sp, st = s + channels, s + TWO * channels
    for c in range(THREE * channels):
        near[s + c] = 0.0
    for k in range(1, count + 1, 4):
        k0 = np.uint64(k) * channels
        k1, k2, k3 = k0 + channels, k0 + TWO * channels, k0 + THREE * channels
        j0 = lane + np.uint64(k * CHUNK)
        j1, j2, j3 = j0 + PIXELS, j0 + TWO * PIXELS, j0 + THREE * PIXELS
        p0, p1, p2, p3 = work[DX + j0], work[DX + j1], work[DX + j2], work[DX + j3]
        t0, t1, t2, t3 = work[DY + j0], work[DY + j1], work[DY + j2], work[DY + j3]
        for c in range(channels):
            v = near[c]
            y0, y1, y2, y3 = near[k0 + c] - v, near[k1 + c] - v, near[k2 + c] - v, near[k3 + c] - v  # (LMS 5)
            near[s + c] += (y0 + y1) + (y2 + y3)  # (chunks.1): S
            near[sp + c] += _four(p0, y0, p1, y1, p2, y2, p3, y3)  # (chunks.1): S_p
            near[st + c] += _four(t0, y0, t1, y1, t2, y2, t3, y3)  # (chunks.1): S_t
    by = Factors(work[M + lane], work[CX + lane], work[CXX + lane], work[R + lane], work[Z + lane], work[D + lane])
    at_x, at_y = lane + channels * PIXELS, lane + TWO * channels * PIXELS
    for c in range(channels):
        b, x, y = _plane(near[s + c], near[sp + c], near[st + c], by)  # (LMS 7)
        found[lane + c * PIXELS] = near[c] + b if intercept else near[c]  # (LMS 2), at x = x_i
        found[at_x + c * PIXELS], found[at_y + c * PIXELS] = x * half_x, y * half_y


@kernel
def planes_of_chunks(
    start: int, stop: int, input: Any, surrounded: Any, squares: LeastSquares, value: Any, slopes: Any
) -> None:
    """Do the same as `kernels.planes` for the chunks start to stop of all images."""
    _, channels, pixels = value.shape
    _, rows, columns, _ = surrounded.shape
    _, _, height, width = input.shape
    count = squares.auxiliary.shape[2]
    work, near = np.empty(SIZE), np.empty((filled(count) + 4) * channels)
    found = np.empty(3 * channels * CHUNK)
    scratch = Scratch(work, near, found)
    axes = axes_of(height, width, squares.rules.align_corners, work)
    x, y = with_margin(axes.x, squares.rules.padding), with_margin(axes.y, squares.rules.padding)
    step = np.uint64(channels)
    map = Flat(surrounded.reshape(surrounded.size), step, np.uint64(columns * channels))
    chunks = -(-pixels // CHUNK)
    for q in range(start, stop):
        b, first = q // chunks, q % chunks * CHUNK
        _load(work, squares, b, first)
        _offset(work, count, squares)
        _place_samples(work, count, x, y, axes.smallest, columns)
        _fit(work, count, squares)
        image = np.uint64(b * rows * columns * channels)
        if channels < FEW:
            for c in range(channels):
                _read(work, count, map, image + np.uint64(c))
                _planes_of_channel(scratch, count, squares, c, step)
        else:
            for lane in range(PIXELS):
                _planes_of_pixel(scratch, lane, count, squares, map, image)
        here = min(CHUNK, pixels - first)
        for c in range(channels):
            for lane in range(here):
                result = found[c * CHUNK + lane]
                value[b, c, first + lane] = result
                work[SLOW + np.uint64(lane)] += 0.0 if math.isfinite(result) else 1.0
        for k in range(slopes.shape[1]):
            for c in range(channels):
                for lane in range(here):
                    result = found[((1 + k) * channels + c) * CHUNK + lane]
                    slopes[b, k, c, first + lane] = result
                    work[SLOW + np.uint64(lane)] += 0.0 if math.isfinite(result) else 1.0
        for lane in range(here):
            if work[SLOW + np.uint64(lane)] != 0.0:
                plane_of_pixel(input, squares, b, first + lane, value, slopes)
