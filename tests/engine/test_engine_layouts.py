"""Every Function of the engine on arrays however they lie in memory, with results from memory full of NaN."""

import numpy as np
import pytest
from every_function import functions_of, record_forwards
from poisoned_memory import poison
from test_engine_functions import SMOOTH, draw

from autograd_core import Tensor, functions, grad
from autograd_core.layers import (
    BatchNorm,
    average_pool2d,
    conv2d,
    max_pool2d,
    mean_squared_error,
    softmax_cross_entropy,
)
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS, lay_out

LABELS = np.array([2, 0])


def batch_norm(x, weight, bias):
    layer = BatchNorm(3, dtype=x.dtype)
    layer.weight, layer.bias = weight, bias
    return layer(x)


LAYERS = {
    "conv2d": (conv2d, [draw(2, 3, 5, 6), draw(4, 3, 2, 3, seed=1), draw(4, seed=2)]),
    "conv2d of few channels": (lambda x, w: conv2d(x, w, stride=(2, 1)), [draw(2, 1, 5, 6), draw(2, 1, 3, 2, seed=1)]),
    "max_pool2d": (lambda x: max_pool2d(x, 2), [draw(2, 3, 4, 6)]),
    "max_pool2d that overlap": (lambda x: max_pool2d(x, (3, 2), 1), [draw(2, 3, 4, 6)]),
    "average_pool2d": (lambda x: average_pool2d(x, (2, 3)), [draw(2, 3, 4, 6)]),
    "average_pool2d that overlap": (lambda x: average_pool2d(x, 2, 1), [draw(2, 3, 4, 6)]),
    "batch norm": (batch_norm, [draw(4, 3, 2, 3), draw(3, seed=1), draw(3, seed=2)]),
    "mean_squared_error": (lambda x: mean_squared_error(x, draw(2, 3, seed=1).astype(x.dtype)), [draw(2, 3)]),
    "softmax_cross_entropy": (lambda x: softmax_cross_entropy(x, LABELS), [draw(2, 3)]),
    "astype": (lambda x: functions.astype(x, np.float32 if x.dtype == np.float64 else np.float64), [draw(2, 3)]),
}
EVERYTHING = {**SMOOTH, **LAYERS}


def results(function, arrays, layout):
    """Return the value, the gradients, and the gradients of the gradients, all of arrays in a memory layout."""

    def cotangent(tensor):
        return lay_out(draw(*tensor.shape, seed=7).astype(tensor.dtype), layout)

    tensors = [Tensor(lay_out(array, layout), requires_grad=True) for array in arrays]
    out = function(*tensors)
    gout = Tensor(cotangent(out), requires_grad=True)
    first = grad(out, tensors, gout, create_graph=True)
    live = [g for g in first if g.requires_grad]
    second = grad(live, [gout, *tensors], [cotangent(g) for g in live]) if live else ()
    return [tensor.data for tensor in (out, *first, *second)]


# Where NumPy computes on views with other instructions, or in another order, a result may be off by so many eps. Its
# powers are within 4 ulp either way, and a second derivative multiplies three of them. Its products with vectors add up
# to 4 terms, and derivatives are products of up to three of them. Systems have condition numbers below 33.
EPS_OFF = {"power": 16, "matmul": 16, "solve": 16 * 33}


def bound(name, right):
    """Return how far a result may be off."""
    return EPS_OFF.get(name.split()[0], 0) * np.finfo(right.dtype).eps * max(1.0, abs(right).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EVERYTHING)
def test_the_layout_of_the_inputs_changes_nothing(name, dtype, monkeypatch):
    function, inputs = EVERYTHING[name]
    arrays = [np.asarray(array, dtype) for array in inputs]
    expected = results(function, arrays, CONTIGUOUS)
    poison(monkeypatch)
    for layout in LAYOUTS:
        for found, right in zip(results(function, arrays, layout), expected, strict=True):
            assert (found.dtype, found.shape) == (right.dtype, right.shape)
            assert (abs(found - right) <= bound(name, right)).all(), layout


def test_every_function_is_among_them(monkeypatch):
    functions = set(functions_of("autograd_core"))
    applied = record_forwards(functions, monkeypatch)
    for function, inputs in EVERYTHING.values():
        results(function, inputs, CONTIGUOUS)
    assert applied == functions
