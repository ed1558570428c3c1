"""Functions that move elements: reshape, transpose, broadcast, index, join, pad.

They come in adjoint pairs, each the other's backward: broadcast_to and sum_to, getitem and scatter.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd_core.arguments import is_integer
from autograd_core.arrays import Array, Axis, array_module, as_array, axes_of, is_array, sum_over
from autograd_core.function import Context, Function
from autograd_core.functions.operands import operands
from autograd_core.tensor import Tensor, as_tensor

Shape = tuple[int, ...]


class _Reshape(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, shape: Shape) -> Array:
        return x.reshape(shape)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return reshape(gout, ctx.inputs[0].shape)


def _lengths(shape: int | Sequence[int]) -> Shape:
    """Return one length or several, integers of Python or of NumPy, as a tuple of Python's."""
    return tuple(map(operator.index, shape if isinstance(shape, Iterable) else (shape,)))


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return the elements of `x`, in row-major order, in another shape; one length may be -1."""
    return _Reshape.apply(x, shape=_lengths(shape))


def expand_dims(x: Tensor, axis: int) -> Tensor:
    """Return `x` with a new axis of length one at position `axis` of the result."""
    x = as_tensor(x)
    shape = list(x.shape)
    shape.insert(normalize_axis_index(axis, x.ndim + 1), 1)
    return reshape(x, shape)


def squeeze(x: Tensor, axis: Axis = None) -> Tensor:
    """Return `x` without its axes of length one, or without those in `axis` (ValueError if one is longer)."""
    x = as_tensor(x)
    return reshape(x, np.squeeze(np.broadcast_to(0, x.shape), None if axis is None else axes_of(axis, x.ndim)).shape)


class _Transpose(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, axes: Shape) -> Array:
        return x.transpose(axes)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        axes = ctx.parameters["axes"]
        return transpose(gout, sorted(range(len(axes)), key=axes.__getitem__))


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """Return `x` with its axes in the order `axes`; without it, in reverse order."""
    x = as_tensor(x)
    order = range(x.ndim)[::-1] if axes is None else axes_of(axes, x.ndim)
    return _Transpose.apply(x, axes=tuple(order))


def matrix_transpose(x: Tensor) -> Tensor:
    """Return `x` with its last two axes exchanged."""
    x = as_tensor(x)
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


class _BroadcastTo(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, shape: Shape) -> Array:
        return array_module(x).broadcast_to(x, shape)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return sum_to(gout, ctx.inputs[0].shape)


def broadcast_to(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return `x` repeated along new axes and axes of length one, as NumPy does, to `shape`."""
    x, shape = as_tensor(x), _lengths(shape)
    return x if x.shape == shape else _BroadcastTo.apply(x, shape=shape)


class _SumTo(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, shape: Shape) -> Array:
        padded = (1,) * (x.ndim - len(shape)) + shape
        repeated = tuple(k for k, length in enumerate(padded) if length == 1 != x.shape[k])
        return sum_over(x, repeated).reshape(shape)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return broadcast_to(gout, ctx.inputs[0].shape)


def sum_to(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """Return the sum of `x` over what broadcasting from `shape` repeats: the adjoint of `broadcast_to`."""
    x, shape = as_tensor(x), _lengths(shape)
    return x if x.shape == shape else _SumTo.apply(x, shape=shape)


class _GetItem(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, index: Any) -> Array:
        return x[index]

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return _Scatter.apply(gout, shape=ctx.inputs[0].shape, index=ctx.parameters["index"])


class _Scatter(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, shape: Shape, index: Any) -> Array:
        xp = array_module(x)
        parts = index if isinstance(index, tuple) else (index,)
        if not any(is_array(part) for part in parts):  # then no element is named twice
            out = xp.zeros(shape, x.dtype)
            out[index] = x
            return out
        # An element may be named often: a long sum, so in float64 at least.
        out = xp.zeros(shape, np.result_type(x.dtype, np.float64))
        xp.add.at(out, index, x)
        return out.astype(x.dtype)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return _GetItem.apply(gout, index=ctx.parameters["index"])


def _index_part(part: Any, xp: ModuleType) -> Any:
    """Return one part of an index as NumPy understands it: as it is, or an array of integers or booleans, copied."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if hasattr(part, "__index__") and not isinstance(part, bool | np.bool_) and not is_array(part):
        return operator.index(part)
    array = xp.array(as_array("index", part.data if isinstance(part, Tensor) else part))
    if array.dtype.kind not in "biu":
        if array.size or is_array(part):
            raise IndexError(f"index: given an array of {array.dtype}, expected integers or booleans")
        array = array.astype(np.intp)  # an empty list names no element
    return array


def getitem(x: Tensor, index: Any) -> Tensor:
    """Return `x[index]`, with NumPy's meaning: integers, slices, `...`, None, integer and boolean arrays.

    An array may also be a Tensor, a list, a tuple inside the index, or what else `numpy.asarray` takes; it is copied,
    so that the backward does not see what happens to it. Where one names an element several times, its gradient is the
    sum, taken in float64 in the order of the index. (On CuPy the order is not fixed, and the last bits may change from
    run to run.)

    Raises
    ------
    IndexError
        If an array holds other things than integers or booleans, or NumPy's, where the index does not fit.
    """
    x = as_tensor(x)
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(_index_part(part, array_module(x.data)) for part in parts)
    return _GetItem.apply(x, index=parts if isinstance(index, tuple) else parts[0])


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(is_integer(n, 0) for n in value)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Return `x` with zeros around it: `widths[k]` elements before and after along axis k."""
    x = as_tensor(x)
    if not isinstance(widths, tuple | list) or len(widths) != x.ndim or not all(map(_is_pair, widths)):
        raise ValueError(f"widths: given {widths}, expected {x.ndim} pairs (before, after) of integers >= 0")
    lengths = [(before, n, after) for n, (before, after) in zip(x.shape, widths, strict=True)]
    index = tuple(slice(before, before + n) for before, n, _ in lengths)
    return _Scatter.apply(x, shape=tuple(map(sum, lengths)), index=index)


class _Concatenate(Function):
    @staticmethod
    def forward(ctx: Context, *arrays: Array, axis: int) -> Array:
        return array_module(*arrays).concatenate(arrays, axis)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        before = (slice(None),) * ctx.parameters["axis"]
        gradients: list[Tensor | None] = []
        start = 0
        for tensor, needed in zip(ctx.inputs, ctx.needs, strict=True):
            stop = start + tensor.shape[len(before)]
            gradients.append(_GetItem.apply(gout, index=(*before, slice(start, stop))) if needed else None)
            start = stop
        return tuple(gradients)


def _shapes(tensors: Sequence[Tensor]) -> str:
    return ", ".join(str(tensor.shape) for tensor in tensors)


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an existing axis."""
    joined = operands("concatenate", *tensors)
    if not joined:
        raise ValueError("tensors: given none, expected at least one")
    place = normalize_axis_index(axis, joined[0].ndim)
    others = {(tensor.shape[:place], tensor.ndim, tensor.shape[place + 1 :]) for tensor in joined}
    if len(others) > 1:
        raise ValueError(
            f"concatenate: given shapes {_shapes(joined)}, expected the same lengths along all axes but {place}"
        )
    return _Concatenate.apply(*joined, axis=place)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    parts = [as_tensor(tensor) for tensor in tensors]
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"stack: given shapes {_shapes(parts)}, expected one shape")
    return concatenate([expand_dims(part, axis) for part in parts], axis)


def flatten(x: Tensor, start: int = 1) -> Tensor:
    """Return `x` with the axes from `start` on joined to one."""
    x = as_tensor(x)
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start:])))
