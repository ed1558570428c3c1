"""The decoder and its gradients on the CPU, four channels at a time (`vectors`); the equations are in `kernels`.

A thread finds cells and weights of an image's sources once, in a loop of vector instructions. Then it scatters four
channels at a time into a map whose pixels hold their sums together, so that each corner of a cell takes one vector
addition; the sum of weights is one more channel, of ones. The gradients read the four corners in the same way. The map
has a border of one pixel, which takes and gives what lies outside: no source is asked where its corners are.

That is for numbers `within_exponents`, 0 or of a size between 2^-100 and 2^100, and any larger coordinate: nothing on
the way under- or overflows, and the map's roundings are small beside the map. Sums of float32 data are plain sums of
doubles, which among k terms lose k 2^-53, where the dtype's rounding loses 2^-24. Sums of float64 data carry along what
the roundings of their terms, and of themselves, left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refwarp.backend.arithmetic import two_sum
from refwarp.backend.jit import kernel, part, scalar
from refwarp.backend.launch import argument, run
from refwarp.backend.vectors import LANES
from refwarp.conventions import Rules, Size, coordinate_scale, half_difference
from refwarp.samplers.bilinear.vectors import Cell, Channels
from refwarp.samplers.dense_decode.kernels import Given, Gradients
from refwarp.samplers.dense_decode.vectors import Weights, add_source, divide_pixel, prepare_pixel, pull_source


@scalar
def _find_cell(g: float, s: float, odd: float, size: float, narrow: bool) -> tuple[float, float, float]:
    """Return what `conventions.cell` does, without a branch; a narrow coordinate times s is exact."""
    t = g * s
    m = np.floor(0.5 * (t + odd))
    if narrow:
        edge = 2.0 * m - odd
        f, h = 0.5 * (t - edge), 0.5 * ((edge + 2.0) - t)
    else:
        m -= 1.0 if half_difference(g, s, 2.0 * m - odd) < 0.0 else 0.0
        f, h = half_difference(g, s, 2.0 * m - odd), -half_difference(g, s, 2.0 * (m + 1.0) - odd)
    return m + 0.5 * (size - 1.0 - odd), h, f


@part
def _place_sources(grid: Any, size: Size, rules: Rules, found: Any) -> None:
    """Write down of each source the weights hx, fx, hy, fy, all 0 outside the map, and the cell in the map with border.

    `grid` holds x and y of one source after the other; `found`, one array, has a row for each.
    """
    height, width, narrow = size.height, size.width, grid.itemsize == 4
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    odd_x, odd_y = np.float64((width - 1) % 2), np.float64((height - 1) % 2)
    columns, rows = np.float64(width), np.float64(height)
    for i in range(grid.shape[0] // 2):
        m, hx, fx = _find_cell(np.float64(grid[2 * i]), sx, odd_x, columns, narrow)
        n, hy, fy = _find_cell(np.float64(grid[2 * i + 1]), sy, odd_y, rows, narrow)
        inside = (-1.0 <= m) & (m < columns) & (-1.0 <= n) & (n < rows)
        found[0, i] = hx if inside else 0.0
        found[1, i] = fx if inside else 0.0
        found[2, i] = hy if inside else 0.0
        found[3, i] = fy if inside else 0.0
        found[4, i] = (n + 1.0) * (columns + 2.0) + (m + 1.0) if inside else 0.0


@scalar
def _share_of_image(begin: int, end: int, b: int, count: int) -> tuple[int, int]:
    """Return which of the `count` items of image b are among begin to end of all images'."""
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
                weights = Weights(found[0, i], found[1, i], found[2, i], found[3, i])
                add_source(map, Cell(np.int64(found[4, i]), row), weights, v, four, i)  # (DTN 6), (DTN 7)
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
    start: int, stop: int, given: Given, size: Size, rules: Rules, sums: Any, out: Any, gradients: Gradients
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
                weights = Weights(found[0, i], found[1, i], found[2, i], found[3, i])
                gx, gy = pull_source(
                    map, Cell(np.int64(found[4, i]), row), weights, v, gv, four, first + i
                )  # (DTN 8) to (DTN 10)
                if narrow:
                    totals[0, i] += gx  # (decoder.4), without s/2
                    totals[1, i] += gy
                else:
                    totals[0, i], lost = two_sum(totals[0, i], gx)  # (decoder.4), without s/2
                    totals[2, i] += lost
                    totals[1, i], lost = two_sum(totals[1, i], gy)
                    totals[3, i] += lost
        for i in range(last - first):
            x, y = grid[b, 2 * (first + i)], grid[b, 2 * (first + i) + 1]
            undefined = np.isnan(x) or np.isnan(y)
            ggrid[b, 2 * (first + i)] = np.nan if undefined else sx * (totals[0, i] + totals[2, i])  # (decoder.4)
            ggrid[b, 2 * (first + i) + 1] = np.nan if undefined else sy * (totals[1, i] + totals[3, i])


def _flat(array: Any, axes: int) -> Any:
    """Return the array as a kernel takes it, with all axes from `axes` on as one."""
    lengths = array.shape[:axes]
    return argument(argument(array).reshape(*lengths, array.size // max(math.prod(lengths), 1)))


def decode(values: Any, grid: Any, size: Size, rules: Rules) -> tuple[Any, Any]:
    """Return the map (N, C, H, W), of the dtype of the values, and the sums of weights (N, H, W)."""
    batch, channels = values.shape[:2]
    pixels = size.height * size.width
    sums, out = np.zeros((batch, pixels)), np.empty((batch, channels, pixels), values.dtype)
    run(forward, batch * channels, values.size, _flat(values, 2), _flat(grid, 1), size, rules, sums, out)
    return out.reshape(batch, channels, *size), sums.reshape(batch, *size)


def decode_gradient(given: Given, out: Any, sums: Any, rules: Rules) -> Gradients:
    """Return the gradients of the values and of the grid, from what `decode` returned."""
    size, shape = Size(*given.gout.shape[2:]), given.values.shape
    flat = Given(_flat(given.gout, 2), _flat(given.values, 2), _flat(given.grid, 1))
    found = Gradients(np.zeros(flat.values.shape, out.dtype), np.zeros(flat.grid.shape, out.dtype))
    run(backward, found.grid.size // 2, flat.values.size, flat, size, rules, _flat(sums, 1), _flat(out, 2), found)
    return Gradients(found.values.reshape(shape), found.grid.reshape(given.grid.shape))
