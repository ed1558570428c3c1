"""Cases for multiscale_sample of sizes around those of tiles and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, CHANNELS, SIZES, pairwise, small_enough
from refwarp.golden.drawing.samples import between_seams

FACTORS = {
    "N": BATCHES,
    "C": CHANNELS[:3],
    "H": SIZES[:4],
    "W": SIZES[:4],
    "rows": SIZES[:5],
    "columns": SIZES[:5],
    "aggregate": ("mean", "sum", "stack"),
    "padding_mode": ("zeros", "border", "reflection"),
    "align_corners": (False, True),
}

_MOST_SAMPLES, _MOST_PIXELS = 300, 600


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Tell whether the truth about a case is found soon enough."""
    n, c, height, width, rows, columns, *_ = row.values()
    allowed: bool = n * c * rows * columns <= _MOST_SAMPLES and n * c * height * width <= _MOST_PIXELS
    return allowed


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, is_allowed):
        n, c, height, width, rows, columns, aggregate, padding, align_corners = row.values()
        what = f"sizes_{n}x{c}x{height}x{width}_at_{rows}x{columns}"
        name = f"{what}_{aggregate}_{padding}" + "_corners" * align_corners
        deviations = [0.5, 1.5]
        shape = (n, *[len(deviations)][: aggregate == "stack"], c, rows, columns)
        grid = between_seams(f"multiscale {name}", (n, rows, columns), (height, width), align_corners)
        comment = f"{n} x {c} maps of {height} x {width} pixels, {rows} x {columns} samples, {aggregate}, {padding}."
        found.append(
            call.case(
                f"multiscale_sample/{name}",
                comment + " align_corners." * align_corners,
                "Sizes",
                {"input": draw.dyadics(f"multiscale {name}", n, c, height, width), "grid": grid},
                shape,
                deviations=deviations,
                aggregate=aggregate,
                truncate=2.0,
                padding_mode=padding,
                align_corners=align_corners,
            )
        )
    return small_enough(found)
