"""Double-double arithmetic against rational numbers and balls."""

import math
from fractions import Fraction

import numpy as np
import pytest

from refwarp.backend import double_double
from refwarp.exact.arithmetic.balls import Balls

F = Fraction
BOUND = F(16, 2**106)  # a few roundings of 2^-106 each


def draw(rng, count=200):
    """Draw pairs (high, low), some near 1 and some far from it."""
    high = rng.choice([1 + 1e-6 * rng.standard_normal(count), 10.0 ** rng.uniform(-30, 30, count)])
    low = high * rng.uniform(-1, 1, count) * 2.0**-53 * rng.choice([1, 1e-9, 0], count)
    total = high + low
    return [(a, (h - a) + b) for a, h, b in zip(total.tolist(), high.tolist(), low.tolist(), strict=True)]


def value(pair):
    return F(pair[0]) + F(pair[1])


@pytest.mark.parametrize("seed", range(4))
def test_sums_products_and_quotients(seed):
    rng = np.random.default_rng(seed)
    for a, b in zip(draw(rng), draw(rng), strict=True):
        b = b if rng.integers(2) else (-b[0], -b[1])
        x, y = value(a), value(b)
        for function, truth in (
            (double_double.add, x + y),
            (double_double.multiply, x * y),
            (double_double.divide, x / y),
        ):
            result = function(a, b)
            assert abs(value(result) - truth) <= BOUND * abs(truth)
            assert result[0] + result[1] == result[0]


def test_sums_that_cancel():
    a, b = (1.0, 2.0**-60), (-1.0, 2.0**-70)
    assert value(double_double.add(a, b)) == F(1, 2**60) + F(1, 2**70)


@pytest.mark.parametrize("seed", range(4))
def test_logarithms(seed):
    """Correct relative to themselves, also near 1; up to what 2^-106 of the argument changes."""
    points = [*draw(np.random.default_rng(seed), 60), (1.0, 2.0**-80), (1.0, -(2.0**-70)), (0.5, 0.0), (2.0, 0.0)]
    with Balls() as balls:
        for x in points:
            truth = balls.midpoint(balls(value(x)).log())
            error = abs(value(double_double.log(x)) - truth)
            assert error <= BOUND * max(abs(truth), F(1, 2**20))
    assert double_double.log((1.0, 0.0)) == (0.0, 0.0)
    assert double_double.log((math.e, 0.0))[0] == 1.0
