"""Multi-scale sampling: within its budget of exact values, against SciPy's blur, and what the paper leaves open."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import ndimage

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import multiscale as exact
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import Sum, fractions
from refwarp.exact.sampling import Cotangents
from refwarp.samplers.multiscale import gaussian_blur, gaussian_weights
from tests.threads import on_threads

# c of the budget: 22 is proven, from the roundings on the longest path; 6 is what it keeps.
BUDGET = 6


def exact_exp(a):
    """Return exp of a rational number to some 300 bits, as a rational number."""
    flint = pytest.importorskip("flint")
    with flint.ctx.workprec(320):
        man, exponent = (flint.arb(a.numerator) / a.denominator).exp().mid().man_exp()
        return Fraction(int(man)) * Fraction(2) ** int(exponent)


def exact_levels(deviations, shape, truncate=4):
    """Return the weights of each level; on an axis shorter than their reach the last ones are never used."""
    return [
        exact.gaussian_weights(Fraction(d), min(int(truncate * d + 0.5), max(shape)), exact_exp) if d else [Fraction(1)]
        for d in deviations
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("shape", "deviations"), [((3, 5), (1, 5, 10)), ((1, 7), (0, 0.3)), ((6, 4), (0.7,))])
def test_values_and_gradients_are_within_the_budget(dtype, align_corners, shape, deviations):
    rng = np.random.default_rng([*shape, align_corners])
    input, grid = rng.standard_normal((1, 2, *shape)), rng.uniform(-1.2, 1.2, (1, 2, 2, 2))
    gout, a, beta = (rng.standard_normal(shape) for shape in ((1, 2, 2, 2), input.shape, grid.shape))
    gout, input, grid, a, beta = (array.astype(dtype) for array in (gout, input, grid, a, beta))
    tensors = [Tensor(array, requires_grad=True) for array in (gout, input, grid)]
    out = refwarp.multiscale_sample(*tensors[1:], deviations, align_corners=align_corners)
    first = grad(out, tensors[1:], tensors[0], create_graph=True)
    second = grad(first, tensors, (Tensor(a), Tensor(beta)))

    gout, input, grid, a, beta = (fractions(array[0]) for array in (gout, input, grid, a, beta))
    options = exact_levels(deviations, shape), Fraction(1, len(deviations)), align_corners
    truths = [
        exact.multiscale_sample(input, grid, *options),
        *exact.multiscale_sample_gradient(gout, input, grid, *options),
        *exact.multiscale_sample_second_gradient(Cotangents(a, beta), gout, input, grid, *options),
    ]
    for result, truth in zip((out, *first, *second), truths, strict=True):
        assert worst_share(result.data[0], truth, BUDGET, dtype) <= 1


def test_long_rows_lose_nothing():
    """81 terms of one sign, whose rounding errors would add up. A sample on a pixel is the pixel."""
    rng = np.random.default_rng(1)
    row = rng.uniform(1, 2, (1, 1, 1, 256))
    places = np.array([0, 17, 128, 255])
    grid = np.zeros((1, 1, 4, 2))
    grid[0, 0, :, 0] = (2 * places + 1 - 256) / 256
    result = refwarp.multiscale_sample(row, grid, (10,))[0, 0]
    (weights,) = exact_levels([10], (256,))
    values = fractions(row[0, 0, 0])
    truth = []
    for place in places.tolist():
        near = range(max(0, place - 40), min(256, place + 41))
        norm = sum(weights[abs(place - m)] for m in near)
        truth.append(Sum(weights[abs(place - m)] * values[m] / norm for m in near))
    # Without the log2 k: only the weights, the products, the compensated sums and the quotient round.
    for r, t in zip(result[0], truth, strict=True):
        assert abs(Fraction(r) - t.value) <= BUDGET * Fraction(1, 2**53) * t.M


@pytest.mark.parametrize("deviation", [0.25, 1.0, 5.0, 1e-200, 1e200])
def test_weights_are_correctly_rounded(deviation):
    weights = gaussian_weights(deviation, 9)
    expected = [float(w) for w in exact.gaussian_weights(Fraction(deviation), 9, float_exp)]
    assert weights.tolist() == expected


def float_exp(a):
    return Fraction(0) if a < -1000 else exact_exp(a)


def test_the_blur_is_scipys_away_from_the_border():
    input = np.random.default_rng(2).standard_normal((1, 1, 30, 40))
    blurred = gaussian_blur(Tensor(input), 1.5, 4.0).data
    expected = ndimage.gaussian_filter(input, (0, 0, 1.5, 1.5), truncate=4.0)
    inside = np.s_[..., 6:-6, 6:-6]
    # Thirteen terms and a quotient along each axis, of a weighted mean of numbers below 4.
    assert abs(blurred[inside] - expected[inside]).max() < 32 * 4 * np.finfo(float).eps
    assert abs(blurred - expected).max() > 1e-3


@pytest.mark.parametrize("deviations", [(1, 5, 10), (1e9,)])
def test_a_constant_map_stays_constant(deviations):
    """Also where 400 weights are as good as equal, and their sums would all be rounded to the same side."""
    out = refwarp.multiscale_sample(np.full((1, 1, 5, 400), 4 / 3), np.zeros((1, 1, 1, 2)), deviations)
    assert abs(out.item() - 4 / 3) < 8 * np.finfo(float).eps * 4 / 3  # 16 u M, of a budget of 24


def test_levels_are_stacked_summed_or_averaged():
    rng = np.random.default_rng(3)
    input, grid = rng.standard_normal((2, 3, 6, 5)), rng.uniform(-1, 1, (2, 4, 2, 2))
    levels = np.stack([refwarp.multiscale_sample(input, grid, (d,)) for d in (1, 5, 10)], 1)
    assert np.array_equal(refwarp.multiscale_sample(input, grid, aggregate="stack"), levels)
    tolerance = 8 * np.finfo(float).eps * abs(levels).max()
    assert np.allclose(refwarp.multiscale_sample(input, grid, aggregate="sum"), levels.sum(1), rtol=0, atol=tolerance)
    assert np.allclose(refwarp.multiscale_sample(input, grid), levels.mean(1), rtol=0, atol=tolerance)


def test_deviation_0_is_bilinear_sampling():
    rng = np.random.default_rng(4)
    input, grid = rng.standard_normal((2, 3, 6, 5)), rng.uniform(-1.2, 1.2, (2, 4, 2, 2))
    for options in ({}, {"padding_mode": "border"}, {"padding_mode": "reflection", "align_corners": True}):
        out = refwarp.multiscale_sample(input, grid, (0.0,), **options)
        assert np.array_equal(out, refwarp.grid_sample(input, grid, **options))


@pytest.mark.parametrize("aggregate", ["mean", "sum", "stack"])
def test_gradcheck(aggregate):
    rng = np.random.default_rng(5)
    input, grid = rng.standard_normal((1, 1, 3, 4)), np.array([[[[0.11, -0.37]]]])

    def sample(input, grid):
        return refwarp.multiscale_sample(input, grid, (0.5, 2.0), aggregate=aggregate)

    gradcheck(sample, (input, grid), rng=rng, order=2)


@pytest.mark.parametrize(("kink", "side"), [("right", 1), ("left", -1)])
def test_kinks_are_one_sided_in_the_blurred_map(kink, side):
    """A sample on pixel 1 of a row: the slope to the neighbour on that side, in the blurred row; dx/dg is 2."""
    row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    blurred = gaussian_blur(Tensor(row), 1.0, 4.0).data.ravel()
    grid = Tensor(np.array([[[[-0.25, 0.0]]]]), requires_grad=True)
    out = refwarp.multiscale_sample(row, grid, (1.0,), kink=kink)
    (ggrid,) = grad(out, grid, np.array([[[[-3.0]]]]))
    assert ggrid.data[0, 0, 0, 0] == pytest.approx(-6 * side * (blurred[1 + side] - blurred[1]), rel=1e-14)


def test_a_nan_coordinate_is_a_nan_sample_and_an_infinite_one_lies_outside():
    grid = np.array([[[[np.nan, 0.0], [np.inf, 0.0], [0.0, 0.0]]]])
    out = refwarp.multiscale_sample(np.ones((1, 1, 3, 3)), grid)[0, 0, 0]
    assert np.isnan(out[0]) and out[1] == 0 and out[2] > 0.9


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype):
    rng = np.random.default_rng(6)
    input, grid = rng.standard_normal((1, 2, 3, 4)).astype(dtype), rng.uniform(-1, 1, (1, 2, 2, 2)).astype(dtype)
    out = refwarp.multiscale_sample(input, grid)
    assert type(out) is np.ndarray and out.dtype == dtype
    wide = refwarp.multiscale_sample(input.astype(np.float64), grid.astype(np.float64))
    assert np.array_equal(out, wide.astype(dtype))
    input = Tensor(input, requires_grad=True)
    out = refwarp.multiscale_sample(input, grid)
    (ginput,) = grad(out, input, rng.standard_normal(out.shape).astype(dtype))
    assert ginput.dtype == dtype


@pytest.mark.parametrize(
    "shapes", [((0, 2, 3, 4), (0, 2, 2, 2)), ((2, 0, 3, 4), (2, 2, 2, 2)), ((1, 2, 3, 4), (1, 0, 5, 2))]
)
def test_empty_batches_channels_and_outputs(shapes):
    out = refwarp.multiscale_sample(np.ones(shapes[0]), np.zeros(shapes[1]))
    assert out.shape == (*shapes[0][:2], *shapes[1][1:3])


def test_the_bits_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(7)
    input, grid = rng.standard_normal((2, 3, 60, 50)), rng.uniform(-1, 1, (2, 40, 40, 2))
    results = on_threads((1, 2, 3), lambda: refwarp.multiscale_sample(input, grid).tobytes())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"input": np.ones((3, 4))}, ValueError, r"input: given shape \(3, 4\), expected \(N, C, H, W\)"),
        ({"input": np.ones((1, 1, 0, 3))}, ValueError, "expected H and W of at least 1"),
        ({"grid": np.ones((2, 2, 2, 2))}, ValueError, "grid: given N = 2 while input has N = 1"),
        ({"grid": np.ones((1, 2, 2, 2), np.float32)}, TypeError, "grid: given dtype float32 while input is float64"),
        ({"deviations": ()}, ValueError, r"deviations: given \(\), expected at least one finite number"),
        ({"deviations": 3.0}, ValueError, "deviations: given 3.0"),
        ({"deviations": (1.0, -1.0)}, ValueError, r"deviations: given \(1.0, -1.0\)"),
        ({"deviations": (np.inf,)}, ValueError, "deviations: given"),
        ({"deviations": "12"}, ValueError, "deviations: given '12'"),
        ({"aggregate": "max"}, ValueError, "aggregate: given 'max', expected one of 'mean', 'sum', 'stack'"),
        ({"truncate": -1}, ValueError, "truncate: given -1, expected a finite number that is not negative"),
        ({"truncate": "4"}, ValueError, "truncate: given '4'"),
        ({"padding_mode": "wrap"}, ValueError, "padding_mode: given 'wrap'"),
        ({"align_corners": 1}, ValueError, "align_corners: given 1"),
        ({"kink": "up"}, ValueError, "kink: given 'up'"),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    arguments = {"input": np.ones((1, 1, 3, 3)), "grid": np.zeros((1, 2, 2, 2))}
    with pytest.raises(error, match=words):
        refwarp.multiscale_sample(**{**arguments, **change})


def test_the_bits_of_the_maps_gradient_do_not_depend_on_the_map():
    """The blur is linear: also where the map's sums are beyond the largest float, or it has a NaN."""
    rng = np.random.default_rng(8)
    maps = [rng.standard_normal((1, 1, 5, 16)) for _ in range(4)]
    maps[1][:] = 2.0**1022
    maps[2][0, 0, 2, 3] = np.nan
    maps[3] *= 2.0**-1040
    grid, gout = rng.uniform(-1, 1, (1, 3, 4, 2)), np.ldexp(rng.standard_normal((1, 1, 3, 4)), 1015)
    for aggregate in ("mean", "sum"):
        gradients = []
        for map in maps:
            input = Tensor(map, requires_grad=True)
            out = refwarp.multiscale_sample(input, grid, (2.0, 0.5), aggregate=aggregate)
            gradients.append(grad(out, input, gout)[0].data)
        assert np.isfinite(gradients[0]).all()
        assert all(np.array_equal(gradients[0], gradient) for gradient in gradients[1:])


def test_the_gradient_of_a_huge_map_with_a_huge_cotangent_is_finite():
    input = Tensor(np.full((1, 1, 1, 16), 2.0**1022), requires_grad=True)
    out = refwarp.multiscale_sample(input, np.zeros((1, 1, 1, 2)), (2.0,))
    (ginput,) = grad(out, input, np.full((1, 1, 1, 1), 2.0**1022))
    assert np.isfinite(ginput.data).all()
    assert ginput.data.sum() == pytest.approx(2.0**1022, rel=64 * 2.0**-53)  # sixteen terms of some roundings each


@pytest.mark.parametrize("pixel", [np.nan, np.inf])
@pytest.mark.parametrize("aggregate", ["mean", "stack"])
def test_a_huge_map_with_a_pixel_that_is_not_finite_is_finite_far_from_it(pixel, aggregate):
    """And tiny pixels, farther away than the blur reaches, keep their digits."""
    map = np.full((1, 1, 1, 64), 2.0**-1070)
    map[..., :24], map[..., 31] = 1.5 * 2.0**1023, pixel
    grid = np.array([[[[-0.9, 0.0], [0.0, 0.0], [0.9, 0.0]]]])
    out = refwarp.multiscale_sample(map, grid, (1.0, 0.5), aggregate=aggregate)
    levels = out.reshape(-1, 3)
    assert not np.isfinite(levels[:, 1]).any()
    np.testing.assert_allclose(levels[:, 0], 1.5 * 2.0**1023, rtol=16 * 2.0**-53)
    np.testing.assert_allclose(levels[:, 2], 2.0**-1070, rtol=16 * 2.0**-53)
