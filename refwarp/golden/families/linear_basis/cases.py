"""Cases for linear_basis_grid, affine_basis and bernstein_basis."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import both, case, refused


def _case(
    name: str,
    comment: str,
    flags: str,
    coefficients: npt.ArrayLike,
    basis: npt.ArrayLike,
    dtype: str = "",
    **given: Floats,
) -> Case:
    """Return one case for linear_basis_grid; `given` are cotangents."""
    inputs = {"M": coefficients, "B": basis, **given}
    shape = len(np.asarray(coefficients)), *np.asarray(basis).shape[1:], 2
    return case(f"linear_basis_grid/{name}", comment, flags, inputs, shape, dtype)


def _drawn(name: str, comment: str, flags: str, batch: int, count: int, size: tuple[int, int], dtype: str = "") -> Case:
    """Return one case with everything drawn."""
    if dtype:
        coefficients, basis = (
            draw.full(f"{name} M", batch, 2, count, dtype=dtype, reach=2.0),
            draw.full(f"{name} B", count, *size, dtype=dtype, reach=2.0),
        )
    else:
        coefficients, basis = draw.dyadics(f"{name} M", batch, 2, count), draw.dyadics(f"{name} B", count, *size)
    return _case(name, comment, flags, coefficients, basis, dtype)


def _grids() -> list[Case]:
    points = np.array([[[-0.75, -0.25, 0.25, 0.75]] * 2, [[-0.5] * 4, [0.5] * 4], [[1.0] * 4] * 2])
    wide = np.ones((1, 2, 64))
    cases = [
        _drawn("general_2x4x3x5", "Four functions, shared by two images.", "Interior Shape", 2, 4, (3, 5)),
        _drawn("one_function", "One function.", "Interior", 1, 1, (2, 3)),
        _drawn("two_functions", "Two functions.", "Interior", 1, 2, (4, 2)),
        _drawn("seven_functions", "More functions than pixels.", "Interior Shape", 2, 7, (2, 2)),
        _drawn("batch_5", "Five images: the gradient of the basis sums over them.", "Shape", 5, 3, (2, 2)),
        _drawn("float32", "Every bit of float32 is used.", "FullPrecision", 2, 5, (2, 3), "float32"),
        _drawn("float64", "Every bit of float64 is used.", "FullPrecision", 2, 5, (2, 3), "float64"),
        _drawn("one_pixel_1x1", "One pixel.", "OnePixel", 2, 3, (1, 1)),
        _drawn("long_sum_48", "48 functions.", "LongSum", 1, 48, (1, 2)),
        _case("affine_2x4", "The basis (x, y, 1): an affine grid.", "Interior", draw.dyadics("A", 1, 2, 3), points),
        _case(
            "order",
            "Each function another power of two: tells where each goes, x first.",
            "AxisOrder Order",
            [[[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]],
            2.0 ** np.arange(-12, 0).reshape(3, 2, 2),
        ),
        _case(
            "one_hot",
            "One function that is not zero, at one pixel: elsewhere nothing is added.",
            "AxisOrder",
            draw.dyadics("hot", 1, 2, 3),
            np.eye(12)[7].reshape(3, 2, 2),
        ),
        _case(
            "no_functions", "No functions: every coordinate is 0.", "Empty", np.zeros((1, 2, 0)), np.zeros((0, 2, 2))
        ),
        _case("empty_batch", "No image: the gradient of the basis is 0.", "Empty", np.zeros((0, 2, 3)), points),
        _case("empty_output", "No pixels.", "Empty", draw.dyadics("empty", 1, 2, 2), np.zeros((2, 0, 3))),
        _case(
            "nan_coefficient",
            "A coefficient that is NaN spoils its image's coordinate along its axis, and nothing of the other image.",
            "NonFinite",
            [[[1.0, math.nan], [2.0, 0.5]], [[0.5, 0.25], [-1.0, 1.0]]],
            draw.dyadics("nan", 2, 2, 2),
        ),
        _case(
            "infinite_coefficient",
            "An infinite coefficient makes its coordinate infinite, by the sign of the function.",
            "NonFinite",
            [[[1.0, math.inf], [2.0, 0.5]]],
            draw.dyadics("infinite", 2, 2, 2),
        ),
        _case(
            "huge",
            "Coefficients of 2^100.",
            "Huge",
            draw.dyadics("huge", 1, 2, 3) * 2.0**100,
            draw.dyadics("huge basis", 3, 2, 2),
        ),
    ]
    for dtype, scale in (("float32", 2.0**-139), ("float64", 2.0**-1064)):
        creeping = draw.creeping(dtype, 64)
        cases += [
            _case(
                f"subnormal_{dtype}",
                f"Coefficients and cotangents that are subnormal numbers of {dtype}.",
                "Subnormal",
                draw.dyadics("tiny", 1, 2, 3) * scale,
                draw.dyadics("tiny basis", 3, 2, 2),
                ggrid=draw.dyadics("tiny ggrid", 1, 2, 2, 2) * scale,
            ),
            _case(
                f"creeping_functions_{dtype}",
                f"One large function and 63 small ones with the same coefficients: a plain {dtype} sum rounds each up.",
                "LongSum",
                wide,
                creeping.reshape(64, 1, 1),
            ),
            _case(
                f"creeping_pixels_{dtype}",
                f"One large cotangent and 63 small ones, as before in {dtype}: in the gradient of the coefficients.",
                "LongSum",
                draw.dyadics("creeping", 1, 2, 1),
                np.ones((1, 8, 8)),
                ggrid=creeping.reshape(1, 8, 8, 1).repeat(2, axis=3),
            ),
            _case(
                f"cancelling_{dtype}",
                f"Three products that cancel but for the last bit of {dtype}.",
                "Cancellation",
                [[[1.0, 1.0 + float(np.finfo(dtype).eps), -2.0], [3.0, -1.5, -1.5]]],
                np.ones((3, 1, 2)),
            ),
        ]
    return [
        *cases,
        refused("linear_basis_grid/refused_rows", "Coefficients of three rows.", {"M": (1, 3, 2), "B": (2, 2, 2)}),
        refused(
            "linear_basis_grid/refused_count", "Three coefficients, two functions.", {"M": (1, 2, 3), "B": (2, 2, 2)}
        ),
        refused("linear_basis_grid/refused_batch", "A basis for each image.", {"M": (1, 2, 3), "B": (1, 3, 2, 2)}),
    ]


def _bases() -> list[Case]:
    cases = []
    for size, flags, comment in (
        ((1, 1), "OnePixel", "One pixel, whose point is (0, 0)."),
        ((2, 4), "Interior", "Powers of two: every coordinate is exact without align_corners."),
        ((3, 5), "Interior Shape AxisOrder", "Thirds and fifths, rounded once; x runs along columns."),
        ((1, 49), "Wide", "A row of 49: an accumulated step drifts away."),
    ):
        what = f"{size[0]}x{size[1]}"
        cases += both(f"affine_basis/{what}", comment, flags, {}, size=[1, 1, *size])
    for degree, size, flags, comment in (
        (0, (2, 3), "Interior", "Degree 0: the constant 1."),
        (1, (2, 4), "Interior Order", "Degree 1: tells which function comes first, and that x runs fastest."),
        (2, (3, 5), "Interior Shape", "Degree 2."),
        (3, (4, 2), "Interior Shape", "Degree 3, a Bezier patch."),
        (5, (1, 3), "OnePixel", "Degree 5 on one row, where t is 1/2."),
    ):
        what = f"degree_{degree}"
        cases += both(f"bernstein_basis/{what}", comment, flags, {}, degree=degree, size=[1, 1, *size])
    return [
        *cases,
        case("affine_basis/empty", "No rows.", "Empty", {}, size=[1, 1, 0, 3], align_corners=False),
        case("bernstein_basis/empty", "No columns.", "Empty", {}, degree=1, size=[1, 1, 2, 0], align_corners=False),
        refused("affine_basis/refused_size", "A size of two numbers.", {}, size=[2, 2], align_corners=False),
        refused(
            "bernstein_basis/refused_degree",
            "A negative degree.",
            {},
            degree=-1,
            size=[1, 1, 2, 2],
            align_corners=False,
        ),
        refused(
            "bernstein_basis/refused_half", "Half a degree.", {}, degree=0.5, size=[1, 1, 2, 2], align_corners=False
        ),
    ]


def cases() -> list[Case]:
    """Return the cases for linear basis grids and for bases."""
    return [*_grids(), *_bases()]
