"""Cases for flow_grid and affine_motion."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import case, refused

UNITS = ("pixels", "normalised")
EVERY = [(unit, align_corners) for unit in UNITS for align_corners in (False, True)]
IDENTITY = np.eye(2, 3)


def _named(name: str, unit: str, align_corners: bool) -> str:
    return f"{name}_{unit}" + ("_corners" if align_corners else "")


def _flow(
    name: str,
    comment: str,
    flags: str,
    flow: npt.ArrayLike,
    unit: str = "pixels",
    align_corners: bool = False,
    dtype: str = "",
    **given: Floats,
) -> Case:
    """Return one case for flow_grid; `given` are cotangents."""
    batch, _, *size = np.shape(flow)
    inputs = {"flow": flow, **given}
    options = {"unit": unit, "align_corners": align_corners}
    return case(f"flow_grid/{name}", comment, flags, inputs, (batch, *size, 2), dtype, **options)


def _every_flow(name: str, comment: str, flags: str, flow: Floats) -> list[Case]:
    """Return the case in both units, and for both values of align_corners."""
    return [
        _flow(
            _named(name, unit, corners),
            f"{comment} In {unit}{', align_corners' * corners}.",
            flags,
            flow,
            unit,
            corners,
        )
        for unit, corners in EVERY
    ]


def _motion(
    name: str,
    comment: str,
    flags: str,
    theta: npt.ArrayLike,
    size: tuple[int, int],
    unit: str = "pixels",
    align_corners: bool = False,
    dtype: str = "",
    **given: Floats,
) -> Case:
    """Return one case for affine_motion; `given` are cotangents."""
    batch = len(np.asarray(theta))
    inputs = {"theta": theta, **given}
    options = {"size": [batch, 1, *size], "unit": unit, "align_corners": align_corners}
    return case(f"affine_motion/{name}", comment, flags, inputs, (batch, 2, *size), dtype, **options)


def _every_motion(name: str, comment: str, flags: str, theta: npt.ArrayLike, size: tuple[int, int]) -> list[Case]:
    """Return the case in both units, and for both values of align_corners."""
    return [
        _motion(
            _named(name, unit, corners),
            f"{comment} In {unit}{', align_corners' * corners}.",
            flags,
            theta,
            size,
            unit,
            corners,
        )
        for unit, corners in EVERY
    ]


def _flows() -> list[Case]:
    shift = np.zeros((1, 2, 2, 4))
    shift[:, 0], shift[:, 1] = 1.0, -2.0
    odd = np.zeros((1, 2, 2, 4))
    odd[0, 0, 0, 1], odd[0, 1, 1, 2], odd[0, 0, 1, 3] = math.nan, math.inf, -math.inf
    cases = [
        *_every_flow("general_2x3x5", "Two flows.", "Interior Shape", draw.dyadics("flows", 2, 2, 3, 5)),
        *_every_flow("still_2x4", "No motion: the identity.", "Units", np.zeros((1, 2, 2, 4))),
        *_every_flow(
            "shift_2x4", "1 along x and -2 along y: tells axes, signs and units apart.", "Units AxisOrder", shift
        ),
        *_every_flow("one_pixel_1x1", "One pixel.", "OnePixel Units", draw.dyadics("pixel", 1, 2, 1, 1)),
        *(
            _flow(
                _named("one_row_1x5", unit, True),
                f"One row, in {unit}.",
                "OnePixel",
                draw.dyadics("row", 1, 2, 1, 5),
                unit,
                True,
            )
            for unit in UNITS
        ),
        _flow("empty_batch", "No image.", "Empty", np.zeros((0, 2, 2, 3))),
        _flow("empty_output", "No columns.", "Empty", np.zeros((1, 2, 2, 0))),
        *(
            _flow(
                f"nan_{unit}",
                f"NaN and infinite motions touch their own coordinate only, in {unit}.",
                "NonFinite",
                odd,
                unit,
            )
            for unit in UNITS
        ),
        _flow("huge", "Motions of 2^100 pixels.", "Huge", shift * 2.0**100),
        _flow("wide_1x200", "A long row.", "Wide", draw.dyadics("wide flow", 1, 2, 1, 200)),
    ]
    for dtype, tiny in (("float32", 2.0**-140), ("float64", 2.0**-1065)):
        full = draw.full(f"flow {dtype}", 1, 2, 3, 5, dtype=dtype, reach=3.0)
        to_centre = np.zeros((1, 2, 3, 5))
        to_centre[0, 0], to_centre[0, 1] = 2.0 - np.arange(5.0), 1.0 - np.arange(3.0)[:, None]
        near = (to_centre + 2.0**-20 * full).astype(dtype).astype(np.float64)
        cases += [
            _flow(f"{dtype}_pixels", f"Every bit of {dtype} is used, in pixels.", "FullPrecision", full, dtype=dtype),
            _flow(
                f"{dtype}_normalised_corners",
                f"Every bit of {dtype} is used, in normalised units.",
                "FullPrecision",
                full,
                "normalised",
                True,
                dtype,
            ),
            _flow(
                f"to_the_centre_{dtype}",
                "Motions to the centre, but for 2^-20: place and motion cancel.",
                "Cancellation",
                near,
            ),
            _flow(
                f"subnormal_{dtype}",
                f"Subnormal {dtype} motions: lost beside the places, and not at the centre.",
                "Subnormal",
                draw.dyadics("tiny flow", 1, 2, 3, 3) * tiny,
                ggrid=draw.dyadics("tiny ggrid", 1, 3, 3, 2) * tiny,
            ),
        ]

    def bad(name: str, comment: str, shape: tuple[int, ...], unit: str = "pixels", corners: object = False) -> Case:
        return refused(f"flow_grid/refused_{name}", comment, {"flow": shape}, unit=unit, align_corners=corners)

    return [
        *cases,
        bad("channels_last", "A flow with u and v last.", (1, 3, 3, 2)),
        bad("unit", "An unknown unit.", (1, 2, 2, 2), "metres"),
        bad("align_corners", "An align_corners that is a word.", (1, 2, 2, 2), corners="corners"),
    ]


def _motions() -> list[Case]:
    general = draw.dyadics("motions", 2, 2, 3)
    cases = [
        *_every_motion("general_2x3x5", "Two general matrices.", "Interior Shape", general, (3, 5)),
        *_every_motion("identity_2x4", "The identity has no motion, exactly.", "Units", IDENTITY[None], (2, 4)),
        *_every_motion(
            "shear_2x4",
            "u depends on y and v on x: tells axes and units apart.",
            "Units AxisOrder",
            [[[1.0, 2.0, 0.0], [-1.0, 1.0, 0.5]]],
            (2, 4),
        ),
        *_every_motion("one_pixel_1x1", "One pixel: the shift alone.", "OnePixel Units", general[:1], (1, 1)),
        _motion("one_column_5x1", "One column.", "OnePixel", general[:1], (5, 1), align_corners=True),
        _motion("empty_batch", "No image.", "Empty", np.zeros((0, 2, 3)), (2, 3)),
        _motion("empty_output", "No columns.", "Empty", general[:1], (2, 0), "normalised"),
        _motion(
            "nan",
            "A parameter that is NaN or infinite spoils the motion along its axis, of its image.",
            "NonFinite",
            [[[math.nan, 0.5, 0.25], [0.5, 1.0, 0.25]], [[1.0, 0.5, 0.25], [0.5, 1.0, math.inf]]],
            (2, 4),
        ),
        _motion("huge", "Parameters of 2^100.", "Huge", general[:1] * 2.0**100, (3, 3)),
        _motion("wide_1x200", "A long row.", "Wide", general[:1], (1, 200)),
    ]
    for dtype, tiny in (("float32", 2.0**-140), ("float64", 2.0**-1065)):
        full = draw.full(f"motion {dtype}", 1, 2, 3, dtype=dtype, reach=2.0)
        near = (IDENTITY + full * 2.0**-18).astype(dtype).astype(np.float64)
        subnormal = draw.dyadics("tiny motion", 1, 2, 3) * tiny
        subnormal[0, 0, 0] = subnormal[0, 1, 1] = 1.0
        cases += [
            _motion(f"{dtype}_pixels", f"Every bit of {dtype}.", "FullPrecision", full, (3, 5), "pixels", True, dtype),
            _motion(
                f"{dtype}_normalised",
                f"Every bit of {dtype}.",
                "FullPrecision",
                full,
                (3, 5),
                "normalised",
                False,
                dtype,
            ),
            _motion(
                f"near_the_identity_{dtype}",
                "The identity but for 2^-18: a - 1 is exact, a x - x is not.",
                "Cancellation",
                near,
                (3, 5),
            ),
            _motion(
                f"subnormal_{dtype}",
                f"Subnormal {dtype} parameters beside the identity's.",
                "Subnormal",
                subnormal,
                (3, 3),
                gflow=draw.dyadics("tiny gflow", 1, 2, 3, 3) * tiny,
            ),
            _motion(
                f"creeping_{dtype}",
                f"One large cotangent and 63 small ones: a plain {dtype} sum rounds each of them up.",
                "LongSum",
                general[:1],
                (8, 8),
                gflow=draw.creeping(dtype, 64).reshape(1, 1, 8, 8).repeat(2, axis=1),
            ),
        ]

    def bad(name: str, comment: str, shape: tuple[int, ...], size: list[int], unit: str = "pixels") -> Case:
        path = f"affine_motion/refused_{name}"
        return refused(path, comment, {"theta": shape}, size=size, unit=unit, align_corners=False)

    return [
        *cases,
        bad("homography", "A 3 x 3 matrix.", (1, 3, 3), [1, 1, 2, 2]),
        bad("batch", "A size for two images and one matrix.", (1, 2, 3), [2, 1, 2, 2]),
        bad("unit", "An unknown unit.", (1, 2, 3), [1, 1, 2, 2], "metres"),
    ]


def cases() -> list[Case]:
    """Return the cases for motion fields."""
    return [*_flows(), *_motions()]
