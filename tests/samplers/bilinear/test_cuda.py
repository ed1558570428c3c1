"""Bilinear sampling on CUDA: against the same equations on the CPU, where chunks and planes make other sums of them.

Both are within the budget, (4 + log2 k) u M, so they differ by at most twice that; tests/golden/test_cuda.py
judges CUDA's by exact values.
"""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad


def all_orders(input, grid, gout, rng_seed, **options):
    """Return the output, both gradients, and the three second derivatives."""
    x, g = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    cotangent = Tensor(gout, requires_grad=True)
    out = refwarp.grid_sample(x, g, **options)
    first = grad(out, (x, g), cotangent, create_graph=True)
    rng = np.random.default_rng(rng_seed)
    weights = [Tensor(rng.standard_normal(t.shape).astype(t.dtype)) for t in first]
    second = grad(first, (cotangent, x, g), weights)
    return [t.data for t in (out, *first, *second)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("kink", ["right", "left", "central", "literal"])
def test_cuda_agrees_with_the_cpu(dtype, padding_mode, kink):
    rng = np.random.default_rng(11)
    for align_corners, height, width in ((False, 4, 5), (True, 1, 3)):
        input = rng.standard_normal((2, 2, height, width)).astype(dtype)
        grid = rng.uniform(-1.5, 1.5, (2, 2, 4, 2)).astype(dtype)
        grid[0, 0] = np.round(4 * grid[0, 0]) / 4  # some on the lattice
        gout = rng.standard_normal((2, 2, 2, 4)).astype(dtype)
        options = {"padding_mode": padding_mode, "kink": kink, "align_corners": align_corners}
        on_cpu = all_orders(input, grid, gout, 3, **options)
        with refwarp.use_backend("cuda"):
            on_cuda = all_orders(input, grid, gout, 3, **options)
        for a, b in zip(on_cpu, on_cuda, strict=True):
            # k <= 64 terms, each below 5^2 s^2, s <= 5: 2 (4 + 6) u 64 * 25 * 25
            np.testing.assert_allclose(a, b, rtol=0, atol=20 * np.finfo(dtype).eps / 2 * 64 * 625)
            assert a.dtype == b.dtype == dtype


def test_samples_that_share_a_cell_are_summed_in_their_order():
    """Large terms cancel, and what their roundings left out is not lost."""
    gout = np.array([1.0, 2.0**60, -(2.0**60), 2.0**-30])[None, None, None]
    grid = np.zeros((1, 1, 4, 2))
    results = []
    for backend in ("cpu", "cuda"):
        with refwarp.use_backend(backend):
            x = Tensor(np.zeros((1, 1, 3, 3)), requires_grad=True)
            results.append(grad(refwarp.grid_sample(x, grid), (x,), Tensor(gout))[0].data)
    np.testing.assert_array_equal(results[0], results[1])
    assert results[0][0, 0, 1, 1] == 1.0 + 2.0**-30


def test_nan_touches_its_own_sample_only():
    input, grid = np.arange(12.0).reshape(1, 1, 3, 4), np.zeros((1, 1, 2, 2))
    grid[0, 0, 0, 0] = np.nan
    with refwarp.use_backend("cuda"):
        x, g = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
        out = refwarp.grid_sample(x, g)
        ginput, ggrid = grad(out, (x, g), Tensor(np.full(out.shape, 2.0)))
    np.testing.assert_array_equal(out.data[0, 0, 0], [np.nan, 5.5])
    np.testing.assert_array_equal(np.isnan(ggrid.data[0, 0]), [[True, True], [False, False]])
    assert ginput.data.sum() == 2.0 and np.isfinite(ginput.data).all()
