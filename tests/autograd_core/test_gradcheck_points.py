"""The tester is tested, continued: what a second point shows, elements far below the largest, what is handed in."""

import sys

import numpy as np
import pytest

from autograd_core import Function, GradientError, KinkError, Tensor, functions, gradcheck
from tests.autograd_core.cubes import cube


def rng(seed=5):
    return np.random.default_rng(seed)


X = rng(1).normal(size=(3, 3))


def keeping_the_first(forward, backward):
    """Return a Function whose backward reads the first array of a shape that its forward ever saw."""
    kept = {}

    class Stale(Function):
        @staticmethod
        def forward(ctx, x):
            if x.dtype == np.float64:
                kept.setdefault(x.shape, x.copy())
            return forward(x)

        @staticmethod
        def backward(ctx, gout):
            return backward(kept[gout.shape], gout)

    return Stale.apply


STALE = {
    "square": (lambda x: x * x, lambda x, gout: 2 * x * gout),
    "sine": (np.sin, lambda x, gout: np.cos(x) * gout),
    "relu, whose mask changes far away only": (lambda x: np.maximum(x, 0), lambda x, gout: gout * (x > 0)),
    "logarithm, which is not defined far away": (lambda x: np.log(x - 1e-3), lambda x, gout: gout / (x - 1e-3)),
}


@pytest.mark.parametrize("method", ["auto", "central"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", STALE)
def test_a_backward_that_keeps_what_the_first_forward_saw_is_caught(name, order, method):
    point = abs(X) + 0.1 if name.startswith("logarithm") else X
    with np.errstate(invalid="ignore"), pytest.raises(GradientError, match="<J v, w>") as caught:
        gradcheck(keeping_the_first(*STALE[name]), [point], rng=rng(), order=order, method=method)
    assert "at a second point" in caught.value.__notes__[0]


def test_a_second_derivative_that_keeps_what_the_first_forward_saw_is_caught():
    kept = {}

    class Slope(Function):
        @staticmethod
        def forward(ctx, x, gout):
            kept.setdefault(x.shape, x.real.copy())
            return 3 * x**2 * gout

        @staticmethod
        def backward(ctx, gslope):
            x, gout = ctx.inputs
            return 6 * gout * gslope * kept[x.shape], 3 * x**2 * gslope

    gradcheck(cube(Slope).apply, [X[0, :2]], rng=rng())
    kept.clear()
    with pytest.raises(GradientError) as caught:
        gradcheck(cube(Slope).apply, [X], rng=rng(), order=2)
    assert [note.split(":")[0] for note in caught.value.__notes__] == ["at a second point", "at order 2"]


@pytest.mark.parametrize("direction", ["right", "left"])
def test_the_second_point_is_on_the_side_that_is_asked_for(direction):
    sign = 1.0 if direction == "right" else -1.0

    def one_sided(x):
        return functions.where(x.data.real * sign >= 0, functions.exp(x) * x, np.nan)

    gradcheck(one_sided, [np.zeros(8)], rng=rng(), direction=direction, method="central")


def test_where_there_is_no_second_point_the_check_is_undecided(monkeypatch):
    monkeypatch.setattr(sys.modules["autograd_core.gradcheck"], "DISTANCES", [2.8])
    gradcheck(functions.sin, [X], rng=rng())
    for method in ("auto", "central"):
        with pytest.raises(GradientError, match="undecided at a second point"):
            gradcheck(functions.log, [abs(X)], rng=rng(), method=method)


def weighted(weights, planted):
    """Return x -> weights sin(x), whose gradient is multiplied by `planted`."""

    class Weighted(Function):
        @staticmethod
        def forward(ctx, x):
            return weights * np.sin(x)

        @staticmethod
        def backward(ctx, gout):
            return gout * functions.cos(ctx.inputs[0]) * (weights * planted)

    return Weighted.apply


@pytest.mark.parametrize("method", ["auto", "central"])
@pytest.mark.parametrize("share", [1e-6, 1e-12, 1e-15, 1e-18, 1e-100])
def test_a_wrong_element_far_below_the_largest_is_caught(share, method):
    x, weights = np.array([0.3, 0.4, 0.7]), np.array([1.0, share, 3.0])
    gradcheck(weighted(weights, np.ones(3)), [x], rng=rng(), order=2, method=method)
    for factor in (-1.0, 0.0, 1.001):
        with pytest.raises(GradientError, match=r"input 0, element \(1,\): analytic"):
            gradcheck(weighted(weights, np.array([1.0, factor, 1.0])), [x], rng=rng(), method=method)


@pytest.mark.parametrize("method", ["auto", "central"])
@pytest.mark.parametrize("seed", range(12))
def test_elements_that_are_the_noise_of_large_numbers_pass(seed, method):
    # The derivatives are 1 and eleven zeros; what is computed in their place is some 1e-17, by cancellation.
    matrix, _ = np.linalg.qr(rng(seed).normal(size=(12, 12)))

    def first(x):
        return (matrix @ (matrix.T @ x))[0]

    gradcheck(first, [rng(seed + 1).normal(size=12)], rng=rng(), method=method)
    gradcheck(lambda x: (x * 1e3 + x * x) - x * 1e3, [rng(seed).normal(size=3)], rng=rng(), method=method)


def test_a_list_of_results_is_as_good_as_a_tuple():
    gradcheck(lambda x: [functions.sin(x), x * x], [X], rng=rng(), order=2)
    with pytest.raises(GradientError, match="input 0, element"):
        gradcheck(lambda x: [x, weighted(X, -np.ones((3, 3)))(x)], [X], rng=rng())


@pytest.mark.parametrize("inputs", [X, Tensor(X)], ids=["array", "Tensor"])
def test_one_array_is_one_input(inputs):
    gradcheck(functions.sin, inputs, rng=rng(), order=2)


@pytest.mark.parametrize("result", [lambda x: x.data, lambda x: [x, 1.0], lambda x: None])
def test_results_that_are_no_tensors_are_named(result):
    with pytest.raises(TypeError, match=r"function: returned \w+, expected a Tensor or several in a tuple or list"):
        gradcheck(result, [X], rng=rng())


def test_kinks_on_the_way_to_the_second_point_do_no_harm():
    def waves(x):
        return functions.absolute(functions.sin(12 * x))

    for seed in range(20):
        gradcheck(waves, [np.array([0.3, 0.7])], rng=rng(seed), order=2)
    with pytest.raises(KinkError):
        gradcheck(waves, [np.array([0.0, 0.7])], rng=rng())
