"""Cases that show the museum's defects in everything but grid_sample: grids, splines, decoders, fits, penalties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import Inputs, case
from refwarp.golden.drawing.samples import off_y, points
from refwarp.golden.families.dense_decode import cases as decoder
from refwarp.golden.families.museum.samplers import at


def _grid(
    name: str, comment: str, flags: str, inputs: Inputs, size: tuple[int, int], align_corners: bool, **options: Any
) -> Case:
    """Return a case for an operation that makes a grid of a size."""
    options |= {"size": [1, 1, *size], "align_corners": align_corners}
    return case(name, comment, flags, inputs, (1, *size, 2), **options)


def _affine() -> list[Case]:
    identity, turned = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], [[[0.5, -1.0, 0.25], [1.0, 0.5, 0.0]]]
    return [
        _grid(
            "affine_grid/museum_edges",
            "Without align_corners the lattice of two pixels is -1/2 and 1/2.",
            "AlignCornersIgnored",
            {"theta": identity},
            (2, 2),
            False,
        ),
        _grid(
            "affine_grid/museum_thirds",
            "The lattice of three pixels is -2/3, 0, 2/3, to the last bit.",
            "CoarseGrid",
            {"theta": identity},
            (1, 3),
            False,
        ),
        _grid(
            "affine_grid/museum_turned",
            "More than a quarter of a turn, which the transposed matrix would turn back.",
            "TransposedMatrix",
            {"theta": turned},
            (2, 2),
            False,
        ),
        _grid(
            "affine_grid/museum_one_row",
            "With align_corners the only row of a map is at 0.",
            "OnePixelDivision",
            {"theta": identity},
            (1, 3),
            True,
        ),
        case(
            "compose/museum_scaled_and_moved",
            "Moved by 1 and then scaled by 2 is moved by 2.",
            "CompositionOrder",
            {"outer": [[[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], "inner": [[[1.0, 0.0, 1.0], [0.0, 1.0, 0.5]]]},
            (1, 2, 3),
        ),
    ]


def _projective() -> list[Case]:
    return [
        _grid(f"projective_grid/museum_{name}", comment, flags, {"theta": np.array(theta)[None]}, (2, 2), False)
        for name, comment, flags, theta in (
            (
                "scaled_identity",
                "The identity times 2^-20: the scale of a homography means nothing.",
                "HomogeneousEpsilon",
                np.eye(3) * 2.0**-20,
            ),
            (
                "negative_identity",
                "The identity times -1: its sign means nothing either.",
                "HomogeneousClamp",
                -np.eye(3),
            ),
            (
                "horizon",
                "The left column lies on the horizon: its points are infinitely far away.",
                "HorizonIsZero",
                [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.5]],
            ),
        )
    ]


def _flow() -> list[Case]:
    return [
        case(
            "flow_grid/museum_one_pixel_right",
            "A motion of one pixel to the right, and a quarter down: 2/3 and 1/4 of the interval [-1, 1].",
            "FlowSign FlowUnits SwappedAxes",
            {"flow": np.array([1.0, 0.25])[None, :, None, None] * np.ones((1, 2, 2, 3))},
            (1, 2, 3, 2),
            align_corners=False,
            unit="pixels",
        )
    ]


def _splines() -> list[Case]:
    control = np.array([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [0.25, 0.125]])
    moved = control[None] + np.array([[0.0, 0.125], [0.25, 0.0], [0.0, 0.0], [-0.125, 0.25], [0.5, -0.25]])
    inputs = {"points": moved, "control": control}
    return [
        _grid(
            "tps_grid/museum_five_points",
            "Five control points, four of which go elsewhere; no pixel is one of them.",
            "KernelOfTwoPointSets SplineLattice LogOfEpsilon",
            inputs,
            (2, 3),
            False,
            smoothing=0.0,
        ),
        _grid(
            "tps_grid/museum_smoothed",
            "The same, smoothed: the weight is added to the diagonal of d^2 ln d^2.",
            "KernelFactor SmoothingSign",
            inputs,
            (2, 3),
            False,
            smoothing=0.5,
        ),
    ]


def _decoder() -> list[Case]:
    return [
        decoder.case(
            "museum_two_sources",
            "Two sources between the same pixels, with the value 1: the pixels there are 1, not 2.",
            "SumsMultiplied SumNotAverage",
            decoder.row([1.0, 1.0]),
            off_y(*at(1.25, 1.25)),
            (1, 4),
        ),
        decoder.case(
            "museum_beyond_the_last",
            "A source a quarter of a pixel beyond the last column weighs 3/4 there, beside one that weighs 1/2.",
            "CornersClamped",
            decoder.row([1.0, 5.0]),
            off_y(*at(3.25, 2.5)),
            (2, 4),
        ),
        decoder.case(
            "museum_thin_source",
            "A source whose weight at pixel 1 is 2^-16 is all that pixel has, and gives it its value.",
            "WeightFloor",
            decoder.row([3.0]),
            off_y(*at(2 - 2.0**-16)),
            (1, 4),
        ),
        decoder.case(
            "museum_two_values",
            "Two sources of different values between the same pixels: moving either one changes them.",
            "SplatSign",
            decoder.row([1.0, 5.0]),
            off_y(*at(1.25, 1.625)),
            (1, 4),
        ),
    ]


def _linearized() -> list[Case]:
    near = [(0.5, 0.25), (0.75, -0.125), (0.375, 0.0)]
    return [
        case(
            f"linearized_sample/museum_{name}",
            comment,
            flag,
            {
                "input": draw.dyadics("linearized", 1, 1, 4, 4),
                "grid": points((0.625, 0.125)),
                "auxiliary": np.array([*near, other])[None, None, None],
            },
            (1, 1, 1, 1),
            mask="position",
            tikhonov=0.0,
            intercept=True,
            input_gradient="none",
            padding_mode="border",
            align_corners=False,
        )
        for name, comment, flag, other in (
            (
                "sample_outside",
                "The fourth sample lies outside the map, though not far from its point: the fit is without it.",
                "MaskByOffset",
                (1.125, 0.375),
            ),
            ("nan_sample", "With a NaN among the samples the fit is NaN.", "NaNToZero NonFinite", (math.nan, 0.375)),
        )
    ]


def _penalties() -> list[Case]:
    def penalty(name: str, comment: str, flag: str, field: npt.ArrayLike, **options: Any) -> Case:
        inputs = {"field": np.asarray(field)[None, None]}
        return case(name, comment, flag, inputs, (), **options, norm="squared", boundary="valid", reduction="sum")

    return [
        penalty(
            "bending_energy/museum_saddle",
            "w = x y bends by w_xy = 1 alone, which counts twice: 2.",
            "BendingMixed",
            np.prod(np.indices((3, 3)), axis=0),
            form="hessian",
        ),
        penalty(
            "smoothness/museum_checkerboard",
            "The field that is least smooth of all.",
            "Checkerboard",
            np.indices((4, 4)).sum(axis=0) % 2,
        ),
    ]


def cases() -> list[Case]:
    """Return the museum's cases for the other operations."""
    return [*_affine(), *_projective(), *_flow(), *_splines(), *_decoder(), *_linearized(), *_penalties()]
