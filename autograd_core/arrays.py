"""Which array library holds the data: NumPy, or CuPy where it is installed.

The engine asks here, once for each operation, and otherwise writes NumPy's spelling: `xp = array_module(a)`.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

# A CuPy array has NumPy's interface but no common base class with it, hence Any and not ndarray.
Array = Any
Axis = int | Sequence[int] | None


def array_module(*arrays: Array) -> ModuleType:
    """Return the library that made the arrays: `cupy` if any is CuPy's, else `numpy`.

    CuPy is looked up among the modules already imported: who holds a CuPy array has imported it.
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(array, cupy.ndarray) for array in arrays):
        return cupy
    return np


def as_array(name: str, value: object) -> Array:
    """Return `value` as an array that the engine computes with, the array itself if it is one.

    That is CuPy's, or NumPy's own class (`numpy.matrix` would multiply otherwise) with numbers in the machine's byte
    order. What this file lets in is safe in every forward and backward.

    Parameters
    ----------
    name : str
        What the value is called, for an error.
    value : array_like
        An array, or anything `numpy.asarray` takes.

    Raises
    ------
    TypeError
        If it holds other things than numbers or booleans, or has a mask, which no function here would heed.
    """
    if type(value) is np.ndarray and value.dtype.isnative and value.dtype.kind in "biufc":  # as nearly always
        return value
    if is_on_device(value):
        return value
    array = plain_array(name, value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name}: given an array of dtype {array.dtype}, expected numbers or booleans")
    return array


def plain_array(name: str, value: object) -> np.ndarray[Any, Any]:
    """Return `value` as an array of NumPy's own class in the machine's byte order, whatever its elements are.

    Raises
    ------
    TypeError
        If it has a mask, which no function here would heed.
    """
    if _is_masked(value):
        raise TypeError(f"{name}: given a masked array, expected one without a mask; its method `filled` gives one")
    array = np.asarray(value)
    return array if array.dtype.isnative else array.astype(native(array.dtype))


def _is_masked(value: object) -> bool:
    """Tell whether `value`, or a list or tuple in it, is a masked array."""
    if isinstance(value, list | tuple):
        return any(map(_is_masked, value))
    return isinstance(value, np.ma.MaskedArray)


def native(dtype: Any) -> np.dtype[Any]:
    """Return the dtype in the machine's byte order."""
    given: np.dtype[Any] = np.dtype(dtype)
    return given if given.isnative else given.newbyteorder("=")


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return what sums and running quantities of a dtype are kept in: float32 at least, float64 for integers."""
    working: np.dtype[Any] = np.result_type(dtype, np.float32 if dtype.kind in "fc" else np.float64)
    return working


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
    view.setflags(write=False)
    return view


def _wide_sum(array: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the sum in float64 at least, not rounded to the array's dtype.

    float64 is summed pairwise: NumPy does so only along contiguous memory, hence the copy where the summed axes are
    not the last ones.
    """
    wide = np.result_type(array.dtype, np.float64)
    if array.dtype != wide:
        return array.sum(axis=axes, dtype=wide, keepdims=keepdims)
    kept = tuple(k for k in range(array.ndim) if k not in axes)
    lengths = [array.shape[k] for k in kept]
    rows = array.transpose(*kept, *axes).reshape(*lengths, math.prod(array.shape[k] for k in axes))
    total = array_module(array).ascontiguousarray(rows).sum(axis=-1)
    return total.reshape([1 if k in axes else n for k, n in enumerate(array.shape)]) if keepdims else total


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes that `axis` names, counted from the first; all for None."""
    return tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)


def sum_over(array: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum along axes, accurately whichever axes they are: in float64 at least, rounded once."""
    axes = axes_of(axis, array.ndim)
    if array.dtype.kind not in "fc":
        return array.sum(axis=axes, keepdims=keepdims)
    return _wide_sum(array, axes, keepdims).astype(array.dtype)


def mean_of_sum(array: Array, count: Array, sum_of: Callable[[Array], Array]) -> Array:
    """Return `sum_of(array) / count`, also where only the sum is beyond the largest float.

    Sums that are not finite are taken again, of the array times a power of two; the others keep every bit.

    Parameters
    ----------
    array : array
        Floating-point or complex numbers.
    count : int or array
        At least about the sum of the sizes of what the sum multiplies each number by.
    sum_of : callable
        Returns sums, linear in the array, in its dtype or a wider one.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = sum_of(array)
    if total.dtype != array.dtype:  # a wider sum of finite numbers is finite
        return total / count
    xp = array_module(total)
    finite = xp.isfinite(total)
    if finite.all():
        return total / count
    down = 2.0 ** -math.ceil(xp.max(xp.asarray(count))).bit_length()
    scaled = sum_of(array * down)
    with np.errstate(over="ignore", invalid="ignore"):  # the mean of the largest floats may be rounded up
        return xp.where(finite, total / count, scaled / (count * down))


def mean_over(array: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean of floating-point numbers along axes; only the mean is rounded, not the sum before it."""
    axes = axes_of(axis, array.ndim)
    count = math.prod(array.shape[k] for k in axes)
    return mean_of_sum(array, count, lambda x: _wide_sum(x, axes, keepdims)).astype(array.dtype)


def keep_where(array: Array, mask: Array) -> Array:
    """Return an array of what stands where a boolean mask holds, and 0 elsewhere; the two broadcast.

    A processor guesses which way a choice goes, and half of the guesses about a random mask are wrong: NumPy's `where`
    takes 3.6 ns an element then. Ones and zeros in all bits, and a logical "and", take 0.3.
    """
    xp, size = array_module(array), array.dtype.itemsize
    if xp is not np or array.dtype.kind != "f" or size not in (2, 4, 8) or not array.dtype.isnative:
        kept: Array = xp.where(mask, array, array.dtype.type(0))
        return kept
    integer = np.dtype(f"i{size}")
    bits = np.asarray(mask).astype(integer)
    np.negative(bits, out=bits)
    return np.asarray(bits & np.ascontiguousarray(array).view(integer)).view(array.dtype)
