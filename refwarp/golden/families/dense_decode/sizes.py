"""Cases for dense_decode of sizes around those of tiles and vectors, in sources and in decoded maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.pairwise import BATCHES, CHANNELS, SIZES, pairwise, small_enough
from refwarp.golden.drawing.samples import between_seams
from refwarp.golden.families.dense_decode.cases import FILLS, PART, case

FACTORS = {
    "N": BATCHES,
    "C": CHANNELS[:4],
    "rows": SIZES[:5],
    "columns": SIZES[:5],
    "H": SIZES[:4],
    "W": SIZES[:4],
    "fill": FILLS,
    "align_corners": (False, True),
}

_MOST_SOURCES, _MOST_PIXELS = 580, 3000


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Tell whether the truth about a case is found soon enough."""
    n, c, rows, columns, height, width, *_ = row.values()
    allowed: bool = n * c * rows * columns <= _MOST_SOURCES and n * c * height * width <= _MOST_PIXELS
    return allowed


def _sizes() -> Iterator[Case]:
    for row in pairwise(FACTORS, is_allowed):
        n, c, rows, columns, height, width, fill, align_corners = row.values()
        name = f"sizes_{n}x{c}x{rows}x{columns}_to_{height}x{width}_{fill}" + "_corners" * align_corners
        yield case(
            name,
            f"{n} x {c} x {rows} x {columns} sources, maps of {height} x {width} pixels; holes {PART[fill]}."
            + " align_corners." * align_corners,
            "Sizes Hole",
            draw.dyadics(name, n, c, rows, columns),
            between_seams(name, (n, rows, columns), (height, width), align_corners),
            (height, width),
            align_corners=align_corners,
            fill=fill,
        )


def _long() -> Iterator[Case]:
    """Yield maps of one row or column, with sources at the ends and in the middle."""
    length = 65_536
    for is_tall in (False, True):
        x = np.array([1, 2, 32_766, 32_768, 32_769, length - 3]) + 0.375
        along = (2 * x - length + 1) / length
        grid = np.stack([along, np.full(along.shape, 0.125)], -1)[None, None]
        size = (length, 1) if is_tall else (1, length)
        name, at = f"sizes_to_{size[0]}x{size[1]}", [*range(4), *range(32_764, 32_772), *range(length - 4, length)]
        gout = np.zeros((1, 1, length))
        gout[..., at] = draw.dyadics(name, len(at))
        yield case(
            name,
            f"{length} pixels {'tall' if is_tall else 'wide'}: an index of 16 bits reaches half of them.",
            "Wide Sizes",
            draw.dyadics(name, 1, 1, 1, len(x)),
            grid[..., ::-1] if is_tall else grid,
            size,
            given={"gout": gout.reshape(1, 1, *size)},
        )


def cases() -> list[Case]:
    """Return the cases."""
    return small_enough([*_sizes(), *_long()])
