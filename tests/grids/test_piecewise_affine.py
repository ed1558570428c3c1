"""The piecewise affine grid: its kernels against exact values, and its conventions."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import piecewise_affine as exact
from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import Sum, fractions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("sizes", [(2, 2, 1, 1), (2, 3, 5, 4), (4, 3, 7, 9), (5, 5, 9, 9), (3, 6, 1, 23)])
def test_grid_and_gradient(dtype, align_corners, sizes):
    rows, columns, height, width = sizes
    rng = np.random.default_rng([*sizes, align_corners])
    vertices = rng.standard_normal((1, rows, columns, 2)) * 10.0 ** rng.integers(-9, 2, (1, rows, columns, 2))
    vertices = Tensor(vertices.astype(dtype), True)
    ggrid = rng.standard_normal((1, height, width, 2)).astype(dtype)
    grid = refwarp.piecewise_affine_grid(vertices, (1, 3, height, width), align_corners)
    (gvertices,) = grad(grid, vertices, ggrid)
    truth = exact.piecewise_affine_grid(fractions(vertices.data[0]), height, width, align_corners)
    assert worst_share(grid.data[0], truth, 4, dtype) <= 1
    truth = exact.piecewise_affine_gradient(fractions(ggrid[0]), rows, columns, align_corners)
    assert worst_share(gvertices.data[0], truth, 4, dtype) <= 1


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("width", [4097, 65535, 65536])
def test_wide_grids_near_vertices_and_diagonals(width, align_corners):
    """Weights that are differences of nearly equal numbers are exact quotients here."""
    rng = np.random.default_rng([width, align_corners])
    rows, columns, height = 2, 4, 3
    vertices = rng.standard_normal((1, rows, columns, 2))
    grid = refwarp.piecewise_affine_grid(vertices, (1, 1, height, width), align_corners)
    given = fractions(vertices[0])
    edges = [k * width // 6 + d for k in range(7) for d in (-2, -1, 0, 1)]
    for j in [j for j in edges if 0 <= j < width]:
        for i in range(height):
            p = target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)
            weights = exact.weights_in(p, rows, columns)[0]
            truth = [Sum(w * given[n][m][r] for (n, m), w in weights.items()) for r in range(2)]
            assert worst_share(grid[0, i, j], truth, 4, "float64") <= 1


def test_a_long_sum_keeps_its_digits():
    """The four gradients of one cell share out 10^5 cotangents of one sign; plain sums would be off by some 50 u."""
    ggrid = np.random.default_rng(4).uniform(0.5, 1, (1, 1, 100_001, 2))
    vertices = Tensor(np.zeros((1, 2, 2, 2)), True)
    (gvertices,) = grad(refwarp.piecewise_affine_grid(vertices, (1, 1, 1, 100_001)), vertices, ggrid)
    for r in range(2):
        shares, total = sum(fractions(gvertices.data[..., r].ravel())), sum(fractions(ggrid[..., r].ravel()))
        assert abs(shares / total - 1) <= 4 * 2.0**-53  # weight, product, sum and rounding


def test_vertices_go_where_they_are_sent_exactly():
    rng = np.random.default_rng(1)
    vertices = rng.standard_normal((2, 3, 5, 2))
    grid = refwarp.piecewise_affine_grid(vertices, (2, 1, 7, 13), align_corners=True)
    assert np.array_equal(grid[:, ::3, ::3], vertices)


def test_the_gradient_of_the_gradient_is_the_grid():
    rng = np.random.default_rng(2)
    vertices, ggrid = Tensor(rng.standard_normal((2, 3, 2, 2)), True), Tensor(rng.standard_normal((2, 4, 5, 2)), True)
    grid = refwarp.piecewise_affine_grid(vertices, (2, 1, 4, 5))
    (gvertices,) = grad(grid, vertices, ggrid, create_graph=True)
    direction = rng.standard_normal((2, 3, 2, 2))
    (second,) = grad(gvertices, ggrid, direction)
    assert np.array_equal(second.data, refwarp.piecewise_affine_grid(direction, (2, 1, 4, 5)))
    gradcheck(lambda v: refwarp.piecewise_affine_grid(v, (1, 1, 3, 4)), (vertices.data[:1],), rng=rng, order=2)


def test_continuous_across_edges_but_not_smooth():
    """Two neighbours of an edge on a fine grid lie near each other; their slopes differ."""
    vertices = np.zeros((1, 2, 2, 2))
    vertices[0, 1, 1] = 1, 2
    grid = refwarp.piecewise_affine_grid(vertices, (1, 1, 129, 129), align_corners=True)
    steps = np.diff(grid, axis=2)
    assert abs(steps).max() <= 2 / 128
    # Row 64: v11 has the weight fy = 1/2 to the right of the diagonal, and fx to its left.
    assert (steps[0, 64, :64, 0] == 1 / 128).all() and not steps[0, 64, 64:].any()


def test_a_vertex_that_is_not_a_number_touches_its_triangles_only():
    vertices = np.zeros((1, 3, 3, 2))
    vertices[0, 0, 2, 0] = np.nan
    grid = refwarp.piecewise_affine_grid(vertices, (1, 1, 5, 5), align_corners=True)
    expected = np.zeros((5, 5), bool)
    for i, j in ((0, 3), (0, 4), (1, 4)):  # above the diagonal of the cell at the top right, not on it
        expected[i, j] = True
    assert np.array_equal(np.isnan(grid[0, ..., 0]), expected) and not grid[0, ..., 1].any()
    ggrid = np.zeros((1, 5, 5, 2))
    ggrid[0, 1, 1] = np.nan  # on a diagonal
    tensor = Tensor(vertices, True)
    (g,) = grad(refwarp.piecewise_affine_grid(tensor, (1, 1, 5, 5), align_corners=True), tensor, ggrid)
    assert np.isnan(g.data[0, [0, 1], [0, 1]]).all() and np.isnan(g.data).sum() == 4


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype):
    vertices = np.random.default_rng(3).standard_normal((2, 2, 3, 2)).astype(dtype)
    grid = refwarp.piecewise_affine_grid(vertices, (2, 1, 4, 3))
    assert type(grid) is np.ndarray and grid.dtype == dtype
    tensor = Tensor(np.asfortranarray(vertices), True)
    out = refwarp.piecewise_affine_grid(tensor, (2, 1, 4, 3))
    assert np.array_equal(out.data, grid) and grad(out, tensor, grid)[0].dtype == dtype


def test_empty_batches_and_outputs():
    for batch, height, width in ((0, 3, 3), (1, 0, 3), (1, 3, 0)):
        vertices = Tensor(np.ones((batch, 2, 2, 2)), True)
        grid = refwarp.piecewise_affine_grid(vertices, (batch, 1, height, width))
        assert grid.shape == (batch, height, width, 2)
        assert not grad(grid, vertices, np.ones(grid.shape))[0].data.any()


@pytest.mark.parametrize(
    ("vertices", "size", "error", "words"),
    [
        (np.ones((1, 2, 2, 3)), (1, 1, 2, 2), ValueError, r"vertices: given shape \(1, 2, 2, 3\), expected \(N, rows"),
        (np.ones((1, 1, 2, 2)), (1, 1, 2, 2), ValueError, "expected at least two rows and two columns"),
        (np.ones((1, 2, 2, 2)), (2, 1, 2, 2), ValueError, "size: given N = 2 while vertices has N = 1"),
        (np.ones((1, 2, 2, 2)), (2, 2), ValueError, r"size: given \(2, 2\), expected four"),
        (np.ones((1, 2, 2, 2), int), (1, 1, 2, 2), TypeError, "vertices: given dtype int64"),
    ],
)
def test_wrong_arguments_are_named(vertices, size, error, words):
    with pytest.raises(error, match=words):
        refwarp.piecewise_affine_grid(vertices, size)
