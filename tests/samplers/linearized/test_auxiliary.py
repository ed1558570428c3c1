"""Where the auxiliary samples of linearised sampling lie."""

from fractions import Fraction

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor
from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.linearized.auxiliary import auxiliary_point

THETA = np.array([[[0.75, -0.5, 0.25], [0.125, 1.5, -0.5]], [[0.25, 0, 0], [0, 3.0, 0.5]]])
EPS = np.finfo(float).eps


def noise_for(shape, count=4, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((2, *shape, count, 2)).astype(dtype)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(3, 4), (1, 3), (2, 1)])
def test_positions_are_those_of_the_equations(align_corners, size):
    """Output pixels are 2/s apart, also on an axis of one; the transformation is the affine one itself."""
    map_size, deviation, collapse = (5, 7), (0.5, 2.0), (1.0, 0.25)
    noise = noise_for((2, *size))
    grid = refwarp.affine_grid(THETA, (2, 1, *size), align_corners)
    options = {"deviation": deviation, "collapse_deviation": collapse, "align_corners": align_corners}
    result = refwarp.auxiliary_grid(grid, map_size, noise, theta=THETA, **options)
    corners = int(align_corners)
    pitch = [Fraction(2, max(n - corners, 1)) if n > 1 else 2 for n in size[::-1]]
    map_pitch = [Fraction(2, n - corners) for n in map_size[::-1]]
    for b, i, j, k in np.ndindex(result.shape[:4]):
        rows = fractions(THETA[b])
        first, second = fractions(noise[:, b, i, j, k])

        def transform(x, y, rows=rows):
            return [row[0] * x + row[1] * y + row[2] for row in rows]

        place = [target_coordinate(j, size[1], align_corners), target_coordinate(i, size[0], align_corners)]
        sigma = [Fraction(d) * p for d, p in zip(deviation, pitch, strict=True)]
        delta = [Fraction(d) * p for d, p in zip(collapse, map_pitch, strict=True)]
        expected = [float(u) for u in auxiliary_point(transform, place, first, sigma, second, delta)]
        # Some ten roundings of terms that stay below 16.
        assert np.allclose(result[b, i, j, k], expected, rtol=0, atol=10 * 16 * EPS)


@pytest.mark.parametrize("align_corners", [False, True])
def test_interpolating_the_grid_of_an_affine_transformation_is_that_transformation(align_corners):
    """Inside the grid and beyond it."""
    grid, noise = refwarp.affine_grid(THETA, (2, 1, 3, 4), align_corners), noise_for((2, 3, 4), seed=1)
    options = {"deviation": 3.0, "align_corners": align_corners}
    expected = refwarp.auxiliary_grid(grid, (5, 7), noise, theta=THETA, **options)
    # Some ten roundings of extrapolations that reach 10 cells away, from points of size 2.
    assert np.allclose(refwarp.auxiliary_grid(grid, (5, 7), noise, **options), expected, rtol=0, atol=10 * 40 * EPS)


def test_other_grids_are_interpolated_between_their_points():
    grid = np.array([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [3.0, 5.0]]])[None]
    noise = np.zeros((2, 1, 2, 2, 1, 2))
    noise[0, 0, 0, 0, 0], noise[0, 0, 1, 1, 0] = [0.5, 0.5], [-0.25, 1.0]
    result = refwarp.auxiliary_grid(grid, (4, 4), noise)[0, :, :, 0]
    assert result.tolist() == [[[1.0, 1.5], [1.0, 0.0]], [[0.0, 1.0], [3.75, 8.0]]]


def test_a_small_displacement_keeps_its_digits_far_from_the_first_point():
    """T is 0 but for the last of 4000 points, so that T(j + d) beside it is d itself; j + d has lost 12 bits of it."""
    grid, noise = np.zeros((1, 1, 4000, 2)), np.zeros((2, 1, 1, 4000, 1, 2))
    grid[..., -1, :], noise[0, ..., 0] = 1.0, 0.1
    result = refwarp.auxiliary_grid(grid, (4, 4), noise)[0, 0, :, 0]
    assert result[-2].tolist() == [0.1, 0.1] and not result[:-2].any()


def test_along_an_axis_of_one_output_pixel_only_theta_knows_the_transformation():
    grid = refwarp.affine_grid(THETA[:1], (1, 1, 1, 3))
    noise = np.zeros((2, 1, 1, 3, 1, 2))
    noise[0, ..., 1] = 1.0
    assert np.array_equal(refwarp.auxiliary_grid(grid, (4, 4), noise)[..., 0, :], grid)
    displaced = refwarp.auxiliary_grid(grid, (4, 4), noise, theta=THETA[:1])[..., 0, :]
    assert np.allclose(displaced - grid, 2 * THETA[0, :, 1], rtol=0, atol=8 * EPS)  # a few roundings of numbers near 2


def test_the_samples_spread_as_the_transformation_spreads_pixels():
    """Noise before the transformation; the released program adds it afterwards, whatever the transformation."""
    grid, noise = refwarp.affine_grid(THETA[1:], (1, 1, 4, 4)), noise_for((1, 4, 4), seed=2)
    noise[1] = 0
    offsets = refwarp.auxiliary_grid(grid, (8, 8), noise) - grid[..., None, :]
    assert np.allclose(offsets, noise[0] * 0.5 * [0.25, 3.0], rtol=0, atol=100 * EPS)  # ten roundings of some 10
    for align_corners in (False, True):
        options = {"displaced_in": "source", "align_corners": align_corners}
        offsets = refwarp.auxiliary_grid(grid, (8, 8), noise, **options) - grid[..., None, :]
        assert np.allclose(offsets, noise[0] * 0.5, rtol=0, atol=100 * EPS)


def test_the_second_noise_keeps_samples_apart_where_a_transformation_collapses_them():
    grid, noise = np.zeros((1, 3, 3, 2)), noise_for((1, 3, 3), seed=3)
    collapsed = refwarp.auxiliary_grid(grid, (4, 8), noise, collapse_deviation=0.0)
    assert not collapsed.any()
    for delta in (1.0, 3.0):
        kept_apart = refwarp.auxiliary_grid(grid, (4, 8), noise, collapse_deviation=delta)
        assert np.allclose(kept_apart, delta * noise[1] * [0.25, 0.5], rtol=0, atol=16 * EPS)


def test_noise_is_drawn_from_the_generator():
    grid = refwarp.affine_grid(THETA, (2, 1, 3, 4))
    drawn = refwarp.auxiliary_grid(grid, (5, 7), np.random.default_rng(4))
    assert drawn.shape == (2, 3, 4, 8, 2)
    assert np.array_equal(drawn, refwarp.auxiliary_grid(grid, (5, 7), noise_for((2, 3, 4), 8, seed=4)))
    assert refwarp.auxiliary_grid(grid, (5, 7), np.random.default_rng(4), count=7).shape == (2, 3, 4, 7, 2)
    input = np.random.default_rng(5).standard_normal((2, 1, 5, 7))
    with_generator = refwarp.linearized_sample(input, grid, np.random.default_rng(4))
    assert np.array_equal(with_generator, refwarp.linearized_sample(input, grid, drawn))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_positions_have_the_grids_dtype_and_no_history(dtype):
    grid = refwarp.affine_grid(Tensor(THETA.astype(dtype), requires_grad=True), (2, 1, 3, 4))
    result = refwarp.auxiliary_grid(grid, (5, 7), np.random.default_rng(6))
    assert type(result) is Tensor and result.dtype == dtype
    assert not result.requires_grad and result.source is None
    result = result.data
    wide = refwarp.auxiliary_grid(grid.data.astype(np.float64), (5, 7), np.random.default_rng(6))
    assert np.array_equal(result, wide.astype(dtype))


def test_a_grid_with_points_at_infinity_has_samples():
    grid = refwarp.affine_grid(THETA, (2, 1, 3, 4))
    grid[0, 1, 1] = [np.inf, -np.inf]
    result = refwarp.auxiliary_grid(grid, (5, 7), np.random.default_rng(7), deviation=0.1)
    assert np.isfinite(result[1]).all() and not np.isfinite(result[0, 1, 1]).any()


def test_empty_grids():
    for shape in ((0, 2, 3, 2), (1, 0, 3, 2), (1, 2, 0, 2)):
        assert refwarp.auxiliary_grid(np.ones(shape), (4, 4), np.random.default_rng(8)).shape == (*shape[:3], 8, 2)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"grid": np.ones((2, 3, 2))}, ValueError, r"grid: given shape \(2, 3, 2\)"),
        ({"map_size": (4,)}, ValueError, r"map_size: given \(4,\), expected two integers"),
        ({"map_size": (0, 4)}, ValueError, r"map_size: given \(0, 4\), expected two integers"),
        ({"map_size": 7}, ValueError, "map_size: given 7"),
        ({"noise": np.ones((1, 1, 2, 3, 4, 2))}, ValueError, r"noise: given shape .* \(2, N, H_out, W_out, K, 2\)"),
        ({"noise": 3}, TypeError, "noise: given int"),
        ({"count": 5}, ValueError, r"noise: given shape \(2, 1, 2, 3, 4, 2\)"),
        ({"noise": np.random.default_rng(0), "count": 2.5}, ValueError, "count: given 2.5, expected a non-negative"),
        ({"noise": np.random.default_rng(0), "count": True}, ValueError, "count: given True"),
        ({"noise": 3}, TypeError, "noise: given int, expected a numpy.random.Generator or an array"),
        ({"map_size": (4.5, 4)}, ValueError, r"map_size: given \(4.5, 4\), expected two integers"),
        ({"map_size": ("a", "b")}, ValueError, "map_size: given"),
        ({"theta": np.ones((1, 2, 3), np.float32)}, TypeError, "theta: given dtype float32 while grid is float64"),
        ({"noise": np.random.default_rng(0), "count": -1}, ValueError, "count: given -1, expected a non-negative"),
        ({"deviation": -0.5}, ValueError, "deviation: given -0.5, expected one number or 2"),
        ({"collapse_deviation": "1"}, ValueError, "collapse_deviation: given '1', expected one number or 2"),
        ({"displaced_in": "map"}, ValueError, "displaced_in: given 'map', expected one of 'target', 'source'"),
        ({"theta": np.ones((2, 2, 3))}, ValueError, r"theta: given shape \(2, 2, 3\)"),
        ({"theta": np.ones((1, 2, 3)), "displaced_in": "source"}, ValueError, "theta: given while displaced_in"),
        ({"align_corners": 0}, ValueError, "align_corners: given 0"),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    arguments = {"grid": np.zeros((1, 2, 3, 2)), "map_size": (4, 4), "noise": np.ones((2, 1, 2, 3, 4, 2))}
    with pytest.raises(error, match=words):
        refwarp.auxiliary_grid(**{**arguments, **change})
