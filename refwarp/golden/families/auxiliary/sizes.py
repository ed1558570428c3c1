"""Cases for auxiliary_grid of sizes around those of tiles and vectors."""

from __future__ import annotations

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.pairwise import BATCHES, SIZES, at_most, pairwise, small_enough
from refwarp.golden.families.auxiliary.cases import case, noise_for

FACTORS = {
    "N": BATCHES,
    "rows": SIZES,
    "columns": SIZES,
    "samples": (1, 4, (7, 8, 9), (15, 16, 17), (31, 32, 33)),
    "by": ("theta", "grid"),
    "align_corners": (False, True),
}


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, at_most(2000, "N", "rows", "columns", "samples")):
        n, rows, columns, samples, by, align_corners = row.values()
        name = f"sizes_{n}x{rows}x{columns}x{samples}_{by}" + "_corners" * align_corners
        found.append(
            case(
                name,
                f"{n} x {rows} x {columns} points with {samples} samples each, displaced by the {by}."
                + " align_corners." * align_corners,
                "Sizes",
                draw.coordinates(name, n, rows, columns, 2),
                noise_for(name, n, rows, columns, samples),
                draw.dyadics(f"{name} theta", n, 2, 3) / 4 if by == "theta" else None,
                align_corners=align_corners,
            )
        )
    return small_enough(found)
