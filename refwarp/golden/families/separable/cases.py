"""Cases for separable_sample.

Coordinates keep clear of the lattice and of half-integers, where kernels have corners or jumps, unless a case is about
these: there the piece from the right is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.samples import ROW, along_x, clear, column, off_y, points, row

KernelFunction = Mapping[str, Any]

TENT: KernelFunction = {"name": "tent"}
INTEGER: KernelFunction = {"name": "integer"}
CUBIC_B_SPLINE: KernelFunction = {"name": "cubic_b_spline"}


def keys(a: float) -> KernelFunction:
    """Return Keys' cubic as an option."""
    return {"name": "keys", "a": a}


def lanczos(lobes: int) -> KernelFunction:
    """Return a Lanczos kernel as an option."""
    return {"name": "lanczos", "lobes": lobes}


def gaussian(deviation: float) -> KernelFunction:
    """Return a Gaussian as an option."""
    return {"name": "gaussian", "deviation": deviation}


# By the name that they have in cases, with what they are.
KERNELS: Mapping[str, tuple[KernelFunction, str]] = {
    "tent": (TENT, "the tent"),
    "integer": (INTEGER, "the integer kernel"),
    "keys": (keys(-0.5), "Keys' cubic"),
    "b_spline": (CUBIC_B_SPLINE, "the cubic B-spline"),
    "lanczos": (lanczos(3), "Lanczos' kernel of three lobes"),
    "gaussian": (gaussian(0.75), "a Gaussian that ends three pixels away"),
}
PADDINGS = ("zeros", "border", "reflection")


def _case(
    name: str,
    comment: str,
    flags: str,
    kernel: KernelFunction,
    input: npt.ArrayLike,
    grid: npt.ArrayLike,
    dtype: str = "",
    cotangents: Mapping[str, npt.ArrayLike] | None = None,
    **options: Any,
) -> Case:
    """Return one case, with zeros padding unless options say else."""
    input, grid = np.asarray(input, np.float64), np.asarray(grid, np.float64)
    inputs = {"input": input, "grid": grid, **(cotangents or {})}
    where = {"padding_mode": "zeros", "align_corners": False}
    shape = (*input.shape[:2], *grid.shape[1:3])
    return call.case(
        f"separable_sample/{name}", comment, flags, inputs, shape, dtype, kernel=dict(kernel), **{**where, **options}
    )


def _every_option() -> list[Case]:
    cases = []
    for name, (kernel, words) in KERNELS.items():
        for padding in PADDINGS:
            for align_corners in (False, True):
                suffix = "_corners" if align_corners else ""
                seed = f"separable {name} {padding}{suffix}"
                where = f"{padding}{', align_corners' if align_corners else ''}"
                comment = f"Windows of {words} inside and across the ends of the map, {where}."
                grid = clear(seed, (1, 2, 3), (4, 5), 0, 1.4, align_corners)
                input = draw.dyadics(seed, 1, 1, 4, 5)
                cases.append(
                    _case(
                        f"{name}_{padding}{suffix}",
                        comment,
                        "Border",
                        kernel,
                        input,
                        grid,
                        padding_mode=padding,
                        align_corners=align_corners,
                    )
                )
    return cases


def _full_precision() -> list[Case]:
    cases = []
    for name, (kernel, words) in KERNELS.items():
        for dtype in ("float32", "float64"):
            seed = f"separable {name} {dtype}"
            grid = clear(seed, (1, 2, 2), (4, 4), 0, 1.2)
            grid = (grid + draw.full(f"{seed} grid", 1, 2, 2, 2, dtype=dtype, reach=2.0**-12)).astype(dtype)
            input = draw.full(seed, 1, 2, 4, 4, dtype=dtype, reach=4.0)
            comment = f"Every bit of {dtype} is used, in the map, the coordinates and the cotangents, for {words}."
            cases.append(
                _case(
                    f"{name}_{dtype}", comment, "FullPrecision", kernel, input, grid, padding_mode="border", dtype=dtype
                )
            )
    return cases


def _lattice() -> list[Case]:
    """Return samples at pixels, some of them beyond the ends, with y off the lattice or on it."""
    fourths = [(2 * x - 3) / 4 for x in (-2, 0, 1, 3, 5)]
    kinks = {
        "tent": "the slope is that to the right",
        "keys": "k'' jumps, and is taken from the right",
        "b_spline": "no derivative up to the second has a jump, but a pixel is no sample of itself",
        "lanczos": "weights are 0 at all pixels but one, where sin(pi d) in floating point is not",
        "gaussian": "k jumps three pixels away: -3 is within, 3 is not",
    }
    cases = []
    for name, words in kinks.items():
        kernel, _ = KERNELS[name]
        for padding in PADDINGS:
            comment = f"Samples at and beyond pixels of a row, {padding}: {words}."
            case_name = f"{name}_at_pixels_{padding}"
            cases.append(
                _case(case_name, comment, "Kink Border", kernel, row(ROW), off_y(*fourths), padding_mode=padding)
            )
    halves = [x / 2 - 0.75 + 0.25 for x in (-2, -1, 0, 1, 2, 3, 4)]  # pixel coordinates -3/2, ..., 9/2 of four
    for padding in PADDINGS:
        comment = f"Samples half-way between two pixels of a row, {padding}: ties go up, to the right one."
        cases.append(
            _case(f"integer_ties_{padding}", comment, "Ties", INTEGER, row(ROW), along_x(*halves), padding_mode=padding)
        )
    return [
        *cases,
        _case(
            "tent_column_at_pixels",
            "Samples at and beyond pixels of a column: the slope is that to the pixel below.",
            "Kink AxisOrder",
            TENT,
            column(ROW),
            off_y(*fourths)[..., ::-1],
        ),
        _case(
            "keys_both_at_pixels",
            "Samples at pixels of both axes: the values are those of the map, for Keys' cubic interpolates.",
            "Kink",
            keys(-0.5),
            draw.dyadics("keys both", 1, 1, 4, 4),
            points((-0.75, -0.25), (0.25, 0.75)),
        ),
    ]


def _parameters() -> list[Case]:
    cases = []
    for name, kernel, comment in (
        ("keys_0", keys(0.0), "Keys' cubic with a = 0 sees two pixels only, and steepens between them."),
        ("keys_minus_1", keys(-1.0), "Keys' cubic with a = -1, whose slope at 1 is that of sinc."),
        ("keys_three_quarters", keys(-0.75), "Keys' cubic with a = -3/4: bicubic sampling."),
        ("keys_positive", keys(0.25), "Keys' cubic with a positive a, which smooths."),
        ("lanczos_1", lanczos(1), "Lanczos' kernel of one lobe, sinc(d)^2."),
        ("lanczos_2", lanczos(2), "Lanczos' kernel of two lobes."),
        ("lanczos_5", lanczos(5), "Lanczos' kernel of five lobes, wider than the map."),
        ("gaussian_narrow", gaussian(0.25), "A Gaussian that ends at the next pixel: its weights do not sum to 1."),
        ("gaussian_half", gaussian(0.375), "A Gaussian that ends one pixel and a half away, in its window."),
        ("gaussian_wide", gaussian(1.5), "A Gaussian that is wider than the map."),
    ):
        seed = f"separable {name}"
        grid = clear(seed, (1, 1, 3), (4, 3), 0, 1.1)
        cases.append(
            _case(name, comment, "Interior", kernel, draw.dyadics(seed, 1, 1, 4, 3), grid, padding_mode="border")
        )
    return cases


def _shapes() -> list[Case]:
    keys_half = keys(-0.5)
    ramp = 16.0 * np.arange(4.0)[:, None] + np.arange(6.0)
    return [
        _case(
            "batch_2x2x3x5",
            "Two images of two channels, each with its own grid.",
            "Shape",
            keys_half,
            draw.dyadics("separable batch", 2, 2, 3, 5),
            clear("separable batch", (2, 1, 3), (3, 5), 0, 1.2),
            padding_mode="reflection",
        ),
        _case(
            "ramp_4x6",
            "The map is 16 y + x, which Keys' cubic with a = -1/2 gives back: the slopes tell the axes apart.",
            "AxisOrder",
            keys_half,
            ramp[None, None],
            clear("separable ramp", (1, 2, 2), (4, 6), 0, 0.25),
        ),
        *(
            _case(
                f"one_pixel_{name}{'_corners' if align_corners else ''}",
                f"A map of one pixel, under {KERNELS[name][1]}, border{', align_corners' if align_corners else ''}.",
                "OnePixel",
                KERNELS[name][0],
                [[[[3.0]]]],
                clear(f"one pixel {name}", (1, 1, 3), (1, 1), 0, 1.4, align_corners),
                padding_mode="border",
                align_corners=align_corners,
            )
            for name in ("tent", "lanczos")
            for align_corners in (False, True)
        ),
        _case(
            "one_row_reflection",
            "A row, mirrored again and again in y under a window of three pixels on each side.",
            "OnePixel Border",
            lanczos(3),
            row(ROW),
            clear("separable one row", (1, 1, 3), (1, 4), 0, 1.2),
            padding_mode="reflection",
        ),
        _case(
            "small_map_reflection_corners",
            "Two pixels: with align_corners the mirror image of a window turns around several times.",
            "Border",
            gaussian(0.75),
            row(ROW[:2]),
            clear("separable two", (1, 1, 3), (1, 2), 0, 1.2, True),
            padding_mode="reflection",
            align_corners=True,
        ),
        _case("empty_batch", "No image.", "Empty", keys_half, np.zeros((0, 1, 2, 2)), np.zeros((0, 2, 2, 2))),
        _case(
            "empty_output",
            "No samples: no gradient.",
            "Empty",
            keys_half,
            np.ones((1, 1, 2, 2)),
            np.zeros((1, 0, 3, 2)),
        ),
    ]


def _extremes() -> list[Case]:
    nan, inf = math.nan, math.inf
    far = {"zeros": "they are 0", "border": "they are those of the border", "reflection": "they are NaN"}
    map_4x4 = draw.dyadics("separable extremes", 1, 1, 4, 4)
    cases = [
        _case(
            f"not_finite_{padding}",
            f"NaN coordinates give NaN and touch nothing else; of infinite ones, {words} ({padding}).",
            "NonFinite",
            keys(-0.5),
            map_4x4,
            points((nan, 0.3125), (inf, 0.1875), (0.1875, -inf), (-inf, inf), (0.3125, nan), (0.3125, 0.1875)),
            padding_mode=padding,
        )
        for padding, words in far.items()
    ]
    cases += [
        _case(
            f"huge_{padding}",
            f"Huge finite coordinates, of no use as integers ({padding}).",
            "Huge",
            TENT,
            map_4x4,
            points((2.0**100, 0.3125), (0.1875, -(2.0**40)), (-(2.0**120), 2.0**120), (0.3125, 0.1875)),
            padding_mode=padding,
        )
        for padding in ("zeros", "border")
    ]
    cases.append(
        _case(
            "many_mirrors",
            "Coordinates that are mirrored a dozen times.",
            "Huge",
            CUBIC_B_SPLINE,
            map_4x4,
            points((24.828125, 0.3125), (0.1875, -25.171875)),
            padding_mode="reflection",
        )
    )
    for dtype, smallest in (("float32", 2.0**-142), ("float64", 2.0**-1068)):
        cases.append(
            _case(
                f"subnormal_{dtype}",
                f"A map and cotangents next to the smallest {dtype}: so are the results.",
                "Subnormal",
                CUBIC_B_SPLINE,
                draw.dyadics(f"subnormal {dtype}", 1, 1, 4, 4) * smallest,
                clear("separable subnormal", (1, 1, 3), (4, 4), 0, 0.8),
                cotangents={"gout": draw.dyadics(f"subnormal gout {dtype}", 1, 1, 1, 3) * smallest},
            )
        )
        cases.append(
            _case(
                f"creeping_{dtype}",
                f"One large cotangent and 63 small ones at one pixel: a plain {dtype} sum rounds each of them up.",
                "LongSum",
                CUBIC_B_SPLINE,
                draw.dyadics("separable creeping", 1, 1, 2, 2),
                np.zeros((1, 8, 8, 2)) + [0.1875, -0.1875],
                cotangents={"gout": draw.creeping(dtype, 64).reshape(1, 1, 8, 8)},
            )
        )
    for name, kernel in (("tent", TENT), ("keys", keys(-0.5)), ("lanczos", lanczos(2))):
        places = (float(np.float32((2 * x - 299) / 300)) for x in (0.3125, 88.6875, 150.1875, 298.8125))
        comment = f"A long row under {KERNELS[name][1].replace('three', 'two')}: the further from 0, the fewer digits."
        input = draw.dyadics(f"separable wide {name}", 1, 1, 1, 300)
        cases.append(_case(f"wide_{name}_1x300", comment, "Wide", kernel, input, off_y(*places), padding_mode="border"))
    return [
        *cases,
        _case(
            "cancellation",
            "A map that is constant but for its last digits: of its slopes nothing else is left.",
            "Cancellation",
            keys(-0.5),
            1024.0 + draw.dyadics("separable cancellation", 1, 1, 4, 4) / 4,
            clear("separable cancellation", (1, 1, 3), (4, 4), 0, 0.6),
            padding_mode="border",
        ),
    ]


def _refusals() -> list[Case]:
    fine = {"kernel": dict(TENT), "padding_mode": "zeros", "align_corners": False}
    shapes: dict[str, tuple[int, ...]] = {"input": (1, 1, 3, 3), "grid": (1, 2, 2, 2)}

    def refused(name: str, comment: str, given: Mapping[str, tuple[int, ...]] = shapes, **options: Any) -> Case:
        return call.refused(f"separable_sample/refused_{name}", comment, given, **{**fine, **options})

    return [
        refused("padding_mode", "A padding that there is not.", padding_mode="wrap"),
        refused("align_corners", "An align_corners that is a word.", align_corners="corners"),
        refused("lobes", "A Lanczos kernel without lobes.", kernel=lanczos(0)),
        refused("deviation", "A Gaussian with a negative deviation.", kernel=gaussian(-1.0)),
        refused("a", "Keys' cubic with a word for a.", kernel={"name": "keys", "a": "half"}),
        refused("input", "A map without channels' axis.", {**shapes, "input": (1, 3, 3)}),
        refused("no_pixels", "A map without pixels.", {**shapes, "input": (1, 1, 0, 3)}),
        refused("batch", "Grids for two images and one map.", {**shapes, "grid": (2, 2, 2, 2)}),
        refused("grid", "A grid of three coordinates.", {**shapes, "grid": (1, 2, 2, 3)}),
    ]


def cases() -> list[Case]:
    """Return the cases for separable_sample."""
    return [
        *_every_option(),
        *_full_precision(),
        *_lattice(),
        *_parameters(),
        *_shapes(),
        *_extremes(),
        *_refusals(),
    ]
