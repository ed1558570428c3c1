"""`refwarp.jax`: operations as functions of JAX's arrays, by JAX's own gradient check."""

import numpy as np
import pytest

import refwarp
from tests.peers import smooth_calls
from tests.peers.smooth_calls import smooth_call

pytestmark = pytest.mark.peers
jax = pytest.importorskip("jax")
test_util = pytest.importorskip("jax.test_util")


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def on_arrays(operation):
    """Return the call of an operation: a function of its arrays, the arrays, and what refwarp makes of them."""
    from refwarp import jax as wrapped

    call = smooth_call(operation)

    def function(*given):
        return getattr(wrapped, operation)(**dict(zip(call.arrays, given, strict=True)), **call.others)

    expected = getattr(refwarp, operation)(**call.arrays, **call.others)
    return function, [jax.numpy.asarray(array) for array in call.arrays.values()], expected


@pytest.mark.parametrize("operation", smooth_calls.OPERATIONS)
def test_values_and_derivatives_pass_the_check_of_jax(operation):
    function, arrays, expected = on_arrays(operation)
    assert np.array_equal(function(*arrays), expected)
    checked = len(smooth_call(operation).checked)  # the others are constants here
    # A step of 1e-6 in float64, as in the check of PyTorch.
    test_util.check_grads(
        lambda *some: function(*some, *arrays[checked:]),
        arrays[:checked],
        order=2,
        modes=["rev"],
        eps=1e-6,
        atol=1e-5,
        rtol=1e-5,
    )


def test_compiled_and_mapped_it_is_the_same():
    function, arrays, expected = on_arrays("grid_sample")
    assert np.array_equal(jax.jit(function)(*arrays), expected)
    one_by_one = jax.vmap(lambda input, grid: function(input[None], grid[None])[0])
    assert np.array_equal(one_by_one(*arrays), expected)
    gradients = jax.grad(lambda *given: (function(*given) ** 2).sum(), (0, 1))
    for one, other in zip(gradients(*arrays), jax.jit(gradients)(*arrays), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)  # the square is XLA's


def test_arrays_of_jax_in_arrays_of_jax_out():
    arrays = smooth_call("grid_sample").arrays.values()
    result = refwarp.grid_sample(*map(jax.numpy.asarray, arrays))
    assert isinstance(result, jax.Array) and np.array_equal(result, refwarp.grid_sample(*arrays))


def test_what_is_traced_or_drawn_is_refused_in_a_sentence():
    from refwarp import jax as wrapped

    arrays = [jax.numpy.asarray(array) for array in smooth_call("grid_sample").arrays.values()]
    with pytest.raises(TypeError, match="input: .* call the function of refwarp.jax"):
        jax.jit(refwarp.grid_sample)(*arrays)
    with pytest.raises(TypeError, match="auxiliary: given a Generator"):
        wrapped.linearized_sample(*arrays, np.random.default_rng(1))
    with pytest.raises(AttributeError, match="nothing"):
        _ = wrapped.nothing


def test_libraries_are_not_mixed():
    torch = pytest.importorskip("torch")
    input, grid = smooth_call("grid_sample").arrays.values()
    with pytest.raises(TypeError, match=r"grid: given an array of jax\.numpy while input is of torch"):
        refwarp.grid_sample(torch.tensor(input), jax.numpy.asarray(grid))
