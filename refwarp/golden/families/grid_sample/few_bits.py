"""Cases for grid_sample where no type rounds anything but sums: the bounds are narrow in float16 and bfloat16, too.

Samples lie halfway between pixels in x and in y, where weights and slopes have up to 6 bits, however they are computed,
and so have their terms but for a rounding or two; pixels and cotangents are powers of two.
"""

from __future__ import annotations

import numpy as np

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import points
from refwarp.golden.families.grid_sample.cases import Sampler, samplers


def _powers(name: str, *shape: int) -> Floats:
    """Return powers of two from 1/8 to 4, of either sign."""
    drawn = draw.dyadics(name, *shape)
    found: Floats = np.sign(drawn) * 2.0 ** np.floor(np.abs(drawn) * 1.5 - 3)
    return found


def _cases_of(sampler: Sampler) -> list[Case]:
    size = sampler.lattice
    shape = 1, 2, size, size
    hot = np.zeros(shape)
    hot[0, 0, 1, 2], hot[0, 1, 2, 1] = 1.0, -2.0
    between = [sampler.pixel(n + 0.5, size) for n in range(size - 1)]
    grid = points(*((x, y) for x in between for y in between))
    samples = 1, 2, 1, len(between) ** 2
    return [
        sampler.case(
            f"few_bits_{name}",
            f"{words} halfway between pixels: no type rounds a coordinate or a weight",
            "FewBits Interior",
            pixels,
            grid,
            gout=_powers(f"{sampler.words} {name} gout", *samples),
            cotangent_input=_powers(f"{sampler.words} {name} A", *shape),
            cotangent_grid=_powers(f"{sampler.words} {name} b", *grid.shape),
        )
        for name, words, pixels in (
            ("of_one_pixel", "One pixel of each channel, seen", hot),
            ("of_all", "Powers of two, seen", _powers(f"{sampler.words} few bits", *shape)),
        )
    ]


def cases() -> list[Case]:
    """Return the cases."""
    return [
        case
        for mode in ("bilinear", "bicubic")
        for sampler in samplers(mode, "zeros", "border", "reflection")
        for case in _cases_of(sampler)
    ]
