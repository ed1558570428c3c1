"""Cases for auxiliary_grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import refused

THETA = [[[0.75, -0.5, 0.25], [0.125, 1.5, -0.5]]]


def case(
    name: str,
    comment: str,
    flags: str,
    grid: npt.ArrayLike,
    noise: npt.ArrayLike,
    theta: npt.ArrayLike | None = None,
    **options: Any,
) -> Case:
    """Return one case; by default for a map of 4 x 8 pixels, with deviations of one pixel."""
    given = {"map_size": [4, 8], "deviation": 1.0, "collapse_deviation": 1.0, "displaced_in": "target"}
    inputs = {"grid": grid, "noise": noise} | ({} if theta is None else {"theta": theta})
    arrays = {key: np.asarray(array, dtype=np.float64) for key, array in inputs.items()}
    options = {**given, "align_corners": False, **options}
    return Case(f"auxiliary_grid/{name}", options, arrays, tuple(flags.split()), comment)


def noise_for(name: str, *shape: int, reach: float = 1.5) -> npt.NDArray[np.float64]:
    """Return noise for so many images, rows, columns and samples."""
    return draw.coordinates(f"{name} noise", 2, *shape, 2, reach=reach)


def _transformed() -> Iterator[Case]:
    for rows, columns in ((2, 3), (1, 3), (3, 1), (1, 1)):
        for align_corners in (False, True):
            for by in ("theta", "grid"):
                name = f"{by}_{rows}x{columns}" + "_corners" * align_corners
                single = 1 in (rows, columns)
                words = "is affine, and given" if by == "theta" else "is interpolated between the points of its grid"
                if single and by == "grid":
                    words += "; along an axis of one point it is constant"
                yield case(
                    name,
                    f"{rows} x {columns} pixels; the transformation {words}." + " align_corners." * align_corners,
                    "OnePixel" if single else "Interior",
                    draw.coordinates(name, 1, rows, columns, 2),
                    noise_for(name, 1, rows, columns, 2),
                    THETA if by == "theta" else None,
                    map_size=[5, 7],
                    align_corners=align_corners,
                )
    corners = [[[0.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [3.0, 5.0]]]
    for name, first, words in (
        ("between_points", [0.5, 0.5], "half a pixel further in x and y: the mean of the four points"),
        ("on_points", [1.0, 1.0], "exactly one pixel further: the next points, and beyond them"),
        ("beyond_points", [-2.25, 3.75], "some pixels outside: the outermost cell goes on"),
    ):
        noise = np.zeros((2, 1, 2, 2, 1, 2))
        noise[0, ..., :] = first
        yield case(
            f"interpolated_{name}",
            f"A grid that no affine transformation makes, and samples {words}.",
            "Interior" if name == "between_points" else "Border",
            [corners],
            noise,
        )
    yield case(
        "batch_2",
        "Two images, each with a transformation and noise of its own.",
        "Shape",
        draw.coordinates("batch", 2, 2, 2, 2),
        noise_for("batch", 2, 2, 2, 2),
        [*THETA, [[0.25, 0.0, 0.0], [0.0, 3.0, 0.5]]],
    )
    yield case(
        "wide_1x40",
        "A row of 40 points: a fraction taken from j + displacement loses the digits that j has.",
        "Wide",
        draw.coordinates("wide", 1, 1, 40, 2),
        noise_for("wide", 1, 1, 40, 1) * 2.0**-8,
    )


def _deviations() -> Iterator[Case]:
    grid, noise = draw.coordinates("deviations", 1, 2, 2, 2), noise_for("deviations", 1, 2, 2, 2)
    for name, comment, options in (
        ("none", "No noise at all: every sample is its point.", {"deviation": 0.0, "collapse_deviation": 0.0}),
        ("pairs", "Deviations of their own in x and y.", {"deviation": [0.5, 2.0], "collapse_deviation": [0.25, 1.5]}),
        ("first", "The first noise alone, which the transformation spreads.", {"collapse_deviation": 0.0}),
        ("second", "The second noise alone: pixels of the map, whatever the transformation.", {"deviation": 0.0}),
        (
            "released",
            "The released program: noise of a quarter of an output pixel, after the transformation.",
            {"deviation": 0.25, "collapse_deviation": 0.0, "displaced_in": "source"},
        ),
        (
            "source_corners",
            "Noise after the transformation: an output pixel is 2 / W wide, whatever align_corners.",
            {"displaced_in": "source", "align_corners": True},
        ),
    ):
        flags = "ReleasedProgram" if "displaced_in" in options else "Interior"
        yield case(f"deviation_{name}", comment, flags, grid, noise, **options)
    yield case(
        "collapse",
        "A transformation that takes all pixels to one point: the second noise keeps samples apart.",
        "Interior",
        np.zeros((1, 2, 2, 2)),
        noise,
        np.zeros((1, 2, 3)),
    )
    yield case(
        "map_of_one_pixel",
        "A map of one pixel, which is 2 wide, with align_corners too.",
        "OnePixel",
        grid,
        noise,
        map_size=[1, 1],
        align_corners=True,
    )


def _precision() -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        noise = draw.full(f"noise {dtype}", 2, 1, 2, 3, 2, 2, dtype=dtype, reach=2.0)
        grid = draw.full(f"grid {dtype}", 1, 2, 3, 2, dtype=dtype)
        for name, theta, options in (
            ("grid", None, {}),
            ("theta", draw.full(f"theta {dtype}", 1, 2, 3, dtype=dtype, reach=2.0), {}),
            ("source", None, {"displaced_in": "source"}),
        ):
            yield case(
                f"full_{dtype}_{name}",
                f"Every bit of {dtype} is used; transformed by {'nothing' if name == 'source' else name}.",
                "FullPrecision",
                grid,
                noise,
                theta,
                map_size=[5, 7],
                **options,
            )
        tiny = 2.0**-140 if dtype == "float32" else 2.0**-1066
        yield case(
            f"subnormal_{dtype}",
            f"Points and noise that are subnormal {dtype} numbers.",
            "Subnormal",
            draw.dyadics("subnormal", 1, 2, 2, 2) * tiny,
            noise_for("subnormal", 1, 2, 2, 2) * tiny * 2.0**8,
        )
    almost = np.array([[[0.75, 0.0, 0.375], [0.0, 0.75, 0.375]]])
    noise = np.full((2, 1, 2, 2, 1, 2), 2.0**-8)
    yield case(
        "cancelling",
        "Terms that cancel but for the noise, which is small.",
        "Cancellation",
        np.zeros((1, 2, 2, 2)),
        noise,
        almost,
    )


def _rest() -> Iterator[Case]:
    grid, noise = draw.coordinates("non-finite", 1, 2, 3, 2), noise_for("non-finite", 1, 2, 3, 1)
    for name, words, value in (("nan", "NaN", math.nan), ("infinite", "infinite", math.inf)):
        holed = grid.copy()
        holed[0, 0, 1, 0] = value
        yield case(
            f"{name}_point",
            f"A point of the grid with an x that is {words}: so are the samples of the cells around it, in x alone.",
            "NonFinite",
            holed,
            noise,
        )
        yield case(
            f"{name}_point_source",
            f"A point of the grid with an x that is {words}: so are its own samples, and no other's.",
            "NonFinite",
            holed,
            noise,
            displaced_in="source",
        )
    yield case("empty_batch", "No image.", "Empty", np.zeros((0, 2, 2, 2)), np.zeros((2, 0, 2, 2, 3, 2)))
    yield case("no_samples", "No samples.", "Empty", draw.coordinates("no", 1, 2, 2, 2), np.zeros((2, 1, 2, 2, 0, 2)))
    fine = {"grid": (1, 2, 2, 2), "noise": (2, 1, 2, 2, 3, 2)}
    good = {"map_size": [4, 4], "displaced_in": "target", "align_corners": False}
    for name, comment, shapes, options in (
        ("noise", "Noise for one displacement instead of two.", {"noise": (1, 1, 2, 2, 3, 2)}, {}),
        ("grid", "A grid without batch.", {"grid": (2, 2, 2)}, {}),
        ("map_size", "A map without rows.", {}, {"map_size": [0, 4]}),
        ("deviation", "A negative deviation.", {}, {"deviation": -0.5}),
        ("displaced_in", "A displaced_in that there is not.", {}, {"displaced_in": "map"}),
        ("theta_batch", "Two matrices for one image.", {"theta": (2, 2, 3)}, {}),
        ("theta_unused", "A matrix where nothing is transformed.", {"theta": (1, 2, 3)}, {"displaced_in": "source"}),
    ):
        yield refused(f"auxiliary_grid/refused_{name}", comment, {**fine, **shapes}, **{**good, **options})


def cases() -> list[Case]:
    """Return the cases for auxiliary_grid."""
    parts = (_transformed, _deviations, _precision, _rest)
    return [one for part in parts for one in part()]
