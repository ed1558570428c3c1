"""Bicubic sampling on the CPU: the windows of many samples at once, in loops that compile to vector instructions.

A chunk of samples is placed without branches, in the dtype of the data, as in `placement`: f and h are rounded once.
Every sample reads 4 x 4 neighbouring pixels. Where its window is not entirely inside the map, the nearest 4 x 4 pixels
are read, and the weights of the window are shifted and added according to the padding: a pixel that occurs several
times in the window has the sum of their weights. Reflection mirrors the coordinate first, which does not change the
pixels of the window, since the mirrored map is its own mirror image.

Samples that need the slow path, `kernels`, are marked: those whose coordinates are not finite, and those with weights
so small that products of them might underflow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import kernel, part, scalar
from refwarp.conventions import BORDER, REFLECTION, ZEROS, Rules, Size, coordinate_scale
from refwarp.samplers.bicubic.kernels import A, Change, Four, sample_gradient, sample_values, scatter_sample
from refwarp.samplers.bicubic.vectors import WeightPlaces, Window, add_window, scatter_window, sum_columns
from refwarp.samplers.placement import FOUR, ONE, THREE, TWO, Axes, axes_of, is_exact, needs_slow_path, place_padded

# Samples that are placed together: their data stay in the first-level cache.
CHUNK = 64
# Where the sums of gradients are, and their rounding errors.
_Y, _LOST_X, _LOST_Y = (np.uint64(CHUNK * k) for k in (1, 2, 3))
# Channels whose windows are added up without compensation.
_BLOCK = 4
# Numbers that a thread of the backward pass keeps at a time, unless one plane is larger.
_SCRATCH = 1 << 16
_SIXTEEN = np.uint64(16)
# The weights of a chunk lie in one array: four for each sample, of columns, of rows, and their slopes.
_COLUMNS, _ROWS, _COLUMN_SLOPES, _ROW_SLOPES = (np.uint64(4 * CHUNK * k) for k in range(4))


class ChunkWindows(NamedTuple):
    """What is known of a chunk's samples."""

    cells: Any  # each window's first pixel
    weights: Any
    slow: Any  # whether it needs the slow path


def holds_windows(height: int, width: int) -> bool:
    """Return whether windows of a map can be read in chunks: it is large enough, and its coordinates are exact."""
    return min(height, width) >= 4 and is_exact(height, width)


@scalar
def _weights(f: float, h: float, one: float, a: float) -> Four:
    """Return the weights of the pixels n - 1 to n + 2."""
    b = -(a + one + one)
    left = h * fused_multiply_add(f, fused_multiply_add(b, f, one), one)
    right = f * fused_multiply_add(h, fused_multiply_add(b, h, one), one)
    return (a * f) * (h * h), left, right, (a * h) * (f * f)  # (bicubic.2)


@scalar
def _slopes(f: float, h: float, sign: float, one: float, a: float) -> Four:
    """Return the derivatives of the weights, times the sign of the reflection."""
    two = one + one
    inner, outer = (two + one) * (a + two), two * (a + two + one)
    a = sign * a
    left = sign * f * fused_multiply_add(inner, f, -outer)
    right = sign * h * fused_multiply_add(inner, h, -outer)
    outermost = -a * f * fused_multiply_add(-two, h, f)
    return a * h * fused_multiply_add(-two, f, h), left, -right, outermost  # (bicubic.3)


@scalar
def _first_two(w: Four, whole: float, shift: float, one: float, padding: int, seam: bool) -> tuple[float, float]:
    """Return the weights of the first two pixels that are read, `shift` pixels after the window's first.

    The weight of a pixel before the map is added to the pixel that padding maps it to: none with zeros, the first with
    border, the mirror image with reflection, about the first pixel (a seam) or its outer edge. `whole` is the exact sum
    of all.
    """
    w0, w1, w2, w3 = w
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
    first, second = _first_two(w, whole, shift, one, padding, seam)
    fourth, third = _first_two((w3, w2, w1, w0), whole, -shift, one, padding, seam)
    return first, second, third, fourth


@scalar
def _start(n: float, last: float, one: float) -> float:
    """Return the first of the four pixels that a sample in the cell n reads."""
    zero, first = one - one, n - one
    first = first if first > zero else zero
    end = last - (one + one + one)
    return first if first < end else end


@part
def _write(w: Four, weights: Any, at: Any) -> None:
    weights[at], weights[at + ONE], weights[at + TWO], weights[at + THREE] = w


@part
def _write_windows(
    coordinates: Any, at: Any, count: Any, axes: Axes, rules: Rules, slopes: bool, windows: ChunkWindows
) -> bool:
    """Do what `place_windows` does, for a padding and a choice of slopes that the compiler knows."""
    x, y, one, smallest = axes.x, axes.y, axes.one, axes.smallest
    seam, padding = rules.align_corners, rules.padding  # with align_corners a mirror stands on the centre of a pixel
    cells, weights, slow = windows.cells, windows.weights, windows.slow
    a, zero, width = coordinates.dtype.type(A), one - one, np.int32(x.last) + np.int32(1)
    some_slow = False
    for j in range(count):
        m, hx, fx, sign_x = place_padded(coordinates[at + TWO * j], x, one, padding)
        n, hy, fy, sign_y = place_padded(coordinates[at + TWO * j + ONE], y, one, padding)
        column, row = _start(m, x.last, one), _start(n, y.last, one)
        shift_x, shift_y = column - (m - one), row - (n - one)
        if slopes:
            dx, dy = _slopes(fx, hx, sign_x, one, a), _slopes(fy, hy, sign_y, one, a)
            _write(_four(dx, zero, shift_x, one, padding, seam), weights, _COLUMN_SLOPES + FOUR * j)
            _write(_four(dy, zero, shift_y, one, padding, seam), weights, _ROW_SLOPES + FOUR * j)
            continue
        _write(_four(_weights(fx, hx, one, a), one, shift_x, one, padding, seam), weights, _COLUMNS + FOUR * j)
        _write(_four(_weights(fy, hy, one, a), one, shift_y, one, padding, seam), weights, _ROWS + FOUR * j)
        slowly = needs_slow_path(hx, fx, hy, fy, smallest, one, True)
        column, row = zero if slowly else column, zero if slowly else row
        cells[j] = np.int32(row) * width + np.int32(column)
        slow[j] = np.int32(slowly)
        some_slow |= slowly
    return some_slow


@part
def place_windows(
    coordinates: Any, at: Any, count: Any, axes: Axes, rules: Rules, slopes: bool, windows: ChunkWindows
) -> bool:
    """Place the samples at..at + count, and return whether some need the slow path.

    The first pixel of each is in `cells`, the weights of its columns and rows in `weights`; with `slopes`, their slopes
    instead.
    """
    # A loop for each padding: with a constant, it has no branch.
    corners, kink = rules.align_corners, rules.kink
    if rules.padding == ZEROS:
        some_slow = _write_windows(coordinates, at, count, axes, Rules(corners, ZEROS, kink), slopes, windows)
    elif rules.padding == BORDER:
        some_slow = _write_windows(coordinates, at, count, axes, Rules(corners, BORDER, kink), slopes, windows)
    else:
        some_slow = _write_windows(coordinates, at, count, axes, Rules(corners, REFLECTION, kink), slopes, windows)
    return some_slow


@part
def _new_windows(numbers: int, grid: Any) -> ChunkWindows:
    """Return the arrays of a chunk, with so many numbers of each sample, in the dtype of the grid."""
    return ChunkWindows(np.empty(CHUNK, np.int32), np.empty(numbers * CHUNK, grid.dtype), np.empty(CHUNK, np.int32))


@part
def _weighted(weights: Any, at: Any, numbers: Any, k: Any) -> Any:
    """Return the sum of four numbers times four weights."""
    left = numbers[k] * weights[at] + numbers[k + ONE] * weights[at + ONE]
    return left + (numbers[k + TWO] * weights[at + TWO] + numbers[k + THREE] * weights[at + THREE])


@kernel
def forward(start: int, stop: int, input: Any, grid: Any, rules: Rules, out: Any) -> None:
    """Compute (bicubic.1) for the chunks start to stop of the samples of all images."""
    _, channels, height, width = input.shape
    samples, pixels, row, one_row = grid.shape[1] * grid.shape[2], height * width, np.uint64(width), grid.shape[2]
    map, coordinates, result = input.reshape(input.size), grid.reshape(grid.size), out.reshape(out.size)
    axes, windows = axes_of(height, width, rules.align_corners, grid), _new_windows(8, grid)
    cells, weights, slow = windows.cells, windows.weights, windows.slow
    columns = np.empty(4 * CHUNK, input.dtype)
    chunks = -(-samples // CHUNK)
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count, point = np.uint64(min(CHUNK, samples - first)), np.uint64(2 * (b * samples + first))
        some_slow = place_windows(coordinates, point, count, axes, rules, False, windows)
        for c in range(channels):
            plane, at = np.uint64((b * channels + c) * pixels), np.uint64((b * channels + c) * samples + first)
            for j in range(count):
                window = Window(plane + np.uint64(np.uint32(cells[j])), row)
                sum_columns(map, window, weights, _ROWS + FOUR * j, columns, FOUR * j)  # (bicubic.1), down
            not_finite = np.int32(0)
            for j in range(count):
                value = _weighted(weights, _COLUMNS + FOUR * j, columns, FOUR * j)
                result[at + j] = value  # (bicubic.1)
                not_finite += np.int32(not value - value == value * 0)
            if not_finite:
                for j in range(count):
                    slow[j] |= not np.isfinite(result[at + j])
                some_slow = True
        if some_slow:
            for j in range(count):
                if slow[j]:
                    i = first + np.int64(j)
                    sample_values(b, i // one_row, i % one_row, input, grid, rules, out)


@kernel
def backward_grid(start: int, stop: int, gout: Any, input: Any, grid: Any, rules: Rules, ggrid: Any) -> None:
    """Compute (bicubic.6) for the chunks start to stop of the samples of all images.

    The windows of a few channels are added up, times gout, before slopes and weights multiply them.
    """
    _, channels, height, width = input.shape
    samples, pixels, row, one_row = grid.shape[1] * grid.shape[2], height * width, np.uint64(width), grid.shape[2]
    map, coordinates = input.reshape(input.size), grid.reshape(grid.size)
    given, result = gout.reshape(gout.size), ggrid.reshape(ggrid.size)
    half_sx = 0.5 * coordinate_scale(width, rules.align_corners)
    half_sy = 0.5 * coordinate_scale(height, rules.align_corners)
    axes, windows = axes_of(height, width, rules.align_corners, grid), _new_windows(16, grid)
    cells, weights, slow = windows.cells, windows.weights, windows.slow
    sums, totals = np.empty(16 * CHUNK), np.empty(4 * CHUNK)
    values, slopes = np.empty(4 * CHUNK), np.empty(4 * CHUNK)
    chunks = -(-samples // CHUNK)
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count, point = np.uint64(min(CHUNK, samples - first)), np.uint64(2 * (b * samples + first))
        some_slow = np.int32(place_windows(coordinates, point, count, axes, rules, False, windows))
        place_windows(coordinates, point, count, axes, rules, True, windows)
        totals[:] = 0.0
        for block in range(0, channels, _BLOCK):
            sums[:] = 0.0
            for c in range(block, min(block + _BLOCK, channels)):
                plane, at = np.uint64((b * channels + c) * pixels), np.uint64((b * channels + c) * samples + first)
                for j in range(count):
                    window = Window(plane + np.uint64(np.uint32(cells[j])), row)
                    add_window(map, window, np.float64(given[at + j]), sums, _SIXTEEN * j)  # (bicubic.6), gV U
            for j in range(count):
                window = Window(_SIXTEEN * j, FOUR)
                sum_columns(sums, window, weights, _ROWS + FOUR * j, values, FOUR * j)
                sum_columns(sums, window, weights, _ROW_SLOPES + FOUR * j, slopes, FOUR * j)
            for j in range(count):
                along_x = _weighted(weights, _COLUMN_SLOPES + FOUR * j, values, FOUR * j)  # (bicubic.6)
                along_y = _weighted(weights, _COLUMNS + FOUR * j, slopes, FOUR * j)  # (bicubic.6), in y
                totals[j], lost_x = two_sum(totals[j], along_x)
                totals[_Y + j], lost_y = two_sum(totals[_Y + j], along_y)
                totals[_LOST_X + j] += lost_x
                totals[_LOST_Y + j] += lost_y
        for j in range(count):
            x = (totals[j] + totals[_LOST_X + j]) * half_sx
            y = (totals[_Y + j] + totals[_LOST_Y + j]) * half_sy
            result[point + TWO * j], result[point + TWO * j + ONE] = x, y
            finite = (x - x == 0.0) & (y - y == 0.0)
            slow[j] |= np.int32(not finite)
            some_slow += slow[j]
        if some_slow:
            for j in range(count):
                if slow[j]:
                    i = first + np.int64(j)
                    sample_gradient(b, i // one_row, i % one_row, gout, input, grid, rules, ggrid)


@kernel
def backward_input(start: int, stop: int, gout: Any, grid: Any, rules: Rules, ginput: Any) -> None:
    """Compute (bicubic.5) for the planes start to stop; each is summed by one thread, in the order of the samples.

    Sums of float32 are computed in float64, whose rounding errors are negligible; those of float64 keep their rounding
    errors in the memory of the result, until both are added.
    """
    _, channels, height, width = ginput.shape
    samples, pixels, row = grid.shape[1] * grid.shape[2], height * width, np.uint64(width)
    given, coordinates, result = gout.reshape(gout.size), grid.reshape(grid.size), ginput.reshape(ginput.size)
    axes, windows = axes_of(height, width, rules.align_corners, grid), _new_windows(8, grid)
    cells, weights, slow = windows.cells, windows.weights, windows.slow
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
            place_windows(coordinates, point, count, axes, rules, False, windows)
            for q in range(p, end):
                at, plane, to = np.uint64(q * samples + first), np.uint64(q * pixels), np.uint64((q - p) * pixels)
                for j in range(count):
                    g = np.float64(given[at + j])
                    if slow[j] or not np.isfinite(g):
                        k, size = point + TWO * j, Size(height, width)
                        gx, gy = np.float64(coordinates[k]), np.float64(coordinates[k + ONE])
                        total, lost = (
                            sums[(q - p) * pixels : (q - p + 1) * pixels],
                            result[q * pixels : (q + 1) * pixels],
                        )
                        scatter_sample(g, (gx, gy), Change(False, 0.0, 0.0), size, rules, total, lost)
                        continue
                    k, places = np.uint64(np.uint32(cells[j])), WeightPlaces(_ROWS + FOUR * j, _COLUMNS + FOUR * j)
                    scatter_window(g, weights, places, sums, Window(to + k, row), result, plane + k)  # (bicubic.5)
        at = np.uint64(p * pixels)
        for i in range(np.uint64((end - p) * pixels)):
            result[at + i] = compensated(sums[i], result[at + i]) if ginput.itemsize == 8 else sums[i]
        p = end
