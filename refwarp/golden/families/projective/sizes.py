"""Cases for homography_matrix and projective_grid of sizes around those of tiles and vectors."""

from __future__ import annotations

from collections.abc import Iterator

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, SIZES, at_most, pairwise, small_enough

FACTORS = {"N": BATCHES, "rows": SIZES, "columns": SIZES, "align_corners": (False, True), "parameters": (8, 9)}


def _grids() -> Iterator[Case]:
    for row in pairwise(FACTORS, at_most(1100, "N", "rows", "columns")):
        n, height, width, align_corners, parameters = (row[axis] for axis in FACTORS)
        theta = draw.dyadics(f"projective {n} {height} {width}", n, 3, 3)
        theta[:, 2, :2] /= 16  # no point is near the horizon
        theta[:, 2, 2] = 1.0 if parameters == 8 else 1.5
        yield call.case(
            f"projective_grid/sizes_{n}x{height}x{width}" + "_corners" * align_corners,
            f"{n} grids of {height} x {width} points, {parameters} parameters." + " align_corners." * align_corners,
            "Sizes",
            {"theta": theta if parameters == 9 else theta.reshape(n, 9)[:, :8]},
            (n, height, width, 2),
            size=[n, 1, height, width],
            align_corners=align_corners,
        )


def _matrices() -> Iterator[Case]:
    for n in (9, 65, 257):
        theta = draw.dyadics(f"homographies {n}", n, 8)
        yield call.case(f"homography_matrix/sizes_{n}", f"{n} images.", "Sizes", {"theta": theta}, (n, 3, 3))


def cases() -> list[Case]:
    """Return the cases."""
    return small_enough([*_grids(), *_matrices()])
