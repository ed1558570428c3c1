"""Cases for linearized_sample: options, shapes and precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import case as drawn_up

WORDS = {
    "none": "no gradient reaches the map",
    "center": "the map's gradient goes through the sample at the grid's point alone",
    "fit": "the map's gradient goes through all samples",
}


INTERCEPTS: tuple[tuple[bool | str, str, str], ...] = (
    (False, "", "the value is the bilinear sample"),
    (True, "_intercept", "the value is the plane's"),
    ("bias-free", "_bias_free", "the plane goes through the bilinear sample"),
)


def case(
    name: str,
    comment: str,
    flags: str,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    auxiliary: npt.ArrayLike,
    dtype: str = "",
    **options: Any,
) -> Case:
    """Return one case; by default without Tikhonov's weights, and with everything differentiated."""
    given = {"mask": "position", "tikhonov": 0.0, "intercept": True, "input_gradient": "fit"}
    where = {"padding_mode": "zeros", "align_corners": False}
    inputs = {"input": input, "grid": grid, "auxiliary": auxiliary}
    shape = *np.shape(input)[:2], *np.shape(grid)[1:3]
    return drawn_up(f"linearized_sample/{name}", comment, flags, inputs, shape, dtype, **{**given, **where, **options})


def around(grid: Floats, name: str, count: int, reach: float = 0.5) -> Floats:
    """Return for each point of a grid so many others around it."""
    found: Floats = grid[..., None, :] + draw.coordinates(f"{name} around", *grid.shape[:3], count, 2, reach=reach)
    return found


def _options() -> Iterator[Case]:
    for padding in ("zeros", "border", "reflection"):
        for align_corners in (False, True):
            for mode in WORDS:
                name = f"{padding}_{mode}" + "_corners" * align_corners
                grid = draw.coordinates(name, 1, 1, 2, 2)
                yield case(
                    name,
                    f"Points in and around the map, no sample is masked; padding is {padding}, {WORDS[mode]}."
                    + " align_corners." * align_corners,
                    "Interior Border",
                    draw.dyadics(name, 1, 1, 3, 4),
                    grid,
                    around(grid, name, 4, 0.75),
                    mask="none",
                    tikhonov=0.0625,
                    input_gradient=mode,
                    padding_mode=padding,
                    align_corners=align_corners,
                )
    for mask in ("position", "offset", "none"):
        for intercept, suffix, words in INTERCEPTS:
            name = f"mask_{mask}{suffix}"
            grid = np.array([[[[0.8125, -0.375]]]])
            others = [(0.5, 0.25), (0.875, -0.75), (0.375, -0.125), (1.25, 0.125), (-0.4375, -0.5)]
            yield case(
                name,
                f"Of five samples one lies outside the map, another farther than 1 away; mask '{mask}', {words}.",
                "Masked",
                draw.dyadics("masks", 1, 2, 4, 4),
                grid,
                np.array(others)[None, None, None],
                mask=mask,
                intercept=intercept,
            )
    for name, tikhonov, weights in (
        ("one", 0.25, "one weight for slopes and intercept"),
        ("slopes", [0.25, 0.25, 0.0], "weights for the slopes, and none for the intercept"),
        ("three", [0.125, 0.5, 2.0], "three different weights"),
        ("small", 1e-6, "weights of 1e-6, as is the default"),
    ):
        grid = draw.coordinates(f"tikhonov {name}", 1, 1, 2, 2, reach=0.5)
        for intercept, suffix, words in INTERCEPTS:
            yield case(
                f"tikhonov_{name}{suffix}",
                f"Tikhonov: {weights}; {words}.",
                "Interior",
                draw.dyadics(f"tikhonov {name}", 1, 1, 4, 3),
                grid,
                around(grid, f"tikhonov {name}", 5, 0.25),
                tikhonov=tikhonov,
                intercept=intercept,
            )


def _shapes() -> Iterator[Case]:
    grid = draw.coordinates("batch", 2, 1, 2, 2, reach=0.75)
    yield case(
        "batch_2x2x4x3",
        "Two images of two channels: a fit for each pixel, which channels share.",
        "Shape",
        draw.dyadics("batch", 2, 2, 4, 3),
        grid,
        around(grid, "batch", 6),
    )
    ramp = 16.0 * np.arange(4.0)[:, None] + np.arange(8.0)
    grid = draw.coordinates("ramp", 1, 1, 2, 2, reach=0.375)
    yield case(
        "ramp_4x8",
        "The map is 16 y + x: the plane is the map, and its slopes tell the axes apart.",
        "Interior AxisOrder",
        ramp[None, None],
        grid,
        around(grid, "ramp", 4, 0.25),
    )
    for count in (0, 1, 2):
        for tikhonov in (0.0, 0.5):
            grid = draw.coordinates(f"few {count}", 1, 1, 1, 2, reach=0.5)
            yield case(
                f"few_samples_{count}" + "_tikhonov" * (tikhonov > 0),
                f"{count} samples determine no plane"
                + (", but with Tikhonov's weights they do." if tikhonov else ": the value is the bilinear sample."),
                "Undetermined" + " Empty" * (count == 0),
                draw.dyadics("few", 1, 1, 3, 3),
                grid,
                around(grid, "few", count, 0.25),
                tikhonov=tikhonov,
            )
    for count in (1, 2):
        grid = draw.coordinates(f"few {count}", 1, 1, 1, 2, reach=0.5)
        yield case(
            f"few_samples_{count}_bias_free",
            "Two samples and the point itself determine a plane."
            if count == 2
            else "One sample and the point itself determine no plane: the value is the bilinear sample.",
            "Interior" if count == 2 else "Undetermined",
            draw.dyadics("few", 1, 1, 3, 3),
            grid,
            around(grid, f"few {count}", count, 0.25),
            intercept="bias-free",
        )
    grid = draw.coordinates("three", 1, 1, 2, 2, reach=0.5)
    yield case(
        "three_samples",
        "Three samples: the plane goes through them, whatever lies at the point itself.",
        "Interior",
        draw.dyadics("three", 1, 1, 3, 3),
        grid,
        around(grid, "three", 3, 0.375),
    )
    grid = draw.coordinates("many", 1, 1, 1, 2, reach=0.25)
    yield case(
        "forty_samples",
        "Forty samples for one pixel.",
        "LongSum",
        draw.dyadics("many", 1, 1, 3, 3),
        grid,
        around(grid, "many", 40, 0.625),
    )
    for name, size in (("row_1x5", (1, 5)), ("column_5x1", (5, 1)), ("pixel_1x1", (1, 1))):
        grid = draw.coordinates(name, 1, 1, 1, 2, reach=0.5)
        yield case(
            f"one_{name}",
            "A map with an axis of one pixel, which fades out along it.",
            "OnePixel",
            draw.dyadics(name, 1, 1, *size),
            grid,
            around(grid, name, 4, 0.375),
        )
    for tikhonov in (0.0, 0.5):
        grid = draw.coordinates("row corners", 1, 1, 1, 2, reach=0.5)
        yield case(
            "one_row_1x5_corners" + "_tikhonov" * (tikhonov > 0),
            "A map of one row with align_corners: all offsets along y are 0"
            + (", and so is the slope." if tikhonov else ", and no plane is determined."),
            "OnePixel Undetermined",
            draw.dyadics("row corners", 1, 1, 1, 5),
            grid,
            around(grid, "row corners", 4, 0.375),
            tikhonov=tikhonov,
            align_corners=True,
        )
    empty = np.zeros((0, 1, 3, 3)), np.zeros((0, 1, 2, 2)), np.zeros((0, 1, 2, 4, 2))
    yield case("empty_batch", "No image.", "Empty", *empty)
    yield case(
        "empty_output",
        "No output: the gradient of the map is 0.",
        "Empty",
        draw.dyadics("empty", 1, 1, 2, 2),
        np.zeros((1, 1, 0, 2)),
        np.zeros((1, 1, 0, 4, 2)),
    )


def _precision() -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        for align_corners, intercept in ((False, True), (True, True), (False, "bias-free")):
            name = f"full_{dtype}" + "_corners" * align_corners + "_bias_free" * (intercept == "bias-free")
            grid = draw.full(f"{name} grid", 1, 1, 2, 2, dtype=dtype, reach=0.75)
            others = grid[..., None, :] + draw.full(f"{name} around", 1, 1, 2, 5, 2, dtype=dtype, reach=0.5)
            yield case(
                name,
                f"Every bit of {dtype} is used."
                + " align_corners." * align_corners
                + " The plane goes through the bilinear sample." * (intercept == "bias-free"),
                "FullPrecision",
                draw.full(name, 1, 2, 4, 3, dtype=dtype, reach=4.0),
                grid,
                others.astype(dtype).astype(np.float64),
                dtype,
                tikhonov=1e-6,
                intercept=intercept,
                align_corners=align_corners,
            )
    along = np.array([-0.25, -0.125, 0.0625, 0.1875, 0.3125])
    across = np.array([1.0, -1.0, 0.5, 1.0, -0.75])
    for name, width in (("8", 2.0**-8), ("16", 2.0**-16), ("24", 2.0**-24)):
        points = np.stack([along - width * across, 0.5 * along + width * across], -1)
        yield case(
            f"almost_on_a_line_{name}",
            f"Samples that lie within 2^-{name} of a slanted line: the fit's condition grows as they approach it.",
            "IllConditioned",
            draw.dyadics("line", 1, 1, 4, 4),
            np.array([[[[0.0625, -0.1875]]]]),
            points[None, None, None] + np.array([0.0625, -0.1875]),
        )
    spread = draw.coordinates("spread", 1, 1, 1, 5, 2, reach=0.5)
    for name, scale in (("collapsed", 2.0**-12), ("far_apart", 32.0)):
        centre = np.array([[[[0.0625, -0.1875]]]])
        yield case(
            f"samples_{name}",
            f"Samples at most {scale / 2:.2g} away from their point.",
            "IllConditioned" if scale < 1 else "Outside",
            draw.dyadics(name, 1, 1, 4, 4),
            centre,
            centre[..., None, :] + scale * spread,
            mask="none",
        )
    ones = np.tile([1.0, 1.0 + 2.0**-10], (1, 1, 4, 2))
    grid = draw.coordinates("hardly", 1, 1, 1, 2, reach=0.25)
    yield case(
        "hardly_different_pixels",
        "Pixels that differ in the last bit of float16: the plane is made of small differences.",
        "Cancellation",
        ones,
        grid,
        around(grid, "hardly", 4, 0.375),
    )
    for dtype, scale in (("float32", 2.0**-137), ("float64", 2.0**-1063)):
        yield case(
            f"subnormal_map_{dtype}",
            f"A map of subnormal {dtype} numbers.",
            "Subnormal",
            draw.dyadics("tiny", 1, 1, 4, 4) * scale,
            grid,
            around(grid, "tiny", 4, 0.375),
        )
    yield case(
        "large_map",
        "A map of numbers near 2^100.",
        "Huge",
        draw.dyadics("large", 1, 1, 4, 4) * 2.0**100,
        grid,
        around(grid, "large", 6, 0.375),
    )


def cases() -> list[Case]:
    """Return the cases for linearized_sample but for those of its conventions."""
    parts = (_options, _shapes, _precision)
    return [one for part in parts for one in part()]
