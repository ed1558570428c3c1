"""The sums shared by all separable samplers, over the contribution of each pixel to each sample.

A sampler specifies for each sample which pixels m of a row, and n of a column, it reads, with the weight w, its
derivative d and its second derivative e with respect to the pixel coordinate. Then

    V_c(i) = sum over n, m of U_c(n, m) w_m w_n                                              (sampling.1)
    gU_c(n, m) = sum over i of gV_c(i) w_m w_n                                               (sampling.2)
    gg_x(i) = r_x sum over c, n, m of gV_c(i) U_c(n, m) d_m w_n,   r_x = dx/dg               (sampling.3)

and, for cotangents A of gU and b of (gg_x, gg_y), with b'_x = r_x b_x, the gradients of A . gU + b . gg are

    with respect to gV_c(i):    sum over n, m of A w w + b'_x U d w + b'_y U w d              (sampling.4)
    with respect to U_c(n, m):  sum over i of gV_c(i) (b'_x d w + b'_y w d)                   (sampling.5)
    with respect to g_x(i):     r_x sum of gV_c(i) (A d w + b'_x U e w + b'_y U d d)          (sampling.6)

Each weight has a bound on the absolute values that it was computed from, which enters M.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from refwarp.exact.arithmetic.numbers import Number, Sum

Plane = Sequence[Sequence[Number]]


class Tap(NamedTuple):
    """A pixel that a sample reads: its place, weight, slope and curvature, and their magnitudes for M."""

    pixel: int
    w: Number
    d: Number
    e: Number
    w_size: Number
    d_size: Number
    e_size: Number

    @staticmethod
    def of(pixel: int, w: Number, d: Number, e: Number = 0) -> Tap:
        """Return a tap whose magnitudes are the absolute values themselves."""
        return Tap(pixel, w, d, e, abs(w), abs(d), abs(e))


class Place(NamedTuple):
    """A sample at a defined place: its row and column in the output, and its taps in x and in y."""

    i: int
    j: int
    columns: list[Tap]
    rows: list[Tap]


class Samples:
    """The samples of one image, defined and undefined.

    Parameters
    ----------
    grid : nested list (H_out, W_out, 2) of numbers
        Normalised coordinates, x first; NaN and infinite ones as Python floats.
    height, width : int
        The size of the map.
    taps : callable
        (g, size) -> the taps of a finite coordinate.
    infinite : callable
        (sign, size) -> the taps of an infinite one.
    padding : str
        With "reflection" an infinite coordinate is undefined.
    """

    def __init__(
        self,
        grid: Sequence[Plane],
        height: int,
        width: int,
        taps: Callable[[Number, int], list[Tap]],
        infinite: Callable[[int, int], list[Tap]],
        padding: str,
    ) -> None:
        self.size = height, width
        self.shape = len(grid), len(grid[0]) if grid else 0
        self.defined: list[Place] = []
        self.undefined: list[tuple[int, int]] = []

        def axis(g: Number, size: int) -> list[Tap]:
            return infinite(1 if g > 0 else -1, size) if _is_infinite(g) else taps(g, size)

        for i, row in enumerate(grid):
            for j, (gx, gy) in enumerate(row):
                if gx != gx or gy != gy or (padding == "reflection" and (_is_infinite(gx) or _is_infinite(gy))):
                    self.undefined.append((i, j))
                else:
                    self.defined.append(Place(i, j, axis(gx, width), axis(gy, height)))

    def outputs(self) -> list[list[Sum]]:
        """Return one empty sum for each sample, NaN where it is undefined."""
        sums = [[Sum() for _ in range(self.shape[1])] for _ in range(self.shape[0])]
        for i, j in self.undefined:
            sums[i][j].add(math.nan)
        return sums

    def pixels(self) -> list[list[Sum]]:
        """Return one empty sum for each pixel of the map."""
        return [[Sum() for _ in range(self.size[1])] for _ in range(self.size[0])]


def _is_infinite(g: Number) -> bool:
    return isinstance(g, float) and math.isinf(g)


class Gradients(NamedTuple):
    """The gradients with respect to a map (C, H, W) and a grid (H_out, W_out, 2), of one image."""

    ginput: list[list[list[Sum]]]
    ggrid: list[list[list[Sum]]]


class Cotangents(NamedTuple):
    """The cotangents of both gradients: A of ginput (C, H, W) and b of ggrid (H_out, W_out, 2)."""

    input: Sequence[Plane]
    grid: Sequence[Plane]


class SecondGradients(NamedTuple):
    """The gradients of the gradients with respect to gout, input and grid, of one image."""

    ggout: list[list[list[Sum]]]
    ginput: list[list[list[Sum]]]
    ggrid: list[list[list[Sum]]]


def sample(input: Sequence[Plane], samples: Samples) -> list[list[list[Sum]]]:
    """Return the samples of each plane (sampling.1)."""
    output = []
    for plane in input:
        sums = samples.outputs()
        for i, j, columns, rows in samples.defined:
            for y in rows:
                for x in columns:
                    u = plane[y.pixel][x.pixel]
                    sums[i][j].add(u * x.w * y.w, abs(u) * x.w_size * y.w_size)  # (sampling.1): (STN 3)
        output.append(sums)
    return output


def sample_gradient(
    gout: Sequence[Plane], input: Sequence[Plane], samples: Samples, scales: tuple[Number, ...]
) -> Gradients:
    """Return the gradients for the cotangent `gout`; `scales` are dx/dg and dy/dg (sampling.2), (sampling.3)."""
    scale_x, scale_y = scales
    ginput = [samples.pixels() for _ in input]
    gx, gy = samples.outputs(), samples.outputs()
    for i, j, columns, rows in samples.defined:
        for c, plane in enumerate(input):
            g = gout[c][i][j]
            for y in rows:
                for x in columns:
                    u = plane[y.pixel][x.pixel]
                    size = abs(g * u)
                    ginput[c][y.pixel][x.pixel].add(g * x.w * y.w, abs(g) * x.w_size * y.w_size)  # (sampling.2)
                    gx[i][j].add(scale_x * g * u * x.d * y.w, scale_x * size * x.d_size * y.w_size)  # (sampling.3)
                    gy[i][j].add(scale_y * g * u * x.w * y.d, scale_y * size * x.w_size * y.d_size)
    return Gradients(ginput, _joined(gx, gy))


def sample_second_gradient(
    cotangents: Cotangents,
    gout: Sequence[Plane],
    input: Sequence[Plane],
    samples: Samples,
    scales: tuple[Number, ...],
) -> SecondGradients:
    """Return the gradients of A . ginput + b . ggrid (sampling.4), (sampling.5), (sampling.6)."""
    scale_x, scale_y = scales
    ggout = [samples.outputs() for _ in input]
    ginput = [samples.pixels() for _ in input]
    gx, gy = samples.outputs(), samples.outputs()
    for i, j, columns, rows in samples.defined:
        bx, by = cotangents.grid[i][j][0] * scale_x, cotangents.grid[i][j][1] * scale_y
        for c, plane in enumerate(input):
            g = gout[c][i][j]
            for y in rows:
                for x in columns:
                    n, m = y.pixel, x.pixel
                    u, a = plane[n][m], cotangents.input[c][n][m]
                    ww, dw, wd = x.w * y.w, x.d * y.w, x.w * y.d
                    ew, we, dd = x.e * y.w, x.w * y.e, x.d * y.d
                    ww_size, dw_size, wd_size = x.w_size * y.w_size, x.d_size * y.w_size, x.w_size * y.d_size
                    ew_size, we_size, dd_size = x.e_size * y.w_size, x.w_size * y.e_size, x.d_size * y.d_size
                    ggout[c][i][j].add(a * ww, abs(a) * ww_size)  # (sampling.4)
                    ggout[c][i][j].add(bx * u * dw, abs(bx * u) * dw_size)
                    ggout[c][i][j].add(by * u * wd, abs(by * u) * wd_size)
                    ginput[c][n][m].add(g * bx * dw, abs(g * bx) * dw_size)  # (sampling.5)
                    ginput[c][n][m].add(g * by * wd, abs(g * by) * wd_size)
                    for factor, weight, size in ((a, dw, dw_size), (bx * u, ew, ew_size), (by * u, dd, dd_size)):
                        outer = scale_x * g * factor
                        gx[i][j].add(outer * weight, abs(outer) * size)  # (sampling.6)
                    for factor, weight, size in ((a, wd, wd_size), (by * u, we, we_size), (bx * u, dd, dd_size)):
                        outer = scale_y * g * factor
                        gy[i][j].add(outer * weight, abs(outer) * size)
    return SecondGradients(ggout, ginput, _joined(gx, gy))


def _joined(gx: list[list[Sum]], gy: list[list[Sum]]) -> list[list[list[Sum]]]:
    return [[[a, b] for a, b in zip(*rows, strict=True)] for rows in zip(gx, gy, strict=True)]
