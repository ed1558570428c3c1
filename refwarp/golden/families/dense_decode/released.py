"""Cases for dense_decode as its authors released it: today's program and the first one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.families.dense_decode.cases import case, row, sources

NAN, INF = math.nan, math.inf


def _program(
    name: str,
    comment: str,
    flags: str,
    values: Floats,
    points: Floats,
    size: tuple[int, int],
    fill: str = "zeros",
    variant: str = "released",
) -> Case:
    """Return a case of a released program, with sources at the given points in pixels; exact for powers of two."""
    grid = 2.0 * points / np.array(size[::-1]) - 1.0
    return case(name, comment, f"{flags} ReleasedProgram", values, grid, size, fill=fill, variant=variant)


def _inside() -> Iterator[Case]:
    yield _program(
        "released_two_in_one_cell",
        "Values 3 and 7 at (1/4, 1/4) and (1/2, 1/2) of a cell: the program gives 10, and the paper 55/13.",
        "Colliding",
        row([3.0, 7.0]),
        sources((0.25, 0.25), (0.5, 0.5)),
        (2, 2),
    )
    yield _program(
        "released_constant",
        "A constant 1 from two sources in a cell: the program gives 2.",
        "Colliding",
        row([1.0, 1.0]),
        sources((0.25, 0.375), (0.625, 0.25)),
        (2, 2),
    )
    yield _program(
        "released_apart",
        "Sources that reach no pixel by the same corner: there the program is the paper's, half a pixel away.",
        "Interior",
        draw.dyadics("apart", 1, 2, 1, 2),
        sources((0.25, 0.375), (1.625, 0.6875)),
        (2, 4),
    )
    for fill in ("zeros", "previous"):
        yield _program(
            f"released_holes_{fill}",
            "Pixels that nothing reaches " + ("are 0." if fill == "zeros" else "show the previous map."),
            "Hole",
            draw.dyadics("released holes", 1, 1, 1, 2),
            sources((0.25, 0.375), (0.625, 0.25)),
            (2, 4),
            fill,
        )
    yield _program(
        "released_little",
        "A pixel that receives 2^-18, less than 1e-5: what arrives is divided by 1e-5, and the previous map added.",
        "Hole TinyWeight",
        row([4.0]),
        sources((1.0 + 2.0**-18, 0.5)),
        (2, 4),
        "previous",
    )
    yield _program(
        "released_batch",
        "Two images of two channels.",
        "Shape",
        draw.dyadics("released batch", 2, 2, 1, 2),
        np.array([[[[0.375, 0.625], [1.25, 0.6875]]], [[[2.25, 0.4375], [0.8125, 1.375]]]]),
        (2, 4),
        "previous",
    )
    for dtype in ("float32", "float64"):
        points = draw.full(f"released {dtype}", 1, 1, 3, 2, dtype="float32", reach=0.375) + np.array([1.5, 0.5])
        found = _program(
            f"released_full_{dtype}",
            f"Every bit of {dtype} is used.",
            "FullPrecision",
            draw.full(f"released values {dtype}", 1, 1, 1, 3, dtype=dtype),
            points.astype(np.float32).astype(np.float64),
            (2, 4),
        )
        found.inputs["grid"][...] = found.inputs["grid"].astype(dtype)
        yield found
    grid = 2.0 * np.array([[0.25, 0.375], [1.625, 0.6875], [0.5, 0.5]]) / np.array([4, 2]) - 1.0
    grid[1, 0], grid[2, 1] = NAN, INF
    yield case(
        "released_non_finite",
        "Sources at NaN and infinity, where the program's integers are undefined, are left out, and have no gradient.",
        "NonFinite ReleasedProgram",
        row([3.0, 5.0, -2.0]),
        grid[None, None],
        (2, 4),
        variant="released",
    )


def _border() -> Iterator[Case]:
    """Yield cases on and beyond the outermost pixels' centres, where the two releases differ."""
    for variant, last, outside, last_pixel in (
        (
            "released",
            "A source beyond the last pixel's centre weighs d and d on it, the more the farther it is.",
            "Sources far outside weigh nothing, but their values count at the border.",
            "A source at the last pixel's centre weighs nothing; its value counts.",
        ),
        (
            "first_release",
            "A source beyond the last pixel's centre weighs -d and d on it: with another there, it adds too much.",
            "Sources far outside count at the border, with weights that grow with the distance.",
            "A source at the last pixel's centre weighs nothing; its value counts. As in the later program.",
        ),
    ):
        yield _program(
            f"{variant}_beyond_the_last",
            last,
            "Border",
            row([4.0, 1.0]),
            sources((3.75, 0.375), (2.5, 0.25)),
            (2, 4),
            variant=variant,
        )
        yield _program(
            f"{variant}_outside",
            outside,
            "Outside",
            row([4.0, 1.0, -3.0, 2.0]),
            sources((-2.25, 0.375), (9.5, 0.25), (0.625, -1.375), (2.5, 0.25)),
            (2, 4),
            variant=variant,
        )
        yield _program(
            f"{variant}_last_pixel",
            last_pixel,
            "Border Kink",
            row([4.0, 1.0]),
            sources((3.0, 0.375), (2.5, 0.25)),
            (2, 4),
            variant=variant,
        )
        yield _program(
            f"{variant}_every_border",
            "Sources up to a pixel beyond each border and beyond two corners of the map.",
            "Border",
            draw.dyadics("every border", 1, 2, 1, 6),
            sources((-0.5, 0.375), (4.25, 0.625), (1.625, -0.25), (2.375, 2.5), (-0.125, -0.75), (3.5, 1.875)),
            (2, 4),
            "previous",
            variant,
        )
        yield _program(
            f"{variant}_identity",
            "The program's own identity, linspace(-1, 1) along both axes: its last sources lie a pixel beyond the map.",
            "Border Kink",
            np.ones((1, 1, 2, 2)),
            np.array([[[[0.0, 0.0], [2.0, 0.0]], [[0.0, 2.0], [2.0, 2.0]]]]),
            (2, 2),
            variant=variant,
        )
    yield _program(
        "released_a_pixel_beyond",
        "At a distance of exactly 1 from the last pixel a source weighs 1 and 1; farther out, nothing.",
        "Border Kink",
        row([4.0, 1.0, -3.0]),
        sources((4.0, 0.375), (4.125, 0.5), (-1.0, 0.25)),
        (2, 4),
        "previous",
    )
    yield _program(
        "released_on_pixels",
        "Sources at pixels' centres along x, along y and along both, beside others: the slope of |0| is 0.",
        "Kink Colliding",
        draw.dyadics("on pixels", 1, 2, 1, 5),
        sources((1.0, 0.375), (1.625, 0.0), (1.0, 0.0), (0.5, 0.25), (2.25, 0.625)),
        (2, 4),
        "previous",
    )
    yield _program(
        "released_one_pixel",
        "A map of one pixel, whose sources all fall on it; x = 3/2 is too far.",
        "OnePixel",
        draw.dyadics("released one", 1, 2, 1, 3),
        sources((0.5, 0.25), (-0.75, 0.875), (1.5, 0.5)),
        (1, 1),
    )
    for name, huge in (("float32", float(np.finfo(np.float32).max)), ("float64", float(np.finfo(np.float64).max))):
        yield case(
            f"released_huge_coordinates_{name}",
            f"A source at {huge:.3g} weighs nothing, and its value counts at the border; it is no integer of any size.",
            "Huge IntegerCast ReleasedProgram",
            row([3.0, -2.0, 5.0]),
            sources((huge, -0.625), (0.125, -huge), (0.25, -0.5)),
            (2, 4),
            variant="released",
        )


def cases() -> list[Case]:
    """Return the cases for the released programs."""
    return [*_inside(), *_border()]
