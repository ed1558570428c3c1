"""The reverse sweep: from outputs back to inputs, in reverse topological order, accumulating.

Both the ordering and the sweep are loops, so a chain of a million operations needs no recursion. The record
stays alive as long as its last result does; the gradients in between are let go as soon as they were used.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Any

from autograd_core.arrays import array_module
from autograd_core.function import Context, recording
from autograd_core.functions.elementwise import add
from autograd_core.tensor import Tensor, as_tensor

# A tensor's place in the record: results of one application share its Context, leaves stand for themselves.
Place = tuple[int, int]


def _place(tensor: Tensor) -> Place:
    return (id(tensor), -1) if tensor.source is None else (id(tensor.source), tensor.index)


def _topological_order(outputs: Sequence[Tensor]) -> list[Context]:
    """List the applications behind `outputs`, each after all those whose results it used."""
    order: list[Context] = []
    seen: set[int] = set()
    stack: list[tuple[Context, bool]] = [(t.source, False) for t in outputs if t.source is not None]
    while stack:
        ctx, operands_done = stack.pop()
        if operands_done:
            order.append(ctx)
        elif id(ctx) not in seen:
            seen.add(id(ctx))
            stack.append((ctx, True))
            stack.extend((t.source, False) for t in ctx.inputs if t.source is not None)
    return order


def _needs(order: Sequence[Context], wanted: Container[Place]) -> dict[int, tuple[bool, ...]]:
    """For each application (by id) on a path to something wanted, tell which of its inputs lead there."""
    needs: dict[int, tuple[bool, ...]] = {}
    for ctx in order:
        leads = tuple(t.requires_grad and (_place(t) in wanted or id(t.source) in needs) for t in ctx.inputs)
        if any(leads):
            needs[id(ctx)] = leads
    return needs


def _run_backward(ctx: Context, gouts: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Run one backward and hold what it returns against the inputs it is for: number, shapes, dtypes."""
    name = ctx.function.__name__
    if any(tensor.data is not array for tensor, array in zip(ctx.inputs, ctx.arrays, strict=True)):
        raise RuntimeError(
            f"{name}: an input's data was replaced since the forward (by an optimizer's step?), so its record "
            "no longer holds; compute the forward again"
        )
    result = ctx.function.backward(ctx, *gouts)
    gradients = result if isinstance(result, tuple) else (result,)
    if len(gradients) != len(ctx.inputs):
        raise RuntimeError(f"{name}.backward returned {len(gradients)} gradients for {len(ctx.inputs)} inputs")
    for number, (gradient, tensor, needed) in enumerate(zip(gradients, ctx.inputs, ctx.needs, strict=True)):
        if not needed:
            continue
        if gradient is None:
            raise RuntimeError(f"{name}.backward returned no gradient for input {number}, which needs one")
        if gradient.shape != tensor.shape or gradient.dtype != tensor.dtype:
            raise RuntimeError(
                f"{name}.backward returned {gradient.dtype}{gradient.shape} for input {number}, "
                f"which is {tensor.dtype}{tensor.shape}"
            )
    return gradients


def _sweep(
    outputs: Sequence[Tensor], cotangents: Sequence[Tensor], wanted: Collection[Place], create_graph: bool
) -> dict[Place, Tensor]:
    """Return the gradients at the places in `wanted` that the outputs depend on."""
    order = _topological_order(outputs)
    needs = _needs(order, wanted)
    gradients: dict[Place, Tensor] = {}
    found: dict[Place, Tensor] = {}

    def accumulate(tensor: Tensor, gradient: Tensor) -> None:
        place = _place(tensor)
        gradients[place] = add(gradients[place], gradient) if place in gradients else gradient

    with recording(create_graph):
        for output, cotangent in zip(outputs, cotangents, strict=True):
            accumulate(output, cotangent if create_graph else cotangent.detach())
        for ctx in reversed(order):
            places = [(id(ctx), index) for index in range(len(ctx.layouts))]
            known = [gradients.pop(place, None) for place in places]
            found.update({p: g for p, g in zip(places, known, strict=True) if g is not None and p in wanted})
            if id(ctx) not in needs or all(gradient is None for gradient in known):
                continue
            ctx.needs = needs[id(ctx)]
            gouts = [ctx.zeros(index) if g is None else g for index, g in enumerate(known)]
            for tensor, gradient, needed in zip(ctx.inputs, _run_backward(ctx, gouts), ctx.needs, strict=True):
                if needed and gradient is not None:
                    accumulate(tensor, gradient)
    # What is left belongs to leaves.
    found |= {place: gradient for place, gradient in gradients.items() if place in wanted}
    for gradient in found.values():  # one array may be the gradient of several, or a cotangent of the caller's
        gradient.freeze()
    return found


def _tensors(name: str, given: Any) -> tuple[Tensor, ...]:
    """Return one Tensor or a sequence of them as a tuple."""
    tensors = tuple(given) if isinstance(given, tuple | list) else (given,)
    for number, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            place = f"[{number}]" if isinstance(given, tuple | list) else ""
            raise TypeError(f"{name}{place}: given {type(tensor).__name__}, expected a Tensor or a list of Tensors")
    return tensors


def _cotangent(output: Tensor, given: Any, number: int) -> Tensor:
    if not output.requires_grad:
        raise ValueError(
            f"outputs[{number}] has no history: it was computed from no tensor with requires_grad=True, "
            "or under no_grad()"
        )
    if given is None:
        if output.size != 1:
            raise ValueError(
                f"grad_outputs: outputs[{number}] has shape {output.shape}, so it needs a cotangent of that "
                "shape; only an output with one element has a gradient of its own"
            )
        return Tensor(array_module(output.data).ones(output.shape, output.dtype))
    cotangent = as_tensor(given)
    if cotangent.shape != output.shape or cotangent.dtype != output.dtype:
        raise ValueError(
            f"grad_outputs[{number}]: given {cotangent.dtype}{cotangent.shape}, expected the dtype and shape "
            f"of its output, {output.dtype}{output.shape}"
        )
    return cotangent


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
) -> tuple[Tensor, ...]:
    """Return the gradients of `outputs` with respect to `inputs`.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        What is differentiated. Several are as good as their sum, each weighted by its cotangent.
    inputs : Tensor or sequence of Tensor
        With respect to what: leaves or results in between, all with `requires_grad=True`.
    grad_outputs : Tensor, array or sequence of these, optional
        The cotangents, with the outputs' shapes and dtypes. May be left out for outputs of one element (1).
    create_graph : bool
        Record the sweep itself, so that the gradients can be differentiated again.

    Returns
    -------
    tuple of Tensor
        One gradient for each input, of its shape and dtype; zeros where no output depends on it. Their arrays
        are read-only, since several inputs may share one.

    Raises
    ------
    ValueError
        If an output has no history, an input needs no gradient, or a cotangent is missing or does not fit.
    TypeError
        If an output or an input is no Tensor.

    Examples
    --------
    >>> x = Tensor([3.0], requires_grad=True)
    >>> (g,) = grad(x * x * x, x, create_graph=True)
    >>> g.data, grad(g, x)[0].data
    (array([27.]), array([18.]))
    """
    outputs, inputs = _tensors("outputs", outputs), _tensors("inputs", inputs)
    given = grad_outputs if isinstance(grad_outputs, tuple | list) else (grad_outputs,) * len(outputs)
    if len(given) != len(outputs):
        raise ValueError(f"grad_outputs: given {len(given)}, expected one for each of {len(outputs)} outputs")
    for number, tensor in enumerate(inputs):
        if not tensor.requires_grad:
            raise ValueError(f"inputs[{number}] has requires_grad=False, so nothing was recorded for it")
    cotangents = [_cotangent(*pair, number) for number, pair in enumerate(zip(outputs, given, strict=True))]
    found = _sweep(outputs, cotangents, {_place(tensor) for tensor in inputs}, create_graph)
    return tuple(
        found[_place(t)] if _place(t) in found else Tensor(array_module(t.data).zeros(t.shape, t.dtype)) for t in inputs
    )


def backward(output: Tensor, gradient: Any = None) -> None:
    """Accumulate the gradient of `output` in the `grad` of every leaf that it was computed from.

    Parameters
    ----------
    output : Tensor
        What is differentiated, usually a loss.
    gradient : Tensor or array, optional
        Its cotangent; may be left out for an output of one element (1).

    Raises
    ------
    ValueError
        As `grad` does.
    """
    cotangent = _cotangent(output, gradient, 0)
    operands = (tensor for ctx in _topological_order([output]) for tensor in ctx.inputs)
    leaves = {_place(t): t for t in (*operands, output) if t.source is None and t.requires_grad}
    found = _sweep([output], [cotangent], leaves, create_graph=False)
    for place, leaf in leaves.items():
        if place in found:
            leaf.grad = found[place] if leaf.grad is None else add(leaf.grad.detach(), found[place])


Tensor.backward = backward
