"""Nearest-pixel sampling on the CPU: a chunk of samples at once, in loops that compile to vector instructions.

A chunk is placed without branches, in the dtype of the data. First x = g s/2 + (W - 1)/2, one fused multiply-add, which
is within u W of the exact coordinate; if all samples of the chunk are farther than that from ties, the nearest integer
is the pixel. Otherwise all are placed again by (nearest.3) and (nearest.4).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import kernel, part, scalar
from refwarp.conventions import BORDER, REFLECTION, ZEROS, Rules
from refwarp.samplers.nearest.kernels import UP
from refwarp.samplers.placement import ONE, TWO, Axes, Axis, axes_of, clamped, mirrored

# Samples that are placed together. Indices are unsigned: signed ones are checked for counting from the end.
CHUNK = 256
# What a sample of a chunk reads: a pixel, nothing, or NaN.
_PIXEL, _NOTHING, _NAN = np.int32(0), np.int32(1), np.int32(2)
# Numbers that a thread of the backward pass keeps at a time, unless one plane is larger.
_SCRATCH = 1 << 14


# Scalars are computed in the dtype of their arguments, of which `one` is 1.


@scalar
def _nearest_pixel(g: float, axis: Axis, one: float, padding: int, up: bool) -> float:
    """Do the same as `kernels.nearest_pixel`, on an unbounded axis and without branches; NaN if undefined."""
    zero, two = one - one, one + one
    s, odd = two * axis.half_scale, two * axis.half_odd
    sign = one
    if padding == REFLECTION:
        g, sign = mirrored(g, one)
    g = clamped(g, axis.limit)
    k = np.floor((g * s + odd + one) / two)  # (nearest.3), or one more, where a rounding reached it
    above = fused_multiply_add(g, s, odd + one - two * k)  # (nearest.4)
    n: float = axis.centre + (k - one if above < zero else k)
    # Up refers to the original coordinate: where mirrored, it is down.
    down = sign < zero if up else n - two * np.floor(n / two) != zero
    return n - one if (above == zero) & down else n


@scalar
def _clamp(n: float, last: float, one: float) -> float:
    zero = one - one
    n = n if n > zero else zero
    return n if n < last else last


@part
def _round_chunk(coordinates: Any, at: Any, count: Any, axes: Axes, padding: int, cells: Any, reads: Any) -> Any:
    """Do what `_place_chunk` does, if no sample of the chunk is near a tie; else return a negative number."""
    x_axis, y_axis, one = axes.x, axes.y, axes.one
    two, last_x, last_y = one + one, x_axis.last, y_axis.last
    middle_x, middle_y, width = last_x / two, last_y / two, np.int32(last_x) + np.int32(1)
    unit = coordinates.dtype.type(2.0**-24 if coordinates.itemsize == 4 else 2.0**-53)
    clear = one / two - unit * (max(last_x, last_y) + one)  # x is within u W of the exact one
    outside, doubtful = np.int32(0), np.int32(0)
    for j in range(count):
        gx, gy = coordinates[at + TWO * j], coordinates[at + TWO * j + ONE]
        if padding == REFLECTION:
            gx, _ = mirrored(gx, one)
            gy, _ = mirrored(gy, one)
        x = fused_multiply_add(gx, x_axis.half_scale, middle_x)
        y = fused_multiply_add(gy, y_axis.half_scale, middle_y)
        m, n = np.rint(x), np.rint(y)
        doubtful += np.int32(not ((abs(x - m) < clear) & (abs(y - n) < clear)))
        column, row = _clamp(m, last_x, one), _clamp(n, last_y, one)
        cells[j] = np.int32(row) * width + np.int32(column)
        if padding == ZEROS:
            nothing = np.int32((column != m) | (row != n))
            reads[j] = nothing
            outside += nothing
    return np.int32(-1) if doubtful else outside


@part
def _place_exactly(
    coordinates: Any, at: Any, count: Any, axes: Axes, rules: Rules, ties: int, cells: Any, reads: Any
) -> Any:
    """Do what `_place_chunk` does, whatever the coordinates."""
    x_axis, y_axis, one = axes.x, axes.y, axes.one
    padding, up, last_x, last_y = rules.padding, ties == UP, x_axis.last, y_axis.last
    zero, width = one - one, np.int32(last_x) + np.int32(1)
    special = np.int32(0)
    for j in range(count):
        gx, gy = coordinates[at + TWO * j], coordinates[at + TWO * j + ONE]
        m, n = _nearest_pixel(gx, x_axis, one, padding, up), _nearest_pixel(gy, y_axis, one, padding, up)
        column, row = _clamp(m, last_x, one), _clamp(n, last_y, one)
        nothing = (padding == ZEROS) & ((column != m) | (row != n) | (gx - gx != zero) | (gy - gy != zero))
        undefined = (m != m) | (n != n)
        read = np.int32(nothing & (not undefined)) * _NOTHING + np.int32(undefined) * _NAN
        cells[j] = np.int32(row) * width + np.int32(column)
        reads[j] = read
        special += read
    return special


@part
def _place_chunk(
    coordinates: Any, at: Any, count: Any, axes: Axes, rules: Rules, ties: int, cells: Any, reads: Any
) -> Any:
    """Find the pixels of the samples at..at + count and what they read; return 0 if all read their pixel."""
    if rules.padding == ZEROS:
        special = _round_chunk(coordinates, at, count, axes, ZEROS, cells, reads)
    elif rules.padding == BORDER:
        special = _round_chunk(coordinates, at, count, axes, BORDER, cells, reads)
    else:
        special = _round_chunk(coordinates, at, count, axes, REFLECTION, cells, reads)
    if special < 0:
        special = _place_exactly(coordinates, at, count, axes, rules, ties, cells, reads)
    return special


@kernel
def forward(start: int, stop: int, input: Any, grid: Any, rules: Rules, ties: int, out: Any) -> None:
    """Compute (nearest.1) for the chunks start to stop of the samples of all images."""
    _, channels, height, width = input.shape
    samples, pixels = grid.shape[1] * grid.shape[2], height * width
    flat, coordinates, result = input.reshape(input.size), grid.reshape(grid.size), out.reshape(out.size)
    cells, reads = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
    axes = axes_of(height, width, rules.align_corners, grid)
    zero = axes.one - axes.one
    chunks = -(-samples // CHUNK)
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count = np.uint64(min(CHUNK, samples - first))
        point = np.uint64(2 * (b * samples + first))
        special = _place_chunk(coordinates, point, count, axes, rules, ties, cells, reads)
        for c in range(channels):
            plane, at = np.uint64((b * channels + c) * pixels), np.uint64((b * channels + c) * samples + first)
            for j in range(count):
                result[at + j] = flat[plane + np.uint64(np.uint32(cells[j]))]  # (nearest.1)
            if special:
                for j in range(count):
                    value = result[at + j]
                    result[at + j] = value if reads[j] == _PIXEL else zero if reads[j] == _NOTHING else zero / zero


@kernel
def backward_input(start: int, stop: int, gout: Any, grid: Any, rules: Rules, ties: int, ginput: Any) -> None:
    """Compute (nearest.2) for the planes start to stop; each is summed by one thread, in the order of the samples.

    Sums of float32 are computed in float64, whose rounding errors are negligible; those of float64 are compensated.
    """
    _, channels, height, width = ginput.shape
    samples, pixels = grid.shape[1] * grid.shape[2], height * width
    given, coordinates, result = gout.reshape(gout.size), grid.reshape(grid.size), ginput.reshape(ginput.size)
    cells, reads = np.empty(CHUNK, np.int32), np.zeros(CHUNK, np.int32)
    axes = axes_of(height, width, rules.align_corners, grid)
    group = min(max(1, _SCRATCH // pixels), channels)
    scratch = np.empty(group * pixels)
    p = start
    while p < stop:
        b = p // channels
        end = min(p + group, stop, (b + 1) * channels)
        scratch[: (end - p) * pixels] = 0.0
        if ginput.itemsize == 8:
            result[p * pixels : end * pixels] = 0.0
        for first in range(0, samples, CHUNK):
            count = np.uint64(min(CHUNK, samples - first))
            point = np.uint64(2 * (b * samples + first))
            special = _place_chunk(coordinates, point, count, axes, rules, ties, cells, reads)
            for q in range(p, end):
                at, plane, sums = np.uint64(q * samples + first), np.uint64(q * pixels), np.uint64((q - p) * pixels)
                for j in range(count):
                    k = np.uint64(np.uint32(cells[j]))
                    g = np.float64(given[at + j])
                    if special and reads[j] != _PIXEL:
                        continue
                    if ginput.itemsize == 8:
                        result[plane + k], remainder = two_sum(result[plane + k], g)  # (nearest.2)
                        scratch[sums + k] += remainder
                    else:
                        scratch[sums + k] += g  # (nearest.2)
        at = np.uint64(p * pixels)
        for i in range(np.uint64((end - p) * pixels)):
            if ginput.itemsize == 8:
                result[at + i] = compensated(result[at + i], scratch[i])
            else:
                result[at + i] = scratch[i]
        p = end
