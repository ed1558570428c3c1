"""Cases for piecewise_affine_grid of sizes around those of tiles and vectors, in meshes and in outputs."""

from __future__ import annotations

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, SIZES, at_most, pairwise, small_enough

MESHES = SIZES[:4]
FACTORS = {
    "N": BATCHES,
    "mesh_rows": MESHES,
    "mesh_columns": MESHES,
    "rows": SIZES,
    "columns": SIZES,
    "align_corners": (False, True),
}


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, at_most(10_000, *tuple(FACTORS)[:-1])):
        n, mesh_rows, mesh_columns, height, width, align_corners = (row[axis] for axis in FACTORS)
        what = f"{n}x{mesh_rows}x{mesh_columns}_to_{height}x{width}"
        found.append(
            call.case(
                f"piecewise_affine_grid/sizes_{what}" + "_corners" * align_corners,
                f"{n} meshes of {mesh_rows} x {mesh_columns} vertices, grids of {height} x {width} points."
                + " align_corners." * align_corners,
                "Sizes",
                {"vertices": draw.dyadics(f"meshes {what}", n, mesh_rows, mesh_columns, 2)},
                (n, height, width, 2),
                size=[n, 1, height, width],
                align_corners=align_corners,
            )
        )
    return small_enough(found)
