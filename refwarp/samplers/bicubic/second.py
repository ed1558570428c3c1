"""Second derivatives of bicubic sampling, (bicubic.7) and (bicubic.9) of `kernels`, on the CPU and on CUDA.

The one with respect to the map is a map gradient with other weights, and is computed like the first one
(`kernels.tap`).
"""

from __future__ import annotations

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.conventions import Rules, coordinate_scale, is_undefined, pixel_of
from refwarp.samplers.bicubic.kernels import along_rows, dot, read_axis
from refwarp.samplers.pieces import Cotangents, Given, SampleGradients


@kernel
def backward_samples(
    start: int, stop: int, cotangents: Cotangents, given: Given, rules: Rules, gradients: SampleGradients
) -> None:
    """Compute (bicubic.7) and (bicubic.9) for the samples start to stop of all images."""
    gout, input, grid = given.gout, given.input, given.grid
    _, channels, height, width = input.shape
    sx, sy = coordinate_scale(width, rules.align_corners), coordinate_scale(height, rules.align_corners)
    cotangent_input, cotangent_grid = cotangents.ginput, cotangents.ggrid
    ggout, ggrid = gradients.ggout, gradients.ggrid
    for s in items(start, stop):
        b, i, j = pixel_of(s, grid.shape[1], grid.shape[2])
        gx, gy = np.float64(grid[b, i, j, 0]), np.float64(grid[b, i, j, 1])
        if is_undefined(gx, gy, rules.padding):
            for c in range(channels):
                ggout[b, c, i, j] = np.nan
            ggrid[b, i, j, 0], ggrid[b, i, j, 1] = np.nan, np.nan
            continue
        x, y = read_axis(gx, width, rules), read_axis(gy, height, rules)
        xs, wx, dx, ex = x.pixels, x.weights, x.slopes, x.curvatures
        ys, wy, dy, ey = y.pixels, y.weights, y.slopes, y.curvatures
        bx = np.float64(cotangent_grid[b, i, j, 0]) * (0.5 * sx)
        by = np.float64(cotangent_grid[b, i, j, 1]) * (0.5 * sy)
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for c in range(channels):
            a_w = along_rows(cotangent_input, b, c, ys, xs, wx)
            a_d = along_rows(cotangent_input, b, c, ys, xs, dx)
            u_w = along_rows(input, b, c, ys, xs, wx)
            u_d = along_rows(input, b, c, ys, xs, dx)
            u_e = along_rows(input, b, c, ys, xs, ex)
            ggout[b, c, i, j] = dot(wy, a_w) + (bx * dot(wy, u_d) + by * dot(dy, u_w))  # (bicubic.7)
            g = np.float64(gout[b, c, i, j])
            mixed = dot(dy, u_d)
            along_x = dot(wy, a_d) + (bx * dot(wy, u_e) + by * mixed)  # (bicubic.9)
            along_y = dot(dy, a_w) + (by * dot(ey, u_w) + bx * mixed)  # (bicubic.9), in y
            total_x, lost = two_sum(total_x, g * along_x)
            lost_x += lost
            total_y, lost = two_sum(total_y, g * along_y)
            lost_y += lost
        ggrid[b, i, j, 0] = compensated(total_x, lost_x) * (0.5 * sx)
        ggrid[b, i, j, 1] = compensated(total_y, lost_y) * (0.5 * sy)
