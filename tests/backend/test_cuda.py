"""Choosing the backend, and what a kernel's arrays go through there."""

import os
import subprocess
import sys

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.backend import launch
from refwarp.backend.jit import items, kernel, part
from refwarp.backend.launch import run


@kernel
def _double(start, stop, given, out):
    for i in items(start, stop):
        out[i] = _twice(given, i)


@part
def _twice(given, i):
    return 2.0 * given[i]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
def test_every_item_is_computed_once(count):
    """With fewer, as many, and more items than threads."""
    given, out = np.arange(count, dtype=np.float64), np.full(count, -1.0)
    given.flags.writeable = False
    with refwarp.use_backend("cuda"):
        run(_double, count, count, given, out)
    np.testing.assert_array_equal(out, 2.0 * np.arange(count))


def test_the_backend_returns_to_the_former_at_the_end_of_a_block():
    assert not launch.runs_on_cuda()
    with refwarp.use_backend("cuda"):
        assert launch.runs_on_cuda()
        with refwarp.use_backend("cpu"):
            assert not launch.runs_on_cuda()
        assert launch.runs_on_cuda()
    assert not launch.runs_on_cuda()


def test_without_a_block_the_backend_stays():
    refwarp.use_backend("cuda")
    assert launch.runs_on_cuda()
    refwarp.use_backend("cpu")
    assert not launch.runs_on_cuda()


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend: given 'gpu', expected 'cpu' or 'cuda'"):
        refwarp.use_backend("gpu")


@pytest.mark.skipif(os.environ.get("NUMBA_ENABLE_CUDASIM") != "1", reason="there is a GPU")
def test_without_gpu_and_simulator_the_backend_is_refused():
    code = "import refwarp; refwarp.use_backend('cuda')"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "RuntimeError: backend: given 'cuda', but Numba finds no CUDA device; install" in done.stderr


def test_numpy_in_gives_numpy_out_and_leaves_the_inputs_alone():
    rng = np.random.default_rng(5)
    theta, gout = rng.standard_normal((2, 2, 3)).astype(np.float32), rng.standard_normal((2, 3, 4, 2), np.float32)
    kept = theta.copy()
    with refwarp.use_backend("cuda"):
        parameter = Tensor(theta, requires_grad=True)
        grid = refwarp.affine_grid(parameter, (2, 1, 3, 4))
        (gtheta,) = grad(grid, (parameter,), Tensor(gout))
        plain = refwarp.affine_grid(theta, (2, 1, 3, 4))
    assert type(plain) is type(grid.data) is type(gtheta.data) is np.ndarray
    assert plain.dtype == gtheta.dtype == np.float32
    np.testing.assert_array_equal(theta, kept)
    # On a GPU sums of products are fused, so that the last bit may differ: 4 u M, M <= 3 max|theta|.
    np.testing.assert_allclose(plain, refwarp.affine_grid(theta, (2, 1, 3, 4)), rtol=0, atol=12 * 2.0**-24 * 3.0)
