"""Padding, nearest and bicubic sampling in rational arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import bicubic, bilinear, nearest, padding
from refwarp.exact.arithmetic.numbers import Dual
from refwarp.samplers.bicubic.kernels import keys_curvatures, keys_slopes, keys_weights

F = Fraction
ROW = [[F(1), F(5), F(2), F(9)]]
PADDINGS = ["zeros", "border", "reflection"]
ALIGNMENTS = [False, True]
COORDINATES = st.fractions(min_value=-20, max_value=20, max_denominator=60)


def row_value(x, align_corners, mode):
    """Sample ROW at the pixel coordinate x."""
    return sum(ROW[0][tap.pixel] * tap.w for tap in bilinear.taps(x, 4, align_corners, "right", mode))


def row_slope(x, align_corners, kink, mode):
    return sum(ROW[0][tap.pixel] * tap.d for tap in bilinear.taps(x, 4, align_corners, kink, mode))


@pytest.mark.parametrize(
    ("align_corners", "expected"),
    [(False, [2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0, 0, 1]), (True, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3])],
)
def test_the_mirrored_map(align_corners, expected):
    """The indices -3 to 9 of a map of four pixels, written out by hand."""
    assert [padding.mirror_index(n, 4, align_corners) for n in range(-3, 10)] == expected
    assert [padding.mirror_index(n, 1, align_corners) for n in range(-3, 4)] == [0] * 7


@given(COORDINATES, st.integers(2, 6), st.booleans(), st.integers(-3, 3))
def test_the_mirror_has_the_period_four_in_g(g, size, align_corners, periods):
    x = bilinear.pixel_coordinate(g, size, align_corners)
    shifted = bilinear.pixel_coordinate(g + 4 * periods, size, align_corners)
    assert padding.mirror(x, size, align_corners) == padding.mirror(shifted, size, align_corners)
    across = bilinear.pixel_coordinate(2 - g, size, align_corners)
    assert padding.mirror(x, size, align_corners)[0] == padding.mirror(across, size, align_corners)[0]


@given(COORDINATES, st.booleans(), st.sampled_from(PADDINGS))
def test_padded_slopes_are_derivatives_off_the_kinks(x, align_corners, mode):
    if (2 * x).denominator == 1:
        x += F(1, 7)
    derivative = Dual.of(row_value(Dual(x, 1), align_corners, mode)).derivative
    for kink in ("right", "left", "central", "literal"):
        assert row_slope(x, align_corners, kink, mode) == derivative


@pytest.mark.parametrize("mode", PADDINGS)
@pytest.mark.parametrize("align_corners", ALIGNMENTS)
def test_left_and_central_are_one_sided_in_the_given_coordinate(mode, align_corners):
    """At every kink, against quotients of differences in exact arithmetic."""
    step = F(1, 1000)
    for twice in range(-30, 40):
        x = F(twice, 2)
        here = row_value(x, align_corners, mode)
        left = (here - row_value(x - step, align_corners, mode)) / step
        right = (row_value(x + step, align_corners, mode) - here) / step
        assert row_slope(x, align_corners, "left", mode) == left
        assert row_slope(x, align_corners, "central", mode) == (left + right) / 2


@pytest.mark.parametrize(
    ("mode", "align_corners", "x", "slopes"),
    [
        # (right, left, central, literal); the row is 1 5 2 9.
        ("border", False, 0, (0, 0, 2, 0)),
        ("border", False, 3, (0, 7, F(7, 2), 0)),
        ("border", True, 3, (0, 7, F(7, 2), 0)),
        ("border", True, 1, (-3, 4, F(1, 2), 5)),
        ("border", True, 5, (0, 0, 0, 0)),
        ("reflection", True, 0, (0, -4, 0, 0)),
        ("reflection", True, 3, (0, 7, 0, 0)),
        ("reflection", True, 4, (-7, -7, -2, -2)),
        ("reflection", True, 5, (3, 3, F(-1, 2), -5)),
        ("reflection", False, 0, (0, 0, 2, 0)),
        ("reflection", False, F(-1, 2), (0, 0, 0, 0)),
        ("reflection", False, -1, (0, -4, -2, 0)),
        ("reflection", False, -2, (3, 3, F(-1, 2), -5)),
    ],
)
def test_slopes_at_and_beyond_the_ends(mode, align_corners, x, slopes):
    kinks = ("right", "left", "central", "literal")
    assert tuple(row_slope(F(x), align_corners, kink, mode) for kink in kinks) == slopes


@given(st.fractions(min_value=0, max_value=1, max_denominator=50), st.sampled_from([F(-3, 4), F(-1, 2), F(1, 3)]))
def test_the_factored_weights_are_the_textbooks(f, a):
    h = 1 - f
    if f == 1:
        return  # the next cell
    distances = [f - n for n in range(-1, 3)]
    scalars = keys_weights, keys_slopes, keys_curvatures
    weights, slopes, curvatures = (scalar.py_func(a, f, h) for scalar in scalars)
    textbook = [k(d, a) for k in (bicubic.keys, bicubic.keys_slope, bicubic.keys_curvature) for d in distances]
    assert [*weights, *slopes, *curvatures] == textbook
    assert sum(bicubic.keys(d, a) for d in distances) == 1


@settings(max_examples=30)
@given(COORDINATES, st.booleans(), st.sampled_from(PADDINGS))
def test_bicubic_slopes_and_curvatures_are_derivatives(x, align_corners, mode):
    if x.denominator == 1:
        x += F(1, 7)
    once = bicubic.taps(Dual(Dual(x, 1), Dual(1, 0)), 4, align_corners, mode)
    for exact, dual in zip(bicubic.taps(x, 4, align_corners, mode), once, strict=True):
        w = Dual.of(dual.w)
        assert exact.w == Dual.of(w.value).value
        assert exact.d == Dual.of(w.value).derivative == Dual.of(w.derivative).value
        assert exact.e == Dual.of(w.derivative).derivative


@pytest.mark.parametrize("x", range(-1, 5))
def test_bicubic_slopes_are_continuous_and_curvatures_come_from_the_right(x):
    step = F(1, 10**9)
    for kernel, tolerance in ((bicubic.keys, 3 * step), (bicubic.keys_slope, 10 * step)):
        assert abs(kernel(F(x) - step, bicubic.A) - kernel(F(x) + step, bicubic.A)) <= tolerance
    assert abs(bicubic.keys_curvature(F(x), bicubic.A) - bicubic.keys_curvature(F(x) + step, bicubic.A)) <= 12 * step


def test_ties_go_up_in_the_paper_and_to_even_in_pytorch():
    halves = [F(n, 2) for n in (-5, -3, -1, 1, 3, 5)]
    assert [nearest.half_up(x) for x in halves] == [-2, -1, 0, 1, 2, 3]
    assert [nearest.half_to_even(x) for x in halves] == [-2, -2, 0, 0, 2, 2]
    tiny = F(1, 2**200)
    assert [nearest.half_to_even(F(1, 2) + d) for d in (-tiny, 0, tiny)] == [0, 0, 1]
