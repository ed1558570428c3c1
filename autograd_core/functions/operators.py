"""Bind the functions to Tensor's operators and methods: `a + b`, `a @ b`, `a == b`, `x[...]`, `x.sum()`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core.arguments import is_integer
from autograd_core.arrays import is_array
from autograd_core.functions.elementwise import absolute, add, divide, multiply, negative, power, subtract
from autograd_core.functions.linear_algebra import matmul
from autograd_core.functions.reductions import mean, sum
from autograd_core.functions.shaping import getitem, reshape, transpose
from autograd_core.tensor import Tensor, as_tensor


def _reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return x.reshape(2, 3) or x.reshape((2, 3))."""
    return reshape(x, shape[0] if len(shape) == 1 else shape)


def _transpose(x: Tensor, *axes: Any) -> Tensor:
    """Return x.transpose(), x.transpose(1, 0) or x.transpose((1, 0))."""
    order = axes[0] if len(axes) == 1 and not is_integer(axes[0]) else axes
    return transpose(x, order or None)


def _elementwise(operation: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Any]:
    """Return a comparison, or a connective of truths, as NumPy has it: its boolean result has no gradient."""

    def compare(a: Tensor, b: Any) -> Any:
        if isinstance(b, int | float | complex):
            return Tensor(operation(a.data, b))
        if not isinstance(b, Tensor) and (b if is_array(b) else np.asarray(b)).dtype.kind not in "biufc":
            return NotImplemented  # what holds no numbers is equal to none
        return Tensor(operation(a.data, as_tensor(b).data))

    return compare


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
Tensor.__eq__ = _elementwise(operator.eq)
Tensor.__ne__ = _elementwise(operator.ne)
Tensor.__lt__ = _elementwise(operator.lt)
Tensor.__le__ = _elementwise(operator.le)
Tensor.__gt__ = _elementwise(operator.gt)
Tensor.__ge__ = _elementwise(operator.ge)
Tensor.__and__ = Tensor.__rand__ = _elementwise(operator.and_)
Tensor.__or__ = Tensor.__ror__ = _elementwise(operator.or_)
Tensor.__xor__ = Tensor.__rxor__ = _elementwise(operator.xor)
Tensor.__invert__ = lambda x: Tensor(~x.data)
