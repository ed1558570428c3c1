"""Cases for tps_grid and thin_plate_spline_basis of sizes around those of tiles and vectors.

Control points lie on a jittered lattice, far from one another and from pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import SIZES, pairwise, small_enough

FACTORS = {
    "N": (1, 2, 3),
    "points": (4, (5, 7, 8, 9), (15, 16, 17), (31, 32, 33)),
    "rows": SIZES[:5],
    "columns": SIZES[:5],
    "control": ("shared", "each"),
    "smoothing": (0.0, 0.25),
    "align_corners": (False, True),
}
BASES = {name: FACTORS[name] for name in ("points", "rows", "columns", "align_corners")}

_LONGEST = 600


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Tell whether the truth about a case is found soon enough."""
    points = row["points"]
    allowed: bool = row.get("N", 1) * points * (row["rows"] * row["columns"] + points) <= _LONGEST or (
        points > 9 and row["rows"] * row["columns"] <= 25 and row.get("N", 1) == 1
    )
    return allowed


def control_points(name: str, count: int) -> Floats:
    """Return points on a lattice of 6 x 6 cells, in an order of their own, each moved by up to 1/16."""
    cells = np.argsort(draw.dyadics(f"{name} cells", 36) + np.arange(36) * 2.0**-20)[:count]
    lattice = np.stack([cells % 6, cells // 6], -1) * 0.3125 - 0.78125
    found: Floats = lattice + draw.dyadics(name, count, 2) / 64
    return found


def _grids() -> Iterator[Case]:
    for row in pairwise(FACTORS, is_allowed):
        n, count, height, width, control, smoothing, align_corners = row.values()
        name = f"tps_grid/sizes_{n}x{count}_to_{height}x{width}_{control}" + "_smooth" * (smoothing > 0)
        name += "_corners" * align_corners
        each = np.stack([control_points(f"{name} {image}", count) for image in range(n)])
        sources = each if control == "each" else each[0]
        yield call.case(
            name,
            f"{n} grids of {height} x {width} points, {count} control points, {control}, smoothing {smoothing:g}."
            + " align_corners." * align_corners,
            "Sizes",
            {"points": sources + draw.dyadics(f"{name} points", n, count, 2) / 16, "control": sources},
            (n, height, width, 2),
            size=[n, 1, height, width],
            align_corners=align_corners,
            smoothing=smoothing,
        )


def _bases() -> Iterator[Case]:
    for row in pairwise(BASES, is_allowed):
        count, height, width, align_corners = row.values()
        name = f"thin_plate_spline_basis/sizes_{count}_to_{height}x{width}" + "_corners" * align_corners
        yield call.case(
            name,
            f"{height} x {width} points, {count} control points." + " align_corners." * align_corners,
            "Sizes",
            {"control": control_points(name, count)},
            size=[1, 1, height, width],
            align_corners=align_corners,
            smoothing=0.0,
        )


def cases() -> list[Case]:
    """Return the cases."""
    return small_enough([*_grids(), *_bases()])
