"""separable_sample against exact values, its kernels against one another, and what it refuses."""

from fractions import Fraction

import flint
import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import nearest as exact_nearest
from refwarp.exact import separable as exact
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import Sum, fractions
from refwarp.exact.sampling import Cotangents
from refwarp.samplers.kernel_functions import CUBIC_B_SPLINE, INTEGER, TENT, KernelFunction, gaussian, keys, lanczos
from tests.threads import on_threads

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
    # On the lattice of 4 x 5 pixels: (2, 1) without align_corners, (1, 3) with.
    case[2][0, 0, :2] = [0.0, -0.25], [-0.5, 1.0]
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
            Cotangents(a, b), gout, input, grid, judge, support, align_corners, padding
        )
        found = results(case, kernel, padding_mode=padding, align_corners=align_corners)
        for result, truth in zip(found, (value, *first, *second), strict=True):
            assert worst_share(result, truth, C, dtype.__name__) <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BALLS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_transcendental_kernels_are_within_their_budget_too(dtype, name, align_corners):
    """The judge computes in balls of 300 bits; their middles are the truth, their radii far below any budget."""
    kernel, judge, support = BALLS[name]
    case = make_case(np.random.default_rng(len(name)), dtype, samples=(2, 3))
    with flint.ctx.workprec(300):
        gout, input, a, b = (balls(fractions(case[k][0])) for k in (0, 1, 3, 4))
        grid = fractions(case[2][0])

        def ball_judge(d):
            return judge(balls(d))

        value = exact.separable_sample(input, grid, ball_judge, support, align_corners)
        first, second = exact.separable_sample_gradients(
            Cotangents(a, b), gout, input, grid, ball_judge, support, align_corners
        )
        truths = [middles(part) for part in (value, *first, *second)]
    for result, truth in zip(results(case, kernel, align_corners=align_corners), truths, strict=True):
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


def test_on_the_lattice_second_derivatives_come_from_the_right():
    """As those of bicubic sampling do; by hand, with a = -3/4 and (W/2)^2 = 16, at x = 3."""
    row = np.array([[[[1.0, 5.0, 2.0, 9.0, -3.0, 4.0, 0.0, 7.0]]]])
    grid = Tensor(np.array([[[[-0.125, 0.0]]]]), requires_grad=True)
    curvatures = []
    for sample in (
        lambda g: refwarp.separable_sample(row, g, keys(-0.75)),
        lambda g: refwarp.grid_sample(row, g, mode="bicubic"),
    ):
        (slope,) = grad(sample(grid), grid, create_graph=True)
        (second,) = grad(slope, grid, np.array([[[[1.0, 0.0]]]]))
        curvatures.append(second.data[0, 0, 0, 0])
    # k'' at d = 1, 0, -1 and -2: -4a, -2(a + 3), 4a + 6 and 2a.
    assert curvatures == [16 * (3.0 * 2 - 4.5 * 9 + 3 * -3 - 1.5 * 4)] * 2 == [-792] * 2


@pytest.mark.parametrize("kernel", [TENT, keys(-0.5), lanczos(1)], ids=lambda k: k.name)
@pytest.mark.parametrize("g", [1e-300, -1e-300, 2.0**-60, -(2.0**-60)])
def test_a_distance_beside_the_lattice_stays_on_its_side(kernel, g):
    """Where 1 - |g| rounds to 1, the pieces of k', and of k'', are still those of the true distance."""
    row = np.array([[[[1.0, 5.0, 2.0]]]])  # x = 1 + g
    grid = Tensor(np.array([[[[g, 0.0]]]]), requires_grad=True)
    (slope,) = grad(refwarp.separable_sample(row, grid, kernel, align_corners=True), grid, create_graph=True)
    (second,) = grad(slope, grid, np.array([[[[1.0, 0.0]]]]))
    side = 1e-6 if g > 0 else -1e-6  # far enough for rounding, near enough for the limit
    for order, found in ((1, slope), (2, second)):
        near = row[0, 0, 0] @ np.asarray(kernel.derivative(order)(side - np.arange(-1.0, 2)))
        # third derivatives are below 60
        assert abs(found.data[0, 0, 0, 0] - near) <= 10 * 60 * 1e-6


@pytest.mark.parametrize(("x", "separable", "folded"), [(-2, -4, 3), (5, 3, -7)])
def test_at_mirrored_pixels_the_tent_is_not_bilinear_sampling(x, separable, folded):
    """Of the mirrored row ... 2 5 1 (1 5 2 9) 9 2 5 ... the tent sees the step to the right of x.

    Padding the point turns the direction around, so that there the step comes from the other side.
    """
    row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    grid = Tensor(np.array([[[[(2 * x - 3) / 4, 0.0]]]]), requires_grad=True)
    slopes = [
        grad(sample, grid)[0].data[0, 0, 0, 0] / 2
        for sample in (
            refwarp.separable_sample(row, grid, TENT, padding_mode="reflection"),
            refwarp.grid_sample(row, grid, padding_mode="reflection", kink="right"),
        )
    ]
    assert slopes == [separable, folded]


@pytest.mark.parametrize(
    "kernel", [TENT, INTEGER, keys(-0.5), CUBIC_B_SPLINE, lanczos(2), gaussian(0.75)], ids=lambda k: k.name
)
@pytest.mark.parametrize("padding", ["zeros", "reflection"])
def test_gradients_of_both_orders_against_numerical_ones(kernel, padding):
    rng = np.random.default_rng(11)
    input, grid = rng.standard_normal((1, 1, 2, 3)), np.array([[[[0.31, -0.23]]]])
    gradcheck(
        lambda u, g: refwarp.separable_sample(u, g, kernel, padding_mode=padding), [input, grid], rng=rng, order=2
    )


def test_the_scale_of_the_grid_comes_last():
    """So a large map, small cotangents and a wide one do not overflow on the way: U gout W/2 = 4.096e8."""
    row = np.zeros((1, 1, 1, 8192))
    row[..., 4096] = 1e305
    grid = Tensor(np.array([[[[-(2.0**-14), 0.0]]]]), requires_grad=True)  # x = 4095.25
    for sample in (refwarp.separable_sample(row, grid, TENT), refwarp.grid_sample(row, grid)):
        (ggrid,) = grad(sample, grid, np.full((1, 1, 1, 1), 1e-300))
        assert ggrid.data[0, 0, 0, 0] == pytest.approx(4.096e8, rel=1e-14)


def test_sums_beyond_the_range_are_infinite():
    """And not NaN, which the part that roundings left out would make of them."""
    input = Tensor(np.full((1, 1, 1, 2), 1.5e308), requires_grad=True)
    grid = np.array([[[[0.0, 0.0]]]])  # half way between the pixels
    double = KernelFunction("double tent", 1, (lambda d: 2 * np.maximum(0, 1 - np.abs(d)),))
    out = refwarp.separable_sample(input, grid, double)
    assert out.data.tolist() == [[[[np.inf]]]]
    twice = refwarp.separable_sample(input, np.zeros((1, 1, 2, 2)), double)
    (ginput,) = grad(twice, input, np.full(twice.shape, 1.5e308))
    assert ginput.data.tolist() == [[[[np.inf, np.inf]]]]


@pytest.mark.parametrize(
    ("shape", "samples"),
    [((0, 2, 3, 3), (2, 2)), ((2, 0, 3, 3), (2, 2)), ((1, 2, 3, 3), (0, 2)), ((1, 2, 3, 3), (2, 0))],
)
def test_empty_batches_channels_and_grids(shape, samples):
    case = Tensor(np.ones(shape), requires_grad=True), Tensor(np.zeros((shape[0], *samples, 2)), requires_grad=True)
    out = refwarp.separable_sample(*case, keys())
    assert out.shape == (*shape[:2], *samples)
    first = grad(out, case, np.ones(out.shape), create_graph=True)
    second = grad(first, case, [np.ones(part.shape) for part in first])
    for results in (first, second):
        assert [part.shape for part in results] == [part.shape for part in case]
        assert not any(part.data.any() for part in results)


def test_one_pixel_maps():
    """With align_corners every finite g is the pixel itself, without slope; without, x = g/2."""
    input = Tensor(np.array([[[[3.0]]]]), requires_grad=True)
    grid = Tensor(np.array([[[[0.5, 0.0]]]]), requires_grad=True)
    for align_corners, value, slope in ((True, 3, 0), (False, 3 * 0.75, -1.5)):
        out = refwarp.separable_sample(input, grid, TENT, align_corners=align_corners)
        ginput, ggrid = grad(out, (input, grid), np.full((1, 1, 1, 1), 2.0))
        assert out.item() == value and ginput.item() == 2 * value / 3
        assert ggrid.data[0, 0, 0, 0] == 2 * slope
    assert refwarp.separable_sample(np.array([[[[3.0]]]]), grid.data, keys(), "border").item() == 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype):
    gout, input, grid, *_ = make_case(np.random.default_rng(12), dtype)
    out = refwarp.separable_sample(input, grid, keys())
    assert type(out) is np.ndarray and out.dtype == dtype
    wide = refwarp.separable_sample(*(array.astype(float) for array in (input, grid)), keys())
    assert np.array_equal(out, wide.astype(dtype))  # rounded once
    tensors = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    assert [part.dtype for part in grad(refwarp.separable_sample(*tensors, keys()), tensors, gout)] == [dtype] * 2
    assert isinstance(refwarp.separable_sample(input, Tensor(grid), keys()), Tensor)


def test_layout_and_flags_of_the_arrays_do_not_matter():
    _, input, grid, *_ = make_case(np.random.default_rng(13), np.float64)
    expected, copies = refwarp.separable_sample(input, grid, keys()), (input.copy(), grid.copy())
    for array in (input, grid):
        array.flags.writeable = False
    strided = np.repeat(grid, 2, axis=2)[:, :, ::2]
    for arrays in ((input, grid), (np.asfortranarray(input), strided)):
        assert np.array_equal(refwarp.separable_sample(*arrays, keys()), expected)
    assert all(np.array_equal(a, b) for a, b in zip((input, grid), copies, strict=True))


def test_arguments_are_not_changed():
    case = make_case(np.random.default_rng(14), np.float64)
    copies = [array.copy() for array in case]
    results(case, keys(), padding_mode="reflection")
    assert all(np.array_equal(a, b) for a, b in zip(case, copies, strict=True))


def test_the_bits_do_not_depend_on_the_number_of_threads():
    case = make_case(np.random.default_rng(15), np.float64, size=(17, 19), samples=(60, 41))
    alone, together = on_threads((1, 3), lambda: [part.tobytes() for part in results(case, keys())])
    assert alone == together


def test_numpy_scalars_are_numbers():
    d = np.linspace(-3, 3, 25)
    for ours, other in (
        (keys(np.float32(-0.5)), keys(-0.5)),
        (keys(np.int8(1)), keys(1)),
        (lanczos(np.int64(3)), lanczos(3)),
        (gaussian(np.float32(0.75)), gaussian(0.75)),
        (KernelFunction("k", np.float16(1.0), (np.abs,)), KernelFunction("k", 1, (np.abs,))),
    ):
        assert (ours.name, ours.support) == (other.name, other.support)
        assert type(ours.support) is float
        assert np.array_equal(ours.derivative(0)(d), other.derivative(0)(d))


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
    parabola = KernelFunction("parabola", 1.0, (lambda d: 1 - d * d, lambda d: -2 * d))
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
        (lambda x, g: KernelFunction("k", 0, (abs,)), ValueError, "support: given 0"),
        (lambda x, g: KernelFunction("k", True, (abs,)), ValueError, "support: given True"),
        (lambda x, g: KernelFunction("k", 1, ()), TypeError, r"profiles: given \(\), expected a tuple of functions"),
        (lambda x, g: KernelFunction("k", 1, [abs]), TypeError, "profiles: given .*, expected a tuple of functions"),
        (lambda x, g: KernelFunction("k", 1, np.abs), TypeError, "profiles: given .*, expected a tuple of functions"),
        (lambda x, g: TENT.derivative(-1), ValueError, "order: given -1, expected 0"),
        (lambda x, g: keys(np.nan), ValueError, "a: given nan"),
        (lambda x, g: keys(False), ValueError, "a: given False"),
        (lambda x, g: keys("1"), ValueError, "a: given '1'"),
        (lambda x, g: lanczos(0), ValueError, "lobes: given 0"),
        (lambda x, g: lanczos(2.0), ValueError, "lobes: given 2.0"),
        (lambda x, g: lanczos(True), ValueError, "lobes: given True"),
        (lambda x, g: lanczos(2000), ValueError, "lobes: given 2000, expected an integer above 0 and below 1024"),
        (lambda x, g: gaussian(-1), ValueError, "deviation: given -1"),
        (lambda x, g: gaussian(True), ValueError, "deviation: given True"),
        (
            lambda x, g: refwarp.separable_sample(x, g, KernelFunction("flat", 1, (lambda d: 1.0,))),
            ValueError,
            "kernel: flat returned shape",
        ),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(np.ones((1, 1, 3, 3)), np.zeros((1, 2, 2, 2)))
