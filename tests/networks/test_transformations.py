"""Transformations: their identities, and the grids of any parameters, from independent formulas."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.gradcheck import gradcheck
from refwarp.networks import Affine, Projective, SpatialTransformer, ThinPlateSpline
from refwarp.samplers.grid_sample import grid_sample

ALL = [Affine(), Projective(), Projective(bound=0.9), ThinPlateSpline(), ThinPlateSpline((2, 3), smoothing=0.1)]
EACH = pytest.mark.parametrize("transformation", ALL, ids=repr)


def points(height, width, align_corners=False):
    """Return x and y of the output's pixels, each (height, width)."""
    x, y = ((2 * np.arange(n) + 1 - n) / max(n - align_corners, 1) for n in (width, height))
    return np.meshgrid(x, y)


def thetas(transformation, count=3, spread=0.1, dtype=np.float64, seed=0):
    away = np.random.default_rng(seed).normal(0, spread, (count, transformation.count))
    return (transformation.identity + away).astype(dtype)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_identity_is_the_identity(transformation, dtype, align_corners):
    theta = Tensor(np.tile(transformation.identity.astype(dtype), (2, 1)))
    grid = transformation.grid(theta, (2, 1, 5, 7), align_corners)
    assert grid.dtype == dtype and grid.shape == (2, 5, 7, 2) and transformation.identity.shape == theta.shape[1:]
    expected = np.stack(points(5, 7, align_corners), axis=-1)
    # Sums of K numbers of at most 1, K <= 16, times weights of a spline that are below 1, rounded once more.
    assert abs(grid.data - expected).max() <= 16 * np.finfo(dtype).eps


@EACH
def test_gradients_of_the_grid(transformation):
    gradcheck(
        lambda theta: transformation.grid(theta, (2, 1, 3, 2), False),
        [thetas(transformation, 2)],
        rng=np.random.default_rng(1),
        order=2,
    )


def test_an_affine_grid():
    theta = thetas(Affine(), spread=1)
    x, y = points(4, 6)
    a, b, c, d, e, f = theta[:, :, None, None].swapaxes(0, 1)
    grid = Affine().grid(Tensor(theta), (3, 1, 4, 6), False).data
    # Three products, each rounded, of numbers of a few units.
    np.testing.assert_allclose(grid, np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1), rtol=0, atol=1e-14)


@pytest.mark.parametrize("bound", [None, 0.5])
def test_a_projective_grid(bound):
    theta = thetas(Projective(bound), spread=0.3)
    x, y = points(4, 6)
    a, b, c, d, e, f, g, h = theta[:, :, None, None].swapaxes(0, 1)
    if bound:
        g, h = (bound / 2 * np.tanh(2 * entry / bound) for entry in (g, h))
    below = g * x + h * y + 1
    grid = Projective(bound).grid(Tensor(theta), (3, 1, 4, 6), False).data
    expected = np.stack([(a * x + b * y + c) / below, (d * x + e * y + f) / below], axis=-1)
    np.testing.assert_allclose(grid, expected, rtol=1e-12, atol=1e-13)  # a few roundings, and 1/D of some units


def test_a_bound_keeps_the_horizon_off_the_output():
    """With align_corners the output reaches from -1 to 1; D is above 1 - b there, and so is finite the grid."""
    theta = np.random.default_rng(3).normal(0, 100, (50, 8))
    grid = Projective(0.9).grid(Tensor(theta), (50, 1, 5, 5), True).data
    x, y = points(5, 5, True)
    numerator = theta[:, 0, None, None] * x + theta[:, 1, None, None] * y + theta[:, 2, None, None]
    below = numerator / grid[..., 0]
    assert (
        below > 0.1 - 1e-12
    ).all() and below.min() < 0.2  # within the rounding of a quotient; the bound is nearly met
    wild = Projective().grid(Tensor(theta), (50, 1, 5, 5), True).data
    assert (numerator / wild[..., 0] < 0).any()


@pytest.mark.parametrize("bound", [None, 0.9])
@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_the_horizon_leaves_values_and_gradients_finite(bound, padding, mode):
    """Homographies of which many have the horizon on the output, some exactly on pixels of it."""
    rng = np.random.default_rng(4)
    theta = rng.normal(0, 2, (200, 8))
    theta[:100, 6:] = rng.integers(-8, 9, (100, 2)) / 2  # D = g x + h y + 1 with x, y multiples of 1/4
    theta = Tensor(theta.astype(np.float32), requires_grad=True)
    grid = Projective(bound).grid(theta, (200, 1, 9, 9), True)
    assert (bound is None) == bool(np.isinf(grid.data).any())
    maps = Tensor(rng.random((200, 1, 6, 6), np.float32), requires_grad=True)
    out = grid_sample(maps, grid, mode=mode, padding_mode=padding)
    out.backward(rng.standard_normal(out.shape).astype(np.float32))
    for array in (out, theta.grad, maps.grad):
        assert np.isfinite(array.data).all()
    assert mode == "nearest" or theta.grad.data.any()


def test_a_spline_goes_through_its_points():
    """Where output pixels are control points, with align_corners, the grid is theta itself."""
    transformation = ThinPlateSpline((3, 4))
    theta = thetas(transformation, 2, spread=0.5)
    grid = transformation.grid(Tensor(theta), (2, 1, 5, 7), True).data
    # 15 terms, each of some units; the spline's equations are solved to the last bit.
    np.testing.assert_allclose(grid[:, ::2, ::2].reshape(2, -1), theta, rtol=0, atol=64 * np.finfo(float).eps)


def test_a_spline_of_an_affine_map_is_affine():
    transformation = ThinPlateSpline()
    x, y = points(4, 4, True)
    control = np.stack([0.5 * x - 0.2 * y + 0.1, 0.3 * x + 0.8 * y - 0.4], axis=-1).reshape(1, -1)
    x, y = points(5, 6)
    expected = np.stack([0.5 * x - 0.2 * y + 0.1, 0.3 * x + 0.8 * y - 0.4], axis=-1)
    grid = transformation.grid(Tensor(control), (1, 1, 5, 6), False).data
    np.testing.assert_allclose(grid[0], expected, rtol=0, atol=64 * np.finfo(float).eps)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("align_corners", [False, True])
def test_a_transformer_that_is_told_the_identity_returns_its_input(transformation, dtype, align_corners):
    theta = Tensor(np.tile(transformation.identity.astype(dtype), (2, 1)))
    transformer = SpatialTransformer(lambda input: theta, transformation, align_corners=align_corners)
    input = Tensor(np.random.default_rng(5).random((2, 3, 12, 10), dtype))
    output = transformer(input)
    # A grid off by 16 eps is off by 96 eps pixels each way, and neighbours differ by less than 1.
    assert output.dtype == dtype and abs(output.data - input.data).max() <= 200 * np.finfo(dtype).eps


def test_impossible_transformations_are_refused():
    for bound in (0, 1, -0.5, "0.5", float("nan")):
        with pytest.raises(ValueError, match="bound: given .*, expected a number above 0 and below 1, or None"):
            Projective(bound)
    with pytest.raises(ValueError, match="points: given 1, expected an integer of at least 2"):
        ThinPlateSpline((1, 4))
