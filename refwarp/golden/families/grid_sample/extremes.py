"""Cases for grid_sample at the ends of floating-point arithmetic, of shapes, and of coordinates."""

from __future__ import annotations

import math

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import ROW, ROW_OF_FIVE, along_x, neighbours, off_y, points, row
from refwarp.golden.families.grid_sample.cases import both, case

NAN, INF = math.nan, math.inf


def _near_lattice() -> list[Case]:
    cases = []
    for dtype in ("float16", "float32", "float64"):
        comment = f"The neighbours of a pixel among the {dtype} numbers: each is off the lattice, on its own side."
        edges, corners = off_y(*neighbours(-0.25, dtype)), off_y(*neighbours(0.5, dtype))
        cases.append(case(f"next_to_pixel_{dtype}", comment, "NearSeam", row(ROW), edges))
        cases.append(
            case(f"next_to_pixel_{dtype}_corners", comment, "NearSeam", row(ROW_OF_FIVE), corners, align_corners=True)
        )
    three = row([1.0, 0.0, 1.0])
    for name, tiny, words, flag in (
        ("float16", 2.0**-24, "the smallest float16", ""),
        ("bfloat16", 2.0**-60, "2^-60", ""),
        ("float32", 2.0**-149, "the smallest float32", " Subnormal"),
        ("1e-18", 1e-18, "1e-18", ""),
        ("float64", 5e-324, "the smallest float64", " Subnormal"),
    ):
        comment = f"+-{words} is not the middle pixel but next to it: adding 1 loses that, and the gradient's sign."
        cases += both(f"tiny_{name}", comment, "TinyCoordinate NearSeam" + flag, three, off_y(tiny, -tiny))
    cases.append(
        case(
            "tiny_between",
            "Tiny coordinates halfway between two pixels, where they do not matter.",
            "TinyCoordinate",
            row(ROW),
            off_y(2.0**-60, -(2.0**-60)),
        )
    )
    cases.append(
        case(
            "tiny_one_pixel",
            "+-the smallest float64 on a map of one pixel: half of it, the pixel coordinate, is no double and not 0.",
            "TinyCoordinate NearSeam OnePixel Subnormal",
            row([3.0]),
            off_y(5e-324, -5e-324),
        )
    )
    return cases


def _non_finite() -> list[Case]:
    map_3x4 = draw.dyadics("non-finite", 1, 2, 3, 4)
    here = (0.125, -0.375)
    cases = both(
        "nan_3x4",
        "NaN in x, in y and in both, beside a sample that must stay what it is.",
        "NonFinite IntegerCast",
        map_3x4,
        points((NAN, 0.125), here, (0.125, NAN), (NAN, NAN)),
    )
    cases += both(
        "infinite_3x4",
        "Infinite coordinates lie outside; where the other one is NaN, the sample is NaN.",
        "NonFinite IntegerCast",
        map_3x4,
        points((INF, 0.125), (0.125, -INF), here, (-INF, INF), (INF, NAN)),
    )
    cases.append(
        case(
            "infinite_1x1_corners",
            "On a map of one pixel with align_corners, finite coordinates are the pixel, infinite ones are not.",
            "NonFinite OnePixel OnePixelCorners",
            row([3.0]),
            points((INF, 0.125), (0.125, -INF), (2.0**100, 0.125), (NAN, INF)),
            align_corners=True,
        )
    )
    for name, huge in (
        ("bfloat16", 2.0**100),
        ("float32", float(np.float32(1e30))),
        ("1e30", 1e30),
        ("float32_max", float(np.finfo(np.float32).max)),
        ("float64_max", float(np.finfo(np.float64).max)),
    ):
        grid = points((huge, 0.125), here, (0.125, -huge), (-huge, huge))
        comment = f"Coordinates of +-{huge:.3g} lie outside, and are no integers of any size."
        cases += both(f"huge_{name}", comment, "Huge IntegerCast HugeGivesNaN", map_3x4, grid)
    return cases


def _shapes() -> list[Case]:
    grid = draw.coordinates("one pixel", 1, 2, 3, 2, reach=1.75)
    one = draw.dyadics("one pixel", 1, 3, 1, 1)
    cases = [
        case("one_pixel_1x1", "A map of one pixel fades out around it.", "OnePixel", one, grid),
        case(
            "one_pixel_1x1_corners",
            "A map of one pixel with align_corners: every coordinate is that pixel, and no gradient reaches it.",
            "OnePixel OnePixelCorners",
            one,
            points((0.0, 0.0), (1.0, -1.0), (-5.0, 5.0), (0.3125, 2.5)),
            align_corners=True,
        ),
        *both("one_row_1x5", "A map of one row.", "OnePixel", draw.dyadics("one row", 1, 1, 1, 5), grid),
        *both("one_column_5x1", "A map of one column.", "OnePixel", draw.dyadics("one column", 1, 1, 5, 1), grid),
        case("empty_batch", "No image.", "Empty", np.zeros((0, 2, 3, 4)), np.zeros((0, 2, 3, 2))),
        case(
            "empty_output",
            "No samples: the gradient of the map is 0.",
            "Empty",
            draw.dyadics("empty", 1, 2, 2, 2),
            np.zeros((1, 0, 3, 2)),
        ),
    ]
    # A dense map of few different pixels, so that the file stays small and a wrong pixel still shows.
    wide = np.resize(draw.dyadics("wide", 251), 65536)
    for dtype in ("float32", "float64"):
        near = off_y(*draw.full(f"wide {dtype}", 6, dtype=dtype).tolist())
        cotangents = {"cotangent_input": wide[::-1].copy()[None, None, None]}
        comment = f"65,536 pixels wide: a coordinate rounded to {dtype} has lost 16 of its bits."
        for align_corners, suffix in ((False, ""), (True, "_corners")):
            name = f"wide_65536_{dtype}{suffix}"
            cases.append(
                case(
                    name, comment, "Wide", row(wide.tolist()), near, align_corners=align_corners, cotangents=cotangents
                )
            )
    cases.append(
        case(
            "wide_65536_at_pixels",
            "Pixels of a wide map, reached exactly.",
            "Wide Kink",
            row(wide.tolist()),
            along_x(*((2 * np.array([0.0, 1.0, 40000.0, 65535.0]) + 1) / 65536 - 1)),
            align_corners=False,
            result="acceptable",
            cotangents={"cotangent_input": wide[::-1].copy()[None, None, None]},
        )
    )
    return cases


def _arithmetic() -> list[Case]:
    grid = draw.coordinates("arithmetic", 1, 2, 3, 2, reach=0.75)
    cell = draw.coordinates("one cell", 1, 8, 8, 2, reach=0.25)
    cases = []
    for dtype, scale in (("float32", 2.0**-137), ("float64", 2.0**-1063)):
        tiny = {
            "gout": draw.dyadics(f"tiny {dtype} gout", 1, 2, 2, 3) * scale,
            "cotangent_input": draw.dyadics(f"tiny {dtype} A", 1, 2, 3, 4) * scale,
        }
        map_3x4 = draw.dyadics("arithmetic", 1, 2, 3, 4)
        cases += [
            case(
                f"subnormal_map_{dtype}",
                f"A map of subnormal {dtype} numbers.",
                "Subnormal",
                map_3x4 * scale,
                grid,
            ),
            case(
                f"subnormal_cotangents_{dtype}",
                f"Cotangents that are subnormal {dtype} numbers.",
                "Subnormal",
                map_3x4,
                grid,
                cotangents=tiny,
            ),
            case(
                f"small_products_{dtype}",
                f"Products of small numbers: the gradients are subnormal {dtype} numbers, their factors are not.",
                "Subnormal",
                map_3x4 * math.sqrt(scale / 2),
                grid,
                cotangents={"gout": tiny["gout"] / scale * math.sqrt(scale / 2)},
            ),
        ]
    for dtype, ulp in (("float16", 2.0**-10), ("float32", 2.0**-23), ("float64", 2.0**-52)):
        comment = f"Pixels of both signs that cancel to the last bit of {dtype}."
        pixels = [1.0, -1.0 - ulp, 1.0 + 2 * ulp, -1.0]
        channels = np.array([[1.0, 3.0, -2.0, 5.0], [1.0, 3.0 + 2 * ulp, -2.0, 5.0 - 4 * ulp]])[None, :, None]
        cases += [
            case(f"cancelling_pixels_{dtype}", comment, "Cancellation", row(pixels), off_y(-0.5, 0.0, 0.5)),
            case(
                f"cancelling_channels_{dtype}",
                f"Two channels, alike to the last bits of {dtype}, with opposite cotangents.",
                "Cancellation",
                channels,
                off_y(-0.375, 0.125, 0.375),
                cotangents={"gout": np.array([[[[1.0, 1.0, 1.0]], [[-1.0, -1.0, -1.0 - ulp]]]])},
            ),
        ]
    cases += both(
        "one_cell_8x8",
        "64 samples in the cells around the centre: long sums for a few pixels.",
        "LongSum",
        draw.dyadics("one cell", 1, 1, 2, 2),
        cell,
    )
    ramps = np.tile([[0.0, 1.0], [1.0, 2.0]], (1, 256, 1, 1))
    for dtype in ("float32", "float64"):
        cases += [
            case(
                f"creeping_samples_{dtype}",
                f"64 samples of one point, a large cotangent and 63 small ones: a plain {dtype} sum rounds each up.",
                "LongSum",
                draw.dyadics("creeping", 1, 1, 2, 2),
                np.zeros((1, 8, 8, 2)),
                cotangents={
                    "gout": draw.creeping(dtype, 64).reshape(1, 1, 8, 8),
                    "cotangent_grid": np.tile([1.0, 0.5], (1, 8, 8, 1)),
                },
            ),
            case(
                f"creeping_channels_{dtype}",
                f"256 channels with the same slopes, a large cotangent and 255 small ones, as before in {dtype}.",
                "LongSum",
                ramps,
                np.zeros((1, 1, 1, 2)),
                cotangents={
                    "gout": draw.creeping(dtype, 256).reshape(1, 256, 1, 1),
                    "cotangent_input": ramps,
                    "cotangent_grid": np.full((1, 1, 1, 2), 2.0**-6),
                },
            ),
        ]
    hot = np.zeros((1, 1, 4, 4))
    hot[0, 0, 1, 2] = 1.0
    cases += both(
        "one_hot_pixel",
        "One pixel that is not zero: each sample is a weight.",
        "Interior AxisOrder",
        hot,
        draw.coordinates("hot", 1, 4, 4, 2, reach=0.75),
    )
    return cases


def cases() -> list[Case]:
    """Return the extreme cases for grid_sample."""
    return [*_near_lattice(), *_non_finite(), *_shapes(), *_arithmetic()]
