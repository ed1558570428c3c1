"""Writing into an array that a record rests on raises; it never makes a gradient silently wrong."""

import numpy as np
import pytest

from autograd_core import Function, Tensor, functions, grad
from autograd_core.layers import Dense
from autograd_core.optimizers import SGD, Adam


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


def refuses_to_be_written(tensor):
    before = tensor.data.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        tensor.data += 1
    with pytest.raises(ValueError, match="read-only"):
        tensor.data[...] = 0
    return tensor.data.tobytes() == before


def test_a_leaf_is_read_only():
    x = leaf(2.0)
    held = x.data  # before the record
    y = x * x
    with pytest.raises(ValueError, match="read-only"):
        held += 1
    assert refuses_to_be_written(x)
    y.backward()
    assert x.grad.item() == 4.0


@pytest.mark.parametrize("function", [functions.exp, functions.sum, lambda x: x.reshape(1, 2), lambda x: x * x])
def test_a_recorded_result_is_read_only(function):
    assert refuses_to_be_written(function(leaf(2.0, 3.0)))


def test_a_result_that_its_backward_reads_is_read_only():
    x = leaf(2.0)
    z = functions.exp(x)
    assert refuses_to_be_written(z)
    z.backward()
    assert x.grad.item() == z.item()


def test_every_result_of_a_function_is_read_only():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x, 3 * x

    assert all(map(refuses_to_be_written, Both.call(leaf(1.0))))


def test_constants_are_read_only_from_their_first_record_on():
    constant, x = Tensor(np.array([3.0])), leaf(2.0)
    constant.data += 1  # nothing rests on it yet
    constant * constant
    constant.data += 1
    y = x * constant
    assert refuses_to_be_written(constant)
    y.backward()
    assert x.grad.item() == 5.0


def test_without_a_record_results_are_the_callers():
    out = functions.exp(np.zeros(2))
    out.data += 1
    np.testing.assert_array_equal(out.data, [2.0, 2.0])


def test_the_callers_array_is_neither_copied_nor_locked():
    array = np.ones(2)
    x = Tensor(array, requires_grad=True)
    x * x
    assert np.shares_memory(x.data, array) and array.flags.writeable


def test_gradients_that_share_an_array_are_read_only():
    x, y, w = leaf(1.0), leaf(2.0), np.array([3.0])
    gx, gy = grad(x + y, [x, y], w)
    assert refuses_to_be_written(gx) and refuses_to_be_written(gy)
    assert gx.item() == gy.item() == w.item() == 3.0
    (x + y).backward(w)
    assert refuses_to_be_written(x.grad)


def test_new_data_may_be_put_in_place_and_older_records_notice():
    x = leaf(2.0)
    y = x * x
    x.data = np.array([5.0])
    with pytest.raises(RuntimeError, match="data was replaced since the forward"):
        y.backward()
    assert grad(x * x, x)[0].item() == 10.0


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, 0.9), Adam])
def test_training_needs_no_writing(make):
    layer = Dense(3, 2, rng=np.random.default_rng(0))
    optimizer = make(layer.parameters())
    for _ in range(3):
        before = layer.weight.data
        layer(np.ones((4, 3), np.float32)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        assert not np.array_equal(layer.weight.data, before)
        layer.load_state_dict(layer.state_dict())
