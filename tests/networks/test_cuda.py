"""A network whose warps run on CUDA: the same step as on the CPU; with CuPy's arrays it never leaves the GPU."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, to_device
from autograd_core.arrays import is_on_device
from autograd_core.layers import Flatten, Sequential, softmax_cross_entropy
from refwarp.backend.cuda import SIMULATED
from refwarp.networks import SpatialTransformer, regression
from refwarp.tour.distorted_digits import Budget, train_on_distorted_digits, untrained
from refwarp.training import check_device, predict

on_a_gpu = pytest.mark.skipif(SIMULATED, reason="there is no GPU: CUDA's simulator cannot take CuPy's arrays")


def tiny(dtype):
    """Return a spatial transformer that turns a little, and two pictures."""
    rng = np.random.default_rng(3)
    last = regression(12, rng=rng, dtype=dtype)
    last.weight.data = (0.1 * rng.standard_normal((6, 12))).astype(dtype)
    network = Sequential(SpatialTransformer(Sequential(Flatten(), last), size=(3, 2)), Flatten())
    return network, rng.standard_normal((2, 1, 3, 4)).astype(dtype)


def step(network, images):
    """Return the loss and all gradients."""
    loss = softmax_cross_entropy(network(Tensor(images)), np.array([1, 4]))
    loss.backward()
    return [loss.numpy(), *(parameter.grad.numpy() for parameter in network.parameters())]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_on_cuda_is_that_of_the_cpu(dtype):
    """Forward, and backward through both, on the backend; sums of a few products, rounded in another order."""
    network, images = tiny(dtype)
    expected = step(network, images)
    for parameter in network.parameters():
        parameter.grad = None
    with refwarp.use_backend("cuda"):
        found = step(network, images)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is np.ndarray and one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=64 * np.finfo(dtype).eps * np.abs(other).max())


def test_there_is_no_third_device():
    with pytest.raises(ValueError, match="device: given 'gpu', expected 'cpu' or 'cuda'"):
        check_device("gpu")


def test_without_cupy_cuda_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"device: given 'cuda', which needs CuPy; install refwarp\[cuda12\]"):
        train_on_distorted_digits(device="cuda")


def test_without_a_driver_cuda_is_refused(monkeypatch):
    def fails(array):
        raise RuntimeError("cudaErrorInsufficientDriver")

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(asarray=fails, ndarray=type("ndarray", (), {})))
    with pytest.raises(ValueError, match=r"given 'cuda', but CuPy finds no GPU \(cudaErrorInsuff.*install a driver"):
        check_device("cuda")


@pytest.mark.skipif(not SIMULATED, reason="there is a GPU")
def test_the_simulator_is_refused(monkeypatch):
    cupy = SimpleNamespace(asarray=lambda array: array, ndarray=type("ndarray", (), {}))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(ValueError, match="cannot take CuPy's arrays; unset NUMBA_ENABLE_CUDASIM"):
        check_device("cuda")


@on_a_gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_with_cupy_s_arrays_is_that_of_the_cpu(dtype):
    pytest.importorskip("cupy")
    network, images = tiny(dtype)
    expected = step(network, images)
    for parameter in network.parameters():
        parameter.grad = None
    found = step(network.to("cuda"), to_device(images, "cuda"))
    for parameter in network.parameters():
        assert is_on_device(parameter.data) and is_on_device(parameter.grad.data)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=64 * np.finfo(dtype).eps * np.abs(other).max())


@on_a_gpu
def test_both_networks_classify_on_the_gpu_as_on_the_cpu():
    pytest.importorskip("cupy")
    images = np.random.default_rng(5).random((7, 1, 40, 40), np.float32)
    for model in ("CNN", "ST-CNN"):
        network = untrained(model, 2)
        expected = predict(network, images)
        np.testing.assert_array_equal(predict(network.to("cuda"), images), expected)


@on_a_gpu
def test_training_on_the_gpu_learns_and_goes_on_from_a_checkpoint(tmp_path):
    pytest.importorskip("cupy")
    budget = Budget(epochs=3)
    whole = train_on_distorted_digits("ST-CNN", "R", 1, budget=budget, device="cuda")
    assert all(is_on_device(parameter.data) for parameter in whole.model.parameters())
    assert whole.history.loss[-1] < whole.history.loss[0]
    path = tmp_path / "run.h5"
    train_on_distorted_digits("ST-CNN", "R", 1, budget=budget, checkpoint=path, device="cuda")
    again = train_on_distorted_digits("ST-CNN", "R", 1, budget=budget, checkpoint=path, resume=True, device="cuda")
    assert again.test_error <= whole.test_error + 0.05  # BLAS on a GPU promises no bits
