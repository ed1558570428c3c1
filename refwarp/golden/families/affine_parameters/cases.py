"""Cases for the matrices of a few parameters, and for their grids."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import both, case, refused

# How many parameters there are.
COUNTS = {"attention": 3, "translation": 2, "kurbiel": 6, "similarity": 4, "rotation_scale_translation": 5}
GRIDS = tuple(name for name in COUNTS if name != "kurbiel")
ANGLES = {"similarity": 1, "rotation_scale_translation": 0}
IDENTITY = {
    "attention": [1.0, 0.0, 0.0],
    "translation": [0.0, 0.0],
    "similarity": [1.0, 0.0, 0.0, 0.0],
    "rotation_scale_translation": [0.0] * 5,
}
SHAPE = 2, 3

Parameters = npt.ArrayLike


def _matrix(
    name: str, what: str, comment: str, flags: str, theta: Parameters, dtype: str = "", **options: bool
) -> Case:
    shape = len(np.asarray(theta)), *SHAPE
    return case(f"{name}_matrix/{what}", comment, flags, {"theta": theta}, shape, dtype, **options)


def _grid(
    name: str,
    what: str,
    comment: str,
    flags: str,
    theta: Parameters,
    size: tuple[int, int],
    dtype: str = "",
    align_corners: bool = False,
    **options: bool,
) -> Case:
    """Return a case for a grid."""
    batch = len(np.asarray(theta))
    options |= {"align_corners": align_corners}
    inputs = {"theta": theta}
    return case(
        f"{name}_grid/{what}", comment, flags, inputs, (batch, *size, 2), dtype, size=[batch, 1, *size], **options
    )


def _grids(
    name: str, what: str, comment: str, flags: str, theta: Parameters, size: tuple[int, int], **options: Any
) -> list[Case]:
    """Return the case for both values of align_corners."""
    batch = len(np.asarray(theta))
    shape = batch, *size, 2
    return both(f"{name}_grid/{what}", comment, flags, {"theta": theta}, shape, size=[batch, 1, *size], **options)


def _matrices() -> list[Case]:
    cases = []
    for name, count in COUNTS.items():
        order = 2.0 ** np.arange(count) * [1, -1, 1, -1, 1, -1][:count] / 8
        cases += [
            _matrix(name, "general_2", "Two images.", "Interior Shape", draw.dyadics(f"{name} two", 2, count)),
            _matrix(name, "order", "Each parameter another power of two: tells where each goes.", "Order", [order]),
            _matrix(name, "empty_batch", "No image.", "Empty", np.zeros((0, count))),
            refused(f"{name}_matrix/refused_count", "One parameter too many.", {"theta": (1, count + 1)}),
        ]
        for dtype in ("float32", "float64"):
            theta = draw.full(f"{name} {dtype}", 2, count, dtype=dtype, reach=2.0)
            comment = f"Parameters that use every bit of {dtype}."
            cases.append(_matrix(name, dtype, comment, "FullPrecision", theta, dtype))
    cases += [
        _matrix(
            "attention",
            "nan",
            "A scale that is NaN, and a translation that is infinite, and the entries that they are.",
            "NonFinite",
            [[math.nan, 0.5, math.inf], [1.0, 0.0, 0.0]],
        ),
        _matrix(
            "similarity",
            "nan",
            "A translation that is NaN stays one entry.",
            "NonFinite",
            [[2.0, 0.5, math.nan, 0.25], [2.0, 0.5, 1.0, 0.25]],
        ),
        _matrix(
            "similarity",
            "negative_scale",
            "A negative scale is half a turn: not the absolute value.",
            "Order",
            [[-1.5, 0.75, 0.5, -0.25]],
        ),
        _matrix(
            "rotation_scale_translation",
            "translated_first",
            "The translation is scaled and turned too.",
            "Order Interior",
            draw.dyadics("translated first", 2, 5),
            translate_first=True,
        ),
        _matrix(
            "rotation_scale_translation",
            "translated_first_float32",
            "The same with every bit of float32.",
            "FullPrecision Order",
            draw.full("translated first", 1, 5, dtype="float32", reach=2.0),
            "float32",
            translate_first=True,
        ),
        _matrix(
            "rotation_scale_translation",
            "one_scale",
            "The logarithms of both scales are the same: a similarity, as in the released program.",
            "Order",
            [[0.75, -1.5, -1.5, 0.5, -0.25]],
            translate_first=True,
        ),
        *(
            _matrix(
                "rotation_scale_translation",
                f"powers_{what}",
                f"Scales of {what.replace('_', ' ')}, which are powers of two and exact, without an angle.",
                "Units",
                [[0.0, *logarithms, 0.5, -0.25]],
            )
            for what, logarithms in (
                ("1_2_and_4", (-1.0, 2.0)),
                ("2_to_the_10_and_its_inverse", (10.0, -10.0)),
                ("2_to_the_60_and_its_inverse", (60.0, -60.0)),
            )
        ),
    ]
    return cases


def _ordinary() -> list[Case]:
    cases = []
    for name in GRIDS:
        count = COUNTS[name]
        general = draw.dyadics(f"{name} grid", 2, count)
        one = general[:1]
        cases += _grids(name, "general_2x3x4", "Two images.", "Interior Shape", general, (3, 4))
        cases += _grids(
            name, "identity_2x4", "The identity: every coordinate is exact.", "Interior", [IDENTITY[name]], (2, 4)
        )
        cases += [
            _grid(name, "one_pixel_1x1", "One pixel, whose centre is 0.", "OnePixel", one, (1, 1)),
            _grid(name, "one_row_1x5", "One row, where y is 0.", "OnePixel", one, (1, 5), align_corners=True),
            _grid(name, "one_column_5x1", "One column, where x is 0.", "OnePixel", one, (5, 1), align_corners=True),
            _grid(
                name,
                "wide_1x49",
                "The identity on a row of 49: next to the centre a coordinate keeps its digits.",
                "Wide",
                [IDENTITY[name]],
                (1, 49),
            ),
            _grid(name, "empty_batch", "No image.", "Empty", np.zeros((0, count)), (2, 3)),
            _grid(name, "empty_output", "Images without columns: the gradient is 0.", "Empty", one, (2, 0)),
            refused(
                f"{name}_grid/refused_batch",
                "A size for two images, and the parameters of one.",
                {"theta": (1, count)},
                size=[2, 1, 2, 2],
                align_corners=False,
            ),
            refused(
                f"{name}_grid/refused_align_corners",
                "An align_corners that is a word.",
                {"theta": (1, count)},
                size=[1, 1, 2, 2],
                align_corners="corners",
            ),
        ]
        for dtype, align_corners in (("float32", False), ("float64", True)):
            theta = draw.full(f"{name} grid {dtype}", 1, count, dtype=dtype, reach=2.0)
            comment = f"Every bit of {dtype} is used, and thirds and fifths are rounded."
            cases.append(_grid(name, dtype, comment, "FullPrecision", theta, (3, 5), dtype, align_corners))
    first = draw.dyadics("first", 2, 5)
    name = "rotation_scale_translation"
    cases += _grids(
        name,
        "translated_first",
        "The translation is scaled and turned too.",
        "Order",
        first,
        (3, 4),
        translate_first=True,
    )
    cases.append(
        refused(
            f"{name}_grid/refused_order",
            "A translate_first that is a number.",
            {"theta": (1, 5)},
            size=[1, 1, 2, 2],
            align_corners=False,
            translate_first=2,
        )
    )
    return cases


def _angles() -> list[Case]:
    cases = []
    for name, place in ANGLES.items():
        for dtype in ("float32", "float64"):
            number = np.dtype(dtype).type
            turns = {
                "quarter_turn": (number(math.pi / 2), "The float next to a quarter of a turn: the cosine is tiny."),
                "half_turn": (-number(math.pi), "The float next to half a turn, backwards: the sine is tiny."),
                "tiny_angle": (number(1e-20), "An angle of 1e-20: the cosine is 1, and the sine the angle."),
                "many_turns": (number(math.pi * 5e4), "25,000 turns but for a rounding: reducing them takes care."),
            }
            for what, (angle, comment) in turns.items():
                theta = draw.full(f"{name} {what}", 1, COUNTS[name], dtype=dtype, reach=2.0)
                theta[0, place] = float(angle)
                cases.append(_grid(name, f"{what}_{dtype}", comment, "Angle", theta, (2, 3), dtype))
    return cases


def _extremes() -> list[Case]:
    corner = draw.dyadics("corner", 1, 2)
    return [
        _grid(
            "attention",
            "cancellation_4x4",
            "Scale and translation cancel but for 2^-9 at one column.",
            "Cancellation",
            [[3.0, 2.25 + 2.0**-9, -0.75]],
            (4, 4),
        ),
        _grid(
            "attention",
            "nan_2x4",
            "A scale that is NaN makes all coordinates NaN; a translation that is, those along its axis.",
            "NonFinite",
            [[math.nan, 0.5, 0.25], [1.0, math.nan, 0.25]],
            (2, 4),
        ),
        _grid(
            "translation",
            "nan_2x4",
            "An infinite translation is infinite along its axis, one that is NaN is NaN.",
            "NonFinite",
            [[math.inf, 0.5], [0.25, math.nan]],
            (2, 4),
        ),
        _grid(
            "similarity",
            "nan_2x4",
            "A translation that is NaN makes the coordinates along its axis NaN, and no gradient.",
            "NonFinite",
            [[0.5, 0.75, math.nan, 0.25], [1.5, 0.5, 0.25, math.nan]],
            (2, 4),
        ),
        _grid("attention", "huge_3x3", "A scale of 2^100.", "Huge", [[2.0**100, 0.5, -0.25]], (3, 3)),
        *(
            _grid(
                "translation",
                f"subnormal_{dtype}_3x3",
                f"A subnormal {dtype}: it is lost beside the points, and not at the centre.",
                "Subnormal",
                corner * scale,
                (3, 3),
            )
            for dtype, scale in (("float32", 2.0**-143), ("float64", 2.0**-1068))
        ),
        *(
            case(
                f"{name}_grid/creeping_{dtype}",
                f"One large cotangent and 63 small ones: a plain {dtype} sum rounds each of them up.",
                "LongSum",
                {
                    "theta": draw.dyadics(name, 1, COUNTS[name]),
                    "ggrid": draw.creeping(dtype, 64).reshape(1, 8, 8, 1).repeat(2, axis=3),
                },
                size=[1, 1, 8, 8],
                align_corners=False,
            )
            for name, dtype in (("attention", "float32"), ("translation", "float64"), ("similarity", "float32"))
        ),
        _grid(
            "rotation_scale_translation",
            "fractions_of_powers_3x4",
            "Scales of 2^(1/2), 2^(-7/2): e^(l ln 2) rounds its exponent first.",
            "Units",
            [[0.5, 0.5, -3.5, 0.25, -0.5]],
            (3, 4),
        ),
        _grid(
            "rotation_scale_translation",
            "not_square_2x8",
            "On a map that is not square a turn of normalised coordinates stretches pixels, and so it should.",
            "Units AxisOrder",
            [[0.75, 0.0, 0.0, 0.0, 0.0]],
            (2, 8),
        ),
    ]


def cases() -> list[Case]:
    """Return the cases for matrices and grids of a few parameters."""
    return [*_matrices(), *_ordinary(), *_angles(), *_extremes()]
