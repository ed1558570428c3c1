"""The decoder of dense transformer networks: DTN Eqs. (6) to (10), with dy derived; for CUDA and the CPU.

Values V_c(i) of sources i at the points (x_i, y_i) are distributed over a map with bilinear weights w_i, normalised:

    S(n, m) = sum over i of w_i(n, m),   w_i(n, m) = k(x_i - m) k(y_i - n),   k(d) = max(0, 1 - |d|)     (DTN 6)
    U_c(n, m) = 1/S sum over i of V_c(i) w_i(n, m)                                                       (DTN 7)

A pixel is a hole if no w_i differs from 0. With N = S U, the gradients are

    gV_c(i) = sum over n, m of gU_c / S w_i                                                              (DTN 8)
    gS(n, m) = sum over c of -gU_c / S^2 N_c = sum over c of gU_c / S (-U_c)                             (DTN 9)
    gx_i = sum over n, m of (sum over c of gU_c / S V_c(i) + gS) k'(x_i - m) k(y_i - n)                 (DTN 10)

where U is subtracted from V first, since gU/S V + gS would cancel. So, for the operation, with s_x/2 = dx/dg,

    gV_c(i) = sum over n, m of gU_c / S w_i                                                          (decoder.3)
    gg_x(i) = sum over c, n, m of gU_c / S (V_c(i) - U_c) w_x,   w_x = s_x/2 k'(x_i - m) k(y_i - n)      (decoder.4)

and likewise gg_y with w_y. Holes are excluded from all sums: the map jumps where a source starts to reach one.

Conventions: `refwarp.conventions`, with x and y in pixels of the decoded map. A source at NaN or infinity has no
position: it adds nothing, and the gradient of its value is 0; that of its coordinates is NaN if one of them is NaN.
Everything is computed in float64, and rounded once to the dtype of the values. docs/dense_decode.md derives each line
and its error bound.

Each pixel gathers in a fixed order. For each source the three pixels along each axis that it may reach are stored, with
their weights and slopes; the sources of an image are sorted by the first of these pixels. So the sources that reach a
pixel of the map are in its own cell and in the two before it, along each axis. Weights below 2^-400 are stored as a
number and a power of two, the sum S of weights as a number and the power of two of the largest. Then nothing
underflows, and holes are found exactly: there no source has a weight with two positive factors.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from autograd_core.arrays import array_module
from refwarp.backend.arithmetic import compensated, two_product, two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.backend.launch import argument, run
from refwarp.conventions import (
    CENTRAL,
    HUGE,
    OUTSIDE,
    TINY,
    Rules,
    Size,
    choose_side,
    coordinate_scale,
    locate,
    pixel_of,
)
from refwarp.samplers.gathering import Sorted, sort_samples

# Smaller weights are stored as a number and a power of two.
SMALL = 2.0**-400
# The power of two of S in a hole: below that of every weight.
HOLE = -10000

# ---- groups of arguments ----


class DecoderInputs(NamedTuple):
    """What the gradients are computed from."""

    gout: Any  # (N, C, H, W)
    values: Any  # (N, C, H', W')
    grid: Any  # (N, H', W', 2)


class DecoderGradients(NamedTuple):
    """The gradients with respect to values and grid; or cotangents of those."""

    values: Any  # (N, C, H', W')
    grid: Any  # (N, H', W', 2)


class AxisReach(NamedTuple):
    """What each source reaches along one axis: three pixels. Sources are counted through all images."""

    first: Any  # (sources,), the first of the three
    weights: Any  # (sources, 3)
    powers: Any  # (sources, 3), of two, by which to multiply the weights
    slopes: Any  # (sources, 3), of the weights, by g


class Reach(NamedTuple):
    """What each source reaches along both axes, and what reaches each pixel."""

    x: AxisReach
    y: AxisReach
    sources: Sorted  # cell by cell
    span: int  # how many pixels a weight or a slope may reach


class Decoded(NamedTuple):
    """The map, and S = sums 2^powers of its pixels; the power is HOLE in holes."""

    map: Any  # (N, C, H, W), times 2^lift of the values
    sums: Any  # (N, H, W)
    powers: Any  # (N, H, W)


# ---- scalars: parts of the equations ----


@scalar
def scaled_weight(w: float, g: float, s: float) -> tuple[float, int]:
    """Return a weight along one axis as a number and a power of two; the power is 0 unless the weight is small.

    Such small weights occur only next to the middle pixel, where they are |g| s/2.
    """
    if w == 0.0 or w >= SMALL:
        return w, 0
    fraction, power = math.frexp(abs(g))
    return 0.5 * s * fraction, power


@scalar
def reach_along(
    g: float, size: int, align_corners: bool, kink: int
) -> tuple[int, tuple[float, float, float], tuple[int, int, int], tuple[float, float, float]]:
    """Return the first of three pixels along an axis, and the weights, powers of two and slopes of the three.

    The slopes are derivatives with respect to g, on the lattice by the rule `kink`. For a coordinate out of reach, or
    NaN, all are 0 and the pixel is OUTSIDE.
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
def scaled_product(a: float, b: float, c: float, power: int) -> float:
    """Return a b c 2^power, also where an intermediate product under- or overflows."""
    inner = a * b
    result = inner * c
    if a == 0.0 or b == 0.0 or (power == 0 and TINY <= abs(inner) <= HUGE and TINY <= abs(result)):
        return result
    a, power_a = math.frexp(a)
    b, power_b = math.frexp(b)
    c, power_c = math.frexp(c)
    return math.ldexp(a * b * c, int(power_a + power_b + power_c + power))


@scalar
def cell_of(b: int, n: int, m: int, height: int, width: int) -> int:
    """Return the cell of image b, counted through all images, of the sources whose first pixel is (n, m)."""
    return b * ((height + 3) * (width + 3) + 1) + (n + 2) * (width + 3) + m + 2


# ---- kernels: what each source reaches, and what each pixel receives ----


@part
def _write_reach(axis: AxisReach, s: int, g: float, size: int, rules: Rules) -> int:
    """Write down what source s reaches along an axis, and return the first pixel."""
    n, w, power, d = reach_along(g, size, rules.align_corners, rules.kink)
    axis.first[s] = n
    for p in range(3):
        axis.weights[s, p], axis.powers[s, p], axis.slopes[s, p] = w[p], power[p], d[p]
    return n


@kernel
def find_cells(
    start: int, stop: int, grid: Any, size: Size, rules: Rules, x: AxisReach, y: AxisReach, cells: Any
) -> None:
    """Write down for the sources start to stop of all images what they reach along x and y, and their cells."""
    _, rows, columns, _ = grid.shape
    for s in items(start, stop):
        b, i, j = pixel_of(s, rows, columns)
        m = _write_reach(x, s, np.float64(grid[b, i, j, 0]), size.width, rules)
        n = _write_reach(y, s, np.float64(grid[b, i, j, 1]), size.height, rules)
        nowhere = m == OUTSIDE or n == OUTSIDE
        none = (size.height + 3) * (size.width + 3)
        cells[b, s - b * rows * columns] = none if nowhere else cell_of(0, n, m, size.height, size.width)


@kernel
def weigh(start: int, stop: int, reach: Reach, sums: Any, powers: Any) -> None:
    """Compute (DTN 6), S = sums 2^powers, at the pixels start to stop of all images; the power is HOLE in holes."""
    _, height, width = sums.shape
    along_x, along_y, order, starts = reach.x, reach.y, reach.sources.order, reach.sources.starts
    for r in items(start, stop):
        b, y, x = pixel_of(r, height, width)
        total, lost, largest = 0.0, 0.0, HOLE
        for q in range(2):
            for p in range(2):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    wx, wy = along_x.weights[s, p], along_y.weights[s, q]
                    if wx == 0.0 or wy == 0.0:
                        continue
                    power = along_x.powers[s, p] + along_y.powers[s, q]
                    if power > largest:  # the largest weight sets the power
                        down = math.ldexp(1.0, int(max(largest - power, HOLE)))
                        total *= down
                        lost *= down
                        largest = power
                    w, rest = two_product(wx, wy)
                    down = math.ldexp(1.0, int(power - largest))
                    total, remainder = two_sum(total, w * down)  # (DTN 6)
                    lost += remainder + rest * down
        sums[b, y, x], powers[b, y, x] = compensated(total, lost), largest


# ---- kernels: forward and backward ----


@kernel
def forward(start: int, stop: int, values: Any, lift: int, reach: Reach, sums: Any, powers: Any, out: Any) -> None:
    """Compute (DTN 7) for the pixels start to stop of all planes, times 2^lift."""
    _, channels, height, width = out.shape
    _, _, rows, columns = values.shape
    along_x, along_y, order, starts = reach.x, reach.y, reach.sources.order, reach.sources.starts
    scale = math.ldexp(1.0, int(lift))
    for r in items(start, stop):
        plane, y, x = pixel_of(r, height, width)
        b, c = plane // channels, plane % channels
        total, lost = 0.0, 0.0
        for q in range(2):
            for p in range(2):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    wx, wy = along_x.weights[s, p], along_y.weights[s, q]
                    if wx == 0.0 or wy == 0.0:
                        continue
                    _, i, j = pixel_of(s, rows, columns)  # (DTN 5): V(p), which stands at Tp
                    v, power = np.float64(values[b, c, i, j]) * scale, along_x.powers[s, p] + along_y.powers[s, q]
                    term = scaled_product(v, wx * wy / sums[b, y, x], 1.0, power - powers[b, y, x])
                    total, remainder = two_sum(total, term)  # (DTN 7)
                    lost += remainder
        out[b, c, y, x] = compensated(total, lost)


@kernel
def backward(
    start: int, stop: int, given: DecoderInputs, lift: int, reach: Reach, decoded: Decoded, gradients: DecoderGradients
) -> None:
    """Compute (decoder.3) and (decoder.4) for the sources start to stop of all images."""
    _, channels, rows, columns = given.values.shape
    gout, values, grid = given.gout, given.values, given.grid
    out, sums, powers, along_x, along_y = decoded.map, decoded.sums, decoded.powers, reach.x, reach.y
    _, height, width = sums.shape
    scale = math.ldexp(1.0, int(lift))
    for s in items(start, stop):
        b, i, j = pixel_of(s, rows, columns)
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for c in range(channels):
            v = np.float64(values[b, c, i, j]) * scale
            total, lost = 0.0, 0.0
            for q in range(3):
                for p in range(3):
                    y, x = along_y.first[s] + q, along_x.first[s] + p
                    if not (0 <= y < height and 0 <= x < width) or powers[b, y, x] == HOLE:
                        continue
                    wx, dx, power_x = along_x.weights[s, p], along_x.slopes[s, p], along_x.powers[s, p]
                    wy, dy, power_y = along_y.weights[s, q], along_y.slopes[s, q], along_y.powers[s, q]
                    received, power = sums[b, y, x], -powers[b, y, x]
                    g = np.float64(gout[b, c, y, x])
                    difference = v - out[b, c, y, x]  # times gU/S that is gU/S V + gS (DTN 9)
                    if wx != 0.0 and wy != 0.0:
                        term = scaled_product(g, 1.0, wx * wy / received, power_x + power_y + power)
                        total, remainder = two_sum(total, term)  # (DTN 8), (decoder.3)
                        lost += remainder
                    if dx != 0.0 and wy != 0.0:
                        term = scaled_product(g, difference, dx * wy / received, power_y + power - lift)
                        total_x, remainder = two_sum(total_x, term)  # (DTN 10), (decoder.4)
                        lost_x += remainder
                    if wx != 0.0 and dy != 0.0:
                        term = scaled_product(g, difference, wx * dy / received, power_x + power - lift)
                        total_y, remainder = two_sum(total_y, term)  # (DTN 10), (decoder.4), in y
                        lost_y += remainder
            gradients.values[b, c, i, j] = compensated(total, lost)
        undefined = math.isnan(grid[b, i, j, 0]) or math.isnan(grid[b, i, j, 1])
        gradients.grid[b, i, j, 0] = np.nan if undefined else compensated(total_x, lost_x)
        gradients.grid[b, i, j, 1] = np.nan if undefined else compensated(total_y, lost_y)


# ---- callers ----


def find_reach(grid: Any, size: Size, rules: Rules) -> Reach:
    """Return which pixels of a map the sources of a grid reach."""
    xp, (batch, rows, columns, _) = array_module(grid), grid.shape
    sources = batch * rows * columns
    x, y = (
        AxisReach(
            first=xp.empty(sources, np.int64),
            weights=xp.empty((sources, 3)),
            powers=xp.empty((sources, 3), np.int64),
            slopes=xp.empty((sources, 3)),
        )
        for _ in range(2)
    )
    cells = xp.empty((batch, rows * columns), np.int64)
    run(find_cells, sources, grid.size, argument(grid), size, rules, x, y, cells)
    x, y = (AxisReach(*map(argument, axis)) for axis in (x, y))
    by_cell = sort_samples(cells, (size.height + 3) * (size.width + 3))
    return Reach(x=x, y=y, sources=by_cell, span=3 if rules.kink == CENTRAL else 2)


def decode(values: Any, reach: Reach, size: Size, lift: int = 0) -> Decoded:
    """Return the map, in float64, and the sums of weights; 2^lift scales the values to near 1."""
    xp, (batch, channels) = array_module(values), values.shape[:2]
    sums, powers = xp.empty((batch, *size)), xp.empty((batch, *size), np.int64)
    run(weigh, sums.size, sums.size + reach.sources.order.size, reach, sums, powers)
    sums, powers, out = argument(sums), argument(powers), xp.empty((batch, channels, *size))
    run(forward, out.size, out.size + values.size, argument(values), lift, reach, sums, powers, out)
    return Decoded(argument(out), sums, powers)


def decode_gradient(given: DecoderInputs, rules: Rules, lift: int) -> DecoderGradients:
    """Return the gradients of the values and of the grid in float64; 2^lift brings the values near 1."""
    given, xp = DecoderInputs(*map(argument, given)), array_module(given.values)
    size = Size(*given.gout.shape[2:])
    reach = find_reach(given.grid, size, rules)
    decoded = decode(given.values, reach, size, lift)
    gradients = DecoderGradients(xp.empty(given.values.shape), xp.empty(given.grid.shape))
    run(backward, given.grid.size // 2, given.values.size, given, lift, reach, decoded, gradients)
    return gradients
