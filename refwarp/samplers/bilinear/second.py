"""Second derivatives of bilinear sampling, (bilinear.7) to (bilinear.9) of `kernels`, for the CPU and CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.conventions import OUTSIDE, Rules, coordinate_scale, is_undefined, pixel_of
from refwarp.samplers.bilinear.kernels import Tables, cell_count, cell_number, pixel, read_axis
from refwarp.samplers.gathering import Sorted
from refwarp.samplers.pieces import Cotangents, Given, SampleGradients


@kernel
def backward_samples(
    start: int, stop: int, cotangents: Cotangents, given: Given, rules: Rules, gradients: SampleGradients
) -> None:
    """Compute (bilinear.7) and (bilinear.9) for the samples start to stop of all images."""
    gout, input, grid = given.gout, given.input, given.grid
    _, channels, height, width = input.shape
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    ggout, ggrid = gradients.ggout, gradients.ggrid
    for s in items(start, stop):
        b, i, j = pixel_of(s, gout.shape[2], gout.shape[3])
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        undefined = is_undefined(gx, gy, rules.padding)
        x = read_axis(0.0 if undefined else gx, width, rules)
        y = read_axis(0.0 if undefined else gy, height, rules)
        if undefined or x.first == OUTSIDE or y.first == OUTSIDE:
            nothing = np.nan if undefined else 0.0
            for c in range(channels):
                ggout[b, c, i, j] = nothing
            ggrid[b, i, j, 0] = nothing
            ggrid[b, i, j, 1] = nothing
            continue
        m, (hx, fx), (px0, px1), dx = x.first, x.weights, x.factors, x.slopes
        n, (hy, fy), (py0, py1), dy = y.first, y.weights, y.factors, y.slopes
        wx, px = (hx, fx, 0.0), (px0, px1, 1.0)
        wy, py = (hy, fy, 0.0), (py0, py1, 1.0)
        bx = np.float64(cotangents.ggrid[b, i, j, 0]) * (0.5 * sx)
        by = np.float64(cotangents.ggrid[b, i, j, 1]) * (0.5 * sy)
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for c in range(channels):
            value_a, slope_ax, slope_ay = 0.0, 0.0, 0.0
            slope_x, slope_y, slope_xy = 0.0, 0.0, 0.0
            for q in range(3):
                for r in range(3):
                    u, a = pixel(input, b, c, n + q, m + r), pixel(cotangents.ginput, b, c, n + q, m + r)
                    value_a += a * px[r] * py[q] * wx[r] * wy[q]
                    slope_ax += a * py[q] * dx[r] * wy[q]
                    slope_ay += a * px[r] * wx[r] * dy[q]
                    slope_x += u * py[q] * dx[r] * wy[q]
                    slope_y += u * px[r] * wx[r] * dy[q]
                    slope_xy += u * dx[r] * dy[q]
            ggout[b, c, i, j] = value_a + (bx * slope_x + by * slope_y)  # (bilinear.7)
            g = np.float64(gout[b, c, i, j])
            total_x, lost = two_sum(total_x, g * (slope_ax + by * slope_xy))  # (bilinear.9)
            lost_x += lost
            total_y, lost = two_sum(total_y, g * (slope_ay + bx * slope_xy))  # (bilinear.9)
            lost_y += lost
        ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
        ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)


@kernel
def backward_input(
    start: int,
    stop: int,
    cotangent_grid: Any,
    gout: Any,
    align_corners: bool,
    tables: Tables,
    samples: Sorted,
    ginput: Any,
) -> None:
    """Compute (bilinear.8) for the pixels start to stop of all planes, from samples sorted by their cells."""
    _, channels, height, width = ginput.shape
    _, _, rows, columns = gout.shape
    x, y = tables.x, tables.y
    sx, sy = coordinate_scale(width, align_corners), coordinate_scale(height, align_corners)
    for p in items(start, stop):
        plane, n, m = pixel_of(p, height, width)
        b, c = plane // channels, plane % channels
        total, lost = 0.0, 0.0
        for corner in range(9):
            q, r = corner // 3, corner % 3
            cell = b * (cell_count(height, width) + 1) + cell_number(n - q, m - r, width)
            for k in range(samples.starts[cell], samples.starts[cell + 1]):
                s = samples.order[k]
                _, i, j = pixel_of(s, rows, columns)
                wx, px = (x.weights[r, s], x.factors[r, s]) if r < 2 else (0.0, 1.0)
                wy, py = (y.weights[q, s], y.factors[q, s]) if q < 2 else (0.0, 1.0)
                bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
                by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
                g = np.float64(gout[b, c, i, j])
                total, remainder = two_sum(total, g * (bx * py * x.slopes[r, s] * wy))  # (bilinear.8)
                lost += remainder
                total, remainder = two_sum(total, g * (by * px * wx * y.slopes[q, s]))  # (bilinear.8)
                lost += remainder
        ginput[b, c, n, m] = compensated(total, lost)
