"""The decoder and its gradients on the CPU, four channels at a time (`vectors`); the equations are in `kernels`.

A thread first computes the cells and weights of all sources of an image in a vectorised loop. Then it scatters four
channels at a time into a map that stores the four sums of each pixel together, so that each corner of a cell is one
vector addition; the sum of weights is one more channel, of ones. The gradients read the four corners in the same way.
The map has a border of one pixel for corners outside, so no source needs a check.

This is for values `within_exponents`, 0 or between 2^-100 and 2^100 in size, and for coordinates that are 0 or at least
2^-100 in size: nothing under- or overflows in between, and the rounding errors of the map are small relative to the
map. Sums of float32 data are uncompensated sums of doubles, whose error for k terms is k 2^-53, compared with 2^-24 for
the dtype. Sums of float64 data include the rounding errors of their terms and of the sums.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refwarp.backend.arithmetic import two_sum
from refwarp.backend.jit import kernel, part, scalar
from refwarp.backend.launch import argument, run
from refwarp.backend.vectors import LANES
from refwarp.conventions import Rules, Size, cell_without_branches, coordinate_scale
from refwarp.samplers.dense_decode.kernels import DecoderGradients, DecoderInputs
from refwarp.samplers.dense_decode.vectors import Weights, add_source, divide_pixel, prepare_pixel, pull_source
from refwarp.samplers.vector_maps import Cell, Channels

# Where the numbers of all sources lie, each a row of one array, for a loop over many arrays might write where it reads:
# the weights along both axes and the cell, and the sums of a gradient in x and y and what their roundings left out.
_HX, _FX, _HY, _FY, _CELL = range(5)
_SUM_X, _SUM_Y, _LOST_X, _LOST_Y = range(4)


@part
def _place_sources(grid: Any, size: Size, rules: Rules, found: Any) -> None:
    """Write for each source the weights hx, fx, hy, fy, all 0 outside the map, and the cell in the map with border.

    `grid` holds x and y of one source after the other.
    """
    height, width, narrow = size.height, size.width, grid.itemsize == 4
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    odd_x, odd_y = np.float64((width - 1) % 2), np.float64((height - 1) % 2)
    columns, rows = np.float64(width), np.float64(height)
    for i in range(grid.shape[0] // 2):
        m, hx, fx = cell_without_branches(np.float64(grid[2 * i]), sx, odd_x, columns, narrow)
        n, hy, fy = cell_without_branches(np.float64(grid[2 * i + 1]), sy, odd_y, rows, narrow)
        inside = (-1.0 <= m) & (m < columns) & (-1.0 <= n) & (n < rows)
        found[_HX, i] = hx if inside else 0.0
        found[_FX, i] = fx if inside else 0.0
        found[_HY, i] = hy if inside else 0.0
        found[_FY, i] = fy if inside else 0.0
        found[_CELL, i] = (n + 1.0) * (columns + 2.0) + (m + 1.0) if inside else 0.0


@scalar
def _share_of_image(begin: int, end: int, b: int, count: int) -> tuple[int, int]:
    """Return which of the `count` items of image b are among items begin to end of all images."""
    return max(begin - b * count, 0), min(max(end - b * count, 0), count)


@kernel
def forward(start: int, stop: int, values: Any, grid: Any, size: Size, rules: Rules, sums: Any, out: Any) -> None:
    """Decode the planes start to stop of all images; each is summed by one thread, in the order of the sources."""
    images, channels, count = values.shape
    height, width, narrow = size.height, size.width, values.itemsize == 4
    numbers, row = LANES if narrow else 2 * LANES, width + 2
    found, map, sum = np.empty((5, count)), np.empty((height + 2) * row * numbers), np.empty(height * width)
    for b in range(images):
        first, last = _share_of_image(start, stop, b, channels)
        if first == last:
            continue
        v, u = values[b], out[b]
        _place_sources(grid[b], size, rules, found)
        for c in range(first - 1, last, LANES):
            four = Channels(c, first, last)
            map[:] = 0.0
            for i in range(count):
                weights = Weights(found[_HX, i], found[_FX, i], found[_HY, i], found[_FY, i])
                add_source(map, Cell(np.int64(found[_CELL, i]), row), weights, v, four, i)  # (DTN 6), (DTN 7)
            for y in range(height if c < first else 0):
                for x in range(width):
                    at = ((y + 1) * row + x + 1) * numbers
                    sum[y * width + x] = map[at] if narrow else map[at] + map[at + LANES]  # (DTN 6)
            for y in range(height):
                for x in range(width):
                    p = y * width + x
                    divide_pixel(map, (y + 1) * row + x + 1, sum[p], u, four, p)  # (DTN 7)
        if first == 0:
            sums[b] = sum


@kernel
def backward(
    start: int,
    stop: int,
    given: DecoderInputs,
    size: Size,
    rules: Rules,
    sums: Any,
    out: Any,
    gradients: DecoderGradients,
) -> None:
    """Compute the gradients of the sources start to stop of all images, on the lattice by the rule "right"."""
    gout, values, grid = given.gout, given.values, given.grid
    gvalues, ggrid = gradients.values, gradients.grid
    images, channels, count = values.shape
    height, width, narrow, row = size.height, size.width, values.itemsize == 4, size.width + 2
    sx, sy = 0.5 * coordinate_scale(width, rules.align_corners), 0.5 * coordinate_scale(height, rules.align_corners)
    found, totals, map = np.empty((5, count)), np.empty((4, count)), np.zeros((height + 2) * row * 2 * LANES)
    for b in range(images):
        first, last = _share_of_image(start, stop, b, count)
        if first == last:
            continue
        g, v, u, gv, sum = gout[b], values[b], out[b], gvalues[b], sums[b]
        _place_sources(grid[b, 2 * first : 2 * last], size, rules, found)
        totals[:] = 0.0
        for c in range(0, channels, LANES):
            four = Channels(c, 0, channels)
            for y in range(height):
                for x in range(width):
                    p = y * width + x
                    prepare_pixel(map, (y + 1) * row + x + 1, sum[p], g, u, four, p)
            for i in range(last - first):
                weights = Weights(found[_HX, i], found[_FX, i], found[_HY, i], found[_FY, i])
                cell = Cell(np.int64(found[_CELL, i]), row)
                gx, gy = pull_source(map, cell, weights, v, gv, four, first + i)  # (DTN 8), (DTN 9), (DTN 10)
                if narrow:
                    totals[_SUM_X, i] += gx  # (decoder.4), without s/2
                    totals[_SUM_Y, i] += gy  # (decoder.4), in y, without s/2
                else:
                    totals[_SUM_X, i], lost = two_sum(totals[_SUM_X, i], gx)  # (decoder.4), without s/2
                    totals[_LOST_X, i] += lost
                    totals[_SUM_Y, i], lost = two_sum(totals[_SUM_Y, i], gy)  # (decoder.4), in y, without s/2
                    totals[_LOST_Y, i] += lost
        for i in range(last - first):
            x, y = grid[b, 2 * (first + i)], grid[b, 2 * (first + i) + 1]
            undefined = np.isnan(x) or np.isnan(y)
            total_x, total_y = totals[_SUM_X, i] + totals[_LOST_X, i], totals[_SUM_Y, i] + totals[_LOST_Y, i]
            ggrid[b, 2 * (first + i)] = np.nan if undefined else sx * total_x  # (decoder.4)
            ggrid[b, 2 * (first + i) + 1] = np.nan if undefined else sy * total_y  # (decoder.4), in y


def _flat(array: Any, axes: int) -> Any:
    """Return the array in the form that kernels read, with all axes from `axes` on as one."""
    lengths = array.shape[:axes]
    return argument(argument(array).reshape(*lengths, array.size // max(math.prod(lengths), 1)))


def decode(values: Any, grid: Any, size: Size, rules: Rules) -> tuple[Any, Any]:
    """Return the map (N, C, H, W), of the dtype of the values, and the sums of weights (N, H, W)."""
    batch, channels = values.shape[:2]
    pixels = size.height * size.width
    sums, out = np.zeros((batch, pixels)), np.empty((batch, channels, pixels), values.dtype)
    run(forward, batch * channels, values.size, _flat(values, 2), _flat(grid, 1), size, rules, sums, out)
    return out.reshape(batch, channels, *size), sums.reshape(batch, *size)


def decode_gradient(given: DecoderInputs, out: Any, sums: Any, rules: Rules) -> DecoderGradients:
    """Return the gradients of the values and of the grid, from what `decode` returned."""
    size, shape = Size(*given.gout.shape[2:]), given.values.shape
    flat = DecoderInputs(_flat(given.gout, 2), _flat(given.values, 2), _flat(given.grid, 1))
    found = DecoderGradients(np.zeros(flat.values.shape, out.dtype), np.zeros(flat.grid.shape, out.dtype))
    run(backward, found.grid.size // 2, flat.values.size, flat, size, rules, _flat(sums, 1), _flat(out, 2), found)
    return DecoderGradients(found.values.reshape(shape), found.grid.reshape(given.grid.shape))
