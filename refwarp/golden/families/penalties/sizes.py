"""Cases for smoothness and bending_energy of sizes around those of tiles and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, CHANNELS, SIZES, at_most, pairwise, small_enough
from refwarp.golden.families.penalties.cases import FORMS

FACTORS = {
    "form": FORMS,
    "N": BATCHES,
    "C": CHANNELS[:4],
    "H": SIZES,
    "W": SIZES,
    "norm": ("1", "squared", "2"),
    "boundary": ("valid", "replicate"),
    "reduction": ("sum", "mean"),
}

# The most numbers that a field has; of Euclidean norms, whose truth takes longer, and others.
_MOST, _MOST_OF_NORM_2 = 2200, 300


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Tell whether the truth about a case is found soon enough."""
    return at_most(_MOST_OF_NORM_2 if row["norm"] == "2" else _MOST, "N", "C", "H", "W")(row)


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, is_allowed):
        form, n, c, height, width, norm, boundary, reduction = row.values()
        if boundary == "valid" and form != "gradient" and min(height, width) < 3:
            continue  # nothing is left inside
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
    return small_enough(found)
