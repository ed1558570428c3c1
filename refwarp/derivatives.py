"""Derivatives of functions of Tensors, as functions again: for libraries that differentiate by rules of their own.

PyTorch and JAX ask a function that they cannot look into for its vector-Jacobian product, and ask that for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autograd_core import Tensor
from autograd_core.probing import vjp as gradients

# Leaves in, recorded results out.
Function = Callable[..., tuple[Tensor, ...]]


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
