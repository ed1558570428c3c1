"""Cases that show the museum's defects (`refwarp.golden.museum`) in grid_sample, each in as little as it fits in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import ROW, ROW_OF_FIVE, off_y, points, row
from refwarp.golden.families.grid_sample.cases import case


def _sample(
    name: str,
    comment: str,
    flags: str,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    result: str = "valid",
    **options: Any,
) -> Case:
    """Return a case of the museum."""
    return case(f"museum_{name}", comment, flags, input, grid, result, **options)


def at(*pixels: float, size: int = 4) -> list[float]:
    """Return the coordinates of pixels on an axis of `size`, without align_corners."""
    return [(2 * x + 1) / size - 1 for x in pixels]


def _coordinates() -> list[Case]:
    three_by_four = draw.dyadics("museum", 1, 1, 3, 4)
    return [
        _sample("nan", "A sample at NaN is no pixel.", "NaNIsAPixel NonFinite", row(ROW), off_y(math.nan)),
        _sample(
            "quarter_pixel",
            "A quarter of a pixel right of pixel 1: not half a pixel off, and of bilinear mode.",
            "HalfPixelMissing ModesSwapped GradientUnits",
            row(ROW),
            off_y(*at(1.25)),
        ),
        _sample(
            "quarter_pixel_nearest",
            "The pixel nearest to 1.25 is 1.",
            "ModesSwapped NearestInverted",
            row(ROW),
            off_y(*at(1.25)),
            mode="nearest",
        ),
        _sample("edges", "-5/8 of four pixels is x = 1/4.", "AlignCornersMixed", row(ROW), off_y(-0.625)),
        _sample(
            "corners",
            "With align_corners it is x = 9/16.",
            "AlignCornersMixed",
            row(ROW),
            off_y(-0.625),
            align_corners=True,
        ),
        _sample(
            "two_axes",
            "x and y lie in different cells of an oblong map.",
            "SwappedAxes CopiedAxis",
            three_by_four,
            points((0.375, -0.4375)),
        ),
        _sample(
            "tenth",
            "1/10 in float64: float32 does not have it.",
            "Float32Coordinates",
            row(ROW),
            off_y(0.1),
        ),
        _sample(
            "two_thirds",
            "2/3 in float16 lies just left of the last of three pixels; the same sums in float16 end on it.",
            "HalfCoordinates NearSeam",
            row([1.0, 5.0, 512.0]),
            off_y(float(np.float16(2 / 3))),
        ),
        _sample(
            "one_sample",
            "The arguments are what they were after the call.",
            "WritesIntoGrid",
            row(ROW),
            off_y(0.125),
        ),
    ]


def _samples() -> list[Case]:
    last = off_y(*at(3.25))
    return [
        _sample(
            "beyond_the_last_pixel",
            "A quarter of a pixel beyond the last one, whose weight is 3/4.",
            "LastPixelDropped BorderSmears NoFadeOut",
            row(ROW),
            last,
        ),
        _sample(
            "before_the_first_pixel",
            "A quarter of a pixel before the first one, whose weight is 3/4.",
            "TruncatedCell",
            row(ROW),
            off_y(*at(-0.25)),
        ),
        _sample(
            "between_32nds",
            "The fraction 3/128 lies between 0 and 1/32.",
            "QuantisedWeights",
            row(ROW),
            off_y(*at(1 + 3 / 128)),
        ),
        _sample(
            "half_sum",
            "(2048 + 1)/2 is no float16, though all pixels and weights are.",
            "HalfAccumulation",
            [[[[2048.0, 1.0], [2048.0, 1.0]]]],
            points((0.0, 0.0)),
        ),
        _sample(
            "two_channels",
            "Two channels of 3 x 2 pixels: a layout that is misread changes them.",
            "ChannelsLast",
            draw.dyadics("channels", 1, 2, 3, 2),
            points((0.125, 0.25)),
        ),
        _sample(
            "just_before_the_first_pixel",
            "-1/4 is nearest to pixel 0, which is in the map though -1/4 is not between its outermost pixels.",
            "BoundsBeforeRounding",
            row(ROW),
            off_y(*at(-0.25)),
            mode="nearest",
        ),
        _sample(
            "ties",
            "1/2 and 5/2: whatever pixel a tie goes to, it takes the gradient as well.",
            "TiesAway Ties",
            row(ROW),
            off_y(*at(0.5, 2.5)),
            mode="nearest",
            result="acceptable",
        ),
        _sample(
            "bicubic",
            "One bicubic sample in the middle of 4 x 4 pixels.",
            "BicubicKernel",
            draw.dyadics("bicubic", 1, 1, 4, 4),
            points((0.125, -0.0625)),
            mode="bicubic",
        ),
        _sample(
            "bicubic_border",
            "Beyond the first pixel the window still reaches two of the map's columns.",
            "BicubicBorderPoint",
            draw.dyadics("bicubic", 1, 1, 4, 4),
            points((at(-0.75)[0], 0.0625)),
            mode="bicubic",
            padding_mode="border",
        ),
    ]


def _padding() -> list[Case]:
    five = row(ROW_OF_FIVE)
    cases = [
        _sample(
            "mirrored",
            "-5/4 is mirrored to 1/4: pixel 0 keeps 3/4 of the weight.",
            "ReflectedAfterWeights",
            row(ROW),
            off_y(*at(-1.25)),
            padding_mode="reflection",
        ),
        _sample(
            "mirrored_in_a_corner",
            "With align_corners 15/4 is mirrored at 3, to 9/4.",
            "MirrorAxis",
            row(ROW),
            off_y(1.5),
            padding_mode="reflection",
            align_corners=True,
        ),
        _sample(
            "mirrored_2_to_the_31",
            "2^33 + 3/8, after 2^31 pairs of mirrors: the image of 3/8.",
            "FoldCount",
            row(ROW),
            off_y(2.0**33 + 0.375),
            padding_mode="reflection",
        ),
        _sample(
            "mirrored_pixel",
            "A column of one pixel's width, whose mirror images are itself.",
            "OnePixelReflection",
            [[[[1.0], [5.0], [2.0]]]],
            points((0.5, 0.25)),
            padding_mode="reflection",
            align_corners=True,
        ),
        _sample(
            "clamped",
            "Beyond the last pixel the sample is that pixel, which takes its gradient.",
            "BorderScatterDropped",
            row(ROW),
            off_y(1.5),
            padding_mode="border",
        ),
    ]
    for padding, flag in (("border", "BorderGradient"), ("reflection", "ReflectionGradient")):
        comment = f"At the last pixel the slope with {padding} is one of the cell's, or 0; never that towards a 0."
        end = off_y(1.0)
        flags = f"{flag} Kink"
        cases.append(
            _sample(
                f"end_{padding}",
                comment,
                flags,
                five,
                end,
                padding_mode=padding,
                align_corners=True,
                result="acceptable",
            )
        )
    return cases


def _refused() -> list[Case]:
    options = {"mode": "cubic", "padding_mode": "zeros", "align_corners": False}
    inputs = {"input": np.ones((1, 1, 2, 2)), "grid": np.zeros((1, 1, 1, 2))}
    comment = "The mode is called bicubic; by another name it must not be something else."
    flags = ("UnknownModeIsNearest", "Refused")
    return [Case("grid_sample/museum_cubic", options, inputs, flags, comment, "invalid")]


def cases() -> list[Case]:
    """Return the museum's cases for grid_sample."""
    return [*_coordinates(), *_samples(), *_padding(), *_refused()]
