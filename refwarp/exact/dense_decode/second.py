"""The second derivatives of the decoder. The paper prints none.

For cotangents A of gV and (b_x, b_y) of (gg_x, gg_y) in (decoder.3) and (decoder.4) let D_i = b_x s_x/2 k'k +
b_y s_y/2 k k' be the change of w_i, D the sum of all D_i, and T_c = sum over i of (A_c(i) w_i + (V_c(i) - U_c) D_i) / S
the change of U_c. Then they are

    with respect to gU_c(n, m):  T_c(n, m)                                                    (decoder.5)
    with respect to V_c(i):      sum over n, m of gU_c / S (D_i - w_i D / S)                   (decoder.6)
    with respect to g_x(i):      s_x/2 sum over c, n, m of gU_c / S ((A_c(i) - T_c - (V_c(i) - U_c) D / S) k'k
                                 + (V_c(i) - U_c) b_y s_y/2 k'k')                              (decoder.7)

and likewise with respect to g_y. M is that of the terms of U and T written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bilinear import HALF, coordinate_scale, tent, tent_derivative
from refwarp.exact.dense_decode.decode import (
    Maps,
    Pixel,
    Source,
    add_product,
    empty_grid_gradient,
    empty_maps,
    finite_sources,
    weighted_mean,
)
from refwarp.exact.sampling import Plane


class SecondGradients(NamedTuple):
    """The gradients of those of `decode_gradient` with respect to gout, values and grid, of one image."""

    ggout: Maps
    gvalues: Maps
    ggrid: Maps


def decode_second_gradient(
    cotangent_values: Sequence[Plane],
    cotangent_grid: Sequence[Plane],
    gout: Sequence[Plane],
    values: Sequence[Plane],
    grid: Sequence[Plane],
    align_corners: bool,
    kink: str = "right",
    literal: bool = False,
) -> SecondGradients:
    """Return the gradients of A . gvalues + b . ggrid for the cotangents A and b (decoder.5), (decoder.6), (decoder.7).

    On the lattice k' is what `kink` says, and the equations are taken as they stand.
    """
    height, width = len(gout[0]), len(gout[0][0])
    sources = finite_sources(grid, height, width, align_corners, literal)
    decoded = weighted_mean(values, sources, height, width)
    scale_x = coordinate_scale(width, align_corners) * HALF
    scale_y = coordinate_scale(height, align_corners) * HALF

    def reached(source: Source) -> Iterator[tuple[Pixel, Number, Number, Number, Number]]:
        """Yield the pixels that are no holes, with w / S and its derivatives (all w' / S) by g_x, g_y and both."""
        for pixel, dx, dy in source.reached():
            kx, ky = tent(dx), tent(dy)
            sx, sy = scale_x * tent_derivative(dx, kink), scale_y * tent_derivative(dy, kink)
            if pixel in decoded.normalisation and (kx or sx) and (ky or sy):
                s = decoded.normalisation[pixel].value
                yield pixel, kx * ky / s, sx * ky / s, kx * sy / s, sx * sy / s

    changes = {pixel: Sum() for pixel in decoded.normalisation}
    ggout = empty_maps(len(values), height, width)
    for source in sources:
        bx, by = cotangent_grid[source.i][source.j]
        for pixel, w, wx, wy, _ in reached(source):
            changes[pixel].add(bx * wx)
            changes[pixel].add(by * wy)
            for c, plane in enumerate(values):
                total = ggout[c][pixel[0]][pixel[1]]
                total.add(cotangent_values[c][source.i][source.j] * w)  # (decoder.5)
                for change in (bx * wx, by * wy):
                    total.add(change * plane[source.i][source.j])
                    add_product(total, -change, decoded.maps[c][pixel[0]][pixel[1]])
    gvalues = empty_maps(len(values), len(grid), len(grid[0]))
    ggrid = empty_grid_gradient(grid)
    for source in sources:
        i, j = source.i, source.j
        bx, by = cotangent_grid[i][j]
        for pixel, w, wx, wy, wxy in reached(source):
            for c, plane in enumerate(values):
                g, v, a = gout[c][pixel[0]][pixel[1]], plane[i][j], cotangent_values[c][i][j]
                u, t, d = decoded.maps[c][pixel[0]][pixel[1]], ggout[c][pixel[0]][pixel[1]], changes[pixel]
                gvalues[c][i][j].add(g * bx * wx)  # (decoder.6)
                gvalues[c][i][j].add(g * by * wy)
                add_product(gvalues[c][i][j], -g * w, d)
                for total, slope, other in zip(ggrid[i][j], (wx, wy), (by, bx), strict=True):
                    total.add(g * slope * a)  # (decoder.7)
                    add_product(total, -g * slope, t)
                    add_product(total, -g * slope * v, d)
                    add_product(total, g * slope, u, d)
                    total.add(g * other * wxy * v)
                    add_product(total, -g * other * wxy, u)
    return SecondGradients(ggout, gvalues, ggrid)
