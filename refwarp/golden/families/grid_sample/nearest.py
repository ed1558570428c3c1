"""Cases for grid_sample with mode="nearest"."""

from __future__ import annotations

import math

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import off_y, points, row
from refwarp.golden.families.grid_sample.cases import Sampler, samplers


def cases() -> list[Case]:
    """Return the cases."""
    return [case for sampler in samplers("nearest", "zeros", "border", "reflection") for case in _cases_of(sampler)]


def _cases_of(sampler: Sampler) -> list[Case]:
    size = sampler.lattice
    return [*sampler.everything(), *sampler.near_seams(-0.5, 0.5, size - 0.5), *_ties(sampler)]


def _ties(sampler: Sampler) -> list[Case]:
    size = sampler.lattice
    pixels = row(draw.dyadics(f"{sampler.words} ties", size).tolist())
    inside = [sampler.pixel(x + 0.5, size) for x in range(size - 1)]
    ends = [sampler.pixel(x, size) for x in (-0.5, size - 0.5)]
    beyond = [sampler.pixel(x, size) for x in (-2.5, -1.5, size + 0.5, size + 1.5, 2 * size + 0.5)]
    at = [sampler.pixel(x, size) for x in range(-1, size + 1)]
    square = draw.dyadics(f"{sampler.words} square", 1, 1, size, size)
    zeros, reflected = sampler.padding == "zeros", sampler.padding == "reflection"
    almost_half = [math.nextafter(1.0, 0.0), float(np.nextafter(np.float32(1.0), np.float32(0.0))), 1.0 - 2.0**-11]
    found = [
        sampler.case(
            "ties",
            "Halfway between two pixels of a row: the even one, the right one, or the one further from 0",
            "Ties",
            pixels,
            off_y(*inside),
            "acceptable",
        ),
        sampler.case(
            "ties_of_column",
            "The same along y",
            "Ties AxisOrder",
            pixels.swapaxes(2, 3),
            off_y(*inside)[..., ::-1],
            "acceptable",
        ),
        sampler.case(
            "ties_at_ends",
            "Half a pixel off the ends of a row: a tie with "
            + {"zeros": "nothing", "border": "the same pixel", "reflection": "what the mirror holds"}[sampler.padding],
            "Ties Border",
            pixels,
            off_y(*ends),
            "acceptable" if zeros or (reflected and sampler.align_corners) else "valid",
        ),
        sampler.case(
            "ties_beyond",
            "Ties beyond the map" + (", whose mirror images are ties: up in the mirror is down" if reflected else ""),
            "Ties Outside",
            pixels,
            off_y(*beyond),
            "acceptable" if reflected else "valid",
        ),
        sampler.case(
            "ties_of_both_axes",
            "A corner shared by four pixels",
            "Ties",
            square,
            points((inside[0], inside[0]), (inside[1], inside[2]), (inside[2], 0.15625), (ends[0], inside[0])),
            "acceptable",
        ),
        sampler.case(
            "at_pixels",
            "Each pixel of a row and the next beyond its ends, reached exactly",
            "Border",
            pixels,
            off_y(*at),
        ),
        sampler.case(
            "identity",
            "The identity: the output is the map",
            "IdentityNotExact",
            square,
            np.stack(np.meshgrid(at[1:-1], at[1:-1]), -1)[None],
        ),
    ]
    if zeros and not sampler.align_corners:
        comment = "x is the number next to 1/2 in three types, on a map of one pixel: x + 1/2 rounds to 1, x does not"
        found.append(sampler.case("almost_half", comment, "NearSeam OnePixel", row([3.0]), off_y(*almost_half)))
    return found
