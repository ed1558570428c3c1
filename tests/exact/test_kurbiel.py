"""Kurbiel's displays in rational arithmetic: the sampler's two readings, and the orders of its pairs and parameters."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import affine_parameters, bilinear, kurbiel
from refwarp.exact.affine import affine_grid

F = Fraction
RUNS = settings(max_examples=15)
SMALL = st.fractions(min_value=-9, max_value=9, max_denominator=30)
PLANE = [[F(1), F(5), F(2), F(9)], [F(-4), F(0), F(7), F(3)], [F(6), F(8), F(-1), F(2)]]
COORDINATE = st.fractions(min_value=-2, max_value=5, max_denominator=8)


@RUNS
@given(COORDINATE, COORDINATE, st.sampled_from(["next", "ceil"]))
def test_the_sampler_is_bilinear_by_both_readings(x, y, reading):
    """As printed on the lattice too: a neighbour that coincides has the weight of the other, or none."""
    assert kurbiel.value(PLANE, x, y, reading) == bilinear.value(PLANE, x, y).value


def test_with_the_border_of_smaller_y_the_rows_are_exchanged():
    """Rows are counted downwards, so the top border is that of the smaller y: a sample on a pixel is the one below."""
    assert kurbiel.value(PLANE, F(1), F(0), top="larger") == PLANE[0][1] == 5
    assert kurbiel.value(PLANE, F(1), F(0), top="smaller") == PLANE[1][1] == 0
    assert kurbiel.value(PLANE, F(1), F(1, 4), top="smaller") == bilinear.value(PLANE, F(1), F(3, 4)).value


@pytest.mark.parametrize(("reading", "slope"), [("next", -3), ("ceil", 0)])
def test_on_the_lattice_the_readings_have_different_derivatives(reading, slope):
    """Row (1, 5, 2, 9) at x = 1, where the one-sided derivatives are 4 and -3: 0 lies between them, but is neither."""
    assert kurbiel.x_derivative(PLANE, F(1), F(0), reading) == slope
    assert bilinear.x_derivative(PLANE, F(1), F(0), "right").value == -3
    assert bilinear.x_derivative(PLANE, F(1), F(0), "left").value == 4


@RUNS
@given(COORDINATE, COORDINATE)
def test_the_next_pixel_gives_the_derivative_from_the_right(x, y):
    expected = bilinear.x_derivative(PLANE, x, y, "right").value
    assert kurbiel.x_derivative(PLANE, x, y, "next") == expected
    if x.denominator > 1:
        assert kurbiel.x_derivative(PLANE, x, y, "ceil") == expected


def in_xy(grid):
    return [[[x, y] for y, x in row] for row in grid]


def values(grid):
    return [[[part.value for part in point] for point in row] for row in grid]


@RUNS
@given(st.lists(SMALL, min_size=6, max_size=6), st.booleans())
def test_the_affine_parameters_come_in_another_order_than_stns(theta, align_corners):
    grid = kurbiel.sampling_grid(kurbiel.affine(theta), 3, 4, align_corners)
    matrix = affine_parameters.values(affine_parameters.kurbiel(theta).matrix)
    assert in_xy(grid) == values(affine_grid(matrix, 3, 4, align_corners))
    if theta[2] != theta[4]:  # taken for STN's rows, the third is a shift
        assert in_xy(grid) != values(affine_grid([theta[:3], theta[3:]], 3, 4, align_corners))


@RUNS
@given(st.lists(SMALL, min_size=2, max_size=2), st.booleans())
def test_the_translation_is_the_affine_grid_of_its_matrix(theta, align_corners):
    grid = kurbiel.sampling_grid(kurbiel.translation(theta), 3, 4, align_corners)
    matrix = affine_parameters.values(affine_parameters.translation(theta).matrix)
    assert in_xy(grid) == values(affine_grid(matrix, 3, 4, align_corners))


def test_the_sampling_grid_is_stns_with_its_axes_exchanged():
    """The pairs are (y, x): read as (x, y), the identity is the map turned over its diagonal."""
    identity = [F(1), F(0), F(0), F(1), F(0), F(0)]
    pairs = kurbiel.sampling_grid(kurbiel.affine(identity), 3, 3, True)
    plane = [row[:3] for row in PLANE]
    for i in range(3):
        for j in range(3):
            first, second = (bilinear.pixel_coordinate(g, 3, True) for g in pairs[i][j])
            assert kurbiel.value(plane, second, first) == plane[i][j]
            assert kurbiel.value(plane, first, second) == plane[j][i]
