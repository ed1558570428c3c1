"""The multi-scale baseline in rational arithmetic. Its weights are any positive numbers here."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import bilinear
from refwarp.exact import multiscale as exact
from refwarp.exact.sampling import Cotangents
from tests.exact.nested import at, derivative, places

F = Fraction
SMALL = st.fractions(min_value=-5, max_value=5, max_denominator=12)
LEVELS = [(F(1),), (F(1), F(1, 2)), (F(3), F(2), F(1, 7), F(1, 9))]


def maps(height, width, channels=1):
    plane = st.lists(st.lists(SMALL, min_size=width, max_size=width), min_size=height, max_size=height)
    return st.lists(plane, min_size=channels, max_size=channels)


# Coordinates of which none lies on the lattice of 3 x 4 pixels: odd 41sts, while lattice points are 12ths.
POINTS = st.lists(st.integers(-50, 50).filter(lambda n: n % 41).map(lambda n: F(n, 41)), min_size=4, max_size=4)


def test_the_weights_are_those_of_a_gaussian():
    """With a stand-in for exp that shows its argument."""
    assert exact.gaussian_weights(F(3, 2), 3, lambda a: a) == [0, F(-2, 9), F(-8, 9), -2]


@pytest.mark.parametrize("weights", LEVELS)
def test_a_constant_map_stays_what_it_is_only_with_weights_that_sum_to_1(weights):
    """Up to the border: there, too, the weights that are left sum to 1."""
    blurred = exact.blur([[F(7)] * 4 for _ in range(3)], weights)
    assert all(total.value == total.M == 7 for row in blurred for total in row)
    transposed = exact.blur([[F(7)] * 4 for _ in range(3)], weights, transposed=True)
    assert (len(weights) == 1) == all(total.value == 7 for row in transposed for total in row)


def test_a_pixel_is_spread_by_its_weights():
    """Weights 1, 1/2: in the middle 1/2, at the border 2/3, as a share of what reaches each pixel."""
    row = [[F(0), F(0), F(1), F(0)]]
    assert [total.value for total in exact.blur(row, LEVELS[1])[0]] == [0, F(1, 4), F(1, 2), F(1, 3)]
    back = exact.blur(row, LEVELS[1], transposed=True)
    assert [total.value for total in back[0]] == [0, F(1, 4), F(1, 2), F(1, 4)]


def test_a_mipmap_depends_on_where_its_pixels_begin():
    """Means of pairs, at half the size: a pixel and its neighbour to the right become the same map, or another one.

    What is blurred at its own size moves with the map, up to the border.
    """

    def halved(row):
        return [(a + b) / 2 for a, b in zip(row[::2], row[1::2], strict=True)]

    rows = [[F(m == place) for m in range(8)] for place in (2, 3, 4)]
    assert halved(rows[0]) == halved(rows[1]) == [0, F(1, 2), 0, 0]
    assert halved(rows[2]) == [0, 0, F(1, 2), 0]
    blurred = [[total.value for total in exact.blur([row], LEVELS[1])[0]] for row in rows]
    assert blurred[1] == [0, *blurred[0][:-1]] and blurred[2] == [0, *blurred[1][:-1]]


@given(maps(3, 4), maps(3, 4), st.sampled_from(LEVELS))
@settings(max_examples=20)
def test_the_transposed_blur_is_the_transpose(a, b, weights):
    def product(plane, blurred):
        pairs = (pair for rows in zip(plane, blurred, strict=True) for pair in zip(*rows, strict=True))
        return sum(x * total.value for x, total in pairs)

    assert product(a[0], exact.blur(b[0], weights)) == product(b[0], exact.blur(a[0], weights, transposed=True))


@settings(max_examples=10)
@given(maps(3, 4), maps(1, 2), POINTS, st.booleans(), st.sampled_from([F(1), F(1, 3)]))
def test_the_gradients_are_the_derivatives_of_the_forward(input, gout, points, align_corners, share):
    grid = [[points[:2], points[2:]]]

    def loss(input, grid):
        out = exact.multiscale_sample(input, grid, LEVELS, share, align_corners)
        return sum(at(gout, place) * at(out, place).value for place in places(gout))

    # The forward, from samples of each level alone.
    levels = [[[[t.value for t in row] for row in exact.blur(input[0], weights)]] for weights in LEVELS]
    separate = [bilinear.grid_sample(level, grid, align_corners, literal=True) for level in levels]
    total = sum(at(gout, place) * share * at(out, place).value for out in separate for place in places(gout))
    assert loss(input, grid) == total

    gradients = exact.multiscale_sample_gradient(gout, input, grid, LEVELS, share, align_corners)
    for place in places(input)[::3]:
        assert at(gradients.ginput, place).value == derivative(lambda z: loss(z, grid), input, place)
    for place in places(grid):
        assert at(gradients.ggrid, place).value == derivative(lambda z: loss(input, z), grid, place)


@settings(max_examples=5)
@given(maps(2, 3), maps(2, 3), maps(1, 1), POINTS)
def test_the_second_gradients_are_the_derivatives_of_the_first(input, a, gout, points):
    grid, beta = [[points[:2]]], [[points[2:]]]
    options = LEVELS[1:], F(1, 2), False

    def loss(gout, input, grid):
        first = exact.multiscale_sample_gradient(gout, input, grid, *options)
        total = sum(at(a, place) * at(first.ginput, place).value for place in places(a))
        return total + sum(at(beta, place) * at(first.ggrid, place).value for place in places(beta))

    second = exact.multiscale_sample_second_gradient(Cotangents(a, beta), gout, input, grid, *options)
    for place in places(gout):
        assert at(second.ggout, place).value == derivative(lambda z: loss(z, input, grid), gout, place)
    for place in places(input)[::2]:
        assert at(second.ginput, place).value == derivative(lambda z: loss(gout, z, grid), input, place)
    for place in places(grid):
        assert at(second.ggrid, place).value == derivative(lambda z: loss(gout, input, z), grid, place)
