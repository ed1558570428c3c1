"""refwarp's operations as functions of JAX's arrays, which JAX differentiates: `pip install refwarp[jax]`.

Each has the name and the arguments of its namesake in `refwarp`, and is a `jax.custom_vjp` whose backward is refwarp's
own, and can be differentiated again, as often as the operation can. It computes on the host, by `jax.pure_callback`: so
it works under `jax.jit`, `jax.grad` and `jax.vmap` (one call after the other), and not under `jax.jvp`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import numpy as np

import refwarp
from autograd_core import Tensor
from autograd_core.tensor import as_tensor
from refwarp.derivatives import Function, vjp
from refwarp.golden.operations import OPERATIONS

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("refwarp.jax needs JAX; install it with `pip install 'refwarp[jax]'`") from error

__all__ = list(OPERATIONS)


def __getattr__(name: str) -> Callable[..., jax.Array]:
    """Return an operation as a function of JAX's arrays."""
    if name not in OPERATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = _of_jax(name)
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *OPERATIONS})


def _of_jax(name: str) -> Callable[..., jax.Array]:
    """Return an operation on Tensors and arrays as one on JAX's arrays."""
    operation = getattr(refwarp, name)
    signature = inspect.signature(operation)
    gradients = [output for call in OPERATIONS[name] if call.part == "vjp" for output in call.outputs]

    @functools.wraps(operation)
    def call(*arguments: Any, **options: Any) -> jax.Array:
        bound = signature.bind(*arguments, **options).arguments
        for argument, value in bound.items():
            if isinstance(value, np.random.Generator):
                raise TypeError(f"{argument}: given a Generator, which JAX would use once and for all; pass an array")
        arrays = {name: value for name, value in bound.items() if isinstance(value, jax.Array) and value.ndim}
        others = {name: value for name, value in bound.items() if name not in arrays}

        def function(*leaves: Tensor) -> tuple[Tensor, ...]:
            given = [leaf if leaf.requires_grad else leaf.data for leaf in leaves]
            return (as_tensor(operation(**dict(zip(arrays, given, strict=True)), **others)),)

        if not arrays:
            return jnp.asarray(operation(**others))
        wanted = [i for i, argument in enumerate(arrays) if f"g{argument}" in gradients]
        (result,) = _applied(function, wanted, _layouts(function, list(arrays.values())))(*arrays.values())
        return result

    summary = (operation.__doc__ or "").partition("\n")[0]
    call.__doc__ = f"{summary}\n\nAs `refwarp.{name}`, of JAX's arrays."
    return call


def _layouts(function: Function, arrays: Sequence[Any]) -> tuple[jax.ShapeDtypeStruct, ...]:
    """Return the shapes and dtypes of the results, which depend on those of the arrays alone.

    JAX asks for them before there are numbers, so the function is called on some: by chance no singular ones.
    """
    rng = np.random.default_rng(1)
    results = function(*(Tensor(rng.uniform(-1.0, 1.0, array.shape).astype(array.dtype)) for array in arrays))
    return tuple(jax.ShapeDtypeStruct(result.shape, result.dtype) for result in results)


def _applied(function: Function, wanted: Collection[int], results: Sequence[Any]) -> Callable[..., tuple[Any, ...]]:
    """Return a function of Tensors as one of JAX's arrays, which can be differentiated with respect to some of them."""

    def on_host(*arrays: Any) -> tuple[Any, ...]:
        leaves = [Tensor(np.asarray(array), index in wanted) for index, array in enumerate(arrays)]
        return tuple(result.data for result in function(*leaves))

    @jax.custom_vjp
    def call(*arrays: Any) -> Any:
        return jax.pure_callback(on_host, tuple(results), *arrays, vmap_method="sequential")

    def forward(*arrays: Any) -> Any:
        return call(*arrays), arrays

    def backward(arrays: Any, cotangents: Any) -> Any:
        order, count = sorted(wanted), len(cotangents)
        layouts = [jax.ShapeDtypeStruct(arrays[i].shape, arrays[i].dtype) for i in order]
        again = [*range(count), *(count + i for i in order)]
        found = _applied(vjp(function, order, len(arrays)), again, layouts)(*cotangents, *arrays)
        by_input = dict(zip(order, found, strict=True))
        return tuple(by_input.get(i, jnp.zeros(array.shape, array.dtype)) for i, array in enumerate(arrays))

    call.defvjp(forward, backward)
    return cast(Callable[..., tuple[Any, ...]], call)
