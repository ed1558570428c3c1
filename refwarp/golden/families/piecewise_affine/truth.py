"""The truth about piecewise_affine_grid.

The grid is continuous and affine in each triangle, with slopes that are differences of neighbouring vertices times
half the number of cells of the axis. The output's pixels move as those of an affine grid do (`target_move`). A pixel
may cross into another triangle, so the largest difference counts among the vertices of the 3 x 3 cells around it: that
holds for any move of up to a cell. A vertex's weight likewise: its slopes are at most half the number of cells, and
pixels up to a cell away from its triangles may come in. c = 4 (docs/piecewise_affine.md).
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from refwarp.exact import piecewise_affine as exact
from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.numbers import Number
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.moved import Numbers
from refwarp.golden.judging.pixels import target_move


def moves(vertices: Any, ggrid: Any, height: int, width: int, align_corners: bool) -> tuple[Numbers, Numbers]:
    """Return G of the grid and of the gradient of one image."""
    rows, columns = len(vertices), len(vertices[0])
    steps = [target_move(size, align_corners) * (count - 1) / 2 for size, count in ((width, columns), (height, rows))]
    grid, gvertices = np.zeros((height, width, 2), object), np.zeros((rows, columns, 2), object)
    for i, j in np.ndindex(height, width):
        near_rows = _reach(target_coordinate(i, height, align_corners), rows)
        near_columns = _reach(target_coordinate(j, width, align_corners), columns)
        for r in range(2):
            block = [[vertices[n][m][r] for m in near_columns] for n in near_rows]
            grid[i, j, r] = steps[0] * _largest_step(block) + steps[1] * _largest_step(zip(*block, strict=True))
            for n in near_rows:
                for m in near_columns:
                    gvertices[n, m, r] += abs(ggrid[i][j][r]) * sum(steps)
    return grid, gvertices


def _reach(coordinate: Fraction, count: int) -> range:
    """Return the vertices along an axis of a pixel's cell and of those on both sides."""
    cell = min(math.floor((coordinate + 1) * (count - 1) / 2), count - 2)
    return range(max(cell - 1, 0), min(cell + 3, count))


def _largest_step(lines: Any) -> Number:
    """Return the largest difference of neighbours that are finite."""
    steps = (abs(b - a) for line in lines for a, b in pairwise(line) if math.isfinite(a) and math.isfinite(b))
    return max(steps, default=0)


def piecewise_affine_grid(case: Case, convention: str) -> Answers:
    """Return the answers of piecewise_affine_grid."""
    align_corners, (_, _, height, width) = case.options["align_corners"], case.options["size"]
    grids, gradients, found = [], [], []
    for vertices, ggrid in zip(*(numbers(case.inputs[name]) for name in ("vertices", "ggrid")), strict=True):
        rows, columns = len(vertices), len(vertices[0])
        grids.append(exact.piecewise_affine_grid(vertices, height, width, align_corners))
        gradients.append(exact.piecewise_affine_gradient(ggrid, rows, columns, align_corners))
        found.append(moves(vertices, ggrid, height, width, align_corners))
    return {
        "forward/grid": Answer.of(4.0, case.inputs["ggrid"].shape, grids, [grid for grid, _ in found]),
        "vjp/gvertices": Answer.of(4.0, case.inputs["vertices"].shape, gradients, [gradient for _, gradient in found]),
    }


JUDGES = {"piecewise_affine_grid": Judge(piecewise_affine_grid)}
