"""The decoder and its gradients on the CPU, for ordinary data: four channels at a time, as the lanes of vectors.

A thread finds cells and weights of an image's sources once, in a loop of vector instructions. Then it scatters four
channels at a time into a map whose pixels hold their lanes together, so that each corner of a cell takes one vector
addition; the sum of weights is one more channel, of ones. The gradients read the four corners in the same way. The map
has a border of one pixel, which takes and gives what lies outside: no source is asked where its corners are.

Ordinary are numbers that are 0 or of a size between 2^-100 and 2^100, and any larger coordinate: nothing on the way
under- or overflows, and the map's roundings are small beside the map. Sums of float32 data are plain sums of doubles,
which among k terms lose k 2^-53, where the dtype's rounding loses 2^-24. Sums of float64 data carry along what the
roundings of their terms, and of themselves, left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.backend.arithmetic import two_sum
from refwarp.backend.jit import kernel, part, scalar
from refwarp.backend.launch import argument, run
from refwarp.backend.vectors import LANES, prepare, pull, settle, spread
from refwarp.conventions import coordinate_scale, half_difference


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
def _locate(grid: Any, height: int, width: int, align_corners: bool, narrow: bool, found: Any) -> None:
    """Write down of each source the weights hx, fx, hy, fy, all 0 outside the map, and the cell in the map with border.

    `grid` holds x and y of one source after the other; `found`, one array, has a row for each.
    """
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
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
def _of_image(start: int, stop: int, b: int, count: int) -> tuple[int, int]:
    """Return which of the `count` items of image b are among start to stop of all images'."""
    return max(start - b * count, 0), min(max(stop - b * count, 0), count)


@kernel
def _forward(
    start: int,
    stop: int,
    values: Any,
    grid: Any,
    height: int,
    width: int,
    align_corners: bool,
    narrow: bool,
    sums: Any,
    out: Any,
) -> None:
    """Decode the planes start to stop of all images; each is summed by one thread, in the order of the sources."""
    images, channels, count = values.shape
    size, row = LANES if narrow else 2 * LANES, width + 2
    found, map, sum = np.empty((5, count)), np.empty((height + 2) * row * size), np.empty(height * width)
    for b in range(images):
        first, last = _of_image(start, stop, b, channels)
        if first == last:
            continue
        v, u = values[b], out[b]
        _locate(grid[b], height, width, align_corners, narrow, found)
        for c in range(first - 1, last, LANES):
            map[:] = 0.0
            for i in range(count):
                hx, fx, hy, fy = found[0, i], found[1, i], found[2, i], found[3, i]
                spread(map, np.int64(found[4, i]), row, hx, fx, hy, fy, v, c, first, last, i)
            for y in range(height if c < first else 0):
                for x in range(width):
                    at = ((y + 1) * row + x + 1) * size
                    sum[y * width + x] = map[at] if narrow else map[at] + map[at + LANES]
            for y in range(height):
                for x in range(width):
                    p = y * width + x
                    settle(map, (y + 1) * row + x + 1, sum[p], u, c, first, last, p)
        if first == 0:
            sums[b] = sum


@kernel
def _backward(
    start: int,
    stop: int,
    gout: Any,
    values: Any,
    grid: Any,
    height: int,
    width: int,
    align_corners: bool,
    narrow: bool,
    sums: Any,
    out: Any,
    gvalues: Any,
    ggrid: Any,
) -> None:
    """Compute the gradients of the sources start to stop of all images, on the lattice by the rule "right"."""
    images, channels, count = values.shape
    row = width + 2
    sx, sy = 0.5 * coordinate_scale(width, align_corners), 0.5 * coordinate_scale(height, align_corners)
    found, totals, map = np.empty((5, count)), np.empty((4, count)), np.zeros((height + 2) * row * 2 * LANES)
    for b in range(images):
        first, last = _of_image(start, stop, b, count)
        if first == last:
            continue
        g, v, u, gv, sum = gout[b], values[b], out[b], gvalues[b], sums[b]
        _locate(grid[b, 2 * first : 2 * last], height, width, align_corners, narrow, found)
        totals[:] = 0.0
        for c in range(0, channels, LANES):
            for y in range(height):
                for x in range(width):
                    p = y * width + x
                    prepare(map, (y + 1) * row + x + 1, sum[p], g, u, c, channels, p)
            for i in range(last - first):
                hx, fx, hy, fy = found[0, i], found[1, i], found[2, i], found[3, i]
                gx, gy = pull(map, np.int64(found[4, i]), row, hx, fx, hy, fy, v, gv, c, channels, first + i)
                if narrow:
                    totals[0, i] += gx
                    totals[1, i] += gy
                else:
                    totals[0, i], lost = two_sum(totals[0, i], gx)
                    totals[2, i] += lost
                    totals[1, i], lost = two_sum(totals[1, i], gy)
                    totals[3, i] += lost
        for i in range(last - first):
            x, y = grid[b, 2 * (first + i)], grid[b, 2 * (first + i) + 1]
            undefined = np.isnan(x) or np.isnan(y)
            ggrid[b, 2 * (first + i)] = np.nan if undefined else sx * (totals[0, i] + totals[2, i])
            ggrid[b, 2 * (first + i) + 1] = np.nan if undefined else sy * (totals[1, i] + totals[3, i])


def _flat(array: Any, axes: int) -> Any:
    """Return the array as a kernel takes it, with all axes from `axes` on as one."""
    lengths = array.shape[:axes]
    return argument(argument(array).reshape(*lengths, array.size // max(int(np.prod(lengths)), 1)))


def decode(values: Any, grid: Any, height: int, width: int, align_corners: bool) -> tuple[Any, Any]:
    """Return the map (N, C, H, W), of the dtype of the values, and the sums of weights (N, H, W)."""
    batch, channels = values.shape[:2]
    sums, out = np.zeros((batch, height * width)), np.empty((batch, channels, height * width), values.dtype)
    where = height, width, align_corners, values.dtype == np.float32
    run(_forward, batch * channels, values.size, _flat(values, 2), _flat(grid, 1), *where, sums, out)
    return out.reshape(batch, channels, height, width), sums.reshape(batch, height, width)


def decode_gradient(gout: Any, values: Any, grid: Any, out: Any, sums: Any, align_corners: bool) -> tuple[Any, Any]:
    """Return the gradients of the values and of the grid, from what `decode` returned."""
    batch, _, height, width = gout.shape
    given, points = _flat(values, 2), _flat(grid, 1)
    gvalues, ggrid = np.zeros(given.shape, given.dtype), np.zeros(points.shape, points.dtype)
    where = height, width, align_corners, values.dtype == np.float32
    arrays = _flat(gout, 2), given, points, *where, _flat(sums, 1), _flat(out, 2)
    run(_backward, ggrid.size // 2, values.size, *arrays, gvalues, ggrid)
    return gvalues.reshape(values.shape), ggrid.reshape(grid.shape)
