"""Separable sampling in exact arithmetic: gradients and kernels, each against the derivative of the literal one."""

from fractions import Fraction

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import separable as exact
from refwarp.exact.arithmetic.numbers import Dual
from refwarp.exact.bilinear import pixel_coordinate
from refwarp.exact.sampling import Cotangents
from refwarp.exact.separable import b_spline_kernel, gaussian_kernel, keys_kernel, lanczos_kernel, tent_kernel
from tests.exact.nested import at, derivative, places

F = Fraction
SMALL = st.fractions(min_value=-9, max_value=9, max_denominator=30)
# Sevenths lie on no lattice of maps of up to seven pixels.
SEVENTHS = st.integers(-11, 11).filter(lambda k: k % 7).map(lambda k: F(k, 7))
RATIONAL = {"tent": (tent_kernel, 1), "keys": (keys_kernel(F(-1, 2)), 2), "b-spline": (b_spline_kernel, 2)}
BALLS = {"lanczos": (lanczos_kernel(3), 3), "gaussian": (gaussian_kernel(F(3, 4)), 3)}


def numbers(*shape):
    """Draw nested lists of rational numbers."""
    drawn = SMALL
    for length in reversed(shape):
        drawn = st.lists(drawn, min_size=length, max_size=length)
    return drawn


def literal_sum(input, grid, kernel, align_corners):
    """Return (STN 3) over all pixels; outside the map there are none."""
    height, width = len(input[0]), len(input[0][0])
    return [
        [
            [
                sum(
                    plane[n][m]
                    * kernel(pixel_coordinate(gx, width, align_corners) - m)[0]
                    * kernel(pixel_coordinate(gy, height, align_corners) - n)[0]
                    for n in range(height)
                    for m in range(width)
                )
                for gx, gy in row
            ]
            for row in grid
        ]
        for plane in input
    ]


def dot(a, b):
    if isinstance(a, list):
        return sum(dot(x, y) for x, y in zip(a, b, strict=True))
    return a * b


def values(nested):
    return [values(part) for part in nested] if isinstance(nested, list) else nested.value


@pytest.mark.parametrize("name", RATIONAL)
@pytest.mark.parametrize("align_corners", [False, True])
@given(data=st.data())
@settings(max_examples=4)
def test_the_gradients_are_the_derivatives_of_the_sum(name, align_corners, data):
    """Each of first order, then each of those of second order, against dual numbers."""
    kernel, support = RATIONAL[name]
    draw = data.draw
    input, gout, a = draw(numbers(2, 2, 3)), draw(numbers(2, 1, 1)), draw(numbers(2, 2, 3))
    grid, b = [[[draw(SEVENTHS), draw(SEVENTHS)]]], draw(numbers(1, 1, 2))

    def first(gout, input, grid):
        gradients, _ = exact.separable_sample_gradients(
            Cotangents(a, b), gout, input, grid, kernel, support, align_corners
        )
        return values(gradients.ginput), values(gradients.ggrid)

    def loss(input, grid):
        return dot(gout, literal_sum(input, grid, kernel, align_corners))

    def second_loss(gout, input, grid):
        ginput, ggrid = first(gout, input, grid)
        return dot(a, ginput) + dot(b, ggrid)

    assert values(exact.separable_sample(input, grid, kernel, support, align_corners)) == literal_sum(
        input, grid, kernel, align_corners
    )
    ginput, ggrid = first(gout, input, grid)
    for place in places(input):
        assert at(ginput, place) == derivative(lambda u: loss(u, grid), input, place)
    for place in places(grid):
        assert at(ggrid, place) == derivative(lambda g: loss(input, g), grid, place)
    _, second = exact.separable_sample_gradients(Cotangents(a, b), gout, input, grid, kernel, support, align_corners)
    for place in places(gout):
        assert at(second.ggout, place).value == derivative(lambda g: second_loss(g, input, grid), gout, place)
    for place in places(input):
        assert at(second.ginput, place).value == derivative(lambda u: second_loss(gout, u, grid), input, place)
    for place in places(grid):
        assert at(second.ggrid, place).value == derivative(lambda g: second_loss(gout, input, g), grid, place)


@pytest.mark.parametrize("kernel", [*(kernel for kernel, _ in RATIONAL.values()), keys_kernel(F(-5))])
@given(d=st.fractions(min_value=-3, max_value=3, max_denominator=40))
def test_rational_profiles_are_derivatives_of_one_another(kernel, d):
    """Between lattice points by dual numbers; at them by the limit from the right."""
    if d.denominator > 1:
        dual = [Dual.of(part) for part in kernel(Dual(d, 1))[:2]]
        assert tuple(part.derivative for part in dual) == kernel(d)[1:3]
    step = F(1, 10**12)
    for here, there, size in zip(kernel(d)[:3], kernel(d + step)[:3], (1, 4, 60), strict=True):
        if d.denominator == 1:
            assert abs(here - there) <= 20 * size * step


@pytest.mark.parametrize("name", BALLS)
@pytest.mark.parametrize("d", [F(-3), F(-5, 2), F(-1), F(-1, 7), F(0), F(2, 3), F(1), F(11, 4), F(3)])
def test_transcendental_profiles_are_derivatives_of_one_another(name, d):
    """Differences to the right in balls of 400 bits, with a step of 2^-100; the second derivatives stay below 2^10."""
    kernel, _ = BALLS[name]
    with flint.ctx.workprec(400):
        step = flint.arb(2) ** -100
        point = flint.arb(d.numerator) / d.denominator
        here, there = kernel(point), kernel(point + step)
        for order in range(2):
            error = (there[order] - here[order]) / step - here[order + 1]
            assert abs(flint.arb(error)) < flint.arb(2) ** -90


def test_magnitudes_bound_the_values():
    """A magnitude is a sum of absolute values, for every sign of a + 2 and a + 3."""
    for kernel in (tent_kernel, b_spline_kernel, keys_kernel(F(-5)), keys_kernel(F(-3, 4)), keys_kernel(F(4))):
        for d in (F(n, 8) for n in range(-24, 25)):
            profile = kernel(d)
            for value, size in zip(profile[:3], profile[3:], strict=True):
                assert abs(value) <= size
