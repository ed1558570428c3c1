"""The linearised sampler against exact values: each element within a budget with the condition of its fit in it."""

from fractions import Fraction

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact.arithmetic.budget import SMALLEST, UNIT_ROUNDOFF
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.linearized import sample as exact

# c of the budget: 48 is proven, from the operations on the longest path to a result; 4 is what it keeps.
PATH = 4


class Case:
    """One image's map, grid, samples and cotangents; what the operation makes of them, and what is exact."""

    def __init__(self, rng, input, grid, auxiliary, tikhonov=1e-6, intercept=True, align_corners=False):
        self.dtype = input.dtype
        self.arrays = input, grid, auxiliary
        self.options = {"tikhonov": tikhonov, "intercept": intercept, "align_corners": align_corners}
        channels, (_, rows, columns, _) = input.shape[1], grid.shape
        self.gout = rng.standard_normal((1, channels, rows, columns)).astype(self.dtype)
        self.a = rng.standard_normal(input.shape).astype(self.dtype)
        self.beta = rng.standard_normal(grid.shape).astype(self.dtype)

    def results(self):
        """Return value, gradients and second gradients, with everything differentiated ("fit")."""
        tensors = [Tensor(array, requires_grad=True) for array in (self.gout, *self.arrays[:2])]
        gout, input, grid = tensors
        out = refwarp.linearized_sample(input, grid, self.arrays[2], input_gradient="fit", **self.options)
        first = grad(out, (input, grid), gout, create_graph=True)
        second = grad(first, tensors, (Tensor(self.a), Tensor(self.beta)))
        return [tensor.data[0] for tensor in (out, *first, *second)]

    def truths(self):
        """Return the same from rational numbers, in nested lists of the same shapes."""
        input, grid, auxiliary = (fractions(array[0]) for array in self.arrays)
        kept = [[[exact.inside(point) for point in points] for points in row] for row in auxiliary]
        tikhonov = [Fraction(e) for e in np.broadcast_to(self.options["tikhonov"], 3)]
        options = exact.PlaneFit(tikhonov, self.options["intercept"]), self.options["align_corners"]
        pixels = exact.functionals(grid, auxiliary, kept, *self.arrays[0].shape[2:], *options)
        gout, a, beta = (fractions(array[0]) for array in (self.gout, self.a, self.beta))
        yield exact.linearized_sample(input, pixels)
        yield exact.input_gradient(gout, input, pixels)
        yield exact.grid_gradient(gout, input, pixels)
        yield from exact.second_gradient(a, beta, gout, input, pixels)

    def shares(self):
        """Return the worst share of the budget of each result.

        The budget is one rounding to the dtype of the data, and (PATH + log2 k) 2^-53 M for what float64 did before.
        """
        k = max(self.arrays[2].size, 1) * self.arrays[0].shape[1]
        path = Fraction(PATH + np.log2(k))
        for result, truth in zip(self.results(), self.truths(), strict=True):
            elements = flattened(truth)
            assert result.size == len(elements)
            shares = [0.0]
            for element, bound in zip(result.ravel().tolist(), elements, strict=True):
                before = path * UNIT_ROUNDOFF["float64"] * bound.M
                rounding = UNIT_ROUNDOFF[self.dtype.name] * (abs(bound.value) + before)
                budget = before + k * SMALLEST["float64"]
                if self.dtype == np.float32:
                    budget += rounding + SMALLEST["float32"]
                error = abs(Fraction(element) - bound.value)
                shares.append(float(error / budget))
            yield max(shares)


def flattened(nested):
    if isinstance(nested, list | tuple):
        return [element for part in nested for element in flattened(part)]
    return [nested]


def scattered(rng, dtype, shape, count, spread, channels=2, reach=1.1):
    """Return a map, a grid of 2 x 3 points and samples scattered around them, `spread` in normalised units."""
    input = rng.standard_normal((1, channels, *shape)).astype(dtype)
    grid = rng.uniform(-reach, reach, (1, 2, 3, 2)).astype(dtype)
    auxiliary = (grid[..., None, :] + spread * rng.standard_normal((1, 2, 3, count, 2))).astype(dtype)
    return input, grid, auxiliary


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("intercept", "tikhonov"),
    [(False, 1e-6), (True, 0.0), (True, (0.1, 0.3, 2.0)), ("bias-free", 0.0), ("bias-free", (0.1, 0.3, 2.0))],
)
def test_scattered_samples(dtype, align_corners, intercept, tikhonov):
    rng = np.random.default_rng([intercept is True, align_corners])
    case = Case(rng, *scattered(rng, dtype, (5, 4), 8, 0.4), tikhonov, intercept, align_corners)
    assert max(case.shares()) <= 1


@pytest.mark.parametrize(("dtype", "tikhonov"), [("float32", 0.0), ("float64", 0.0), ("float64", 1e-6)])
@pytest.mark.parametrize("spread", [1e-7, (0.3, 1e-5), 30.0])
def test_samples_that_almost_collapse_or_lie_far_apart(dtype, tikhonov, spread):
    rng = np.random.default_rng(1)
    case = Case(rng, *scattered(rng, dtype, (4, 6), 5, np.array(spread)), tikhonov)
    assert max(case.shares()) <= 1


@pytest.mark.parametrize("intercept", [True, "bias-free"])
@pytest.mark.parametrize("tikhonov", [0.0, 1e-6])
@pytest.mark.parametrize("width", [1e-2, 1e-5, 1e-7])
def test_samples_almost_on_a_line(tikhonov, width, intercept):
    """The closer to a slanted line, the larger the condition, and the looser the budget; it is kept all the same."""
    rng = np.random.default_rng(2)
    input, grid, auxiliary = scattered(rng, "float64", (4, 6), 5, 0.0, reach=0.6)
    along, across = rng.standard_normal((2, 1, 2, 3, 5))
    auxiliary += 0.2 * np.stack([along - width * across, 0.7 * along + width * across], -1)
    assert max(Case(rng, input, grid, auxiliary, tikhonov, intercept).shares()) <= 1


@pytest.mark.parametrize("intercept", [True, "bias-free"])
@pytest.mark.parametrize("tikhonov", [0.0, 1e-3])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_samples(count, tikhonov, intercept):
    rng = np.random.default_rng(count)
    case = Case(rng, *scattered(rng, "float64", (4, 6), count, 0.4), tikhonov, intercept)
    assert max(case.shares()) <= 1


@pytest.mark.parametrize("intercept", [True, "bias-free"])
def test_many_samples(intercept):
    rng = np.random.default_rng(3)
    input, grid, auxiliary = scattered(rng, "float64", (3, 3), 300, 0.4, channels=1)
    assert max(Case(rng, input, grid[:, :1, :1], auxiliary[:, :1, :1], 0.0, intercept).shares()) <= 1


def test_the_judge_notices_a_wrong_last_bit_of_float32():
    """Where the fit is well conditioned, float32 results are within a rounding and a bit: one unit more is too much."""
    rng = np.random.default_rng(4)
    case = Case(rng, *scattered(rng, "float32", (5, 4), 8, 0.4))
    wrong = [np.nextafter(np.nextafter(result, np.float32(9)), np.float32(9)) for result in case.results()]
    case.results = lambda: wrong
    assert min(case.shares()) > 1
