"""The output's pixels as grids see them: their coordinates, and how far these move when they are rounded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.numbers import Number
from refwarp.golden.judging.moved import Moved, Numbers


def target_move(size: int, align_corners: bool) -> Fraction:
    """Return how far x_t = (2 j + 1 - W)/s moves when the pixel coordinate moves by the size of the axis.

    An axis of one pixel has x_t = 0, whatever the rounding.
    """
    if size <= 1:
        return Fraction(0)
    step = target_coordinate(1, size, align_corners) - target_coordinate(0, size, align_corners)
    return step * size


def points(height: int, width: int, align_corners: bool, convert: Callable[[Fraction], Number]) -> Numbers:
    """Return (x_t, y_t, 1) of the output's pixels as they move, 3 x pixels."""
    found = np.empty((3, height * width), object)
    found[2] = Moved.of(convert(Fraction(1)))
    for pixel, (i, j) in enumerate(np.ndindex(height, width)):
        for axis, (index, size) in enumerate(((j, width), (i, height))):
            coordinate, move = target_coordinate(index, size, align_corners), target_move(size, align_corners)
            found[axis, pixel] = Moved.of(convert(coordinate), convert(move))
    return found
