"""Transformations: their identities, and the grids of any parameters, from independent formulas."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.gradcheck import gradcheck
from refwarp.networks import (
    Affine,
    Attention,
    LinearBasis,
    PiecewiseAffine,
    Projective,
    RotationScaleTranslation,
    Similarity,
    ThinPlateSpline,
    Translation,
    regular_points,
)
from refwarp.samplers.grid_sample import grid_sample
from tests.networks.kinds import TRANSFORMATIONS, away_from_the_identity, points

EACH = pytest.mark.parametrize("name", TRANSFORMATIONS)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_identity_is_the_identity(name, dtype, align_corners):
    transformation = TRANSFORMATIONS[name]((5, 7), align_corners, dtype)
    theta = Tensor(np.tile(transformation.identity.astype(dtype), (2, 1)))
    assert transformation.identity.dtype == np.float64 and theta.shape == (2, transformation.count)
    grid = transformation.grid(theta, (2, 1, 5, 7), align_corners)
    assert grid.dtype == dtype and grid.shape == (2, 5, 7, 2)
    # Sums of at most 16 numbers of at most 1, each times a weight that is below 1 and rounded, rounded once more.
    assert abs(grid.data - points(5, 7, align_corners)).max() <= 16 * np.finfo(dtype).eps


@EACH
def test_gradients_of_the_grid(name):
    transformation = TRANSFORMATIONS[name]((3, 2), False, np.float64)
    gradcheck(
        lambda theta: transformation.grid(theta, (2, 1, 3, 2), False),
        [away_from_the_identity(transformation, 2)],
        rng=np.random.default_rng(1),
        order=2,
    )


def grid_of(transformation, theta, size, align_corners=False):
    return transformation.grid(Tensor(theta), (len(theta), 1, *size), align_corners).data


def mapped(matrix, size):
    """Return the grid of the 2 x 3 or 3 x 3 matrices of an image each, pixel by pixel."""
    homogeneous = np.concatenate([points(*size), np.ones((*size, 1))], axis=-1)
    moved = np.einsum("nrk,ijk->nijr", matrix, homogeneous)
    return moved[..., :2] / moved[..., 2:] if moved.shape[-1] == 3 else moved


def scale(x, y):
    return np.diag([x, y])


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def matrix_of(transformation, theta):
    """Return [linear part, shift] of the affine transformations, from what their parameters are called."""
    match transformation, theta.tolist():
        case Translation(), [*shift]:
            linear = scale(1, 1)
        case Attention(), [s, *shift]:
            linear = scale(s, s)
        case Similarity(), [s, angle, *shift]:
            linear = s * turn(angle)
        case RotationScaleTranslation(translate_first=first), [angle, log_x, log_y, *shift]:
            linear = turn(angle) @ scale(2**log_x, 2**log_y)
            shift = linear @ shift if first else shift
        case Affine(), [a, b, c, d, e, f]:
            linear, shift = np.array([[a, b], [d, e]]), [c, f]
    return np.column_stack([linear, shift])


@pytest.mark.parametrize(
    "transformation",
    [
        Translation(),
        Attention(),
        Similarity(),
        RotationScaleTranslation(),
        RotationScaleTranslation(translate_first=True),
        Affine(),
    ],
    ids=repr,
)
def test_affine_grids(transformation):
    theta = away_from_the_identity(transformation, 3, spread=0.7)
    expected = mapped(np.stack([matrix_of(transformation, row) for row in theta]), (4, 6))
    # A dozen roundings of numbers of some units.
    np.testing.assert_allclose(grid_of(transformation, theta, (4, 6)), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("bound", [None, 0.5])
def test_projective_grids(bound):
    theta = away_from_the_identity(Projective(bound), 3, spread=0.3)
    rows = theta.copy()
    if bound:
        rows[:, 6:] = bound / 2 * np.tanh(2 * theta[:, 6:] / bound)
    matrix = np.concatenate([rows, np.ones((3, 1))], axis=1).reshape(3, 3, 3)
    # A few roundings of numbers of some units, divided by D, which is above 1/10.
    np.testing.assert_allclose(
        grid_of(Projective(bound), theta, (4, 6)), mapped(matrix, (4, 6)), rtol=1e-13, atol=1e-13
    )


def test_a_bound_keeps_the_horizon_off_the_output():
    """With align_corners the output reaches from -1 to 1; D is above 1 - b there, so the grid is finite."""
    theta = np.random.default_rng(3).normal(0, 100, (50, 8))
    x, y = points(5, 5, True).transpose(2, 0, 1)
    numerator = sum(theta[:, k, None, None] * (x, y, 1)[k] for k in range(3))
    below = numerator / grid_of(Projective(0.9), theta, (5, 5), True)[..., 0]
    assert (below > 0.1 - 1e-12).all()  # a quotient's rounding
    assert below.min() < 0.2, "the bound is nearly met"
    assert (numerator / grid_of(Projective(), theta, (5, 5), True)[..., 0] < 0).any()


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


@pytest.mark.parametrize("transformation", [ThinPlateSpline((3, 4)), PiecewiseAffine((3, 4))], ids=repr)
def test_a_grid_goes_through_its_points(transformation):
    """Where output pixels are control points or vertices, with align_corners, the grid is theta itself."""
    theta = away_from_the_identity(transformation, 2, spread=0.5)
    grid = grid_of(transformation, theta, (5, 7), True)
    # 15 terms, each of some units; the spline's equations are solved to the last bit.
    np.testing.assert_allclose(grid[:, ::2, ::2].reshape(2, -1), theta, rtol=0, atol=64 * np.finfo(float).eps)


@pytest.mark.parametrize("transformation", [ThinPlateSpline(), PiecewiseAffine((2, 3))], ids=repr)
def test_an_affine_map_of_the_points_is_one_of_all_pixels(transformation):
    matrix = np.array([[[0.5, -0.2, 0.1], [0.3, 0.8, -0.4]]])
    theta = transformation.identity.reshape(-1, 2) @ matrix[0, :, :2].T + matrix[0, :, 2]
    grid = grid_of(transformation, theta.reshape(1, -1), (5, 6))
    np.testing.assert_allclose(grid, mapped(matrix, (5, 6)), rtol=0, atol=64 * np.finfo(float).eps)


def test_a_smooth_spline_is_another():
    theta = away_from_the_identity(ThinPlateSpline(), 1, spread=0.3)
    one, other = (grid_of(ThinPlateSpline(smoothing=s), theta, (5, 5)) for s in (0.0, 1.0))
    assert abs(one - other).max() > 0.01


def test_a_linear_basis_is_a_sum_of_its_functions():
    rng = np.random.default_rng(6)
    basis, theta = rng.standard_normal((5, 3, 4)), rng.standard_normal((2, 10))
    expected = np.zeros((2, 3, 4, 2))
    for k in range(5):
        expected[..., 0] += theta[:, k, None, None] * basis[k]
        expected[..., 1] += theta[:, 5 + k, None, None] * basis[k]
    transformation = LinearBasis(basis, rng.standard_normal((2, 5)), dtype=np.float64)
    # Five products of some units.
    np.testing.assert_allclose(grid_of(transformation, theta, (3, 4)), expected, rtol=0, atol=1e-14)


def test_a_basis_is_learnt_or_a_part_of_the_state():
    basis = np.random.default_rng(7).standard_normal((4, 3, 2))
    fixed, learnt = (LinearBasis(basis, np.eye(2, 4), learnable=learnable) for learnable in (False, True))
    assert fixed.parameters() == [] and [name for name, _ in learnt.named_parameters()] == ["basis"]
    for transformation in (fixed, learnt):
        (kept,) = transformation.state_dict().values()
        assert kept.dtype == np.float32 and (kept == basis.astype(np.float32)).all()
    theta = Tensor(np.ones((2, 8), np.float32))
    g = np.random.default_rng(8).standard_normal((2, 3, 2, 2)).astype(np.float32)
    learnt.grid(theta, (2, 1, 3, 2), False).backward(g)
    expected = np.broadcast_to(g.astype(np.float64).sum(axis=(0, 3)), (4, 3, 2))  # every coefficient is 1
    np.testing.assert_allclose(learnt.basis.grad.data, expected, rtol=0, atol=8 * np.finfo(np.float32).eps)


def test_regular_points():
    assert regular_points(2, 3).tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]


def test_impossible_transformations_are_refused():
    for bound in (0, 1, -0.5, "0.5", float("nan")):
        with pytest.raises(ValueError, match="bound: given .*, expected a number above 0 and below 1, or None"):
            Projective(bound)
    with pytest.raises(ValueError, match="points: given 1, expected an integer of at least 2"):
        ThinPlateSpline((1, 4))
    with pytest.raises(ValueError, match="vertices: given 1, expected an integer of at least 2"):
        PiecewiseAffine((4, 1))
    with pytest.raises(ValueError, match="translate_first: given 1, expected one of False, True"):
        RotationScaleTranslation(translate_first=1)


def test_impossible_bases_are_refused():
    basis = np.ones((3, 4, 5))
    with pytest.raises(ValueError, match=r"basis: given shape \(4, 5\), expected \(K, H, W\)"):
        LinearBasis(basis[0], np.eye(2, 3))
    with pytest.raises(
        ValueError, match=r"identity: given shape \(2, 4\), expected \(2, 3\), as basis has 3 functions"
    ):
        LinearBasis(basis, np.eye(2, 4))
    with pytest.raises(ValueError, match="basis: given functions at 4 x 5 pixels for an output of 5 x 4, expected the"):
        LinearBasis(basis, np.eye(2, 3)).grid(Tensor(np.ones((1, 6), np.float32)), (1, 1, 5, 4), False)
