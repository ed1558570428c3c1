"""Calls of grid_sample with a few samples: rows and columns of pixels, and points off the lattice."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.cases import draw

# The row whose derivatives at x = 1 are -3 (right), 4 (left), 1/2 (central) and 5 (STN's Eq. 7 as printed).
ROW = [1.0, 5.0, 2.0, 9.0]
# A row of five, for lattices that are exact with align_corners.
ROW_OF_FIVE = [1.0, 5.0, 2.0, 9.0, 4.0]


def case(
    name: str,
    comment: str,
    flags: str,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    align_corners: bool = False,
    result: str = "valid",
    cotangents: Mapping[str, Floats] | None = None,
    mode: str = "bilinear",
    padding: str = "zeros",
) -> Case:
    """Return one case for grid_sample; cotangents that are not given are drawn."""
    input, grid = np.asarray(input, dtype=np.float64), np.asarray(grid, dtype=np.float64)
    inputs = {
        "input": input,
        "grid": grid,
        "gout": draw.dyadics(f"{name} gout", *input.shape[:2], *grid.shape[1:3]),
        "cotangent_input": draw.dyadics(f"{name} A", *input.shape),
        "cotangent_grid": draw.dyadics(f"{name} b", *grid.shape),
    }
    options = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
    return Case(f"grid_sample/{name}", options, {**inputs, **(cotangents or {})}, tuple(flags.split()), comment, result)


def both(
    name: str,
    comment: str,
    flags: str,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    cotangents: Mapping[str, Floats] | None = None,
) -> list[Case]:
    """Return the case for both values of align_corners."""
    return [
        case(name, comment, flags, input, grid, False, cotangents=cotangents),
        case(f"{name}_corners", f"{comment} align_corners.", flags, input, grid, True, cotangents=cotangents),
    ]


def row(pixels: list[float]) -> Floats:
    """Return a map of one row."""
    return np.array(pixels)[None, None, None]


def column(pixels: list[float]) -> Floats:
    """Return a map of one column."""
    return row(pixels).swapaxes(2, 3)


def along_x(*points: float, y: float = 0.0) -> Floats:
    """Return a grid of one row: the given x, and by default y = 0, the centre of a map of one row."""
    return np.array([[[[x, y] for x in points]]])


def off_y(*points: float) -> Floats:
    """Return a grid of one row that is off the lattice along y, so that only x is put to the test."""
    return along_x(*points, y=0.125)


def along_y(*points: float) -> Floats:
    """Return a grid of one row with the given y, and x = 0."""
    return along_x(*points)[..., ::-1]


def points(*points: tuple[float, float]) -> Floats:
    """Return a grid of one row of points."""
    return np.array(points)[None, None]


def neighbours(x: float, dtype: str) -> list[float]:
    """Return the numbers of `dtype` below and above x."""
    number = np.dtype(dtype).type(x)
    return [float(np.nextafter(number, np.dtype(dtype).type(side))) for side in (-math.inf, math.inf)]
