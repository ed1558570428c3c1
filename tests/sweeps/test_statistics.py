"""Differences of models over seeds and examples, and how well they are known."""

import math
from fractions import Fraction

import numpy as np
import pytest

from refwarp.sweeps.statistics import mean_and_deviation, paired_difference


def variance(values):
    """The unbiased estimate, in exact arithmetic."""
    mean = sum(values) / Fraction(len(values))
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_mean_difference_with_both_variances_in_exact_arithmetic(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(2, size=(2, 3, 7))
    difference = [[Fraction(int(first[s, i]) - int(second[s, i])) for i in range(7)] for s in range(3)]
    over_examples = [sum(line) / 7 for line in difference]
    over_seeds = [sum(line[i] for line in difference) / 3 for i in range(7)]
    found = paired_difference(first, second)
    # Some ten roundings of numbers below 1, and of a square root.
    assert found.mean == pytest.approx(float(sum(over_examples) / 3), rel=0, abs=1e-15)
    expected = variance(over_examples) / 3 + variance(over_seeds) / 7
    assert found.standard_error == pytest.approx(math.sqrt(expected), rel=1e-14, abs=0)


def test_the_error_covers_seeds_and_examples_that_might_have_been():
    """d = a[seed] + b[example] + c[seed, example]: the mean of all has a known variance, the estimate no less."""
    seeds, examples, trials = 4, 30, 4000
    parts = {"a": 0.3, "b": 0.8, "c": 1.1}
    rng = np.random.default_rng(5)
    means, squares = np.empty(trials), np.empty(trials)
    for trial in range(trials):
        a = parts["a"] * rng.standard_normal((seeds, 1))
        b = parts["b"] * rng.standard_normal((1, examples))
        c = parts["c"] * rng.standard_normal((seeds, examples))
        second = rng.standard_normal((seeds, examples))
        found = paired_difference(second + 0.2 + a + b + c, second)
        means[trial], squares[trial] = found.mean, found.standard_error**2
    own = parts["c"] ** 2 / (seeds * examples)
    true = parts["a"] ** 2 / seeds + parts["b"] ** 2 / examples + own
    # Four standard errors of a mean, and of a variance, of so many trials.
    assert abs(means.mean() - 0.2) < 4 * math.sqrt(true / trials)
    assert abs(means.var(ddof=1) / true - 1) < 4 * math.sqrt(2 / trials)
    # What depends on seed and example together is in both estimates.
    assert abs(squares.mean() - (true + own)) < 4 * squares.std() / math.sqrt(trials)


def test_what_both_get_wrong_does_not_count():
    rng = np.random.default_rng(0)
    first, second = rng.integers(2, size=(2, 3, 50))
    shared = rng.integers(2, size=(1, 50))
    alone = paired_difference(first, second)
    assert paired_difference(first + shared, second + shared) == alone


def test_the_sign_is_that_of_the_first():
    found = paired_difference(np.array([[1, 1], [1, 0]]), np.zeros((2, 2)))
    assert found.mean == 0.75


def test_unsigned_numbers_do_not_wrap_around():
    zeros, ones = np.zeros((2, 3), np.uint8), np.ones((2, 3), np.uint8)
    assert paired_difference(zeros, ones).mean == -1


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_of_one_seed_or_one_example_no_error_is_known(shape):
    found = paired_difference(np.ones(shape), np.zeros(shape))
    assert found.mean == 1 and math.isnan(found.standard_error)


@pytest.mark.parametrize("shapes", [((2, 3), (3, 2)), ((3,), (3,)), ((0, 3), (0, 3)), ((2, 0), (2, 0))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="second: given shape"):
        paired_difference(*map(np.zeros, shapes))


def test_mean_and_deviation():
    assert mean_and_deviation([1.0, 2.0, 4.5]) == (2.5, pytest.approx(math.sqrt(3.25), rel=1e-15))
    mean, deviation = mean_and_deviation([3.0])
    assert mean == 3 and math.isnan(deviation)
