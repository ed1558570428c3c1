"""Cases for grid_sample with mode="bicubic"."""

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
        for padding in ("zeros", "border", "reflection")
        for align_corners in (False, True)
        for one in _family(Family("bicubic", padding, align_corners))
    ]


def _family(family: Family) -> list[Case]:
    return [*family.everything(), *family.near_seams(0, 1, family.lattice - 1), *_windows(family)]


def _windows(family: Family) -> list[Case]:
    size = family.lattice
    pixels = row(draw.dyadics(f"{family.words} windows", size).tolist())
    at = [family.pixel(x, size) for x in range(size)]
    beyond = [family.pixel(x, size) for x in (-3, -2, -1, size, size + 1, 2 * size)]
    between = [family.pixel(x, size) for x in (-1.5, -0.5, 0.5, size - 0.5, size + 0.5)]
    square = draw.dyadics(f"{family.words} square", 1, 1, size, size)
    hot = np.zeros((1, 1, 6, 6))
    hot[0, 0, 2, 3] = 1.0
    return [
        family.case(
            "at_pixels",
            "Each pixel of a row: its own weight is 1 and the others' 0; the curvature is that from the right",
            "Border",
            pixels,
            off_y(*at),
        ),
        family.case(
            "at_pixels_beyond",
            "Pixels of the padding: each of the 4 x 4 is padded for itself, the point is not",
            "Outside",
            pixels,
            off_y(*beyond),
        ),
        family.case(
            "between_pixels",
            "Halfway between pixels, in the map and beyond it: weights of -3/32 and 19/32",
            "Border",
            pixels,
            off_y(*between),
        ),
        family.case(
            "corners",
            "The corners and the middles of the edges: -1 and 1 in both coordinates",
            "Border",
            square,
            points((-1, -1), (1, -1), (-1, 1), (1, 1), (0.125, -1), (1, 0.125)),
        ),
        family.case(
            "identity",
            "The identity: the output is the map",
            "IdentityNotExact",
            square,
            np.stack(np.meshgrid(at, at), -1)[None],
        ),
        family.case(
            "one_hot_pixel",
            "One pixel that is not zero: each sample is a weight",
            "Interior AxisOrder",
            hot,
            family.clear("hot", (1, 3, 3), (6, 6), 0, 0.6),
        ),
        family.case(
            "alternating",
            "Pixels of alternating signs, where the negative weights add up: the largest values that there are",
            "Cancellation",
            row([1.0, -1.0, 1.0, -1.0]),
            family.clear("alternating", (1, 1, 4), (1, 4), 0, 1.25),
        ),
    ]
