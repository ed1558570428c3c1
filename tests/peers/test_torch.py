"""`refwarp.torch`: every operation as a function of PyTorch's tensors, by PyTorch's own gradient checks."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.golden.operations import OPERATIONS
from tests.peers import smooth_calls
from tests.peers.smooth_calls import smooth_call

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")


def given(arrays):
    return {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}


def test_every_differentiable_operation_is_checked():
    assert set(smooth_calls.OPERATIONS) == {name for name, calls in OPERATIONS.items() if len(calls) > 1}


@pytest.mark.parametrize("operation", smooth_calls.OPERATIONS)
def test_derivatives_pass_the_checks_of_pytorch(operation):
    from refwarp import torch as wrapped

    call = smooth_call(operation)
    tensors = {name: torch.tensor(array, requires_grad=name in call.checked) for name, array in call.arrays.items()}

    def positional(*tensors):
        return getattr(wrapped, operation)(**dict(zip(call.arrays, tensors, strict=True)), **call.others)

    # Steps of 1e-6 in float64: differences are good to some 1e-9 of numbers around 1. PyTorch would allow 1e-3.
    tolerances = {"rtol": 1e-5, "atol": 1e-6}
    assert torch.autograd.gradcheck(positional, tuple(tensors.values()), **tolerances)
    assert torch.autograd.gradgradcheck(positional, tuple(tensors.values()), **tolerances)


@pytest.mark.parametrize("operation", smooth_calls.OPERATIONS)
def test_values_and_derivatives_have_the_bits_of_refwarp(operation):
    from refwarp import torch as wrapped

    call, rng = smooth_call(operation), np.random.default_rng(1)
    leaves = {name: Tensor(array, requires_grad=True) for name, array in call.arrays.items()}
    expected = getattr(refwarp, operation)(**leaves, **call.others)
    gout = rng.standard_normal(expected.shape)
    first = grad(expected, list(leaves.values()), gout, create_graph=True)
    tensors = given(call.arrays)
    found = getattr(wrapped, operation)(**tensors, **call.others)
    theirs = torch.autograd.grad(found, list(tensors.values()), torch.tensor(gout), create_graph=True)
    for result, other in zip((found, *theirs), (expected, *first), strict=True):
        assert np.array_equal(result.detach().numpy(), other.data)
    if any(gradient.requires_grad for gradient in first):
        second = grad(sum((g * g).sum() for g in first), list(leaves.values()))
        theirs = torch.autograd.grad(
            sum((g * g).sum() for g in theirs), list(tensors.values()), materialize_grads=True, allow_unused=True
        )
        for result, other in zip(theirs, second, strict=True):
            np.testing.assert_allclose(result.numpy(), other.data, rtol=1e-12, atol=1e-12)  # sums in another order


def test_the_gradient_of_one_input_alone_is_the_same():
    from refwarp import torch as wrapped

    arrays = smooth_call("grid_sample").arrays
    both = given(arrays)
    expected = torch.autograd.grad(wrapped.grid_sample(**both).square().sum(), list(both.values()))
    for name, gradient in zip(arrays, expected, strict=True):
        one = {other: torch.tensor(array, requires_grad=other == name) for other, array in arrays.items()}
        assert torch.equal(torch.autograd.grad(wrapped.grid_sample(**one).square().sum(), one[name])[0], gradient)


def test_a_layer_of_a_model_can_be_swapped():
    """Its gradients are those of PyTorch's own layer, up to the rounding of float32 coordinates."""
    from refwarp import torch as reference

    found = []
    for sample in (torch.nn.functional.grid_sample, reference.grid_sample):
        torch.manual_seed(1)
        layer, theta = (
            torch.nn.Conv2d(1, 2, 3),
            torch.tensor([[[0.97, 0.13, 0.03], [-0.11, 0.88, 0.07]]], requires_grad=True),
        )
        grid = torch.nn.functional.affine_grid(theta, (1, 2, 6, 6), align_corners=False)
        warped = sample(layer(torch.randn(1, 1, 8, 8)), grid, align_corners=False)
        torch.relu_(warped).square().sum().backward()  # writes into the result, which PyTorch must be free to do
        found.append([warped, theta.grad, *(parameter.grad for parameter in layer.parameters())])
    for theirs, ours in zip(*found, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)  # slopes times some 2^-20 of a coordinate


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tensors_in_tensors_out_of_the_same_dtype_without_a_copy(dtype):
    _, arrays, _ = smooth_call("grid_sample")
    tensors = [torch.tensor(array, dtype=getattr(torch, dtype)) for array in arrays.values()]
    result = refwarp.grid_sample(*tensors)
    assert type(result) is torch.Tensor and result.dtype == tensors[0].dtype
    assert np.array_equal(result.numpy(), refwarp.grid_sample(*(tensor.numpy() for tensor in tensors)))


def test_a_tensor_that_was_written_into_since_is_noticed():
    from refwarp import torch as wrapped

    tensors = given(smooth_call("grid_sample").arrays)
    grid = tensors["grid"].detach().clone()
    result = wrapped.grid_sample(tensors["input"], grid).sum()
    grid.add_(0.1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()


def test_without_a_record_nothing_is_kept():
    from refwarp import torch as wrapped

    tensors = given(smooth_call("grid_sample").arrays)
    with torch.no_grad():
        assert not wrapped.grid_sample(**tensors).requires_grad
    assert wrapped.affine_basis((1, 1, 2, 2)).dtype == torch.float64
    assert not wrapped.auxiliary_grid(tensors["grid"], (4, 5), np.random.default_rng(1)).requires_grad
    with pytest.raises(AttributeError, match="nothing"):
        _ = wrapped.nothing


def test_a_generator_is_where_it_would_be_and_derivatives_draw_the_same_numbers():
    from refwarp import torch as wrapped

    _, arrays, _ = smooth_call("linearized_sample")
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    expected = refwarp.linearized_sample(*arrays.values(), ours)
    tensors = given(arrays)
    result = wrapped.linearized_sample(*tensors.values(), theirs)
    assert np.array_equal(result.detach().numpy(), expected)
    assert ours.bit_generator.state == theirs.bit_generator.state
    plain = torch.autograd.grad(result.square().sum(), tensors["input"], retain_graph=True)
    recorded = torch.autograd.grad(result.square().sum(), tensors["input"], create_graph=True)
    assert torch.equal(plain[0], recorded[0].detach())
    assert ours.bit_generator.state == theirs.bit_generator.state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda input, grid: (input.requires_grad_(), grid), "input: given torch.Tensor whose gradient is wanted"),
        (lambda input, grid: (input, grid.bfloat16()), "grid: given torch.Tensor of dtype torch.bfloat16"),
        (lambda input, grid: (input, grid.float()), "grid: given dtype float32 while input is float64"),
    ],
)
def test_what_is_no_array_is_refused_in_a_sentence(change, message):
    with pytest.raises(TypeError, match=message):
        refwarp.grid_sample(*change(*(torch.tensor(array) for array in smooth_call("grid_sample").arrays.values())))
