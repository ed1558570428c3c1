"""Cases for grid_sample: how one is made, and what is asked in every mode, padding and rule for corners.

Coordinates keep clear of the lattice and of half-integers, where conventions decide, unless a case is about just that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import clear, neighbours, off_y, points, row

# What becomes of a sample far outside, and of one at infinity.
_FAR = {
    "zeros": "nothing is there",
    "border": "they are the border's pixels",
    "reflection": "they come back mirrored",
}
_INFINITE = {
    "zeros": "Infinite coordinates lie outside",
    "border": "Infinite coordinates are the border's pixels",
    "reflection": "Infinite coordinates have no mirror image: NaN",
}


def case(
    name: str,
    comment: str,
    flags: str,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    result: str = "valid",
    cotangents: Mapping[str, Floats] | None = None,
    **options: Any,
) -> Case:
    """Return one case, bilinear with zeros padding unless options say else; cotangents that are not given are drawn."""
    input, grid = np.asarray(input, dtype=np.float64), np.asarray(grid, dtype=np.float64)
    inputs = {
        "input": input,
        "grid": grid,
        "gout": draw.dyadics(f"{name} gout", *input.shape[:2], *grid.shape[1:3]),
        "cotangent_input": draw.dyadics(f"{name} A", *input.shape),
        "cotangent_grid": draw.dyadics(f"{name} b", *grid.shape),
    }
    defaults = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False}
    given = {**inputs, **(cotangents or {})}
    return Case(f"grid_sample/{name}", {**defaults, **options}, given, tuple(flags.split()), comment, result)


def both(
    name: str,
    comment: str,
    flags: str,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    cotangents: Mapping[str, Floats] | None = None,
) -> list[Case]:
    """Return the case for both values of align_corners."""
    return [
        case(name, comment, flags, input, grid, cotangents=cotangents),
        case(
            f"{name}_corners",
            f"{comment} align_corners.",
            flags,
            input,
            grid,
            cotangents=cotangents,
            align_corners=True,
        ),
    ]


@dataclass(frozen=True)
class Sampler:
    """A mode with a padding and a rule for corners, and the cases that all of these have."""

    mode: str
    padding: str
    align_corners: bool

    @property
    def words(self) -> str:
        """What it is called in a comment."""
        return f"{self.mode}, {self.padding}{', align_corners' if self.align_corners else ''}"

    def case(
        self,
        name: str,
        comment: str,
        flags: str,
        input: npt.ArrayLike,
        grid: npt.ArrayLike,
        result: str = "valid",
        **cotangents: Floats,
    ) -> Case:
        """Return one case of this sampler."""
        full = f"{self.mode}_{self.padding}_{name}{'_corners' if self.align_corners else ''}"
        comment = f"{comment} ({self.words})."
        options = {"mode": self.mode, "padding_mode": self.padding, "align_corners": self.align_corners}
        return case(full, comment, flags, input, grid, result, cotangents, **options)

    def pixel(self, x: float, size: int) -> float:
        """Return the coordinate of the pixel coordinate x; exact for pixels of the `lattice` maps."""
        return (2 * x - size + 1) / (size - 1 if self.align_corners else size)

    @property
    def lattice(self) -> int:
        """The size of an axis whose pixels have coordinates that are exact in every arithmetic."""
        return 5 if self.align_corners else 4

    def _clear(self, name: str, shape: tuple[int, int, int], size: tuple[int, int], low: float, high: float) -> Floats:
        return clear(name, shape, size, low, high, self.align_corners)

    def basic(self) -> list[Case]:
        """Return ordinary cases: shapes and full precision."""
        cases = [
            self.case(
                "interior_3x4",
                "Ordinary samples of two channels",
                "Interior",
                draw.dyadics(f"{self.words} interior", 1, 2, 3, 4),
                self._clear("interior", (1, 2, 3), (3, 4), 0, 0.6),
            ),
            self.case(
                "batch_2x2x5x3",
                "Two images of two channels, samples inside and around",
                "Shape",
                draw.dyadics(f"{self.words} batch", 2, 2, 5, 3),
                self._clear("batch", (2, 2, 3), (5, 3), 0, 1.25),
            ),
            self.case(
                "upsampled_2x2",
                "More samples than pixels, many of them at the border",
                "Shape Border",
                draw.dyadics(f"{self.words} up", 1, 1, 2, 2),
                self._clear("up", (1, 4, 4), (2, 2), 0, 1.5),
            ),
        ]
        for dtype in ("float32", "float64"):
            name = f"{self.words} {dtype}"
            grid = self._clear(name, (1, 2, 3), (4, 6), 0, 1.2)
            cases.append(
                self.case(
                    f"full_{dtype}",
                    f"Every bit of {dtype} is used, in the map, the coordinates and the cotangents",
                    "FullPrecision",
                    draw.full(name, 1, 2, 4, 6, dtype=dtype, reach=4.0),
                    (grid + draw.full(f"{name} grid", 1, 2, 3, 2, dtype=dtype, reach=2.0**-12)).astype(dtype),
                    gout=draw.full(f"{name} gout", 1, 2, 2, 3, dtype=dtype),
                    cotangent_input=draw.full(f"{name} A", 1, 2, 4, 6, dtype=dtype),
                    cotangent_grid=draw.full(f"{name} b", 1, 2, 3, 2, dtype=dtype),
                )
            )
        return cases

    def beyond(self) -> list[Case]:
        """Return cases beyond the border: next to it, and several maps away."""
        map_3x4 = draw.dyadics(f"{self.words} beyond", 1, 2, 3, 4)
        grid = self._clear("beyond", (1, 3, 3), (3, 4), 1 + 1 / 16, 1.75)
        inside = self._clear("beside", (1, 3, 3), (3, 4), 0, 0.6)
        grid[:, 0, :, 1], grid[:, 1, :, 0] = inside[:, 0, :, 1], inside[:, 1, :, 0]
        cases = [
            self.case("beyond_3x4", "Just beyond 1 in x, in y, and in both: a row of each", "Border", map_3x4, grid),
            self.case(
                "outside_3x4",
                f"Several maps away: {_FAR[self.padding]}",
                "Outside",
                map_3x4,
                self._clear("outside", (1, 2, 3), (3, 4), 3, 8.5),
            ),
        ]
        if self.padding == "reflection":
            same = off_y(*(0.15625 + 4 * n for n in (0, 1, -1, 2, -3)))
            comment = "One sample, and the same one or more periods (4) further on either side"
            cases.append(self.case("periods", comment, "Outside", row([1.0, 5.0, 2.0, 9.0]), same))
        return cases

    def shapes(self) -> list[Case]:
        """Return cases for axes of one pixel, for nothing at all, and for wide maps."""
        cases = [
            self.case(
                f"one_pixel_{height}x{width}",
                f"A map of {height}x{width} pixels",
                "OnePixel",
                draw.dyadics(f"{self.words} one {height}", 1, 2, height, width),
                self._clear("one pixel", (1, 2, 3), (height, width), 0, 1.75),
            )
            for height, width in ((1, 1), (5, 1) if self.align_corners else (1, 5))
        ]
        if self.align_corners:
            empty = self.case("empty_output", "No samples", "Empty", np.ones((1, 2, 2, 2)), np.zeros((1, 0, 3, 2)))
        else:
            empty = self.case("empty_batch", "No image", "Empty", np.zeros((0, 2, 3, 4)), np.zeros((0, 2, 3, 2)))
        # Sparse, so that the file stays small; each sample has pixels of its own that differ.
        sparse, width = np.zeros((1, 1, 1, 300)), 300
        at = [0, 1, 2, 37, 38, 39, 40, 150, 151, 152, 297, 298, 299]
        sparse[0, 0, 0, at] = draw.dyadics(f"{self.words} wide", len(at))
        grid = off_y(*(round(self.pixel(x, width) * 2**20) / 2**20 for x in (0.75, 38.25, 150.625, 298.375, 299.75)))
        comment = "300 pixels wide: coordinates of 20 bits are exact, and rounded ones are not"
        return [*cases, empty, self.case("wide_1x300", comment, "Wide", sparse, grid)]

    def non_finite(self) -> list[Case]:
        """Return cases at NaN, at infinity, and at huge coordinates."""
        # The centre is clear of seams: huge coordinates, multiples of 4, are mirrored into it.
        size = 3 if self.mode == "nearest" else 4
        map_, here = draw.dyadics(f"{self.words} non-finite", 1, 2, size, size), (0.15625, -0.296875)
        nan, inf = math.nan, math.inf
        cases = [
            self.case(
                "nan",
                "NaN in x, in y and in both, beside a sample that must stay what it is",
                "NonFinite IntegerCast",
                map_,
                points((nan, 0.15625), here, (0.15625, nan), (nan, nan)),
            ),
            self.case(
                "infinite",
                f"{_INFINITE[self.padding]}; where the other one is NaN, the sample is NaN",
                "NonFinite IntegerCast",
                map_,
                points((inf, 0.15625), (0.15625, -inf), here, (-inf, inf), (inf, nan)),
            ),
        ]
        huge = float(np.finfo(np.float64).max if self.align_corners else np.float32(1e30))
        comment = f"Coordinates of +-{huge:.3g}: {_FAR[self.padding]}"
        grid = points((huge, 0.15625), here, (0.15625, -huge))
        return [*cases, self.case("huge", comment, "Huge IntegerCast HugeGivesNaN", map_, grid)]

    def near_seams(self, *seams: float) -> list[Case]:
        """Return cases with the neighbours of pixel coordinates on a row, and of 0, among the numbers of a type.

        The types take turns: float16 and float64, float32 with align_corners.
        """
        pixels = row(draw.dyadics(f"{self.words} near", self.lattice).tolist())
        where = ", ".join(f"{x:g}" for x in seams)
        cases = []
        for dtype in ("float32",) if self.align_corners else ("float16", "float64"):
            near = [g for x in seams for g in neighbours(self.pixel(x, self.lattice), dtype)]
            comment = f"The neighbours of the pixel coordinates {where} among the {dtype} numbers, each on its own side"
            cases.append(self.case(f"near_{dtype}", comment, "NearSeam", pixels, off_y(*near)))
        # The centre of the map is a pixel, or halfway between two: where the mode has its seam.
        centre = row([3.0, -1.0] if self.mode == "nearest" else [1.0, 0.0, 1.0])
        name, tiny = ("float64", 5e-324) if self.align_corners else ("float16", 2.0**-24)
        comment = f"+-the smallest {name} is not the centre but next to it: adding 1 loses that"
        flags = "TinyCoordinate NearSeam" + " Subnormal" * self.align_corners
        return [*cases, self.case("tiny", comment, flags, centre, off_y(tiny, -tiny))]

    def arithmetic(self) -> list[Case]:
        """Return cases of subnormal numbers, of terms that cancel, and of long sums: two, two with align_corners."""
        grid = self._clear("arithmetic", (1, 2, 3), (3, 4), 0, 1.125)
        map_3x4 = draw.dyadics(f"{self.words} arithmetic", 1, 2, 3, 4)
        ulp = 2.0**-23
        if self.align_corners:
            return [
                self.case(
                    "subnormal_cotangents",
                    "Cotangents that are subnormal float64 numbers",
                    "Subnormal",
                    map_3x4,
                    grid,
                    gout=draw.dyadics(f"{self.words} tiny", 1, 2, 2, 3) * 2.0**-1063,
                    cotangent_input=draw.dyadics(f"{self.words} tiny A", 1, 2, 3, 4) * 2.0**-1063,
                ),
                self.case(
                    "cancelling",
                    "Two channels, alike to the last bits of float32, with opposite cotangents",
                    "Cancellation",
                    np.array([[1.0, 3.0, -2.0, 5.0], [1.0, 3.0 + 2 * ulp, -2.0, 5.0 - 4 * ulp]])[None, :, None],
                    self._clear("cancelling", (1, 1, 3), (1, 4), 0, 1.125),
                    gout=np.array([[[[1.0, 1.0, 1.0]], [[-1.0, -1.0, -1.0 - ulp]]]]),
                ),
            ]
        comment = "64 samples of one point, a large cotangent and 63 small ones: a plain float32 sum rounds each up"
        return [
            self.case("subnormal_map", "A map of subnormal float32 numbers", "Subnormal", map_3x4 * 2.0**-137, grid),
            self.case(
                "creeping",
                comment,
                "LongSum",
                draw.dyadics(f"{self.words} creeping", 1, 1, 2, 2),
                np.tile(self._clear("creeping", (1, 1, 1), (2, 2), 0, 0.375), (1, 8, 8, 1)),
                gout=draw.creeping("float32", 64).reshape(1, 1, 8, 8),
                cotangent_grid=np.tile([1.0, 0.5], (1, 8, 8, 1)),
            ),
        ]

    def everything(self) -> list[Case]:
        """Return all of these but `near_seams`."""
        parts = (self.basic, self.beyond, self.shapes, self.non_finite, self.arithmetic)
        return [one for part in parts for one in part()]


def samplers(mode: str, *paddings: str) -> list[Sampler]:
    """Return a mode's samplers, with each padding and both rules for corners."""
    return [Sampler(mode, padding, align_corners) for padding in paddings for align_corners in (False, True)]
