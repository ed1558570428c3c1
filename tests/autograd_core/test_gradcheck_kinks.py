"""The tester is tested, continued: kinks and jumps are told from wrong gradients, and each side has its own."""

import numpy as np
import pytest

from autograd_core import Function, GradientError, KinkError, functions, gradcheck


def rng():
    return np.random.default_rng(5)


class Kinked(Function):
    """left x for x < 0, right x for x > 0; at 0 its gradient is `here`."""

    @staticmethod
    def forward(ctx, x, left, here, right):
        return np.where(x.real < 0, left * x, right * x)

    @staticmethod
    def backward(ctx, gout):
        x, slopes = ctx.inputs[0].data, ctx.parameters
        return gout * np.where(x < 0, slopes["left"], np.where(x > 0, slopes["right"], slopes["here"]))


@pytest.mark.parametrize("method", ["auto", "complex", "central"])
def test_kinks_are_reported_as_kinks(method):
    with pytest.raises(KinkError) as caught:
        gradcheck(
            lambda x: Kinked.apply(x, left=-0.25, here=0.0, right=3.0).sum(),
            [np.array([[0.5, 0.0], [-1.0, 2.0]])],
            rng=rng(),
            method=method,
        )
    message = str(caught.value)
    assert message.startswith("input 0, element (0, 1): the derivative is ")
    left, right = (float(part.split()[-1]) for part in message.split(" from the ")[:2])
    np.testing.assert_allclose([left, right], [-0.25, 3.0], rtol=1e-9)


@pytest.mark.parametrize("function", [functions.relu, functions.absolute, lambda x: functions.maximum(x, 0.0)])
@pytest.mark.parametrize("near", [0.0, 1e-12])
def test_kinks_of_the_functions_are_found_also_from_very_near(function, near):
    with pytest.raises(KinkError):
        gradcheck(function, [np.array([0.7, near, -0.3])], rng=rng())


def test_ties_are_kinks_and_crossing_smooth_curves_are_none():
    with pytest.raises(KinkError):
        gradcheck(functions.maximum, [np.array([0.5, 1.0]), np.array([0.5, 2.0])], rng=rng())
    gradcheck(lambda x: functions.relu(x) ** 2, [np.array([0.0, 1.0])], rng=rng())


def test_jumps_are_reported_as_kinks():
    class Step(Function):
        @staticmethod
        def forward(ctx, x):
            return np.floor(x) + x

        @staticmethod
        def backward(ctx, gout):
            return gout

    gradcheck(Step.apply, [np.array([0.5, 1.5])], rng=rng())
    with pytest.raises(KinkError, match=r"element \(1,\)"):
        gradcheck(Step.apply, [np.array([0.5, 1.0])], rng=rng())
    gradcheck(Step.apply, [np.array([0.5, 1.0])], rng=rng(), direction="right")  # floor jumps to the left only
    with pytest.raises(GradientError, match="undecided|differ"):
        gradcheck(Step.apply, [np.array([0.5, 1.0])], rng=rng(), direction="left")


@pytest.mark.parametrize("direction", ["right", "left", "central"])
def test_one_sided_checks_hold_the_gradient_to_that_side(direction):
    slopes = {"left": -0.25, "right": 3.0, "central": 1.375}
    x = np.array([0.5, 0.0, -1.0])
    for side, slope in slopes.items():

        def kinked(t, slope=slope):
            return Kinked.apply(functions.sin(t), left=slopes["left"], here=slope, right=slopes["right"])

        if side == direction:
            gradcheck(kinked, [x], rng=rng(), direction=direction)
        else:
            with pytest.raises(GradientError, match=r"element \(1,\).*they differ.*1 of 3"):
                gradcheck(kinked, [x], rng=rng(), direction=direction)
