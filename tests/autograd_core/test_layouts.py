"""Every Function of the engine on arrays however they lie in memory, with results from memory full of NaN."""

import numpy as np
import pytest

from autograd_core import Tensor, functions, grad
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS, lay_out
from tests.autograd_core.examples import ALL, draw
from tests.every_function import functions_of, record_forwards
from tests.poisoned_memory import poison

EVERYTHING = ALL | {
    "astype another": (lambda x: functions.astype(x, np.float32 if x.dtype == np.float64 else np.float64), [draw(2, 3)])
}


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
# powers are within 4 ulp either way, and a second derivative multiplies three of them. Its products with vectors add
# up to 4 terms, and derivatives are products of up to three of them; a convolution is a product of matrices, with sums
# of up to 12 terms, whose order BLAS chooses by how they lie (of one channel always, of more in older versions).
# Systems have condition numbers below 33.
EPS_OFF = {"power": 16, "matmul": 16, "Dense": 16, "conv2d": 16, "solve": 16 * 33}


def bound(name, right):
    """Return how far each element of a result may be off."""
    eps_off = EPS_OFF.get(name, EPS_OFF.get(name.split()[0], 0))
    # A power is a product, and off in proportion; a sum may be smaller than its terms.
    size = abs(right) if name.startswith("power") else max(1.0, abs(right).max())
    return eps_off * np.finfo(right.dtype).eps * size


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
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
    wanted = functions_of("autograd_core")
    applied = record_forwards(wanted, monkeypatch)
    for function, inputs in EVERYTHING.values():
        results(function, inputs, CONTIGUOUS)
    assert applied == wanted
