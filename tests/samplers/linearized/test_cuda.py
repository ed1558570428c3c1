"""Linearised and multi-scale sampling on CUDA: what the CPU computes, for small arrays by the slow path."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad

EPS = np.finfo(np.float64).eps


def everything(sample, input, grid, gout, cotangents):
    """Return value, gradients and second gradients."""
    tensors = [Tensor(array, requires_grad=True) for array in (gout, input, grid)]
    out = sample(*tensors[1:])
    first = grad(out, tensors[1:], tensors[0], create_graph=True)
    second = grad(first, tensors, tuple(map(Tensor, cotangents)))
    return [tensor.data for tensor in (out, *first, *second)]


def on_both(sample, *arguments):
    """Return what the CPU and what CUDA makes of it."""
    there = []
    for backend in ("cpu", "cuda"):
        with refwarp.use_backend(backend):
            there.append(everything(sample, *arguments))
    return there


def setting(dtype, seed, outputs=(1, 2, 3)):
    """Return a map with two channels, a grid that leaves it here and there, and cotangents."""
    rng = np.random.default_rng(seed)
    batch, rows, columns = outputs
    input, grid = rng.standard_normal((batch, 2, 4, 5)), rng.uniform(-1.1, 1.1, (*outputs, 2))
    gout = rng.standard_normal((batch, 2, rows, columns))
    cotangents = rng.standard_normal(input.shape), rng.standard_normal(grid.shape)
    auxiliary = grid[..., None, :] + 0.4 * rng.standard_normal((*outputs, 5, 2))
    input, grid, gout, auxiliary, *cotangents = (
        array.astype(dtype) for array in (input, grid, gout, auxiliary, *cotangents)
    )
    return input, grid, gout, cotangents, auxiliary


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [{"input_gradient": "center"}, {"input_gradient": "fit"}, {"input_gradient": "fit", "intercept": "bias-free"}],
)
def test_linearized_sampling_is_that_of_the_cpu(dtype, options):
    *arguments, auxiliary = setting(dtype, 0)

    def sample(input, grid):
        return refwarp.linearized_sample(input, grid, auxiliary, tikhonov=0.25, **options)

    for here, there in zip(*on_both(sample, *arguments), strict=True):
        assert here.dtype == there.dtype == dtype and type(there) is np.ndarray
        # Float64 with (4 + log2 k) u M on either side, M below 60 with this much regularisation; then one rounding.
        assert np.allclose(here, there, rtol=np.finfo(dtype).eps, atol=10 * EPS * 60)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_masks_and_points_that_are_not_finite(padding_mode):
    input, grid, gout, _, auxiliary = setting(np.float64, 1)
    grid[0, 0, 0, 0], grid[0, 1, 1, 1], auxiliary[0, 0, 2, 3, 0] = np.nan, np.inf, np.nan
    mask = np.random.default_rng(2).random(auxiliary.shape[:-1]) < 0.8
    there = []
    for backend in ("cpu", "cuda"):
        with refwarp.use_backend(backend):
            for rule in ("position", "offset", "none", mask):
                point = Tensor(grid, requires_grad=True)
                options = {"mask": rule, "tikhonov": 0.25, "padding_mode": padding_mode}
                out = refwarp.linearized_sample(input, point, auxiliary, **options)
                there.append([out.data, grad(out, point, Tensor(gout))[0].data])
    for here, other in zip(there[:4], there[4:], strict=True):
        for one, two in zip(here, other, strict=True):
            assert np.isnan(one).any()
            assert np.allclose(one, two, rtol=0, atol=10 * EPS * 60, equal_nan=True)  # as above


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_multiscale_sampling_is_that_of_the_cpu(dtype):
    *arguments, _ = setting(dtype, 3, outputs=(1, 2, 2))

    def sample(input, grid):
        return refwarp.multiscale_sample(input, grid, (0.5, 2.0))

    for here, there in zip(*on_both(sample, *arguments), strict=True):
        # (22 + log2 k) u M on either side, M below 40.
        assert here.dtype == there.dtype == dtype
        assert np.allclose(here, there, rtol=0, atol=2 * 26 * float(np.finfo(dtype).eps) / 2 * 40)
