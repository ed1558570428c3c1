"""Kernels on CUDA: compiled from the functions that the CPU runs, and launched on the arrays of a GPU.

A kernel and the parts that it calls are compiled again for CUDA, with another meaning of `items`: while a thread on the
CPU takes a contiguous part of the range, a thread on CUDA strides through it, so that neighbouring threads work on
neighbouring items. Scalars are shared unchanged. Nothing is accumulated by atomic operations: each item is computed by
one thread, and its sums run in a fixed order.

The simulator (NUMBA_ENABLE_CUDASIM=1) runs the same kernels without a GPU, in Python threads.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from threading import Lock
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import cuda

from autograd_core.arrays import array_module
from refwarp.backend.jit import flattened, items

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
# Enough for a few multiprocessors; few enough for the simulator.
_THREADS, _BLOCKS = (4, 2) if SIMULATED else (128, 65536)
if SIMULATED:
    sys.setswitchinterval(1e-4)  # the simulator polls its threads, for a whole switch interval each time


def check_cuda(argument: str) -> None:
    """Raise RuntimeError, naming the argument that requires it, unless there is a GPU, or its simulator."""
    if not SIMULATED and not cuda.is_available():
        raise RuntimeError(
            f"{argument}: given 'cuda', but Numba finds no CUDA device; install a driver and the extra "
            "refwarp[cuda12] or refwarp[cuda13], or set NUMBA_ENABLE_CUDASIM=1 to run the kernels in CUDA's simulator"
        )


def _items(start: int, stop: int) -> range:
    return range(start + cuda.grid(1), stop, cuda.gridsize(1))


_items_of_cuda: Callable[[int, int], range] = cuda.jit(device=True)(_items)
_one_at_a_time = Lock()


def _simulated_items(start: int, stop: int) -> range:
    np.seterr(all="ignore")  # of this thread; compiled kernels do not warn either
    with _one_at_a_time:  # while it runs, the simulator has its own `cuda` in this module, for all threads
        return _items_of_cuda(start, stop)


# CUDA's versions of kernels and parts, compiled on first use.
_kernels: dict[Any, Any] = {}
_parts: dict[Any, Any] = {items: _simulated_items if SIMULATED else _items_of_cuda}


def _with_parts_of_cuda(function: FunctionType) -> FunctionType:
    """Return a function that calls CUDA's version of each part that it names."""
    called = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    parts = {name: _part(value) for name, value in called.items() if getattr(value, "is_part", False)}
    return FunctionType(function.__code__, {**function.__globals__, **parts}, function.__name__)


def _part(compiled: Any) -> Any:
    if compiled not in _parts:
        _parts[compiled] = cuda.jit(device=True)(_with_parts_of_cuda(compiled.py_func))
    return _parts[compiled]


def cuda_kernel(compiled: Any) -> Any:
    """Return CUDA's version of a kernel of the CPU."""
    if compiled not in _kernels:
        _kernels[compiled] = cuda.jit(_with_parts_of_cuda(compiled.py_func))
    return _kernels[compiled]


def _stream(arguments: tuple[Any, ...]) -> Any:
    """Return the stream to launch on: CuPy's current one, if arrays are CuPy's, else the default."""
    xp = array_module(*flattened(arguments))
    current = 0 if xp is np else xp.cuda.get_current_stream().ptr
    return cuda.external_stream(current) if current else 0


def _there(value: Any) -> Any:
    """Return an argument on the GPU; for a NamedTuple its fields."""
    if isinstance(value, tuple):
        return type(value)(*(_as_numbas_own(_there(field)) for field in value))
    return cuda.to_device(value) if isinstance(value, np.ndarray) else value


def _as_numbas_own(field: Any) -> Any:
    """Return a field of a NamedTuple: older versions of Numba do not know the type of CuPy's arrays in there."""
    if SIMULATED or not hasattr(field, "__cuda_array_interface__"):
        return field
    return cuda.as_cuda_array(field, sync=False)


def launch(kernel: Callable[..., None], count: int, *arguments: Any) -> None:
    """Run `kernel(0, count, *arguments)` on CUDA.

    CuPy arrays are used in place. NumPy arrays are copied to the GPU, and those that are writeable are copied back.
    """
    if count == 0:
        return
    there = [_there(value) for value in arguments]
    blocks = min(-(-count // _THREADS), _BLOCKS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Grid size")  # of a map too small to fill the GPU
        cuda_kernel(kernel)[blocks, _THREADS, _stream(arguments)](0, count, *there)
    for value, copied in zip(flattened(arguments), flattened(there), strict=True):
        if isinstance(value, np.ndarray) and value.flags.writeable:
            copied.copy_to_host(value)
