"""Cases for affine_grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.cases import draw

IDENTITY = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]


def _case(
    name: str,
    comment: str,
    flags: str,
    theta: npt.ArrayLike,
    height: int,
    width: int,
    align_corners: bool = False,
    ggrid: Floats | None = None,
) -> Case:
    """Return one case; its cotangent is drawn unless given."""
    theta = np.asarray(theta, dtype=np.float64)
    batch = theta.shape[0]
    ggrid = draw.dyadics(name, batch, height, width, 2) if ggrid is None else ggrid
    options = {"size": [batch, 1, height, width], "align_corners": align_corners}
    inputs = {"theta": theta, "ggrid": ggrid}
    return Case(f"affine_grid/{name}", options, inputs, tuple(flags.split()), comment)


def _both(name: str, comment: str, flags: str, theta: npt.ArrayLike, height: int, width: int) -> list[Case]:
    """Return the case for both values of align_corners."""
    return [
        _case(name, comment, flags, theta, height, width, False),
        _case(f"{name}_corners", f"{comment} align_corners.", flags, theta, height, width, True),
    ]


def _refused(name: str, comment: str, shape: tuple[int, ...], size: list[int], align_corners: object) -> Case:
    inputs = {"theta": np.ones(shape)}
    options = {"size": size, "align_corners": align_corners}
    return Case(f"affine_grid/{name}", options, inputs, ("Refused",), comment, "invalid")


def _basic() -> list[Case]:
    return [
        *_both("identity_4x4", "The identity on powers of two: every coordinate is exact.", "Interior", IDENTITY, 4, 4),
        *_both("identity_3x5", "The identity on odd sizes: thirds and fifths.", "Interior Shape", IDENTITY, 3, 5),
        *_both(
            "general_2x3x4",
            "Two general matrices, one for each image.",
            "Interior Shape",
            draw.dyadics("general", 2, 2, 3),
            3,
            4,
        ),
        *_both(
            "transpose_2x5",
            "x and y change places: tells swapped rows of theta from swapped axes of the output.",
            "AxisOrder",
            [[[0.0, 1.0, 0.25], [-1.0, 0.0, 0.5]]],
            2,
            5,
        ),
        *_both(
            "float32_4x7",
            "Parameters that use every bit of float32.",
            "FullPrecision",
            draw.full("affine32", 1, 2, 3, dtype="float32", reach=2.0),
            4,
            7,
        ),
        *_both(
            "float64_7x3",
            "Parameters that use every bit of float64.",
            "FullPrecision",
            draw.full("affine64", 1, 2, 3, dtype="float64", reach=2.0),
            7,
            3,
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


def _edges() -> list[Case]:
    general = draw.dyadics("edges", 1, 2, 3)
    almost = np.array([[[3.0, 0.0, 2.25], [0.0, 3.0, -0.75]]]) + np.array([0.0, 0.0, 2.0**-9])
    return [
        *_both("one_pixel_1x1", "One pixel: its centre is 0 on both axes.", "OnePixel", general, 1, 1),
        *_both("one_row_1x4", "One row: y is 0, so the second column does not matter.", "OnePixel", general, 1, 4),
        *_both("one_column_4x1", "One column: x is 0, so the first column does not matter.", "OnePixel", general, 4, 1),
        _case("empty_batch", "No image.", "Empty", np.zeros((0, 2, 3)), 2, 3),
        _case("empty_output", "Images without rows; the gradient of theta is 0.", "Empty", general, 0, 3),
        _case(
            "cancellation_4x4",
            "Each row's terms cancel but for 2^-9 at one pixel: the error is measured by their magnitudes.",
            "Cancellation",
            almost,
            4,
            4,
        ),
        *(
            _case(
                f"creeping_{dtype}",
                f"One large cotangent and 63 small ones: a plain {dtype} sum rounds each of them up.",
                "LongSum",
                general,
                8,
                8,
                ggrid=draw.creeping(dtype, 64).reshape(1, 8, 8, 1).repeat(2, axis=3),
            )
            for dtype in ("float32", "float64")
        ),
        _case(
            "subnormal_float32_3x3",
            "Parameters and cotangents next to the smallest float32: results are subnormal.",
            "Subnormal",
            draw.dyadics("tiny32", 1, 2, 3) * 2.0**-134,
            3,
            3,
            ggrid=draw.dyadics("tiny32", 1, 3, 3, 2) * 2.0**-134,
        ),
        _case(
            "subnormal_float64_3x3",
            "Parameters and cotangents next to the smallest float64.",
            "Subnormal",
            draw.dyadics("tiny64", 1, 2, 3) * 2.0**-1060,
            3,
            3,
            ggrid=draw.dyadics("tiny64", 1, 3, 3, 2) * 2.0**-1060,
        ),
        _case("huge_3x3", "Parameters of 2^100: a zoom out to nothing.", "Huge", general * 2.0**100, 3, 3),
    ]


def _refusals() -> list[Case]:
    return [
        _refused("refused_theta_3x2", "theta of shape (N, 3, 2).", (1, 3, 2), [1, 1, 2, 2], False),
        _refused("refused_batch", "A size for two images and one matrix.", (1, 2, 3), [2, 1, 2, 2], False),
        _refused("refused_size", "A size of three numbers.", (1, 2, 3), [1, 2, 2], False),
        _refused("refused_negative", "A negative height.", (1, 2, 3), [1, 1, -2, 2], False),
        _refused("refused_align_corners", "An align_corners that is a word.", (1, 2, 3), [1, 1, 2, 2], "corners"),
    ]


def cases() -> list[Case]:
    """Return the cases for affine_grid."""
    return [*_basic(), *_edges(), *_refusals()]
