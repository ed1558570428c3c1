"""Cases for grid_sample with mode="bicubic"."""

from __future__ import annotations

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import clear, off_y, points, row
from refwarp.golden.families.grid_sample.cases import Sampler, samplers


def cases() -> list[Case]:
    """Return the cases."""
    return [case for sampler in samplers("bicubic", "zeros", "border", "reflection") for case in _cases_of(sampler)]


def _cases_of(sampler: Sampler) -> list[Case]:
    return [*sampler.everything(), *sampler.near_seams(0, 1, sampler.lattice - 1), *_windows(sampler)]


def _windows(sampler: Sampler) -> list[Case]:
    size = sampler.lattice
    pixels = row(draw.dyadics(f"{sampler.words} windows", size).tolist())
    at = [sampler.pixel(x, size) for x in range(size)]
    beyond = [sampler.pixel(x, size) for x in (-3, -2, -1, size, size + 1, 2 * size)]
    between = [sampler.pixel(x, size) for x in (-1.5, -0.5, 0.5, size - 0.5, size + 0.5)]
    square = draw.dyadics(f"{sampler.words} square", 1, 1, size, size)
    hot = np.zeros((1, 1, 6, 6))
    hot[0, 0, 2, 3] = 1.0
    return [
        sampler.case(
            "at_pixels",
            "Each pixel of a row: its own weight is 1 and the others' 0; the curvature is that from the right",
            "Border",
            pixels,
            off_y(*at),
        ),
        sampler.case(
            "at_pixels_beyond",
            "Pixels of the padding: each of the 4 x 4 is padded for itself, the point is not",
            "Outside",
            pixels,
            off_y(*beyond),
        ),
        sampler.case(
            "between_pixels",
            "Halfway between pixels, in the map and beyond it: weights of -3/32 and 19/32",
            "Border",
            pixels,
            off_y(*between),
        ),
        sampler.case(
            "corners",
            "The corners and the middles of the edges: -1 and 1 in both coordinates",
            "Border",
            square,
            points((-1, -1), (1, -1), (-1, 1), (1, 1), (0.125, -1), (1, 0.125)),
        ),
        sampler.case(
            "identity",
            "The identity: the output is the map",
            "IdentityNotExact",
            square,
            np.stack(np.meshgrid(at, at), -1)[None],
        ),
        sampler.case(
            "one_hot_pixel",
            "One pixel that is not zero: each sample is a weight",
            "Interior AxisOrder",
            hot,
            clear("hot", (1, 3, 3), (6, 6), 0, 0.6, sampler.align_corners),
        ),
        sampler.case(
            "alternating",
            "Pixels of alternating signs, where the negative weights add up: the largest values that there are",
            "Cancellation",
            row([1.0, -1.0, 1.0, -1.0]),
            clear("alternating", (1, 1, 4), (1, 4), 0, 1.25, sampler.align_corners),
        ),
    ]
