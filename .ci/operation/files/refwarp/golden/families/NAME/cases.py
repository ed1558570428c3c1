"""Cases for NAME."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import call, draw


def _case(
    name: str,
    comment: str,
    flags: str,
    theta: npt.ArrayLike,
    height: int,
    width: int,
    *,
    align_corners: bool = False,
    **given: Floats,
) -> Case:
    """Return one case; its cotangent is drawn unless given."""
    batch = len(np.asarray(theta))
    shape, size, inputs = (batch, height, width, 2), [batch, 1, height, width], {"theta": theta, **given}
    return call.case(f"NAME/{name}", comment, flags, inputs, shape, size=size, align_corners=align_corners)


def _both(
    name: str, comment: str, flags: str, theta: npt.ArrayLike, height: int, width: int, dtype: str = ""
) -> list[Case]:
    """Return the case for both values of align_corners."""
    batch = len(np.asarray(theta))
    shape, size = (batch, height, width, 2), [batch, 1, height, width]
    return call.both(f"NAME/{name}", comment, flags, {"theta": theta}, shape, dtype, size=size)


def _basic() -> list[Case]:
    general = draw.dyadics("NAME", 2, 2)
    cases = [
        *_both("identity_4x4", "The identity.", "Interior", np.ones((1, 2)), 4, 4),
        *_both("general_2x3x5", "Two images, and an output that is not square.", "Interior Shape", general, 3, 5),
        *_both("wide_1x300", "A long row: a coordinate that is reached step by step drifts.", "Wide", general, 1, 300),
        _case("axes_2x4", "Only x is mirrored: tells swapped axes.", "AxisOrder", [[-1.0, 0.5]], 2, 4),
    ]
    for dtype in ("float32", "float64"):
        theta = draw.full(f"NAME {dtype}", 1, 2, dtype=dtype, reach=2.0)
        cases += _both(dtype, f"Numbers that use every bit of {dtype}.", "FullPrecision", theta, 4, 7, dtype)
    return cases


def _edges() -> list[Case]:
    general = draw.dyadics("NAME edges", 1, 2)
    infinite = [[math.inf, -math.inf]]
    cases = [
        *_both("one_row_1x4", "One row: y is 0, whatever its factor.", "OnePixel", general, 1, 4),
        _case("empty_batch", "No image.", "Empty", np.zeros((0, 2)), 2, 3),
        _case("empty_output", "An image without rows; the gradient of theta is 0.", "Empty", general, 0, 3),
        _case("nan_2x4", "A NaN reaches its axis of its image.", "NonFinite", [[math.nan, 0.5], [1.0, 1.0]], 2, 4),
        _case("infinite_3x3", "Infinity times the centre's 0 is NaN.", "NonFinite", infinite, 3, 3),
        _case("huge_3x3", "Factors of 2^100.", "Huge", general * 2.0**100, 3, 3, align_corners=True),
    ]
    for dtype, tiny in (("float32", 2.0**-134), ("float64", 2.0**-1060)):
        comment = f"Factors and cotangents next to the smallest {dtype}: results are subnormal."
        ggrid = draw.dyadics(f"NAME {dtype}", 1, 3, 3, 2) * tiny
        cases.append(_case(f"subnormal_{dtype}", comment, "Subnormal", general * tiny, 3, 3, ggrid=ggrid))
    return cases


def _refusals() -> list[Case]:
    def one(name: str, comment: str, shape: tuple[int, ...], size: list[int], align_corners: object = False) -> Case:
        path = f"NAME/refused_{name}"
        return call.refused(path, comment, {"theta": shape}, size=size, align_corners=align_corners)

    return [
        one("theta", "Three parameters.", (1, 3), [1, 1, 2, 2]),
        one("batch", "A size for two images, and parameters of one.", (1, 2), [2, 1, 2, 2]),
        one("size", "A size of three numbers.", (1, 2), [1, 2, 2]),
        one("align_corners", "An align_corners that is a word.", (1, 2), [1, 1, 2, 2], "corners"),
    ]


def cases() -> list[Case]:
    """Return the cases for NAME."""
    return [*_basic(), *_edges(), *_refusals()]
