"""What the documents say in passing, or leave unsaid: units, distances, sizes, and the authors' programs."""

import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refwarp
from autograd_core import Tensor, grad
from autograd_core.layers import Module
from refwarp.exact import bilinear, metrics, nearest
from refwarp.exact.affine import affine_grid
from refwarp.exact.arithmetic.numbers import Dual
from refwarp.exact.thin_plate_spline.spline import radial
from refwarp.networks import SpatialTransformer

ROW = [[F(1), F(5), F(2), F(9)]]


@pytest.mark.parametrize(("align_corners", "x", "slope"), [(False, F(2), 14), (True, F(15, 8), F(-9, 2))])
def test_the_two_readings_of_the_unit_have_different_gradients(align_corners, x, slope):
    """At g = 1/4 of four pixels: U(3) - U(2) = 7 times W/2 = 2; or U(2) - U(1) = -3 times (W - 1)/2 = 3/2."""
    assert bilinear.pixel_coordinate(F(1, 4), 4, align_corners) == x
    grid = [[[F(1, 4), F(0)]]]
    gradient = bilinear.grid_sample_gradient([[[F(1)]]], [ROW], grid, align_corners).ggrid[0][0][0].value
    assert gradient == slope
    sample = bilinear.grid_sample([ROW], [[[Dual(F(1, 4), 1), F(0)]]], align_corners)[0][0][0].value
    assert align_corners is False or sample.derivative == slope  # on the lattice a dual number takes no side
    per_pixel = bilinear.x_derivative(ROW, x, F(0), "right").value
    assert per_pixel != slope == per_pixel * bilinear.coordinate_scale(4, align_corners) / F(2)
    map, points = np.array([[ROW]], float), Tensor(np.array([[[[0.25, 0.0]]]]), requires_grad=True)
    (ggrid,) = grad(refwarp.grid_sample(map, points, align_corners=align_corners), points)
    assert ggrid.data[0, 0, 0, 0] == slope


def test_sums_from_one_are_a_pixel_off():
    """On a ramp, whose pixel m is m, the sample at x is x; counted from 1 it is x - 1."""
    ramp = [[F(m) for m in range(5)]]
    from_one = sum(ramp[0][m - 1] * bilinear.tent(F(9, 4) - m) for m in range(1, 6))
    assert bilinear.value(ramp, F(9, 4), F(0)).value == F(9, 4) == from_one + 1


def test_a_determinant_below_one_is_no_contraction():
    """diag(4, 1/10): determinant 2/5, yet points come apart fourfold, and the grid reaches beyond the map."""
    (a, b), (c, d) = stretch = [[F(4), F(0)], [F(0), F(1, 10)]]
    assert a * d - b * c == F(2, 5)
    theta = [[*row, F(0)] for row in stretch]
    before = [[[g.value for g in p] for p in row] for row in affine_grid([[1, 0, 0], [0, 1, 0]], 2, 2, True)]
    after = [[[g.value for g in p] for p in row] for row in affine_grid(theta, 2, 2, True)]

    def squared_width(grid):
        (left, right), _ = grid
        return sum((p - q) ** 2 for p, q in zip(left, right, strict=True))

    def area(grid):
        (p, q), (r, _) = grid
        return abs((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    assert squared_width(after) == 16 * squared_width(before)
    assert area(after) == F(2, 5) * area(before) < area(before) == 4
    assert after[0][1][0] == 4 > 1


@given(st.fractions(-3, 3), st.fractions(-3, 3))
def test_the_bilinear_kernel_is_continuous_and_its_slope_is_not(x, y):
    """It changes by no more than its argument does; its slope jumps by 1 at the ends, and by 2 at the centre."""
    assert abs(bilinear.tent(x) - bilinear.tent(y)) <= abs(x - y)
    for kink, jump in ((-1, 1), (0, -2), (1, 1)):
        for step in (F(1, 10), F(1, 10**30)):
            slopes = [Dual.of(bilinear.tent(Dual(kink + side, 1))).derivative for side in (-step, step)]
            assert slopes[1] - slopes[0] == jump


def test_the_integer_kernel_jumps_and_has_no_slope():
    """Between pixels of 1 and 5 the sample jumps by 4 across a tie, however near; on either side it is constant."""
    for step in (F(1, 10), F(1, 10**30)):
        left, right = (ROW[0][nearest.half_up(F(1, 2) + side)] for side in (-step, step))
        assert right - left == 4
        assert nearest.half_up(F(1, 2) - step) == nearest.half_up(F(1, 2) - 2 * step)
        assert nearest.half_up(F(1, 2) + step) == nearest.half_up(F(1, 2) + 2 * step)


@given(st.fractions(-10, 10))
def test_at_a_peak_there_is_no_subgradient(g):
    """A subgradient's line stays below the function: below a peak of 5 between 1 and 2 there is no such line."""

    def sample(x):
        return bilinear.value(ROW, x, F(0)).value

    below = [sample(1 + step) >= 5 + g * step for step in (-F(1, 4), F(1, 4))]
    assert not all(below)
    left, right = (bilinear.x_derivative(ROW, F(1), F(0), side).value for side in ("left", "right"))
    central = bilinear.x_derivative(ROW, F(1), F(0), "central").value
    assert right < central < left  # an element of the generalised gradient is there all the same


def test_a_distance_of_images_is_no_endpoint_error():
    """Of a constant image every flow is right; of one twice as bright none is."""
    flat, bright = [[F(1)] * 3] * 2, [[F(2)] * 3] * 2
    rest, motion = ([[[F(u)] * 3] * 2, [[F(v)] * 3] * 2] for u, v in ((0, 0), (3, 4)))

    def root(square):
        return F(math.isqrt(square.numerator), math.isqrt(square.denominator))

    assert (metrics.image_distance(flat, flat), metrics.endpoint_error(rest, motion, root)) == (0, 5)
    assert (metrics.image_distance(flat, bright), metrics.endpoint_error(motion, motion, root)) == (1, 0)


def test_a_smaller_output_does_not_see_every_pixel():
    """Nine stripes sampled at three places: black, black or white, by where the period of three begins."""
    identity = [[F(1), F(0), F(0)], [F(0), F(1), F(0)]]
    grid = [[[g.value for g in point] for point in row] for row in affine_grid(identity, 1, 3, align_corners=False)]
    for shift, seen in ((0, 0), (1, 1), (2, 0)):
        stripes = [[F(m % 3 == shift) for m in range(9)]]
        (samples,) = bilinear.grid_sample([stripes], grid, align_corners=False)[0]
        assert [sample.value for sample in samples] == [seen] * 3


class Told(Module):
    """A localisation that says the same of every map."""

    def __init__(self, theta):
        self.theta = Tensor(theta)

    def forward(self, input):
        return self.theta


def test_transformers_in_parallel_add_their_gradients():
    rng = np.random.default_rng(1)
    map = Tensor(rng.standard_normal((1, 2, 4, 5)), requires_grad=True)
    heads = [SpatialTransformer(Told(rng.standard_normal((1, 2, 3))), size=3) for _ in range(2)]
    gouts = rng.standard_normal((2, 1, 2, 3, 3))
    (both,) = grad(heads[0](map) * Tensor(gouts[0]) + heads[1](map) * Tensor(gouts[1]), map, np.ones((1, 2, 3, 3)))
    single = [grad(head(map), map, gout)[0].data for head, gout in zip(heads, gouts, strict=True)]
    np.testing.assert_allclose(both.data, single[0] + single[1], rtol=0, atol=8 * 2.0**-53 * np.abs(single).max())


def test_clipping_in_the_logarithm_hardly_matters():
    """r^2 (log r^2 - log 1e-10) is largest, 1e-10/e, at r^2 = 1e-10/e; at 0 both are 0, the limit."""
    squares = (1e-300, 1e-12, 1e-10 / math.e, 2e-10, 0.5)
    differences = [abs(radial(r2) - r2 * math.log(max(r2, 1e-10))) for r2 in squares]
    assert max(differences) == differences[2] == pytest.approx(1e-10 / math.e, rel=1e-13)  # some 25 nats: 100 roundings
    assert differences[3:] == [0, 0]


def test_the_released_start_is_no_identity():
    start = np.tanh(np.linspace(-5, 5, 4))
    assert start.round(4).tolist() == [-0.9999, -0.9311, 0.9311, 0.9999]
    assert (abs(start - np.linspace(-1, 1, 4)) > 9e-5).all()
