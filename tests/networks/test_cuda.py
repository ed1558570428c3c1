"""A network whose warps run on CUDA: the same step as on the CPU; with CuPy's arrays it never leaves the GPU."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, to_device
from autograd_core.arrays import is_on_device
from autograd_core.layers import Dense, Flatten, Sequential, softmax_cross_entropy
from refwarp.backend.cuda import SIMULATED
from refwarp.networks import (
    Attention,
    GlimpseTransformer,
    GRUCell,
    LinearizedSampler,
    RecurrentLocalisation,
    SpatialTransformer,
    regression,
)
from refwarp.tour.distorted_digits import Budget, train_on_distorted_digits, untrained
from refwarp.training import Checkpoint, check_device, predict
from tests.networks.kinds import TRANSFORMATIONS, small_transformer

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


def recurrent():
    """Return a transformer of two glimpses of attention, with linearized sampling."""
    rng, dtype = np.random.default_rng(4), np.float32
    last = regression(2, Attention(), rng=rng)
    last.weight.data = (0.1 * rng.standard_normal((3, 2))).astype(dtype)
    context = Sequential(Flatten(), Dense(9, 3, rng=rng))
    look = RecurrentLocalisation(context, GRUCell(3, 2, rng=rng), last, steps=2)
    return GlimpseTransformer(look, Attention(), LinearizedSampler(np.random.default_rng(6)), size=(2, 2))


def network_of(name):
    """Return a network with a transformer of a kind, and two pictures."""
    transformer = recurrent() if name == "recurrent" else small_transformer(name, dtype=np.float32)
    images = np.random.default_rng(5).standard_normal((2, 1, 3, 3)).astype(np.float32)
    return Sequential(transformer, Flatten()), images


KINDS = pytest.mark.parametrize("name", [*TRANSFORMATIONS, "recurrent"])


def compare_steps(on_cuda, make):
    """Hold the gradients of a step on CUDA against the CPU's: sums of a few products, rounded in another order."""
    expected, found = step(*make()), on_cuda(*make())
    for one, other in zip(found, expected, strict=True):
        assert type(one) is np.ndarray and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=64 * np.finfo(one.dtype).eps * np.abs(other).max())


def step_on_the_backend(network, images):
    with refwarp.use_backend("cuda"):
        return step(network, images)


def step_with_cupy(network, images):
    found = step(network.to("cuda"), to_device(images, "cuda"))
    for parameter in network.parameters():
        assert is_on_device(parameter.data) and is_on_device(parameter.grad.data)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_on_cuda_is_that_of_the_cpu(dtype):
    compare_steps(step_on_the_backend, lambda: tiny(dtype))


@KINDS
def test_a_step_of_every_transformation_on_cuda_is_that_of_the_cpu(name):
    compare_steps(step_on_the_backend, lambda: network_of(name))


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
    compare_steps(step_with_cupy, lambda: tiny(dtype))


@on_a_gpu
@KINDS
def test_a_step_of_every_transformation_with_cupy_s_arrays_is_that_of_the_cpu(name):
    pytest.importorskip("cupy")
    compare_steps(step_with_cupy, lambda: network_of(name))


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
    train_on_distorted_digits("ST-CNN", "R", 1, budget=budget, checkpoint=Checkpoint(path), device="cuda")
    kept = Checkpoint(path, resume=True)
    again = train_on_distorted_digits("ST-CNN", "R", 1, budget=budget, checkpoint=kept, device="cuda")
    assert again.test_error <= whole.test_error + 0.05  # BLAS on a GPU promises no bits
