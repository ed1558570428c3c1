"""The engine on an array library that is not NumPy: a strict stand-in for CuPy.

Its arrays refuse what CuPy's refuse: to meet a NumPy array in an operation, and to be turned into one by anything
but `get()`. (That CuPy itself has every function used here, only a machine with a GPU can tell.)
"""

import sys
import types

import numpy as np
import pytest

from autograd_core import Tensor, functions, grad
from autograd_core.arrays import array_module, is_array, read_only
from autograd_core.layers import (
    AveragePool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    softmax_cross_entropy,
)
from autograd_core.optimizers import SGD, Adam


class DeviceArray(np.ndarray):
    """An ndarray that behaves as if its memory were elsewhere."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if any(type(value) is np.ndarray for value in inputs):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        out = options.pop("out", None)
        result = getattr(ufunc, method)(*map(to_host, inputs), **{k: to_host(v) for k, v in options.items()})
        if out is None:
            return to_device(result)
        out[0].view(np.ndarray)[...] = result
        return out[0]

    def __array_function__(self, function, kinds, arguments, options):
        raise TypeError(f"numpy.{function.__name__} was given a device array")

    def get(self):
        return self.view(np.ndarray).copy()


def to_host(value):
    if isinstance(value, list | tuple):
        return type(value)(map(to_host, value))
    return value.view(np.ndarray) if isinstance(value, DeviceArray) else value


def to_device(value):
    if isinstance(value, tuple):
        return tuple(map(to_device, value))
    return np.asarray(value).view(DeviceArray) if isinstance(value, np.ndarray | np.generic) else value


class DeviceFunction:
    """A function of the library; its attributes (`add.at`) and members (`linalg.solve`) are functions too."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments, **options):
        out = options.pop("out", None)
        result = to_device(
            self.function(*map(to_host, arguments), **{name: to_host(value) for name, value in options.items()})
        )
        if out is None:
            return result
        out[...] = result
        return out

    def __getattr__(self, name):
        return DeviceFunction(getattr(self.function, name))


@pytest.fixture
def device(monkeypatch):
    library = types.ModuleType("cupy")
    library.ndarray = DeviceArray
    library.__getattr__ = lambda name: DeviceFunction(getattr(np, name))
    monkeypatch.setitem(sys.modules, "cupy", library)
    return library


def test_the_stand_in_is_strict(device):
    array = device.asarray(np.ones(3))
    with pytest.raises(TypeError, match="Unsupported type"):
        array + np.ones(3)
    with pytest.raises(TypeError, match="numpy.concatenate was given a device array"):
        np.concatenate([array, array])
    assert type(array + 1) is type(array.sum()) is DeviceArray


def test_arrays_are_recognised_by_their_library(device):
    array = device.asarray(np.ones(3))
    assert array_module(np.ones(3), array) is device and array_module(np.ones(3)) is np
    assert is_array(array) and is_array(np.ones(3)) and not is_array([1.0])
    assert Tensor(array).data is array
    assert type(Tensor(array).numpy()) is np.ndarray


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
    "indexing": lambda x, y: x[array_module(x.data).asarray(INDEX)] * y,
    "algebra": lambda x, y: functions.solve(x + 3 * array_module(x.data).eye(3), x @ y @ y[0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_stay_on_the_device_and_give_the_same_bits(device, name):
    results = []
    for convert in (np.asarray, device.asarray):
        x, y = (Tensor(convert(a), requires_grad=True) for a in (X, X.T + 0.5))
        out = FUNCTIONS[name](x, y) ** 2  # so that there are second derivatives
        w = convert(np.random.default_rng(1).normal(size=out.shape))
        first = grad(out, [x, y], w, create_graph=True)
        second = grad(first[0].sum() + first[1].sum(), [x, y])
        results.append([tensor.data for tensor in (out, *first, *second)])
    assert all(type(array) is DeviceArray for array in results[1])
    assert [array.tobytes() for array in results[0]] == [array.tobytes() for array in results[1]]


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, 0.9, weight_decay=0.1), lambda p: Adam(p, 0.1)])
def test_training_stays_on_the_device_and_gives_the_same_bits(device, make):
    states = []
    for convert in (np.array, lambda a: device.asarray(a.copy())):
        rng = np.random.default_rng(0)
        network = Sequential(
            Conv2d(1, 2, 3, stride=2, padding=1, rng=rng),
            BatchNorm(2),
            ReLU(),
            MaxPool2d(2),
            Conv2d(2, 2, 2, rng=rng),
            AveragePool2d(2, 1),
            Flatten(),
            Dropout(0.25, rng),
            Dense(8, 3, rng=rng),
        )
        for parameter in network.parameters():
            parameter.data = convert(parameter.data)
        for _, module in network.named_modules():
            module.buffers = {name: convert(array) for name, array in module.buffers.items()}
        optimizer = make(network.parameters())
        for _ in range(3):
            x = Tensor(convert(rng.normal(size=(4, 1, 16, 16)).astype(np.float32)))
            optimizer.zero_grad()
            softmax_cross_entropy(network(x), np.array([0, 1, 2, 0])).backward()
            optimizer.step()
        network.load_state_dict(network.state_dict())
        optimizer.load_state_dict(optimizer.state_dict())
        arrays = [*(p.data for p in network.parameters()), *network.layers[1].buffers.values()]
        states.append((arrays, network.state_dict() | optimizer.state_dict()))
    assert all(type(array) is DeviceArray for array in states[1][0])
    assert all(type(array) is np.ndarray for array in states[1][1].values())
    assert {n: a.tobytes() for n, a in states[0][1].items()} == {n: a.tobytes() for n, a in states[1][1].items()}
