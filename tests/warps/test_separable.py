"""separable_sample against exact values, its kernels against one another, and what it refuses."""

from fractions import Fraction

import flint
import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact import nearest as exact_nearest
from refwarp.exact import separable as exact
from refwarp.exact.budget import worst_share
from refwarp.exact.numbers import Sum, fractions
from refwarp.samplers.sampling_kernels import CUBIC_B_SPLINE, INTEGER, TENT, Kernel, gaussian, keys, lanczos

PADDINGS = ["zeros", "border", "reflection"]
C = 16
RATIONAL = {
    "tent": (TENT, exact.tent_kernel, 1),
    "keys": (keys(-0.5), exact.keys_kernel(Fraction(-1, 2)), 2),
    "keys 1/4": (keys(0.25), exact.keys_kernel(Fraction(1, 4)), 2),
    "b-spline": (CUBIC_B_SPLINE, exact.b_spline_kernel, 2),
}
BALLS = {
    "lanczos": (lanczos(3), exact.lanczos_kernel(3), 3),
    "gaussian": (gaussian(0.75), exact.gaussian_kernel(Fraction(3, 4)), 3),
}


def results(case, kernel, **options):
    """Return value, first and second gradients as arrays of one image."""
    gout, input, grid, a, b = (Tensor(array, requires_grad=True) for array in case)
    out = refwarp.separable_sample(input, grid, kernel, **options)
    first = grad(out, (input, grid), gout, create_graph=True)
    second = grad(first, (gout, input, grid), (a, b))
    return [result.data[0] for result in (out, *first, *second)]


def make_case(rng, dtype, size=(4, 5), samples=(3, 4), spread=1.4):
    shapes = (1, 2, *samples), (1, 2, *size), (1, *samples, 2), (1, 2, *size), (1, *samples, 2)
    case = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    case[2] = (spread * rng.uniform(-1, 1, shapes[2])).astype(dtype)
    case[2][0, 0, 0] = [-0.25, 0.0]
    return case


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RATIONAL)
@pytest.mark.parametrize("padding", PADDINGS)
def test_every_element_is_within_its_budget(dtype, name, padding):
    kernel, judge, support = RATIONAL[name]
    for align_corners in (False, True):
        case = make_case(np.random.default_rng([align_corners, len(name)]), dtype)
        gout, input, grid, a, b = (fractions(array[0]) for array in case)
        value = exact.separable_sample(input, grid, judge, support, align_corners, padding)
        first, second = exact.separable_sample_gradients(
            a, b, gout, input, grid, judge, support, align_corners, padding
        )
        found = results(case, kernel, padding_mode=padding, align_corners=align_corners)
        for result, truth in zip(found, (value, *first, *second), strict=True):
            assert worst_share(result, truth, C, dtype.__name__) <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BALLS)
def test_transcendental_kernels_are_within_their_budget_too(dtype, name):
    """The judge computes in balls of 300 bits; their middles are the truth, their radii far below any budget."""
    kernel, judge, support = BALLS[name]
    case = make_case(np.random.default_rng(len(name)), dtype, samples=(2, 3))
    with flint.ctx.workprec(300):
        gout, input, a, b = (balls(fractions(case[k][0])) for k in (0, 1, 3, 4))
        grid = fractions(case[2][0])

        def ball_judge(d):
            return judge(balls(d))

        value = exact.separable_sample(input, grid, ball_judge, support)
        first, second = exact.separable_sample_gradients(a, b, gout, input, grid, ball_judge, support)
        truths = [middles(part) for part in (value, *first, *second)]
    for result, truth in zip(results(case, kernel), truths, strict=True):
        assert worst_share(result, truth, C, dtype.__name__) <= 1


def balls(numbers):
    if isinstance(numbers, list):
        return [balls(number) for number in numbers]
    return flint.arb(numbers.numerator) / numbers.denominator


def middles(nested):
    """Turn sums of balls into sums of rational numbers."""
    if not isinstance(nested, Sum):
        return [middles(part) for part in nested]
    total = Sum()
    total.value, total.k, total.M = middle(nested.value), nested.k, middle(nested.M)
    return total


def middle(number):
    ball = flint.arb(number)
    assert ball.rad() <= 2.0**-200 * abs(ball) or ball.rad() < 2.0**-200
    mantissa, exponent = ball.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


@pytest.mark.parametrize("padding", PADDINGS)
def test_kernels_that_grid_sample_has_too(padding):
    """The tent is bilinear sampling, Keys' cubic with a = -3/4 bicubic sampling."""
    case = make_case(np.random.default_rng(3), np.float64, size=(7, 6), samples=(9, 8), spread=3)
    _, input, grid = case[:3]
    for kernel, mode in ((keys(-0.75), "bicubic"), (TENT, "bilinear")):
        ours = refwarp.separable_sample(input, grid, kernel, padding_mode=padding)
        other = refwarp.grid_sample(input, grid, mode=mode, padding_mode=padding)
        # The window's pixels are padded one by one; of the tent that is the same as padding the point.
        assert np.abs(ours - other).max() <= 64 * np.finfo(float).eps * np.abs(input).max()


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_integer_kernel_rounds_ties_up(padding):
    row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    grid = np.zeros((1, 1, 7, 2))
    grid[0, 0, :, 0] = (2 * (np.arange(7) - 1.5) - 3) / 4  # x = -1.5, -0.5, ..., 4.5
    out = refwarp.separable_sample(row, grid, INTEGER, padding_mode=padding)
    # The paper's floor(x + 1/2) reads the pixels -1 to 5, of which -1, 4 and 5 are padded.
    before, after = {"zeros": ([0], [0, 0]), "border": ([1], [9, 9]), "reflection": ([1], [9, 2])}[padding]
    assert out[0, 0, 0].tolist() == [*before, 1, 5, 2, 9, *after]
    assert [exact_nearest.half_up(Fraction(2 * n - 1, 2)) for n in range(4)] == [0, 1, 2, 3]


def test_a_kernel_of_ones_own():
    """A parabola: given with one derivative, it has gradients with respect to the grid, but none of those."""
    parabola = Kernel("parabola", 1.0, (lambda d: 1 - d * d, lambda d: -2 * d))
    row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    grid = Tensor(np.array([[[[-0.125, 0.0]]]]), requires_grad=True)  # x = 1.25
    out = refwarp.separable_sample(row, grid, parabola)
    assert out.item() == 5 * (1 - 1 / 16) + 2 * (1 - 9 / 16)
    (ggrid,) = grad(out, grid, create_graph=True)
    assert ggrid.data[0, 0, 0, 0] == 2 * (5 * -0.5 + 2 * 1.5)
    with pytest.raises(ValueError, match="kernel: parabola has 1 derivatives, but one of order 2 is needed"):
        grad(ggrid.sum(), grid)


def test_non_finite_and_huge_coordinates():
    row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    grid = np.zeros((1, 1, 5, 2))
    grid[0, 0, :, 0] = [np.nan, np.inf, -np.inf, 1e300, 0.25]
    for padding, far in (("zeros", [0, 0, 0]), ("border", [9, 1, 9]), ("reflection", [np.nan, np.nan, 3.5])):
        tensors = Tensor(row, requires_grad=True), Tensor(grid, requires_grad=True)
        out = refwarp.separable_sample(*tensors, TENT, padding_mode=padding)
        assert np.array_equal(out.data[0, 0, 0], [np.nan, *far, 2], equal_nan=True)
        ginput, ggrid = grad(out, tensors, np.ones_like(out.data))
        assert np.array_equal(np.isnan(ggrid.data[0, 0, :, 0]), np.isnan(out.data[0, 0, 0]))
        assert np.isfinite(ginput.data).all()


def test_the_weights_of_every_ready_kernel():
    """What sums to one, and what only nearly."""
    f = np.linspace(0, 1, 17)[:-1]
    for kernel, tolerance in (
        (TENT, 1e-15),
        (INTEGER, 0),
        (keys(-0.5), 1e-15),
        (keys(1.5), 3e-15),
        (CUBIC_B_SPLINE, 1e-15),
        (lanczos(3), 0.02),
        (gaussian(0.75), 0.02),
    ):
        reach = int(np.ceil(kernel.support))
        sums = sum(kernel.derivative(0)(f - n) for n in range(1 - reach, reach + 1))
        assert np.abs(sums - 1).max() <= tolerance


@pytest.mark.parametrize("kernel", [keys(-0.5), CUBIC_B_SPLINE, lanczos(2), gaussian(1.25)], ids=lambda k: k.name)
def test_profiles_are_derivatives_of_one_another(kernel):
    """The complex step on polynomials; elsewhere central differences, whose error is of second order."""
    d = np.random.default_rng(7).uniform(-kernel.support, kernel.support, 50)
    d = d[np.abs(d - np.round(d)) > 1e-3]
    step = 1e-5
    for order in range(2):
        lower, upper = kernel.derivative(order), kernel.derivative(order + 1)
        # step^2/6 times the third derivative (below 40 here), and the rounding of values below 10
        assert np.abs((lower(d + step) - lower(d - step)) / (2 * step) - upper(d)).max() <= 40 * step**2 + 1e-15 / step


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, g: refwarp.separable_sample(x, g, "tent"), TypeError, "kernel: given str, expected a refwarp.K"),
        (lambda x, g: refwarp.separable_sample(x, g, TENT, "wrap"), ValueError, "padding_mode: given 'wrap'"),
        (lambda x, g: refwarp.separable_sample(x[0], g, TENT), ValueError, r"input: given shape \(1, 3, 3\)"),
        (lambda x, g: Kernel("k", 0, (abs,)), ValueError, "support: given 0"),
        (lambda x, g: Kernel("k", 1, ()), TypeError, "profiles: expected a tuple of functions"),
        (lambda x, g: keys(np.nan), ValueError, "a: given nan"),
        (lambda x, g: lanczos(0), ValueError, "lobes: given 0"),
        (lambda x, g: gaussian(-1), ValueError, "deviation: given -1"),
        (
            lambda x, g: refwarp.separable_sample(x, g, Kernel("flat", 1, (lambda d: 1.0,))),
            ValueError,
            "kernel: flat returned shape",
        ),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(np.ones((1, 1, 3, 3)), np.zeros((1, 2, 2, 2)))
