"""The thin plate spline against ball arithmetic, each element within its own error budget; and against SciPy."""

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.matrices import absolute, dot
from refwarp.exact.arithmetic.numbers import Dual
from refwarp.exact.thin_plate_spline import spline as exact
from refwarp.exact.thin_plate_spline.magnitudes import Magnitudes
from tests.grids.thin_plate_spline.cases import CASES, irregular, regular

C, C_SECOND = 12, 24  # of the budgets
EPS = np.finfo(float).eps


def shares(control, size, align_corners, smoothing, dtype, rng):
    """Return the worst share of the budget of the grid, of both gradients and of their gradients, for one image."""
    control = Tensor(control.astype(dtype), True)
    points = Tensor(rng.standard_normal((1, *control.shape)).astype(dtype), True)
    ggrid = Tensor(rng.standard_normal((1, *size, 2)).astype(dtype), True)
    a, b = (rng.standard_normal(tensor.shape).astype(dtype) for tensor in (points, control))
    grid = refwarp.tps_grid(points, (1, 3, *size), control, align_corners, smoothing)
    first = grad(grid, (points, control), ggrid, create_graph=True)
    second = grad(first, (ggrid, points, control), (a, b))
    with Balls() as balls:
        c, f, g, s = (balls(part) for part in (control.data, points.data[0], ggrid.data[0], smoothing))
        a, b = balls(a[0]), balls(b)
        ps = exact.target_points(*size, align_corners, balls)
        magnitudes, changes = Magnitudes(c, ps, s), Magnitudes(c, ps, s, b)
        values, varied = exact.spline_gradient(g, f, c, ps, s), exact.duals(absolute(f), absolute(a))
        truths = [
            balls.sums(exact.spline_grid(f, c, ps, s), magnitudes.grid(f)),
            balls.sums(values.gpoints, magnitudes.gpoints(g)),
            balls.sums(values.gcontrol, magnitudes.gcontrol(g, f)),
        ]
        bounds = changes.grid(varied), changes.gpoints(g), changes.gcontrol(g, varied)
        for value, bound in zip(exact.spline_second_gradient(a, b, g, f, c, ps, s), bounds, strict=True):
            truths.append(None if has_nan(value) else balls.sums(value, change_of(bound)))
    results = grid.data[0], first[0].data[0], first[1].data, second[0].data[0], second[1].data[0], second[2].data
    found = []
    for result, truth, constant in zip(results, truths, [C] * 3 + [C_SECOND] * 3, strict=True):
        found.append(0 if truth is None else worst_share(result, truth, constant, dtype))
    return found


def has_nan(nested):
    return any(has_nan(part) for part in nested) if isinstance(nested, list) else nested != nested


def change_of(nested):
    """Turn sums whose M is a dual number into those of its derivative."""
    if isinstance(nested, list):
        return [change_of(part) for part in nested]
    nested.M = exact.change(nested.M)
    return nested


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_control_points(name):
    rng = np.random.default_rng(list(CASES).index(name))
    assert max(shares(CASES[name], (4, 5), False, 0.0, "float64", rng)) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1e9])
def test_options(dtype, align_corners, smoothing):
    """With align_corners a regular grid has its control points at pixels, where r is 0, or one rounding off 0."""
    rng = np.random.default_rng(1)
    for control, size in ((regular(3), (5, 3)), (regular(4), (1, 7)), (irregular(5), (1, 1))):
        assert max(shares(control, size, align_corners, smoothing, dtype, rng)) <= 1


@pytest.mark.parametrize("side", [2, 3, 4, 5])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_agreement_with_scipy_on_regular_grids(side, align_corners, smoothing):
    """SciPy's function is r^2 ln r, so its smoothing weight is half of ours."""
    rng = np.random.default_rng([side, align_corners])
    control, size = regular(side), (2, 1, 11, 16)
    points = control + 0.3 * rng.standard_normal((2, *control.shape))
    grid = refwarp.tps_grid(points, size, align_corners=align_corners, smoothing=smoothing)
    targets = refwarp.affine_basis(size, align_corners)[:2].reshape(2, -1).T
    for n in range(2):
        rbf = RBFInterpolator(control, points[n], kernel="thin_plate_spline", degree=1, smoothing=smoothing / 2)
        expected = rbf(targets).reshape(11, 16, 2)
        assert abs(grid[n] - expected).max() <= 1e-12 * abs(expected).max()


def test_control_points_go_to_the_fiducial_points():
    """With align_corners the control points of 5 x 5 are pixels of 9 x 13."""
    rng = np.random.default_rng(2)
    points = rng.standard_normal((3, 25, 2))
    grid = refwarp.tps_grid(points, (3, 1, 9, 13), align_corners=True)
    assert abs(grid[:, ::2, ::3].reshape(3, 25, 2) - points).max() < 64 * EPS * abs(points).max()


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_gradcheck(smoothing):
    """First and second order, with respect to fiducial and control points, shared and of each image."""
    rng = np.random.default_rng(3)
    control = np.array([[-1.0, -0.9], [0.8, -1.1], [-0.9, 1.0], [1.0, 0.7], [0.1, -0.1]])

    def function(points, control):
        return refwarp.tps_grid(points, (len(points), 1, 1, 3), control, smoothing=smoothing)

    points = control + 0.3 * rng.standard_normal((2, 5, 2))
    gradcheck(function, (points[:1], control), rng=rng, order=2)
    each = control + 0.1 * rng.standard_normal((2, 5, 2))
    gradcheck(function, (points[:1], each[:1]), rng=rng, order=2)
    gradcheck(function, (points, each), rng=rng)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_second_derivatives(smoothing):
    """All of them, against dual numbers of balls through the derived gradients."""
    rng = np.random.default_rng(4)
    control, size = irregular(4, seed=5), (2, 3)
    arrays = rng.standard_normal((1, *size, 2)), rng.standard_normal((1, 4, 2)), control
    directions = rng.standard_normal((1, 4, 2)), rng.standard_normal((4, 2))
    ggrid, points, centres = tensors = [Tensor(array, True) for array in arrays]
    grid = refwarp.tps_grid(points, (1, 1, *size), centres, smoothing=smoothing)
    first = grad(grid, (points, centres), ggrid, create_graph=True)
    results = grad(first, tensors, [Tensor(d) for d in directions])
    with Balls() as balls:
        given = [balls(array) for array in (arrays[0][0].reshape(-1, 2), arrays[1][0], control)]
        a, b = (balls(d) for d in (directions[0][0], directions[1]))
        ps, s = exact.target_points(*size, False, balls), balls(smoothing)

        def loss(ggrid, points, control):
            g = exact.spline_gradient([ggrid[:3], ggrid[3:]], points, control, ps, s)
            return sum(dot(x, y) for x, y in zip([*a, *b], [*g.gpoints, *g.gcontrol], strict=True))

        for number, result in enumerate(results):
            flat = result.data.reshape(-1, 2)
            for i, r in np.ndindex(flat.shape):
                varied = [[list(point) for point in part] for part in given]
                varied[number][i][r] = Dual(varied[number][i][r], 1)
                truth = float(balls.midpoint(loss(*varied).derivative))
                # Sums of a few hundred terms and a condition number of some 100, all in double precision.
                assert abs(flat[i, r] - truth) <= 256 * EPS * abs(flat).max()


def test_the_second_derivative_to_control_points_diverges_where_they_are_pixels():
    """Near r = 0 it grows like ln r^2, and at 0 it is not a number; what does not meet r = 0 is."""
    rng = np.random.default_rng(6)
    points, ggrid = Tensor(rng.standard_normal((1, 4, 2))), rng.standard_normal((1, 3, 3, 2))

    def second(offset):
        control = irregular(4, seed=7)
        control[0] = offset, 0.0
        control = Tensor(control, True)
        grid = refwarp.tps_grid(points, (1, 1, 3, 3), control, align_corners=True)  # (0, 0) is a pixel
        (first,) = grad(grid, control, ggrid, create_graph=True)
        (result,) = grad(first[0, 0], control)
        return result.data

    near, nearer, nearest = (second(10.0**-k)[0, 0] for k in (6, 9, 12))
    assert abs((nearest - nearer) / (nearer - near) - 1) < 1e-3  # equal steps in ln r
    at = second(0.0)
    assert np.isnan(at[0]).any() and np.isfinite(at[1:]).all()
