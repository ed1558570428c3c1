"""refwarp's operations as functions of PyTorch's tensors, which PyTorch differentiates: `pip install refwarp[torch]`.

Each has the name and the arguments of its namesake in `refwarp`, and is a `torch.autograd.Function` whose backward is
refwarp's own, and can be differentiated again, as often as the operation can:

    from refwarp import torch as reference
    warped = reference.grid_sample(features, grid, padding_mode="border")     # was torch.nn.functional's

Tensors share their memory with the arrays that refwarp computes on, on the CPU, and on a GPU if CuPy is installed.
PyTorch neither traces nor compiles them: torch.compile breaks its graph there, and torch.func cannot transform them.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import refwarp
from autograd_core import Tensor
from autograd_core.probing import vjp as gradients
from autograd_core.tensor import as_tensor
from refwarp import dlpack
from refwarp.derivatives import Function, vjp
from refwarp.golden.operations import OPERATIONS

try:
    import torch
except ImportError as error:
    raise ImportError("refwarp.torch needs PyTorch; install it with `pip install 'refwarp[torch]'`") from error

__all__ = list(OPERATIONS)


def __getattr__(name: str) -> Callable[..., torch.Tensor]:
    """Return an operation as a function of PyTorch's tensors."""
    if name not in OPERATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = _of_tensors(getattr(refwarp, name))
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *OPERATIONS})


def _of_tensors(operation: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    """Return an operation on Tensors and arrays as one on PyTorch's tensors."""
    signature = inspect.signature(operation)

    @functools.wraps(operation)
    def call(*arguments: Any, **options: Any) -> torch.Tensor:
        bound = signature.bind(*arguments, **options).arguments
        tensors = {name: value for name, value in bound.items() if isinstance(value, torch.Tensor) and value.ndim}
        others = {name: value for name, value in bound.items() if name not in tensors}

        generators = {name: value for name, value in others.items() if isinstance(value, np.random.Generator)}
        start, drawn = copy.deepcopy(generators), dict(generators)

        def function(*leaves: Tensor) -> tuple[Tensor, ...]:
            drawn.update(copy.deepcopy(start))  # a derivative that computes the operation again draws the same numbers
            given = [leaf if leaf.requires_grad else leaf.data for leaf in leaves]
            return (as_tensor(operation(**dict(zip(tensors, given, strict=True)), **{**others, **drawn})),)

        recorded = torch.is_grad_enabled()
        (result,) = _Application.apply(function, *(t if recorded else t.detach() for t in tensors.values()))
        for name, generator in generators.items():
            generator.bit_generator.state = drawn[name].bit_generator.state
        return result

    summary = (operation.__doc__ or "").partition("\n")[0]
    call.__doc__ = f"{summary}\n\nAs `refwarp.{operation.__name__}`, of PyTorch's tensors."
    return call


class _Application(torch.autograd.Function):  # type: ignore[misc]
    """A function of Tensors, applied to PyTorch's tensors."""

    @staticmethod
    def forward(ctx: Any, function: Function, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        needs = ctx.needs_input_grad[1:]
        arrays = [dlpack.taken("input", tensor.detach()) for tensor in given]
        ctx.leaves = [Tensor(array, need) for array, need in zip(arrays, needs, strict=True)]
        ctx.results = function(*ctx.leaves)
        ctx.function = function
        ctx.save_for_backward(*given)  # which notices when one was written into since
        # What is recorded is read-only, and so comes back as a copy: PyTorch may write into its tensors.
        found = tuple(dlpack.given_back(result.data, torch) for result in ctx.results)
        ctx.mark_non_differentiable(
            *(tensor for tensor, result in zip(found, ctx.results, strict=True) if not result.requires_grad)
        )
        return found

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        given = ctx.saved_tensors
        wanted = [i for i, need in enumerate(ctx.needs_input_grad[1:]) if need]
        if torch.is_grad_enabled():  # to be differentiated again
            found = _Application.apply(vjp(ctx.function, wanted, len(given)), *cotangents, *given)
        else:
            inputs = [ctx.leaves[i] for i in wanted]
            gouts = [Tensor(dlpack.taken("gout", cotangent)) for cotangent in cotangents]
            found = tuple(dlpack.given_back(g.data, torch) for g in gradients(ctx.results, inputs, gouts))
        by_input = dict(zip(wanted, found, strict=True))
        return (None, *(by_input.get(i) for i in range(len(given))))
