"""The gradients of the decoder's gradients, on the CPU and on CUDA; the first ones are in `function`.

For cotangents A of gV and (b_x, b_y) of (gg_x, gg_y), let D_i = b_x w_x + b_y w_y be the change of source i's weight,
w_xy = s_x/2 s_y/2 k' k', and R = sum over i of D_i / S. Then

    with respect to gU_c(n, m):  T_c = 1/S sum over i of (A_c(i) w_i + (V_c(i) - U_c) D_i)             (decoder.5)
    with respect to V_c(i):      sum over n, m of gU_c / S (D_i - w_i R)                                (decoder.6)
    with respect to g_x(i):      sum over c, n, m of gU_c / S ((A_c(i) - T_c - (V_c(i) - U_c) R) w_x
                                 + (V_c(i) - U_c) b_y w_xy)                                             (decoder.7)

Shares of S are plain doubles here, and may under- or overflow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core.arrays import array_module
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel, scalar
from refwarp.backend.launch import argument, run
from refwarp.conventions import CENTRAL, pixel_of
from refwarp.samplers.dense_decode.kernels import HOLE, cell_of, decode, find_reach


@scalar
def share(a: float, b: float, inverse: float, power: int) -> float:
    """Return a b 2^power, times what is the inverse of S."""
    plain = a * b * inverse
    return plain if power == 0 else math.ldexp(plain, int(power))


@kernel
def _change_of_sums(
    start: int,
    stop: int,
    cotangent_grid: Any,
    span: int,
    first: Any,
    weights: Any,
    powers: Any,
    slopes: Any,
    order: Any,
    starts: Any,
    sums: Any,
    lifts: Any,
    change: Any,
) -> None:
    """Compute R, the change of S over S, at the pixels start to stop of all images."""
    _, height, width = sums.shape
    _, rows, columns, _ = cotangent_grid.shape
    for r in items(start, stop):
        b, y, x = pixel_of(r, height, width)
        inverse, lift = 1.0 / sums[b, y, x], lifts[b, y, x]
        total, lost = 0.0, 0.0
        for q in range(span if lift != HOLE else 0):
            for p in range(span):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    _, i, j = pixel_of(s, rows, columns)
                    wx = share(slopes[s, 0, p], weights[s, 1, q], inverse, powers[s, 1, q] - lift)
                    wy = share(weights[s, 0, p], slopes[s, 1, q], inverse, powers[s, 0, p] - lift)
                    bx, by = np.float64(cotangent_grid[b, i, j, 0]), np.float64(cotangent_grid[b, i, j, 1])
                    total, remainder = two_sum(total, bx * wx + by * wy)
                    lost += remainder
        change[b, y, x] = compensated(total, lost)


@kernel
def _change_of_map(
    start: int,
    stop: int,
    cotangent_values: Any,
    cotangent_grid: Any,
    values: Any,
    out: Any,
    span: int,
    first: Any,
    weights: Any,
    powers: Any,
    slopes: Any,
    order: Any,
    starts: Any,
    sums: Any,
    lifts: Any,
    ggout: Any,
) -> None:
    """Compute (decoder.5) at the pixels start to stop of all planes."""
    _, channels, height, width = out.shape
    _, _, rows, columns = values.shape
    for r in items(start, stop):
        plane, y, x = pixel_of(r, height, width)
        b, c = plane // channels, plane % channels
        inverse, lift, u = 1.0 / sums[b, y, x], lifts[b, y, x], out[b, c, y, x]
        total, lost = 0.0, 0.0
        for q in range(span if lift != HOLE else 0):
            for p in range(span):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    _, i, j = pixel_of(s, rows, columns)
                    power_x, power_y = powers[s, 0, p], powers[s, 1, q]
                    w = share(weights[s, 0, p], weights[s, 1, q], inverse, power_x + power_y - lift)
                    wx = share(slopes[s, 0, p], weights[s, 1, q], inverse, power_y - lift)
                    wy = share(weights[s, 0, p], slopes[s, 1, q], inverse, power_x - lift)
                    bx, by = np.float64(cotangent_grid[b, i, j, 0]), np.float64(cotangent_grid[b, i, j, 1])
                    difference = np.float64(values[b, c, i, j]) - u
                    term = np.float64(cotangent_values[b, c, i, j]) * w + difference * (bx * wx + by * wy)
                    total, remainder = two_sum(total, term)  # (decoder.5)
                    lost += remainder
        ggout[b, c, y, x] = compensated(total, lost)


@kernel
def _change_of_gradients(
    start: int,
    stop: int,
    cotangent_values: Any,
    cotangent_grid: Any,
    gout: Any,
    values: Any,
    out: Any,
    change: Any,
    ggout: Any,
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
    """Compute (decoder.6) and (decoder.7) for the sources start to stop of all images."""
    _, channels, rows, columns = values.shape
    _, height, width = sums.shape
    for s in items(start, stop):
        b, i, j = pixel_of(s, rows, columns)
        bx, by = np.float64(cotangent_grid[b, i, j, 0]), np.float64(cotangent_grid[b, i, j, 1])
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for c in range(channels):
            total, lost = 0.0, 0.0
            for q in range(3):
                for p in range(3):
                    y, x = first[s, 1] + q, first[s, 0] + p
                    if not (0 <= y < height and 0 <= x < width) or lifts[b, y, x] == HOLE:
                        continue
                    hx, dx, power_x = weights[s, 0, p], slopes[s, 0, p], powers[s, 0, p]
                    hy, dy, power_y = weights[s, 1, q], slopes[s, 1, q], powers[s, 1, q]
                    if (hx == 0.0 and dx == 0.0) or (hy == 0.0 and dy == 0.0):
                        continue
                    inverse, lift = 1.0 / sums[b, y, x], lifts[b, y, x]
                    w = share(hx, hy, inverse, power_x + power_y - lift)
                    wx, wy = share(dx, hy, inverse, power_y - lift), share(hx, dy, inverse, power_x - lift)
                    wxy = share(dx, dy, inverse, -lift)
                    g, relative = np.float64(gout[b, c, y, x]), change[b, y, x]
                    difference = np.float64(values[b, c, i, j]) - out[b, c, y, x]
                    total, remainder = two_sum(total, g * (bx * wx + by * wy - w * relative))  # (decoder.6)
                    lost += remainder
                    inner = np.float64(cotangent_values[b, c, i, j]) - ggout[b, c, y, x] - difference * relative
                    total_x, remainder = two_sum(total_x, g * (inner * wx + difference * by * wxy))  # (decoder.7)
                    lost_x += remainder
                    total_y, remainder = two_sum(total_y, g * (inner * wy + difference * bx * wxy))
                    lost_y += remainder
            gvalues[b, c, i, j] = compensated(total, lost)
        undefined = math.isnan(grid[b, i, j, 0]) or math.isnan(grid[b, i, j, 1])
        ggrid[b, i, j, 0] = np.nan if undefined else compensated(total_x, lost_x)
        ggrid[b, i, j, 1] = np.nan if undefined else compensated(total_y, lost_y)


def decode_second_gradient(
    cotangent_values: Any, cotangent_grid: Any, gout: Any, values: Any, grid: Any, align_corners: bool, kink: int
) -> tuple[Any, Any, Any]:
    """Return the gradients with respect to gout, values and grid, in float64."""
    xp, (height, width) = array_module(values), gout.shape[2:]
    a, b, gout, values, grid = (argument(x) for x in (cotangent_values, cotangent_grid, gout, values, grid))
    reach = find_reach(grid, height, width, align_corners, kink)
    sums, lifts, out = decode(values, reach, height, width, 1.0)
    span = 3 if kink == CENTRAL else 2  # how many pixels a weight or a slope may reach
    change, ggout = xp.empty(sums.shape), xp.empty(out.shape)
    run(_change_of_sums, sums.size, sums.size + grid.size, b, span, *reach, sums, lifts, change)
    run(_change_of_map, out.size, out.size + values.size, a, b, values, out, span, *reach, sums, lifts, ggout)
    gvalues, ggrid = xp.empty(values.shape), xp.empty(grid.shape)
    given = a, b, gout, values, out, argument(change), argument(ggout), *reach, sums, lifts, grid
    run(_change_of_gradients, grid.size // 2, values.size, *given, gvalues, ggrid)
    return ggout, gvalues, ggrid
