"""Cases for grid_sample (bilinear) with the paddings border and reflection."""

from __future__ import annotations

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import off_y, points, row
from refwarp.golden.families.grid_sample.cases import Sampler, samplers


def cases() -> list[Case]:
    """Return the cases."""
    return [case for sampler in samplers("bilinear", "border", "reflection") for case in _cases_of(sampler)]


def _cases_of(sampler: Sampler) -> list[Case]:
    return [*sampler.everything(), *sampler.near_seams(0, 1, sampler.lattice - 1), *_kinks(sampler), *_wide(sampler)]


def _kinks(sampler: Sampler) -> list[Case]:
    size = sampler.lattice
    pixels = draw.dyadics(f"{sampler.words} kinks", size).tolist()
    ends = [sampler.pixel(x, size) for x in range(size)]
    away = [sampler.pixel(x, size) for x in (-size - 1, -2, -1, size, size + 1, 2 * size)]
    square = draw.dyadics(f"{sampler.words} square", 1, 1, size, size)
    between = [sampler.pixel(x, size) for x in (-1.5, -0.5, 0.5, size - 0.5, size + 0.5)]
    reflected = sampler.padding == "reflection"
    return [
        sampler.case(
            "at_pixels",
            "Each pixel of a row; at the outermost ones the padding begins, and the rule right has no slope",
            "Kink Border",
            row(pixels),
            off_y(*ends),
            "acceptable",
        ),
        sampler.case(
            "at_pixels_of_column",
            "The same along y",
            "Kink Border AxisOrder",
            np.array(pixels)[None, None, :, None],
            off_y(*ends)[..., ::-1],
            "acceptable",
        ),
        sampler.case(
            "at_pixels_beyond",
            "Pixels beyond the border: " + ("mirrored ones are kinks" if reflected else "there are no kinks"),
            "Kink Outside" if reflected else "Outside",
            row(pixels),
            off_y(*away),
            "acceptable" if reflected else "valid",
        ),
        sampler.case(
            "between_pixels",
            "Halfway between pixels, in the map and beyond it, where the mirror without align_corners has its folds",
            "PaddingSeam Border",
            row(pixels),
            off_y(*between),
        ),
        sampler.case(
            "corners",
            "The corners and the middles of the edges: -1 and 1 in both coordinates",
            "PaddingSeam Kink Border" if sampler.align_corners else "PaddingSeam Border",
            square,
            points((-1, -1), (1, -1), (-1, 1), (1, 1), (0.125, -1), (1, 0.125)),
            "acceptable" if sampler.align_corners else "valid",
        ),
        sampler.case(
            "both_axes_at_pixels",
            "On the lattice in x and in y, in the map, at its border and beyond",
            "Kink Border",
            square,
            points(
                (ends[1], ends[2]), (ends[0], ends[1]), (ends[2], ends[0]), (ends[-1], ends[-1]), (away[2], ends[1])
            ),
            "acceptable",
        ),
        sampler.case(
            "identity",
            "The identity: every sample on the lattice, and the output is the map",
            "Kink IdentityNotExact",
            square,
            np.stack(np.meshgrid(ends, ends), -1)[None],
            "acceptable",
        ),
    ]


def _wide(sampler: Sampler) -> list[Case]:
    width = 65536 if sampler.align_corners else 2048
    sparse = np.zeros((1, 1, 1, width))
    at = [0, 1, 2, 700, 701, 702, 703, width - 2, width - 1]
    sparse[0, 0, 0, at] = draw.dyadics(f"{sampler.words} wide", len(at))
    places = -3.75, 0.75, 701.25, width - 1.625, width + 0.75
    grid = off_y(*(round(sampler.pixel(x, width) * 2**40) / 2**40 for x in places))
    return [sampler.case(f"wide_{width}", f"{width} pixels wide, in coordinates of 40 bits", "Wide", sparse, grid)]
