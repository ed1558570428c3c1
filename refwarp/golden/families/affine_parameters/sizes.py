"""Cases for the matrices of a few parameters, and their grids, of sizes around those of tiles and vectors."""

from __future__ import annotations

from collections.abc import Iterator

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, SIZES, at_most, pairwise, small_enough
from refwarp.golden.families.affine_parameters.cases import COUNTS, GRIDS, SHAPE

FACTORS = {
    "name": GRIDS,
    "N": BATCHES,
    "rows": SIZES,
    "columns": SIZES,
    "align_corners": (False, True),
}


def _grids() -> Iterator[Case]:
    for row in pairwise(FACTORS, at_most(600, "N", "rows", "columns")):
        name, n, height, width, align_corners = (row[axis] for axis in FACTORS)
        yield call.case(
            f"{name}_grid/sizes_{n}x{height}x{width}" + "_corners" * align_corners,
            f"{n} grids of {height} x {width} points." + " align_corners." * align_corners,
            "Sizes",
            {"theta": draw.dyadics(f"{name} {n} {height} {width}", n, COUNTS[name])},
            (n, height, width, 2),
            size=[n, 1, height, width],
            align_corners=align_corners,
        )


def _matrices() -> Iterator[Case]:
    for row in pairwise({"name": tuple(COUNTS), "N": SIZES[:4]}):
        name, n = row["name"], row["N"]
        yield call.case(
            f"{name}_matrix/sizes_{n}",
            f"{n} matrices.",
            "Sizes",
            {"theta": draw.dyadics(f"{name} {n}", n, COUNTS[name])},
            (n, *SHAPE),
        )


def cases() -> list[Case]:
    """Return the cases."""
    return small_enough([*_grids(), *_matrices()])
