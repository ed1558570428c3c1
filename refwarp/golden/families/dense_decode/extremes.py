"""Cases for dense_decode at the ends of floating-point arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import first_order
from refwarp.golden.families.dense_decode.cases import case, off_lattice, on_row, row, sources

NAN, INF = math.nan, math.inf


def _colliding() -> Iterator[Case]:
    yield case(
        "two_in_one_cell",
        "Values 3 and 7 at (1/4, 1/4) and (1/2, 1/2) of a cell: its first pixel is 55/13.",
        "Colliding",
        row([3.0, 7.0]),
        sources((-0.25, -0.25), (0.0, 0.0)),
        (2, 2),
    )
    yield case(
        "two_at_one_point",
        "Two sources at one point: the pixels around are their mean, whatever the weights.",
        "Colliding",
        row([3.0, 8.0]),
        sources((0.125, -0.3125), (0.125, -0.3125)),
        (2, 4),
    )
    yield case(
        "three_on_one_pixel",
        "Three sources exactly on one pixel, which shows their mean; the pixels beside it are holes.",
        "Colliding Kink Hole",
        row([3.0, 8.0, -2.0]),
        on_row([1.0, 1.0, 1.0], 4, 0.0),
        (1, 4),
        fill="previous",
        result="acceptable",
    )
    yield case(
        "eight_in_one_cell",
        "Eight sources in one cell, two channels.",
        "Colliding",
        draw.dyadics("eight", 1, 2, 2, 4),
        draw.coordinates("eight", 1, 2, 4, 2, reach=0.375),
        (2, 2),
    )
    for dtype, ulp in (("float32", 2.0**-23), ("float64", 2.0**-52)):
        cell = draw.coordinates("cancelling", 1, 1, 4, 2, reach=0.375)
        yield case(
            f"opposite_values_{dtype}",
            f"Values of both signs that cancel to the last bit of {dtype}.",
            "Cancellation",
            row([1.0, -1.0 - ulp, 1.0 + 2 * ulp, -1.0]),
            np.repeat(cell[:, :, :1], 4, axis=2),
            (2, 2),
        )
        yield case(
            f"hardly_different_values_{dtype}",
            f"Values that differ in the last bits of {dtype}: gradients are made of V - U, and of little else.",
            "Cancellation",
            row([1.0, 1.0 + ulp, 1.0 + 4 * ulp, 1.0 - ulp]),
            cell,
            (2, 2),
        )
        yield first_order(
            case(
                f"creeping_{dtype}",
                "64 sources at one point, a large value and 63 small ones: "
                f"a plain {dtype} sum rounds each of them up.",
                "LongSum",
                draw.creeping(dtype, 64).reshape(1, 1, 8, 8),
                np.tile([0.125, -0.25], (1, 8, 8, 1)),
                (2, 2),
            )
        )


def _tiny() -> Iterator[Case]:
    """Yield sources beside the middle pixel of 3 x 3, where g itself is the distance, and beside another."""
    for name, step, cotangents, words in (
        ("float16", 2.0**-20, 1.0, "2^-20, whose square underflows in float16"),
        ("float32", 2.0**-100, 1.0, "2^-100, whose square underflows in float32"),
        ("subnormal_float32", 2.0**-149, 2.0**-40, "the smallest float32"),
        ("float64", 2.0**-600, 1.0, "2^-600, whose square underflows in float64"),
        ("subnormal_float64", 2.0**-1074, 2.0**-80, "the smallest float64"),
    ):
        yield first_order(
            case(
                f"tiny_weights_{name}",
                f"Sources beside the middle by {words}: pixels whose weights underflow are covered all the same.",
                "TinyWeight TinyCoordinate NearSeam" + " Subnormal" * name.startswith("subnormal"),
                row([3.0]),
                sources((step, step)),
                (3, 3),
                fill="previous",
                given={"gout": draw.dyadics(f"tiny {name}", 1, 1, 3, 3) * cotangents},
            )
        )
    yield first_order(
        case(
            "tiny_mean_float64",
            "Two sources beside the middle: at one pixel the mean of weights of 2^-300 and 2^-301.",
            "TinyWeight TinyCoordinate NearSeam",
            row([3.0, 8.0]),
            sources((2.0**-299, 0.125), (2.0**-300, 0.125)),
            (1, 3),
        )
    )
    yield first_order(
        case(
            "tiny_mean_float32",
            "Two sources beside the middle: at one pixel the mean of weights of 2^-60 and 2^-61.",
            "TinyWeight TinyCoordinate NearSeam",
            row([3.0, 8.0]),
            sources((2.0**-59, 0.125), (2.0**-60, 0.125)),
            (1, 3),
        )
    )
    for dtype in ("float16", "float32", "float64"):
        number = np.dtype(dtype).type(-0.25)
        below, above = (float(np.nextafter(number, number.dtype.type(side))) for side in (-INF, INF))
        for side, g in (("below", below), ("above", above)):
            yield case(
                f"next_to_pixel_{side}_{dtype}",
                f"A lone source next to pixel 1, {side} it by one {dtype} number: it covers pixel "
                f"{0 if side == 'below' else 2} too, which a rounding makes a hole.",
                "NearSeam Hole",
                row([5.0]),
                sources((g, 0.0)),
                (1, 4),
                fill="previous",
            )


def _non_finite() -> Iterator[Case]:
    near = (0.125, -0.3125)
    for fill in ("zeros", "neighbours"):
        yield case(
            f"nan_coordinates_{fill}",
            "Sources at NaN in x, in y and in both lie nowhere, beside one that stays what it is.",
            "NonFinite",
            row([3.0, -2.0, 5.0, 1.5]),
            sources((NAN, 0.125), near, (0.125, NAN), (NAN, NAN)),
            (2, 4),
            fill=fill,
        )
    yield case(
        "infinite_coordinates",
        "Sources at infinity lie nowhere; where the other coordinate is NaN, so is their gradient.",
        "NonFinite",
        row([3.0, -2.0, 5.0, 1.5, 2.5]),
        sources((INF, 0.125), (0.125, -INF), near, (-INF, INF), (INF, NAN)),
        (2, 4),
    )
    for name, huge in (
        ("bfloat16", 2.0**100),
        ("float32_max", float(np.finfo(np.float32).max)),
        ("float64_max", float(np.finfo(np.float64).max)),
    ):
        yield case(
            f"huge_coordinates_{name}",
            f"Sources at +-{huge:.3g} lie outside, and are no integers of any size.",
            "Huge IntegerCast",
            row([3.0, -2.0, 5.0]),
            sources((huge, 0.125), near, (0.125, -huge)),
            (2, 4),
        )
    for name, value in (("nan", NAN), ("infinite", INF)):
        yield first_order(
            case(
                f"{name}_value",
                f"A value that is {'NaN' if name == 'nan' else name} reaches the four pixels around it, and no other.",
                "NonFinite",
                row([3.0, value, -2.0]),
                sources((-0.625, 0.1875), (0.0625, -0.375), (0.6875, -0.4375)),
                (3, 4),
            )
        )


def _scale() -> Iterator[Case]:
    size = (3, 4)
    grid = off_lattice("scale", size, 1, 2, 3)
    values = draw.dyadics("scale", 1, 1, 2, 3)
    for dtype, tiny, large in (("float32", 2.0**-137, 2.0**124), ("float64", 2.0**-1063, 2.0**1020)):
        # With several sources for each pixel and small cotangents nothing makes the last digits' roundings larger.
        small = {"gout": draw.dyadics("subnormal gout", 1, 1, 2, 2) / 64}
        small["cotangent_grid"] = draw.dyadics("subnormal b", 1, 2, 4, 2) / 64
        yield case(
            f"subnormal_values_{dtype}",
            f"Values that are subnormal {dtype} numbers.",
            "Subnormal",
            draw.dyadics("subnormal", 1, 1, 2, 4) * tiny,
            draw.coordinates("subnormal", 1, 2, 4, 2, reach=0.375),
            (2, 2),
            given=small,
        )
        yield case(
            f"subnormal_cotangents_{dtype}",
            f"Cotangents that are subnormal {dtype} numbers.",
            "Subnormal",
            values,
            grid,
            size,
            given={"gout": draw.dyadics("scale gout", 1, 1, *size) * tiny},
        )
        yield first_order(
            case(
                f"large_values_{dtype}",
                f"Values next to the largest {dtype}, of both signs: a difference may overflow, but not its products.",
                "Huge",
                values * large / 4,
                grid,
                size,
                given={"gout": draw.dyadics("scale gout", 1, 1, *size) * 2.0**-20},
            )
        )
    for dtype in ("float32", "float64"):
        x = draw.full(f"wide {dtype}", 5, dtype="float32", reach=120.0) + 150.0
        g = ((2 * x - 299) / 300).astype(dtype).astype(np.float64)
        yield case(
            f"wide_1x300_{dtype}",
            f"A row of 300 pixels: a coordinate rounded to {dtype} has lost 8 of its bits.",
            "Wide Hole",
            draw.dyadics("wide", 1, 1, 1, 5),
            np.stack([g, np.full(g.shape, 0.125)], -1)[None, None],
            (1, 300),
        )


def cases() -> list[Case]:
    """Return the extreme cases for dense_decode."""
    parts = (_colliding, _tiny, _non_finite, _scale)
    return [one for part in parts for one in part()]
