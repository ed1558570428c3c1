"""Functions of PyTorch's tensors as functions of arrays, with their gradients by PyTorch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch


def forward(function: Callable[..., Any], inputs: Sequence[Any], dtype: str = "") -> Any:
    """Return what the function computes. `dtype` says that float32 arrays hold bfloat16 numbers, if they do."""
    return _array(function(*_tensors(inputs, dtype)))


def vjp(function: Callable[..., Any], gout: Any, inputs: Sequence[Any], dtype: str = "") -> Any:
    """Return the gradients with respect to the inputs."""
    gout, *tensors = _tensors((gout, *inputs), dtype)
    return tuple(map(_array, torch.autograd.grad(function(*tensors), tensors, gout)))


def second_vjp(
    function: Callable[..., Any], cotangents: Sequence[Any], gout: Any, inputs: Sequence[Any], dtype: str = ""
) -> Any:
    """Return the gradients of the gradients, with respect to the cotangent and the inputs."""
    gout, *tensors = _tensors((gout, *inputs), dtype)
    first = torch.autograd.grad(function(*tensors), tensors, gout, create_graph=True)
    found = torch.autograd.grad(first, (gout, *tensors), list(_tensors(cotangents, dtype)), materialize_grads=True)
    return tuple(map(_array, found))


def _tensors(arrays: Iterable[Any], dtype: str) -> Iterable[Any]:
    """Yield the arrays as tensors that share their memory, so that writing into one is seen.

    Not of every memory layout there are tensors, and a copy would say nothing about it.
    """
    for array in arrays:
        if min(array.strides, default=0) < 0:
            raise NotImplementedError("PyTorch has no tensors with negative strides")
        if not array.flags.writeable:
            raise NotImplementedError("PyTorch has no read-only tensors")
        tensor = torch.from_numpy(array)
        yield (tensor.to(torch.bfloat16) if dtype == "bfloat16" else tensor).requires_grad_()


def _array(tensor: Any) -> Any:
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
