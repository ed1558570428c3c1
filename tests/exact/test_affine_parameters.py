"""Attention, similarities and LMS's parameters: their matrices, and the derivatives of these, in exact arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import affine_parameters as parameters
from refwarp.exact.affine import affine_grid, affine_grid_gradient
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.numbers import Dual
from tests.exact.nested import at, derivative, places

F = Fraction
RUNS = settings(max_examples=15)
SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=20)
GGRID = [[[F(i + 2 * j + 1, 3), F(5 - i, 7 + j)] for j in range(4)] for i in range(3)]


class Angle:
    """The angle whose half has the rational tangent t; its cosine and sine are rational too."""

    def __init__(self, t):
        self.t = t

    def cos(self):
        return (1 - self.t * self.t) / (1 + self.t * self.t)

    def sin(self):
        return 2 * self.t / (1 + self.t * self.t)


def assert_gradient(make, theta, align_corners):
    """The gradient is the derivative of the affine grid of the matrix's value, and the affine gradient's product."""
    a = make(theta)
    gradient = parameters.parametrised_gradient(a, GGRID, align_corners)
    gmatrix = affine_grid_gradient(GGRID, align_corners)

    def loss(theta):
        grid = affine_grid(parameters.values(make(theta).matrix), 3, 4, align_corners)
        return sum(at(GGRID, place) * at(grid, place).value for place in places(GGRID))

    for p, changes in zip(range(len(theta)), a.derivatives, strict=True):
        assert gradient[p].value == derivative(loss, theta, (p,))
        change = parameters.values(changes)
        assert gradient[p].value == sum(change[r][k] * gmatrix[r][k].value for r in range(2) for k in range(3))


@RUNS
@given(st.lists(SMALL, min_size=6, max_size=6), st.booleans())
def test_derivatives_of_rational_matrices(theta, align_corners):
    assert_gradient(parameters.attention, theta[:3], align_corners)
    assert_gradient(parameters.translation, theta[:2], align_corners)
    assert_gradient(parameters.kurbiel, theta, align_corners)
    s, t, tx, ty = theta[:4]
    assert_gradient(parameters.similarity, [s, Angle(t), tx, ty], align_corners)


@pytest.mark.parametrize("translate_first", [False, True])
def test_derivatives_of_matrices_with_angles_and_log_scales(translate_first):
    """In ball arithmetic: each derivative's ball meets the one that dual numbers give, and both are narrow."""
    with Balls() as balls:
        theta = balls([F(7, 5), F(-3, 4), F(1, 3), F(2, 9), F(-5, 8)])
        written = parameters.rotation_scale_translation(theta, translate_first).derivatives
        for p in range(5):
            seeded = [Dual(z, int(q == p)) for q, z in enumerate(theta)]
            matrix = parameters.values(parameters.rotation_scale_translation(seeded, translate_first).matrix)
            for r in range(2):
                for k in range(3):
                    found, expected = balls(0) + sum(written[p][r][k]), balls(0) + Dual.of(matrix[r][k]).derivative
                    assert found.overlaps(expected) and found.rad() < 1e-30 and expected.rad() < 1e-30


@pytest.mark.parametrize("align_corners", [False, True])
def test_attention_is_the_affine_grid_of_its_matrix(align_corners):
    s, tx, ty = F(2, 3), F(1, 5), F(-7, 4)
    found = parameters.parametrised_grid(parameters.attention([s, tx, ty]), 3, 4, align_corners)
    expected = affine_grid([[s, F(0), tx], [F(0), s, ty]], 3, 4, align_corners)
    for place in places(GGRID):
        assert vars_of(at(found, place)) == vars_of(at(expected, place))


def vars_of(total):
    return total.value, total.k, total.M


def test_the_base_of_the_log_scales_is_two():
    """LMS: "scale of 0.5 is represented as -1"."""
    theta = [Angle(F(0)), F(-1), F(2), F(1, 7), F(3)]
    halves = [[parameters.power_of_two(theta[1]), F(0)], [F(0), parameters.power_of_two(theta[2])]]
    assert halves == [[F(1, 2), 0], [0, 4]]
    with Balls() as balls:
        matrix = parameters.values(parameters.rotation_scale_translation(balls([0, -1, 2, F(1, 7), 3])).matrix)
        expected = balls([[F(1, 2), 0, F(1, 7)], [0, 4, 3]])
        assert all(at(matrix, place).overlaps(at(expected, place)) for place in places(expected))


def test_the_order_of_rotation_scales_and_translation_matters():
    """A quarter turn, scales 2 and 4, a shift along x: last, it is that shift; first, it is scaled and turned to y."""
    with Balls() as balls:
        theta = [balls(1).atan() * 2, *balls([1, 2, F(1, 3), 0])]
        last, first = (
            parameters.values(parameters.rotation_scale_translation(theta, order).matrix) for order in (False, True)
        )
        for found, expected in ((last, [[0, -4, F(1, 3)], [2, 0, 0]]), (first, [[0, -4, 0], [2, 0, F(2, 3)]])):
            for place in places(expected):
                assert at(found, place).overlaps(balls(at(expected, place))) and at(found, place).rad() < 1e-30


def test_an_angle_turns_x_towards_y():
    ((c, d, _), (e, f, _)) = parameters.values(parameters.similarity([F(1), Angle(F(1)), F(0), F(0)]).matrix)
    assert (c, e) == (0, 1) and (d, f) == (-1, 0)


def test_the_same_loops_run_on_floats_and_complex_numbers():
    for make, theta in (
        (parameters.similarity, [1.5, 0.7, 0.2, -0.3]),
        (parameters.rotation_scale_translation, [0.7, -0.5, 1.25, 0.2, -0.3]),
    ):
        for p in range(len(theta)):
            step = 2.0**-60
            shifted = [complex(z, step * (q == p)) for q, z in enumerate(theta)]
            matrix, written = parameters.values(make(shifted).matrix), make(theta).derivatives[p]
            for r in range(2):
                for k in range(3):
                    # Some ten roundings of numbers up to 4.
                    assert abs(complex(matrix[r][k]).imag / step - sum(written[r][k])) < 40 * 2.0**-52
