"""Cases for homography_matrix and projective_grid."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import both, case, refused

# x_t of the columns of four pixels are -3/4, -1/4, 1/4 and 3/4, all exact.
FOUR = 2, 4


def _shape(theta: npt.ArrayLike, size: tuple[int, int]) -> tuple[int, ...]:
    return len(np.asarray(theta)), *size, 2


def _case(
    name: str,
    comment: str,
    flags: str,
    theta: npt.ArrayLike,
    size: tuple[int, int],
    dtype: str = "",
    align_corners: bool = False,
    **given: Floats,
) -> Case:
    """Return one case; `given` are cotangents."""
    shape, inputs = _shape(theta, size), {"theta": theta, **given}
    options = {"size": [shape[0], 1, *size], "align_corners": align_corners}
    return case(f"projective_grid/{name}", comment, flags, inputs, shape, dtype, **options)


def _both(name: str, comment: str, flags: str, theta: npt.ArrayLike, size: tuple[int, int]) -> list[Case]:
    """Return the case for both values of align_corners."""
    shape = _shape(theta, size)
    return both(f"projective_grid/{name}", comment, flags, {"theta": theta}, shape, size=[shape[0], 1, *size])


def _tame(name: str, batch: int = 1, last: float = 1.0) -> Floats:
    """Return homographies whose D stays within 1/2 of `last`."""
    h = draw.dyadics(name, batch, 3, 3)
    h[:, 2, :2] /= 16
    h[:, 2, 2] = last
    return h


def _eight(h: Floats) -> Floats:
    return h.reshape(-1, 9)[:, :8]


def _matrices() -> list[Case]:
    def one(name: str, comment: str, flags: str, theta: npt.ArrayLike, dtype: str = "") -> Case:
        shape = len(np.asarray(theta)), 3, 3
        return case(f"homography_matrix/{name}", comment, flags, {"theta": theta}, shape, dtype)

    return [
        one("general_2", "Two images.", "Interior Shape", draw.dyadics("eight", 2, 8)),
        one("order", "Powers of two: each entry has its place, row by row.", "Order", [2.0 ** np.arange(-4, 4)]),
        one(
            "float32", "A copy keeps every bit.", "FullPrecision", draw.full("eight", 1, 8, dtype="float32"), "float32"
        ),
        one(
            "float64", "A copy keeps every bit.", "FullPrecision", draw.full("eight", 1, 8, dtype="float64"), "float64"
        ),
        one("nan", "What is not finite is copied too.", "NonFinite", [[math.nan, math.inf, -math.inf, 1, 2, 3, 4, 5]]),
        one("empty_batch", "No image.", "Empty", np.zeros((0, 8))),
        refused("homography_matrix/refused_nine", "Nine parameters.", {"theta": (1, 9)}),
    ]


def _ordinary() -> list[Case]:
    tame = _tame("tame", 2)
    cases = [
        *_both("eight_2x3x4", "Two images with eight parameters each.", "Interior Shape", _eight(tame), (3, 4)),
        *_both(
            "nine_2x4x3", "Two matrices whose last entry is not 1.", "Interior Shape", _tame("nine", 2, 1.5), (4, 3)
        ),
        *_both("identity_2x4", "The identity in eight parameters.", "Interior", [[1.0, 0, 0, 0, 1, 0, 0, 0]], (2, 4)),
        *_both(
            "affine_3x5",
            "A last row (0, 0, 1): the affine grid, but its gradient has a third row.",
            "Interior",
            [[*draw.dyadics("affine row", 6), 0.0, 0.0]],
            (3, 5),
        ),
        *_both(
            "multiple_2x4",
            "A homography is one with its multiples: -4 times the matrix, exactly.",
            "Interior",
            -4 * _tame("nine", 1, 1.5),
            (2, 4),
        ),
        _case(
            "swapped_2x8",
            "x and y change places, and D falls along x: tells rows from columns.",
            "AxisOrder",
            [[0.0, 1.0, 0.25, -1.0, 0.0, 0.5, 0.5, 0.0]],
            (2, 8),
        ),
        _case(
            "row_order_4x4",
            "D falls along y only: a transposed matrix would move the points instead.",
            "AxisOrder Order",
            [[1.0, 0.0, 0.5, 0.0, 1.0, 0.25, 0.0, 0.5]],
            (4, 4),
        ),
        _case(
            "wide_1x49",
            "x over 1 + y/2 on a row of 49: next to the centre a coordinate keeps its digits.",
            "Wide",
            [[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5]],
            (1, 49),
        ),
        _case("one_pixel_1x1", "One pixel: the shift over h_33.", "OnePixel", _tame("pixel", 1, 1.5), (1, 1)),
        _case("one_row_1x5", "One row.", "OnePixel", _eight(tame[:1]), (1, 5), align_corners=True),
        _case("one_column_5x1", "One column.", "OnePixel", tame[:1], (5, 1), align_corners=True),
        _case("empty_batch", "No image.", "Empty", np.zeros((0, 8)), (2, 3)),
        _case("empty_output", "Images without columns.", "Empty", tame[:1], (2, 0)),
    ]
    for dtype in ("float32", "float64"):
        h = draw.full(f"homography {dtype}", 1, 3, 3, dtype=dtype, reach=2.0)
        h[0, 2] = h[0, 2] / 8 + [0.0, 0.0, 1.0]
        h = h.astype(dtype).astype(np.float64)
        comment = f"Every bit of {dtype} is used."
        cases.append(_case(f"nine_{dtype}", comment, "FullPrecision", h, (3, 5), dtype, align_corners=True))
        cases.append(_case(f"eight_{dtype}", comment, "FullPrecision", _eight(h), (5, 3), dtype))
    return cases


def _horizon() -> list[Case]:
    """Points on the horizon are at exact coordinates."""
    points = [[1.0, 0.0, 0.5], [0.0, 1.0, -0.25]]
    return [
        _case(
            "on_the_horizon_2x4",
            "D is 0 in one column: infinite, by the sign of the numerator, and without a gradient.",
            "Horizon",
            [[*points, [1.0, 0.0, 0.25]]],
            FOUR,
        ),
        _case(
            "on_the_horizon_backwards_2x4",
            "The same homography times -1 has the other infinity, that of the numerator.",
            "Horizon",
            [[*np.negative(points), [-1.0, 0.0, -0.25]]],
            FOUR,
        ),
        _case(
            "on_the_horizon_at_0_2x4",
            "On the horizon a numerator of 0 is the coordinate 0, beside one that is infinite.",
            "Horizon",
            [[[1.0, 0.0, 0.25], [0.0, 1.0, -0.5], [1.0, 0.0, 0.25]]],
            FOUR,
        ),
        _case(
            "nowhere_4x4",
            "N_x, N_y and D are 0 at one pixel: NaN there, no gradient, and infinite along the rest of the column.",
            "Horizon NonFinite",
            [[[1.0, 0.0, 0.25], [0.0, 1.0, -0.25], [1.0, 0.0, 0.25]]],
            (4, 4),
        ),
        _case(
            "on_a_slanted_horizon_3x3",
            "The horizon crosses the grid along its diagonal.",
            "Horizon",
            [[*points, [0.5, -0.5, 0.0]]],
            (3, 3),
            align_corners=True,
        ),
        _case(
            "centre_at_infinity_3x5",
            "h_33 is 0: no eight parameters have this, and the middle column is infinite.",
            "Horizon",
            [[*points, [1.0, 0.0, 0.0]]],
            (3, 5),
            align_corners=True,
        ),
        *_both(
            "beyond_the_horizon_2x4",
            "D is negative in half of the columns, which are sampled all the same.",
            "Horizon",
            [[*points, [2.0, 0.0, 0.25]]],
            FOUR,
        ),
        _case(
            "all_on_the_horizon_2x2",
            "D is 0 everywhere: there is no gradient at all.",
            "Horizon",
            [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]],
            (2, 2),
        ),
    ]


def _near_the_horizon() -> list[Case]:
    cases = []
    for dtype, bits in (("float32", 12), ("float64", 26)):
        h = draw.full(f"grazing {dtype}", 1, 3, 3, dtype=dtype)
        x, y = Fraction(2, 5), Fraction(-2, 3)  # column 3 of 5, row 0 of 3
        h[0, 2, 2] = float(Fraction(1, 2**bits) - Fraction(h[0, 2, 0]) * x - Fraction(h[0, 2, 1]) * y)
        h = h.astype(dtype).astype(np.float64)
        comment = f"D cancels but for 2^-{bits} at one pixel: its digits are lost when it is summed in {dtype}."
        cases.append(_case(f"grazing_{dtype}", comment, "NearHorizon Cancellation", h, (3, 5), dtype))
        h = draw.full(f"numerator {dtype}", 1, 3, 3, dtype=dtype)
        h[0, 2] = [0.25, -0.125, 1.0]
        h[0, 0, 2] = float(np.dtype(dtype).type(-0.5 * h[0, 0, 0] - 0.5 * h[0, 0, 1]))
        comment = "x_s cancels to the last bits at one pixel."
        cases.append(_case(f"cancelling_{dtype}", comment, "Cancellation", h, (2, 2), dtype))
    return cases


def _extremes() -> list[Case]:
    tame, nan = _tame("extreme"), np.eye(3)[None].repeat(3, axis=0)
    nan[0, 0, 0] = nan[1, 1, 2] = nan[2, 2, 1] = math.nan
    cases = [
        _case(
            "nan_3x2x2",
            "A numerator that is NaN spoils its coordinate, a denominator both.",
            "NonFinite",
            nan,
            (2, 2),
        ),
        _case("huge_3x3", "A homography times 2^60 is the same.", "Huge", tame * 2.0**60, (3, 3)),
        _case(
            "tiny_3x3",
            "A homography times 2^-30 is the same, and its gradient 2^30 times as large.",
            "Huge",
            tame * 2.0**-30,
            (3, 3),
        ),
        _case(
            "zero_cotangent_2x4",
            "Nothing comes back from an infinite point, and from others with the cotangent 0.",
            "Horizon",
            [[[1.0, 0.0, 0.5], [0.0, 1.0, -0.25], [1.0, 0.0, 0.25]]],
            FOUR,
            ggrid=np.zeros((1, *FOUR, 2)),
        ),
    ]
    for dtype in ("float32", "float64"):
        cases.append(
            _case(
                f"creeping_{dtype}",
                f"One large cotangent and 63 small ones: a plain {dtype} sum rounds each of them up.",
                "LongSum",
                tame,
                (8, 8),
                ggrid=draw.creeping(dtype, 64).reshape(1, 8, 8, 1).repeat(2, axis=3),
            )
        )
    return cases


def _refusals() -> list[Case]:
    def one(name: str, comment: str, shape: tuple[int, ...], size: list[int], align_corners: object = False) -> Case:
        return refused(
            f"projective_grid/refused_{name}", comment, {"theta": shape}, size=size, align_corners=align_corners
        )

    return [
        one("nine_in_a_row", "Nine parameters in a row.", (1, 9), [1, 1, 2, 2]),
        one("affine", "A 2 x 3 matrix.", (1, 2, 3), [1, 1, 2, 2]),
        one("batch", "A size for two images and one homography.", (1, 3, 3), [2, 1, 2, 2]),
        one("size", "A size of two numbers.", (1, 8), [2, 2]),
        one("align_corners", "An align_corners that is a word.", (1, 8), [1, 1, 2, 2], "corners"),
    ]


def cases() -> list[Case]:
    """Return the cases for homographies."""
    return [*_matrices(), *_ordinary(), *_horizon(), *_near_the_horizon(), *_extremes(), *_refusals()]
