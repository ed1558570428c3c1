"""The linear basis grid: its kernel against exact values, its conventions, and the ready-made bases."""

import math

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import linear_basis as exact
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import Sum, fractions
from tests.threads import on_threads

DTYPES = ["float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 3, 2, 3), (2, 1, 5, 1), (3, 40, 2, 4), (1, 2, 3, 400)])
@pytest.mark.parametrize("magnitudes", [(0, 0), (-20, 5)])
def test_grid_and_gradients(dtype, shape, magnitudes):
    """Also with terms that cancel over many decimals."""
    batch, count, height, width = shape
    rng = np.random.default_rng([*shape, abs(magnitudes[0])])

    def draw(*lengths):
        return (rng.standard_normal(lengths) * 10.0 ** rng.uniform(*magnitudes, lengths)).astype(dtype)

    m, b = Tensor(draw(batch, 2, count), True), Tensor(draw(count, height, width), True)
    ggrid = draw(batch, height, width, 2)
    grid = refwarp.linear_basis_grid(m, b)
    gm, gb = grad(grid, (m, b), ggrid)
    ms, bs, ggrids = fractions(m.data), fractions(b.data), fractions(ggrid)
    for n in range(batch):
        assert worst_share(grid.data[n], exact.linear_basis_grid(ms[n], bs), 4, dtype) <= 1
        assert worst_share(gm.data[n], exact.coefficient_gradient(ggrids[n], bs), 4, dtype) <= 1
    assert worst_share(gb.data, exact.basis_gradient(ggrids, ms), 4, dtype) <= 1


def test_a_long_sum_keeps_its_digits():
    """10^5 terms of one sign, whose plain sum would be off by more than its budget."""
    rng = np.random.default_rng(1)
    terms = rng.uniform(0.5, 1, 100_001)
    ggrid = np.zeros((1, 1, terms.size, 2))
    ggrid[..., 0] = terms
    m, b = Tensor(np.ones((1, 2, 1)), True), Tensor(np.ones((1, 1, terms.size)))
    (gm,) = grad(refwarp.linear_basis_grid(m, b), m, ggrid)
    truth = Sum(fractions(terms))
    truth.k = 1  # a stricter budget than that of a sum of so many
    assert worst_share(gm.data[0, :1, 0], [truth], 4, "float64") <= 1


def test_gradcheck():
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((2, 2, 3)), rng.standard_normal((3, 2, 2))
    gradcheck(refwarp.linear_basis_grid, inputs, rng=rng, order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype):
    rng = np.random.default_rng(3)
    m, b = rng.standard_normal((2, 2, 3)).astype(dtype), rng.standard_normal((3, 4, 5)).astype(dtype)
    grid = refwarp.linear_basis_grid(m, b)
    assert type(grid) is np.ndarray and grid.dtype == dtype and grid.shape == (2, 4, 5, 2)
    tensors = Tensor(m, True), Tensor(b, True)
    out = refwarp.linear_basis_grid(*tensors)
    assert np.array_equal(out.data, grid)
    assert [g.dtype for g in grad(out, tensors, rng.standard_normal(grid.shape).astype(dtype))] == [dtype] * 2


def test_not_a_number_and_infinity_stay_where_they_belong():
    m, b = np.ones((2, 2, 2)), np.ones((2, 1, 3))
    m[0, 1, 0] = np.nan
    m[1, 0] = np.inf, 1
    m[1, 1] = 1e308
    grid = refwarp.linear_basis_grid(m, b)
    assert np.isnan(grid[0, ..., 1]).all() and (grid[0, ..., 0] == 2).all()
    assert (grid[1] == np.inf).all()


def test_empty_shapes_and_layouts():
    for shape in ((0, 3, 2, 2), (2, 0, 2, 2), (2, 3, 0, 2), (2, 3, 2, 0)):
        m, b = Tensor(np.ones((shape[0], 2, shape[1])), True), Tensor(np.ones(shape[1:]), True)
        grid = refwarp.linear_basis_grid(m, b)
        assert grid.shape == (shape[0], *shape[2:], 2)
        assert grid.data.any() == (grid.size > 0 and shape[1] > 0)
        gm, gb = grad(grid, (m, b), np.ones(grid.shape))
        assert gm.shape == m.shape and gb.shape == b.shape
    rng = np.random.default_rng(4)
    m, b = rng.standard_normal((2, 2, 3)), rng.standard_normal((3, 4, 5))
    expected = refwarp.linear_basis_grid(m, b)
    strided = np.repeat(b, 2, axis=1)[:, ::2]
    strided.flags.writeable = False
    assert np.array_equal(refwarp.linear_basis_grid(np.asfortranarray(m), strided), expected)


def test_the_bits_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(5)
    m, b = rng.standard_normal((3, 2, 7)), rng.standard_normal((7, 40, 41))
    results = on_threads((1, 2, 3, 1), lambda: refwarp.linear_basis_grid(m, b).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (7, 2), (3, 30)])
def test_bases_are_rounded_once_a_factor(size, align_corners):
    shape = (1, 1, *size)
    affine = fractions(refwarp.affine_basis(shape, align_corners))
    truth = exact.affine_basis(*size, align_corners)
    assert all(fractions(float(t)) == r for ts, rs in zip(truth, affine, strict=True) for t, r in pairs(ts, rs))
    for degree in (0, 1, 4, 9):
        basis = refwarp.bernstein_basis(degree, shape, align_corners)
        truth = exact.bernstein_basis(degree, *size, align_corners)
        sums = [[[Sum([t]) for t in row] for row in plane] for plane in truth]
        assert worst_share(basis, sums, 3, "float64") <= 1  # two factors and a product


def test_bases_of_nothing():
    for size in ((0, 3), (3, 0), (0, 0)):
        assert refwarp.affine_basis((1, 1, *size)).shape == (3, *size)
        assert refwarp.bernstein_basis(2, (1, 1, *size)).shape == (9, *size)


def pairs(a, b):
    return [(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)]


@pytest.mark.parametrize("degree", [1, 3, 6])
def test_a_regular_net_of_bernstein_coefficients_is_the_identity(degree):
    axis = np.linspace(-1, 1, degree + 1)
    m = np.stack(np.meshgrid(axis, axis)).reshape(1, 2, -1)
    grid = refwarp.linear_basis_grid(m, refwarp.bernstein_basis(degree, (1, 1, 5, 8)))
    identity = refwarp.affine_grid(np.array([[[1.0, 0, 0], [0, 1, 0]]]), (1, 1, 5, 8))
    assert abs(grid - identity).max() < 16 * np.finfo(float).eps  # of numbers up to 1, whose weights sum to 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"M": np.ones((1, 3, 2))}, ValueError, r"M: given shape \(1, 3, 2\), expected \(N, 2, K\)"),
        ({"B": np.ones((1, 3, 2, 2))}, ValueError, r"B: given shape \(1, 3, 2, 2\), expected \(K, H, W\)"),
        ({"B": np.ones((4, 2, 2))}, ValueError, "B: given 4 basis functions while M has 3 columns"),
        ({"B": np.ones((3, 2, 2), np.float32)}, TypeError, "B: given dtype float32 while M is float64"),
        ({"M": [[[1.0]]]}, TypeError, "M: given list, expected a NumPy array or a Tensor"),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    arguments = {"M": np.ones((1, 2, 3)), "B": np.ones((3, 2, 2))}
    with pytest.raises(error, match=words):
        refwarp.linear_basis_grid(**{**arguments, **change})


def test_wrong_arguments_of_the_bases_are_named():
    with pytest.raises(ValueError, match="degree: given -1, expected a non-negative integer"):
        refwarp.bernstein_basis(-1, (1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"degree: given 2.0, expected"):
        refwarp.bernstein_basis(2.0, (1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"degree: given 1000000, expected a non-negative integer of at most 1,024"):
        refwarp.bernstein_basis(10**6, (1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"degree: given 1024, whose basis has 1,050,625 functions, expected at most"):
        refwarp.bernstein_basis(1024, (1, 1, 2**20, 2**19))
    for basis in (refwarp.affine_basis, lambda *a: refwarp.bernstein_basis(1, *a)):
        with pytest.raises(ValueError, match="size: given 3, expected four"):
            basis(3)
        with pytest.raises(ValueError, match="align_corners: given 1, expected one of False, True"):
            basis((1, 1, 2, 2), 1)


def test_the_largest_bernstein_basis():
    """Each factor is rounded once: at the centre of one pixel all are C(n, k) / 2^n."""
    basis = refwarp.bernstein_basis(1024, (1, 1, 1, 1)).reshape(1025, 1025)
    factors = np.array([math.comb(1024, k) / 2**1024 for k in range(1025)])
    assert np.array_equal(basis, factors[:, None] * factors)
