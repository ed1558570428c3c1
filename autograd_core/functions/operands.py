"""Which operands go together: Python numbers adapt, arrays of two precisions are refused.

Nothing changes its precision silently. A Python number has none, so it takes that of the tensor it meets (as in
NumPy 2), and so do integers of a dtype that NumPy promotes to it: at most 8 bits beside float16, 16 beside float32, all
beside float64, to which integers beyond 2^53 are rounded. A float32 beside a float64 is an error, since either answer
would surprise someone, and so is an int32 beside a float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arrays import array_module
from autograd_core.tensor import Tensor, as_tensor

# Exactly these: a numpy.float64 is a float too, but one that knows its precision.
_PYTHON_NUMBERS = (bool, int, float, complex)


def operands(name: str, *values: Any) -> tuple[Tensor, ...]:
    """Return `values` as Tensors that may be combined; integers beside a floating-point tensor have its dtype.

    Parameters
    ----------
    name : str
        The function that combines them, for its error.
    *values : Tensor, array_like or Python number
        The operands. Real and complex ones of the same precision may meet.

    Raises
    ------
    TypeError
        If combining them would change the precision of one that is floating-point.
    """
    if all(type(value) in _PYTHON_NUMBERS for value in values):
        return tuple(as_tensor(value) for value in values)
    weak = [value if type(value) in _PYTHON_NUMBERS else as_tensor(value) for value in values]
    tensors = [value for value in weak if isinstance(value, Tensor)]
    if len(tensors) == len(weak) and all(tensor.dtype == tensors[0].dtype for tensor in tensors):
        return tuple(tensors)
    common = np.result_type(*(value.dtype if isinstance(value, Tensor) else value for value in weak))
    for tensor in tensors:
        if tensor.dtype.kind in "fc" and np.finfo(tensor.dtype).dtype != np.finfo(common).dtype:
            dtypes = ", ".join(str(t.dtype) for t in tensors)
            raise TypeError(
                f"{name}: given operands of dtypes {dtypes}, expected one precision; "
                "convert one of them with autograd_core.functions.astype"
            )
    xp = array_module(*(tensor.data for tensor in tensors))

    def adapt(value: Any) -> Tensor:
        if isinstance(value, Tensor):
            if value.dtype.kind in "fc" or common.kind not in "fc":
                return value
            value = value.data
        return Tensor(xp.asarray(value, dtype=common))

    return tuple(map(adapt, weak))
