"""Cases for smoothness and bending_energy of sizes around those of tiles and vectors."""

from __future__ import annotations

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, CHANNELS, SIZES, at_most, pairwise
from refwarp.golden.families.penalties.cases import FORMS, NORMS

FACTORS = {
    "form": FORMS,
    "N": BATCHES,
    "C": CHANNELS,
    "H": SIZES,
    "W": SIZES,
    "norm": NORMS,
    "boundary": ("valid", "replicate"),
    "reduction": ("sum", "mean"),
}


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, at_most(2200, "N", "C", "H", "W")):
        form, n, c, height, width, norm, boundary, reduction = row.values()
        what = f"sizes_{n}x{c}x{height}x{width}_{norm}_{boundary}_{reduction}"
        options = {"norm": norm, "boundary": boundary, "reduction": reduction}
        operation, name = "smoothness", f"smoothness/{what}"
        if form != "gradient":
            operation, options = "bending_energy", {"form": form, **options}
            name = f"{operation}/{form}_{what}"
        comment = f"{n} x {c} fields of {height} x {width}, norm {norm}, {boundary}, {reduction}."
        found.append(
            call.case(name, comment, "Sizes", {"field": draw.dyadics(name, n, c, height, width)}, (), **options)
        )
    return found
