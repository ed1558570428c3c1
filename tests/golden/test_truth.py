"""The truth: rounded correctly, in the right place, and with a sensitivity that bounds what it says it bounds."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.exact import affine, bilinear
from refwarp.exact.arithmetic.numbers import Sum
from refwarp.golden.case import Case
from refwarp.golden.families import with_truth
from refwarp.golden.families.affine import truth as affine_truth
from refwarp.golden.judging.answer import element, numbers

# Multiples of 1/64: floats hold them.
small = st.integers(-256, 256).map(lambda number: Fraction(number, 64))
rationals = st.builds(
    lambda numerator, denominator, exponent: Fraction(numerator, denominator) * Fraction(2) ** exponent,
    st.integers(-(10**40), 10**40),
    st.integers(1, 10**40),
    st.integers(-1100, 700),
)


@given(rationals, rationals)
def test_an_element_is_rounded_correctly(a, b):
    value, remainder, k, M, G = element(Sum([a, b]), abs(a))
    exact = a + b
    for neighbour in (math.nextafter(value, -math.inf), math.nextafter(value, math.inf)):
        assert abs(exact - Fraction(value)) <= abs(exact - Fraction(neighbour))
    # The pair holds 106 bits, unless the remainder underflows: then half of the smallest number is lost.
    error = abs(exact - Fraction(value) - Fraction(remainder))
    assert error <= max(abs(exact) / 2**106, Fraction(1, 2**1075))
    assert k == (a != 0) + (b != 0)
    for bound, stored in ((abs(a) + abs(b), M), (abs(a), G)):
        assert Fraction(math.nextafter(stored, -math.inf)) < bound <= Fraction(stored) or bound == stored == 0


def test_nan_has_no_budget():
    value, *rest = element(Sum([math.nan]), Fraction(1))
    assert math.isnan(value) and rest == [0.0, 0, 0.0, 0.0]


def test_the_row_at_its_pixel(by_name):
    """The values that the papers' equations are judged by, times dx/dg = 2."""
    case = by_name["grid_sample/row_at_pixel"]
    slopes = {rule: truth.elements["value"][0, 0, 0, 0] for rule, truth in case.conventions("vjp/ggrid").items()}
    assert slopes == {"right": -6.0, "left": 8.0, "central": 1.0, "literal": 10.0}
    assert case.conventions("forward/output")[""].elements["value"].item() == 5.0


def inner(a, b) -> Fraction:
    """Return the sum of products of what two arrays stand for; of elements, value and remainder."""
    rationals = []
    for array in (a, b):
        if array.dtype.names:
            rationals.append([Fraction(v) + Fraction(r) for v, r in array[["value", "remainder"]].ravel().tolist()])
        else:
            rationals.append([Fraction(v) for v in array.ravel().tolist()])
    return sum((x * y for x, y in zip(*rationals, strict=True)), Fraction(0))


def close(a: Fraction, b: Fraction, size: Fraction) -> bool:
    """Compare sums of pairs of doubles: 2^-106 for each term, up to 2^14 terms, and what underflows."""
    return abs(a - b) <= size / 2**92 + Fraction(1, 2**1000)


def judged(suite, operation):
    """Return the cases of an operation whose numbers are all finite, and moderate in size."""
    for case in suite.cases:
        finite = all(np.isfinite(array).all() for array in case.inputs.values())
        if case.operation == operation and case.result == "valid" and finite and "Wide" not in case.flags:
            yield case, case.inputs, {path: t.elements for path, t in case.outputs.items()}


def test_the_identities_that_tie_outputs_together(suite):
    """The sampler is linear in the map, its gradients in cotangent and map: products must agree exactly."""
    count = 0
    for case, inputs, outputs in judged(suite, "grid_sample"):
        size = sum(Fraction(float(t["M"].sum())) for t in outputs.values()) * 2**12
        forward = inner(outputs["forward/output"], inputs["gout"])
        assert close(forward, inner(outputs["vjp/ginput"], inputs["input"]), size), case.name
        slope = inner(outputs["vjp/ggrid"], inputs["cotangent_grid"])
        assert close(slope, inner(outputs["second_vjp/ginput"], inputs["input"]), size), case.name
        both = slope + inner(outputs["vjp/ginput"], inputs["cotangent_input"])
        assert close(both, inner(outputs["second_vjp/ggout"], inputs["gout"]), size), case.name
        count += 1
    assert count > 50


def test_the_identity_that_ties_the_affine_outputs(suite):
    count = 0
    for case, inputs, outputs in judged(suite, "affine_grid"):
        size = sum(Fraction(float(t["M"].sum())) for t in outputs.values()) * 2**105
        forward = inner(outputs["forward/grid"], inputs["ggrid"])
        assert close(forward, inner(outputs["vjp/gtheta"], inputs["theta"]), size), case.name
        count += 1
    assert count > 20


def test_each_image_of_a_batch_is_judged_by_itself(by_name):
    case = by_name["grid_sample/batch_2x3x5x4"]
    input, grid = (numbers(case.inputs[name][1].tolist()) for name in ("input", "grid"))
    expected = bilinear.grid_sample(input, grid, False)[2][1][0]
    stored = case.outputs["forward/output"].elements[1, 2, 1, 0]
    assert stored["value"] == float(expected.value) and stored["k"] == expected.k


def test_a_case_without_kinks_has_one_answer(by_name):
    built = with_truth(by_name["grid_sample/interior_3x4"])
    assert not any(":" in path for path in built.outputs)


# ---- sensitivity ----


@given(st.lists(small, min_size=6, max_size=6), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_g_of_the_affine_grid(theta, height, width, align_corners):
    """The grid is linear in x_t and y_t, which move by 2 W / s and 2 H / s for each e."""
    rows = [theta[:3], theta[3:]]
    ggrid = [[[Fraction(i - j), Fraction(i + j)] for j in range(width)] for i in range(height)]
    inputs = {name: np.array([value], float) for name, value in (("theta", rows), ("ggrid", ggrid))}
    options = {"size": [1, 1, height, width], "align_corners": align_corners}
    answers = affine_truth.affine_grid(Case("affine_grid/x", options, inputs, ("Interior",), "X."), "")
    moves = [Fraction(0), Fraction(0)]
    for axis, size in enumerate((width, height)):
        if size > 1:
            ends = [affine.target_coordinate(j, size, align_corners) for j in (0, size - 1)]
            moves[axis] = (ends[1] - ends[0]) / (size - 1) * size
    for r in range(2):
        expected = abs(rows[r][0]) * moves[0] + abs(rows[r][1]) * moves[1]
        assert np.all(answers["forward/grid"].sensitivities[0, ..., r] == expected)
        total = sum(abs(point[r]) for row in ggrid for point in row)
        assert answers["vjp/gtheta"].sensitivities[0, r].tolist() == [total * moves[0], total * moves[1], 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_dtype_has_cases_of_its_own_precision(suite, dtype):
    assert any(case.dtype == dtype and "FullPrecision" in case.flags for case in suite.cases)
