"""Functions of PyTorch's tensors as functions of arrays, with their gradients by PyTorch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch


def forward(function: Callable[..., Any], inputs: Sequence[Any], dtype: str = "") -> Any:
    """Return what the function computes. `dtype` says that float32 arrays hold bfloat16 numbers, if they do."""
    return _array(function(*_tensors(inputs, dtype)))


def vjp(
    function: Callable[..., Any], gout: Any, inputs: Sequence[Any], dtype: str = "", asked: Sequence[bool] = ()
) -> Any:
    """Return the gradients with respect to the inputs; None for those that are not asked for."""
    gout, *tensors = _tensors((gout, *inputs), dtype)
    wanted = _wanted(tensors, asked)
    for tensor in tensors:  # which is how a function hears which gradients are needed
        tensor.requires_grad_(any(tensor is other for other in wanted))
    return _placed(torch.autograd.grad(function(*tensors), wanted, gout), asked)


def second_vjp(
    function: Callable[..., Any],
    cotangents: Sequence[Any],
    gout: Any,
    inputs: Sequence[Any],
    dtype: str = "",
    asked: Sequence[bool] = (),
) -> Any:
    """Return the gradients of the gradients, with respect to the cotangent and the inputs, or those asked for."""
    gout, *tensors = _tensors((gout, *inputs), dtype)
    first = torch.autograd.grad(function(*tensors), tensors, gout, create_graph=True)
    wanted = _wanted((gout, *tensors), asked)
    found = torch.autograd.grad(first, wanted, list(_tensors(cotangents, dtype)), materialize_grads=True)
    return _placed(found, asked)


def _wanted(tensors: Sequence[Any], asked: Sequence[bool]) -> list[Any]:
    """Return the tensors that are asked for, all if nothing is said."""
    return [tensor for tensor, wanted in zip(tensors, asked, strict=True) if wanted] if asked else list(tensors)


def _placed(found: Sequence[Any], asked: Sequence[bool]) -> tuple[Any, ...]:
    """Return arrays in the places of what was asked for, None in the others."""
    arrays = iter(map(_array, found))
    return tuple(next(arrays) if wanted else None for wanted in asked or [True] * len(found))


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
