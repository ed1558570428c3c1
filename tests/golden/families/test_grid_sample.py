"""The truth about grid_sample: its values, its sensitivities and its seams."""

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact.bicubic import keys, keys_curvature, keys_slope
from refwarp.golden import grades
from refwarp.golden.build import build
from refwarp.golden.case import is_exact
from refwarp.golden.families.grid_sample import bicubic, bilinear, nearest
from refwarp.golden.families.grid_sample import extremes as bilinear_extremes
from refwarp.golden.families.grid_sample import padding as grid_sample_padding
from refwarp.golden.families.grid_sample import truth as grid_sample
from refwarp.golden.judging import slopes
from refwarp.golden.judging.answer import numbers
from refwarp.golden.judging.sampler import OUTPUTS, Call, Image, outputs
from refwarp.golden.judging.seams import MOVE, seams
from refwarp.golden.operations import OPERATIONS
from tests.golden.families import plain_sampler

FAMILIES = bilinear, bilinear_extremes, grid_sample_padding, nearest, bicubic
CASES = [case for family in FAMILIES for case in family.cases() if case.result != "invalid"]
MODES, PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
OWN = {"bilinear": "right", "nearest": "even", "bicubic": ""}


def values(nested) -> list:
    """Return the values of nested sums, in order."""
    if isinstance(nested, list | np.ndarray):
        return [value for part in nested for value in values(part)]
    return [nested.value]


def by_plain_sampler(case, convert):
    """Return all outputs of a case as the plain sampler gives them, by "part/output"."""
    found = {}
    for call in OPERATIONS["grid_sample"]:
        arrays = [convert(case.inputs[name]) for name in call.arguments]
        results = getattr(plain_sampler, call.function("grid_sample"))(*arrays, **case.options)
        found.update(zip(call.paths(), results if isinstance(results, tuple) else (results,), strict=True))
    return found


# ---- values ----


@pytest.mark.parametrize("mode", MODES)
def test_the_plain_sampler_on_rational_numbers_is_the_truth(mode):
    """Other formulas, the same numbers. A third of the cases, for time."""
    count = 0
    for case in CASES[::3]:
        if case.options["mode"] == mode and "Wide" not in case.flags:
            exact = grid_sample.answers(case, OWN[mode])
            plain = by_plain_sampler(case, lambda array: np.array(numbers(array), object).reshape(array.shape))
            for path, answer in exact.items():
                for one, other in zip(values(answer.sums), plain[path].ravel(), strict=True):
                    assert one == other or (math.isnan(one) and math.isnan(other)), (case.name, path)
            count += 1
    assert count > 40


def test_families_have_cases_of_all_kinds():
    """Each mode with each padding and both rules for corners, and each with and without conventions."""
    kinds = Counter(tuple(case.options[name] for name in ("mode", "padding_mode", "align_corners")) for case in CASES)
    assert len(kinds) == len(MODES) * len(PADDINGS) * 2 and min(kinds.values()) >= 20
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("padding", "x", "expected"),
    [
        ("zeros", -0.5, {"even": 1, "up": 1, "away": 0}),
        ("zeros", 0.5, {"even": 1, "up": 5, "away": 5}),
        ("zeros", 1.5, {"even": 2, "up": 2, "away": 2}),
        ("zeros", 3.5, {"even": 0, "up": 0, "away": 0}),
        ("border", -0.5, {"even": 1, "up": 1, "away": 1}),
        ("border", 4.5, {"even": 9, "up": 9, "away": 9}),
        # The mirror of -3/2 is 1/2, with pixel 1 at -2 and pixel 0 at -1.
        ("reflection", -1.5, {"even": 1, "up": 1, "away": 5}),
        ("reflection", 4.5, {"even": 2, "up": 2, "away": 9}),
    ],
)
def test_ties(padding, x, expected):
    """The row (1, 5, 2, 9), halfway between two pixels."""
    call = Call("nearest", padding, False, 1, 4)
    for ties, value in expected.items():
        samples = call.samples([[(F((2 * x - 3) / 4), F(0))]], ties)
        image = Image([[[0] * 4]], [[[0, 0]]], [[[1]]], [[[1, 5, 2, 9]]], None)
        assert values(outputs(image, samples, call.scales)["forward/output"]) == [value], ties


@pytest.mark.parametrize(
    ("mode", "padding", "x", "rules"),
    [
        ("bilinear", "zeros", 1.0, 4),
        ("bilinear", "zeros", 1.5, 1),
        ("bilinear", "reflection", -1.0, 5),
        ("nearest", "zeros", 1.0, 1),
        ("nearest", "zeros", 1.5, 3),
        ("bicubic", "zeros", 1.0, 1),
        ("bicubic", "zeros", 1.5, 1),
    ],
)
def test_conventions_are_asked_for_where_they_decide(mode, padding, x, rules):
    grid = bilinear.off_y((2 * x - 3) / 4)
    case = bilinear.case("x", "X.", "Kink", bilinear.row(bilinear.ROW), grid, mode=mode, padding_mode=padding)
    assert len(grid_sample.conventions(case)) == rules


# ---- sensitivity ----

small = st.fractions(-4, 4, max_denominator=32)
steps = st.fractions(-1, 1, max_denominator=64)
HEIGHT, WIDTH = 3, 4
planes = st.lists(st.lists(small, min_size=WIDTH, max_size=WIDTH), min_size=HEIGHT, max_size=HEIGHT)


def one_sample(call, x, y, plane, cotangents):
    """Return an image with one sample, at the pixel coordinates (x, y)."""
    a, g, bx, by = cotangents
    point = [(2 * z - size + 1) / (2 * scale) for z, size, scale in zip((x, y), call.sizes, call.scales, strict=True)]
    return Image([a], [[[bx, by]]], [[[g]]], [plane], [[point]])


def outputs_of(call, image):
    found = outputs(image, call.samples(image.grid, OWN[call.mode]), call.scales)
    return {path: np.array(values(sums), object) for path, sums in found.items()}


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@settings(max_examples=60)
@given(
    st.sampled_from(PADDINGS),
    st.booleans(),
    st.tuples(small, small),
    st.tuples(steps, st.just(F(0))).flatmap(st.permutations) | st.tuples(steps, steps),
    planes,
    st.tuples(planes, small, small, small),
    st.integers(0, 2),
)
def test_g_bounds_how_far_an_element_moves(mode, padding, corners, point, move, plane, cotangents, only):
    """What is continuous, for any move of up to a pixel; what jumps, within its cell. Rounded weights are left out.

    The reaches are the moves themselves, and one cotangent is there at a time, so that each term has to hold alone.
    """
    call = Call(mode, padding, corners, HEIGHT, WIDTH)
    a, g, *b = cotangents
    a = a if only == 0 else [[F(0)] * WIDTH] * HEIGHT
    b = [value if only == axis + 1 else F(0) for axis, value in enumerate(b)]
    moved = [z + step for z, step in zip(point, move, strict=True)]
    here, there = (one_sample(call, *at, plane, (a, g, *b)) for at in (point, moved))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(slopes.KERNELS, mode, slopes.KERNELS[mode]._replace(R=(0, 0, 0)))
        reaches = iter(move)
        patch.setattr(slopes, "reach", lambda g, size, scale: abs(next(reaches)))
        bounds = slopes.sensitivities(call, here, OWN[mode])
    before, after = outputs_of(call, here), outputs_of(call, there)
    same_cell = all(math.floor(z) == math.floor(z + step) and z % 1 != 0 for z, step in zip(point, move, strict=True))
    for path, bound in bounds.items():
        if same_cell or path not in grid_sample.JUMPS[mode][1]:
            assert np.all(np.abs(after[path] - before[path]) <= bound.ravel()), path


@settings(max_examples=40)
@given(st.booleans(), st.fractions(2, 9, max_denominator=32), steps, planes, st.tuples(planes, small, small, small))
def test_g_holds_for_any_move_where_the_mirror_is_far(corners, g, share, plane, cotangents):
    """A reflected coordinate beyond 2 may move by pixels: g by 2 share |g|, at most."""
    call = Call("bilinear", "reflection", corners, HEIGHT, WIDTH)
    x, y = (call.coordinate(g + F(1, 64), size) for size in call.sizes)
    here = one_sample(call, x, y, plane, cotangents)
    reaches = [slopes.reach(g + F(1, 64), size, 1) for size in call.sizes]
    there = one_sample(call, x + share * reaches[0], y - share * reaches[1], plane, cotangents)
    before, after = outputs_of(call, here), outputs_of(call, there)
    bounds = slopes.sensitivities(call, here, "right")
    for path in ("forward/output", "vjp/ginput"):
        assert np.all(np.abs(after[path] - before[path]) <= abs(share) * bounds[path].ravel()), path


def test_g_is_zero_where_nothing_can_move():
    constant, one = ([[F(number)] * 12 for _ in range(12)] for number in (3, 1))
    call = Call("bilinear", "zeros", False, 12, 12)
    inside = Image([one], [[[1, 1]]], [[[1]]], [constant], [[[F(1, 100), F(1, 50)]]])
    assert slopes.sensitivities(call, inside, "right")["forward/output"].item() == 0
    for away in (F(5), math.inf, math.nan):
        outside = inside._replace(grid=[[[away, F(0)]]])
        assert all(not bound.any() for bound in slopes.sensitivities(call, outside, "right").values())


def test_the_constants_of_the_bicubic_kernel():
    """The largest sums of absolute values: of weights, and of the differences' weights. Their maxima are at 64ths."""
    a, kernel = F(-3, 4), slopes.BICUBIC
    jerk = {-1: 6 * a, 0: 6 * (a + 2), 1: -6 * (a + 2), 2: -6 * a}
    orders = [lambda f, n, k=k: k(f - n, a) for k in (keys, keys_slope, keys_curvature)] + [lambda f, n: jerk[n]]
    for p, order in enumerate(orders):
        weights = [[order(F(i, 64), n) for n in (-1, 0, 1, 2)] for i in range(64)]
        assert max(sum(map(abs, row)) for row in weights) == kernel.L[p]
        running = [[sum(row[: n + 1]) for n in range(3)] for row in weights]
        across = running if kernel.differences[p] else weights
        assert max(sum(map(abs, row)) for row in across) == kernel.C[p]


# ---- seams ----


@settings(max_examples=60)
@given(
    st.sampled_from(MODES),
    st.sampled_from(PADDINGS),
    st.booleans(),
    st.integers(-2, WIDTH + 1),
    st.tuples(st.sampled_from([-1, 1]), st.integers(1, 40)),
    small,
    planes,
    st.tuples(planes, small, small, small),
)
def test_hulls_hold_both_sides_of_a_seam(mode, padding, corners, column, off, y, plane, cotangents):
    """A sample next to a seam in x, and the same one as far on its other side: that one's elements are in the hull."""
    call, (offset, paths) = Call(mode, padding, corners, HEIGHT, WIDTH), grid_sample.JUMPS[mode]
    step = off[0] * MOVE / off[1] / 2
    here, there = (one_sample(call, column + offset + d, y + F(1, 7), plane, cotangents) for d in (step, -step))
    shapes = {path: (1, *np.array(getattr(here, OUTPUTS[path]), object).shape) for path in paths}
    found = seams(call, [here], shapes, [OWN[mode]], offset, MOVE, True)
    bounds, other = slopes.sensitivities(call, here, OWN[mode]), outputs_of(call, there)
    before = outputs_of(call, here)
    for path in paths:
        low, high = before[path], before[path]
        if path in found:
            low, high = (np.array([F(v) for v in found[path][end].ravel()], object) for end in ("low", "high"))
            assert found[path]["distance"].min() <= abs(step)
        slack = MOVE * bounds[path].ravel()
        assert np.all((low - slack <= other[path]) & (other[path] <= high + slack)), path


def test_samples_clear_of_seams_have_no_hull():
    for case in CASES:
        if "Interior" in case.flags and case.options["padding_mode"] != "zeros":
            assert not grid_sample.hulls(case), case.name


def test_a_sample_on_a_seam_stays_there_but_in_a_case_near_it():
    on_pixel, gout = bilinear.off_y(-0.25), {"gout": np.ones((1, 1, 1, 1))}
    stays, near = (
        bilinear.case("x", "X.", flag, bilinear.row(bilinear.ROW), on_pixel, cotangents=gout)
        for flag in ("Kink", "NearSeam")
    )
    assert not grid_sample.hulls(stays)
    hull = grid_sample.hulls(near)["vjp/ggrid"][0, 0, 0, 0]
    # Slopes of -3 and 4, and 5 by the rule literal, times dx/dg = 2 and the row's weight.
    assert (hull["low"], hull["high"], hull["distance"]) == (-6 * 15 / 16, 10 * 15 / 16, 0.0)


# ---- the grades that follow ----


def test_a_plain_sampler_is_of_working_precision():
    """In three dtypes, on a share of all cases; and it is not always faithful, or the bound would not be needed."""
    found = Counter()
    some = build(case for number, case in enumerate(CASES) if number % 7 == 0 and "Wide" not in case.flags)
    for case in some:
        for dtype in ("float16", "float32", "float64"):
            if all(is_exact(array, dtype) for array in case.inputs.values()):
                with np.errstate(all="ignore"):
                    plain = by_plain_sampler(case, lambda array, dtype=dtype: array.astype(dtype))
                for path, result in plain.items():
                    truths = case.conventions(path)
                    asked = [truths.get(OWN[case.options["mode"]]) or truths[""]]
                    move = 6 * float(grades.UNIT_ROUNDOFF[dtype])
                    shares = grades.shares(result, asked, case.seams.get(path), dtype, move)
                    assert shares.working.max(initial=0.0) <= 1, (case.name, dtype, path)
                    found[dtype, bool(shares.faithful.max(initial=0.0) <= 1)] += 1
    assert min(found[dtype, False] for dtype in ("float16", "float32", "float64")) > 5, found


def test_coordinates_that_are_worse_than_rounded_are_wrong():
    """A thirty-second of a pixel is no rounding error of float32: nearly every ordinary case must show it."""
    shown = 0
    some = build(case for case in CASES if "full_float32" in case.name)
    for case in some:
        off = {**case.inputs, "grid": case.inputs["grid"] + 1 / 64}
        moved = by_plain_sampler(replace(case, inputs=off), lambda array: array.astype(np.float32))
        worst = 0.0
        for path, result in moved.items():
            truths = list(case.conventions(path).values())
            move = 6 * float(grades.UNIT_ROUNDOFF["float32"])
            worst = max(worst, grades.shares(result, truths, case.seams.get(path), "float32", move).working.max())
        shown += worst > 1
        assert worst > 1 or case.options["mode"] == "nearest", case.name
    assert shown >= 12
