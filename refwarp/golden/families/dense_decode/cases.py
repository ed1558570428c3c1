"""Cases for dense_decode: ordinary ones, holes, kinks, shapes and refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw

FILLS = ("zeros", "previous", "neighbours")
PART = {"zeros": "stay 0", "previous": "show the previous map", "neighbours": "show the mean of previous neighbours"}


def case(
    name: str,
    comment: str,
    flags: str,
    values: npt.ArrayLike,
    grid: npt.ArrayLike,
    size: tuple[int, int],
    result: str = "valid",
    given: Mapping[str, npt.ArrayLike] | None = None,
    **options: Any,
) -> Case:
    """Return one case; what of its inputs is not given is drawn, the previous map only where holes are filled."""
    values, grid = np.asarray(values, dtype=np.float64), np.asarray(grid, dtype=np.float64)
    decoded = (*values.shape[:2], *size)
    options = {"size": list(decoded), "align_corners": False, "fill": "zeros", "variant": "paper", **options}
    inputs = {
        "values": values,
        "grid": grid,
        "gout": draw.dyadics(f"{name} gout", *decoded),
        "cotangent_values": draw.dyadics(f"{name} A", *values.shape),
        "cotangent_grid": draw.dyadics(f"{name} b", *grid.shape),
    }
    if options["fill"] != "zeros":
        inputs["previous"] = draw.dyadics(f"{name} P", *decoded)
        inputs["cotangent_previous"] = draw.dyadics(f"{name} p", *decoded)
    inputs.update({key: np.asarray(array, dtype=np.float64) for key, array in (given or {}).items()})
    return Case(f"dense_decode/{name}", options, inputs, tuple(flags.split()), comment, result)


def off_lattice(
    name: str, size: tuple[int, int], batch: int, *shape: int, reach: float = 1.0, align_corners: bool = False
) -> Floats:
    """Return points that lie 2^-8 of the map or more away from the lines between pixels."""
    grid = draw.coordinates(name, batch, *shape, 2, reach=reach)
    for again in range(100):
        wrong = _is_near(grid, size, align_corners)
        if not wrong.any():
            break
        grid = np.where(wrong, draw.coordinates(f"{name} {again}", batch, *shape, 2, reach=reach), grid)
    return grid


def _is_near(grid: Floats, size: tuple[int, int], align_corners: bool) -> npt.NDArray[np.bool_]:
    width = np.array(size[::-1])
    scale = width - 1 if align_corners else width
    x = (grid * scale + width - 1) / 2
    near: npt.NDArray[np.bool_] = (abs(x - np.round(x)) < width * 2.0**-8) & (scale > 0)
    return near


def to_g(x: npt.ArrayLike, size: int) -> Floats:
    """Return normalised coordinates of pixel coordinates (align_corners=False); exact for sizes of powers of two."""
    found: Floats = (2.0 * np.asarray(x, dtype=np.float64) - (size - 1)) / size
    return found


def sources(*points: tuple[float, float]) -> Floats:
    """Return a grid of one row of points."""
    return np.array(points, dtype=np.float64)[None, None]


def row(values: Sequence[float]) -> Floats:
    """Return the values of one row of sources."""
    return np.array(values, dtype=np.float64)[None, None, None]


def on_row(x: npt.ArrayLike, width: int, y: float = 0.125) -> Floats:
    """Return sources of a map of one row at the given pixel coordinates x, off the lattice along y."""
    g = to_g(x, width)
    return np.stack([g, np.full(g.shape, y)], axis=-1)[None, None]


def _ordinary() -> Iterator[Case]:
    for name, comment, (n, c, h, w), size in (
        ("sparse_2x2_to_4x5", "Fewer sources than pixels, two channels: most pixels are holes.", (1, 2, 2, 2), (4, 5)),
        ("dense_4x4_to_3x3", "More sources than pixels: each pixel is a mean of several.", (1, 1, 4, 4), (3, 3)),
        ("batch_2x3x2x3_to_3x4", "Two images with three channels each.", (2, 3, 2, 3), (3, 4)),
        ("tall_5x1_to_6x2", "A column of sources, a tall map.", (1, 1, 5, 1), (6, 2)),
        ("wide_1x6_to_2x7", "A row of sources, a wide map.", (1, 1, 1, 6), (2, 7)),
    ):
        for align_corners in (False, True):
            grid = off_lattice(name, size, n, h, w, align_corners=align_corners)
            yield case(
                name + "_corners" * align_corners,
                comment + " align_corners." * align_corners,
                "Interior Shape",
                draw.dyadics(name, n, c, h, w),
                grid,
                size,
                align_corners=align_corners,
            )
    ramp = 16.0 * np.arange(3.0)[:, None] + np.arange(3.0)
    yield case(
        "ramp_3x3_to_4x6",
        "The values are 16 i + j, in rows and columns of sources: the map tells the axes apart.",
        "Interior AxisOrder",
        ramp[None, None],
        off_lattice("ramp", (4, 6), 1, 3, 3),
        (4, 6),
    )
    for axis, name in ((0, "swapped_x"), (1, "swapped_y")):
        grid = sources((0.0, 0.0), (0.0, 0.0))
        grid[..., axis], grid[..., 1 - axis] = [0.375, -0.1875], [-0.3125, -0.4375]
        yield case(
            f"{name}_4x8",
            f"Two sources in one cell that differ most in {'xy'[axis]}: a grid read as (y, x) puts them elsewhere.",
            "AxisOrder",
            row([3.0, -2.0]),
            grid,
            (4, 8),
        )


def _full_precision() -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        for fill in FILLS:
            for align_corners in (False, True):
                name = f"full_{dtype}_{fill}" + "_corners" * align_corners
                size = (3, 4)
                grid = draw.full(f"{name} grid", 1, 2, 4, 2, dtype=dtype)
                near = _is_near(grid, size, align_corners)
                grid = np.where(near, 0.75 * grid + 0.0859375, grid).astype(dtype).astype(np.float64)
                given = {"gout": draw.full(f"{name} gout", 1, 2, *size, dtype=dtype)}
                given["cotangent_values"] = draw.full(f"{name} A", 1, 2, 2, 4, dtype=dtype)
                given["cotangent_grid"] = draw.full(f"{name} b", 1, 2, 4, 2, dtype=dtype)
                if fill != "zeros":
                    given["previous"] = draw.full(f"{name} P", 1, 2, *size, dtype=dtype, reach=100.0)
                    given["cotangent_previous"] = draw.full(f"{name} p", 1, 2, *size, dtype=dtype)
                yield case(
                    name,
                    f"Every bit of {dtype} is used; holes {PART[fill]}." + " align_corners." * align_corners,
                    "FullPrecision" + " Hole" * (fill != "zeros"),
                    draw.full(name, 1, 2, 2, 4, dtype=dtype, reach=4.0),
                    grid,
                    size,
                    align_corners=align_corners,
                    fill=fill,
                    given=given,
                )


def _holes() -> Iterator[Case]:
    for fill in FILLS:
        for (height, width), words in (
            ((3, 4), "3 x 4: corners, edges and the middle have 3, 5 and 8 neighbours"),
            ((1, 5), "one row: a pixel has two neighbours, and one at the ends"),
            ((5, 1), "one column"),
            ((2, 2), "2 x 2: three neighbours each"),
        ):
            name = f"hole_{fill}_{height}x{width}"
            x, y = (0.375 / width, 0.4375 / height)
            yield case(
                name,
                f"One source near the middle of a map of {words}; the holes {PART[fill]}.",
                "Hole Shape",
                draw.dyadics(name, 1, 2, 1, 1),
                sources((x, y)),
                (height, width),
                fill=fill,
            )
        yield case(
            f"no_source_near_{fill}_2x3",
            f"All sources lie outside: every pixel is a hole, and they {PART[fill]}.",
            "Hole Outside",
            row([3.0, -2.0]),
            sources((5.0, 0.125), (-0.25, -4.0)),
            (2, 3),
            fill=fill,
        )
        yield case(
            f"lone_pixel_{fill}",
            "A map of one pixel that is a hole: it has no neighbours, and their mean is 0."
            if fill == "neighbours"
            else f"A map of one pixel that is a hole; holes {PART[fill]}.",
            "Hole OnePixel",
            row([3.0]),
            sources((5.0, 0.125)),
            (1, 1),
            fill=fill,
        )


def _kinks() -> Iterator[Case]:
    three = {"gout": [[[[0.0, -0.25, 9.0, 0.09375]]]]}
    yield case(
        "three_sources_at_pixel",
        "Values 1, 4, 8 at x = 5/4, 2, 11/4: the slope of the middle one is 0 to the left and 1/2 to the right, "
        "and DTN's (10) gives neither.",
        "Kink",
        row([1.0, 4.0, 8.0]),
        on_row([1.25, 2.0, 2.75], 4, 0.0),
        (1, 4),
        result="acceptable",
        given=three,
    )
    at = [0.0, 0.5, 1.0, 1.25, 2.0, 2.75, 3.0]
    for fill in FILLS:
        yield case(
            f"row_at_pixels_{fill}",
            f"Sources on and between the pixels of a row; beyond its ends there is nothing. Holes {PART[fill]}.",
            "Kink Border",
            draw.dyadics("row at pixels", 1, 1, 1, 7),
            on_row(at, 4),
            (1, 4),
            fill=fill,
            result="acceptable",
        )
    yield case(
        "column_at_pixels",
        "The same along y.",
        "Kink Border AxisOrder",
        draw.dyadics("row at pixels", 1, 1, 1, 7),
        on_row(at, 4)[..., ::-1],
        (4, 1),
        result="acceptable",
    )
    yield case(
        "row_at_corners",
        "Each pixel of a row of five: with align_corners, -1 and 1 are the outermost ones.",
        "Kink Border",
        draw.dyadics("row at corners", 1, 1, 1, 5),
        sources(*((g, 0.125) for g in (-1.0, -0.5, 0.0, 0.5, 1.0))),
        (1, 5),
        align_corners=True,
        result="acceptable",
    )
    yield case(
        "both_axes_at_pixels",
        "Sources on the lattice along x, along y, and along both, of two channels.",
        "Kink",
        draw.dyadics("both axes", 1, 2, 1, 5),
        sources((-0.25, 0.125), (0.375, 0.25), (0.25, -0.75), (0.75, 0.75), (0.1875, 0.3125)),
        (4, 4),
        result="acceptable",
    )
    fourths = to_g(np.arange(4.0), 4)
    halves = (np.arange(5.0) - 2.0) / 2
    for name, points, corners in (("identity_4x4", fourths, False), ("identity_5x5_corners", halves, True)):
        count = len(points)
        yield case(
            name,
            "The identity: each source is on its own pixel, and the map is the values.",
            "Kink IdentityNotExact",
            draw.dyadics(name, 1, 1, count, count),
            np.stack(np.meshgrid(points, points), -1)[None],
            (count, count),
            align_corners=corners,
            result="acceptable",
        )
    yield case(
        "one_pixel_beyond",
        "Sources at x = -1 and x = W: no pixel is reached, and whatever the rule nothing moves one.",
        "Kink Outside",
        row([3.0, -2.0]),
        on_row([-1.0, 4.0], 4),
        (1, 4),
    )
    yield case(
        "one_pixel_beyond_covered",
        "Sources at x = -1 and x = W of a row whose end pixels others cover: coming nearer they would change them.",
        "Kink Outside",
        row([3.0, -2.0, 1.5, 5.0]),
        on_row([-1.0, 4.0, 0.5, 2.75], 4),
        (1, 4),
        result="acceptable",
    )


def _jumps() -> Iterator[Case]:
    for fill in FILLS:
        for x, words in ((1.0, "exactly on a pixel covers that one alone"), (1.5, "between two pixels covers both")):
            name = f"lone_source_{fill}_{'on' if x == 1 else 'between'}"
            yield case(
                name,
                f"A lone source {words}; the gradient of its place is 0, and holes {PART[fill]}.",
                "Hole Kink" if x == 1 else "Hole",
                row([5.0]),
                on_row([x], 4, 0.0),
                (1, 4),
                fill=fill,
            )
    yield case(
        "lone_sources_4x16",
        "Four sources that share no pixel: the map shows their values, and no move changes it.",
        "Interior Hole",
        draw.dyadics("lone", 1, 2, 1, 4),
        np.stack([to_g([1.375, 4.625, 8.25, 12.6875], 16), np.array([-0.375, 0.125, 0.375, -0.125])], -1)[None, None],
        (4, 16),
    )


def _shapes() -> Iterator[Case]:
    one = draw.dyadics("one pixel", 1, 2, 1, 3)
    yield case(
        "one_pixel_1x1",
        "A map of one pixel, which is the mean of what comes near.",
        "OnePixel",
        one,
        sources((0.125, 0.25), (-0.375, 0.0625), (-1.5, 0.5)),
        (1, 1),
    )
    yield case(
        "one_pixel_1x1_corners",
        "A map of one pixel with align_corners: every coordinate is that pixel, and no gradient reaches it.",
        "OnePixel OnePixelCorners",
        one,
        sources((0.125, 0.25), (-5.0, 4.0), (1.0, -1.0)),
        (1, 1),
        align_corners=True,
    )
    for corners in (False, True):
        name = "one_row_1x6" + "_corners" * corners
        yield case(
            name,
            "A map of one row." + " align_corners: y does not matter." * corners,
            "OnePixel Shape",
            draw.dyadics(name, 1, 1, 1, 5),
            off_lattice(name, (1, 6), 1, 1, 5, align_corners=corners),
            (1, 6),
            align_corners=corners,
        )
    yield case("empty_batch", "No image.", "Empty", np.zeros((0, 2, 2, 3)), np.zeros((0, 2, 3, 2)), (3, 4))
    for fill in FILLS:
        yield case(
            f"empty_sources_{fill}",
            f"No sources: the map is all holes, and they {PART[fill]}.",
            "Empty Hole",
            np.zeros((1, 2, 1, 0)),
            np.zeros((1, 1, 0, 2)),
            (2, 3),
            fill=fill,
        )


def _refusals() -> Iterator[Case]:
    values, grid, previous = np.ones((1, 1, 2, 2)), np.zeros((1, 2, 2, 2)), np.ones((1, 1, 3, 3))
    fine = {"size": [1, 1, 3, 3], "align_corners": False, "fill": "zeros", "variant": "paper"}
    for name, comment, inputs, options in (
        ("grid_shape", "A grid of triples.", {"grid": np.zeros((1, 2, 2, 3))}, {}),
        ("grid_sources", "A grid of fewer points than there are values.", {"grid": np.zeros((1, 2, 1, 2))}, {}),
        ("values_3d", "Values without a channel axis.", {"values": np.ones((1, 2, 2))}, {}),
        ("size_three", "A size of three numbers.", {}, {"size": [1, 3, 3]}),
        ("size_negative", "A negative height.", {}, {"size": [1, 1, -3, 3]}),
        ("size_channels", "A size with another number of channels.", {}, {"size": [1, 2, 3, 3]}),
        ("fill_unknown", "A fill that there is not.", {}, {"fill": "nearest"}),
        ("variant_unknown", "A variant that there is not.", {}, {"variant": "printed"}),
        ("previous_missing", "Holes to be filled from a previous map that is not given.", {}, {"fill": "previous"}),
        ("previous_unused", "A previous map that fill='zeros' does not use.", {"previous": previous}, {}),
        (
            "previous_shape",
            "A previous map of another size.",
            {"previous": np.ones((1, 1, 3, 2))},
            {"fill": "neighbours"},
        ),
        ("align_corners_word", "An align_corners that is a word.", {}, {"align_corners": "corners"}),
        (
            "released_corners",
            "The released program, which has no align_corners.",
            {},
            {"variant": "released", "align_corners": True},
        ),
        (
            "released_neighbours",
            "The released program, which takes no mean of neighbours.",
            {"previous": previous},
            {"variant": "released", "fill": "neighbours"},
        ),
    ):
        given = {"values": values, "grid": grid, **inputs}
        yield Case(f"dense_decode/refused_{name}", {**fine, **options}, given, ("Refused",), comment, "invalid")


def cases() -> list[Case]:
    """Return the cases for dense_decode but for the extreme ones."""
    parts = (_ordinary, _full_precision, _holes, _kinks, _jumps, _shapes, _refusals)
    return [one for part in parts for one in part()]
