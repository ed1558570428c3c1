"""Cases for linearized_sample of sizes around those of tiles and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.pairwise import BATCHES, CHANNELS, SIZES, pairwise, small_enough
from refwarp.golden.drawing.samples import between_seams
from refwarp.golden.families.linearized.cases import WORDS, around, case

FACTORS = {
    "N": BATCHES,
    "C": CHANNELS[:3],
    "H": SIZES[:3],
    "W": SIZES[:3],
    "rows": SIZES[:3],
    "columns": SIZES[:3],
    "samples": (4, (7, 8, 9), (15, 16, 17), (31, 32, 33)),
    "input_gradient": tuple(WORDS),
    "padding_mode": ("zeros", "border", "reflection"),
    "align_corners": (False, True),
}

_MOST_SAMPLES, _MOST_PIXELS = 330, 1500


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Tell whether the truth about a case is found soon enough."""
    n, c, height, width, rows, columns, samples, *_ = row.values()
    allowed: bool = n * c * rows * columns * samples <= _MOST_SAMPLES and n * c * height * width <= _MOST_PIXELS
    return allowed


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS, is_allowed):
        n, c, height, width, rows, columns, samples, input_gradient, padding, align_corners = row.values()
        what = f"sizes_{n}x{c}x{height}x{width}_at_{rows}x{columns}_of_{samples}"
        name = f"{what}_{input_gradient}_{padding}" + "_corners" * align_corners
        grid = between_seams(f"linearized {name}", (n, rows, columns), (height, width), align_corners)
        comment = f"{n} x {c} maps of {height} x {width} pixels, {rows} x {columns} points with {samples} samples each"
        found.append(
            case(
                name,
                f"{comment}; {padding}, {WORDS[input_gradient]}." + " align_corners." * align_corners,
                "Sizes",
                draw.dyadics(name, n, c, height, width),
                grid,
                around(grid, name, samples),
                mask="none",
                tikhonov=0.0625,
                input_gradient=input_gradient,
                padding_mode=padding,
                align_corners=align_corners,
            )
        )
    return small_enough(found)
