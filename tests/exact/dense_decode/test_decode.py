"""DTN's decoder in rational arithmetic: what holds, what is wrong or left open, and what is implemented."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import bilinear
from refwarp.exact.arithmetic.numbers import Dual
from refwarp.exact.dense_decode import decode as decoder
from refwarp.exact.dense_decode import holes as decoder_holes
from refwarp.exact.dense_decode.second import decode_second_gradient
from tests.exact.nested import at as at_place  # `at` are the sources' points
from tests.exact.nested import derivative, places

F = Fraction
SMALL = st.fractions(min_value=-9, max_value=9, max_denominator=30)
HEIGHT, WIDTH = 2, 3


def lists(element, *lengths):
    for length in reversed(lengths):
        element = st.lists(element, min_size=length, max_size=length)
    return element


@st.composite
def between_pixels(draw, low=-1, high=3):
    """Draw a pixel coordinate that is no integer."""
    inside = st.fractions(min_value=F(1, 31), max_value=F(30, 31), max_denominator=31)
    return draw(st.integers(low, high)) + draw(inside)


def points(count):
    """Draw points in a map of HEIGHT x WIDTH pixels, and a little around it; pixels counted from 0."""
    return st.lists(
        st.tuples(between_pixels(-1, WIDTH - 1), between_pixels(-1, HEIGHT - 1)), min_size=count, max_size=count
    )


# ---- as printed ----


@settings(max_examples=25)
@given(lists(SMALL, HEIGHT, WIDTH), between_pixels(), between_pixels())
def test_equation_4_is_the_bilinear_sampler_counted_from_one(plane, x, y):
    assert decoder.encoded_value(plane, x + 1, y + 1) == bilinear.value(plane, x, y).value
    assert decoder.encoded_value(plane, F(2), F(1)) == bilinear.value(plane, F(1), F(0)).value == plane[0][1]


def test_equation_5_restores_a_map_whose_pixels_were_permuted():
    """T permutes the pixels; the decoder, with the same T, puts each value back where it came from."""
    plane = [[F(3), F(1), F(4)], [F(1), F(5), F(9)]]
    permuted = [(F(m), F(n)) for m, n in [(3, 2), (1, 1), (2, 2), (2, 1), (1, 2), (3, 1)]]
    assert decoder.encode_decode(plane, permuted) == plane
    assert decoder.encode_decode(plane, permuted[:3]) == [[3, None, None], [None, 5, 9]]


@settings(max_examples=25)
@given(lists(SMALL, 2, 1, 4), points(4), st.booleans())
def test_the_operation_is_the_printed_one_counted_from_zero(values, at, align_corners):
    grid = [[to_g(point, align_corners) for point in at]]
    decoded = decoder.decode(values, grid, HEIGHT, WIDTH, align_corners)
    counted_from_one = [(x + 1, y + 1) for x, y in at]
    covered = decoder.covered_pixels(counted_from_one, HEIGHT, WIDTH)
    assert {(n - 1, m - 1) for n, m in covered} == set(decoded.normalisation)
    for n in range(1, HEIGHT + 1):
        for m in range(1, WIDTH + 1):
            pixel = n - 1, m - 1
            if (n, m) in covered:
                assert decoded.normalisation[pixel].value == decoder.printed_normalisation(counted_from_one, n, m)
            for c in range(2):
                printed = decoder.printed_value(values[c][0], counted_from_one, n, m) if (n, m) in covered else 0
                assert decoded.maps[c][pixel[0]][pixel[1]].value == printed


@settings(max_examples=20)
@given(lists(SMALL, HEIGHT, WIDTH), lists(SMALL, 4), points(4))
def test_the_printed_gradients_are_derivatives_off_the_lattice(gout, values, at):
    at = [(x + 1, y + 1) for x, y in at]
    covered = decoder.covered_pixels(at, HEIGHT, WIDTH)

    def loss(values, at):
        return sum(gout[n - 1][m - 1] * decoder.printed_value(values, at, n, m) for n, m in covered)

    for i in range(4):
        dv = derivative(lambda z: loss(z, at), values, (i,))
        assert decoder.printed_value_gradient(gout, at, i) == dv
        dx = derivative(lambda z: loss(values, z), [list(point) for point in at], (i, 0))
        dy = derivative(lambda z: loss(values, z), [list(point) for point in at], (i, 1))
        assert decoder.printed_x_gradient(gout, values, at, i) == dx
        assert decoder.printed_y_gradient(gout, values, at, i) == dy


@settings(max_examples=25)
@given(lists(SMALL, HEIGHT, WIDTH), lists(SMALL, 3), points(3))
def test_equation_9_is_the_derivative_and_has_a_shorter_form(gout, values, at):
    """U = N / S with N fixed: the derivative with respect to S, times dU."""
    at = [(x + 1, y + 1) for x, y in at]
    for n, m in decoder.covered_pixels(at, HEIGHT, WIDTH):
        s, u = decoder.printed_normalisation(at, n, m), decoder.printed_value(values, at, n, m)
        ds = decoder.printed_normalisation_gradient(gout, values, at, n, m)
        assert ds == gout[n - 1][m - 1] * (u * s / Dual(s, 1)).derivative == -gout[n - 1][m - 1] * u / s


def test_equation_10_fails_on_the_lattice_whichever_case_is_taken():
    """Three sources in a row; that on pixel 2 moves. Its slope is 0 to the left and 1/2 to the right; printed is +-1.

    With V - U = -1/6 and S = 3/2 at pixel 2, 3 and 3/4 at pixel 1, -4 and 3/4 at pixel 3, the printed sum is
    9/S (-1/6) = -1 times the case, while -1 - (-1/4) 3/S = 0 and 1 + 3/32 (-4)/S = 1/2.
    """
    values, gout = [F(1), F(4), F(8)], [[F(-1, 4), F(9), F(3, 32)]]
    at = [(F(5, 4), F(1)), (F(2), F(1)), (F(11, 4), F(1))]

    def loss(x):
        moved = [at[0], (x, F(1)), at[2]]
        return sum(gout[0][m - 1] * decoder.printed_value(values, moved, 1, m) for m in (1, 2, 3))

    for side, slope in ((-1, 0), (1, F(1, 2))):
        step = F(side, 10**40)
        assert abs((loss(2 + step) - loss(F(2))) / step - slope) < F(1, 10**38)
    assert [decoder.printed_x_gradient(gout, values, at, 1, equal) for equal in (1, -1)] == [-1, 1]


# ---- the operation ----


@pytest.mark.parametrize("align_corners", [False, True])
def test_right_and_left_are_the_one_sided_derivatives_where_nothing_jumps(align_corners):
    """All pixels are covered by others, one source lies on a pixel: its one-sided difference quotients, exactly."""
    values = [[[F(1), F(4), F(8), F(-2), F(5)]], [[F(2), F(0), F(-1), F(3), F(7)]]]
    gout = [[[F(1), F(-2), F(3)], [F(5), F(1), F(-4)]], [[F(2), F(1), F(1)], [F(-1), F(0), F(6)]]]
    at = [(F(1, 4), F(1, 3)), (F(3, 2), F(1, 2)), (F(2, 3), F(3, 4)), (F(1), F(0)), (F(7, 4), F(1, 5))]

    def loss(at):
        grid = [[to_g(point, align_corners) for point in at]]
        maps = decoder.decode(values, grid, HEIGHT, WIDTH, align_corners).maps
        return sum(at_place(gout, place) * at_place(maps, place).value for place in places(gout))

    grid = [[to_g(point, align_corners) for point in at]]
    scale = [F(bilinear.coordinate_scale(size, align_corners), 2) for size in (WIDTH, HEIGHT)]
    for axis in range(2):
        quotients = []
        for kink, side in (("right", 1), ("left", -1)):
            step = F(side, 10**40)
            moved = [list(point) for point in at]
            moved[3][axis] += step
            # y = 0 is the map's first row: on its left, only w decreases, and nothing jumps there either.
            quotient = (loss(moved) - loss(at)) / step * scale[axis]
            ggrid = decoder.decode_gradient(gout, values, grid, align_corners, kink).ggrid
            assert abs(ggrid[0][3][axis].value - quotient) < F(1, 10**35)
            quotients.append(ggrid[0][3][axis].value)
        central = decoder.decode_gradient(gout, values, grid, align_corners, "central").ggrid
        assert central[0][3][axis].value == sum(quotients) / 2


def test_a_pixel_that_becomes_covered_jumps():
    """A source of value 5 leaves pixel 0 to the right: pixel 1 jumps from the filling to 5, however small the step."""
    values, previous = [[[F(5)]]], [[[F(1), F(2)]]]
    for x, expected in [(F(0), 2), (F(1, 10**50), 5), (F(1, 2), 5), (F(1) - F(1, 10**50), 5), (F(1), 5)]:
        decoded = decoder.decode(values, [[to_g((x, F(0)), False, 1, 2)]], 1, 2, False)
        assert decoder_holes.filled(decoded, previous, "previous")[0][0][1].value == expected
    # ... and pixel 0 falls back to it at the end. Neither is seen by the gradient, of whatever rule.
    assert decoder_holes.filled(decoded, previous, "previous")[0][0][0].value == 1
    grid = [[to_g((F(0), F(0)), False, 1, 2)]]
    for kink in ("right", "left", "central", "literal"):
        ggrid = decoder.decode_gradient([[[F(3), F(7)]]], values, grid, False, kink).ggrid
        assert [part.value for part in ggrid[0][0]] == [0, 0]


def test_holes_are_filled_as_said():
    previous = [[[F(10 * n + m) for m in range(3)] for n in range(3)]]
    decoded = decoder.decode([[[F(5)]]], [[to_g((F(1), F(0)), False, 3, 3)]], 3, 3, False)

    def values(fill):
        return [[cell.value for cell in row] for row in decoder_holes.filled(decoded, previous, fill)[0]]

    assert values("zeros") == [[0, 5, 0], [0, 0, 0], [0, 0, 0]]
    assert values("previous") == [[0, 5, 2], [10, 11, 12], [20, 21, 22]]
    filled = values("neighbours")
    assert filled[0][0] == F(1 + 10 + 11, 3)
    assert filled[0][1] == 5
    assert filled[1][1] == F(0 + 1 + 2 + 10 + 12 + 20 + 21 + 22, 8)
    assert filled[2][1] == F(10 + 11 + 12 + 20 + 22, 5)
    nowhere = decoder.decode([[[F(5)]]], [[(F(9), F(9))]], 1, 1, False)
    assert decoder_holes.filled(nowhere, [[[F(3)]]], "neighbours")[0][0][0].value == 0


@settings(max_examples=15)
@given(*[lists(SMALL, 1, HEIGHT, WIDTH)] * 2, points(2), st.sampled_from(["previous", "neighbours"]))
def test_the_gradient_of_the_previous_map_is_the_transpose_of_the_filling(gout, previous, at, fill):
    decoded = decoder.decode([[[F(0), F(0)]]], [[to_g(point, False) for point in at]], HEIGHT, WIDTH, False)
    filled, gradient = decoder_holes.filled(decoded, previous, fill), decoder_holes.fill_gradient(decoded, gout, fill)
    forward = sum(at_place(gout, place) * at_place(filled, place).value for place in places(gout))
    assert forward == sum(at_place(previous, place) * at_place(gradient, place).value for place in places(gout))
    nothing = decoder_holes.fill_gradient(decoded, gout, "zeros")
    assert all(at_place(nothing, place).value == 0 for place in places(gout))


def test_a_value_that_is_nan_reaches_the_pixels_on_which_it_has_a_weight():
    grid = [[to_g((F(1, 2), F(1, 2)), False, 3, 3), to_g((F(3, 2), F(3, 2)), False, 3, 3)]]
    maps = decoder.decode([[[float("nan"), F(2)]]], grid, 3, 3, False).maps
    assert [[cell.value == cell.value for cell in row] for row in maps[0]] == [
        [False, False, True],
        [False, False, True],
        [True, True, True],
    ]


@settings(max_examples=15)
@given(lists(SMALL, 2, HEIGHT, WIDTH), lists(SMALL, 2, 1, 3), points(3), st.booleans())
def test_the_gradients_are_the_derivatives_of_the_printed_forward(gout, values, at, align_corners):
    grid = [[to_g(point, align_corners) for point in at]]

    def loss(values, grid):
        maps = decoder.decode(values, grid, HEIGHT, WIDTH, align_corners, literal=True).maps
        return sum(at_place(gout, place) * at_place(maps, place).value for place in places(gout))

    gradients = decoder.decode_gradient(gout, values, grid, align_corners)
    for place in places(values):
        assert at_place(gradients.gvalues, place).value == derivative(lambda z: loss(z, grid), values, place)
    for place in places(grid):
        assert at_place(gradients.ggrid, place).value == derivative(lambda z: loss(values, z), grid, place)


@settings(max_examples=8)
@given(lists(SMALL, 1, 1, 3), lists(SMALL, 1, 3, 2), lists(SMALL, 1, HEIGHT, WIDTH), lists(SMALL, 1, 1, 3), points(3))
def test_the_second_gradients_are_the_derivatives_of_the_first(a, b, gout, values, at):
    grid = [[to_g(point, False) for point in at]]

    def loss(gout, values, grid):
        first = decoder.decode_gradient(gout, values, grid, False, literal=True)
        total = sum(at_place(a, place) * at_place(first.gvalues, place).value for place in places(a))
        return total + sum(at_place(b, place) * at_place(first.ggrid, place).value for place in places(b))

    second = decode_second_gradient(a, b, gout, values, grid, False)
    for place in places(gout):
        assert at_place(second.ggout, place).value == derivative(lambda z: loss(z, values, grid), gout, place)
    for place in places(values):
        assert at_place(second.gvalues, place).value == derivative(lambda z: loss(gout, z, grid), values, place)
    for place in places(grid):
        assert at_place(second.ggrid, place).value == derivative(lambda z: loss(gout, values, z), grid, place)


@settings(max_examples=25)
@given(lists(SMALL, 1, 1, 3), lists(SMALL, 3, 2), st.sampled_from(["right", "left", "central", "literal"]))
def test_windows_hold_every_term_that_is_not_zero(values, coordinates, kink):
    grid = [[[x / 7, y / 7] for x, y in coordinates]]
    gout = [[[F(n + 2 * m, 3) for m in range(4)] for n in range(3)]]
    windowed = decoder.decode_gradient(gout, values, grid, False, kink)
    literal = decoder.decode_gradient(gout, values, grid, False, kink, literal=True)
    for part, whole in zip(windowed, literal, strict=True):
        for place in places(part):
            a, b = at_place(part, place), at_place(whole, place)
            assert (a.value, a.k, a.M) == (b.value, b.k, b.M)


# ---- places in nested lists, and derivatives by dual numbers ----


def to_g(point, align_corners, height=HEIGHT, width=WIDTH):
    sizes = [size - 1 if align_corners else size for size in (width, height)]
    return [(2 * z - (size - 1)) / F(s) for z, s, size in zip(point, sizes, (width, height), strict=True)]
