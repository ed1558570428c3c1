"""Cases for multiscale_sample. Coordinates keep clear of the lattice, unless a case is about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.samples import ROW, clear, off_y, points, row

DEFAULT = (1.0, 5.0, 10.0)


def _case(
    name: str,
    comment: str,
    flags: str,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    deviations: Sequence[float] = (1.0,),
    dtype: str = "",
    cotangents: Mapping[str, npt.ArrayLike] | None = None,
    **options: Any,
) -> Case:
    """Return one case: the mean, and zeros padding, unless options say else."""
    given = {"aggregate": "mean", "truncate": 4.0, "padding_mode": "zeros", "align_corners": False, **options}
    input, grid = np.asarray(input, np.float64), np.asarray(grid, np.float64)
    (batch, channels), (_, *shape, _) = input.shape[:2], grid.shape
    levels = [len(deviations)] if given["aggregate"] == "stack" else []
    return call.case(
        f"multiscale_sample/{name}",
        comment,
        flags,
        {"input": input, "grid": grid, **(cotangents or {})},
        (batch, *levels, channels, *shape),
        dtype,
        deviations=list(deviations),
        **given,
    )


def _every_option() -> list[Case]:
    cases = []
    aggregates = ("mean", "sum", "stack", "stack", "mean", "sum")
    options = [(padding, corners) for padding in ("zeros", "border", "reflection") for corners in (False, True)]
    for (padding, align_corners), aggregate in zip(options, aggregates, strict=True):
        suffix = "_corners" if align_corners else ""
        name = f"{aggregate}_{padding}{suffix}"
        comment = f"Two levels, {aggregate}, {padding}{', align_corners' if align_corners else ''}."
        grid = clear(f"multiscale {name}", (1, 2, 3), (3, 4), 0, 1.3, align_corners)
        input = draw.dyadics(f"multiscale {name}", 1, 2, 3, 4)
        deviations = (0.5, 1.5)
        cases.append(
            _case(
                name,
                comment,
                "Border",
                input,
                grid,
                deviations,
                aggregate=aggregate,
                padding_mode=padding,
                align_corners=align_corners,
            )
        )
    return cases


def _basic() -> list[Case]:
    map_4x5, grid = draw.dyadics("multiscale", 1, 1, 4, 5), clear("multiscale", (1, 2, 2), (4, 5), 0, 0.7)
    batch = draw.dyadics("multiscale batch", 2, 2, 3, 2)
    spike = np.zeros((1, 1, 3, 7))
    spike[..., 1, 3] = 1.0
    cases = [
        _case("paper", "Deviations of 1, 5 and 10 pixels, as in the paper.", "Interior", map_4x5, grid, DEFAULT),
        _case("deviation_0", "A deviation of 0: bilinear sampling.", "Interior", map_4x5, grid, (0.0,)),
        _case(
            "with_the_map",
            "The map itself and a blurred one, stacked.",
            "Interior",
            map_4x5,
            grid,
            (0.0, 1.0),
            aggregate="stack",
        ),
        _case(
            "cut_early", "Gaussians that end after one deviation.", "Interior", map_4x5, grid, (1.0, 2.0), truncate=1.0
        ),
        _case(
            "cut_late",
            "A Gaussian that ends after 16 deviations, at e^-128.",
            "Interior",
            map_4x5,
            grid,
            (0.25,),
            truncate=16.0,
        ),
        _case(
            "cut_at_once",
            "Gaussians that end before the next pixel: no blur.",
            "Interior",
            map_4x5,
            grid,
            (0.25,),
            truncate=1.0,
        ),
        _case("very_wide", "A deviation of 10^9: every blurred pixel is the mean.", "Interior", map_4x5, grid, (1e9,)),
        _case(
            "batch_2x2x3x2", "Two images of two channels.", "Shape", batch, clear("batch", (2, 1, 3), (3, 2), 0, 1.1)
        ),
        _case(
            "spike_3x7",
            "One pixel, blurred: tells w(t) and its sums at the border.",
            "AxisOrder",
            spike,
            clear("spike", (1, 2, 3), (3, 7), 0, 0.9),
            (1.0,),
        ),
        _case(
            "constant",
            "A constant map stays what it is, up to its border.",
            "Interior",
            np.full((1, 1, 3, 4), 1.5),
            clear("constant", (1, 1, 3), (3, 4), 0, 0.6),
            (0.5, 3.0),
        ),
        _case(
            "one_pixel",
            "A map of one pixel has nothing to be blurred with.",
            "OnePixel",
            [[[[3.0]]]],
            clear("one", (1, 1, 2), (1, 1), 0, 0.9),
            DEFAULT,
        ),
        _case(
            "one_row",
            "A row: no blur along y.",
            "OnePixel",
            row(ROW),
            clear("row", (1, 1, 3), (1, 4), 0, 0.9),
            (1.0, 2.0),
        ),
        _case("empty_batch", "No image.", "Empty", np.zeros((0, 1, 2, 2)), np.zeros((0, 2, 2, 2))),
        _case("empty_output", "No samples: no gradient.", "Empty", np.ones((1, 1, 2, 2)), np.zeros((1, 2, 0, 2))),
    ]
    for dtype in ("float32", "float64"):
        seed = f"multiscale {dtype}"
        wobble = draw.full(f"{seed} grid", 1, 2, 2, 2, dtype=dtype, reach=2.0**-12)
        comment = f"Every bit of {dtype} is used, in the map, the coordinates and the cotangents."
        full = draw.full(seed, 1, 1, 4, 5, dtype=dtype, reach=4.0)
        cases.append(
            _case(
                f"full_{dtype}", comment, "FullPrecision", full, (grid + wobble).astype(dtype), (0.7, 2.5), dtype=dtype
            )
        )
    return cases


def _kinks() -> list[Case]:
    fourths = off_y(*((2 * x - 3) / 4 for x in (-1, 0, 1, 3, 4)))
    halves = off_y(-1.0, -0.5, 0.0, 0.5, 1.0)
    cases = [
        _case(
            "at_pixels_zeros",
            "Samples at pixels of a blurred row, and one pixel beyond: four conventions.",
            "Kink",
            row(ROW),
            fourths,
        ),
        _case(
            "at_pixels_corners",
            "Samples at the five pixels of two blurred rows, stacked.",
            "Kink",
            row([*ROW, 4.0]),
            halves,
            (0.0, 1.0),
            aggregate="stack",
            align_corners=True,
        ),
        _case(
            "at_pixels_border",
            "Samples at pixels, whose slopes at the ends are those of the border.",
            "Kink Border",
            row(ROW),
            fourths,
            padding_mode="border",
        ),
    ]
    return [replace(case, result="acceptable") for case in cases]


def _extremes() -> list[Case]:
    nan, inf = math.nan, math.inf
    map_4x4 = draw.dyadics("multiscale extremes", 1, 1, 4, 4)
    there = points((nan, 0.3125), (inf, 0.1875), (0.1875, -inf), (0.3125, nan), (0.3125, 0.1875))
    cases = [
        _case(
            f"not_finite_{padding}",
            f"NaN coordinates give NaN and touch nothing else; infinite ones, {padding}.",
            "NonFinite",
            map_4x4,
            there,
            (0.5, 1.0),
            padding_mode=padding,
        )
        for padding in ("zeros", "border", "reflection")
    ]
    for dtype, smallest in (("float32", 2.0**-142), ("float64", 2.0**-1068)):
        gout = draw.dyadics(f"multiscale tiny {dtype}", 1, 1, 1, 3) * smallest
        grid, map = clear("multiscale tiny", (1, 1, 3), (4, 4), 0, 0.8), map_4x4 * smallest
        comment = f"A map and cotangents next to the smallest {dtype}."
        cases.append(_case(f"subnormal_{dtype}", comment, "Subnormal", map, grid, cotangents={"gout": gout}))
    long = np.where(np.arange(96.0) % 2, 1.0, 3.0)[None, None, None]
    places = (float(np.float32((2 * x - 149) / 150)) for x in (0.3125, 88.6875, 148.1875))
    return [
        *cases,
        _case(
            "wide_1x150",
            "A long row: the further a coordinate is from 0, the fewer digits it has for its place between two pixels.",
            "Wide",
            draw.dyadics("multiscale wide", 1, 1, 1, 150),
            off_y(*places),
            (0.25,),
        ),
        _case(
            "huge",
            "Huge finite coordinates lie outside.",
            "Huge",
            map_4x4,
            points((2.0**100, 0.3125), (0.3125, -(2.0**120))),
        ),
        _case(
            "cancellation",
            "A map that is constant but for its last digits: of its slopes nothing else is left.",
            "Cancellation",
            1024.0 + map_4x4 / 4,
            clear("multiscale cancel", (1, 1, 3), (4, 4), 0, 0.6),
        ),
        _case(
            "alternating_1x96",
            "81 weights along a row that alternates between 1 and 3.",
            "LongSum",
            long,
            off_y(0.00390625, 0.50390625),
            (10.0,),
        ),
    ]


def _refusals() -> list[Case]:
    fine = {"deviations": [1.0], "aggregate": "mean", "truncate": 4.0, "padding_mode": "zeros", "align_corners": False}
    shapes: dict[str, tuple[int, ...]] = {"input": (1, 1, 3, 3), "grid": (1, 2, 2, 2)}

    def refused(name: str, comment: str, given: Mapping[str, tuple[int, ...]] = shapes, **options: Any) -> Case:
        return call.refused(f"multiscale_sample/refused_{name}", comment, given, **{**fine, **options})

    return [
        refused("no_deviation", "No level.", deviations=[]),
        refused("negative_deviation", "A negative deviation.", deviations=[1.0, -1.0]),
        refused("deviations", "Deviations that are a word.", deviations="12"),
        refused("aggregate", "A way of aggregating that there is not.", aggregate="max"),
        refused("truncate", "A Gaussian that ends before it begins.", truncate=-1.0),
        refused("padding_mode", "A padding that there is not.", padding_mode="wrap"),
        refused("align_corners", "An align_corners that is a word.", align_corners="corners"),
        refused("batch", "Grids for two images and one map.", {**shapes, "grid": (2, 2, 2, 2)}),
        refused("no_pixels", "A map without pixels.", {**shapes, "input": (1, 1, 3, 0)}),
    ]


def cases() -> list[Case]:
    """Return the cases for multiscale_sample."""
    return [*_every_option(), *_basic(), *_kinks(), *_extremes(), *_refusals()]
