"""Which array library holds the data: NumPy, or CuPy where it is installed.

The engine asks here, once for each operation, and otherwise writes NumPy's spelling: `xp = array_module(a)`.
"""

from __future__ import annotations

import importlib
import math
import sys
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

# A CuPy array has NumPy's interface but no common base class with it, hence Any and not ndarray.
Array = Any


def array_module(*arrays: Array) -> ModuleType:
    """Return the library that made the arrays: `cupy` if any is CuPy's, else `numpy`.

    CuPy is looked up among the modules already imported: who holds a CuPy array has imported it.
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(array, cupy.ndarray) for array in arrays):
        return cupy
    return np


def is_array(value: object) -> bool:
    """Tell whether `value` is an array of either library."""
    return isinstance(value, np.ndarray) or is_on_device(value)


def is_on_device(value: object) -> bool:
    """Tell whether `value` is an array of CuPy, which lies on a GPU."""
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(value, cupy.ndarray)


def device_of(array: Array) -> str:
    """Return "cuda" for an array of CuPy, else "cpu"."""
    return "cuda" if is_on_device(array) else "cpu"


def to_device(array: Array, device: str) -> Array:
    """Return the array on a device, with the same dtype and layout; the array itself if it is there.

    Parameters
    ----------
    array : array
        Of NumPy or of CuPy.
    device : {"cpu", "cuda"}
        Whether NumPy or CuPy shall hold it.

    Raises
    ------
    ValueError
        If there is no such device.
    ImportError
        If CuPy is not installed.
    """
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device: given {device!r}, expected 'cpu' or 'cuda'")
    if device_of(array) == device:
        return array
    if device == "cpu":
        return array.get()
    try:
        return importlib.import_module("cupy").asarray(array)
    except ImportError as error:
        raise ImportError(
            "device: given 'cuda', which needs CuPy; install refwarp[cuda12] or refwarp[cuda13]"
        ) from error


def read_only(array: Array) -> Array:
    """Return a view that refuses to be written to (the array itself if it does, or is CuPy's: no such flag)."""
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def sum_over(array: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
    """Sum along axes, accurately whichever axes they are.

    Narrow floating-point dtypes accumulate in float64 and round once. float64 is summed pairwise: NumPy does
    so only along contiguous memory, hence the copy where the summed axes are not the last ones.
    """
    wide = np.result_type(array.dtype, np.float64)
    if array.dtype.kind not in "fc":
        return array.sum(axis=axis, keepdims=keepdims)
    if array.dtype != wide:
        return array.sum(axis=axis, dtype=wide, keepdims=keepdims).astype(array.dtype)
    axes = normalize_axis_tuple(range(array.ndim) if axis is None else axis, array.ndim)
    kept = tuple(k for k in range(array.ndim) if k not in axes)
    lengths = [array.shape[k] for k in kept]
    rows = array.transpose(*kept, *axes).reshape(*lengths, math.prod(array.shape[k] for k in axes))
    total = array_module(array).ascontiguousarray(rows).sum(axis=-1)
    return total.reshape([1 if k in axes else n for k, n in enumerate(array.shape)]) if keepdims else total
