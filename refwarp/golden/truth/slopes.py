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
from itertools import pairwise
from typing import Any

from refwarp.exact import bilinear
from refwarp.exact.numbers import Number


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
