"""The projective grid in rational arithmetic."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import projective
from refwarp.exact.affine import affine_grid
from refwarp.exact.arithmetic.matrices import solve
from tests.exact.nested import at, derivative, places

F = Fraction
RUNS = settings(max_examples=15)
SMALL = st.fractions(min_value=-2, max_value=2, max_denominator=20)
GGRID = [[[F(i + 2 * j + 1, 3), F(5 - i, 7 + j)] for j in range(3)] for i in range(2)]


def matrices(low=None):
    """3 x 3 matrices; with `low`, such that D is at least that everywhere on the grid."""
    row = st.lists(SMALL, min_size=3, max_size=3)
    last = row if low is None else row.map(lambda r: [r[0], r[1], abs(r[2]) + abs(r[0]) + abs(r[1]) + low])
    return st.tuples(row, row, last).map(list)


@RUNS
@given(matrices(low=F(1, 9)), st.booleans(), st.sampled_from([1, -1]))
def test_the_gradient_is_the_derivative_of_the_grid(h, align_corners, sign):
    """On both sides of the horizon."""
    h = [[sign * a for a in row] for row in h]

    def loss(h):
        grid = projective.projective_grid(h, 2, 3, align_corners)
        return sum(at(GGRID, place) * at(grid, place).value for place in places(GGRID))

    gradient = projective.projective_grid_gradient(GGRID, h, align_corners)
    for place in places(h):
        assert at(gradient, place).value == derivative(loss, h, place)


@RUNS
@given(matrices(low=F(1, 9)), matrices(), st.booleans())
def test_the_second_gradients_are_the_derivatives_of_the_first(h, a, align_corners):
    def loss(ggrid, h):
        gradient = projective.projective_grid_gradient(ggrid, h, align_corners)
        return sum(at(a, place) * at(gradient, place).value for place in places(a))

    second = projective.projective_grid_second_gradient(a, GGRID, h, align_corners)
    for place in places(GGRID):
        assert at(second.gggrid, place).value == derivative(lambda g: loss(g, h), GGRID, place)
    for place in places(h):
        assert at(second.gh, place).value == derivative(lambda m: loss(GGRID, m), h, place)


@RUNS
@given(matrices(low=F(1)), st.booleans())
def test_a_last_row_of_0_0_1_is_the_affine_grid(h, align_corners):
    found = projective.projective_grid([*h[:2], [F(0), F(0), F(1)]], 2, 3, align_corners)
    expected = affine_grid(h[:2], 2, 3, align_corners)
    assert all(at(found, place).value == at(expected, place).value for place in places(GGRID))


@RUNS
@given(matrices(low=F(1)), SMALL.filter(bool), st.booleans())
def test_a_multiple_of_the_matrix_is_the_same_homography(h, factor, align_corners):
    found = projective.projective_grid([[factor * a for a in row] for row in h], 2, 3, align_corners)
    expected = projective.projective_grid(h, 2, 3, align_corners)
    for place in places(GGRID):
        assert at(found, place).value == at(expected, place).value
        assert at(found, place).M == at(expected, place).M


def test_four_points_fix_the_eight_parameters():
    """The corners of the square to four points: a linear system for the parameters, and the grid meets the points."""
    corners = [(F(x), F(y)) for y in (-1, 1) for x in (-1, 1)]
    goals = [(F(-2), F(-1)), (F(1), F(-1, 2)), (F(-1, 3), F(1)), (F(3), F(5, 2))]
    rows, right = [], []
    for (x, y), (u, v) in zip(corners, goals, strict=True):
        rows += [[x, y, F(1), 0, 0, 0, -x * u, -y * u], [0, 0, 0, x, y, F(1), -x * v, -y * v]]
        right += [[u], [v]]
    theta = [row[0] for row in solve([[F(a) for a in row] for row in rows], right)]
    grid = projective.projective_grid(projective.homography(theta), 2, 2, align_corners=True)
    assert [tuple(part.value for part in point) for row in grid for point in row] == goals


def test_eight_parameters_leave_homographies_out():
    """One that sends the centre to infinity has h_33 = 0, and no multiple of it ends in 1."""
    h = [[F(1), F(0), F(1)], [F(0), F(1), F(0)], [F(1), F(0), F(0)]]
    ((centre,),) = projective.projective_grid(h, 1, 1, align_corners=False)
    assert centre[0].value == math.inf
    (row,) = projective.projective_grid(h, 1, 2, align_corners=True)
    assert [[part.value for part in point] for point in row] == [[0, 0], [2, 0]]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_horizon_is_the_limit_from_positive_d(sign):
    """At D = 0 points are where they tend to as D falls to 0; 0 where the numerator is 0; NaN where both are."""
    for n, limit in ((F(3), math.inf), (F(-2), -math.inf), (F(0), 0)):
        h = [[F(0), F(0), sign * n], [F(0), F(0), F(5)], [F(1), F(0), F(0)]]
        assert projective.projection(h, (F(0), F(0), F(1)))[0].value == sign * limit
        near = projective.projection(h, (F(1, 10**9), F(0), F(1)))[0].value
        assert near == sign * n * 10**9
    lost = projective.projection([[F(1), F(0), F(0)]] * 3, (F(0), F(0), F(1)))
    assert all(math.isnan(part.value) for part in lost)


def test_pixels_on_the_horizon_add_nothing_to_gradients():
    h = [[F(1), F(2), F(3)], [F(4), F(5), F(7)], [F(1), F(0), F(0)]]
    ggrid = [[[F(2), F(3)], [F(5), F(7)], [F(11), F(13)]]]
    others = [[ggrid[0][0], [F(0), F(0)], ggrid[0][2]]]
    found, expected = (projective.projective_grid_gradient(g, h, True) for g in (ggrid, others))
    assert all(at(found, place).value == at(expected, place).value for place in places(h))
    second = projective.projective_grid_second_gradient(h, ggrid, h, True)
    assert [part.value for part in second.gggrid[0][1]] == [0, 0]
