"""Derivatives of functions of Tensors, as functions again: for libraries that differentiate by rules of their own.

PyTorch and JAX ask a function that they cannot look into for its vector-Jacobian product, and ask that for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autograd_core import Tensor, grad
from autograd_core.arrays import array_module

# Leaves in, recorded results out.
Function = Callable[..., tuple[Tensor, ...]]


def gradients(
    results: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor], create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Return the gradients of results with respect to inputs, as `autograd_core.grad` does.

    Results without history are allowed: gradients that are 0 whatever they are made of (those of nearest sampling).
    """
    live = [pair for pair in zip(results, cotangents, strict=True) if pair[0].requires_grad]
    if not live:
        return tuple(Tensor(array_module(x.data).zeros(x.shape, x.dtype)) for x in inputs)
    return grad([result for result, _ in live], inputs, [cotangent for _, cotangent in live], create_graph)


def vjp(function: Function, wanted: Sequence[int], count: int) -> Function:
    """Return the vector-Jacobian product of a function.

    Parameters
    ----------
    function : callable
        Of `count` Tensors, which returns a tuple of Tensors.
    wanted : sequence of int
        With respect to which of them.
    count : int
        How many it has.

    Returns
    -------
    callable
        (cotangents ..., inputs ...) -> the gradients with respect to those that are wanted, which have to have
        requires_grad=True. Its results are recorded, so it can be differentiated like the function.
    """

    def product(*given: Tensor) -> tuple[Tensor, ...]:
        cotangents, inputs = given[:-count], given[-count:]
        return gradients(function(*inputs), [inputs[i] for i in wanted], cotangents, create_graph=True)

    return product
