"""How kernels are run, on the CPU and on a GPU.

On the CPU `run` gives each thread a contiguous part of a kernel's range of items; on CUDA each of many threads strides
through the range. Each element of a result is computed by one thread in a fixed order, so the bits do not depend on the
number of threads.

Arrays that a kernel reads are passed through `argument`. Arrays that it writes, results and scratch, are allocated by
shape and dtype: `xp.empty(shape, dtype)`. `empty_like` would keep the memory layout of an arbitrary input; a reshape of
the result would then be a copy, and what a kernel writes to it would be lost. `run` rejects anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numba
import numpy as np

from autograd_core.arrays import array_module, read_only
from autograd_core.threads import get_num_threads
from refwarp.arguments import shown
from refwarp.backend.jit import flattened

# Flags of NumPy's arrays, as `ndarray.flags.num` has them: one look at all of them takes 50 nanoseconds.
_IN_ORDER = 0x101  # row by row, and aligned
_OWN, _WRITEABLE = 0x4, 0x400
# What kernels accept: what `argument` returns, which may own its memory or not, and what they write, which must own it.
_KNOWN = _IN_ORDER | _OWN | _WRITEABLE
_TAKEN = {_IN_ORDER, _IN_ORDER | _OWN, _IN_ORDER | _OWN | _WRITEABLE}


def argument(array: Any) -> Any:
    """Return the array in the form that kernels read: row by row, aligned and read-only. So each dtype compiles once.

    A copy, if the memory layout of the array differs. (CuPy arrays are aligned, and cannot be read-only.)
    """
    if not isinstance(array, np.ndarray):
        return array_module(array).ascontiguousarray(array)
    return read_only(array if array.flags.num & _IN_ORDER == _IN_ORDER else np.array(array, order="C"))


_backend = "cpu"


def _set_backend(name: str) -> None:
    global _backend
    _backend = name


def use_backend(name: str) -> ExitStack:
    """Choose where kernels run on NumPy arrays; CuPy arrays always stay on their GPU.

    Parameters
    ----------
    name : str
        "cpu", or "cuda": each call copies its arrays to the GPU, and the results back. Without a GPU, CUDA's
        simulator is used, if the environment variable NUMBA_ENABLE_CUDASIM is 1.

    Returns
    -------
    context manager
        ``with use_backend("cuda"): ...`` returns to the former backend at the end of the block.

    Raises
    ------
    ValueError
        If there is no such backend.
    RuntimeError
        If CUDA is not available; the message says what is missing.
    """
    if not isinstance(name, str) or name not in ("cpu", "cuda"):
        raise ValueError(f"backend: given {shown(name)}, expected 'cpu' or 'cuda'")
    if name == "cuda":
        from refwarp.backend.cuda import check_cuda

        check_cuda("backend")
    former = ExitStack()  # which does nothing unless a `with` block ends
    former.callback(_set_backend, _backend)
    _set_backend(name)
    return former


# Fewer elements than this are not worth waking a thread for.
_SMALL = 8192


def runs_on_cuda(*arguments: Any) -> bool:
    """Return whether a kernel with these arguments runs on CUDA."""
    return _backend == "cuda" or ("cupy" in sys.modules and array_module(*flattened(arguments)) is not np)


def _misplaced(function: Callable[..., None], array: Any) -> TypeError:
    """Return the exception for an array that a kernel must not be given."""
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned):
        what = "whose elements do not lie row by row and aligned"
    else:
        what = "that can be written to and is a view, perhaps of a copy that nobody reads"
    return TypeError(
        f"{function.__module__}.{function.__name__}: given an array {array.dtype}{array.shape} {what}; "
        "expected what `argument` returns, or a new array to write into, as `numpy.empty` makes it"
    )


def run(function: Callable[..., None], count: int, elements: int, *arguments: Any) -> None:
    """Call the kernel `function(start, stop, *arguments)` on parts of range(count), one for each thread.

    `elements` is the amount of work, to decide whether more than one thread is worthwhile. On CUDA each thread takes
    single items. An array is either what `argument` returned or one that the kernel writes: a new one, and not a view.
    """
    for value in flattened(arguments):
        if isinstance(value, np.ndarray) and value.flags.num & _KNOWN not in _TAKEN:
            raise _misplaced(function, value)
    if runs_on_cuda(*arguments):
        from refwarp.backend.cuda import launch

        launch(function, count, *arguments)
    else:
        run_on_cpu(function, count, elements, *arguments)


def run_on_cpu(function: Callable[..., None], count: int, elements: int, *arguments: Any) -> None:
    """Do the same as `run`, on the CPU whatever the backend."""
    threads = min(get_num_threads(), count) if elements >= _SMALL else 1
    if threads > 1 and not numba.config.DISABLE_JIT:
        from refwarp.backend.pool import launch

        launch(function, count, threads, *arguments)
    else:
        function(0, count, *arguments)
