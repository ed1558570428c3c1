"""The kernels of the WORDS against exact values, and their conventions."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact import NAME as exact
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import fractions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (7, 40), (2, 1025)])
def test_grid_and_gradient(dtype, align_corners, size):
    rng = np.random.default_rng([*size, align_corners])
    theta = Tensor((rng.standard_normal((1, 2)) * 10.0 ** rng.integers(-9, 2, (1, 2))).astype(dtype), True)
    ggrid = rng.standard_normal((1, *size, 2)).astype(dtype)
    grid = refwarp.NAME(theta, (1, 3, *size), align_corners)
    (gtheta,) = grad(grid, theta, ggrid)
    truth = exact.NAME(fractions(theta.data[0]), *size, align_corners)
    assert worst_share(grid.data[0], truth, 4, dtype) <= 1
    truth = exact.NAME_gradient(fractions(ggrid[0]), align_corners)
    assert worst_share(gtheta.data[0], truth, 4, dtype) <= 1


def test_the_gradient_of_the_gradient_is_the_grid():
    rng = np.random.default_rng(1)
    theta, ggrid = Tensor(rng.standard_normal((2, 2)), True), Tensor(rng.standard_normal((2, 4, 5, 2)), True)
    (gtheta,) = grad(refwarp.NAME(theta, (2, 1, 4, 5)), theta, ggrid, create_graph=True)
    direction = rng.standard_normal((2, 2))
    (second,) = grad(gtheta, ggrid, direction)
    assert np.array_equal(second.data, refwarp.NAME(direction, (2, 1, 4, 5)))


def test_a_parameter_that_is_not_a_number_touches_its_axis_of_its_image_only():
    grid = refwarp.NAME(np.array([[np.nan, 1.0], [1.0, 1.0]]), (2, 1, 2, 3))
    assert np.isnan(grid[0, ..., 0]).all() and np.isnan(grid).sum() == 6


@pytest.mark.parametrize(("batch", "height", "width"), [(0, 3, 3), (1, 0, 3), (1, 3, 0)])
def test_empty_batches_and_outputs(batch, height, width):
    theta = Tensor(np.ones((batch, 2)), True)
    grid = refwarp.NAME(theta, (batch, 1, height, width))
    assert grid.shape == (batch, height, width, 2)
    assert not grad(grid, theta, np.ones(grid.shape))[0].data.any()


@pytest.mark.parametrize(
    ("theta", "size", "error", "words"),
    [
        (np.ones((1, 3)), (1, 1, 2, 2), ValueError, r"theta: given shape \(1, 3\), expected \(N, 2\)"),
        (np.ones((1, 2)), (2, 1, 2, 2), ValueError, "size: given N = 2 while theta has N = 1"),
        (np.ones((1, 2)), (2, 2), ValueError, r"size: given \(2, 2\), expected four"),
        (np.ones((1, 2), int), (1, 1, 2, 2), TypeError, "theta: given dtype int64"),
    ],
)
def test_wrong_arguments_are_named(theta, size, error, words):
    with pytest.raises(error, match=words):
        refwarp.NAME(theta, size)
