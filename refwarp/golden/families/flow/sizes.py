"""Cases for flow_grid and affine_motion of sizes around those of tiles and vectors."""

from __future__ import annotations

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, SIZES, at_most, pairwise, small_enough
from refwarp.golden.families.flow.cases import UNITS

FACTORS = {
    "operation": ("flow_grid", "affine_motion"),
    "N": BATCHES,
    "rows": SIZES,
    "columns": SIZES,
    "unit": UNITS,
    "align_corners": (False, True),
}


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, at_most(4500, "N", "rows", "columns")):
        operation, n, height, width, unit, align_corners = row.values()
        what = f"sizes_{n}x{height}x{width}_{unit}" + "_corners" * align_corners
        comment = f"{n} images of {height} x {width} pixels, in {unit}." + " align_corners." * align_corners
        options = {"unit": unit, "align_corners": align_corners}
        if operation == "flow_grid":
            inputs, shape = {"flow": draw.dyadics(f"flow {what}", n, 2, height, width)}, (n, height, width, 2)
        else:
            inputs, shape = {"theta": draw.dyadics(f"motion {what}", n, 2, 3)}, (n, 2, height, width)
            options["size"] = [n, 1, height, width]
        found.append(call.case(f"{operation}/{what}", comment, "Sizes", inputs, shape, **options))
    return small_enough(found)
