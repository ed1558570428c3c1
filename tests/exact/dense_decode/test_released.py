"""DTN's released encoder and decoders in rational arithmetic: what they do instead of (4) and (7), and their slopes."""

from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact.arithmetic.numbers import Dual
from refwarp.exact.dense_decode import decode as decoder
from refwarp.exact.dense_decode import holes as decoder_holes
from refwarp.exact.dense_decode import released as program

SMALL = st.fractions(min_value=-9, max_value=9, max_denominator=30)
HEIGHT, WIDTH = 2, 3
BOTH = pytest.mark.parametrize("first", [False, True], ids=["released", "first_release"])


def lists(element, *lengths):
    for length in reversed(lengths):
        element = st.lists(element, min_size=length, max_size=length)
    return element


@st.composite
def off_lattice(draw, low, high):
    """Draw a pixel coordinate that is no integer."""
    inside = st.fractions(min_value=F(1, 31), max_value=F(30, 31), max_denominator=31)
    return draw(st.integers(low, high)) + draw(inside)


def grids(count, beyond):
    """Draw a grid of one row of points off the lattice, up to so many pixels beyond the outermost ones."""
    point = st.tuples(off_lattice(-beyond, WIDTH - 2 + beyond), off_lattice(-beyond, HEIGHT - 2 + beyond))
    return st.lists(point, min_size=count, max_size=count).map(lambda points: [[at(*point) for point in points]])


def at(x, y, height=HEIGHT, width=WIDTH):
    """Return the point in [-1, 1] that the program has at (x, y)."""
    return [2 * F(x) / width - 1, 2 * F(y) / height - 1]


def zeros(height=HEIGHT, width=WIDTH, channels=1):
    return [[[F(0)] * width for _ in range(height)] for _ in range(channels)]


def row(points, values, width, previous=None, first=False):
    """Return the first of two rows that the program makes of sources on it, at the pixel coordinates x."""
    grid = [[at(x, 0, 2, width) for x in points]]
    return program.released([[[F(v) for v in values]]], grid, previous or zeros(2, width), first)[0][0]


def inner(a, b):
    """Return the sum of the products of two nested lists."""
    if not isinstance(a, list | tuple):
        return a * b
    return sum((inner(x, y) for x, y in zip(a, b, strict=True)), F(0))


def derivatives(function, nested):
    """Return the derivatives of a function of a nested list with respect to each of its elements, nested like it."""

    def at_place(part, place):
        if not isinstance(part, list | tuple):
            return Dual.of(function(seeded(nested, place))).derivative
        return [at_place(inside, (*place, index)) for index, inside in enumerate(part)]

    def seeded(part, seed, place=()):
        if not isinstance(part, list | tuple):
            return Dual(part, int(place == seed))
        return [seeded(inside, seed, (*place, index)) for index, inside in enumerate(part)]

    return at_place(nested, ())


# ---- weights ----


@pytest.mark.parametrize(
    ("x", "released", "first_release"),
    [
        # On three pixels, as (pixel, weight) of floor x and floor x + 1, each clipped.
        (F(-5, 4), ((0, 0), (0, 0)), ((0, F(5, 4)), (0, F(-5, 4)))),
        (F(-1), ((0, 1), (0, 1)), ((0, 1), (0, -1))),
        (F(-1, 4), ((0, F(1, 4)), (0, F(1, 4))), ((0, F(1, 4)), (0, F(-1, 4)))),
        (F(0), ((0, 1), (1, 0)), ((0, 1), (1, 0))),
        (F(1, 4), ((0, F(3, 4)), (1, F(1, 4))), ((0, F(3, 4)), (1, F(1, 4)))),
        (F(1), ((1, 1), (2, 0)), ((1, 1), (2, 0))),
        (F(7, 4), ((1, F(1, 4)), (2, F(3, 4))), ((1, F(1, 4)), (2, F(3, 4)))),
        (F(2), ((2, 0), (2, 0)), ((2, 0), (2, 0))),
        (F(9, 4), ((2, F(1, 4)), (2, F(1, 4))), ((2, F(-1, 4)), (2, F(1, 4)))),
        (F(3), ((2, 1), (2, 1)), ((2, -1), (2, 1))),
        (F(13, 4), ((2, 0), (2, 0)), ((2, F(-5, 4)), (2, F(5, 4)))),
        (F(100), ((2, 0), (2, 0)), ((2, -98), (2, 98))),
    ],
)
def test_the_weights_along_an_axis(x, released, first_release):
    for first, expected in ((False, released), (True, first_release)):
        assert tuple((pixel, weight) for pixel, weight, _ in program.axis_corners(x, 3, first)) == expected


@pytest.mark.parametrize("x", [F(n, 8) for n in range(-20, 44)])
@BOTH
def test_the_slopes_along_an_axis_are_those_of_the_steps(x, first):
    """Off the lattice those of the weights; on it |0| has the slope 0, and a distance of 1 is kept with its slope."""
    for (_, weight, slope), (_, dual, _) in zip(
        program.axis_corners(x, 3, first), program.axis_corners(Dual(x, 1), 3, first), strict=True
    ):
        assert weight == Dual.of(dual).value and slope == Dual.of(dual).derivative
    if not first and x == 1:
        assert [slope for _, _, slope in program.axis_corners(x, 3, first)] == [-1, 0]
    if not first and x == 3:
        assert [slope for _, _, slope in program.axis_corners(x, 3, first)] == [1, 1]


# ---- the map ----


def test_the_released_program_multiplies_sums():
    """Two points in one cell, weights 9/16 and 1/4, values 3 and 7: Eq. (7) gives 55/13, the program 10."""
    points = [(F(1, 4), F(1, 4)), (F(1, 2), F(1, 2))]
    printed = decoder.decode([[[F(3), F(7)]]], [[[x - F(1, 2), y - F(1, 2)] for x, y in points]], 2, 2, False)
    assert printed.normalisation[0, 0].value == F(9, 16) + F(1, 4)
    assert printed.maps[0][0][0].value == F(55, 13)
    grid = [[at(x, y, 2, 2) for x, y in points]]
    assert program.released([[[F(3), F(7)]]], grid, zeros(2, 2))[0][0][0] == 10
    # A constant map shows it best: two sources make it 2.
    assert program.released([[[F(1), F(1)]]], grid, zeros(2, 2))[0][0][0] == 2


@settings(max_examples=25)
@given(lists(SMALL, 1, 1, 1), off_lattice(0, WIDTH - 2), off_lattice(0, HEIGHT - 2), lists(SMALL, 1, HEIGHT, WIDTH))
def test_it_agrees_with_equation_7_where_sources_do_not_meet(values, x, y, previous):
    """One source that lies inside: the same values, where its coordinates are the same pixels."""
    shifted = [(2 * z - (size - 1)) / F(size) for z, size in ((x, WIDTH), (y, HEIGHT))]
    decoded = decoder.decode(values, [[shifted]], HEIGHT, WIDTH, False)
    paper = decoder_holes.filled(decoded, previous, "previous")
    found = program.released(values, [[at(x, y)]], previous)
    assert found == [[[cell.value for cell in row] for row in plane] for plane in paper]


@settings(max_examples=25)
@given(lists(SMALL, 2, HEIGHT, WIDTH), lists(SMALL, 2, 1, 4), grids(4, 0), lists(SMALL, 2, HEIGHT, WIDTH))
def test_both_releases_agree_inside_the_map(gout, values, grid, previous):
    assert program.released(values, grid, previous) == program.released(values, grid, previous, True)
    assert program.released_gradient(gout, values, grid) == program.released_gradient(gout, values, grid, True)
    # On the lattice the maps do, too; the slope of |x - m_0| at 0 is 0, that of x - m_0 is 1.
    gx, gy = at(1, F(1, 3))
    on_lattice = [[*grid[0][:3], [gx, gy]]]
    assert program.released(values, on_lattice, previous) == program.released(values, on_lattice, previous, True)
    beside = [[at(F(1, 2), F(1, 2)), [gx, gy]]]  # U = 4 at pixels 0 and 1, and 0/0 at pixel 2
    two, plane = [[[F(1), F(3)]]], [[[F(0), F(1), F(0)], [F(0)] * 3]]
    slopes = [program.released_gradient(plane, two, beside, first).ggrid[0][1] for first in (False, True)]
    assert slopes[0] == slopes[1]  # of what leaves pixel 1; 0 at pixel 2, whose sum is clipped
    arriving = [[[F(0), F(0), F(1)], [F(0)] * 3]]
    slopes = [program.released_gradient(arriving, two, beside, first).ggrid[0][1][0] for first in (False, True)]
    assert slopes == [0, F(3, 2) * 3 * F(2, 3) * 10**5]


def test_it_adds_the_previous_map_where_little_arrives():
    """S = 1e-5 is a hole to it, and what little arrives there is divided by the clipped S and added."""
    previous = [[[F(10), F(20)], [F(30), F(40)]]]
    assert row([F(1, 10**5)], [4], 2, previous) == [4, 24]
    assert row([F(1, 2 * 10**5)], [4], 2, previous) == [4, 22]
    assert row([F(11, 10**6)], [4], 2, previous) == [4, 4]


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (F(3, 2), F(1, 4), [[0, 5], [0, 5]]),
        (F(-1, 2), F(1, 4), [[5, 0], [5, 0]]),
        (F(1, 4), F(3, 2), [[0, 0], [5, 5]]),
        (F(1, 4), F(-1, 2), [[5, 5], [0, 0]]),
        (F(-1, 2), F(-1, 2), [[5, 0], [0, 0]]),
        (F(3, 2), F(-1, 2), [[0, 5], [0, 0]]),
        (F(-1, 2), F(3, 2), [[0, 0], [5, 0]]),
        (F(2), F(2), [[0, 0], [0, 5]]),
        (F(-1), F(1, 4), [[5, 0], [5, 0]]),
        (F(1), F(1, 4), [[0, 0], [0, 0]]),
        (F(17, 8), F(1, 4), [[0, 0], [0, 0]]),
        (F(-9, 8), F(1, 4), [[0, 0], [0, 0]]),
        (F(3, 2), F(9), [[0, 0], [0, 0]]),
    ],
)
def test_a_source_beyond_the_border_is_its_pixel_alone(x, y, expected):
    """A source of value 5 on 2 x 2 pixels. The first release has none of them: -d and d cancel."""
    found = [program.released([[[F(5)]]], [[at(x, y, 2, 2)]], zeros(2, 2), first)[0] for first in (False, True)]
    assert found == [expected, zeros(2, 2)[0]]


def test_beyond_the_border_a_source_weighs_more_the_farther_it_is():
    """Beside one of value 1 at x = 3/2 of three pixels, which weighs 1/2 at pixel 2 by its corner a = 1.

    At 2 + d a source of value 4 weighs d by both corners: (d 4 + (1/2 + d)(1 + 4)) / (1/2 + 2 d).
    """
    for d in (F(1, 8), F(1, 2), F(7, 8), F(1)):
        assert row([F(3, 2), 2 + d], [1, 4], 3)[2] == (4 * d + 5 * (F(1, 2) + d)) / (F(1, 2) + 2 * d)
    # From there on, and at the pixel's centre, it weighs nothing. But its value counts: 1/2 (1 + 4) / (1/2).
    for d in (F(0), F(9, 8), F(1000)):
        assert row([F(3, 2), 2 + d], [1, 4], 3)[2] == 5
    assert row([F(3, 2), F(1, 2)], [1, 4], 3)[2] == 1


def test_the_first_release_has_weights_of_both_signs_beyond_the_border():
    """A source at x = 6 of a map of two pixels weighs -5 and 5 on the last; beside one inside, 4 and 1 make 15.

    Today it weighs nothing there, and 4 and 1 make 5.
    """
    found = [row([F(6), F(1, 2)], [4, 1], 2, first=first)[1] for first in (True, False)]
    assert found == [(-5 * 4 + (F(1, 2) + 5) * 5) / F(1, 2), 5] == [15, 5]


def test_the_identity_of_the_program_at_the_last_pixel():
    """Its identity has sources at linspace(-1, 1), x = j W/(W - 1); the last one lies at W, at a distance of 1.

    Of a constant 1 on four pixels, pixel 3 gets 2/3 by the corner a = 1 of x = 8/3, and 1 and +-1 from x = 4.
    """
    points, ones = [F(4 * j, 3) for j in range(4)], [1] * 4
    assert row(points, ones, 4) == [1, 1, 1, (1 + 2 * F(5, 3)) / F(8, 3)] == [1, 1, 1, F(13, 8)]
    assert row(points, ones, 4, first=True) == [1, 1, 1, (-1 + 2 * F(5, 3)) / F(2, 3)] == [1, 1, 1, F(7, 2)]
    # On two pixels the source at 0 has the weight 0 there, but its value counts: 1 + 2, or -1 + 2 over 1e-5 for S = 0.
    assert [row([F(0), F(2)], [1, 1], 2, first=first) for first in (False, True)] == [[1, F(3, 2)], [1, 10**5]]


def test_a_map_of_one_pixel_is_covered_up_to_a_distance_of_one():
    for x, expected in ((F(-2), 9), (F(-1), 5), (F(-1, 3), 5), (F(0), 9), (F(1, 2), 5), (F(1), 5), (F(5, 4), 9)):
        assert program.released([[[F(5)]]], [[at(x, 1, 1, 1)]], [[[F(9)]]]) == [[[expected]]]


# ---- derivatives ----


@settings(max_examples=15)
@given(
    lists(SMALL, 2, HEIGHT, WIDTH), lists(SMALL, 2, 1, 3), grids(3, 2), lists(SMALL, 2, HEIGHT, WIDTH), st.booleans()
)
def test_the_gradients_are_the_derivatives_of_the_steps(gout, values, grid, previous, first):
    """(released.5) and (released.6) are the dual-number derivatives of (released.4)."""
    found = program.released_gradient(gout, values, grid, first)
    assert found.gvalues == derivatives(lambda v: inner(gout, program.released(v, grid, previous, first)), values)
    assert found.ggrid == derivatives(lambda p: inner(gout, program.released(values, p, previous, first)), grid)
    assert found.gprevious == derivatives(lambda p: inner(gout, program.released(values, grid, p, first)), previous)


@settings(max_examples=8)
@given(
    st.tuples(lists(SMALL, 2, 1, 3), lists(SMALL, 1, 3, 2), lists(SMALL, 2, HEIGHT, WIDTH)),
    lists(SMALL, 2, HEIGHT, WIDTH),
    lists(SMALL, 2, 1, 3),
    grids(3, 2),
    st.booleans(),
)
def test_the_second_gradients_are_the_derivatives_of_the_first(cotangents, gout, values, grid, first):
    """(released.7) to (released.9) are the dual-number derivatives of (released.5) and (released.6)."""
    found = program.released_second_gradient(program.Gradients(*cotangents), gout, values, grid, first)

    def loss(gout, values, grid):
        return inner(cotangents, program.released_gradient(gout, values, grid, first))

    assert found.ggout == derivatives(lambda g: loss(g, values, grid), gout)
    assert found.gvalues == derivatives(lambda v: loss(gout, v, grid), values)
    assert found.ggrid == derivatives(lambda p: loss(gout, values, p), grid)


@BOTH
def test_the_gradients_where_the_sum_is_clipped(first):
    """Pixel 1 gets 2^-18, less than 1e-5: sigma is constant, and chi = 0 in both derivatives."""
    w = F(1, 2**18)
    grid, values, gout = [[at(w, 0, 2, 2)]], [[[F(4)]]], [[[F(0), F(3)], [F(0), F(0)]]]
    # U = 1e5 w V + P, and dw/dg = W/2 = 1.
    gradient = program.released_gradient(gout, values, grid, first)
    assert gradient.gvalues == [[[3 * 10**5 * w]]]
    assert gradient.ggrid[0][0][0] == 3 * 10**5 * 4
    assert gradient.gprevious[0][0] == [0, 3]
    # For A = 2, b = (5, 0), q = -3: A gV + b gg + q gP = gU (1e5 (2 w + 5 V) - 3).
    cotangents = program.Gradients([[[F(2)]]], [[[F(5), F(0)]]], [[[F(1), F(-3)], [F(0), F(0)]]])
    second = program.released_second_gradient(cotangents, gout, values, grid, first)
    assert second.ggout[0][0][1] == 10**5 * (2 * w + 5 * 4) - 3
    assert second.gvalues == [[[3 * 10**5 * 5]]]
    assert second.ggrid[0][0][0] == 3 * 10**5 * 2


# ---- the encoder ----


@settings(max_examples=40)
@given(
    lists(SMALL, HEIGHT, WIDTH),
    st.fractions(min_value=-2, max_value=WIDTH + 1, max_denominator=4),
    st.fractions(min_value=-2, max_value=HEIGHT + 1, max_denominator=4),
)
def test_the_released_encoder_is_equation_4_inside_and_0_from_the_last_pixel_on(plane, x, y):
    """Where x < 0 or x >= W - 1 both columns are one pixel, with weights that cancel; y alike."""
    inside = 0 <= x < WIDTH - 1 and 0 <= y < HEIGHT - 1
    expected = decoder.encoded_value(plane, x + 1, y + 1) if inside else 0
    assert program.encoder(plane, *at(x, y)) == expected
    # Equation (4) is the last pixel at its centre, and half of it half a pixel beyond.
    last = plane[0][WIDTH - 1]
    assert [decoder.encoded_value(plane, F(WIDTH) + d, F(1)) for d in (F(0), F(1, 2))] == [last, last / 2]
    assert program.encoder(plane, *at(WIDTH - 1, 0)) == 0
