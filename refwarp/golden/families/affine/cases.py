"""Cases for affine_grid."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import call, draw

IDENTITY = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]


def _case(
    name: str,
    comment: str,
    flags: str,
    theta: npt.ArrayLike,
    height: int,
    width: int,
    align_corners: bool = False,
    dtype: str = "",
    **given: Floats,
) -> Case:
    """Return one case; its cotangent is drawn unless given."""
    batch = len(np.asarray(theta))
    options = {"size": [batch, 1, height, width], "align_corners": align_corners}
    shape, inputs = (batch, height, width, 2), {"theta": theta, **given}
    return call.case(f"affine_grid/{name}", comment, flags, inputs, shape, dtype, **options)


def _both(
    name: str, comment: str, flags: str, theta: npt.ArrayLike, height: int, width: int, dtype: str = ""
) -> list[Case]:
    """Return the case for both values of align_corners."""
    batch = len(np.asarray(theta))
    shape, size = (batch, height, width, 2), [batch, 1, height, width]
    return call.both(f"affine_grid/{name}", comment, flags, {"theta": theta}, shape, dtype, size=size)


def _basic() -> list[Case]:
    return [
        *_both("identity_4x4", "The identity on powers of two: every coordinate is exact.", "Interior", IDENTITY, 4, 4),
        *_both("identity_3x5", "The identity on odd sizes: thirds and fifths.", "Interior Shape", IDENTITY, 3, 5),
        *_both(
            "identity_1x49",
            "The identity on a row of 49: a coordinate that is reached step by step, or from both ends, drifts.",
            "Interior Wide",
            IDENTITY,
            1,
            49,
        ),
        *_both(
            "general_2x3x4",
            "Two general matrices, one for each image.",
            "Interior Shape",
            draw.dyadics("general", 2, 2, 3),
            3,
            4,
        ),
        *_both("batch_5x2x3", "Five images.", "Shape", draw.dyadics("five", 5, 2, 3), 2, 3),
        *(
            _case(
                f"{dtype}_{height}x{width}{'_corners' * align_corners}",
                f"Parameters and cotangents that use every bit of {dtype}.",
                "FullPrecision",
                draw.full(f"affine {dtype} {align_corners}", 1, 2, 3, dtype=dtype, reach=2.0),
                height,
                width,
                align_corners,
                dtype,
            )
            for dtype, height, width in (("float32", 4, 7), ("float64", 7, 3))
            for align_corners in (False, True)
        ),
        *_both(
            "wide_1x300",
            "A long row: an accumulated step (x += dx) drifts away from (2 j + 1 - W) / s.",
            "Wide LongSum",
            draw.dyadics("wide", 1, 2, 3),
            1,
            300,
        ),
    ]


def _conventions() -> list[Case]:
    """Coordinates are exact, without align_corners on powers of two and with it on one more."""
    order = 2.0 ** np.arange(-3, 3).reshape(1, 2, 3)
    return [
        *_both(
            "transpose_2x5",
            "x and y change places: tells swapped rows of theta from swapped axes of the output.",
            "AxisOrder",
            [[[0.0, 1.0, 0.25], [-1.0, 0.0, 0.5]]],
            2,
            5,
        ),
        _case("order_4x2", "Powers of two: each parameter has its place.", "AxisOrder Order", order, 4, 2),
        _case("order_3x5_corners", "The same on another lattice.", "AxisOrder Order", order, 3, 5, True),
        _case("mirror_2x4", "x is mirrored.", "AxisOrder", [[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], 2, 4),
        _case("flip_4x2", "y is mirrored.", "AxisOrder", [[[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]], 4, 2),
        _case(
            "pixel_shift_2x8",
            "A shift by 2/W is one pixel to the right, without align_corners.",
            "Units",
            [[[1.0, 0.0, 0.25], [0.0, 1.0, 0.0]]],
            2,
            8,
        ),
        _case(
            "pixel_shift_2x9_corners",
            "A shift by 2/(W - 1) is one pixel to the right, with align_corners.",
            "Units",
            [[[1.0, 0.0, 0.25], [0.0, 1.0, 0.0]]],
            2,
            9,
            True,
        ),
        _case(
            "not_square_2x8",
            "A turn of normalised coordinates on a map that is not square: it stretches pixels, and so it should.",
            "Units AxisOrder",
            [[[0.5, -0.75, 0.0], [0.75, 0.5, 0.0]]],
            2,
            8,
        ),
        _case("nothing_2x2", "A matrix of zeros: every point is 0.", "Interior", np.zeros((1, 2, 3)), 2, 2),
        _case(
            "nan_2x4",
            "A parameter that is NaN spoils the coordinate of its row, of its image.",
            "NonFinite",
            [[[math.nan, 0.5, 0.25], [0.5, 1.0, 0.25]], [[1.0, 0.0, 0.0], [0.0, 1.0, math.nan]]],
            2,
            4,
        ),
        _case(
            "infinite_2x4",
            "An infinite shift is infinite; an infinite scale is, by the sign of the point.",
            "NonFinite",
            [[[1.0, 0.5, math.inf], [0.5, -math.inf, 0.25]]],
            2,
            4,
        ),
        _case(
            "infinite_at_the_centre_3x3_corners",
            "An infinite scale times the centre's 0 is NaN.",
            "NonFinite",
            [[[math.inf, 0.5, 0.25], [0.5, 1.0, 0.25]]],
            3,
            3,
            True,
        ),
    ]


def _edges() -> list[Case]:
    general = draw.dyadics("edges", 1, 2, 3)
    almost = np.array([[[3.0, 0.0, 2.25], [0.0, 3.0, -0.75]]]) + np.array([0.0, 0.0, 2.0**-9])
    cases = [
        *_both("one_pixel_1x1", "One pixel: its centre is 0 on both axes.", "OnePixel", general, 1, 1),
        *_both("one_row_1x4", "One row: y is 0, so the second column does not matter.", "OnePixel", general, 1, 4),
        *_both("one_column_4x1", "One column: x is 0, so the first column does not matter.", "OnePixel", general, 4, 1),
        _case("empty_batch", "No image.", "Empty", np.zeros((0, 2, 3)), 2, 3),
        _case("empty_output", "Images without rows; the gradient of theta is 0.", "Empty", general, 0, 3),
        _case("empty_columns", "Images without columns.", "Empty", general, 3, 0, True),
        _case(
            "cancellation_4x4",
            "Each row's terms cancel but for 2^-9 at one pixel: the error is measured by their magnitudes.",
            "Cancellation",
            almost,
            4,
            4,
        ),
        _case("huge_3x3", "Parameters of 2^100: a zoom out to nothing.", "Huge", general * 2.0**100, 3, 3),
        _case("small_3x3", "Parameters of 2^-100: a zoom into the centre.", "Huge", general * 2.0**-100, 3, 3, True),
    ]
    for dtype, tiny in (("float32", 2.0**-134), ("float64", 2.0**-1060)):
        last = float(np.finfo(dtype).eps)
        cases += [
            _case(
                f"creeping_{dtype}",
                f"One large cotangent and 63 small ones: a plain {dtype} sum rounds each of them up.",
                "LongSum",
                general,
                8,
                8,
                ggrid=draw.creeping(dtype, 64).reshape(1, 8, 8, 1).repeat(2, axis=3),
            ),
            _case(
                f"opposite_{dtype}",
                f"Cotangents of both signs whose sum is the last bit of {dtype}.",
                "Cancellation LongSum",
                general,
                2,
                2,
                ggrid=np.array([[1.0, 3.0], [-1.0 - last, -5.0], [1.0 + 2 * last, 2.0], [-1.0, 4 * last]]).reshape(
                    1, 2, 2, 2
                ),
            ),
            _case(
                f"cancelling_{dtype}",
                f"Terms that cancel but for the last bit of {dtype} at one pixel.",
                "Cancellation",
                [[[2.0, -2.0 - 2 * last, 0.0], [1.0 + last, 1.0, 1.0]]],
                2,
                2,
            ),
            _case(
                f"subnormal_{dtype}_3x3",
                f"Parameters and cotangents next to the smallest {dtype}: results are subnormal.",
                "Subnormal",
                draw.dyadics(f"tiny {dtype}", 1, 2, 3) * tiny,
                3,
                3,
                ggrid=draw.dyadics(f"tiny {dtype}", 1, 3, 3, 2) * tiny,
            ),
        ]
    return cases


def _refusals() -> list[Case]:
    def one(name: str, comment: str, shape: tuple[int, ...], size: list[int], align_corners: object = False) -> Case:
        path = f"affine_grid/refused_{name}"
        return call.refused(path, comment, {"theta": shape}, size=size, align_corners=align_corners)

    return [
        one("theta_3x2", "theta of shape (N, 3, 2).", (1, 3, 2), [1, 1, 2, 2]),
        one("theta_six", "Six parameters in a row.", (1, 6), [1, 1, 2, 2]),
        one("batch", "A size for two images and one matrix.", (1, 2, 3), [2, 1, 2, 2]),
        one("size", "A size of three numbers.", (1, 2, 3), [1, 2, 2]),
        one("negative", "A negative height.", (1, 2, 3), [1, 1, -2, 2]),
        one("align_corners", "An align_corners that is a word.", (1, 2, 3), [1, 1, 2, 2], "corners"),
    ]


def cases() -> list[Case]:
    """Return the cases for affine_grid."""
    return [*_basic(), *_conventions(), *_edges(), *_refusals()]
