"""refwarp itself as a target: its public functions, and their gradients as its engine finds them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

import refwarp
import refwarp.backend  # refuses an environment in which each call would fail
from autograd_core import Tensor, grad
from refwarp.golden.operations import OPERATIONS, Call
from refwarp.samplers import kernel_functions

VERSION = refwarp.__version__
DTYPES = ("float32", "float64", "float16")
SELECTS_GRADIENTS = True
CHOICES = {"kink": ("right", "left", "central", "literal"), "ties": ("even",)}

_KERNELS: Mapping[str, Any] = {
    "tent": kernel_functions.TENT,
    "integer": kernel_functions.INTEGER,
    "cubic_b_spline": kernel_functions.CUBIC_B_SPLINE,
    "keys": kernel_functions.keys,
    "lanczos": kernel_functions.lanczos,
    "gaussian": kernel_functions.gaussian,
}


def _apply(operation: str, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Call an operation by its public name.

    A case names a sampling kernel; `ties` is not for us to choose; and a basis is float64, until a dtype is asked for,
    by name or by control points that have it.
    """
    chosen = {name: option for name, option in options.items() if name not in ("ties", "dtype")}
    if isinstance(kernel := chosen.get("kernel"), Mapping):
        named = _KERNELS[kernel["name"]]
        parameters = {name: value for name, value in kernel.items() if name != "name"}
        chosen["kernel"] = named if isinstance(named, kernel_functions.KernelFunction) else named(**parameters)
    given = {name: array for name, array in arrays.items() if array is not None}
    found = getattr(refwarp, operation)(**given, **chosen)
    asked = given["control"].dtype.name if operation == "thin_plate_spline_basis" else options.get("dtype")
    return found.astype(asked) if asked else found


def _gradients(
    operation: str, call: Call, arrays: Mapping[str, Any], options: Mapping[str, Any], asked: Collection[str]
) -> Mapping[str, Any]:
    """Return those outputs of a `vjp` or a `second_vjp` by name that are asked for."""
    forward, vjp = OPERATIONS[operation][:2]
    # A second one is that of all first ones, so it needs these, whichever is asked for.
    needed = {*asked, *(vjp.outputs if call.part == "second_vjp" else ())}
    tensors = {
        name: Tensor(array, requires_grad=f"g{name}" in needed) for name, array in arrays.items() if array is not None
    }
    warped = _apply(operation, {name: tensors.get(name) for name in forward.arguments}, options)
    inputs = [name for name in forward.arguments if f"g{name}" in needed and name in tensors]
    if not warped.requires_grad:  # nothing depends on what was asked for, as with input_gradient="none"
        return {f"g{name}": np.zeros(tensors[name].shape, tensors[name].dtype) for name in inputs}
    second = call.part == "second_vjp"
    first = grad(warped, [tensors[name] for name in inputs], tensors[vjp.arguments[0]], create_graph=second)
    if not second:
        return {f"g{name}": _own(gradient) for name, gradient in zip(inputs, first, strict=True)}
    wanted = [name for name in (vjp.arguments[0], *inputs) if f"g{name}" in asked]
    cotangents = [tensors[f"cotangent_{name}"] for name in inputs]
    # A gradient that is stopped is 0 whatever it is made of: it has no history, and gives nothing on.
    live = [pair for pair in zip(first, cotangents, strict=True) if pair[0].requires_grad]
    found = grad([g for g, _ in live], [tensors[name] for name in wanted], [cotangent for _, cotangent in live])
    return {f"g{name}": _own(gradient) for name, gradient in zip(wanted, found, strict=True)}


def _own(gradient: Tensor) -> Any:
    """Return an array of the caller's own: the engine's is read-only, for it may be a view of the cotangent."""
    return gradient.data.copy()


def _function(operation: str, call: Call) -> Callable[..., Any]:
    def function(*arrays: Any, **options: Any) -> Any:
        by_name = dict(zip(call.arguments, arrays, strict=True))
        if call.part == "forward":
            return _apply(operation, by_name, options)
        asked = options.pop("gradients", call.outputs)
        gradients = _gradients(operation, call, by_name, options, asked)
        return tuple(gradients.get(name) for name in call.outputs)

    function.__name__ = call.function(operation)
    return function


globals().update(
    {call.function(operation): _function(operation, call) for operation, calls in OPERATIONS.items() for call in calls}
)
