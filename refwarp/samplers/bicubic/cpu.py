"""The windows of many samples at once, for bicubic sampling on the CPU, in loops that compile to vector instructions.

A chunk of samples is placed without branches, in the dtype of the data, by (cells.1) and (cells.2): f and h are correct
to one rounding. Every sample reads 4 x 4 neighbouring pixels. Where its window is not wholly inside the map, those are
the nearest, and the weights of the window are shifted and added up as the padding has it: a pixel that stands at
several places of the window has the sum of their weights. Reflection mirrors the coordinate first, which leaves the
window's pixels as they are, for the mirrored map is its own mirror image.

What asks for more is marked for the slow path: coordinates that are not finite, and weights so small that products
of them might underflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import kernel, part, scalar
from refwarp.conventions import BORDER, REFLECTION, ZEROS, coordinate_scale
from refwarp.samplers.bicubic.kernels import A, Four, sample_gradient, sample_values, scatter_sample
from refwarp.samplers.bicubic.vectors import add_window, scatter_window, sum_columns
from refwarp.samplers.placement import is_exact, mirrored, needs_slow_path, place_axis

# Samples that are placed together: what is known of them stays in the first-level cache.
CHUNK = 64
# Where sums of gradients lie, and what roundings left out of them.
_Y, _LOST_X, _LOST_Y = (np.uint64(CHUNK * k) for k in (1, 2, 3))
# Channels whose windows are added up without compensation.
_BLOCK = 4
# Numbers that a thread of the backward pass keeps at a time, unless one plane is larger.
_SCRATCH = 1 << 16
# Indices are unsigned, for signed ones are tested for counting from the end, and loops with tests stay scalar.
ONE, TWO, THREE, FOUR, SIXTEEN = (np.uint64(k) for k in (1, 2, 3, 4, 16))
# What is known of a chunk's samples lies in one array: four weights for each, of columns, of rows, and their slopes.
COLUMNS, ROWS, COLUMN_SLOPES, ROW_SLOPES = (np.uint64(4 * CHUNK * k) for k in range(4))


def takes_windows(height: int, width: int) -> bool:
    """Tell whether a map can be sampled in chunks: it holds a window, and is exact."""
    return min(height, width) >= 4 and is_exact(height, width)


@scalar
def _weights(f: float, h: float, one: float, a: float) -> Four:
    """Return the weights of the pixels n - 1 to n + 2 (bicubic.2)."""
    b = -(a + one + one)
    left = h * fused_multiply_add(f, fused_multiply_add(b, f, one), one)
    right = f * fused_multiply_add(h, fused_multiply_add(b, h, one), one)
    return (a * f) * (h * h), left, right, (a * h) * (f * f)


@scalar
def _slopes(f: float, h: float, sign: float, one: float, a: float) -> Four:
    """Return the derivatives of the weights (bicubic.3), times the mirror's sign."""
    two = one + one
    inner, outer = (two + one) * (a + two), two * (a + two + one)
    a = sign * a
    left = sign * f * fused_multiply_add(inner, f, -outer)
    right = sign * h * fused_multiply_add(inner, h, -outer)
    return a * h * fused_multiply_add(-two, f, h), left, -right, -a * f * fused_multiply_add(-two, h, f)


@scalar
def _first_two(
    w0: float, w1: float, w2: float, w3: float, whole: float, shift: float, one: float, padding: int, seam: bool
) -> tuple[float, float]:
    """Return the weights of the first two pixels that are read, `shift` pixels after the window's first.

    A pixel before the map has its weight added to the pixel that stands there: none with zeros, the first with border,
    the mirror image with reflection, about the first pixel (a seam) or its outer edge. `whole` is the exact sum of all.
    """
    zero, two = one - one, one + one
    three = two + one
    p1, p2, p3, p4, q, r1, r2 = w1, w2, w3, zero, zero, w2, w3
    if padding == BORDER:
        p1 = w0 + w1
        p2, p3, p4 = p1 + w2, whole, whole
    elif padding == REFLECTION:
        p1, p2, p3 = (w1, w2, zero) if seam else (w0 + w1, w1 + w2, zero)
        q, r1, r2 = (w3, w0 + w2, w1 + w3) if seam else (zero, w2, w0 + w3)
    first = w0 if shift == zero else p1 if shift == one else p2 if shift == two else p3 if shift == three else zero
    first = p4 if shift > three else first
    second = w1 if shift == zero else r1 if shift == one else r2 if shift == two else zero
    second = w0 if shift == -one else q if shift == -two else second
    return first, second


@scalar
def _four(w: Four, whole: float, shift: float, one: float, padding: int, seam: bool) -> Four:
    """Return the weights of the four pixels that are read."""
    w0, w1, w2, w3 = w
    first, second = _first_two(w0, w1, w2, w3, whole, shift, one, padding, seam)
    fourth, third = _first_two(w3, w2, w1, w0, whole, -shift, one, padding, seam)
    return first, second, third, fourth


@scalar
def _start(n: float, last: float, one: float) -> float:
    """Return the first of the four pixels that a sample in the cell n reads."""
    zero, first = one - one, n - one
    first = first if first > zero else zero
    end = last - (one + one + one)
    return first if first < end else end


@part
def _place(
    coordinates: Any,
    at: Any,
    count: Any,
    known: Any,
    padding: int,
    seam: bool,
    slopes: bool,
    weights: Any,
    cells: Any,
    care: Any,
) -> bool:
    """Do what `place_windows` does, for a padding and a choice of slopes that the compiler knows."""
    sx, odd_x, centre_x, last_x, limit_x = known[0], known[1], known[2], known[3], known[4]
    sy, odd_y, centre_y, last_y, limit_y = known[5], known[6], known[7], known[8], known[9]
    one, smallest, a = known[10], known[11], known.dtype.type(A)
    zero, width = one - one, np.int32(last_x) + np.int32(1)
    careful = False
    for j in range(count):
        gx, gy = coordinates[at + TWO * j], coordinates[at + TWO * j + ONE]
        sign_x, sign_y = one, one
        if padding == REFLECTION:
            gx, sign_x = mirrored(gx, one)
            gy, sign_y = mirrored(gy, one)
        m, hx, fx = place_axis(gx, sx, odd_x, centre_x, limit_x, one)
        n, hy, fy = place_axis(gy, sy, odd_y, centre_y, limit_y, one)
        column, row = _start(m, last_x, one), _start(n, last_y, one)
        shift_x, shift_y = column - (m - one), row - (n - one)
        if slopes:
            dx, dy = _slopes(fx, hx, sign_x, one, a), _slopes(fy, hy, sign_y, one, a)
            _write(_four(dx, zero, shift_x, one, padding, seam), weights, COLUMN_SLOPES + FOUR * j)
            _write(_four(dy, zero, shift_y, one, padding, seam), weights, ROW_SLOPES + FOUR * j)
            continue
        _write(_four(_weights(fx, hx, one, a), one, shift_x, one, padding, seam), weights, COLUMNS + FOUR * j)
        _write(_four(_weights(fy, hy, one, a), one, shift_y, one, padding, seam), weights, ROWS + FOUR * j)
        strange = needs_slow_path(hx, fx, hy, fy, smallest, one, True)
        column, row = zero if strange else column, zero if strange else row
        cells[j] = np.int32(row) * width + np.int32(column)
        care[j] = np.int32(strange)
        careful |= strange
    return careful


@part
def _write(w: Four, weights: Any, at: Any) -> None:
    weights[at], weights[at + ONE], weights[at + TWO], weights[at + THREE] = w


@part
def place_windows(
    coordinates: Any,
    at: Any,
    count: Any,
    known: Any,
    padding: int,
    seam: bool,
    slopes: bool,
    weights: Any,
    cells: Any,
    care: Any,
) -> bool:
    """Place the samples at..at + count, and tell whether some ask for care.

    Each has its first pixel in `cells`, and in `weights` those of its columns and rows; or, with `slopes`, nothing but
    theirs. `seam` tells whether a mirror stands on the centre of a pixel: that is align_corners.
    """
    if padding == ZEROS:
        careful = _place(coordinates, at, count, known, ZEROS, seam, slopes, weights, cells, care)
    elif padding == BORDER:
        careful = _place(coordinates, at, count, known, BORDER, seam, slopes, weights, cells, care)
    else:
        careful = _place(coordinates, at, count, known, REFLECTION, seam, slopes, weights, cells, care)
    return careful


@kernel
def forward(
    start: int, stop: int, input: Any, grid: Any, known: Any, align_corners: bool, padding: int, out: Any
) -> None:
    """Compute (bicubic.1) for the chunks start to stop of the samples of all images."""
    _, channels, height, width = input.shape
    samples, pixels, row, one_row = grid.shape[1] * grid.shape[2], height * width, np.uint64(width), grid.shape[2]
    map, coordinates, result = input.reshape(input.size), grid.reshape(grid.size), out.reshape(out.size)
    cells, care = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
    weights, columns = np.empty(8 * CHUNK, input.dtype), np.empty(4 * CHUNK, input.dtype)
    chunks = -(-samples // CHUNK)
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count, point = np.uint64(min(CHUNK, samples - first)), np.uint64(2 * (b * samples + first))
        careful = place_windows(coordinates, point, count, known, padding, align_corners, False, weights, cells, care)
        for c in range(channels):
            plane, at = np.uint64((b * channels + c) * pixels), np.uint64((b * channels + c) * samples + first)
            for j in range(count):
                start_of_window = plane + np.uint64(np.uint32(cells[j]))
                sum_columns(map, start_of_window, row, weights, ROWS + FOUR * j, columns, FOUR * j)
            strange = np.int32(0)
            for j in range(count):
                value = _weighted(weights, COLUMNS + FOUR * j, columns, FOUR * j)
                result[at + j] = value  # (bicubic.1)
                strange += np.int32(not value - value == value * 0)
            if strange:
                for j in range(count):
                    care[j] |= not np.isfinite(result[at + j])
                careful = True
        if careful:
            for j in range(count):
                if care[j]:
                    i = first + np.int64(j)
                    sample_values(input, grid, b, i // one_row, i % one_row, align_corners, padding, out)


@kernel
def backward_grid(
    start: int,
    stop: int,
    gout: Any,
    input: Any,
    grid: Any,
    known: Any,
    align_corners: bool,
    padding: int,
    ggrid: Any,
) -> None:
    """Compute (bicubic.6) for the chunks start to stop of the samples of all images.

    The windows of a few channels are added up, times gout, before slopes and weights multiply them.
    """
    _, channels, height, width = input.shape
    samples, pixels, row, one_row = grid.shape[1] * grid.shape[2], height * width, np.uint64(width), grid.shape[2]
    map, coordinates = input.reshape(input.size), grid.reshape(grid.size)
    given, result = gout.reshape(gout.size), ggrid.reshape(ggrid.size)
    half_sx, half_sy = 0.5 * coordinate_scale(width, align_corners), 0.5 * coordinate_scale(height, align_corners)
    cells, care = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
    weights, sums, totals = np.empty(16 * CHUNK, input.dtype), np.empty(16 * CHUNK), np.empty(4 * CHUNK)
    values, slopes = np.empty(4 * CHUNK), np.empty(4 * CHUNK)
    chunks = -(-samples // CHUNK)
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count, point = np.uint64(min(CHUNK, samples - first)), np.uint64(2 * (b * samples + first))
        careful = np.int32(
            place_windows(coordinates, point, count, known, padding, align_corners, False, weights, cells, care)
        )
        place_windows(coordinates, point, count, known, padding, align_corners, True, weights, cells, care)
        totals[:] = 0.0
        for block in range(0, channels, _BLOCK):
            sums[:] = 0.0
            for c in range(block, min(block + _BLOCK, channels)):
                plane, at = np.uint64((b * channels + c) * pixels), np.uint64((b * channels + c) * samples + first)
                for j in range(count):
                    start_of_window = plane + np.uint64(np.uint32(cells[j]))
                    add_window(map, start_of_window, row, np.float64(given[at + j]), sums, SIXTEEN * j)
            for j in range(count):
                sum_columns(sums, SIXTEEN * j, FOUR, weights, ROWS + FOUR * j, values, FOUR * j)
                sum_columns(sums, SIXTEEN * j, FOUR, weights, ROW_SLOPES + FOUR * j, slopes, FOUR * j)
            for j in range(count):
                along_x = _weighted(weights, COLUMN_SLOPES + FOUR * j, values, FOUR * j)  # (bicubic.6)
                along_y = _weighted(weights, COLUMNS + FOUR * j, slopes, FOUR * j)
                totals[j], lost_x = two_sum(totals[j], along_x)
                totals[_Y + j], lost_y = two_sum(totals[_Y + j], along_y)
                totals[_LOST_X + j] += lost_x
                totals[_LOST_Y + j] += lost_y
        for j in range(count):
            x = (totals[j] + totals[_LOST_X + j]) * half_sx
            y = (totals[_Y + j] + totals[_LOST_Y + j]) * half_sy
            result[point + TWO * j], result[point + TWO * j + ONE] = x, y
            undoubted = (x - x == 0.0) & (y - y == 0.0)
            care[j] |= np.int32(not undoubted)
            careful += care[j]
        if careful:
            for j in range(count):
                if care[j]:
                    i = first + np.int64(j)
                    sample_gradient(gout, input, grid, b, i // one_row, i % one_row, align_corners, padding, ggrid)


@part
def _weighted(weights: Any, at: Any, numbers: Any, k: Any) -> Any:
    """Return the sum of four numbers times four weights."""
    left = numbers[k] * weights[at] + numbers[k + ONE] * weights[at + ONE]
    return left + (numbers[k + TWO] * weights[at + TWO] + numbers[k + THREE] * weights[at + THREE])


@kernel
def backward_input(
    start: int, stop: int, gout: Any, grid: Any, known: Any, align_corners: bool, padding: int, ginput: Any
) -> None:
    """Compute (bicubic.5) for the planes start to stop; each is summed by one thread, in the order of the samples.

    Sums of float32 run in float64, whose roundings are of no weight; those of float64 keep what roundings leave out in
    the result's own memory, until both are joined.
    """
    _, channels, height, width = ginput.shape
    samples, pixels, row = grid.shape[1] * grid.shape[2], height * width, np.uint64(width)
    given, coordinates, result = gout.reshape(gout.size), grid.reshape(grid.size), ginput.reshape(ginput.size)
    cells, care = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
    weights = np.empty(8 * CHUNK, ginput.dtype)
    group = min(max(1, _SCRATCH // pixels), channels)
    sums = np.empty(group * pixels)
    p = start
    while p < stop:
        b = p // channels
        end = min(p + group, stop, (b + 1) * channels)
        sums[: (end - p) * pixels] = 0.0
        result[p * pixels : end * pixels] = 0.0
        for first in range(0, samples, CHUNK):
            count, point = np.uint64(min(CHUNK, samples - first)), np.uint64(2 * (b * samples + first))
            place_windows(coordinates, point, count, known, padding, align_corners, False, weights, cells, care)
            for q in range(p, end):
                at, plane, to = np.uint64(q * samples + first), np.uint64(q * pixels), np.uint64((q - p) * pixels)
                for j in range(count):
                    g = np.float64(given[at + j])
                    if care[j] or not np.isfinite(g):
                        k = point + TWO * j
                        gx, gy = np.float64(coordinates[k]), np.float64(coordinates[k + ONE])
                        options = False, height, width, align_corners, padding
                        scatter_sample(g, gx, gy, 0.0, 0.0, *options, sums, (q - p) * pixels, result, q * pixels)
                        continue
                    k = np.uint64(np.uint32(cells[j]))
                    rows, columns = ROWS + FOUR * j, COLUMNS + FOUR * j
                    scatter_window(g, weights, rows, columns, sums, to + k, row, result, plane + k)  # (bicubic.5)
        at = np.uint64(p * pixels)
        for i in range(np.uint64((end - p) * pixels)):
            result[at + i] = compensated(sums[i], result[at + i]) if ginput.itemsize == 8 else sums[i]
        p = end
