"""Which dtype a function computes in: integers become float64, and float16 is computed in a wider one.

Of float16, sums, means and average pooling are computed in float64 and rounded once, to float16. What else is made of
several steps is computed in float32, each step with its rounding, and the result is rounded to float16. A single step,
such as a product or an exponential, is NumPy's own in float16. Gradients likewise.

NumPy's arithmetic on integers (sums, products, extrema, moved elements) stays as NumPy has it, and wraps around as
there. Every function whose value is no integer converts them first, with `floating` or `widened`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arrays import Array, native, working_dtype
from autograd_core.function import Context, Function
from autograd_core.tensor import Tensor, as_tensor


class _AsType(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, dtype: Any) -> Array:
        if dtype.itemsize > x.dtype.itemsize:
            return x.astype(dtype)
        with np.errstate(over="ignore"):  # beyond the narrower dtype's range is infinity, as in any rounding
            return x.astype(dtype)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return astype(gout, ctx.inputs[0].dtype)


def astype(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` converted to another floating-point dtype; its gradient is converted back.

    Raises
    ------
    TypeError
        If the dtype is not floating-point, or would drop an imaginary part.
    """
    x, new = as_tensor(x), native(dtype)
    if new.kind not in "fc" or (x.dtype.kind == "c" and new.kind != "c"):
        raise TypeError(f"dtype: given {new} for a tensor of {x.dtype}, expected a floating-point dtype")
    return x if x.dtype == new else _AsType.apply(x, dtype=new)


def floating(x: Any) -> Tensor:
    """Return `x` as a Tensor, in float64 if its elements are integers or booleans."""
    x = as_tensor(x)
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


def widened(*values: Any) -> tuple[np.dtype[Any], tuple[Tensor, ...]]:
    """Return the dtype of the result, and Tensors to compute it from: float16 in float32, integers in float64.

    The caller converts its result with `astype`, so that the gradients are computed in the wider dtype too.
    """
    tensors = [floating(value) for value in values]
    dtype = np.result_type(*(tensor.dtype for tensor in tensors))
    return dtype, tuple(astype(tensor, working_dtype(tensor.dtype)) for tensor in tensors)
