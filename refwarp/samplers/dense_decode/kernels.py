"""The decoder and its gradients with every care, on CUDA and on the CPU: pixels gather, in one order.

Each source writes down the three pixels along an axis that it may reach, with their weights and slopes; the sources of
an image are sorted by the first of these pixels. So a pixel of the map finds the sources that reach it in the cells up
to two before its own, and sums them alone. Weights below 2^-400 are kept as a number and a power of two, the sum S of
weights as a number and the power of two of the largest: then nothing underflows. A pixel is a hole if no source has a
weight there whose factors are both positive.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from autograd_core.arrays import array_module
from refwarp.backend.arithmetic import compensated, two_product, two_sum
from refwarp.backend.jit import items, kernel, scalar
from refwarp.backend.launch import argument, run
from refwarp.conventions import HUGE, OUTSIDE, TINY, choose_side, coordinate_scale, locate, pixel_of
from refwarp.samplers.gathering import sort_samples

# Smaller weights are kept as a number and a power of two.
SMALL = 2.0**-400
# The power of two of S in a hole: below that of every weight.
HOLE = -10000

# ---- scalars: the equations' pieces, for the CPU and the GPU ----


@scalar
def scaled_weight(w: float, g: float, s: float) -> tuple[float, int]:
    """Return a weight along one axis as a number and a power of two; the power is 0 unless the weight is small.

    Weights that small occur beside the middle pixel only, where they are |g| s/2.
    """
    if w == 0.0 or w >= SMALL:
        return w, 0
    fraction, power = math.frexp(abs(g))
    return 0.5 * s * fraction, power


@scalar
def reach(
    g: float, size: int, align_corners: bool, kink: int
) -> tuple[int, tuple[float, float, float], tuple[int, int, int], tuple[float, float, float]]:
    """Return the first of three pixels along an axis, and the weights, powers of two and slopes of the three.

    The slopes are derivatives by g, on the lattice by the rule `kink`. Of a coordinate out of reach, or NaN, all are 0
    and the pixel is OUTSIDE.
    """
    nothing = 0.0, 0.0, 0.0
    if math.isnan(g):
        return OUTSIDE, nothing, (0, 0, 0), nothing
    n, h, f = locate(g, size, align_corners)
    if n == OUTSIDE:
        return OUTSIDE, nothing, (0, 0, 0), nothing
    n, h, f, d0, d1, d2 = choose_side(n, h, f, kink)
    s = coordinate_scale(size, align_corners)
    (h, power_h), (f, power_f) = scaled_weight(h, g, s), scaled_weight(f, g, s)
    return n, (h, f, 0.0), (power_h, power_f, 0), (0.5 * s * d0, 0.5 * s * d1, 0.5 * s * d2)


@scalar
def product(a: float, b: float, c: float, power: int) -> float:
    """Return a b c 2^power, with care where something on the way under- or overflows."""
    inner = a * b
    result = inner * c
    if a == 0.0 or b == 0.0 or (power == 0 and TINY <= abs(inner) <= HUGE and TINY <= abs(result)):
        return result
    a, power_a = math.frexp(a)
    b, power_b = math.frexp(b)
    c, power_c = math.frexp(c)
    return math.ldexp(a * b * c, int(power_a + power_b + power_c + power))


# ---- kernels: what each source reaches, and what reaches each pixel ----


@kernel
def _reach(
    start: int,
    stop: int,
    grid: Any,
    height: int,
    width: int,
    align_corners: bool,
    kink: int,
    first: Any,
    weights: Any,
    powers: Any,
    slopes: Any,
    cells: Any,
) -> None:
    """Write down for the sources start to stop of all images what they reach along x (0) and y (1)."""
    _, rows, columns, _ = grid.shape
    for s in items(start, stop):
        b, i, j = pixel_of(s, rows, columns)
        for axis in range(2):
            size = height if axis else width
            n, w, power, d = reach(np.float64(grid[b, i, j, axis]), size, align_corners, kink)
            first[s, axis] = n
            for p in range(3):
                weights[s, axis, p], powers[s, axis, p], slopes[s, axis, p] = w[p], power[p], d[p]
        m, n = first[s, 0], first[s, 1]
        nowhere = m == OUTSIDE or n == OUTSIDE
        none = (height + 3) * (width + 3)
        cells[b, s - b * rows * columns] = none if nowhere else cell_of(0, n, m, height, width)


@scalar
def cell_of(b: int, n: int, m: int, height: int, width: int) -> int:
    """Return the cell of image b, counted through all images, of the sources whose first pixel is (n, m)."""
    return b * ((height + 3) * (width + 3) + 1) + (n + 2) * (width + 3) + m + 2


@kernel
def _weigh(
    start: int,
    stop: int,
    first: Any,
    weights: Any,
    powers: Any,
    slopes: Any,
    order: Any,
    starts: Any,
    sums: Any,
    lifts: Any,
) -> None:
    """Sum the weights at the pixels start to stop of all images, S = sums 2^lifts; the power is HOLE in holes."""
    _, height, width = sums.shape
    for r in items(start, stop):
        b, y, x = pixel_of(r, height, width)
        total, lost, lift = 0.0, 0.0, HOLE
        for q in range(2):
            for p in range(2):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    wx, wy = weights[s, 0, p], weights[s, 1, q]
                    if wx == 0.0 or wy == 0.0:
                        continue
                    power = powers[s, 0, p] + powers[s, 1, q]
                    if power > lift:  # the largest weight sets the power
                        down = math.ldexp(1.0, int(max(lift - power, HOLE)))
                        total *= down
                        lost *= down
                        lift = power
                    w, rest = two_product(wx, wy)
                    down = math.ldexp(1.0, int(power - lift))
                    total, remainder = two_sum(total, w * down)
                    lost += remainder + rest * down
        sums[b, y, x], lifts[b, y, x] = compensated(total, lost), lift


# ---- kernels: forward and backward ----


@kernel
def _forward(
    start: int,
    stop: int,
    values: Any,
    scale: float,
    first: Any,
    weights: Any,
    powers: Any,
    slopes: Any,
    order: Any,
    starts: Any,
    sums: Any,
    lifts: Any,
    out: Any,
) -> None:
    """Decode the pixels start to stop of all planes, times `scale`."""
    _, channels, height, width = out.shape
    _, _, rows, columns = values.shape
    for r in items(start, stop):
        plane, y, x = pixel_of(r, height, width)
        b, c = plane // channels, plane % channels
        total, lost = 0.0, 0.0
        for q in range(2):
            for p in range(2):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    wx, wy = weights[s, 0, p], weights[s, 1, q]
                    if wx == 0.0 or wy == 0.0:
                        continue
                    _, i, j = pixel_of(s, rows, columns)
                    power = powers[s, 0, p] + powers[s, 1, q] - lifts[b, y, x]
                    term = product(np.float64(values[b, c, i, j]) * scale, wx * wy / sums[b, y, x], 1.0, power)
                    total, remainder = two_sum(total, term)
                    lost += remainder
        out[b, c, y, x] = compensated(total, lost)


@kernel
def _backward(
    start: int,
    stop: int,
    gout: Any,
    values: Any,
    scale: float,
    lift: int,
    out: Any,
    first: Any,
    weights: Any,
    powers: Any,
    slopes: Any,
    order: Any,
    starts: Any,
    sums: Any,
    lifts: Any,
    grid: Any,
    gvalues: Any,
    ggrid: Any,
) -> None:
    """Compute the gradients of the sources start to stop of all images; `out` is scale = 2^lift times too large."""
    _, channels, rows, columns = values.shape
    _, height, width = sums.shape
    for source in items(start, stop):
        b, i, j = pixel_of(source, rows, columns)
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for c in range(channels):
            v = np.float64(values[b, c, i, j]) * scale
            total, lost = 0.0, 0.0
            for q in range(3):
                for p in range(3):
                    y, x = first[source, 1] + q, first[source, 0] + p
                    if not (0 <= y < height and 0 <= x < width) or lifts[b, y, x] == HOLE:
                        continue
                    wx, dx, power_x = weights[source, 0, p], slopes[source, 0, p], powers[source, 0, p]
                    wy, dy, power_y = weights[source, 1, q], slopes[source, 1, q], powers[source, 1, q]
                    s, power = sums[b, y, x], -lifts[b, y, x]
                    g, difference = np.float64(gout[b, c, y, x]), v - out[b, c, y, x]
                    if wx != 0.0 and wy != 0.0:
                        term = product(g, 1.0, wx * wy / s, power_x + power_y + power)
                        total, remainder = two_sum(total, term)
                        lost += remainder
                    if dx != 0.0 and wy != 0.0:
                        term = product(g, difference, dx * wy / s, power_y + power - lift)
                        total_x, remainder = two_sum(total_x, term)
                        lost_x += remainder
                    if wx != 0.0 and dy != 0.0:
                        term = product(g, difference, wx * dy / s, power_x + power - lift)
                        total_y, remainder = two_sum(total_y, term)
                        lost_y += remainder
            gvalues[b, c, i, j] = compensated(total, lost)
        undefined = math.isnan(grid[b, i, j, 0]) or math.isnan(grid[b, i, j, 1])
        ggrid[b, i, j, 0] = np.nan if undefined else compensated(total_x, lost_x)
        ggrid[b, i, j, 1] = np.nan if undefined else compensated(total_y, lost_y)


# ---- what they are called by ----


class Reach(NamedTuple):
    """What sources reach, as the kernels' arguments; sources are counted through all images."""

    first: Any  # (sources, 2), pixels
    weights: Any  # (sources, 2, 3), along x and y, of three pixels
    powers: Any  # (sources, 2, 3), of two, by which to multiply the weights
    slopes: Any  # (sources, 2, 3), of the weights, by g
    order: Any  # (sources,), see `sort_samples`
    starts: Any


def find_reach(grid: Any, height: int, width: int, align_corners: bool, kink: int) -> Reach:
    """Return what the sources of a grid reach of a map."""
    xp, (batch, rows, columns, _) = array_module(grid), grid.shape
    sources = batch * rows * columns
    first, powers = xp.empty((sources, 2), np.int64), xp.empty((sources, 2, 3), np.int64)
    weights, slopes = xp.empty((sources, 2, 3)), xp.empty((sources, 2, 3))
    cells = xp.empty((batch, rows * columns), np.int64)
    where = height, width, align_corners, kink
    run(_reach, sources, grid.size, argument(grid), *where, first, weights, powers, slopes, cells)
    order, starts = sort_samples(cells, (height + 3) * (width + 3))
    return Reach(*(argument(array) for array in (first, weights, powers, slopes, order, starts)))


def decode(values: Any, reach: Reach, height: int, width: int, scale: float) -> tuple[Any, Any, Any]:
    """Return S as numbers and powers of two (N, H, W), and the map (N, C, H, W) in float64, times `scale`."""
    xp, (batch, channels) = array_module(values), values.shape[:2]
    sums, lifts = xp.empty((batch, height, width)), xp.empty((batch, height, width), np.int64)
    run(_weigh, sums.size, sums.size + reach.order.size, *reach, sums, lifts)
    sums, lifts, out = argument(sums), argument(lifts), xp.empty((batch, channels, height, width))
    run(_forward, out.size, out.size + values.size, argument(values), scale, *reach, sums, lifts, out)
    return sums, lifts, argument(out)


def decode_gradient(gout: Any, values: Any, grid: Any, align_corners: bool, kink: int, lift: int) -> tuple[Any, Any]:
    """Return the gradients of the values and of the grid in float64; 2^lift brings the values near 1."""
    xp, (height, width) = array_module(values), gout.shape[2:]
    reach = find_reach(grid, height, width, align_corners, kink)
    sums, lifts, out = decode(values, reach, height, width, 2.0**lift)
    gvalues, ggrid = xp.empty(values.shape), xp.empty(grid.shape)
    given = argument(gout), argument(values), 2.0**lift, lift, out, *reach, sums, lifts, argument(grid)
    run(_backward, grid.size // 2, values.size, *given, gvalues, ggrid)
    return gvalues, ggrid
