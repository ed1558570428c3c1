"""HSTN's motion fields in rational arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import bilinear, flow
from refwarp.exact.affine import affine_grid
from refwarp.exact.arithmetic.numbers import Dual
from tests.exact.nested import at, derivative, places

F = Fraction
RUNS = settings(max_examples=15)
SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=20)
POINT = st.tuples(SMALL, SMALL)
ROW = st.lists(SMALL, min_size=3, max_size=3)
THETA = st.lists(ROW, min_size=2, max_size=2)
UNITS = ("pixels", "normalised")


def source(x, y):
    """An image with every second derivative."""
    return 3 + 2 * x - y + 5 * x * x - 7 * x * y + y * y


def image_gradient(x, y):
    return source(Dual(x, 1), y).derivative, source(x, Dual(y, 1)).derivative


def target(x, y):
    return x * y - 4


@RUNS
@given(POINT, POINT, THETA)
def test_the_linearisations_leave_out_the_second_order(x, w, h):
    """For a quadratic image what they leave out is the second-order term, exactly: 5 u^2 - 7 u v + v^2."""
    u, v = w
    second = 5 * u * u - 7 * u * v + v * v
    plain = flow.linearised_difference(source, image_gradient, target, x, w)
    assert flow.difference(source, target, x, w) == plain + second
    combined = flow.linearised_combined_difference(source, image_gradient, target, x, h, w)
    assert flow.combined_difference(source, target, x, h, w) == combined + second
    # Linearised around x instead of x + H x, the sum of both motions is squared.
    u, v = flow.add(flow.linear_motion(h, x), w)
    around_x = flow.linearised_difference(source, image_gradient, target, x, (u, v))
    assert flow.combined_difference(source, target, x, h, w) == around_x + 5 * u * u - 7 * u * v + v * v


@RUNS
@given(POINT, POINT, THETA)
def test_a_sum_of_motions_differs_from_composed_warps_by_h_w(x, w, h):
    """The image warped by H, then by w, is read at x + w + H (x + w): the sum's point, and H w without the shift."""
    summed = flow.add(flow.add(x, flow.linear_motion(h, x)), w)
    then = flow.add(x, w)
    composed = flow.add(then, flow.linear_motion(h, then))
    without_shift = [[a, b, F(0)] for a, b, _ in h]
    assert composed == flow.add(summed, flow.linear_motion(without_shift, w))
    if any(flow.linear_motion(without_shift, w)):
        assert composed != summed


def test_h_is_the_motion_and_not_the_transformation():
    """HSTN's generator starts from the identity; added to x as a motion, that would double every coordinate."""
    identity = [[F(1), F(0), F(0)], [F(0), F(1), F(0)]]
    x = F(2, 3), F(-1, 5)
    assert flow.add(x, flow.linear_motion(flow.converter(identity), x)) == x
    assert flow.add(x, flow.linear_motion(identity, x)) == (2 * x[0], 2 * x[1])


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_flow_of_whole_pixels_fetches_the_pixels_it_points_to(align_corners):
    plane = [[F(10 * i + j) for j in range(4)] for i in range(3)]
    moves = [[[F((j + 1) % 4 - j) for j in range(4)] for _ in range(3)], [[F((i + 2) % 3 - i)] * 4 for i in range(3)]]
    grid = flow.flow_grid(moves, align_corners, "pixels")
    for i in range(3):
        for j in range(4):
            x, y = (
                bilinear.pixel_coordinate(part.value, size, align_corners)
                for part, size in zip(grid[i][j], (4, 3), strict=True)
            )
            assert bilinear.value(plane, x, y).value == plane[(i + 2) % 3][(j + 1) % 4]
            w = moves[0][i][j], moves[1][i][j]
            assert (
                flow.difference(lambda x, y: plane[int(y)][int(x)], lambda x, y: 0, (F(j), F(i)), w)
                == plane[(i + 2) % 3][(j + 1) % 4]
            )


@RUNS
@given(THETA, st.booleans(), st.sampled_from(UNITS), st.sampled_from([(2, 3), (1, 4), (3, 1)]))
def test_the_motion_of_an_affine_transformation_leads_to_its_grid(theta, align_corners, unit, size):
    motion = flow.affine_motion(theta, *size, align_corners, unit)
    grid = flow.flow_grid([[[part.value for part in row] for row in p] for p in motion], align_corners, unit)
    expected = affine_grid(theta, *size, align_corners)
    for i in range(size[0]):
        for j in range(size[1]):
            for r, length in enumerate(reversed(size)):
                if unit == "pixels" and align_corners and length == 1:
                    assert grid[i][j][r].value == 0  # one pixel: every coordinate is that pixel
                else:
                    assert grid[i][j][r].value == expected[i][j][r].value


@RUNS
@given(THETA, st.booleans(), st.sampled_from(UNITS))
def test_the_gradients_are_the_derivatives_of_the_fields(theta, align_corners, unit):
    cotangent = [[[F(r + 2 * i - j, 3 + j) for j in range(3)] for i in range(2)] for r in range(2)]
    ggrid = [[[cotangent[r][i][j] for r in range(2)] for j in range(3)] for i in range(2)]

    def motion_loss(theta):
        motion = flow.affine_motion(theta, 2, 3, align_corners, unit)
        return sum(at(cotangent, place) * at(motion, place).value for place in places(cotangent))

    gtheta = flow.affine_motion_gradient(cotangent, align_corners, unit)
    for place in places(theta):
        assert at(gtheta, place).value == derivative(motion_loss, theta, place)

    def grid_loss(field):
        grid = flow.flow_grid(field, align_corners, unit)
        return sum(at(ggrid, place) * at(grid, place).value for place in places(ggrid))

    gflow = flow.flow_gradient(ggrid, align_corners, unit)
    for place in places(cotangent):
        assert at(gflow, place).value == derivative(grid_loss, cotangent, place)
