"""The projective grid: its kernels against exact values, near the horizon and on it, and its conventions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.backend.arithmetic import sum_of_products
from refwarp.exact import projective as exact
from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF, share, worst_share
from refwarp.exact.arithmetic.numbers import fractions
from tests.threads import on_threads

FIRST, SECOND = 8, 12  # c of the budget for first and second derivatives


class Case:
    """One homography and cotangents; what the kernels make of them, and what is exact."""

    def __init__(self, h, height, width, align_corners, rng):
        self.h, self.align_corners, self.dtype = h, align_corners, h.dtype.name
        self.size = (1, 1, height, width)
        self.ggrid = rng.standard_normal((1, height, width, 2)).astype(h.dtype)
        self.a = rng.standard_normal((1, 3, 3)).astype(h.dtype)
        tensors = Tensor(self.ggrid, True), Tensor(h, True)
        self.grid = refwarp.projective_grid(tensors[1], self.size, align_corners)
        self.gh = grad(self.grid, tensors[1], tensors[0], create_graph=True)[0]
        self.second = grad(self.gh, tensors, self.a)
        self.rational = fractions(h[0])

    def shares(self):
        """Return the shares of the budget: of values, gradient, and second derivatives."""
        ggrid, options = fractions(self.ggrid[0]), (self.rational, self.align_corners)
        gradient = exact.projective_grid_gradient(ggrid, *options)
        second = exact.projective_grid_second_gradient(fractions(self.a[0]), ggrid, *options)
        yield worst_share(self.grid.data[0], self.truth(), 4, self.dtype)
        yield worst_share(self.gh.data[0], gradient, FIRST, self.dtype)
        for found, expected in zip(self.second, second, strict=True):
            yield worst_share(found.data[0], expected, SECOND, self.dtype)

    def truth(self):
        return exact.projective_grid(self.rational, *self.size[2:], self.align_corners)

    def roundings(self):
        """Return the largest error of a coordinate in units of u times the coordinate itself."""
        worst, u = 0.0, UNIT_ROUNDOFF[self.dtype]
        for row, truths in zip(self.grid.data[0].tolist(), self.truth(), strict=True):
            for point, sums in zip(row, truths, strict=True):
                for found, part in zip(point, sums, strict=True):
                    if part.value == 0:
                        assert found == 0
                    else:
                        worst = max(worst, float(abs(Fraction(found) - part.value) / (u * abs(part.value))))
        return worst


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (4, 7)])
def test_values_and_derivatives(dtype, align_corners, size):
    rng = np.random.default_rng([*size, align_corners])
    for _ in range(6):
        h = (rng.standard_normal((1, 3, 3)) * 10.0 ** rng.integers(-6, 3, (1, 3, 3))).astype(dtype)
        case = Case(h, *size, align_corners, rng)
        assert max(case.shares()) <= 1
        assert case.roundings() <= 4


def grazing(rng, height, width, align_corners, dtype):
    """Draw a homography whose horizon passes a pixel as closely as floats allow: D is what rounding h_33 left."""
    h = rng.standard_normal((1, 3, 3)).astype(dtype)
    x, y, _ = exact.points(height, width, align_corners)[rng.integers(height)][rng.integers(width)]
    d = fractions(h[0])[2]
    h[0, 2, 2] = dtype(float(-(d[0] * x + d[1] * y)))
    if rng.integers(2):  # a numerator that nearly cancels as well
        n = fractions(h[0])[0]
        h[0, 0, 2] = dtype(float(-(n[0] * x + n[1] * y)))
    return h


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(3, 5), (7, 4), (2, 17)])
def test_next_to_the_horizon_every_coordinate_keeps_its_digits(dtype, align_corners, size):
    rng = np.random.default_rng([*size, align_corners])
    close = 0
    for _ in range(10):
        h = grazing(rng, *size, align_corners, dtype)
        case = Case(h, *size, align_corners, rng)
        points = [p for line in exact.points(*size, align_corners) for p in line]
        ds = [exact.homogeneous(case.rational, p)[2] for p in points]
        if any(d.value == 0 for d in ds):
            continue
        close += any(abs(d.value) < 2.0**-20 * d.M for d in ds)
        assert max(case.shares()) <= 1
        assert case.roundings() <= 4
    assert close >= 2


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("width", [4096, 65535, 65536])
def test_wide_grids(align_corners, width):
    rng = np.random.default_rng([width, align_corners])
    h = rng.standard_normal((1, 3, 3))
    h[0, 2, 2] = 0.3 * h[0, 2, 0]  # the horizon crosses the row
    grid = refwarp.projective_grid(h, (1, 1, 2, width), align_corners)
    given = fractions(h[0])
    zero = int((1 - 0.3) / 2 * width)
    for j in {0, 1, width // 2, width - 1, *range(max(zero - 3, 0), zero + 4), *rng.integers(0, width, 20).tolist()}:
        for i in range(2):
            p = exact.points(2, 1, align_corners)[i][0][1]
            x = exact.target_coordinate(int(j), width, align_corners)
            for found, part in zip(grid[0, i, j], exact.projection(given, (x, p, Fraction(1))), strict=True):
                assert share(float(found), part, 4, "float64") <= 1
                assert abs(Fraction(float(found)) - part.value) <= 4 * UNIT_ROUNDOFF["float64"] * abs(part.value)


# Factors of any size within 2^-200 and 2^200, and small integers, whose products cancel exactly.
MANTISSA = st.floats(-2, 2, allow_subnormal=False).filter(lambda a: abs(a) > 0.1)
FACTOR = st.integers(-(2**20), 2**20).map(float) | st.builds(math.ldexp, MANTISSA, st.integers(-199, 199))


@settings(max_examples=150)
@given(st.lists(FACTOR, min_size=6, max_size=6), st.sampled_from(["free", "twice", "product", "remainder"]))
def test_a_sum_of_three_products_keeps_its_digits(factors, form):
    a, b, c, d, e, f = factors
    if form == "twice":  # all but the last product cancels
        c, d = -b, a
    elif form == "product":  # the second is the first, rounded
        c, d = -(a * b), 1.0
    elif form == "remainder":  # and the third what that left out, or nearly
        left = float(Fraction(a) * Fraction(b) - Fraction(a * b))
        c, d, e, f = -(a * b), 1.0, -left, 1.0 + 2.0**-52 * (f > 0)
    exactly = Fraction(a) * Fraction(b) + Fraction(c) * Fraction(d) + Fraction(e) * Fraction(f)
    found = Fraction(sum_of_products(a, b, c, d, e, f))
    assert abs(found - exactly) <= Fraction(101, 100) * UNIT_ROUNDOFF["float64"] * abs(exactly)


# ---- the horizon ----

# D = x, so that the horizon is the column in the middle of an odd width; N_x is 3, 0 and -2 there, N_y is y.
ON_HORIZON = [[[7.0, 0, n], [0, 1, 0], [1, 0, 0]] for n in (3, 0, -2)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_on_the_horizon_points_are_infinite_and_without_gradient(dtype):
    rng = np.random.default_rng(1)
    h = Tensor(np.array(ON_HORIZON, dtype), True)
    grid = refwarp.projective_grid(h, (3, 1, 3, 5), align_corners=True)
    middle = grid.data[:, :, 2]
    assert middle[0].tolist() == [[math.inf, -math.inf], [math.inf, 0], [math.inf, math.inf]]
    assert middle[1, 0].tolist() == [0, -math.inf] and middle[1, 2].tolist() == [0, math.inf]
    assert np.isnan(middle[1, 1]).all()  # N_x = N_y = D = 0
    assert (middle[2, :, 0] == -math.inf).all()
    x = np.array([-1, -0.5, 0.5, 1])  # on both sides the formula holds
    for n, shift in zip(grid.data, (3, 0, -2), strict=True):
        assert (np.delete(n, 2, axis=1)[:, :, 0] == 7 + shift / x).all()

    ggrid = rng.standard_normal(grid.shape).astype(dtype)
    silenced = ggrid.copy()
    silenced[:, :, 2] = 0
    gh, expected = (grad(grid, h, g)[0].data for g in (ggrid, silenced))
    assert np.isfinite(gh).all() and np.array_equal(gh, expected) and gh.any()


def test_on_the_horizon_second_derivatives_are_zero_too():
    rng = np.random.default_rng(2)
    h, ggrid = Tensor(np.array(ON_HORIZON), True), Tensor(rng.standard_normal((3, 3, 5, 2)), True)
    (gh,) = grad(refwarp.projective_grid(h, (3, 1, 3, 5), True), h, ggrid, create_graph=True)
    gggrid, second = grad(gh, (ggrid, h), rng.standard_normal((3, 3, 3)))
    assert not gggrid.data[:, :, 2].any() and gggrid.data[:, :, [0, 1, 3, 4]].all()
    assert np.isfinite(second.data).all()


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_a_sampler_sees_the_horizon_outside_of_the_map(padding):
    """Zero, or the border pixel; and the whole is differentiable around it."""
    rng = np.random.default_rng(3)
    map = rng.standard_normal((1, 1, 4, 4))
    h = Tensor(np.array(ON_HORIZON[:1]), True)
    grid = refwarp.projective_grid(h, (1, 1, 3, 5), align_corners=True)
    out = refwarp.grid_sample(Tensor(map), grid, padding_mode=padding)
    column = out.data[0, 0, :, 2]
    if padding == "zeros":
        assert not column.any()
    else:
        assert column[0] == map[0, 0, 0, 3] and column[2] == map[0, 0, 3, 3]
    assert np.isfinite(grad(out, h, rng.standard_normal(out.shape))[0].data).all()


def test_both_signs_of_the_matrix_are_one_homography():
    rng = np.random.default_rng(4)
    h = rng.standard_normal((3, 3, 3))
    grids = [refwarp.projective_grid(sign * h, (3, 1, 4, 5)) for sign in (1, -1, 2.0**-700, -(2.0**700))]
    assert all(np.array_equal(grids[0], other) for other in grids[1:])


def test_next_to_the_horizon_narrow_floats_overflow_to_infinity():
    h = np.array([[[0, 0, 100], [0, 1, 0], [1, 0, 2.0**-14]]], np.float16)
    grid = refwarp.projective_grid(h, (1, 1, 1, 3), align_corners=True)
    assert grid[0, 0, 1].tolist() == [math.inf, 0] and np.isfinite(grid[0, 0, [0, 2]]).all()


def test_a_coordinate_beyond_the_largest_float_adds_nothing_where_its_cotangent_is_0():
    h = Tensor(np.array([[[1, 0, 2.0**900], [0, 1, 0], [2, 0, 2.0**-899]]]), True)
    grid = refwarp.projective_grid(h, (1, 1, 1, 3), align_corners=True)
    assert grid.data[0, 0, 1].tolist() == [math.inf, 0]
    ggrid = np.array([[[[1.5, -2], [0, 0], [0.5, 3]]]])
    (gh,) = grad(grid, h, ggrid)
    truth = exact.projective_grid_gradient(fractions(ggrid[0]), fractions(h.data[0]), True)
    assert worst_share(gh.data[0], truth, FIRST, "float64") <= 1


# ---- conventions ----


def test_eight_parameters_are_a_matrix_that_ends_in_one():
    rng = np.random.default_rng(5)
    theta = rng.standard_normal((2, 8))
    h = refwarp.homography_matrix(theta)
    assert np.array_equal(h.reshape(2, 9)[:, :8], theta) and (h[:, 2, 2] == 1).all()
    tensor, full = Tensor(theta, True), Tensor(h, True)
    grids = [refwarp.projective_grid(given, (2, 1, 3, 4)) for given in (tensor, full)]
    assert np.array_equal(grids[0].data, grids[1].data)
    ggrid = rng.standard_normal(grids[0].shape)
    gtheta, gh = grad(grids[0], tensor, ggrid)[0].data, grad(grids[1], full, ggrid)[0].data
    assert np.array_equal(gtheta, gh.reshape(2, 9)[:, :8])


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_last_row_of_0_0_1_is_the_affine_grid(align_corners):
    rng = np.random.default_rng(6)
    theta = rng.standard_normal((2, 2, 3))
    h = np.concatenate([theta, np.broadcast_to([0.0, 0, 1], (2, 1, 3))], axis=1)
    found = refwarp.projective_grid(h, (2, 1, 5, 6), align_corners)
    # Four roundings of at most the sum of absolute terms here, three there.
    assert abs(found - refwarp.affine_grid(theta, (2, 1, 5, 6), align_corners)).max() <= 7 * 2.0**-53 * 3 * abs(h).max()


def test_gradcheck_first_and_second_order():
    rng = np.random.default_rng(7)
    h = np.eye(3) + 0.2 * rng.standard_normal((2, 3, 3))
    gradcheck(lambda h: refwarp.projective_grid(h, (2, 1, 2, 3)), (h,), rng=rng, order=2)
    theta = h.reshape(2, 9)[:, :8]
    gradcheck(lambda theta: refwarp.projective_grid(theta, (2, 1, 2, 2)), (theta,), rng=rng, order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 8), (2, 3, 3)])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype, shape):
    theta = np.random.default_rng(8).uniform(0.5, 1, shape).astype(dtype)
    before = theta.copy()
    grid = refwarp.projective_grid(theta, (2, 1, 4, 3))
    assert type(grid) is np.ndarray and grid.dtype == dtype
    tensor = Tensor(np.asfortranarray(theta), True)
    out = refwarp.projective_grid(tensor, (2, 1, 4, 3))
    assert np.array_equal(out.data, grid)
    gtheta = grad(out, tensor, np.ones(grid.shape, dtype))[0]
    assert gtheta.dtype == dtype and gtheta.shape == shape
    assert np.array_equal(theta, before)


def test_entries_that_are_not_finite_give_nan():
    h = np.eye(3)[None].repeat(3, 0)
    h[0, 0, 1], h[1, 2, 0], h[2, 1, 2] = np.nan, np.nan, np.inf
    grid = refwarp.projective_grid(h, (3, 1, 2, 2))
    assert np.isnan(grid[0, ..., 0]).all() and np.isfinite(grid[0, ..., 1]).all()
    assert np.isnan(grid[1]).all() and np.isnan(grid[2, ..., 1]).all()


def test_empty_batches_and_outputs():
    for batch, height, width in ((0, 3, 3), (1, 0, 3), (1, 3, 0)):
        h = Tensor(np.ones((batch, 3, 3)), True)
        grid = refwarp.projective_grid(h, (batch, 1, height, width))
        assert grid.shape == (batch, height, width, 2)
        assert not grad(grid, h, np.ones(grid.shape))[0].data.any()


def test_the_bits_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(9)
    h, ggrid = rng.standard_normal((3, 3, 3)), rng.standard_normal((3, 60, 50, 2))

    def everything():
        tensor = Tensor(h, True)
        grid = refwarp.projective_grid(tensor, (3, 1, 60, 50))
        return [result.data.tobytes() for result in (grid, *grad(grid, tensor, ggrid))]

    alone, together = on_threads((1, 3), everything)
    assert alone == together


@pytest.mark.parametrize(
    ("theta", "size", "error", "words"),
    [
        (np.ones((1, 9)), (1, 1, 2, 2), ValueError, r"theta: given shape \(1, 9\), expected \(N, 8\) or \(N, 3, 3\)"),
        (np.ones((1, 2, 3)), (1, 1, 2, 2), ValueError, r"given shape \(1, 2, 3\), expected \(N, 8\) or \(N, 3, 3\)"),
        (np.ones((1, 8)), (2, 1, 2, 2), ValueError, "size: given N = 2 while theta has 1 homographies"),
        (np.ones((1, 8)), (2, 2), ValueError, r"size: given \(2, 2\), expected four"),
        (np.ones((1, 8), int), (1, 1, 2, 2), TypeError, "theta: given dtype int64"),
        ([1.0] * 8, (1, 1, 2, 2), TypeError, "theta: given list"),
    ],
)
def test_wrong_arguments_are_named(theta, size, error, words):
    with pytest.raises(error, match=words):
        refwarp.projective_grid(theta, size)
