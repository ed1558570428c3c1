"""G: how far an element can move when an implementation rounds its coordinates.

If each pixel coordinate moves by at most e times the size of its axis, and by no more than a pixel, an element
moves by at most e G. So an implementation that computes coordinates with relative error e (of the map's size)
has the budget of a faithful one, and e G on top; and whoever grades it needs no geometry.

G is a sum over the samples that enter the element and over their axes, of the axis's size times a bound of the
element's slope. Within a cell the tents k(x - m) k(y - n) are bilinear, so their slopes are largest on the cell's
edges: there they are differences of neighbouring pixels. The bound is the largest such difference among the
cells that one pixel's move can reach, 3 x 3 of them with 4 x 4 pixels (zeros outside the map).

The factors k' of a gradient are constant within a cell and jump on the lattice: no multiple of e bounds that.
They are held at their values, by the kink rule, and G bounds what the other factors do. Where a sample lies on
the lattice or next to it, the gradients of the cells on both sides are answers of their own.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refwarp.exact import affine, bilinear
from refwarp.exact.numbers import Number

# Sums of rational numbers, all of one output of one image.
Numbers = npt.NDArray[np.object_]


class Neighbourhood:
    """The 4 x 4 pixels around a sample, and the derivatives k' of the tents at them."""

    def __init__(self, x: Number, y: Number, height: int, width: int, kink: str) -> None:
        self.height, self.width = height, width
        self.rows = range(math.floor(y) - 1, math.floor(y) + 3)
        self.columns = range(math.floor(x) - 1, math.floor(x) + 3)
        self.dy = [bilinear.tent_derivative(y - n, kink) for n in self.rows]
        self.dx = [bilinear.tent_derivative(x - m, kink) for m in self.columns]

    def gathered(self, plane: Any, along_x: bool = False, along_y: bool = False) -> Number:
        """Return G of sum over n, m of U(n, m) a(x - m) b(y - n); a is k' if `along_x`, else k, b by `along_y`."""
        block = [[self._pixel(plane, n, m) for m in self.columns] for n in self.rows]
        if along_y:
            block = [[sum(d * u for d, u in zip(self.dy, column, strict=True)) for column in zip(*block, strict=True)]]
        if along_x:
            block = [[sum(d * u for d, u in zip(self.dx, row, strict=True))] for row in block]
        across = max((abs(b - a) for row in block for a, b in pairwise(row)), default=0)
        down = max((abs(b - a) for column in zip(*block, strict=True) for a, b in pairwise(column)), default=0)
        return self.width * across + self.height * down

    def scatter(self, plane: Any, weight: Number, along_x: bool = False, along_y: bool = False) -> None:
        """Add, to each pixel (n, m) of a plane, G of weight a(x - m) b(y - n); a and b as above."""
        for n, dy in zip(self.rows, self.dy, strict=True):
            for m, dx in zip(self.columns, self.dx, strict=True):
                if 0 <= n < self.height and 0 <= m < self.width:
                    across = 0 if along_x else self.width * (abs(dy) if along_y else 1)
                    down = 0 if along_y else self.height * (abs(dx) if along_x else 1)
                    plane[n, m] += abs(weight) * (across + down)

    def _pixel(self, plane: Any, n: int, m: int) -> Number:
        return plane[n][m] if 0 <= n < self.height and 0 <= m < self.width else 0


class Image(NamedTuple):
    """The arguments of grid_sample and of its gradients, of one image: nested lists of numbers."""

    cotangent_input: Any
    cotangent_grid: Any
    gout: Any
    input: Any
    grid: Any


def grid_sample(image: Image, align_corners: bool, kink: str) -> dict[str, Numbers]:
    """Return G for each element of each output of grid_sample, of one image, by "part/output"."""
    channels, height, width = len(image.input), len(image.input[0]), len(image.input[0][0])
    shape = len(image.gout[0]), len(image.gout[0][0]) if image.gout[0] else 0
    scale_x = bilinear.coordinate_scale(width, align_corners) * bilinear.HALF
    scale_y = bilinear.coordinate_scale(height, align_corners) * bilinear.HALF
    output, ggout = (np.zeros((channels, *shape), object) for _ in range(2))
    ginput, second_ginput = (np.zeros((channels, height, width), object) for _ in range(2))
    ggrid, second_ggrid = (np.zeros((*shape, 2), object) for _ in range(2))
    for i, j in np.ndindex(shape):
        gx, gy = image.grid[i][j]
        if not isinstance(gx, Fraction) or not isinstance(gy, Fraction):
            continue  # NaN or infinite, and stays so
        x = bilinear.pixel_coordinate(gx, width, align_corners)
        y = bilinear.pixel_coordinate(gy, height, align_corners)
        near = Neighbourhood(x, y, height, width, kink)
        bx, by = (b * s for b, s in zip(image.cotangent_grid[i][j], (scale_x, scale_y), strict=True))
        for c in range(channels):
            g, u, a = image.gout[c][i][j], image.input[c], image.cotangent_input[c]
            slope_x, slope_y = near.gathered(u, along_x=True), near.gathered(u, along_y=True)
            output[c, i, j] = near.gathered(u)  # (STN 5)
            near.scatter(ginput[c], g)  # (bilinear.5)
            ggrid[i, j, 0] += abs(scale_x * g) * slope_x  # (bilinear.6)
            ggrid[i, j, 1] += abs(scale_y * g) * slope_y
            ggout[c, i, j] = near.gathered(a) + abs(bx) * slope_x + abs(by) * slope_y  # (bilinear.7)
            near.scatter(second_ginput[c], g * bx, along_x=True)  # (bilinear.8)
            near.scatter(second_ginput[c], g * by, along_y=True)
            # Of (bilinear.9) the terms with k' k' stay as they are.
            second_ggrid[i, j, 0] += abs(scale_x * g) * near.gathered(a, along_x=True)
            second_ggrid[i, j, 1] += abs(scale_y * g) * near.gathered(a, along_y=True)
    return {
        "forward/output": output,
        "vjp/ginput": ginput,
        "vjp/ggrid": ggrid,
        "second_vjp/ggout": ggout,
        "second_vjp/ginput": second_ginput,
        "second_vjp/ggrid": second_ggrid,
    }


def affine_grid(theta: Any, ggrid: Any, height: int, width: int, align_corners: bool) -> dict[str, Numbers]:
    """Return G for each element of each output of affine_grid, of one image.

    Here the coordinates are those of the output's pixels, x_t = (2 j + 1 - W) / s: they move by 2 W / s times e.
    """
    move = [_target_move(size, align_corners) for size in (width, height)]
    grid = np.zeros((height, width, 2), object)
    gtheta = np.zeros((2, 3), object)
    for r in range(2):
        grid[..., r] = abs(theta[r][0]) * move[0] + abs(theta[r][1]) * move[1]  # (STN 1)
        total = sum(abs(point[r]) for row in ggrid for point in row)
        gtheta[r, :2] = [total * move[0], total * move[1]]  # (affine.2)
    return {"forward/grid": grid, "vjp/gtheta": gtheta}


def _target_move(size: int, align_corners: bool) -> Fraction:
    """Return how much x_t moves for each e; an axis of one pixel has x_t = 0, whatever the rounding."""
    if size <= 1:
        return Fraction(0)
    step = affine.target_coordinate(1, size, align_corners) - affine.target_coordinate(0, size, align_corners)
    return step * size
