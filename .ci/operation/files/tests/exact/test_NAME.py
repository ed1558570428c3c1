"""The WORDS in rational arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import NAME as exact
from refwarp.exact.affine import affine_grid, target_coordinate
from tests.exact.nested import derivative

SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=20)
THETA = st.lists(SMALL, min_size=2, max_size=2)


@settings(max_examples=15)
@given(THETA, st.lists(SMALL, min_size=24, max_size=24), st.booleans())
def test_the_gradient_is_the_derivative_of_the_grid(theta, cotangents, align_corners):
    ggrid = [[[cotangents[8 * i + 2 * j + r] for r in range(2)] for j in range(4)] for i in range(3)]

    def product(theta):
        grid = exact.NAME(theta, 3, 4, align_corners)
        return sum(ggrid[i][j][r] * grid[i][j][r].value for i in range(3) for j in range(4) for r in range(2))

    gradient = exact.NAME_gradient(ggrid, align_corners)
    assert [part.value for part in gradient] == [derivative(product, theta, (r,)) for r in range(2)]


@given(THETA, st.booleans())
def test_it_is_an_affine_grid_of_a_diagonal_matrix(theta, align_corners):
    p, q = theta
    diagonal = [[p, Fraction(0), Fraction(0)], [Fraction(0), q, Fraction(0)]]
    grid, affine = exact.NAME(theta, 2, 3, align_corners), affine_grid(diagonal, 2, 3, align_corners)
    for row, other in zip(grid, affine, strict=True):
        assert [[part.value for part in point] for point in row] == [[part.value for part in point] for point in other]


@pytest.mark.parametrize("align_corners", [False, True])
def test_ones_are_the_identity(align_corners):
    grid = exact.NAME([Fraction(1), Fraction(1)], 1, 5, align_corners)
    assert [x.value for x, _ in grid[0]] == [target_coordinate(j, 5, align_corners) for j in range(5)]
