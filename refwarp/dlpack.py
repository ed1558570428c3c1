"""Arrays of other libraries (PyTorch, JAX, ...), taken and given back by DLPack, which shares their memory.

Such an array has the methods `__dlpack__` and `__dlpack_device__`, which NumPy and CuPy read, and its library has a
function `from_dlpack`, which reads theirs; the array API's standard describes them under "data interchange".
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from autograd_core.arrays import is_array

# Where memory is, by DLPack's numbers: which of our two libraries reads it.
_READERS: Mapping[int, str] = {
    1: "numpy",  # the CPU's
    3: "numpy",  # the CPU's, pinned for CUDA
    2: "cupy",  # CUDA's
    13: "cupy",  # CUDA's, managed
}
# What differentiates an array that is part of a computation of its library.
_DIFFERENTIABLE: Mapping[str, str] = {"torch": "refwarp.torch", "jax": "refwarp.jax"}


def is_foreign(value: object) -> bool:
    """Tell whether a value is an array of another library than NumPy and CuPy."""
    return hasattr(type(value), "__dlpack__") and not is_array(value)


def library(name: str, array: Any) -> ModuleType:
    """Return the library of a foreign array, the module that has its `from_dlpack`.

    Parameters
    ----------
    name : str
        What the array is called, for an error.
    array : array
        For which `is_foreign` holds.

    Raises
    ------
    TypeError
        If there is none: what it would be given back as is not known.
    """
    if hasattr(array, "__array_namespace__"):
        namespace: ModuleType = array.__array_namespace__()
        return namespace
    for kind in type(array).__mro__:
        package = sys.modules.get(_package(kind))
        if package is not None and hasattr(package, "from_dlpack"):
            return package
    raise TypeError(f"{name}: given {_kind(array)}, whose library has no from_dlpack; convert it with numpy.asarray")


def taken(name: str, array: Any) -> Any:
    """Return a foreign array as NumPy's, or CuPy's if it lies on a GPU, which shares its memory.

    Parameters
    ----------
    name : str
        What the array is called, for an error.
    array : array
        For which `is_foreign` holds.

    Raises
    ------
    TypeError
        If it cannot be: its dtype is none of NumPy's (bfloat16), its library differentiates it, or it lies elsewhere.
    ImportError
        If it lies on a GPU and CuPy is not installed.
    """
    if getattr(array, "requires_grad", False) or not hasattr(array, "__dlpack_device__"):  # PyTorch's, JAX's tracers
        ours = [_DIFFERENTIABLE[p] for p in map(_package, type(array).__mro__) if p in _DIFFERENTIABLE]
        raise TypeError(
            f"{name}: given {_kind(array)} whose gradient is wanted, or which stands for values not known yet; "
            f"{f'call the function of {ours[0]}, or ' if ours else ''}pass an array without history"
        )
    try:
        reader = _READERS.get(int(array.__dlpack_device__()[0]))
        if reader == "numpy":
            return np.from_dlpack(array)
    except Exception as error:  # each library has its own way to say why not
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise TypeError(
            f"{name}: given {_kind(array)} of dtype {getattr(array, 'dtype', 'unknown')}, expected one that "
            f"NumPy takes by DLPack ({reason}); convert it first"
        ) from error
    if reader is None:
        raise TypeError(f"{name}: given {_kind(array)} on a device that is neither the CPU nor CUDA's; move it first")
    try:
        return importlib.import_module(reader).from_dlpack(array)
    except ImportError as error:
        raise ImportError(
            f"{name}: given {_kind(array)} on a GPU, which needs CuPy; install refwarp[cuda12] or refwarp[cuda13]"
        ) from error


def given_back(array: Any, to: ModuleType) -> Any:
    """Return an array of NumPy or CuPy as one of a library, which may write into it.

    It shares the memory if that may be written into, and no stride is negative: PyTorch ends the process then.
    """
    if isinstance(array, np.ndarray) and (not array.flags.writeable or min(array.strides, default=0) < 0):
        array = array.copy()
    return to.from_dlpack(array)


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _kind(array: Any) -> str:
    return f"{_package(type(array))}.{type(array).__name__}"
