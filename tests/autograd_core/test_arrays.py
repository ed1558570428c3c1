"""The engine on an array library that is not NumPy: a strict stand-in for CuPy (`cupy_stand_in.py`)."""

import sys

import numpy as np
import pytest

from autograd_core import Function, GradientError, Tensor, functions, grad, gradcheck, to_device
from autograd_core.arrays import array_module, device_of, is_array, read_only
from autograd_core.layers import (
    AveragePool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    MaxPool2d,
    ReLU,
    Resize2d,
    Sequential,
    Tanh,
    global_average_pool2d,
    global_max_pool2d,
    mean_squared_error,
    softmax_cross_entropy,
)
from autograd_core.optimizers import SGD, Adam, clip_gradient_norm
from autograd_core.schedules import StepSchedule
from tests.cupy_stand_in import DeviceArray, library


@pytest.fixture
def device(monkeypatch):
    module = library()
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def test_the_stand_in_is_strict(device):
    array = device.asarray(np.ones(3))
    for mix in (
        lambda: array + np.ones(3),
        lambda: np.ones(3) * array,
        lambda: device.maximum(array, np.ones(3)),
        lambda: device.concatenate([array, np.ones(3)]),
        lambda: array.__setitem__(0, np.ones(1)),
    ):
        with pytest.raises(TypeError, match="Unsupported type"):
            mix()
    assert type(np.concatenate([array, array])) is DeviceArray
    for mix in (lambda: np.concatenate([array, np.ones(3)]), lambda: np.geomspace(array, array)):
        with pytest.raises(TypeError, match="Unsupported type|no implementation found for 'numpy.geomspace'"):
            mix()
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(array)
    for missing in (lambda: device.errstate, lambda: device.nditer, lambda: array.flags.writeable):
        with pytest.raises(AttributeError, match="has no attribute"):
            missing()
    with pytest.raises(ValueError, match="a must have"):
        device.linalg.solve(device.eye(2), device.ones((3, 2, 1)))
    assert type(array + 1) is type(2.0 - array) is type(array.sum()) is type(array[0]) is DeviceArray


def test_arrays_are_recognised_by_their_library(device):
    array = device.asarray(np.ones(3))
    assert array_module(np.ones(3), array) is device and array_module(np.ones(3)) is np
    assert is_array(array) and is_array(np.ones(3)) and not is_array([1.0])
    assert Tensor(array).data is array
    assert type(Tensor(array).numpy()) is np.ndarray
    assert device_of(array) == "cuda" and device_of(np.ones(3)) == "cpu"


def test_arrays_are_moved(device):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    there = to_device(array, "cuda")
    assert type(there) is DeviceArray and to_device(there, "cuda") is there and to_device(array, "cpu") is array
    np.testing.assert_array_equal(to_device(there, "cpu"), array, strict=True)
    with pytest.raises(ValueError, match="device: given 'gpu', expected 'cpu' or 'cuda'"):
        to_device(array, "gpu")


def test_without_cupy_there_is_no_cuda(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    layer = Dense(2, 2, rng=np.random.default_rng(0))
    with pytest.raises(ImportError, match="'cuda', which needs CuPy"):
        layer.to("cuda")
    assert array_module(layer.weight.data) is np


def test_tensors_of_two_libraries_do_not_meet(device):
    here, there = Tensor(np.ones(2)), Tensor(device.ones(2))
    condition = here.data > 0
    for call in (lambda: here + there, lambda: there * np.ones(2), lambda: functions.where(condition, there, there)):
        with pytest.raises(TypeError, match="given arrays of NumPy and of CuPy"):
            call()


def test_read_only_views_refuse_to_be_written_and_leave_the_array_as_it_is():
    array = np.ones(3)
    with pytest.raises(ValueError, match="read-only"):
        read_only(array)[0] = 2.0
    array[0] = 3.0
    assert read_only(array)[0] == 3.0


X = np.random.default_rng(0).uniform(0.25, 2.0, (3, 3))
INDEX = np.array([0, 2, 0])

FUNCTIONS = {
    "elementwise": lambda x, y: functions.where(x.data > 1, x / y, functions.maximum(x - 1, 2 * y)) ** 2,
    "unary": lambda x, y: functions.tanh(functions.sigmoid(x)) * functions.log(functions.sqrt(functions.exp(y))),
    "kinks": lambda x, y: functions.clip(functions.relu(x - 1) + abs(y), 0.5, 1.5),
    "reductions": lambda x, y: functions.logsumexp(x, 1) * y.mean(0) + x.sum(),
    "shaping": lambda x, y: functions.concatenate([x.transpose(), functions.pad(y, ((0, 0), (1, 1)))], 1)[1:, ::2],
    "stacking": lambda x, y: functions.stack([x.reshape(9)[2:4], functions.flatten(y[None])[0, 3:5]]),
    "indexing": lambda x, y: x[array_module(x.data).asarray(INDEX)] * y[INDEX, :] + x[[1, 1, 0]],
    "masking": lambda x, y: x[x.data > 1] * y[::-1][x.data > 1],
    "algebra": lambda x, y: functions.solve(x + 3 * array_module(x.data).eye(3), x @ y @ y[0]),
    "stacked systems": lambda x, y: functions.solve(x + 3 * array_module(x.data).eye(3), y[:, :, None]),
    "precision": lambda x, y: functions.astype(functions.sin(x), "f4") * functions.astype(functions.cos(y), "f4"),
    "pooling": lambda x, y: (
        global_max_pool2d((x * y)[None, None]) * global_average_pool2d(functions.leaky_relu(x - y)[None, None])
    ),
    "loss of pixels": lambda x, y: softmax_cross_entropy((x * y)[None], INDEX[None], 2, np.array([0.5, 1.0, 2.0])),
    "losses": lambda x, y: softmax_cross_entropy(x * y, INDEX) + mean_squared_error(x, y),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_stay_on_the_device_and_give_the_same_bits(device, name):
    results = []
    for convert in (np.asarray, device.asarray):
        x, y = (Tensor(convert(a), requires_grad=True) for a in (X, X.T + 0.5))
        out = FUNCTIONS[name](x, y) ** 2  # so that there are second derivatives
        w = convert(np.random.default_rng(1).normal(size=out.shape).astype(out.dtype))
        first = grad(out, [x, y], w, create_graph=True)
        second = grad(first[0].sum() + first[1].sum(), [x, y])
        results.append([tensor.data for tensor in (out, *first, *second)])
    assert all(type(array) is DeviceArray for array in results[1])
    assert [array.tobytes() for array in results[0]] == [array.tobytes() for array in results[1]]


def small_network(rng):
    return Sequential(
        Conv2d(1, 2, 3, stride=(2, 1), padding=1, rng=rng),
        BatchNorm(2),
        ReLU(),
        MaxPool2d((2, 4)),
        Conv2d(2, 5, 2, rng=rng),
        Tanh(),
        ConvTranspose2d(5, 2, 2, (2, 1), (1, 0), (1, 0), rng=rng),
        AveragePool2d(2, 1),
        Resize2d((4, 3)),
        Flatten(),
        Dropout(0.25, rng),
        Dense(24, 3, rng=rng),
    )


def train(network, optimizer, device, rng, steps):
    """Return the losses and the norms of some steps with clipped gradients, on pictures that are drawn on the host."""
    losses = []
    for _ in range(steps):
        x = Tensor(to_device(rng.normal(size=(4, 1, 16, 16)).astype(np.float32), device))
        optimizer.zero_grad()
        loss = softmax_cross_entropy(network(x), np.array([0, 1, 2, 0]))
        loss.backward()
        losses += [loss.item(), clip_gradient_norm(network.parameters(), 0.5)]
        optimizer.step()
    return losses


MAKERS = {
    "SGD": lambda parameters: SGD(parameters, 0.1, 0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda parameters: Adam(parameters, 0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("name", MAKERS)
def test_training_stays_on_the_device_and_gives_the_same_bits(device, name):
    losses, states = [], []
    for place, kind in (("cpu", np.ndarray), ("cuda", DeviceArray)):
        rng = np.random.default_rng(0)
        network = small_network(rng).to(place)
        optimizer = MAKERS[name](network.parameters())
        schedule = StepSchedule(optimizer, 2, 0.5)
        losses.append([])
        for _ in range(3):
            losses[-1] += train(network, optimizer, place, rng, 1)
            schedule.step()
        parameters = network.parameters()
        memory = [array for entries in optimizer.memory for key, array in entries.items() if key != "steps"]
        gradients = [parameter.grad.data for parameter in parameters]
        arrays = [*(p.data for p in parameters), *gradients, *memory, *network.layers[1].buffers.values()]
        assert {type(array) for array in arrays} == {kind}
        states.append(network.state_dict() | optimizer.state_dict())
        network.eval()
        x = to_device(np.ones((1, 1, 16, 16), np.float32), place)
        states[-1]["scores"] = network(Tensor(x)).numpy()
    assert losses[0] == losses[1]
    assert {type(array) for array in states[1].values()} == {np.ndarray}
    assert {n: a.tobytes() for n, a in states[0].items()} == {n: a.tobytes() for n, a in states[1].items()}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("places", [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_a_checkpoint_goes_on_from_one_device_on_another_with_the_same_bits(device, tmp_path, name, places):
    rng = np.random.default_rng(0)
    network = small_network(rng).to(places[0])
    optimizer = MAKERS[name](network.parameters())
    train(network, optimizer, places[0], rng, 2)
    np.savez(tmp_path / "network.npz", **network.state_dict())
    np.savez(tmp_path / "optimizer.npz", **optimizer.state_dict())
    state = rng.bit_generator.state
    expected = train(network, optimizer, places[0], rng, 2)

    generator = np.random.default_rng(1)
    again = small_network(generator).to(places[1])
    resumed = MAKERS[name](again.parameters())
    with np.load(tmp_path / "network.npz") as saved:
        again.load_state_dict(dict(saved))
    with np.load(tmp_path / "optimizer.npz") as saved:
        resumed.load_state_dict(dict(saved))
    generator.bit_generator.state = state
    assert train(again, resumed, places[1], generator, 2) == expected
    assert {type(p.data) for p in again.parameters()} == {DeviceArray if places[1] == "cuda" else np.ndarray}


def test_a_module_moves_there_and_back(device):
    network = small_network(np.random.default_rng(0))
    parameters = network.parameters()
    train(network, SGD(parameters, 0.0), "cpu", np.random.default_rng(0), 1)
    gradients = [parameter.grad.numpy() for parameter in parameters]
    before = network.state_dict()
    assert network.to("cuda") is network
    assert {type(array) for p in parameters for array in (p.data, p.grad.data)} == {DeviceArray}
    assert {type(array) for array in network.layers[1].buffers.values()} == {DeviceArray}
    network.to("cpu")
    assert [id(parameter) for parameter in network.parameters()] == [id(parameter) for parameter in parameters]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad.data, gradient, strict=True)
    for key, array in network.state_dict().items():
        np.testing.assert_array_equal(array, before[key], strict=True)
    with pytest.raises(ValueError, match="device: given 'mps'"):
        network.to("mps")


def test_an_optimizer_does_not_follow_its_module(device):
    layer = Dense(2, 2, rng=np.random.default_rng(0))
    optimizer = Adam(layer.parameters())
    layer.to("cuda")
    with pytest.raises(RuntimeError, match=r"parameters\[0\]: it lies on cuda, .* on cpu; move a module before"):
        optimizer.step()


class Doubled(Function):
    """x^2 with twice its gradient."""

    @staticmethod
    def forward(ctx, x):
        return x * x

    @staticmethod
    def backward(ctx, gout):
        return 4 * ctx.inputs[0] * gout


def test_gradcheck_differentiates_on_the_device(device):
    kinds = set()

    def layer(x, labels):
        kinds.add(type(x.data))
        return softmax_cross_entropy(functions.tanh(x) * 3, labels.data)

    x, labels = device.asarray(np.random.default_rng(0).normal(size=(3, 4))), np.array([0, 3, 1])
    gradcheck(layer, [x, labels], rng=np.random.default_rng(1), order=2)
    assert kinds == {DeviceArray}
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(Doubled.apply, [x], rng=np.random.default_rng(1))
