"""The truth about auxiliary_grid.

M is that of the terms multiplied out, T interpolated or not. c counts the roundings on the longest path: of f two
(deviation times noise, less a whole number), of 1 - f three, so in x, with product and sum, five; in y nine and ten;
the second noise is added last. For an affine T there are eight.

G: an implementation may round the places in the output's axes that T is taken at. With `theta` these are the target
coordinates (`judging.pixels.target_move`), else j + displacement, which moves by e times the number of points along the
axis. Noise that comes after T moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from refwarp.exact import affine
from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.bilinear import coordinate_scale
from refwarp.exact.linearized import auxiliary
from refwarp.exact.linearized.auxiliary import Point
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.moved import Moved, answer
from refwarp.golden.judging.pixels import target_move

# c of the budget.
PATH = 12.0


def pair(given: Any) -> list[Fraction]:
    """Return two deviations, from as many or from one that stands for both."""
    return [Fraction(deviation) for deviation in np.broadcast_to(given, 2).tolist()]


def pitch(size: int, align_corners: bool) -> Fraction:
    """Return the distance of neighbouring pixels; on an axis of one pixel with align_corners, 2."""
    return Fraction(2, coordinate_scale(size, align_corners) or 1)


def from_theta(theta: Any, i: int, j: int, size: tuple[int, int], align_corners: bool) -> tuple[Any, Point, Point]:
    """Return an affine T, the output pixel's place in normalised units, and the pixels' distances."""
    rows, columns = size

    def transform(x: Number, y: Number) -> Point:
        return [row[0] * x + row[1] * y + row[2] for row in theta]

    place = [
        Moved.of(affine.target_coordinate(at, length, align_corners), target_move(length, align_corners))
        for at, length in ((j, columns), (i, rows))
    ]
    return transform, place, [pitch(length, align_corners) for length in (columns, rows)]


def from_grid(grid: Any, i: int, j: int) -> tuple[Any, Point, Point]:
    """Return T interpolated around the output pixel, a place of 0, and distances of one output pixel."""

    def transform(dx: Number, dy: Number) -> Point:
        return auxiliary.interpolated(grid, i, j, dx, dy)

    place = [Moved(0, 0, 0, length if length > 1 else 0) for length in (len(grid[0]), len(grid))]
    return transform, place, [Fraction(1), Fraction(1)]


def positions(
    noise: tuple[Any, Any], deviation: Sequence[Fraction], collapse: Sequence[Fraction], where: tuple[Any, Point, Point]
) -> list[Point]:
    """Return the samples of one output pixel (LMS 3), (LMS 8), (LMS 9)."""
    transform, place, pitches = where
    sigma = [d * step for d, step in zip(deviation, pitches, strict=True)]
    first, second = ([[Moved.of(n) for n in point] for point in points] for points in noise)
    return [
        auxiliary.auxiliary_point(transform, place, a, sigma, b, collapse) for a, b in zip(first, second, strict=True)
    ]


def auxiliary_grid(case: Case, convention: str) -> Answers:
    """Return the answer of auxiliary_grid."""
    options = case.options
    align_corners, size = options["align_corners"], case.inputs["grid"].shape[1:3]
    deviation = pair(options.get("deviation", 1.0))
    map_pitch = [pitch(length, align_corners) for length in options["map_size"][::-1]]
    collapse = [d * step for d, step in zip(pair(options.get("collapse_deviation", 1.0)), map_pitch, strict=True)]
    grids, noise = numbers(case.inputs["grid"]), numbers(case.inputs["noise"])
    thetas = numbers(case.inputs["theta"]) if "theta" in case.inputs else None
    found = []
    for b, i, j in np.ndindex(case.inputs["grid"].shape[:3]):
        where: tuple[Callable[..., Point], Point, Point]
        if options.get("displaced_in") == "source":
            where = (lambda x, y: (x, y)), grids[b][i][j], [pitch(length, False) for length in size[::-1]]
        elif thetas is None:
            where = from_grid(grids[b], i, j)
        else:
            where = from_theta([[Moved.of(t) for t in row] for row in thetas[b]], i, j, size, align_corners)
        found += positions((noise[0][b][i][j], noise[1][b][i][j]), deviation, collapse, where)
    shape = *case.inputs["grid"].shape[:3], *case.inputs["noise"].shape[4:]
    return {"forward/auxiliary": answer(PATH, shape, found)}


JUDGES = {"auxiliary_grid": Judge(auxiliary_grid)}
