"""Cases for linearized_sample: which samples count, fits that are not determined, NaN, and refusals."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import refused
from refwarp.golden.families.linearized.cases import case

NAN, INF = math.nan, math.inf


def one(*points: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return a grid of the first point, and the others as its auxiliary samples."""
    centre, *others = points
    return np.array(centre)[None, None, None], np.array(others, dtype=np.float64).reshape(1, 1, 1, len(others), 2)


def _conventions() -> Iterator[Case]:
    map_4x4 = draw.dyadics("conventions", 1, 1, 4, 4)
    for name, comment, flags, points, options in (
        (
            "borders_count",
            "Samples with x = 1 or y = -1 lie inside; one with x = 1 + 2^-10 does not.",
            "Masked Border",
            ((0.8125, -0.6875), (1.0, -0.5), (0.75, -1.0), (0.4375, -0.375), (1.0 + 2.0**-10, -0.75)),
            {},
        ),
        (
            "offsets_count",
            "Offsets of exactly 1 are kept by the released program's mask; one of 1 + 2^-9 is not.",
            "Masked",
            ((-0.375, -0.25), (0.625, 0.25), (-0.5, 0.75), (-0.125, -0.5), (0.625 + 2.0**-9, 0.5)),
            {"mask": "offset"},
        ),
        (
            "all_masked",
            "All samples lie outside: no plane, and the value is the bilinear sample.",
            "Masked Undetermined",
            ((0.875, 0.25), (1.25, 0.25), (1.125, 0.5), (1.5, -0.125)),
            {},
        ),
        (
            "all_masked_tikhonov",
            "All samples lie outside; with Tikhonov's weights the plane is 0, and so the same.",
            "Masked Undetermined",
            ((0.875, 0.25), (1.25, 0.25), (1.125, 0.5), (1.5, -0.125)),
            {"tikhonov": 0.5},
        ),
        (
            "centre_outside",
            "A point beyond the reach of the map, and samples inside: the plane is theirs, and leads back.",
            "Outside Masked",
            ((1.625, 0.25), (0.875, 0.25), (0.625, -0.375), (0.25, 0.5), (2.5, 0.125)),
            {},
        ),
        (
            "far_spike",
            "A point where the map is flat: its bilinear gradient is 0, and the plane's is not.",
            "Interior",
            ((0.0625, 0.0625), (-0.6875, -0.6875), (0.8125, -0.6875), (-0.6875, 0.8125), (0.8125, 0.8125)),
            {},
        ),
        (
            "on_a_line",
            "Samples exactly on a slanted line determine no plane: A = 0, and the value is the bilinear sample.",
            "Undetermined",
            ((0.125, -0.25), (0.25, 0.0), (0.375, 0.25), (0.5, 0.5), (-0.125, -0.75)),
            {},
        ),
        (
            "on_a_line_tikhonov",
            "Samples exactly on a slanted line, and Tikhonov's weights: the slope across the line is 0.",
            "Undetermined",
            ((0.125, -0.25), (0.25, 0.0), (0.375, 0.25), (0.5, 0.5), (-0.125, -0.75)),
            {"tikhonov": 0.5},
        ),
        (
            "on_a_line_bias_free",
            "Samples exactly on a slanted line that misses the point: a plane through that is determined all the same.",
            "Interior",
            ((0.125, -0.25), (0.375, 0.0), (0.5, 0.25), (0.625, 0.5), (0.0, -0.75)),
            {"intercept": "bias-free"},
        ),
        (
            "on_a_line_through_the_point_bias_free",
            "Samples exactly on a slanted line through the point determine no plane through that either.",
            "Undetermined",
            ((0.125, -0.25), (0.25, 0.0), (0.375, 0.25), (0.5, 0.5), (-0.125, -0.75)),
            {"intercept": "bias-free"},
        ),
        (
            "centre_outside_bias_free",
            "A point beyond the reach of the map, and samples inside: the plane goes through the padding's 0.",
            "Outside Masked",
            ((1.625, 0.25), (0.875, 0.25), (0.625, -0.375), (0.25, 0.5), (2.5, 0.125)),
            {"intercept": "bias-free"},
        ),
        (
            "at_one_point",
            "All samples at one point determine no plane.",
            "Undetermined",
            ((0.125, -0.25), (0.375, 0.25), (0.375, 0.25), (0.375, 0.25)),
            {},
        ),
        (
            "all_at_the_centre",
            "All samples at the point itself: with Tikhonov's weights the plane is 0.",
            "Undetermined",
            ((0.125, -0.25), (0.125, -0.25), (0.125, -0.25), (0.125, -0.25)),
            {"tikhonov": 0.5},
        ),
        (
            "on_pixels",
            "The point and its samples exactly on pixels, where a bilinear gradient has kinks and the plane has none.",
            "Interior",
            ((-0.25, 0.25), (0.25, 0.25), (-0.75, 0.75), (-0.25, -0.75), (0.75, -0.25)),
            {},
        ),
    ):
        flat = np.zeros((1, 1, 4, 4))
        flat[..., 0, 0] = 1.0
        grid, auxiliary = one(*points)
        yield case(name, comment, flags, flat if name == "far_spike" else map_4x4, grid, auxiliary, **options)


def _non_finite() -> Iterator[Case]:
    map_4x4 = draw.dyadics("non-finite", 1, 1, 4, 4)
    near = ((0.25, 0.5), (-0.375, 0.125), (0.5, -0.4375))
    for name, comment, centre, others, options in (
        ("nan_point", "A point at NaN: value and slope are NaN, and the map gets nothing.", (NAN, 0.125), near, {}),
        (
            "nan_sample",
            "A sample at NaN is neither in nor out: value and slope are NaN.",
            (0.125, 0.25),
            (*near, (0.5, NAN)),
            {},
        ),
        (
            "nan_sample_outside",
            "A sample at x = 3 and y = NaN lies outside, and is masked.",
            (0.125, 0.25),
            (*near, (3.0, NAN)),
            {},
        ),
        ("infinite_point", "A point at infinity: value and slope are 0.", (INF, 0.125), near, {}),
        (
            "infinite_point_border",
            "A point at infinity sees the border; its slope is 0.",
            (0.125, -INF),
            near,
            {"padding_mode": "border"},
        ),
        (
            "infinite_point_reflection",
            "A point at infinity has no mirror image: value and slope are NaN.",
            (0.125, -INF),
            near,
            {"padding_mode": "reflection"},
        ),
        (
            "infinite_sample",
            "A sample at infinity takes no part under any mask.",
            (0.125, 0.25),
            (*near, (INF, 0.125)),
            {"mask": "none"},
        ),
        (
            "huge_sample",
            "A sample beyond 2^500 pixels takes no part under any mask.",
            (0.125, 0.25),
            (*near, (2.0**600, 0.125)),
            {"mask": "none"},
        ),
    ):
        grid, auxiliary = one(centre, *others)
        yield case(name, comment, "NonFinite" if "huge" not in name else "Huge", map_4x4, grid, auxiliary, **options)
    holed = draw.dyadics("holed", 1, 1, 8, 8)
    holed[..., 0, 7] = NAN
    grid, auxiliary = one((-0.5, 0.4375), (-0.3125, 0.1875), (-0.6875, 0.625), (-0.125, 0.6875), (1.0625, -0.9375))
    yield case(
        "masked_nan_pixel",
        "A sample outside the map, beside a pixel that is NaN: it is masked, and the NaN not seen.",
        "NonFinite Masked",
        holed,
        grid,
        auxiliary,
    )


def _refusals() -> Iterator[Case]:
    fine = {"input": (1, 1, 3, 3), "grid": (1, 1, 2, 2), "auxiliary": (1, 1, 2, 4, 2)}
    for name, comment, shapes, options in (
        ("auxiliary_4d", "Auxiliary samples without an axis to count them.", {"auxiliary": (1, 1, 2, 2)}, {}),
        ("auxiliary_grid", "Auxiliary samples for fewer points than the grid has.", {"auxiliary": (1, 1, 1, 4, 2)}, {}),
        ("batch", "Two grids and one map.", {"grid": (2, 1, 2, 2), "auxiliary": (2, 1, 2, 4, 2)}, {}),
        ("no_pixels", "A map without rows.", {"input": (1, 1, 0, 3)}, {}),
        ("mask", "A mask that there is not.", {}, {"mask": "inside"}),
        ("tikhonov_negative", "A negative Tikhonov weight.", {}, {"tikhonov": -1.0}),
        ("tikhonov_two", "Two Tikhonov weights.", {}, {"tikhonov": [0.5, 0.5]}),
        ("input_gradient", "An input_gradient that there is not.", {}, {"input_gradient": "all"}),
        ("padding_mode", "A padding that there is not.", {}, {"padding_mode": "wrap"}),
    ):
        yield refused(f"linearized_sample/refused_{name}", comment, {**fine, **shapes}, **options)


def cases() -> list[Case]:
    """Return the cases for the conventions of linearized_sample."""
    parts = (_conventions, _non_finite, _refusals)
    return [one for part in parts for one in part()]
