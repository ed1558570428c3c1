"""The affine grid's kernels against exact values."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact.affine import affine_grid, affine_grid_gradient
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import fractions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (7, 40), (3, 4096)])
def test_grid_and_gradient(dtype, align_corners, size):
    height, width = size
    rng = np.random.default_rng([*size, align_corners])
    theta = Tensor((rng.standard_normal((1, 2, 3)) * 10.0 ** rng.integers(-9, 2, (1, 2, 3))).astype(dtype), True)
    # x of one sign, whose roundings pile up in a plain sum; y of both, whose terms cancel
    ggrid = rng.standard_normal((1, height, width, 2)).astype(dtype)
    ggrid[..., 0] = np.abs(ggrid[..., 0])
    grid = refwarp.affine_grid(theta, (1, 3, height, width), align_corners)
    (gtheta,) = grad(grid, theta, ggrid)
    truth = affine_grid(fractions(theta.data[0]), height, width, align_corners)
    assert worst_share(grid.data[0], truth, 4, dtype) <= 1
    truth = affine_grid_gradient(fractions(ggrid[0]), align_corners)
    assert worst_share(gtheta.data[0], truth, 4, dtype) <= 1


def test_the_gradient_of_the_gradient_is_the_grid():
    rng = np.random.default_rng(1)
    theta, ggrid = Tensor(rng.standard_normal((2, 2, 3)), True), Tensor(rng.standard_normal((2, 4, 5, 2)), True)
    (gtheta,) = grad(refwarp.affine_grid(theta, (2, 1, 4, 5)), theta, ggrid, create_graph=True)
    direction = rng.standard_normal((2, 2, 3))
    (second,) = grad(gtheta, ggrid, direction)
    assert np.array_equal(second.data, refwarp.affine_grid(direction, (2, 1, 4, 5)))
