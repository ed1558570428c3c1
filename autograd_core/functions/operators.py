"""Bind the functions to Tensor's operators and methods: `a + b`, `a @ b`, `x[...]`, `x.sum()`."""

from __future__ import annotations

from typing import Any

from autograd_core.functions.elementwise import absolute, add, divide, multiply, negative, power, subtract
from autograd_core.functions.linear_algebra import matmul
from autograd_core.functions.reductions import mean, sum
from autograd_core.functions.shaping import getitem, reshape, transpose
from autograd_core.tensor import Tensor


def _reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return x.reshape(2, 3) or x.reshape((2, 3))."""
    return reshape(x, shape[0] if len(shape) == 1 else shape)


def _transpose(x: Tensor, *axes: Any) -> Tensor:
    """Return x.transpose(), x.transpose(1, 0) or x.transpose((1, 0))."""
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    return transpose(x, order or None)


Tensor.__add__ = Tensor.__radd__ = add
Tensor.__sub__ = subtract
Tensor.__rsub__ = lambda b, a: subtract(a, b)
Tensor.__mul__ = Tensor.__rmul__ = multiply
Tensor.__truediv__ = divide
Tensor.__rtruediv__ = lambda b, a: divide(a, b)
Tensor.__pow__ = power
Tensor.__neg__ = negative
Tensor.__abs__ = absolute
Tensor.__matmul__ = matmul
Tensor.__rmatmul__ = lambda b, a: matmul(a, b)
Tensor.__getitem__ = getitem
Tensor.sum = sum
Tensor.mean = mean
Tensor.reshape = _reshape
Tensor.transpose = _transpose
