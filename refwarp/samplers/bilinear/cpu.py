"""Bilinear sampling on the CPU, a chunk of samples at a time: the equations of `kernels`, in vector instructions.

The cells and weights of a chunk are computed once for all channels (`placement`), in the dtype of the data. Then the
pixels of each channel are gathered and weighted:

    V_c(i) = (U(n, m) w00 + U(n, m+1) w01) + (U(n+1, m) w10 + U(n+1, m+1) w11)                (bilinear.2)

Except for weights and differences of pixels, everything is computed in float64: for float32 data no compensation is
needed; sums of float64 data are compensated. Map gradients are summed plane by plane, by one thread each. Samples that
need the slow path, and those whose results are not finite, are recomputed by `kernels`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from autograd_core.threads import get_num_threads
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.intrinsics import fused_multiply_add as fma
from refwarp.backend.intrinsics import prefetch
from refwarp.backend.jit import kernel, part
from refwarp.backend.vectors import LANES
from refwarp.conventions import HUGE, TINY, Rules, coordinate_scale
from refwarp.samplers.bilinear.kernels import grid_gradient, sample, scatter
from refwarp.samplers.bilinear.vectors import gather_four, scatter_four
from refwarp.samplers.placement import (
    BOTTOM_SLOPE,
    BOTTOM_WEIGHT,
    FOUR,
    LEFT_SLOPE,
    LEFT_WEIGHT,
    ONE,
    RIGHT_SLOPE,
    RIGHT_WEIGHT,
    THREE,
    TOP_SLOPE,
    TOP_WEIGHT,
    TWO,
    ZERO,
    Axes,
    axes_of,
    place_chunk,
    place_taps,
)
from refwarp.samplers.vector_maps import Cell, Channels

EIGHT = np.uint64(8)
# The data of this many samples stay in the first-level cache.
CHUNK = 512
# The distance of a chunk's fields: not at equal offsets within two pages, where loads would falsely depend on stores.
SIZE = np.uint64(CHUNK + 24)
# Where the pixels are in a chunk's array, after weights and slopes.
CORNERS = np.uint64(8) * SIZE
# Images of more bytes do not fit into the second-level cache: their pixels are prefetched.
LARGE = 1 << 19
# Samples that are placed once for all planes of an image.
BLOCK = 4096
BLOCK_SIZE = np.uint64(BLOCK + 24)


@part
def _gather(map: Any, plane: Any, row: Any, cells: Any, count: Any, pixels: Any) -> None:
    """Copy the four pixels of each cell. After the last cell, up to three old ones in `cells` are read as well."""
    for j in range(ZERO, count, FOUR):
        gather_four(map, plane, row, cells, j, pixels, SIZE)


@part
def _fetch(map: Any, plane: Any, row: Any, cells: Any, count: Any) -> None:
    """Start to fetch the pixels of cells: all at once, where a gather or a scatter would wait for a few at a time."""
    for j in range(count):
        first = plane + np.uint64(cells[j])
        prefetch(map, first)
        prefetch(map, first + row)


@kernel
def forward(start: int, stop: int, input: Any, grid: Any, rules: Rules, out: Any) -> None:
    """Compute (bilinear.2) for the chunks start to stop of the samples of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    samples, pixels, row = rows * columns, height * width, np.uint64(width)
    u, coordinates, flat = input.reshape(input.size), grid.reshape(grid.size), out.reshape(out.size)
    axes = axes_of(height, width, rules.align_corners, grid)
    cells = np.zeros(CHUNK, np.uint32)
    weights, corners = np.empty(4 * SIZE, input.dtype), np.empty(4 * SIZE, input.dtype)
    chunks, large = -(-samples // CHUNK), channels * pixels * input.itemsize > LARGE
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count = np.uint64(min(CHUNK, samples - first))
        point = np.uint64(2 * (b * samples + first))
        place_chunk(coordinates, point, count, axes, rules.padding, weights, SIZE, cells)
        some_not_finite = False
        for c in range(channels):
            plane, at = np.uint64((b * channels + c) * pixels), np.uint64((b * channels + c) * samples + first)
            if large:
                _fetch(u, plane, row, cells, count)
            _gather(u, plane, row, cells, count, corners)
            for j in range(count):
                value = np.float64(corners[j]) * np.float64(weights[j])
                value = fma(np.float64(corners[SIZE + j]), np.float64(weights[SIZE + j]), value)
                last = np.float64(corners[TWO * SIZE + j]) * np.float64(weights[TWO * SIZE + j])
                last = fma(np.float64(corners[THREE * SIZE + j]), np.float64(weights[THREE * SIZE + j]), last)
                flat[at + j] = value + last  # (bilinear.2)
                some_not_finite |= not abs(value + last) < np.inf
        if some_not_finite:
            for i in range(first, first + int(count)):
                finite = True
                for c in range(channels):
                    finite &= abs(flat[(b * channels + c) * samples + i]) < np.inf
                if not finite:
                    sample(b, i // columns, i % columns, input, grid, rules, out)


@part
def _terms(g: float, j: Any, taps: Any) -> tuple[float, float]:
    """Return a channel's term of (bilinear.6) in x and in y, without s/2; NaN where a product may have underflowed."""
    k = CORNERS + j
    u00, u01, u10, u11 = taps[k], taps[k + SIZE], taps[k + TWO * SIZE], taps[k + THREE * SIZE]
    c0, c1 = taps[LEFT_SLOPE * SIZE + j], taps[RIGHT_SLOPE * SIZE + j]
    d0, d1 = taps[TOP_SLOPE * SIZE + j], taps[BOTTOM_SLOPE * SIZE + j]
    left, right = taps[LEFT_WEIGHT * SIZE + j], taps[RIGHT_WEIGHT * SIZE + j]
    top, bottom = taps[TOP_WEIGHT * SIZE + j], taps[BOTTOM_WEIGHT * SIZE + j]
    row0, row1 = np.float64(u00 * c0 + u01 * c1), np.float64(u10 * c0 + u11 * c1)
    column0, column1 = np.float64(u00 * d0 + u10 * d1), np.float64(u01 * d0 + u11 * d1)
    slope_x, slope_y = row0 * top + row1 * bottom, column0 * left + column1 * right
    x, y = g * slope_x, g * slope_y  # (bilinear.6)
    if taps.itemsize == 8:
        plain_x = (TINY <= abs(slope_x)) & (TINY <= abs(x)) & (abs(x) <= HUGE)
        plain_y = (TINY <= abs(slope_y)) & (TINY <= abs(y)) & (abs(y) <= HUGE)
        plain_x |= (((row0 == 0.0) | (top == 0.0)) & ((row1 == 0.0) | (bottom == 0.0))) | (g == 0.0)
        plain_y |= (((column0 == 0.0) | (left == 0.0)) & ((column1 == 0.0) | (right == 0.0))) | (g == 0.0)
        x, y = x if plain_x else np.nan, y if plain_y else np.nan
    return x, y


@kernel
def backward_grid(start: int, stop: int, gout: Any, input: Any, grid: Any, rules: Rules, ggrid: Any) -> None:
    """Compute (bilinear.6) for the chunks start to stop of the samples of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    samples, pixels, row = rows * columns, height * width, np.uint64(width)
    u, cotangents, coordinates = input.reshape(input.size), gout.reshape(gout.size), grid.reshape(grid.size)
    axes = axes_of(height, width, rules.align_corners, grid)
    cells, taps = np.zeros(CHUNK, np.uint32), np.empty(12 * SIZE, input.dtype)
    corners, sums = taps[CORNERS:], np.empty(4 * SIZE)  # sums in x, in y, and their rounding errors
    flat = ggrid.reshape(ggrid.size)
    sx = 0.5 * coordinate_scale(width, rules.align_corners)
    sy = 0.5 * coordinate_scale(height, rules.align_corners)
    wide, chunks, large = input.itemsize == 8, -(-samples // CHUNK), channels * pixels * input.itemsize > LARGE
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count = np.uint64(min(CHUNK, samples - first))
        point = np.uint64(2 * (b * samples + first))
        place_taps(coordinates, point, count, axes, rules, taps, SIZE, cells)
        sums[:] = 0.0
        for c in range(channels):
            at = np.uint64((b * channels + c) * samples + first)
            plane = np.uint64((b * channels + c) * pixels)
            if large:
                _fetch(u, plane, row, cells, count)
            _gather(u, plane, row, cells, count, corners)
            for j in range(count):
                x, y = _terms(np.float64(cotangents[at + j]), j, taps)
                if wide:
                    sums[j], lost_x = two_sum(sums[j], x)
                    sums[SIZE + j], lost_y = two_sum(sums[SIZE + j], y)
                    sums[TWO * SIZE + j] += lost_x
                    sums[THREE * SIZE + j] += lost_y
                else:
                    sums[j] += x
                    sums[SIZE + j] += y
        some_not_finite = False
        for j in range(count):
            x, y = sums[j] * sx, sums[SIZE + j] * sy
            if wide:  # the sum and its product with s/2 are one rounding
                x, y = fma(sums[j], sx, sums[TWO * SIZE + j] * sx), fma(sums[SIZE + j], sy, sums[THREE * SIZE + j] * sy)
            flat[point + TWO * j], flat[point + TWO * j + ONE] = x, y
            some_not_finite |= not ((abs(x) < np.inf) & (abs(y) < np.inf))
        if some_not_finite:
            for i in range(first, first + int(count)):
                k = 2 * (b * samples + i)
                if not (abs(flat[k]) < np.inf and abs(flat[k + 1]) < np.inf):
                    grid_gradient(b, i // columns, i % columns, gout, input, grid, rules, ggrid)


class Block(NamedTuple):
    """A block's samples: the first pixel of each, the weights of its four, and whether it needs the slow path."""

    cells: Any
    weights: Any
    slow: Any


@part
def _new_block(grid: Any) -> Block:
    """Return the arrays of a block, in the dtype of the grid."""
    return Block(np.empty(BLOCK, np.uint32), np.empty(4 * BLOCK_SIZE, grid.dtype), np.empty(BLOCK, np.bool_))


@part
def _place_block(coordinates: Any, at: Any, count: Any, axes: Axes, padding: int, block: Block) -> bool:
    """Place a block's samples, and tell whether some need the slow path; these get no weight."""
    cells, weights, slow = block.cells, block.weights, block.slow
    some_slow = place_chunk(coordinates, at, count, axes, padding, weights, BLOCK_SIZE, cells)
    if some_slow:
        for j in range(count):
            slow[j] = weights[j] != weights[j]
            if slow[j]:
                for k in range(4):
                    weights[np.uint64(k) * BLOCK_SIZE + j] = 0.0
    return some_slow


@part
def _are_finite(cotangents: Any, at: Any, count: Any) -> bool:
    finite = True
    for j in range(count):
        finite &= abs(cotangents[at + j]) < np.inf
    return finite


@part
def _scatter_block(cotangents: Any, at: Any, count: Any, row: Any, block: Block, plane: Any, lost: Any) -> None:
    """Add a block's terms of (bilinear.5) to a plane, in the order of the samples."""
    cells, weights = block.cells, block.weights
    for j in range(count):
        g, cell = np.float64(cotangents[at + j]), np.uint64(cells[j])
        for k in range(4):
            term = g * np.float64(weights[np.uint64(k) * BLOCK_SIZE + j])  # (bilinear.5)
            p = cell + (ZERO, ONE, row, row + ONE)[k]
            if lost.size == 0:
                plane[p] += term
            else:
                plane[p], remainder = two_sum(plane[p], term)
                lost[p] += remainder


@part
def _scatter_singly(
    cotangents: Any, points: Any, chosen: Any, size: tuple[int, int], rules: Rules, plane: Any, lost: Any
) -> None:
    """Add the terms of those samples that are chosen; of all, if `chosen` is empty."""
    height, width = size
    for j in range(cotangents.size):
        if chosen.size == 0 or chosen[j]:
            g, gx, gy = np.float64(cotangents[j]), np.float64(points[2 * j]), np.float64(points[2 * j + 1])
            scatter(g, gx, gy, height, width, rules, plane, lost)


@kernel
def backward_input(start: int, stop: int, gout: Any, grid: Any, rules: Rules, planes: Any, ginput: Any) -> None:
    """Compute (bilinear.5) for the planes start to stop; each is summed by one thread, block by block.

    `planes` is `ginput` itself, if that is float64; else it is empty.
    """
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    samples, pixels, row = rows * columns, height * width, np.uint64(width)
    cotangents, coordinates = gout.reshape(gout.size), grid.reshape(grid.size)
    flat = ginput.reshape(ginput.size)
    axes, block = axes_of(height, width, rules.align_corners, grid), _new_block(grid)
    wide = ginput.itemsize == 8
    scratch, lost = np.empty(0 if wide else pixels), np.empty(pixels if wide else 0)
    placed, some_slow, large = -1, False, 8 * pixels > LARGE
    for p in range(start, stop):
        b = p // channels
        plane = planes[b, p % channels].reshape(pixels) if wide else scratch
        plane[:], lost[:] = 0.0, 0.0
        for first in range(0, samples, BLOCK):
            count = np.uint64(min(BLOCK, samples - first))
            at = np.uint64(p * samples + first)
            point = np.uint64(2 * (b * samples + first))
            if placed != b * samples + first:
                placed = b * samples + first
                some_slow = _place_block(coordinates, point, count, axes, rules.padding, block)
            finite = _are_finite(cotangents, at, count)
            if finite and large:
                _fetch(plane, ZERO, row, block.cells, count)
                if wide:
                    _fetch(lost, ZERO, row, block.cells, count)
            if finite:
                _scatter_block(cotangents, at, count, row, block, plane, lost)
            if some_slow or not finite:
                here, points = cotangents[at : at + count], coordinates[point : point + TWO * count]
                chosen = block.slow[: count if finite else ZERO]
                _scatter_singly(here, points, chosen, (height, width), rules, plane, lost)
        at = np.uint64(p * pixels)
        for k in range(np.uint64(pixels)):
            flat[at + k] = compensated(plane[k], lost[k]) if wide else plane[k]


# Planes of up to this many bytes are summed four at a time, with at most 4 MB of scratch memory; larger ones one at a
# time.
_SMALL_PLANE = 1 << 19


def takes_vectors(batch: int, channels: int, height: int, width: int, dtype: Any) -> bool:
    """Return whether planes are summed four at a time: small ones, if compiled, with enough work for all threads.

    Vectors of four channels take half the time. The bits are the same either way.
    """
    groups, threads = batch * -(-channels // LANES), get_num_threads()
    busy = 2 * min(threads, groups) >= min(threads, batch * channels)
    small = height * width * dtype.itemsize <= _SMALL_PLANE
    return channels > 1 and small and busy and not numba.config.DISABLE_JIT


@kernel
def backward_input_vectors(start: int, stop: int, gout: Any, grid: Any, rules: Rules, ginput: Any) -> None:
    """Compute (bilinear.5) for the groups start to stop of up to four planes of an image, interleaved in vectors.

    Each plane's terms are added as in `backward_input`, so that it has the same bits.
    """
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    samples, pixels, row = rows * columns, height * width, np.uint64(width)
    coordinates, flat = grid.reshape(grid.size), ginput.reshape(ginput.size)
    cotangents, planes = gout.reshape(gout.size), gout.reshape(gout.shape[0] * channels, samples)
    axes, block = axes_of(height, width, rules.align_corners, grid), _new_block(grid)
    wide = ginput.itemsize == 8
    size = EIGHT if wide else FOUR  # with the rounding errors of the sums, if they are float64
    map = np.empty(pixels * size)
    side_by_side, none = map.reshape(pixels, size), np.empty((1, 2))[:0, 0]  # none, of the type of a plane among others
    groups, placed, some_slow = -(-channels // LANES), -1, False
    for group in range(start, stop):
        b, p = group // groups, group // groups * channels + group % groups * LANES
        last = min(p + LANES, (b + 1) * channels)
        map[:] = 0.0
        for first in range(0, samples, BLOCK):
            count = np.uint64(min(BLOCK, samples - first))
            point = np.uint64(2 * (b * samples + first))
            if placed != b * samples + first:
                placed = b * samples + first
                some_slow = _place_block(coordinates, point, count, axes, rules.padding, block)
            finite = True
            for q in range(p, last):
                finite &= _are_finite(cotangents, np.uint64(q * samples + first), count)
            if finite:
                cells, weights, four = block.cells, block.weights, Channels(p, p, last)
                for j in range(count):
                    i, cell = np.int64(j), Cell(np.int64(cells[j]), width)
                    scatter_four(map, cell, weights, (i, np.int64(BLOCK_SIZE)), planes, four, first + i)  # (bilinear.5)
            if some_slow or not finite:
                points = coordinates[point : point + TWO * count]
                for q in range(p, last):
                    at = np.uint64(q * samples + first)
                    plane, lost = side_by_side[:, q - p], side_by_side[:, LANES + q - p] if wide else none
                    alone = finite or _are_finite(cotangents, at, count)
                    if alone and not finite:
                        _scatter_block(cotangents, at, count, row, block, plane, lost)
                    if some_slow or not alone:
                        here, chosen = cotangents[at : at + count], block.slow[: count if alone else ZERO]
                        _scatter_singly(here, points, chosen, (height, width), rules, plane, lost)
        for q in range(p, last):
            lane, at = np.uint64(q - p), np.uint64(q * pixels)
            for k in range(np.uint64(pixels)):
                if wide:
                    flat[at + k] = compensated(map[EIGHT * k + lane], map[EIGHT * k + FOUR + lane])
                else:
                    flat[at + k] = map[FOUR * k + lane]
