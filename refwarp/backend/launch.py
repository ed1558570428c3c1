"""How kernels are run, on the CPU and on a GPU.

On the CPU `run` gives each thread a stretch of a kernel's range of items; on CUDA each of many threads takes every
so-many-th item. Each element of a result is computed by one thread in one order, so the bits do not depend on the
number of threads.

What a kernel reads goes through `argument`. What it writes, results and scratch, is a whole array, allocated by shape
and dtype: `xp.empty(shape, dtype)`. `empty_like` would keep the memory layout of an input that came from anywhere, and
then a reshape of the result is a copy, into which a kernel would write in vain. `run` refuses anything else.
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
# What kernels take: what `argument` returns, which may own its memory or not, and what they write, which must own it.
_KNOWN = _IN_ORDER | _OWN | _WRITEABLE
_TAKEN = {_IN_ORDER, _IN_ORDER | _OWN, _IN_ORDER | _OWN | _WRITEABLE}


def argument(array: Any) -> Any:
    """Return the array as kernels read it, so that each dtype compiles once: row by row, aligned and read-only.

    A copy, if the array lies otherwise in memory. (Arrays of CuPy are aligned, and cannot be read-only.)
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
        simulator serves, if the environment variable NUMBA_ENABLE_CUDASIM is 1.

    Returns
    -------
    context manager
        ``with use_backend("cuda"): ...`` returns to the former backend at the end of the block.

    Raises
    ------
    ValueError
        If there is no such backend.
    RuntimeError
        If CUDA is asked for and there is none; the message says what is missing.
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
    """Tell whether a kernel with these arguments runs on CUDA."""
    return _backend == "cuda" or ("cupy" in sys.modules and array_module(*flattened(arguments)) is not np)


def _misplaced(function: Callable[..., None], array: Any) -> TypeError:
    """Return what to raise for an array that a kernel must not be given."""
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

    `elements` is the size of the work, to tell whether it is worth more than one thread. On CUDA each thread takes
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
    """Do what `run` does, on the CPU whatever the backend."""
    threads = min(get_num_threads(), count) if elements >= _SMALL else 1
    if threads > 1 and not numba.config.DISABLE_JIT:
        from refwarp.backend.pool import launch

        launch(function, count, threads, *arguments)
    else:
        function(0, count, *arguments)
