"""Numerical derivatives: differences keep within the error that they estimate, complex steps within roundings."""

import numpy as np
import pytest

from autograd_core.differences import EPS, complex_step, differences

CURVES = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "log": (np.log, lambda x: 1 / x),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "runge": (lambda x: 1 / (1 + 25 * x**2), lambda x: -50 * x / (1 + 25 * x**2) ** 2),
    "steep": (lambda x: np.arctan(30 * (x - 1)), lambda x: 30 / (1 + 900 * (x - 1) ** 2)),
}


@pytest.mark.parametrize("name", CURVES)
def test_differences_keep_within_their_estimated_error(name):
    function, derivative = CURVES[name]
    x = np.random.default_rng(2).uniform(0.1, 2, 20_000)
    slopes = differences(lambda t: function(x + t), 0.25)
    exact, size = derivative(x), abs(function(x)) + abs(derivative(x))
    for side in (slopes.right, slopes.left, slopes.central):
        assert (abs(side.value - exact) <= side.error).all()
    assert not slopes.jump.any()
    assert np.median(slopes.right.error / size) < 1e-10 and np.median(slopes.central.error / size) < 5e-13


def test_differences_know_the_noise_of_a_function():
    # A wobble of 1e-10 so quick that it is noise to every step.
    x = np.random.default_rng(2).uniform(0.1, 2, 20_000)
    slopes = differences(lambda t: np.sin(x + t) + 1e-10 * np.sin(1e14 * (x + t)), 0.25)
    for side in (slopes.right, slopes.left, slopes.central):
        assert (abs(side.value - np.cos(x)) <= side.error).all()
        assert np.median(side.error) < 1e-6


def test_noise_that_is_the_same_at_all_small_steps_is_no_jump():
    """As many roundings of large numbers are; a jump is the same everywhere near by."""

    def noisy(t):
        return np.array([1e-3 + (1e-16 if np.frexp(abs(t))[0] == 0.5 else 0.0)])  # at powers of two

    assert not differences(noisy, 0.25).jump.any()
    assert differences(lambda t: np.array([1e-3 + (1e-16 if t > 0 else 0.0)]), 0.25).jump.all()


def test_one_sided_differences_at_a_kink_of_curves():
    slopes = differences(lambda t: np.array([np.exp(t) if t >= 0 else 1 + np.sin(3 * t)]), 0.25)
    assert abs(slopes.right.value[0] - 1) <= 3 * slopes.right.error[0] < 1e-8
    assert abs(slopes.left.value[0] - 3) <= 3 * slopes.left.error[0] < 1e-8


def test_the_complex_step_is_exact_to_rounding():
    x = np.random.default_rng(3).uniform(0.1, 2, 200)
    slope = complex_step(lambda t: np.exp(x + t) * np.sin(x + t))
    exact = np.exp(x) * (np.sin(x) + np.cos(x))
    # Two elementary functions and three roundings, whose sum cancels by sin + cos at most.
    assert (abs(slope - exact) <= 8 * EPS * np.exp(x) * (abs(np.sin(x)) + abs(np.cos(x)))).all()
