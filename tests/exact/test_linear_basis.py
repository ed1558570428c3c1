"""STN's T = M B, and the basis functions of HSTN's related work, in rational arithmetic."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import linear_basis as basis
from refwarp.exact.affine import affine_grid, target_coordinate
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.numbers import Dual
from tests.exact.nested import at, derivative, places

F = Fraction
SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=20)


def arrays(*shape):
    strategy = SMALL
    for length in reversed(shape):
        strategy = st.lists(strategy, min_size=length, max_size=length)
    return strategy


@settings(max_examples=20)
@given(arrays(2, 2, 3), arrays(3, 2, 2), arrays(2, 2, 2, 2))
def test_the_gradients_are_the_derivatives_of_the_product(ms, b, ggrids):
    """Two images, one basis."""

    def loss(ms, b):
        grids = [basis.linear_basis_grid(m, b) for m in ms]
        return sum(at(ggrids, place) * at(grids, place).value for place in places(ggrids))

    gms = [basis.coefficient_gradient(ggrid, b) for ggrid in ggrids]
    for place in places(ms):
        assert at(gms, place).value == derivative(lambda z: loss(z, b), ms, place)
    gb = basis.basis_gradient(ggrids, ms)
    for place in places(b):
        assert at(gb, place).value == derivative(lambda z: loss(ms, z), b, place)


# ---- STN: "a superset of attention, affine, projective, and thin plate spline transformations" ----


def rank(rows):
    """Return the rank of a matrix of rational numbers."""
    rows, found = [list(row) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column] != 0), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / rows[found][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


def homography(random_):
    """Draw a matrix near the identity, whose horizon does not meet the grid."""
    return [[F(int(i == j)) + F(random_.randint(-9, 9), 40) for j in range(3)] for i in range(3)]


def project(h, x, y):
    x, y, w = (row[0] * x + row[1] * y + row[2] for row in h)
    return x / w, y / w


def test_homographies_span_all_grids():
    """The coordinates of 24 homographies' grids of 4 x 4 points have rank 16: no smaller basis holds them."""
    random_ = random.Random(1)
    axis = [target_coordinate(k, 4, False) for k in range(4)]
    rows = []
    for _ in range(24):
        points = [project(homography_, x, y) for homography_ in [homography(random_)] for y in axis for x in axis]
        rows += [[p[0] for p in points], [p[1] for p in points]]
    assert rank(rows) == 16


def test_a_third_row_and_a_division_make_homographies():
    b = basis.affine_basis(3, 4, align_corners=False)
    h = homography(random.Random(2))
    grid = basis.linear_basis_grid(h, b)
    for i in range(3):
        for j in range(4):
            x, y, w = (part.value for part in grid[i][j])
            p = target_coordinate(j, 4, False), target_coordinate(i, 3, False)
            assert (x / w, y / w) == project(h, *p)


@pytest.mark.parametrize("align_corners", [False, True])
def test_attention_and_affine_grids_are_three_basis_functions(align_corners):
    b = basis.affine_basis(3, 4, align_corners)
    for theta in ([[F(1, 2), 0, F(1, 3)], [0, F(1, 2), -1]], [[F(1, 2), F(2), F(1, 3)], [F(-1), F(5), F(2, 7)]]):
        expected = affine_grid(theta, 3, 4, align_corners)
        grid = basis.linear_basis_grid(theta, b)
        assert all(at(grid, place).value == at(expected, place).value for place in places(grid))


# ---- HSTN, related work ----


def test_a_deformation_is_a_linear_basis_grid():
    """In one dimension: M = (c, alpha, w), B = (1, p, f)."""
    p, c, alpha, w = F(2, 5), F(1, 3), F(-2), [F(1), F(5, 2), F(-3)]
    f = [basis.bernstein(2, i, p) for i in range(3)]
    grid = basis.linear_basis_grid([[c, alpha, *w]], [[[b]] for b in (F(1), p, *f)])
    assert basis.deformation(p, c, alpha, w, f).value == grid[0][0][0].value


def test_u_is_the_spline_of_two_dimensions_and_not_of_one():
    """A spline that bends least has no fourth derivative (in two dimensions: no bilaplacian) between its points."""

    def nested_dual(value, depth, direction):
        """Return a variable at `value` for `depth` derivatives along one axis."""
        for _ in range(depth):
            value = Dual(value, direction)
            direction = 1 if isinstance(direction, int) else direction
        return value

    def fourth(function, p):
        result = function(nested_dual(p, 4, 1))
        for _ in range(4):
            result = result.derivative
        return result

    with Balls() as balls:
        for p in (F(1, 3), F(-5, 2)):
            assert fourth(lambda t: basis.u_function(t, balls(0)), balls(p)).overlaps(balls(-4 / p**2))
            # What bends least in one dimension is |p|^3.
            assert fourth(lambda t: t * t * t, p) == 0

        def mixed(x, y):
            """Return the derivatives xxxx, xxyy and yyyy of r^2 ln r^2."""

            def u(x, y):
                square = x * x + y * y
                return square * basis.log(square)

            def along(first, second):
                directions = [first, first, second, second]
                a, b = x, y
                for axis in directions:
                    a, b = Dual(a, int(axis == 0)), Dual(b, int(axis == 1))
                result = u(a, b)
                for _ in directions:
                    result = result.derivative
                return result

            return along(0, 0), along(0, 1), along(1, 1)

        xxxx, xxyy, yyyy = mixed(balls(F(1, 3)), balls(F(-2, 7)))
        bilaplacian = xxxx + 2 * xxyy + yyyy
        assert bilaplacian.overlaps(balls(0)) and bilaplacian.rad() < 1e-30 and abs(xxxx) > 1


def b_splines(knots, degree, p):
    """Return the B-splines of a knot vector at p: Cox's and de Boor's recursion."""
    values = [F(int(a <= p < b)) for a, b in zip(knots, knots[1:], strict=False)]
    for d in range(1, degree + 1):
        values = [
            sum(
                share * value
                for share, value in (
                    ((p - knots[i]) / (knots[i + d] - knots[i]) if knots[i + d] > knots[i] else 0, values[i]),
                    (
                        (knots[i + d + 1] - p) / (knots[i + d + 1] - knots[i + 1])
                        if knots[i + d + 1] > knots[i + 1]
                        else 0,
                        values[i + 1],
                    ),
                )
            )
            for i in range(len(values) - 1)
        ]
    return values


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_b_is_a_b_spline_without_interior_knots_only(degree):
    ends = [F(0)] * (degree + 1), [F(1)] * (degree + 1)
    for p in (F(0), F(1, 7), F(2, 3), F(15, 16)):
        bernstein = [basis.bernstein(degree, i, p) for i in range(degree + 1)]
        assert b_splines([*ends[0], *ends[1]], degree, p) == bernstein
        splines = b_splines([*ends[0], F(1, 2), *ends[1]], degree, p)
        assert len(splines) == degree + 2 and sum(splines) == 1
    # One is 0 where the other is not: B-splines are local.
    assert b_splines([*ends[0], F(1, 2), *ends[1]], degree, F(2, 3))[0] == 0 != basis.bernstein(degree, 0, F(2, 3))


def test_bernstein_coefficients_on_a_regular_grid_are_the_identity():
    b = basis.bernstein_basis(3, 3, 4, align_corners=False)
    axis = [target_coordinate(k, 4, align_corners=True) for k in range(4)]
    m = [[x for _ in axis for x in axis], [y for y in axis for _ in axis]]
    expected = basis.affine_basis(3, 4, align_corners=False)
    grid = basis.linear_basis_grid(m, b)
    assert all(grid[i][j][r].value == expected[r][i][j] for i in range(3) for j in range(4) for r in range(2))
