"""Function: one operation, its forward and its hand-derived backward; and the record of its applications.

A Function computes on arrays forward, and on Tensors backward::

    class Square(Function):
        @staticmethod
        def forward(ctx, x):                     # arrays in, array (or a tuple of arrays) out
            return x * x

        @staticmethod
        def backward(ctx, gout):                 # Tensors in, Tensors out, one for each input
            (x,) = ctx.inputs
            return 2.0 * x * gout                # made of Functions, so it can be differentiated again

    y = Square.apply(x)

An input whose gradient is not wanted (`ctx.needs`) may get None.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextvars import ContextVar, Token
from typing import Any, ClassVar

import numpy as np

from autograd_core.arrays import Array, array_module, is_on_device, read_only
from autograd_core.tensor import Tensor, as_tensor

_recording: ContextVar[bool] = ContextVar("recording", default=True)


class recording:
    """Record applications of Functions, or not: `with recording(False): ...`, or as a decorator.

    A decorated generator function computes each of its steps so, and its caller, between them, as before; a decorated
    coroutine function computes so in its own task.
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_recording.set(self.wanted))

    def __exit__(self, *error: object) -> None:
        _recording.reset(self._tokens.pop())

    def __call__(self, function: Any) -> Any:
        """Decorate a function, or what can be called like one; TypeError for an asynchronous generator."""
        called = function if inspect.isroutine(function) else type(function).__call__
        if inspect.isasyncgenfunction(called):
            name = getattr(function, "__name__", type(function).__name__)
            raise TypeError(
                f"{name}: given an asynchronous generator function, expected one of another kind; "
                "write `with no_grad():` around what it computes between two yields"
            )

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            with recording(self.wanted):
                return function(*arguments, **options)

        @functools.wraps(function)
        def generate(*arguments: Any, **options: Any) -> Any:
            return (yield from _Steps(function(*arguments, **options), self.wanted))

        @functools.wraps(function)
        async def run(*arguments: Any, **options: Any) -> Any:
            with recording(self.wanted):
                return await function(*arguments, **options)

        if inspect.isgeneratorfunction(called):
            return generate
        return run if inspect.iscoroutinefunction(called) else call


class _Steps(Generator[Any, Any, Any]):
    """A generator whose steps are recorded, or not."""

    def __init__(self, steps: Generator[Any, Any, Any], wanted: bool) -> None:
        self._steps, self._wanted = steps, wanted

    def send(self, value: Any) -> Any:
        with recording(self._wanted):
            return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        with recording(self._wanted):
            return self._steps.throw(*error)


def no_grad() -> recording:
    """Compute without a record: `with no_grad(): ...`, or as a decorator, `@no_grad()`.

    Results inside have `requires_grad=False`, and the memory of what they came from can go.
    """
    return recording(False)


class Context:
    """One application of a Function: what it was applied to, and what its forward keeps for its backward.

    Attributes
    ----------
    inputs : tuple of Tensor
        The operands, with their history, for a backward that is to be differentiated again.
    arrays : tuple of array
        The operands' values, read-only, as they were when the application was recorded.
    needs : tuple of bool
        For each input, whether its gradient is wanted: in a forward, whether it may ever be; in a backward,
        whether this sweep leads there.
    """

    def __init__(self, function: type[Function], inputs: tuple[Tensor, ...]) -> None:
        self.function = function
        self.inputs = inputs
        self.arrays: tuple[Array, ...] = ()
        self.needs = tuple([tensor.requires_grad for tensor in inputs])
        self.parameters: dict[str, Any] = {}
        self.layouts: tuple[tuple[tuple[int, ...], Any], ...] = ()
        self._outputs: tuple[Array, ...] = ()
        self._saved: tuple[Array, ...] = ()

    def save(self, *arrays: Array) -> None:
        """Keep arrays for the backward. They are read-only from here on: a second backward sees the same."""
        self._saved = tuple(read_only(array) for array in arrays)

    @property
    def saved(self) -> tuple[Array, ...]:
        """What `save` kept."""
        return self._saved

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The results as Tensors with their history (only for a Function with `keeps_outputs = True`)."""
        return tuple(self._result(array, index) for index, array in enumerate(self._outputs))

    def _result(self, array: Array, index: int) -> Tensor:
        tensor = Tensor(array)
        if tensor.dtype.kind in "fc":  # integers among the results have no gradient, and need no history
            tensor.source, tensor.index = self, index
            tensor.requires_grad = True
        tensor.freeze()
        return tensor

    def record(self, outputs: tuple[Array, ...]) -> tuple[Tensor, ...]:
        """Turn the arrays of a forward into Tensors that know where they came from."""
        for tensor in self.inputs:
            tensor.freeze()
        self.arrays = tuple(tensor.data for tensor in self.inputs)
        self.layouts = tuple((array.shape, array.dtype) for array in outputs)
        if self.function.keeps_outputs:
            self._outputs = tuple(read_only(array) for array in outputs)
        return tuple(self._result(array, index) for index, array in enumerate(outputs))

    def zeros(self, index: int) -> Tensor:
        """Return the zero cotangent of output `index`, for outputs that nothing was computed from."""
        shape, dtype = self.layouts[index]
        return Tensor(array_module(self.inputs[0].data).zeros(shape, dtype))


def _no_backward(ctx: Context, *gouts: Tensor) -> Tensor:
    raise RuntimeError(f"{ctx.function.__name__} has no backward: its result cannot be differentiated")


class Function:
    """One differentiable operation. Subclasses give `forward` and `backward`; see the module's text."""

    # Whether ctx.outputs is kept for the backward (exp, tanh, ...: their derivative is cheap from the value).
    keeps_outputs: ClassVar[bool] = False
    # Given by the subclass, with parameters of its own; `call` alone calls the first, the sweep the second.
    forward: ClassVar[Callable[..., Array | tuple[Array, ...]]]
    backward: ClassVar[Callable[..., Tensor | tuple[Tensor | None, ...]]] = staticmethod(_no_backward)

    @classmethod
    def call(cls, *inputs: Any, **parameters: Any) -> tuple[Tensor, ...]:
        """Apply the operation and return all its results."""
        tensors = tuple(map(as_tensor, inputs))
        arrays = [tensor.data for tensor in tensors]
        if array_module(*arrays) is not np and not all(map(is_on_device, arrays)):
            raise TypeError(
                f"{cls.__name__.lstrip('_')}: given arrays of NumPy and of CuPy, expected one library; move them with "
                "autograd_core.to_device, or a Module with its method `to`"
            )
        ctx = Context(cls, tensors)
        ctx.parameters = parameters
        results = cls.forward(ctx, *map(read_only, arrays), **parameters)
        outputs = results if isinstance(results, tuple) else (results,)
        if True in ctx.needs and _recording.get():
            return ctx.record(outputs)
        return tuple(map(Tensor, outputs))

    @classmethod
    def apply(cls, *inputs: Any, **parameters: Any) -> Tensor:
        """Apply the operation to Tensors (or what becomes one) and return its first, usually only, result."""
        return cls.call(*inputs, **parameters)[0]
