"""STN's equations in rational arithmetic: what holds, what is misprinted, and what is implemented instead."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import bilinear
from refwarp.exact.affine import affine_grid, affine_grid_gradient
from refwarp.exact.arithmetic.numbers import Dual, fractions
from refwarp.exact.sampling import Cotangents
from tests.exact.nested import at, derivative, places

F = Fraction
ROW = [[F(1), F(5), F(2), F(9)]]
SMALL = st.fractions(min_value=-9, max_value=9, max_denominator=30)


def maps(height, width, channels=2):
    plane = st.lists(st.lists(SMALL, min_size=width, max_size=width), min_size=height, max_size=height)
    return st.lists(plane, min_size=channels, max_size=channels)


@st.composite
def off_lattice(draw, low=-2, high=5):
    """Draw a pixel coordinate that is no integer."""
    cell = draw(st.integers(low, high))
    return cell + draw(st.fractions(min_value=F(1, 97), max_value=F(96, 97), max_denominator=97))


@pytest.mark.parametrize(("kink", "slope"), [("right", -3), ("left", 4), ("central", F(1, 2)), ("literal", 5)])
def test_each_kink_rule_has_its_value_on_the_lattice(kink, slope):
    x = bilinear.pixel_coordinate(F(-1, 4), 4, align_corners=False)
    assert x == 1
    assert bilinear.x_derivative(ROW, x, F(0), kink).value == slope
    assert bilinear.y_derivative([[u] for u in ROW[0]], F(0), x, kink).value == slope


@pytest.mark.parametrize("step", [F(1, 10**30), F(1, 3)])
def test_right_and_left_are_the_one_sided_derivatives(step):
    def value(x):
        return bilinear.value(ROW, x, F(0)).value

    for x in range(-1, 5):
        assert bilinear.x_derivative(ROW, F(x), F(0), "right").value == (value(x + step) - value(F(x))) / step
        assert bilinear.x_derivative(ROW, F(x), F(0), "left").value == (value(F(x)) - value(x - step)) / step


def test_equation_6_as_printed_is_no_derivative():
    """STN (6) sums over all pixels, and is 1 at every interior sample; the derivative is one product."""
    x, y = F(5, 4), F(1, 3)
    plane = [[F(1), F(5), F(2)], [F(7), F(0), F(4)]]
    for n in range(2):
        for m in range(3):
            assert bilinear.literal_map_derivative(plane, x, y) == 1
            varied = [[Dual(u, int((i, j) == (n, m))) for j, u in enumerate(row)] for i, row in enumerate(plane)]
            slope = bilinear.value(varied, x, y).value.derivative
            assert bilinear.map_derivative(x, y, n, m) == slope != 1


def test_equation_7_as_printed_lies_outside_the_generalised_gradient():
    """On the lattice STN (7) gives the pixel itself, 5, while every subgradient lies between -3 and 4."""
    right = bilinear.x_derivative(ROW, F(1), F(0), "right").value
    left = bilinear.x_derivative(ROW, F(1), F(0), "left").value
    assert bilinear.literal_x_derivative(ROW, F(1), F(0)) == 5
    assert (right, left) == (-3, 4)
    assert not right <= bilinear.literal_x_derivative(ROW, F(1), F(0)) <= left


@given(st.lists(SMALL, min_size=3, max_size=3))
def test_when_equation_7_lies_inside_the_generalised_gradient(row):
    """The pixel U_1 lies between U_1 - U_0 and U_2 - U_1 if and only if U_0 (2 U_1 - U_2) <= 0."""
    slopes = [bilinear.x_derivative([row], F(1), F(0), side).value for side in ("left", "right")]
    printed = bilinear.literal_x_derivative([row], F(1), F(0))
    assert (min(slopes) <= printed <= max(slopes)) == (row[0] * (2 * row[1] - row[2]) <= 0)


@pytest.mark.parametrize(
    ("row", "inside"), [((0, 0, 0), True), ((0, 5, 2), True), ((3, 1, 2), True), ((1, 5, 2), False)]
)
def test_maps_on_which_equation_7_lies_inside_and_one_on_which_not(row, inside):
    slopes = [bilinear.x_derivative([row], F(1), F(0), side).value for side in ("left", "right")]
    assert (min(slopes) <= bilinear.literal_x_derivative([row], F(1), F(0)) <= max(slopes)) == inside


def test_hstn_6_as_printed_does_not_interpolate():
    """The squared 2-norm gives weights that sum to 85/36; the product of its components sums to 1."""
    x, y = F(1, 4), F(1, 3)
    assert sum(bilinear.literal_norm_weights(x, y)) == F(85, 36)
    assert sum(bilinear.map_derivative(x, y, n, m) for n in (0, 1) for m in (0, 1)) == 1


@given(maps(3, 4, channels=1), off_lattice(), off_lattice())
def test_equation_7_holds_off_the_lattice(planes, x, y):
    expected = Dual.of(bilinear.value(planes[0], Dual(x, 1), y).value).derivative
    assert bilinear.literal_x_derivative(planes[0], x, y) == expected


@settings(max_examples=25)
@given(maps(3, 4), maps(1, 2), off_lattice(), off_lattice(), SMALL, SMALL, st.booleans())
def test_the_gradients_are_the_derivatives_of_the_printed_forward(input, gout, x, y, x2, y2, align_corners):
    """With gout as cotangent, ginput and ggrid equal what dual numbers make of STN (5)."""
    height, width = 3, 4
    grid = [[[to_g(x, width, align_corners), to_g(y, height, align_corners)], [x2 / 9, y2 / 9]]]
    if on_lattice(grid[0][1], height, width, align_corners):
        grid[0][1] = list(grid[0][0])

    def loss(input, grid):
        out = bilinear.grid_sample(input, grid, align_corners, literal=True)
        return sum(gout[c][0][j] * out[c][0][j].value for c in range(2) for j in range(2))

    gradients = bilinear.grid_sample_gradient(gout, input, grid, align_corners)
    for place in places(input):
        assert at(gradients.ginput, place).value == derivative(lambda z: loss(z, grid), input, place)
    for place in places(grid):
        assert at(gradients.ggrid, place).value == derivative(lambda z: loss(input, z), grid, place)


@settings(max_examples=25)
@given(maps(2, 3), maps(2, 3), maps(1, 1), off_lattice(-2, 3), off_lattice(-2, 3), SMALL, SMALL, st.booleans())
def test_the_second_gradients_are_the_derivatives_of_the_first(input, a, gout, x, y, bx, by, align_corners):
    grid = [[[to_g(x, 3, align_corners), to_g(y, 2, align_corners)]]]
    b = [[[bx, by]]]

    def loss(gout, input, grid):
        first = bilinear.grid_sample_gradient(gout, input, grid, align_corners, literal=True)
        total = sum(at(a, place) * at(first.ginput, place).value for place in places(a))
        return total + sum(at(b, place) * at(first.ggrid, place).value for place in places(b))

    second = bilinear.grid_sample_second_gradient(Cotangents(a, b), gout, input, grid, align_corners)
    for place in places(gout):
        assert at(second.ggout, place).value == derivative(lambda z: loss(z, input, grid), gout, place)
    for place in places(input):
        assert at(second.ginput, place).value == derivative(lambda z: loss(gout, z, grid), input, place)
    for place in places(grid):
        assert at(second.ggrid, place).value == derivative(lambda z: loss(gout, input, z), grid, place)


@given(maps(3, 5), st.lists(SMALL, min_size=4, max_size=4), st.booleans(), st.sampled_from(["right", "central"]))
def test_windows_hold_every_term_that_is_not_zero(input, coordinates, align_corners, kink):
    grid = [[[g / 6 for g in coordinates[:2]], [g / 6 for g in coordinates[2:]]]]
    gout = [[[F(2), F(-3)]], [[F(1, 3), F(5)]]]
    windowed = bilinear.grid_sample_gradient(gout, input, grid, align_corners, kink)
    literal = bilinear.grid_sample_gradient(gout, input, grid, align_corners, kink, literal=True)
    for part, whole in zip(windowed, literal, strict=True):
        for place in places(part):
            a, b = at(part, place), at(whole, place)
            assert (a.value, a.k, a.M) == (b.value, b.k, b.M)


def test_the_same_loops_run_on_floats_and_complex_numbers():
    plane = [[1.0, 5.0], [2.0, 9.0]]
    assert bilinear.value(plane, 0.25, 0.5).value == 2.875
    step = 2.0**-60
    shifted = [[complex(u, step * (i == 0)) for i, u in enumerate(row)] for row in plane]
    assert bilinear.value(shifted, 0.25, 0.5).value.imag / step == 0.75


# ---- the affine grid ----


@given(st.lists(st.lists(SMALL, min_size=3, max_size=3), min_size=2, max_size=2), st.booleans())
def test_the_affine_gradient_is_the_transpose_of_the_grid(theta, align_corners):
    ggrid = [[[F(i + 2 * j, 3), F(5 - i, 7 + j)] for j in range(4)] for i in range(3)]

    def loss(theta):
        grid = affine_grid(theta, 3, 4, align_corners)
        return sum(at(ggrid, place) * at(grid, place).value for place in places(ggrid))

    gtheta = affine_grid_gradient(ggrid, align_corners)
    for place in places(theta):
        assert at(gtheta, place).value == derivative(loss, theta, place)


def test_the_identity_reaches_every_pixel_centre():
    identity = [[F(1), F(0), F(0)], [F(0), F(1), F(0)]]
    for align_corners in (False, True):
        grid = affine_grid(identity, 5, 8, align_corners)
        for i in range(5):
            for j in range(8):
                x, y = (part.value for part in grid[i][j])
                assert bilinear.pixel_coordinate(x, 8, align_corners) == j
                assert bilinear.pixel_coordinate(y, 5, align_corners) == i


def test_corners_and_one_pixel_axes():
    (corner,), identity = [[F(-1), F(1)]], [[F(1), F(0), F(0)], [F(0), F(1), F(0)]]
    row = affine_grid(identity, 1, 4, align_corners=True)[0]
    assert [row[0][0].value, row[-1][0].value] == corner
    row = affine_grid(identity, 1, 4, align_corners=False)[0]
    assert [row[0][0].value, row[-1][0].value] == [F(-3, 4), F(3, 4)]
    assert [part.value for part in affine_grid(identity, 1, 1, True)[0][0]] == [0, 0]


def test_fractions_are_the_floats_themselves():
    assert fractions([[0.5, 0.1]]) == [[F(1, 2), F(3602879701896397, 2**55)]]


# ---- coordinates ----


def to_g(x, size, align_corners):
    s = size - 1 if align_corners else size
    return (2 * x - (size - 1)) / s


def on_lattice(point, height, width, align_corners):
    return any(
        bilinear.pixel_coordinate(g, size, align_corners).denominator == 1
        for g, size in zip(point, (width, height), strict=True)
    )
