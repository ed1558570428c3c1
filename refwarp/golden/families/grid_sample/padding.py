"""Cases for grid_sample (bilinear) with the paddings border and reflection."""

from __future__ import annotations

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.cases import draw
from refwarp.golden.cases.everywhere import Family
from refwarp.golden.cases.samples import off_y, points, row


def cases() -> list[Case]:
    """Return the cases."""
    return [
        one
        for padding in ("border", "reflection")
        for align_corners in (False, True)
        for one in _family(Family("bilinear", padding, align_corners))
    ]


def _family(family: Family) -> list[Case]:
    return [*family.everything(), *family.near_seams(0, 1, family.lattice - 1), *_kinks(family), *_wide(family)]


def _kinks(family: Family) -> list[Case]:
    size = family.lattice
    pixels = draw.dyadics(f"{family.words} kinks", size).tolist()
    ends = [family.pixel(x, size) for x in range(size)]
    away = [family.pixel(x, size) for x in (-size - 1, -2, -1, size, size + 1, 2 * size)]
    square = draw.dyadics(f"{family.words} square", 1, 1, size, size)
    between = [family.pixel(x, size) for x in (-1.5, -0.5, 0.5, size - 0.5, size + 0.5)]
    reflected = family.padding == "reflection"
    return [
        family.case(
            "at_pixels",
            "Each pixel of a row; at the outermost ones the padding begins, and the rule right has no slope",
            "Kink Border",
            row(pixels),
            off_y(*ends),
            "acceptable",
        ),
        family.case(
            "at_pixels_of_column",
            "The same along y",
            "Kink Border AxisOrder",
            np.array(pixels)[None, None, :, None],
            off_y(*ends)[..., ::-1],
            "acceptable",
        ),
        family.case(
            "at_pixels_beyond",
            "Pixels beyond the border: " + ("mirrored ones are kinks" if reflected else "there are no kinks"),
            "Kink Outside" if reflected else "Outside",
            row(pixels),
            off_y(*away),
            "acceptable" if reflected else "valid",
        ),
        family.case(
            "between_pixels",
            "Halfway between pixels, in the map and beyond it, where the mirror without align_corners has its folds",
            "PaddingSeam Border",
            row(pixels),
            off_y(*between),
        ),
        family.case(
            "corners",
            "The corners and the middles of the edges: -1 and 1 in both coordinates",
            "PaddingSeam Kink Border" if family.align_corners else "PaddingSeam Border",
            square,
            points((-1, -1), (1, -1), (-1, 1), (1, 1), (0.125, -1), (1, 0.125)),
            "acceptable" if family.align_corners else "valid",
        ),
        family.case(
            "both_axes_at_pixels",
            "On the lattice in x and in y, in the map, at its border and beyond",
            "Kink Border",
            square,
            points(
                (ends[1], ends[2]), (ends[0], ends[1]), (ends[2], ends[0]), (ends[-1], ends[-1]), (away[2], ends[1])
            ),
            "acceptable",
        ),
        family.case(
            "identity",
            "The identity: every sample on the lattice, and the output is the map",
            "Kink IdentityNotExact",
            square,
            np.stack(np.meshgrid(ends, ends), -1)[None],
            "acceptable",
        ),
    ]


def _wide(family: Family) -> list[Case]:
    width = 65536 if family.align_corners else 2048
    sparse = np.zeros((1, 1, 1, width))
    at = [0, 1, 2, 700, 701, 702, 703, width - 2, width - 1]
    sparse[0, 0, 0, at] = draw.dyadics(f"{family.words} wide", len(at))
    places = -3.75, 0.75, 701.25, width - 1.625, width + 0.75
    grid = off_y(*(round(family.pixel(x, width) * 2**40) / 2**40 for x in places))
    return [family.case(f"wide_{width}", f"{width} pixels wide, in coordinates of 40 bits", "Wide", sparse, grid)]
