"""Composition and inversion of warps in rational arithmetic: group laws, gradients, updates."""

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from refwarp.exact import affine_parameters, composition, projective
from refwarp.exact.affine import affine_grid
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.matrices import solve
from refwarp.exact.composition import values
from tests.exact.nested import at, derivative, places

F = Fraction
RUNS = settings(max_examples=15)
SMALL = st.fractions(min_value=-2, max_value=2, max_denominator=12)
IDENTITY = [[F(int(i == j)) for j in range(3)] for i in range(3)]


def matrices(rows=3):
    return st.lists(st.lists(SMALL, min_size=3, max_size=3), min_size=rows, max_size=rows)


@st.composite
def regular(draw, rows=3):
    """Draw a matrix that has an inverse."""
    m = draw(matrices(rows))
    assume(composition.determinant(m if rows == 3 else composition.with_last_row(m)).value != 0)
    return m


def apply(h, point):
    """Return the image of a point (x, y, 1) under a homography, scaled to end in 1; None on the horizon."""
    x, y, d = (part.value for part in projective.homogeneous(h, point))
    return None if d == 0 else (x / d, y / d, F(1))


@RUNS
@given(regular(), regular(), SMALL, SMALL)
def test_a_composition_is_one_warp_after_the_other(outer, inner, x, y):
    """Point by point, so grid by grid: the grid of outer o inner is outer's image of inner's grid."""
    middle = apply(inner, (x, y, F(1)))
    assume(middle is not None)
    composed = values(composition.product(outer, inner))
    assert apply(composed, (x, y, F(1))) == apply(outer, middle)


@RUNS
@given(regular(2), regular(2), st.booleans())
def test_affine_grids_are_composed_by_their_matrices(outer, inner, align_corners):
    composed = values(composition.compose_affine(outer, inner))
    found = affine_grid(composed, 2, 3, align_corners)
    middle = affine_grid(inner, 2, 3, align_corners)
    for i in range(2):
        for j in range(3):
            x, y = (part.value for part in middle[i][j])
            assert [part.value for part in found[i][j]] == [a * x + b * y + t for a, b, t in outer]


@RUNS
@given(regular(), regular(), regular())
def test_warps_are_groups(a, b, c):
    """Associative, with the identity and inverses on both sides, and the inverse of a product turned round."""

    def product(*factors):
        result = IDENTITY
        for factor in factors:
            result = values(composition.product(result, factor))
        return result

    def inverse(m):
        return values(composition.inverse(m))

    assert product(product(a, b), c) == product(a, product(b, c))
    assert product(a, IDENTITY) == a == product(IDENTITY, a)
    assert product(a, inverse(a)) == IDENTITY == product(inverse(a), a)
    assert inverse(product(a, b)) == product(inverse(b), inverse(a))


@RUNS
@given(regular(2))
def test_the_inverse_of_an_affine_warp_is_affine(theta):
    assert values(composition.inverse(composition.with_last_row(theta)))[2] == [0, 0, 1]


@RUNS
@given(regular())
def test_the_adjugate_over_the_determinant_is_the_inverse(m):
    """By elimination it is the same."""
    assert values(composition.inverse(m)) == solve(m, IDENTITY)


def test_a_singular_matrix_has_no_inverse():
    with pytest.raises(ZeroDivisionError):
        composition.inverse([[F(1), F(2), F(3)], [F(4), F(5), F(6)], [F(7), F(8), F(9)]])


def test_similarities_compose_as_their_matrices_do():
    """In ball arithmetic, since angles are no rational numbers."""
    with Balls() as balls:
        outer, inner = balls([F(3, 2), F(7, 5), F(1, 3), F(-2, 7)]), balls([F(-1, 4), F(-9, 4), F(2), F(5, 6)])

        def matrix(theta):
            return affine_parameters.values(affine_parameters.similarity(theta).matrix)

        def assert_same(found, expected):
            for place in places(expected):
                assert (at(found, place) - at(expected, place)).overlaps(balls(0))
                assert at(found, place).rad() < 1e-30

        composed = [part.value for part in composition.compose_similarities(outer, inner)]
        assert_same(matrix(composed), values(composition.compose_affine(matrix(outer), matrix(inner))))
        inverse = [part.value for part in composition.invert_similarity(outer)]
        full = [*matrix(outer), balls([0, 0, 1])]
        assert_same(matrix(inverse), values(composition.inverse(full))[:2])


@RUNS
@given(st.lists(SMALL, min_size=2, max_size=2), st.lists(SMALL, min_size=2, max_size=2))
def test_translations_compose_as_their_matrices_do(outer, inner):
    def matrix(theta):
        return [[F(a) for a in row] for row in affine_parameters.values(affine_parameters.translation(theta).matrix)]

    composed = [part.value for part in composition.compose_translations(outer, inner)]
    assert matrix(composed) == values(composition.compose_affine(matrix(outer), matrix(inner)))
    assert values(composition.inverse([*matrix(outer), IDENTITY[2]]))[:2] == matrix([-t for t in outer])


@RUNS
@given(regular(), regular(), matrices())
def test_the_gradients_are_the_derivatives(a, b, g):
    def against(m):
        return sum(at(g, place) * at(m, place).value for place in places(g))

    gouter, ginner = composition.product_gradients(g, a, b)
    gm = composition.inverse_gradient(g, a)
    for place in places(a):
        assert at(gouter, place).value == derivative(lambda m: against(composition.product(m, b)), a, place)
        assert at(ginner, place).value == derivative(lambda m: against(composition.product(a, m)), b, place)
        assert at(gm, place).value == derivative(lambda m: against(composition.inverse(m)), a, place)


@RUNS
@given(regular(), matrices())
def test_the_released_update_is_another_warp_to_first_order(theta, step):
    """With delta = 1 + e it is theta + e theta: theta o delta is theta + theta e, and theta o delta^-1 has -theta e."""
    e = [[a / 100 for a in row] for row in step]
    delta = [[i + a for i, a in zip(row, line, strict=True)] for row, line in zip(IDENTITY, e, strict=True)]
    composed = values(composition.product(delta, theta))
    assume(composed[2][2] != 0)
    released = composition.released_update(theta, delta)
    point = (F(1, 3), F(-1, 2), F(1))
    assert apply(released, point) == apply(composed, point)
    commutator = [
        [a - b for a, b in zip(row, line, strict=True)]
        for row, line in zip(values(composition.product(e, theta)), values(composition.product(theta, e)), strict=True)
    ]
    for place in places(theta):
        assert at(composed, place) - at(values(composition.product(theta, delta)), place) == at(commutator, place)


def test_an_increment_of_the_released_update_moves_the_warped_grid():
    """Half the size, then a step of 1 to the right: one of the map, not of the half-sized grid, and not back."""
    half, right = [[F(1, 2), 0, 0], [0, F(1, 2), 0], [0, 0, 1]], [[1, 0, F(1)], [0, 1, 0], [0, 0, 1]]
    assert composition.released_update(half, right)[0] == [F(1, 2), 0, 1]
    assert values(composition.product(half, right))[0] == [F(1, 2), 0, F(1, 2)]
    assert composition.inverse_compositional(half, right)[0] == [F(1, 2), 0, F(-1, 2)]


@RUNS
@given(regular(), matrices())
def test_the_two_updates_agree_to_first_order_only(theta, step):
    """theta o (1 + e)^-1 and theta o (1 - e) differ by theta e^2 (1 + e)^-1: of second order, and not 0."""
    e = [[a / 100 for a in row] for row in step]
    delta = [[i + a for i, a in zip(row, line, strict=True)] for row, line in zip(IDENTITY, e, strict=True)]
    opposite = [[i - a for i, a in zip(row, line, strict=True)] for row, line in zip(IDENTITY, e, strict=True)]
    inverse_update = composition.inverse_compositional(theta, delta)
    update = values(composition.product(theta, opposite))
    square = values(composition.product(e, e))
    rest = values(composition.product(theta, values(composition.product(square, values(composition.inverse(delta))))))
    for place in places(theta):
        assert at(inverse_update, place) - at(update, place) == at(rest, place)
