"""Second derivatives of the decoder, on the CPU and on CUDA; the first ones are in `kernels`.

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
from typing import Any, NamedTuple

import numpy as np

from autograd_core.arrays import array_module
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel, scalar
from refwarp.backend.launch import argument, run
from refwarp.conventions import Rules, Size, pixel_of
from refwarp.samplers.dense_decode.kernels import (
    HOLE,
    Decoded,
    DecoderGradients,
    DecoderInputs,
    Reach,
    cell_of,
    decode,
    find_reach,
)


class Changes(NamedTuple):
    """Changes with values and grid, in the direction of the cotangents."""

    sums: Any  # R (N, H, W)
    map: Any  # T (N, C, H, W), which is the gradient with respect to gout


@scalar
def share(a: float, b: float, inverse: float, power: int) -> float:
    """Return a b 2^power / S."""
    plain = a * b * inverse
    return plain if power == 0 else math.ldexp(plain, int(power))


@kernel
def change_of_sums(
    start: int, stop: int, cotangent_grid: Any, reach: Reach, sums: Any, powers: Any, change: Any
) -> None:
    """Compute R, the change of S over S, at the pixels start to stop of all images."""
    along_x, along_y, order, starts = reach.x, reach.y, reach.sources.order, reach.sources.starts
    _, height, width = sums.shape
    _, rows, columns, _ = cotangent_grid.shape
    for r in items(start, stop):
        b, y, x = pixel_of(r, height, width)
        inverse, lift = 1.0 / sums[b, y, x], powers[b, y, x]
        total, lost = 0.0, 0.0
        for q in range(reach.span if lift != HOLE else 0):
            for p in range(reach.span):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    _, i, j = pixel_of(s, rows, columns)
                    wx = share(along_x.slopes[s, p], along_y.weights[s, q], inverse, along_y.powers[s, q] - lift)
                    wy = share(along_x.weights[s, p], along_y.slopes[s, q], inverse, along_x.powers[s, p] - lift)
                    bx, by = np.float64(cotangent_grid[b, i, j, 0]), np.float64(cotangent_grid[b, i, j, 1])
                    total, remainder = two_sum(total, bx * wx + by * wy)
                    lost += remainder
        change[b, y, x] = compensated(total, lost)


@kernel
def change_of_map(
    start: int, stop: int, cotangents: DecoderGradients, values: Any, reach: Reach, decoded: Decoded, ggout: Any
) -> None:
    """Compute (decoder.5) at the pixels start to stop of all planes."""
    a_values, b_grid = cotangents.values, cotangents.grid
    along_x, along_y, order, starts = reach.x, reach.y, reach.sources.order, reach.sources.starts
    out, sums, powers = decoded.map, decoded.sums, decoded.powers
    _, channels, height, width = out.shape
    _, _, rows, columns = values.shape
    for r in items(start, stop):
        plane, y, x = pixel_of(r, height, width)
        b, c = plane // channels, plane % channels
        inverse, lift, u = 1.0 / sums[b, y, x], powers[b, y, x], out[b, c, y, x]
        total, lost = 0.0, 0.0
        for q in range(reach.span if lift != HOLE else 0):
            for p in range(reach.span):
                cell = cell_of(b, y - q, x - p, height, width)
                for t in range(starts[cell], starts[cell + 1]):
                    s = order[t]
                    _, i, j = pixel_of(s, rows, columns)
                    hx, dx, power_x = along_x.weights[s, p], along_x.slopes[s, p], along_x.powers[s, p]
                    hy, dy, power_y = along_y.weights[s, q], along_y.slopes[s, q], along_y.powers[s, q]
                    w = share(hx, hy, inverse, power_x + power_y - lift)
                    wx, wy = share(dx, hy, inverse, power_y - lift), share(hx, dy, inverse, power_x - lift)
                    bx, by = np.float64(b_grid[b, i, j, 0]), np.float64(b_grid[b, i, j, 1])
                    difference = np.float64(values[b, c, i, j]) - u
                    term = np.float64(a_values[b, c, i, j]) * w + difference * (bx * wx + by * wy)
                    total, remainder = two_sum(total, term)  # (decoder.5)
                    lost += remainder
        ggout[b, c, y, x] = compensated(total, lost)


@kernel
def change_of_gradients(
    start: int,
    stop: int,
    cotangents: DecoderGradients,
    given: DecoderInputs,
    reach: Reach,
    decoded: Decoded,
    changes: Changes,
    gradients: DecoderGradients,
) -> None:
    """Compute (decoder.6) and (decoder.7) for the sources start to stop of all images."""
    a_values, b_grid, gout, values = cotangents.values, cotangents.grid, given.gout, given.values
    out, sums, powers, along_x, along_y = decoded.map, decoded.sums, decoded.powers, reach.x, reach.y
    _, channels, rows, columns = values.shape
    _, height, width = sums.shape
    for s in items(start, stop):
        b, i, j = pixel_of(s, rows, columns)
        bx, by = np.float64(b_grid[b, i, j, 0]), np.float64(b_grid[b, i, j, 1])
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for c in range(channels):
            total, lost = 0.0, 0.0
            for q in range(3):
                for p in range(3):
                    y, x = along_y.first[s] + q, along_x.first[s] + p
                    if not (0 <= y < height and 0 <= x < width) or powers[b, y, x] == HOLE:
                        continue
                    hx, dx, power_x = along_x.weights[s, p], along_x.slopes[s, p], along_x.powers[s, p]
                    hy, dy, power_y = along_y.weights[s, q], along_y.slopes[s, q], along_y.powers[s, q]
                    if (hx == 0.0 and dx == 0.0) or (hy == 0.0 and dy == 0.0):
                        continue
                    inverse, lift = 1.0 / sums[b, y, x], powers[b, y, x]
                    w = share(hx, hy, inverse, power_x + power_y - lift)
                    wx, wy = share(dx, hy, inverse, power_y - lift), share(hx, dy, inverse, power_x - lift)
                    wxy = share(dx, dy, inverse, -lift)
                    g, relative = np.float64(gout[b, c, y, x]), changes.sums[b, y, x]
                    difference = np.float64(values[b, c, i, j]) - out[b, c, y, x]
                    total, remainder = two_sum(total, g * (bx * wx + by * wy - w * relative))  # (decoder.6)
                    lost += remainder
                    inner = np.float64(a_values[b, c, i, j]) - changes.map[b, c, y, x] - difference * relative
                    total_x, remainder = two_sum(total_x, g * (inner * wx + difference * by * wxy))  # (decoder.7)
                    lost_x += remainder
                    total_y, remainder = two_sum(total_y, g * (inner * wy + difference * bx * wxy))  # (decoder.7), in y
                    lost_y += remainder
            gradients.values[b, c, i, j] = compensated(total, lost)
        undefined = math.isnan(given.grid[b, i, j, 0]) or math.isnan(given.grid[b, i, j, 1])
        gradients.grid[b, i, j, 0] = np.nan if undefined else compensated(total_x, lost_x)
        gradients.grid[b, i, j, 1] = np.nan if undefined else compensated(total_y, lost_y)


def decode_second_gradient(cotangents: DecoderGradients, given: DecoderInputs, rules: Rules) -> tuple[Any, Any, Any]:
    """Return the gradients with respect to gout, values and grid, in float64."""
    cotangents, given = DecoderGradients(*map(argument, cotangents)), DecoderInputs(*map(argument, given))
    xp, values, grid, size = array_module(given.values), given.values, given.grid, Size(*given.gout.shape[2:])
    reach = find_reach(grid, size, rules)
    decoded = decode(values, reach, size)
    change, ggout = xp.empty(decoded.sums.shape), xp.empty(decoded.map.shape)
    sums, powers = decoded.sums, decoded.powers
    run(change_of_sums, sums.size, sums.size + grid.size, cotangents.grid, reach, sums, powers, change)
    run(change_of_map, ggout.size, ggout.size + values.size, cotangents, values, reach, decoded, ggout)
    changes, gradients = (
        Changes(argument(change), argument(ggout)),
        DecoderGradients(xp.empty(values.shape), xp.empty(grid.shape)),
    )
    run(change_of_gradients, grid.size // 2, values.size, cotangents, given, reach, decoded, changes, gradients)
    return ggout, gradients.values, gradients.grid
