"""Bilinear sampling on the CPU, a chunk of samples at a time: the equations of `bilinear`, in vector instructions.

A chunk's cells and weights are found once for all channels (`placement`), in the dtype of the data. Then each channel's
pixels are gathered, and weighted:

    V_c(i) = (U(n, m) w00 + U(n, m+1) w01) + (U(n+1, m) w10 + U(n+1, m+1) w11)                (bilinear.2)

Weights and differences of pixels apart, all is computed in float64: for float32 data that leaves nothing to compensate;
sums of float64 data carry their rounding errors along. Map gradients are summed plane by plane, by one thread each.
What is marked for care, and what came out not finite, is computed once more as `bilinear` does it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from autograd_core.threads import get_num_threads
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.intrinsics import fused_multiply_add as fma
from refwarp.backend.intrinsics import gather_four, prefetch
from refwarp.backend.jit import kernel, part
from refwarp.backend.vectors import LANES
from refwarp.backend.vectors import scatter as add_lanes
from refwarp.conventions import HUGE, RIGHT, TINY, coordinate_scale
from refwarp.samplers.bilinear.kernels import grid_gradient, sample, scatter
from refwarp.samplers.placement import (
    BOTTOM,
    BOTTOM_SLOPE,
    FOUR,
    LEFT,
    LEFT_SLOPE,
    ONE,
    RIGHT_SLOPE,
    THREE,
    TOP,
    TOP_SLOPE,
    TWO,
    ZERO,
    place_axes,
    place_chunk,
)
from refwarp.samplers.placement import RIGHT as RIGHT_COLUMN

EIGHT = np.uint64(8)
# What is known of so many samples stays in the first-level cache.
CHUNK = 512
# So far apart lie the fields of a chunk: not at equal places of two pages, which stores and loads would mix up.
SIZE = np.uint64(CHUNK + 24)
# Where in a chunk's array its pixels lie, after weights and slopes.
CORNERS = np.uint64(8) * SIZE
# Images of more bytes do not stay in the second-level cache: what is read of them is fetched ahead.
LARGE = 1 << 19
# Samples that are placed once for all planes of an image.
BLOCK = 4096
BLOCK_SIZE = np.uint64(BLOCK + 24)


@part
def _gather(map: Any, plane: Any, row: Any, cells: Any, count: Any, pixels: Any) -> None:
    """Copy the four pixels of each cell. Beyond the last cell, up to three more are read: `cells` holds old ones."""
    for j in range(ZERO, count, FOUR):
        gather_four(map, plane, row, cells, j, pixels, SIZE)


@part
def _fetch(map: Any, plane: Any, row: Any, cells: Any, count: Any) -> None:
    """Begin to fetch the pixels of cells: all at once, where a gather or a scatter would wait for a few at a time."""
    for j in range(count):
        first = plane + np.uint64(cells[j])
        prefetch(map, first)
        prefetch(map, first + row)


@kernel
def forward_chunks(
    start: int, stop: int, input: Any, grid: Any, align_corners: bool, padding: int, known: Any, out: Any
) -> None:
    """Compute (bilinear.2) for the chunks start to stop of the samples of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    samples, pixels, row = rows * columns, height * width, np.uint64(width)
    u, coordinates, flat = input.reshape(input.size), grid.reshape(grid.size), out.reshape(out.size)
    cells = np.zeros(CHUNK, np.uint32)
    weights, corners = np.empty(4 * SIZE, input.dtype), np.empty(4 * SIZE, input.dtype)
    chunks, large = -(-samples // CHUNK), channels * pixels * input.itemsize > LARGE
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count = np.uint64(min(CHUNK, samples - first))
        point = np.uint64(2 * (b * samples + first))
        place_chunk(coordinates, point, count, known, padding, weights, SIZE, cells)
        careful = False
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
                careful |= not abs(value + last) < np.inf
        if careful:
            for i in range(first, first + int(count)):
                strange = False
                for c in range(channels):
                    strange |= not abs(flat[(b * channels + c) * samples + i]) < np.inf
                if strange:
                    sample(b, i // columns, i % columns, input, grid, align_corners, padding, out)


@part
def _terms(g: float, j: Any, axes: Any) -> tuple[float, float]:
    """Return a channel's term of (bilinear.6) in x and in y, without s/2; NaN where a product may have underflowed."""
    k = CORNERS + j
    u00, u01, u10, u11 = axes[k], axes[k + SIZE], axes[k + TWO * SIZE], axes[k + THREE * SIZE]
    c0, c1 = axes[LEFT_SLOPE * SIZE + j], axes[RIGHT_SLOPE * SIZE + j]
    d0, d1 = axes[TOP_SLOPE * SIZE + j], axes[BOTTOM_SLOPE * SIZE + j]
    left, right = axes[LEFT * SIZE + j], axes[RIGHT_COLUMN * SIZE + j]
    top, bottom = axes[TOP * SIZE + j], axes[BOTTOM * SIZE + j]
    row0, row1 = np.float64(u00 * c0 + u01 * c1), np.float64(u10 * c0 + u11 * c1)
    column0, column1 = np.float64(u00 * d0 + u10 * d1), np.float64(u01 * d0 + u11 * d1)
    slope_x, slope_y = row0 * top + row1 * bottom, column0 * left + column1 * right
    x, y = g * slope_x, g * slope_y  # (bilinear.6)
    if axes.itemsize == 8:
        plain_x = (TINY <= abs(slope_x)) & (TINY <= abs(x)) & (abs(x) <= HUGE)
        plain_y = (TINY <= abs(slope_y)) & (TINY <= abs(y)) & (abs(y) <= HUGE)
        plain_x |= (((row0 == 0.0) | (top == 0.0)) & ((row1 == 0.0) | (bottom == 0.0))) | (g == 0.0)
        plain_y |= (((column0 == 0.0) | (left == 0.0)) & ((column1 == 0.0) | (right == 0.0))) | (g == 0.0)
        x, y = x if plain_x else np.nan, y if plain_y else np.nan
    return x, y


@kernel
def backward_grid_chunks(
    start: int,
    stop: int,
    gout: Any,
    input: Any,
    grid: Any,
    align_corners: bool,
    padding: int,
    kink: int,
    known: Any,
    ggrid: Any,
) -> None:
    """Compute (bilinear.6) for the chunks start to stop of the samples of all images."""
    _, channels, height, width = input.shape
    _, rows, columns, _ = grid.shape
    samples, pixels, row = rows * columns, height * width, np.uint64(width)
    u, cotangents, coordinates = input.reshape(input.size), gout.reshape(gout.size), grid.reshape(grid.size)
    cells, axes = np.zeros(CHUNK, np.uint32), np.empty(12 * SIZE, input.dtype)
    corners, sums = axes[CORNERS:], np.empty(4 * SIZE)  # sums in x, in y, and what their roundings left out
    flat = ggrid.reshape(ggrid.size)
    sx, sy = 0.5 * coordinate_scale(width, align_corners), 0.5 * coordinate_scale(height, align_corners)
    wide, chunks, large = input.itemsize == 8, -(-samples // CHUNK), channels * pixels * input.itemsize > LARGE
    for chunk in range(start, stop):
        b, first = chunk // chunks, chunk % chunks * CHUNK
        count = np.uint64(min(CHUNK, samples - first))
        point = np.uint64(2 * (b * samples + first))
        place_axes(coordinates, point, count, known, padding, kink == RIGHT, axes, SIZE, cells)
        sums[:] = 0.0
        for c in range(channels):
            at = np.uint64((b * channels + c) * samples + first)
            plane = np.uint64((b * channels + c) * pixels)
            if large:
                _fetch(u, plane, row, cells, count)
            _gather(u, plane, row, cells, count, corners)
            for j in range(count):
                x, y = _terms(np.float64(cotangents[at + j]), j, axes)
                if wide:
                    sums[j], lost_x = two_sum(sums[j], x)
                    sums[SIZE + j], lost_y = two_sum(sums[SIZE + j], y)
                    sums[TWO * SIZE + j] += lost_x
                    sums[THREE * SIZE + j] += lost_y
                else:
                    sums[j] += x
                    sums[SIZE + j] += y
        careful = False
        for j in range(count):
            x, y = sums[j] * sx, sums[SIZE + j] * sy
            if wide:  # the sum and its product with s/2 are one rounding
                x, y = fma(sums[j], sx, sums[TWO * SIZE + j] * sx), fma(sums[SIZE + j], sy, sums[THREE * SIZE + j] * sy)
            flat[point + TWO * j], flat[point + TWO * j + ONE] = x, y
            careful |= not ((abs(x) < np.inf) & (abs(y) < np.inf))
        if careful:
            for i in range(first, first + int(count)):
                k = 2 * (b * samples + i)
                if not (abs(flat[k]) < np.inf and abs(flat[k + 1]) < np.inf):
                    grid_gradient(b, i // columns, i % columns, gout, input, grid, align_corners, padding, kink, ggrid)


@part
def _place_block(
    coordinates: Any, at: Any, count: Any, known: Any, padding: int, weights: Any, cells: Any, care: Any
) -> bool:
    """Place a block's samples; where one asks for care, note that, and give it no weight."""
    careful = place_chunk(coordinates, at, count, known, padding, weights, BLOCK_SIZE, cells)
    if careful:
        for j in range(count):
            care[j] = weights[j] != weights[j]
            if care[j]:
                for k in range(4):
                    weights[np.uint64(k) * BLOCK_SIZE + j] = 0.0
    return careful


@part
def _are_finite(cotangents: Any, at: Any, count: Any) -> bool:
    finite = True
    for j in range(count):
        finite &= abs(cotangents[at + j]) < np.inf
    return finite


@part
def _scatter(cotangents: Any, at: Any, count: Any, row: Any, cells: Any, weights: Any, plane: Any, lost: Any) -> None:
    """Add a block's terms of (bilinear.5) to a plane, in the order of the samples."""
    for j in range(count):
        g, cell = np.float64(cotangents[at + j]), np.uint64(cells[j])
        for k in range(4):
            term = g * np.float64(weights[np.uint64(k) * BLOCK_SIZE + j])
            p = cell + (ZERO, ONE, row, row + ONE)[k]
            if lost.size == 0:
                plane[p] += term
            else:
                plane[p], remainder = two_sum(plane[p], term)
                lost[p] += remainder


@part
def _scatter_carefully(
    cotangents: Any,
    at: Any,
    coordinates: Any,
    point: Any,
    count: Any,
    care: Any,
    finite: bool,
    height: int,
    width: int,
    align_corners: bool,
    padding: int,
    plane: Any,
    lost: Any,
) -> None:
    """Add the terms of a block's samples that ask for care; of all, if a cotangent is not finite."""
    for j in range(count):
        if care[j] or not finite:
            k = point + TWO * j
            gx, gy = np.float64(coordinates[k]), np.float64(coordinates[k + ONE])
            g = np.float64(cotangents[at + j])
            scatter(g, gx, gy, height, width, align_corners, padding, plane, lost)


@kernel
def backward_input_blocks(
    start: int,
    stop: int,
    gout: Any,
    grid: Any,
    align_corners: bool,
    padding: int,
    known: Any,
    planes: Any,
    ginput: Any,
) -> None:
    """Compute (bilinear.5) for the planes start to stop; each is summed by one thread, block by block.

    `planes` is `ginput` itself, if that is float64; else it is empty.
    """
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    samples, pixels, row = rows * columns, height * width, np.uint64(width)
    cotangents, coordinates = gout.reshape(gout.size), grid.reshape(grid.size)
    flat = ginput.reshape(ginput.size)
    cells, care = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.bool_)
    weights = np.empty(4 * BLOCK_SIZE, grid.dtype)
    wide = ginput.itemsize == 8
    scratch, lost = np.empty(0 if wide else pixels), np.empty(pixels if wide else 0)
    placed, careful, large = -1, False, 8 * pixels > LARGE
    for p in range(start, stop):
        b = p // channels
        plane = planes[b, p % channels].reshape(pixels) if wide else scratch
        plane[:], lost[:] = 0.0, 0.0
        for first in range(0, samples, BLOCK):
            count = np.uint64(min(BLOCK, samples - first))
            at = np.uint64(p * samples + first)
            if placed != b * samples + first:
                placed = b * samples + first
                point = np.uint64(2 * placed)
                careful = _place_block(coordinates, point, count, known, padding, weights, cells, care)
            finite = _are_finite(cotangents, at, count)
            if finite and large:
                _fetch(plane, ZERO, row, cells, count)
                if wide:
                    _fetch(lost, ZERO, row, cells, count)
            if finite:
                _scatter(cotangents, at, count, row, cells, weights, plane, lost)
            if careful or not finite:
                _scatter_carefully(
                    cotangents,
                    at,
                    coordinates,
                    np.uint64(2 * placed),
                    count,
                    care,
                    finite,
                    height,
                    width,
                    align_corners,
                    padding,
                    plane,
                    lost,
                )
        at = np.uint64(p * pixels)
        for k in range(np.uint64(pixels)):
            flat[at + k] = compensated(plane[k], lost[k]) if wide else plane[k]


# The bytes of a plane that is summed in lanes, with three others, if there are: 4 MB of scratch at most. Of larger ones
# a thread keeps one alone.
_SMALL_PLANE = 1 << 19


def takes_lanes(batch: int, channels: int, height: int, width: int, dtype: Any) -> bool:
    """Tell whether planes are summed in lanes: small ones, by compiled code, if that leaves threads enough to do.

    Lanes take half the time. The bits are the same either way.
    """
    groups, threads = batch * -(-channels // LANES), get_num_threads()
    busy = 2 * min(threads, groups) >= min(threads, batch * channels)
    small = height * width * dtype.itemsize <= _SMALL_PLANE
    return channels > 1 and small and busy and not numba.config.DISABLE_JIT


@kernel
def backward_input_lanes(
    start: int, stop: int, gout: Any, grid: Any, align_corners: bool, padding: int, known: Any, ginput: Any
) -> None:
    """Compute (bilinear.5) for the groups start to stop of up to four planes of an image, side by side as lanes.

    Each plane's terms are added as in `backward_input_blocks`, so that it has the same bits.
    """
    _, channels, height, width = ginput.shape
    _, rows, columns, _ = grid.shape
    samples, pixels = rows * columns, height * width
    coordinates, flat = grid.reshape(grid.size), ginput.reshape(ginput.size)
    flat_gout, planes = gout.reshape(gout.size), gout.reshape(gout.shape[0] * channels, samples)
    cells, care, weights = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.bool_), np.empty(4 * BLOCK_SIZE, grid.dtype)
    wide = ginput.itemsize == 8
    size = EIGHT if wide else FOUR  # with what the sums lost, if they are float64
    map = np.empty(pixels * size)
    lanes, none = map.reshape(pixels, size), np.empty((1, 2))[:0, 0]  # none, of the type of a lane
    groups, placed, careful = -(-channels // LANES), -1, False
    for group in range(start, stop):
        b, p = group // groups, group // groups * channels + group % groups * LANES
        last = min(p + LANES, (b + 1) * channels)
        map[:] = 0.0
        for first in range(0, samples, BLOCK):
            count = np.uint64(min(BLOCK, samples - first))
            if placed != b * samples + first:
                placed = b * samples + first
                careful = _place_block(coordinates, np.uint64(2 * placed), count, known, padding, weights, cells, care)
            finite = True
            for q in range(p, last):
                finite &= _are_finite(flat_gout, np.uint64(q * samples + first), count)
            if finite:
                for j in range(count):
                    i = np.int64(j)
                    add_lanes(map, np.int64(cells[j]), width, weights, BLOCK_SIZE, i, planes, p, last, first + i)
            if careful or not finite:
                for q in range(p, last):
                    at = np.uint64(q * samples + first)
                    plane, lost = lanes[:, q - p], lanes[:, LANES + q - p] if wide else none
                    alone = finite or _are_finite(flat_gout, at, count)
                    if alone and not finite:
                        _scatter(flat_gout, at, count, np.uint64(width), cells, weights, plane, lost)
                    if careful or not alone:
                        _scatter_carefully(
                            flat_gout,
                            at,
                            coordinates,
                            np.uint64(2 * placed),
                            count,
                            care,
                            alone,
                            height,
                            width,
                            align_corners,
                            padding,
                            plane,
                            lost,
                        )
        for q in range(p, last):
            lane, at = np.uint64(q - p), np.uint64(q * pixels)
            for k in range(np.uint64(pixels)):
                if wide:
                    flat[at + k] = compensated(map[EIGHT * k + lane], map[EIGHT * k + FOUR + lane])
                else:
                    flat[at + k] = map[FOUR * k + lane]
