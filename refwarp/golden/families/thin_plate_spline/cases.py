"""Cases for tps_grid and thin_plate_spline_basis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import call, draw

# Far from one another and from one line, and from the pixels of the cases' grids; exact in float16.
FIVE = np.array(
    [[-0.84375, -0.90625], [0.78125, -0.6875], [-0.65625, 0.71875], [0.90625, 0.84375], [0.15625, -0.09375]]
)
TRIANGLE = np.array([[-0.9375, -0.59375], [0.90625, -0.21875], [0.15625, 0.84375]])


def regular(side: int) -> Floats:
    """Return the control points that are there by default; exact for sides of 2, 3 and 5."""
    axis = np.linspace(-1, 1, side)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def _case(
    name: str,
    comment: str,
    flags: str,
    points: npt.ArrayLike,
    size: tuple[int, int],
    control: npt.ArrayLike | None = None,
    dtype: str = "",
    cotangents: Mapping[str, npt.ArrayLike] | None = None,
    **options: Any,
) -> Case:
    """Return one case, without control points if none are given."""
    points = np.asarray(points, np.float64)
    given = {"size": [len(points), 1, *size], "align_corners": False, "smoothing": 0.0, **options}
    inputs = {"points": points, "control": np.zeros(2) if control is None else control, **(cotangents or {})}
    found = call.case(f"tps_grid/{name}", comment, flags, inputs, (len(points), *size, 2), dtype, **given)
    if control is not None:
        return found
    return replace(found, inputs={key: array for key, array in found.inputs.items() if not key.endswith("control")})


def _near(name: str, control: Floats, batch: int = 1) -> Floats:
    """Return fiducial points beside the control points, exact where these are."""
    return control + draw.dyadics(f"spline {name}", batch, *control.shape) / 16


def _every_option() -> list[Case]:
    cases = []
    each = np.stack([FIVE, FIVE[::-1] * [-1, 1] + 0.03125])
    for name, control, points, words in (
        ("default", None, _near("default", regular(3), 2), "a regular grid of control points that is not given"),
        ("shared", FIVE, _near("shared", FIVE, 2), "control points that two images share"),
        ("each", each, _near("each", FIVE, 2), "control points of each of two images"),
    ):
        for smoothing in (0.0, 0.25):
            for align_corners in (False, True):
                suffix = ("_smooth" if smoothing else "") + ("_corners" if align_corners else "")
                how = f"{', smoothed' if smoothing else ''}{', align_corners' if align_corners else ''}"
                comment = f"A spline with {words}{how}."
                cases.append(
                    _case(
                        f"{name}{suffix}",
                        comment,
                        "Interior",
                        points,
                        (2, 3),
                        control,
                        align_corners=align_corners,
                        smoothing=smoothing,
                    )
                )
    return cases


def _basic() -> list[Case]:
    cases = [
        _case(
            "three_points", "Three control points: an affine map.", "Interior", _near("3", TRIANGLE), (2, 3), TRIANGLE
        ),
        _case("default_2x2", "Four corners, by default.", "Shape", _near("2x2", regular(2)), (3, 2)),
        _case(
            "default_4x4", "Control points at thirds, by default.", "Shape", draw.dyadics("4x4", 1, 16, 2) / 4, (3, 2)
        ),
        _case("default_5x5", "Five by five of them, by default.", "Shape", draw.dyadics("5x5", 1, 25, 2) / 4, (2, 2)),
        _case("wide_1x9", "One row: y is 0 for each of its pixels.", "OnePixel", _near("1x9", FIVE), (1, 9), FIVE),
        _case("tall_7x1_corners", "One column.", "OnePixel", _near("7x1", FIVE), (7, 1), FIVE, align_corners=True),
        _case("one_pixel", "One pixel, at 0.", "OnePixel", _near("1x1", FIVE), (1, 1), FIVE),
        _case("empty_batch", "No image.", "Empty", np.zeros((0, 5, 2)), (2, 2), FIVE),
        _case("empty_batch_default", "No image, and no control points.", "Empty", np.zeros((0, 4, 2)), (2, 2)),
        _case("empty_output", "Images without rows: both gradients are 0.", "Empty", _near("0x3", FIVE), (0, 3), FIVE),
        _case(
            "axis_order",
            "x goes to y and y to 2 x: tells the two coordinates of points apart.",
            "AxisOrder",
            FIVE[None, :, ::-1] * [1, 2],
            (2, 3),
            FIVE,
        ),
    ]
    for dtype in ("float32", "float64"):
        control = (FIVE + draw.full(f"spline control {dtype}", 5, 2, dtype=dtype, reach=2.0**-6)).astype(dtype)
        for name, given, count in (("full", control, 5), ("default", None, 9)):
            points = draw.full(f"spline {name} {dtype}", 1, count, 2, dtype=dtype)
            comment = f"Every bit of {dtype} is used, with {name} control points."
            cases.append(_case(f"{name}_{dtype}", comment, "FullPrecision", points, (2, 3), given, dtype=dtype))
    return cases


def _conventions() -> list[Case]:
    corners = regular(3)
    return [
        _case(
            "identity",
            "Fiducial points that are the control points: each pixel goes to itself.",
            "Interior",
            FIVE[None],
            (2, 3),
            FIVE,
        ),
        _case(
            "identity_default_corners",
            "The identity, with control points at pixels.",
            "Interior",
            regular(3)[None],
            (3, 5),
            None,
            align_corners=True,
        ),
        _case(
            "control_at_pixels",
            "Control points at pixels go to the fiducial points; r^2 ln r^2 and its slope are 0 at r = 0, but the "
            "second derivative to control points diverges there: NaN.",
            "ZeroDistance",
            _near("at pixels", corners),
            (3, 3),
            corners,
            align_corners=True,
        ),
        _case(
            "one_at_a_pixel",
            "One control point is a pixel: the second derivative to it is NaN, those to the others are not.",
            "ZeroDistance",
            _near("one at", FIVE),
            (3, 3),
            np.concatenate([FIVE[:4], [[0.0, 0.0]]]),
            align_corners=True,
        ),
        _case(
            "coincident_smoothed",
            "Two control points coincide, which a smoothing weight forgives: the mean of what they go to counts.",
            "ZeroDistance",
            [[[-1.0, -1.0], [1.0, -1.0], [0.5, 1.0], [-0.5, 1.0]]],
            (2, 3),
            [[-0.96875, -1.0], [0.96875, -1.0], [0.03125, 0.9375], [0.03125, 0.9375]],
            smoothing=0.5,
        ),
        _case(
            "strongly_smoothed",
            "A smoothing weight of 64: close to the affine map that fits best.",
            "Interior",
            _near("64", FIVE),
            (2, 3),
            FIVE,
            smoothing=64.0,
        ),
        call.first_order(
            _case(
                "nan_points",
                "A fiducial point whose x is NaN: every x of its image is, and nothing else.",
                "NonFinite",
                np.stack([regular(2), [[-1.0, -1.0], [math.nan, -1.0], [-1.0, 1.0], [1.0, 0.75]]]),
                (2, 2),
            )
        ),
    ]


def _ill_conditioned() -> list[Case]:
    """Control points with condition numbers from 10^5 to almost 10^12, where float64 has any digits to spare."""
    ten = draw.full("spline ten", 7, 2, dtype="float64")
    pair = ten.copy()
    cases = []

    def close(distance: float) -> Floats:
        pair[1] = pair[0] + distance * np.array([0.6, 0.8])
        return pair.copy()

    for name, comment, control in (
        ("pair_1e-3", "Two control points 0.001 apart.", close(1e-3)),
        ("pair_1e-6", "Two control points 0.000001 apart: almost refused.", close(1e-6)),
        ("cluster_at_0", "A cluster of control points at 0, 10^12 times smaller than the map.", 1e-12 * ten),
        ("cluster", "A cluster of control points off 0.", 0.3 + 1e-2 * ten),
        ("small_cluster", "A small cluster off 0: almost refused.", 0.3 + 4e-6 * ten),
        ("flat", "Control points on the x axis, but for 10^-12.", ten * [1, 1e-12]),
        ("line", "Control points on a slanting line, but for 10^-6.", ten * [1, 1e-6] @ [[0.8, 0.6], [-0.6, 0.8]]),
        ("far_away", "Control points of size 1, 10^4 away from 0.", ten + 1e4),
        ("far_apart", "Control points that are 10^6 apart.", 1e6 * ten),
    ):
        points = draw.full(f"spline {name}", 1, 7, 2, dtype="float64")
        cases.append(_case(f"ill_{name}", comment, "IllConditioned", points, (2, 2), control, dtype="float64"))
    for distance in (1 / 64, 1 / 512):
        control = np.concatenate([FIVE, FIVE[:1] + [distance, 0]])
        comment = f"Two control points 1/{round(1 / distance)} apart, which float16 or float32 can tell apart."
        points = draw.dyadics("spline apart", 1, 6, 2) / 4
        cases.append(_case(f"ill_pair_{round(1 / distance)}", comment, "IllConditioned", points, (2, 2), control))
    return cases


def _extremes() -> list[Case]:
    cases = [
        _case("huge_points", "Fiducial points of 2^100.", "Huge", _near("huge", FIVE) * 2.0**100, (2, 2), FIVE),
        _case(
            "cancellation",
            "Points near (100, -100) that differ by little: the affine part nearly is all there is.",
            "Cancellation",
            _near("cancel", FIVE) / 4 + [100.0, -100.0],
            (2, 2),
            FIVE,
        ),
    ]
    for dtype, smallest in (("float32", 2.0**-124), ("float64", 2.0**-1020)):
        points = draw.dyadics(f"spline tiny {dtype}", 1, 4, 2) * smallest
        gout = draw.dyadics(f"spline tiny gout {dtype}", 1, 2, 2, 2) * smallest
        comment = f"Fiducial points and cotangents next to the smallest normal {dtype}: weights are subnormal."
        cases.append(_case(f"subnormal_{dtype}", comment, "Subnormal", points, (2, 2), cotangents={"ggrid": gout}))
        ggrid = draw.creeping(dtype, 64).reshape(1, 8, 8, 1).repeat(2, axis=3)
        comment = f"One large cotangent and 63 small ones: a plain {dtype} sum rounds each of them up."
        cases.append(
            _case(
                f"creeping_{dtype}",
                comment,
                "LongSum",
                _near("creeping", regular(2)),
                (8, 8),
                cotangents={"ggrid": ggrid},
            )
        )
    return cases


def _refusals() -> list[Case]:
    fine: dict[str, Any] = {"size": [1, 1, 3, 3], "align_corners": False, "smoothing": 0.0}

    def refused(name: str, comment: str, inputs: Mapping[str, npt.ArrayLike], **options: Any) -> Case:
        given = {argument: np.asarray(array, np.float64) for argument, array in inputs.items()}
        return Case(f"tps_grid/refused_{name}", {**fine, **options}, given, ("Refused",), comment, "invalid")

    four, points = regular(2), np.ones((1, 4, 2))
    pair = {"points": points, "control": four}
    slanting = np.array([[-0.5, -1.0], [-0.25, -0.5], [0.25, 0.5], [0.5, 1.0]])
    return [
        refused("coincident", "Two control points that are one.", {**pair, "control": four[[0, 1, 2, 0]]}),
        refused("all_one", "Four control points that are one.", {**pair, "control": np.ones((4, 2))}),
        refused("on_an_axis", "Control points on the x axis.", {**pair, "control": slanting * [1, 0]}),
        refused("on_a_line", "Control points on a slanting line.", {**pair, "control": slanting}),
        refused("two_points", "Two control points.", {"points": np.ones((1, 2, 2)), "control": four[:2]}),
        refused(
            "five_by_default",
            "Five fiducial points, no square, without control points.",
            {"points": np.ones((1, 5, 2))},
        ),
        refused("one_by_default", "One fiducial point without control points.", {"points": np.ones((1, 1, 2))}),
        refused("points", "Fiducial points without images' axis.", {**pair, "points": four}),
        refused("counts", "Five fiducial points and four control points.", {**pair, "points": np.ones((1, 5, 2))}),
        refused(
            "control_batch", "Control points for two images, fiducial points for one.", {**pair, "control": [four] * 2}
        ),
        refused("control_axis", "Control points of three coordinates.", {**pair, "control": np.ones((4, 3))}),
        refused("control_nan", "A control point that is NaN.", {**pair, "control": np.full((4, 2), math.nan)}),
        refused("batch", "A size for two images, fiducial points for one.", pair, size=[2, 1, 3, 3]),
        refused("size", "A size of three numbers.", pair, size=[1, 3, 3]),
        refused("align_corners", "An align_corners that is a word.", pair, align_corners="corners"),
        refused("smoothing", "A negative smoothing weight.", pair, smoothing=-1.0),
        refused("smoothing_word", "A smoothing weight that is a word.", pair, smoothing="some"),
    ]


def _bases() -> list[Case]:
    cases = []

    def basis(name: str, comment: str, flags: str, control: Floats, size: tuple[int, int], **options: Any) -> Case:
        options = {"size": [1, 1, *size], "align_corners": False, "smoothing": 0.0, **options}
        return call.case(f"thin_plate_spline_basis/{name}", comment, flags, {"control": control}, **options)

    for align_corners in (False, True):
        suffix, how = ("_corners", ", align_corners") if align_corners else ("", "")
        cases += [
            basis(f"five{suffix}", f"Five control points{how}.", "Interior", FIVE, (3, 4), align_corners=align_corners),
            basis(
                f"smooth{suffix}",
                f"Five control points, smoothed: each function is less than 1 at its own{how}.",
                "Interior",
                FIVE,
                (2, 3),
                align_corners=align_corners,
                smoothing=0.125,
            ),
        ]
    ten = draw.full("spline basis", 6, 2, dtype="float64")
    return [
        *cases,
        basis(
            "at_pixels",
            "Control points at pixels: ones and zeros.",
            "ZeroDistance",
            regular(2),
            (2, 2),
            align_corners=True,
        ),
        basis("full_float64", "Control points that use every bit of float64.", "FullPrecision", ten, (2, 3)),
        basis("flat", "Control points on a line, but for 10^-6.", "IllConditioned", ten * [1, 1e-6], (2, 2)),
        basis("empty", "An output without columns.", "Empty", FIVE, (2, 0)),
        *(
            Case(
                f"thin_plate_spline_basis/refused_{name}",
                {"size": [1, 1, 2, 2], "align_corners": False, "smoothing": smoothing},
                {"control": control},
                ("Refused",),
                comment,
                "invalid",
            )
            for name, comment, control, smoothing in (
                ("on_a_line", "Control points on a line.", TRIANGLE * [1, 0], 0.0),
                ("two_points", "Two control points.", TRIANGLE[:2], 0.0),
                ("shape", "Control points of two images.", np.stack([TRIANGLE] * 2), 0.0),
                ("smoothing", "A negative smoothing weight.", TRIANGLE, -0.5),
            )
        ),
    ]


def cases() -> list[Case]:
    """Return the cases for tps_grid and thin_plate_spline_basis."""
    return [
        *_every_option(),
        *_basic(),
        *_conventions(),
        *_ill_conditioned(),
        *_extremes(),
        *_refusals(),
        *_bases(),
    ]
