"""Cases for affine_grid of sizes around those of tiles and vectors, and of outputs beyond an index of 16 bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, SIZES, at_most, pairwise, small_enough

FACTORS = {"N": BATCHES, "rows": SIZES, "columns": SIZES, "align_corners": (False, True)}


def _sizes() -> Iterator[Case]:
    for row in pairwise(FACTORS, at_most(4500, "N", "rows", "columns")):
        n, height, width, align_corners = (row[axis] for axis in FACTORS)
        yield call.case(
            f"affine_grid/sizes_{n}x{height}x{width}" + "_corners" * align_corners,
            f"{n} grids of {height} x {width} points." + " align_corners." * align_corners,
            "Sizes",
            {"theta": draw.dyadics(f"affine {n} {height} {width}", n, 2, 3)},
            (n, height, width, 2),
            size=[n, 1, height, width],
            align_corners=align_corners,
        )


def _long() -> Iterator[Case]:
    """Yield grids of one row or column, whose cotangents are zeros but for a few points at the ends and halfway."""
    for length, is_tall in ((65_536, False), (65_537, True)):
        height, width = (length, 1) if is_tall else (1, length)
        at = np.array([*range(3), *range(32_766, 32_770), *range(length - 3, length)])
        ggrid = np.zeros((1, length, 2))
        ggrid[:, at] = draw.dyadics(f"affine {length}", 1, len(at), 2)
        yield call.case(
            f"affine_grid/sizes_1x{height}x{width}" + "_corners" * is_tall,
            f"{length} points in a {'column' if is_tall else 'row'}: an index of 16 bits reaches half of them."
            + " align_corners." * is_tall,
            "Wide Sizes",
            {"theta": [[[0.5, 2.0, -0.25], [0.125, 1.0, 0.5]]], "ggrid": ggrid.reshape(1, height, width, 2)},
            size=[1, 1, height, width],
            align_corners=is_tall,
        )


def cases() -> list[Case]:
    """Return the cases."""
    return small_enough([*_sizes(), *_long()])
