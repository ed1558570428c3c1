"""Grades: errors as shares of the bounds that docs/golden-grades.md derives."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.exact.arithmetic import budget
from refwarp.exact.arithmetic.numbers import Sum
from refwarp.golden.case import ELEMENT, SEAM, Case, Truth
from refwarp.golden.grades import PROFILES, shares
from refwarp.golden.judging.answer import element

U, ETA = 2.0**-24, 2.0**-149  # of float32
# An element that is 1, with k = 3, M = 2, G = 5; c = 4.
ONE = Truth(4.0, np.array([(1.0, 0.0, 3, 2.0, 5.0)], ELEMENT))


terms = st.lists(st.fractions(-9, 9, max_denominator=2**30), min_size=0, max_size=5)


@given(terms, st.floats(-2, 2, allow_nan=False), st.sampled_from(["float32", "float64"]))
def test_shares_are_those_of_exact_arithmetic(terms, offset, dtype):
    exact = Sum(terms)
    truth = Truth(4.0, np.array([element(exact, 0)], ELEMENT))
    allowed = budget.budget(exact, 4.0, dtype)
    result = np.array([exact.value + Fraction(offset) * allowed], np.float64).astype(dtype)
    expected = budget.share(float(result[0]), exact, 4.0, dtype)
    # In float64 a share is a difference of numbers near each other, by about 4 ulp: it is good to 1e-9 of itself.
    assert shares(result, [truth], None, dtype, 0.0).faithful[0] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("value", "result", "expected"),
    [
        (math.nan, math.nan, 0.0),
        (math.nan, 0.0, math.inf),
        (0.0, math.nan, math.inf),
        (1.0, math.inf, math.inf),
        (0.0, 0.0, 0.0),
        (0.0, -0.0, 0.0),
        (0.0, 5e-324, math.inf),
    ],
)
def test_shares_of_special_values(value, result, expected):
    k = 1 if value == 1.0 else 0
    truth = Truth(4.0, np.array([(value, 0.0, k, abs(value) if k else 0.0, 0.0)], ELEMENT))
    assert shares(np.array([result]), [truth], None, "float64", 0.0).faithful[0] == expected


def graded(result, seam=None, move=6 * U, truths=(ONE,)):
    """Return the two shares of one float32 result."""
    found = shares(np.array([result], np.float32), list(truths), seam, "float32", move)
    return float(found.faithful[0]), float(found.working[0])


def test_working_precision_counts_terms_and_coordinates():
    """(4 + 3) u 2 + 6 u 5 = 44 u, to the smallest subnormal, while faithful is (4 + log2 3) u 2."""
    faithful, working = graded(1 + 44 * U)
    assert working == pytest.approx(1.0, rel=1e-12) and working <= 1.0
    assert faithful == pytest.approx(44 / (2 * (4 + math.log2(3))), rel=1e-12)
    assert graded(1 + 46 * U)[1] > 1.0
    assert graded(1 - 44 * U, move=0.0)[1] == pytest.approx(44 / 14, rel=1e-12)


def test_next_to_a_seam_the_hull_is_as_good_as_the_value():
    near, far = (np.array([(-1.0, 3.0, distance)], SEAM) for distance in (6 * U, 6.1 * U))
    for inside in (-1.0, 2.5, 3.0):
        assert graded(inside, near)[1] == 0.0 and graded(inside, near)[0] > 1e5
        assert graded(inside, far)[1] > 1e5
    assert graded(3.0 + 44 * U, near)[1] == pytest.approx(1.0, rel=1e-12)
    assert graded(-1.0 - 46 * U, near)[1] == pytest.approx(46 / 44, rel=1e-12)


def test_each_element_is_held_to_the_nearest_answer():
    two = Truth(4.0, np.array([(2.0, 0.0, 3, 2.0, 5.0)], ELEMENT))
    assert graded(2.0, truths=(ONE, two)) == graded(1.0, truths=(ONE, two)) == (0.0, 0.0)
    assert min(graded(1.5, truths=(ONE, two))) > 1e5


@pytest.mark.parametrize(("profile", "bits"), [("float", None), ("fixed5", 5), ("fixed8", 8), ("fixed9", 9)])
def test_a_profile_says_how_far_a_coordinate_may_be_off(profile, bits):
    case = Case("grid_sample/any", {}, {"input": np.ones((1, 1, 4, 10)), "grid": np.zeros((1, 1, 1, 2))}, (), "")
    expected = 6 * U + (0.0 if bits is None else 1 / (2**bits * 4))
    assert PROFILES[profile].move(case, "float32") == pytest.approx(expected, rel=1e-15)
