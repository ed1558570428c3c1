"""Nearest, bicubic and separable sampling on CUDA: values, gradients and second derivatives are the CPU's.

On the CPU the first two run in chunks, in the dtype of the data; on CUDA every sample is one thread's, in float64. So
results differ by roundings, but those of nearest sampling, which copies, do not.
"""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp import use_backend
from refwarp.samplers import separable
from refwarp.samplers.kernel_functions import INTEGER, TENT, keys

PADDINGS = ["zeros", "border", "reflection"]


def case(dtype, size=(4, 5), samples=(3, 4)):
    """Return gout, input and grid of two images: inside and outside, on the lattice, at ties, and NaN."""
    rng = np.random.default_rng(7)
    shapes = (2, 2, *samples), (2, 2, *size), (2, *samples, 2)
    gout, input = (rng.standard_normal(shape).astype(dtype) for shape in shapes[:2])
    grid = rng.uniform(-1.6, 1.6, shapes[2]).astype(dtype)
    grid[0, 0, :3] = [0.0, -0.25], [-0.5, 1.0], [np.nan, 0.0]
    grid[1, 0, :2] = [0.2, 0.0], [-7.0, 300.0]
    return gout, input, grid


def everything(sample, arrays):
    """Return value, gradients, and second derivatives with cotangents that are drawn."""
    rng = np.random.default_rng(8)
    gout, input, grid = (Tensor(array, requires_grad=True) for array in arrays)
    out = sample(input, grid)
    first = grad(out, (input, grid), gout, create_graph=True)
    cotangents = [Tensor(rng.standard_normal(g.shape).astype(g.dtype)) for g in first]
    return [result.data for result in (out, *first, *grad(first, (gout, input, grid), cotangents))]


def compare(sample, arrays, ulps):
    """Compare both backends; a result's scale is its largest number, that of sums of up to some hundred terms."""
    expected = everything(sample, arrays)
    with use_backend("cuda"):
        found = everything(sample, arrays)
    for a, b in zip(found, expected, strict=True):
        assert type(a) is np.ndarray and a.dtype == b.dtype
        atol = ulps * np.finfo(a.dtype).eps * np.nanmax(np.abs(b))
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearest_is_the_same_to_the_last_bit(dtype, padding):
    """But sums, of at most eleven terms, that the CPU rounds once more or less."""
    arrays = case(dtype)

    def sample(input, grid):
        return refwarp.grid_sample(input, grid, mode="nearest", padding_mode=padding)

    compare(sample, arrays, 1)
    with use_backend("cuda"):
        found = sample(*arrays[1:])
    np.testing.assert_array_equal(found, sample(*arrays[1:]))


@pytest.mark.parametrize(("padding", "align_corners"), [("zeros", False), ("border", False), ("reflection", True)])
@pytest.mark.parametrize("size", [(4, 5), (3, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bicubic(dtype, size, padding, align_corners):
    """Two times the budget of 16 + log2 of 384 terms, M being at most some ten times the largest number."""
    options = {"mode": "bicubic", "padding_mode": padding, "align_corners": align_corners}
    compare(lambda input, grid: refwarp.grid_sample(input, grid, **options), case(dtype, size), 200)


@pytest.mark.parametrize("kernel", [TENT, INTEGER, keys(-0.5)], ids=["tent", "integer", "keys"])
def test_separable(kernel, monkeypatch):
    """Also where the samples of an image need more than one block of tables."""
    monkeypatch.setattr(separable, "_TAPS", 16 * 7)
    compare(lambda input, grid: refwarp.separable_sample(input, grid, kernel, "reflection"), case(np.float64), 64)


@pytest.mark.parametrize("mode", ["nearest", "bicubic"])
@pytest.mark.parametrize(
    "shapes", [((0, 2, 4, 4), (0, 2, 2, 2)), ((1, 0, 4, 4), (1, 2, 2, 2)), ((1, 2, 4, 4), (1, 0, 5, 2))]
)
def test_empty_arrays(mode, shapes):
    input, grid = (Tensor(np.zeros(shape), requires_grad=True) for shape in shapes)
    with use_backend("cuda"):
        out = refwarp.grid_sample(input, grid, mode=mode)
        ginput, ggrid = grad(out, (input, grid), np.ones(out.shape))
    assert out.shape == (*shapes[0][:2], *shapes[1][1:3]) and not ginput.data.any() and not ggrid.data.any()
