"""Cases for grid_sample (bilinear, zeros padding)."""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.samples import ROW, ROW_OF_FIVE, along_x, along_y, column, neighbours, off_y, points, row
from refwarp.golden.families.grid_sample.cases import both, case


def _basic() -> list[Case]:
    cases = []
    for name, comment, (n, c, h, w), (rows, columns), reach in (
        ("interior_3x4", "Ordinary samples of two channels.", (1, 2, 3, 4), (3, 3), 0.75),
        ("batch_2x3x5x4", "Two images with three channels each.", (2, 3, 5, 4), (2, 3), 1.25),
        ("tall_7x2", "A tall map and a wide output.", (1, 1, 7, 2), (1, 5), 1.25),
        ("upsampled_2x2", "More samples than pixels, some of them at the border.", (1, 1, 2, 2), (4, 4), 1.5),
        ("downsampled_8x8", "Fewer samples than pixels.", (1, 1, 8, 8), (2, 2), 1.0),
    ):
        grid = draw.coordinates(name, n, rows, columns, 2, reach=reach)
        cases += both(name, comment, "Interior Shape", draw.dyadics(name, n, c, h, w), grid)
    for dtype in ("float32", "float64"):
        name = f"full_{dtype}"
        grid = draw.full(f"{name} grid", 1, 3, 4, 2, dtype=dtype, reach=1.2)
        given = {
            "gout": draw.full(f"{name} gout", 1, 2, 3, 4, dtype=dtype),
            "cotangent_input": draw.full(f"{name} A", 1, 2, 5, 6, dtype=dtype),
            "cotangent_grid": draw.full(f"{name} b", 1, 3, 4, 2, dtype=dtype),
        }
        comment = f"Every bit of {dtype} is used, in the map, the coordinates and the cotangents."
        input = draw.full(name, 1, 2, 5, 6, dtype=dtype, reach=4.0)
        cases += both(name, comment, "FullPrecision", input, grid, cotangents=given)
    ramp = 16.0 * np.arange(4.0)[:, None] + np.arange(8.0)
    cases += both(
        "ramp_4x8",
        "The map is 16 y + x: its samples are their coordinates, and its slopes tell the axes apart.",
        "Interior AxisOrder",
        ramp[None, None],
        draw.coordinates("ramp", 1, 2, 3, 2, reach=0.5),
    )
    return cases


def _kinks() -> list[Case]:
    fourths = (np.arange(4.0) - 1.5) / 2
    halves = (np.arange(5.0) - 2.0) / 2
    width_40 = ((2 * np.arange(40.0) + 1) / 40 - 1).astype(np.float32)
    ramp = row([0.0, 0.25, 0.5, 0.75, 1.0])
    kink = "acceptable"
    return [
        case(
            "row_at_pixel",
            "The row (1, 5, 2, 9) at x = 1: right -3, left 4, central 1/2, literal 5, times dx/dg = 2.",
            "Kink FloorMeetsCeil",
            row(ROW),
            along_x(-0.25),
            result=kink,
            cotangents={"gout": np.ones((1, 1, 1, 1))},
        ),
        case(
            "row_at_pixels",
            "Each pixel of a row; at the ends one side of the kink is padding.",
            "Kink Border",
            row(ROW),
            along_x(*fourths),
            result=kink,
        ),
        case(
            "column_at_pixels",
            "The same along y.",
            "Kink Border AxisOrder",
            column(ROW),
            along_y(*fourths),
            result=kink,
        ),
        case(
            "row_at_corners",
            "Each pixel of a row of five: with align_corners, -1 and 1 are the outermost ones.",
            "Kink Border",
            row(ROW_OF_FIVE),
            along_x(*halves),
            align_corners=True,
            result=kink,
        ),
        case(
            "row_one_pixel_beyond",
            "x = -1 and x = W: the value is 0, but the derivative from inside is not.",
            "Kink Outside",
            row(ROW),
            along_x(-1.25, 1.25),
            result=kink,
        ),
        case(
            "ramp_at_pixel",
            "A ramp, where even a pixel has a derivative; ceil(x) for the upper neighbour makes it 0.",
            "Kink FloorMeetsCeil",
            ramp,
            along_x(-0.5, 0.5),
            align_corners=True,
            result=kink,
        ),
        case(
            "both_axes_at_pixels",
            "Two channels, samples on the lattice along x, along y, and along both.",
            "Kink",
            draw.dyadics("both axes", 1, 2, 4, 4),
            points((-0.25, 0.125), (0.375, 0.25), (0.25, -0.75), (0.75, 0.75)),
            result=kink,
        ),
        case(
            "zero_of_three",
            "0 and -0 are the pixel in the middle of three.",
            "Kink TinyCoordinate",
            row([1.0, 0.0, 1.0]),
            along_x(0.0, -0.0),
            result=kink,
        ),
        case(
            "identity_4x4",
            "The identity: every sample on the lattice, and the output is the map.",
            "Kink IdentityNotExact",
            draw.dyadics("identity", 1, 1, 4, 4),
            np.stack(np.meshgrid(fourths, fourths), -1)[None],
            result=kink,
        ),
        case(
            "identity_5x5_corners",
            "The identity with align_corners.",
            "Kink IdentityNotExact",
            draw.dyadics("identity corners", 1, 1, 5, 5),
            np.stack(np.meshgrid(halves, halves), -1)[None],
            align_corners=True,
            result=kink,
        ),
        case(
            "identity_float32_40",
            "The identity of width 40, rounded to float32: 8 samples on the lattice, 16 left of it, 16 right.",
            "Kink NearSeam",
            draw.dyadics("identity 40", 1, 1, 1, 40),
            along_x(*width_40.tolist()),
            result=kink,
        ),
    ]


def _borders() -> list[Case]:
    map_3x4 = draw.dyadics("borders", 1, 2, 3, 4)
    ends = points((-1.0, 0.125), (1.0, 0.125), (0.125, -1.0), (0.125, 1.0), (-1.0, -1.0), (1.0, -1.0))
    return [
        case("ends_3x4", "The outer edges and corners of the map: half of a pixel is there.", "Border", map_3x4, ends),
        *both(
            "beyond_3x4",
            "Just beyond 1: within a pixel of the map, so it still fades out.",
            "Border",
            map_3x4,
            points((-1.125, 0.125), (1.125, 0.125), (0.125, 1.0625), (1.0625, -1.0625)),
        ),
        *both(
            "outside_3x4",
            "Far beyond 1 on one axis or on both.",
            "Outside",
            map_3x4,
            points((-3.0, 0.125), (3.0, 0.125), (0.125, 4.0), (-4.0, -4.0), (65504.0, 0.125)),
        ),
        *(
            one
            for dtype in ("float16", "float32", "float64")
            for one in both(
                f"next_to_one_{dtype}",
                f"The neighbours of -1 and 1 among the {dtype} numbers.",
                "Border NearSeam",
                row(ROW),
                off_y(*neighbours(-1.0, dtype), *neighbours(1.0, dtype)),
            )
        ),
    ]


def _refused(
    name: str, comment: str, input: tuple[int, ...] = (1, 1, 2, 2), grid: tuple[int, ...] = (1, 1, 1, 2), **options: Any
) -> Case:
    defaults = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False}
    inputs = {"input": np.ones(input), "grid": np.zeros(grid)}
    return Case(f"grid_sample/{name}", {**defaults, **options}, inputs, ("Refused",), comment, "invalid")


def _refusals() -> list[Case]:
    return [
        _refused("refused_coordinates", "A grid with three coordinates.", grid=(1, 1, 1, 3)),
        _refused("refused_batch", "Two images and one grid.", input=(2, 1, 2, 2)),
        _refused("refused_axes", "A map without an axis of channels.", input=(1, 2, 2)),
        _refused("refused_no_columns", "A map without columns.", input=(1, 1, 2, 0)),
        _refused("refused_mode", "A mode that there is not.", mode="quintic"),
        _refused("refused_padding", "A padding that there is not.", padding_mode="ones"),
        _refused("refused_kink", "A kink rule that there is not.", kink="both"),
        _refused("refused_kink_of_nearest", "A kink rule for samples that have no kinks.", mode="nearest", kink="left"),
        _refused("refused_align_corners", "An align_corners that is a word.", align_corners="corners"),
    ]


def cases() -> list[Case]:
    """Return the ordinary cases, those at kinks and borders, and the refusals."""
    return [*_basic(), *_kinks(), *_borders(), *_refusals()]
