"""Reductions along axes: sum, mean, logsumexp. Sums are accurate along every axis (`arrays.sum_over`)."""

from __future__ import annotations

import math

import numpy as np

from autograd_core.arrays import Array, Axis, array_module, axes_of, mean_over, sum_over
from autograd_core.function import Context, Function
from autograd_core.functions.conversion import astype, floating, widened
from autograd_core.functions.elementwise import exp, where
from autograd_core.functions.shaping import broadcast_to, reshape
from autograd_core.tensor import Tensor


def _with_axes_kept(reduced: Tensor, shape: tuple[int, ...], axis: Axis) -> Tensor:
    """Give a reduction of an array of `shape` its summed axes back, with length one."""
    axes = axes_of(axis, len(shape))
    return reshape(reduced, [1 if k in axes else n for k, n in enumerate(shape)])


def _count(name: str, x: Tensor, axis: Axis) -> int:
    """Return how many elements each result is made of, or raise ValueError if none."""
    count = math.prod(x.shape[k] for k in axes_of(axis, x.ndim))
    if not count:
        raise ValueError(f"{name}: given shape {x.shape} and axis {axis}, expected at least one element along it")
    return count


class _Sum(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, axis: Axis, keepdims: bool) -> Array:
        return sum_over(x, axis, keepdims)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        shape = ctx.inputs[0].shape
        return broadcast_to(_with_axes_kept(gout, shape, ctx.parameters["axis"]), shape)


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the sum of `x` along `axis` (all axes by default)."""
    return _Sum.apply(x, axis=axis, keepdims=keepdims)


class _Mean(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, axis: Axis, keepdims: bool) -> Array:
        return mean_over(x, axis, keepdims)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        x, axis = ctx.inputs[0], ctx.parameters["axis"]
        wide = astype(gout, np.result_type(gout.dtype, np.float64))  # float16 holds no count beyond 65,504
        share = astype(wide / _count("mean", x, axis), gout.dtype)
        return broadcast_to(_with_axes_kept(share, x.shape, axis), x.shape)


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the arithmetic mean of `x` along `axis` (all axes by default); ValueError for that of nothing."""
    x = floating(x)
    _count("mean", x, axis)
    return _Mean.apply(x, axis=axis, keepdims=keepdims)


class _LogSumExp(Function):
    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, x: Array, axis: Axis, keepdims: bool) -> Array:
        xp, axes = array_module(x), axes_of(axis, x.ndim)
        largest = x.real.max(axis=axes, keepdims=True)
        largest = xp.where(xp.isfinite(largest), largest, 0)  # so that inf - inf does not turn up
        with np.errstate(divide="ignore"):  # where all are -inf
            total = xp.log(sum_over(xp.exp(x - largest), axes, keepdims=True)) + largest
        return total if keepdims else total.squeeze(axes)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        x, axis = ctx.inputs[0], ctx.parameters["axis"]
        total = _with_axes_kept(ctx.outputs[0], x.shape, axis)
        softmax = exp(x - where(total.data == -np.inf, 0, total))  # not inf - inf: 0 where all are -inf
        return softmax * _with_axes_kept(gout, x.shape, axis)


def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return log(sum(exp(x))) along `axis` (all axes by default), without overflow; ValueError for that of nothing.

    Where all elements are -inf, so is the result, and their gradients are taken as 0.
    """
    dtype, (x,) = widened(x)
    _count("logsumexp", x, axis)
    return astype(_LogSumExp.apply(x, axis=axis, keepdims=keepdims), dtype)
