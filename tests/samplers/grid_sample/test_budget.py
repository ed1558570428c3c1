"""grid_sample in all modes and paddings against exact values, each element within its own error budget."""

import itertools

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact import bicubic, bilinear, nearest
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.sampling import Cotangents

PADDINGS = ["zeros", "border", "reflection"]
C = {"bilinear": 4, "nearest": 0, "bicubic": 12}
KINKS = ["right", "left", "central", "literal"]


def coordinates(rng, size, align_corners, dtype, count):
    """Draw coordinates inside and several maps away, on the lattice, at half-integers, folds and next to them."""
    s = max(size - 1 if align_corners else size, 1)
    halves = (rng.integers(-3 * size, 5 * size, count) - (size - 1)) / s
    choices = [
        rng.uniform(-1.1, 1.1, count),
        rng.uniform(-7, 7, count),
        halves,
        np.nextafter(halves.astype(dtype), dtype(9)),
        np.nextafter(halves.astype(dtype), dtype(-9)),
        10.0 ** rng.uniform(-30, -3, count) * rng.choice([-1, 1], count),
        10.0 ** rng.uniform(1, 30, count) * rng.choice([-1, 1], count),
        rng.integers(-9, 10, count).astype(float),
    ]
    return np.choose(rng.integers(0, len(choices), count), choices).astype(dtype)


def exact_results(mode, padding, align_corners, kink, arrays):
    """Return value, gradients and, where the mode has them, second gradients of one image.

    The arrays are gout, input and grid, and the cotangents of the gradients.
    """
    gout, input, grid, a, b = (fractions(array[0]) for array in arrays)
    if mode == "bilinear":
        value = bilinear.grid_sample(input, grid, align_corners, padding=padding)
        first = bilinear.grid_sample_gradient(gout, input, grid, align_corners, kink, padding=padding)
        second = bilinear.grid_sample_second_gradient(
            Cotangents(a, b), gout, input, grid, align_corners, kink, padding=padding
        )
        return [value], first, second
    if mode == "bicubic":
        first = bicubic.grid_sample_gradient(gout, input, grid, align_corners, padding)
        second = bicubic.grid_sample_second_gradient(Cotangents(a, b), gout, input, grid, align_corners, padding)
        return [bicubic.grid_sample(input, grid, align_corners, padding)], first, second
    value = nearest.grid_sample(input, grid, align_corners, padding)
    return [value], nearest.grid_sample_gradient(gout, input, grid, align_corners, padding), ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("mode", "kink"), [("bilinear", kink) for kink in KINKS] + [("nearest", "right"), ("bicubic", "right")]
)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [(1, 2), (3, 1), (4, 5)])
def test_every_element_is_within_its_budget(dtype, mode, kink, padding, size):
    for align_corners in (False, True):
        rng = np.random.default_rng([*size, KINKS.index(kink), PADDINGS.index(padding), align_corners])
        axes = [coordinates(rng, length, align_corners, dtype, 20) for length in size]
        grid = np.stack([axes[1], axes[0]], axis=-1).reshape(1, 4, 5, 2)
        shapes = (1, 2, 4, 5), (1, 2, *size), (1, 2, *size), (1, 4, 5, 2)
        gout, input, a, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
        tensors = [Tensor(array, requires_grad=True) for array in (gout, input, grid)]
        options = {"mode": mode, "padding_mode": padding, "align_corners": align_corners, "kink": kink}

        out = refwarp.grid_sample(*tensors[1:], **options)
        first = grad(out, tensors[1:], tensors[0], create_graph=True)
        arrays = gout, input, grid, a, b
        value_truth, first_truth, second_truth = exact_results(mode, padding, align_corners, kink, arrays)
        for result, truth in zip((out, *first), (*value_truth, *first_truth), strict=True):
            assert worst_share(result.data[0], truth, C[mode], dtype.__name__) <= 1
        if mode == "nearest":
            continue
        second = grad(first, tensors, (Tensor(a), Tensor(b)))
        for result, truth in zip(second, second_truth, strict=True):
            assert worst_share(result.data[0], truth, C[mode] + 4, dtype.__name__) <= 1


@pytest.mark.parametrize("mode", C)
@pytest.mark.parametrize(("padding", "align_corners"), list(itertools.product(PADDINGS, [False, True])))
def test_wide_maps(mode, padding, align_corners):
    """At the width 65,536 a coordinate needs every digit; only the pixels near the samples differ from zero."""
    width, dtype = 65536, np.float64
    rng = np.random.default_rng([PADDINGS.index(padding), align_corners])
    x = coordinates(rng, width, align_corners, dtype, 40)
    grid = np.stack([x, rng.uniform(-1, 1, 40)], axis=-1).reshape(1, 1, 40, 2)
    input, gout = rng.standard_normal((1, 1, 1, width)), rng.standard_normal((1, 1, 1, 40))
    tensors = [Tensor(array, requires_grad=True) for array in (input, grid)]
    out = refwarp.grid_sample(*tensors, mode=mode, padding_mode=padding, align_corners=align_corners)
    ginput, ggrid = grad(out, tensors, gout)
    arrays = gout, input, grid, np.zeros_like(input), np.zeros_like(grid)
    value, first, _ = exact_results(mode, padding, align_corners, "right", arrays)
    assert worst_share(out.data[0], value[0], C[mode], "float64") <= 1
    assert worst_share(ggrid.data[0], first[1], C[mode], "float64") <= 1
    assert worst_share(ginput.data[0], first[0], C[mode], "float64") <= 1


@pytest.mark.parametrize("mode", C)
@pytest.mark.parametrize("padding", PADDINGS)
def test_non_finite_coordinates(mode, padding):
    """NaN gives NaN; infinity gives 0, the border, or (there is no limit) NaN. Nothing else is touched."""
    row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    grid = np.zeros((1, 1, 5, 2))
    grid[0, 0, :, 0] = [np.nan, np.inf, -np.inf, 0.25, 0.0]
    grid[0, 0, 4, 1] = np.nan
    tensors = [Tensor(array, requires_grad=True) for array in (row, grid)]
    out = refwarp.grid_sample(*tensors, mode=mode, padding_mode=padding)
    gout = np.array([[[[3.0, 5.0, 7.0, 2.0, 11.0]]]])
    ginput, ggrid = grad(out, tensors, gout)
    far = {"zeros": [0, 0], "border": [9, 1], "reflection": [np.nan, np.nan]}[padding]
    assert np.array_equal(out.data[0, 0, 0, [0, 1, 2, 4]], [np.nan, *far, np.nan], equal_nan=True)
    slopes = np.array(far) * 0
    assert np.array_equal(ggrid.data[0, 0, [0, 1, 2, 4], 0], [np.nan, *slopes, np.nan], equal_nan=True)
    assert np.array_equal(np.isnan(ggrid.data[..., 0]), np.isnan(ggrid.data[..., 1]))

    silent = np.where(np.isfinite(out.data), gout, 0)
    silent[0, 0, 0, 1:3] = 0
    (rest,) = grad(out, tensors[:1], silent)
    rest = rest.data.copy()
    if padding == "border":
        rest[0, 0, 0, -1] += 5
        rest[0, 0, 0, 0] += 7
    assert np.allclose(ginput.data, rest, rtol=4 * np.finfo(float).eps, atol=0)


@pytest.mark.parametrize("mode", ["nearest", "bicubic"])
def test_kinks_are_for_bilinear_sampling(mode):
    with pytest.raises(ValueError, match="kink: given 'left', expected one of 'right'"):
        refwarp.grid_sample(np.ones((1, 1, 2, 2)), np.zeros((1, 1, 1, 2)), mode=mode, kink="left")
