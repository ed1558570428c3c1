"""Attention, translation, similarity and LMS grids against exact values, and their conventions."""

import math

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import affine_parameters as exact
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import Sum, fractions

RATIONAL = {
    "attention": (refwarp.attention_grid, exact.attention, 3),
    "translation": (refwarp.translation_grid, exact.translation, 2),
}
IRRATIONAL = {
    "similarity": (refwarp.similarity_grid, exact.similarity, 4, {}),
    "rotation_scale_translation": (
        refwarp.rotation_scale_translation_grid,
        exact.rotation_scale_translation,
        5,
        {"translate_first": False},
    ),
    "translated_first": (
        refwarp.rotation_scale_translation_grid,
        exact.rotation_scale_translation,
        5,
        {"translate_first": True},
    ),
}
MATRICES = {
    "attention": (refwarp.attention_matrix, 3),
    "translation": (refwarp.translation_matrix, 2),
    "similarity": (refwarp.similarity_matrix, 4),
    "rotation_scale_translation": (refwarp.rotation_scale_translation_matrix, 5),
    "kurbiel": (refwarp.kurbiel_matrix, 6),
}


def rational(sums):
    """Turn nested sums of balls into sums of rational numbers."""
    if isinstance(sums, Sum):
        joined = Sum()
        if sums.k:
            joined.value, joined.k, joined.M = Balls.midpoint(sums.value), sums.k, Balls.midpoint(sums.M)
        return joined
    return [rational(part) for part in sums]


def shares(grid, make, theta, size, align_corners, convert, rng, c):
    """Return the shares of the budget that grid and gradient take."""
    dtype = theta.dtype.name
    tensor = Tensor(theta, True)
    out = grid(tensor, (1, 3, *size), align_corners)
    ggrid = rng.standard_normal(out.shape).astype(theta.dtype)
    (gtheta,) = grad(out, tensor, ggrid)
    a = make(convert(fractions(theta[0])))
    values = exact.parametrised_grid(a, *size, align_corners, convert)
    gradient = exact.parametrised_gradient(a, convert(fractions(ggrid[0])), align_corners, convert)
    if isinstance(convert, Balls):
        values, gradient = rational(values), rational(gradient)
    return worst_share(out.data[0], values, c, dtype), worst_share(gtheta.data[0], gradient, c, dtype)


def unchanged(numbers):
    return numbers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 7), (2, 513)])
@pytest.mark.parametrize("name", RATIONAL)
def test_grid_and_gradient(dtype, align_corners, size, name):
    grid, make, count = RATIONAL[name]
    rng = np.random.default_rng([*size, align_corners, count])
    theta = (rng.standard_normal((1, count)) * 10.0 ** rng.integers(-9, 2, (1, count))).astype(dtype)
    assert max(shares(grid, make, theta, size, align_corners, unchanged, rng, 4)) <= 1


def angles(rng, dtype):
    """Draw angles where sines and cosines are hard: near multiples of pi / 2, tiny ones, huge ones, any."""
    near = math.pi / 2 * rng.integers(-6, 7)
    tiny, huge = 10.0 ** rng.uniform(-30, -5), 1e5 * near
    return dtype(rng.choice([near, np.nextafter(near, 9), tiny, huge, rng.uniform(-4, 4)]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 7)])
@pytest.mark.parametrize("name", IRRATIONAL)
def test_grid_and_gradient_with_angles(dtype, align_corners, size, name):
    """In ball arithmetic of 320 bits, of which a difference of equal numbers leaves enough."""
    grid, make, count, options = IRRATIONAL[name]
    rng = np.random.default_rng([*size, align_corners, count])
    with Balls() as balls:
        for _ in range(8):
            theta = (rng.standard_normal((1, count)) * 10.0 ** rng.integers(-9, 2, (1, count))).astype(dtype)
            theta[0, 1 if name == "similarity" else 0] = angles(rng, dtype)
            found = shares(
                lambda *given: grid(*given, **options),
                lambda parameters: make(parameters, **options),  # noqa: B023
                theta,
                size,
                align_corners,
                balls,
                rng,
                12,
            )
            assert max(found) <= 1


@pytest.mark.parametrize("name", MATRICES)
def test_gradcheck_first_and_second_order(name):
    matrix, count = MATRICES[name]
    rng = np.random.default_rng(count)
    theta = rng.standard_normal((2, count))
    gradcheck(matrix, (theta,), rng=rng, order=2)
    if name != "kurbiel":
        grid = getattr(refwarp, f"{name}_grid")
        gradcheck(lambda theta: grid(theta, (2, 1, 2, 3)), (theta,), rng=rng, order=2)


def test_each_matrix_by_hand():
    """A quarter turn takes x to y; the scales 1/2 and 4; translated last, and first."""
    assert refwarp.attention_matrix(np.array([[2.0, 3, 4]])).tolist() == [[[2, 0, 3], [0, 2, 4]]]
    assert refwarp.translation_matrix(np.array([[3.0, 4]])).tolist() == [[[1, 0, 3], [0, 1, 4]]]
    assert refwarp.kurbiel_matrix(np.arange(1.0, 7)[None]).tolist() == [[[1, 2, 5], [3, 4, 6]]]
    turned = refwarp.similarity_matrix(np.array([[2.0, math.pi / 2, 3, 4]]))
    # The cosine of the float nearest to pi / 2 is 6e-17.
    assert np.allclose(turned, [[[0, -2, 3], [2, 0, 4]]], rtol=0, atol=2.0**-52)
    theta = np.array([[math.pi / 2, -1.0, 2.0, 3, 5]])
    last = refwarp.rotation_scale_translation_matrix(theta)
    assert np.allclose(last, [[[0, -4, 3], [0.5, 0, 5]]], rtol=0, atol=2.0**-51)
    first = refwarp.rotation_scale_translation_matrix(theta, translate_first=True)
    assert np.allclose(first, [[[0, -4, -20], [0.5, 0, 1.5]]], rtol=0, atol=2.0**-48)


def test_grids_are_affine_grids_of_their_matrices():
    """To the bit in float64; in float32 the matrix is not rounded on the way."""
    rng = np.random.default_rng(7)
    for name, (matrix, count) in MATRICES.items():
        if name == "kurbiel":
            continue
        theta, size = rng.standard_normal((2, count)), (2, 1, 3, 4)
        grid = getattr(refwarp, f"{name}_grid")
        assert np.array_equal(grid(theta, size), refwarp.affine_grid(matrix(theta), size))
        narrow = theta.astype(np.float32)
        wide = grid(narrow.astype(np.float64), size, True)
        assert np.array_equal(grid(narrow, size, True), wide.astype(np.float32))


def test_scales_that_are_powers_of_two_are_exact():
    powers = np.arange(-20.0, 21)
    theta = np.zeros((len(powers), 5))
    theta[:, 1] = powers
    assert refwarp.rotation_scale_translation_matrix(theta)[:, 0, 0].tolist() == [2.0**p for p in powers]
    tensor = Tensor(theta, True)
    (gtheta,) = grad(refwarp.rotation_scale_translation_matrix(tensor)[:, 0, 0], tensor, np.ones(len(powers)))
    # The derivative of 2^x is ln 2 there times 2^x: one rounding.
    assert gtheta.data[:, 1].tolist() == [math.log(2.0) * 2.0**p for p in powers]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", MATRICES)
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype, name):
    matrix, count = MATRICES[name]
    theta = np.random.default_rng(3).standard_normal((2, count)).astype(dtype)
    before = theta.copy()
    out = matrix(theta)
    assert type(out) is np.ndarray and out.dtype == dtype and out.shape == (2, 2, 3)
    tensor = Tensor(np.asfortranarray(theta), True)
    kept = matrix(tensor)
    assert np.array_equal(kept.data, out) and grad(kept, tensor, out)[0].dtype == dtype
    if name != "kurbiel":
        grid = getattr(refwarp, f"{name}_grid")(tensor, (2, 1, 3, 2))
        assert grid.dtype == dtype and grad(grid, tensor, grid.data)[0].dtype == dtype
    assert np.array_equal(theta, before)


def test_a_parameter_that_is_not_a_number_touches_what_it_enters_only():
    theta = np.array([[0.5, np.nan, 0.25], [1.0, 0.0, 0.0]])
    grid = refwarp.attention_grid(theta, (2, 1, 3, 3))
    assert np.isnan(grid[0, ..., 0]).all() and not np.isnan(grid[0, ..., 1]).any() and not np.isnan(grid[1]).any()


def test_empty_batches_and_outputs():
    for name, (matrix, count) in MATRICES.items():
        assert matrix(np.ones((0, count))).shape == (0, 2, 3)
        if name == "kurbiel":
            continue
        for batch, height, width in ((0, 3, 3), (1, 0, 3), (1, 3, 0)):
            theta = Tensor(np.ones((batch, count)), True)
            grid = getattr(refwarp, f"{name}_grid")(theta, (batch, 1, height, width))
            assert grid.shape == (batch, height, width, 2)
            assert not grad(grid, theta, np.ones(grid.shape))[0].data.any()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: refwarp.attention_matrix(np.ones((1, 4))),
            ValueError,
            r"theta: given shape \(1, 4\), expected \(N, 3\)",
        ),
        (lambda: refwarp.kurbiel_matrix(np.ones((1, 2, 3))), ValueError, r"given shape \(1, 2, 3\), expected \(N, 6\)"),
        (lambda: refwarp.similarity_grid([1, 0, 0, 0], (1, 1, 2, 2)), TypeError, "theta: given list"),
        (lambda: refwarp.translation_grid(np.ones((1, 2), int), (1, 1, 2, 2)), TypeError, "theta: given dtype int64"),
        (lambda: refwarp.attention_grid(np.ones((1, 3)), (2, 1, 2, 2)), ValueError, "size: given N = 2"),
        (lambda: refwarp.attention_grid(np.ones((1, 3)), (2, 2)), ValueError, r"size: given \(2, 2\)"),
        (lambda: refwarp.similarity_grid(np.ones((1, 4)), (1, 1, 2, 2), 1), ValueError, "align_corners: given 1"),
        (
            lambda: refwarp.rotation_scale_translation_grid(np.ones((1, 5)), (1, 1, 2, 2), translate_first=None),
            ValueError,
            "translate_first: given None, expected one of False, True",
        ),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_released_order_is_a_composition():
    """Translated first: the translation, then rotation and scales."""
    theta = np.array([[0.7, -0.5, 1.25, 0.2, -0.3]])
    still, shift = theta.copy(), theta[:, 3:]
    still[:, 3:] = 0
    composed = refwarp.compose(refwarp.rotation_scale_translation_matrix(still), refwarp.translation_matrix(shift))
    first = refwarp.rotation_scale_translation_matrix(theta, translate_first=True)
    assert np.allclose(first, composed, rtol=4 * 2.0**-52, atol=0)  # two products and a sum, in another order
