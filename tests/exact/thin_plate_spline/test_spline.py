"""DTN's thin plate spline in ball arithmetic: the printed equations hold, and the derived gradients are theirs."""

import math
from fractions import Fraction

import pytest

from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.matrices import dot, solve, transpose
from refwarp.exact.arithmetic.numbers import Dual
from refwarp.exact.thin_plate_spline import spline
from tests.exact.nested import at, derivative, places

F = Fraction
CONTROL = [[F(-7, 8), F(-3, 4)], [F(1, 2), F(-1)], [F(-1, 4), F(3, 8)], [F(9, 8), F(1, 4)], [F(0), F(-1, 4)]]
POINTS = [[F(-1), F(1, 3)], [F(2, 7), F(-1, 5)], [F(0), F(5, 4)], [F(1), F(-1, 9)], [F(2, 3), F(1, 6)]]
COTANGENT = [[[F(3 * i - 5 * j + 2, 7 + i), F(4 - i * j, 3 + j)] for j in range(4)] for i in range(3)]


@pytest.fixture(autouse=True)
def balls():
    with Balls() as balls:
        yield balls


def agree(a, b):
    """Tell whether two balls overlap, and are so narrow that this says something."""
    return bool(a.overlaps(b)) and max(a.rad(), b.rad()) < 1e-30


def targets(balls, height=3, width=4, align_corners=False):
    return spline.target_points(height, width, align_corners, balls)


def test_control_points_go_to_the_fiducial_points(balls):
    control, points = balls(CONTROL), balls(POINTS)
    (row,) = spline.spline_grid(points, control, [control])
    for p, f in zip(row, points, strict=True):
        assert agree(p[0], f[0]) and agree(p[1], f[1])


def test_the_cardinal_form_is_the_printed_spline(balls):
    """And with a smoothing weight too: T q(p) is a linear basis grid whose basis knows no fiducial point."""
    for smoothing in (0, F(1, 3)):
        control, points, s = balls(CONTROL), balls(POINTS), balls(smoothing)
        z = spline.cardinal_coefficients(control, s)
        grid = spline.spline_grid(points, control, targets(balls), s)
        for i, j, r in places(grid):
            q = spline.extended(targets(balls)[i][j], control)
            basis = [dot(q, column) for column in transpose(z)]
            assert agree(grid[i][j][r], dot([f[r] for f in points], basis))


def test_affine_maps_of_the_control_points_are_affine_grids(balls):
    """No bending without need; and so for every smoothing weight."""
    control = balls(CONTROL)
    points = [[2 * x - y / 3 + 1, x / 5 + y - balls(F(1, 7))] for x, y in control]
    for s in (0, 4):
        grid = spline.spline_grid(points, control, targets(balls), s)
        for line, ps in zip(grid, targets(balls), strict=True):
            for g, (x, y) in zip(line, ps, strict=True):
                assert agree(g[0], 2 * x - y / 3 + 1) and agree(g[1], x / 5 + y - balls(F(1, 7)))


def test_a_smoothing_weight_bends_less(balls):
    """The more, the less w^T R w; and for ever larger weights the spline is affine."""
    control, points = balls(CONTROL), balls(POINTS)
    r = [row[3:] for row in spline.system_matrix(control)[:5]]
    energies = []
    for s in (0, F(1, 100), 1, 100, 10**20):
        w = [row[3:] for row in spline.transformation(points, control, balls(s))]
        energies.append(sum(a * b * r[j][k] for row in w for j, a in enumerate(row) for k, b in enumerate(row)))
    assert all(after < before for before, after in zip(energies, energies[1:], strict=False))
    assert 0 < energies[-1] < 1e-30


# With (3, 3) and align_corners a pixel, (0, 0), is a control point: there r = 0.
@pytest.mark.parametrize(("size", "align_corners"), [((3, 4), False), ((3, 3), True)])
@pytest.mark.parametrize("smoothing", [0, F(2, 5)])
def test_the_gradients_are_the_derivatives_of_the_printed_forward(balls, size, align_corners, smoothing):
    points, s = balls(POINTS), balls(smoothing)
    control = balls([*CONTROL[:4], [F(0), F(0)]])
    ps = targets(balls, *size, align_corners)
    ggrid = balls([row[: size[1]] for row in COTANGENT[: size[0]]])

    def loss(points, control):
        grid = spline.spline_grid(points, control, ps, s)
        return sum(at(ggrid, place) * at(grid, place) for place in places(grid))

    gradients = spline.spline_gradient(ggrid, points, control, ps, s)
    for place in places(points):
        assert agree(at(gradients.gpoints, place), derivative(lambda z: loss(z, control), points, place))
        assert agree(at(gradients.gcontrol, place), derivative(lambda z: loss(points, z), control, place))


def test_derivatives_of_the_radial_function(balls):
    """Each by itself: a multiple of r^2 in f would leave no trace in the spline, nor one of v in its gradient."""
    p, c, d = balls([F(1, 3), F(-2, 5)]), balls([F(3, 4), F(1, 8)]), balls([F(2), F(-1, 7)])
    for r in range(2):
        moved = spline.squared_distance([Dual(x, int(axis == r)) for axis, x in enumerate(p)], c)
        assert agree(spline.slope(p, c)[r], spline.radial(moved).derivative)
    moved = spline.slope([Dual(a, b) for a, b in zip(p, d, strict=True)], c)
    for a, b in zip(spline.curvature(p, c, d), moved, strict=True):
        assert agree(a, b.derivative)
    # It diverges like ln r^2, so there is none at r = 0.
    for power in (10, 50, 150):  # of 320 bits
        near = balls([c_r + F(1, 2**power) for c_r in (F(3, 4), F(1, 8))])
        bound = 2 * (1 + math.log(2) * (1 - 2 * power)) + 4
        assert spline.curvature(near, c, balls([1, 0]))[0] < bound + 1e-9


def test_the_radial_function_tends_to_zero(balls):
    assert spline.radial(balls(0)) == 0 and spline.slope(balls([1, 2]), balls([1, 2])) == [0, 0]
    for power in (20, 200):
        r2 = balls(F(1, 4**power))
        assert abs(spline.radial(r2)) < balls(F(2 * power, 4**power))
        assert abs(spline.slope(balls([F(1, 2**power), 0]), balls([0, 0]))[0]) < balls(F(4 * power, 2**power))


def test_coincident_and_collinear_control_points_are_singular(balls):
    coincident = [*CONTROL[:4], CONTROL[0]]
    collinear = [[x, 1 - 2 * x] for x, _ in CONTROL]
    null_vectors = [[0, 0, 0, 1, 0, 0, 0, -1], [-1, 2, 1, 0, 0, 0, 0, 0]]
    for control, null in zip((coincident, collinear), null_vectors, strict=True):
        matrix = spline.system_matrix(balls(control))
        for row in matrix:
            product = dot(row, null)
            assert product == 0 or agree(product, balls(0))
        with pytest.raises(ZeroDivisionError, match="singular"):
            solve(matrix, [[1]] * len(matrix))


def test_control_points_are_pixels_only_with_align_corners():
    """A regular grid of 4 from -1 to 1, against the pixels of axes of any length."""
    control = {target_coordinate(k, 4, align_corners=True) for k in range(4)}
    for width in range(2, 40):
        pixels = {target_coordinate(j, width, align_corners=True) for j in range(width)}
        assert (control <= pixels) == ((width - 1) % 3 == 0)
        pixels = {target_coordinate(j, width, align_corners=False) for j in range(width)}
        assert not {F(-1), F(1)} & pixels


def test_tanh_never_reaches_the_identity(balls):
    """Whatever is fed to it; the authors' program starts from tanh of 4 x 4 points from -5 to 5."""
    for x in (5, 30, 100):
        assert balls(x).tanh() < 1
    axis = [target_coordinate(k, 4, align_corners=True) for k in range(4)]
    control = balls([[x, y] for y in axis for x in axis])
    points = [[(5 * x).tanh() for x in c] for c in control]
    (row,) = spline.spline_grid(points, control, [control])
    for p, c in zip(row, control, strict=True):
        for x, fixed in zip(p, c, strict=True):
            assert abs(x - fixed) > (0.59 if abs(fixed) < 0.5 else 9e-5)


def test_the_same_loops_run_on_floats_and_complex_numbers():
    """The complex step through the printed forward, against the derived gradient, both in floating point."""
    control = [[float(x) for x in c] for c in CONTROL]
    points = [[float(x) for x in f] for f in POINTS]
    ps = spline.target_points(2, 3, False, float)
    ggrid = [[[0.5, -1.0], [2.0, 0.25], [1.0, 1.0]], [[-0.75, 3.0], [0.0, 1.5], [-2.0, 0.125]]]
    gcontrol = spline.spline_gradient(ggrid, points, control, ps).gcontrol
    step = 2.0**-100
    for j, d in places(control):
        shifted = [[complex(x, step * ((j, d) == (m, r))) for r, x in enumerate(c)] for m, c in enumerate(control)]
        grid = spline.spline_grid(points, shifted, ps)
        slope = sum(at(ggrid, place) * at(grid, place) for place in places(grid)).imag / step
        assert abs(slope - gcontrol[j][d]) < 1e-12  # some 100 operations on numbers below 50


def test_a_rational_number_has_no_rational_logarithm():
    with pytest.raises(TypeError, match="given Fraction, expected a ball, a float or a complex number"):
        spline.radial(F(1, 2))


def test_balls_that_are_too_wide_are_refused(balls):
    with pytest.raises(ArithmeticError, match="wider than 1e-30"):
        balls.midpoint(balls(1) + balls(0).exp() * type(balls(1))(0, 1e-20))
