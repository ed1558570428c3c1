"""Decorators for functions to compile, for the CPU and for CUDA: `@scalar`, `@part` and `@kernel`.

`@scalar` marks a function of scalars, `@part` one that reads or writes elements of arrays, `@kernel` a loop over
arrays, compiled on first use for the given dtypes, and cached on disk (`refwarp.backend.cache`). The first two
arguments of a kernel are the range of pixels, rows or planes that it works on: `for row in items(start, stop)`. On the
CPU each thread gets a contiguous part of that range; on CUDA (`refwarp.backend.cuda`) the same kernel is compiled
again, and each of many threads strides through the range (`refwarp.backend.launch`).

Arguments are arrays and numbers; related ones are grouped in a NamedTuple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import numba

from refwarp.backend.cache import CACHE_FOLDER, KernelCache

F = TypeVar("F", bound=Callable[..., Any])

# Division by zero gives infinity or NaN, as in NumPy; so no kernel raises.
_OPTIONS = {"error_model": "numpy"}


def scalar(function: F) -> F:
    """Compile a function of scalars into each kernel that calls it, on the CPU and on the GPU."""
    return cast(F, numba.njit(**_OPTIONS)(function))


def part(function: F) -> F:
    """Compile a function that takes arrays into each kernel that calls it, on the CPU and on the GPU.

    It is inlined, so that loops around it can be vectorised.
    """
    compiled = numba.njit(forceinline=True, **_OPTIONS)(function)
    compiled.is_part = True  # the simulator of CUDA runs these as plain Python
    return cast(F, compiled)


def kernel(function: F) -> F:
    """Compile a loop over arrays, for the CPU without the global interpreter lock; cached on disk if possible."""
    compiled = numba.njit(nogil=True, **_OPTIONS)(function)
    if not numba.config.DISABLE_JIT:
        compiled._cache = KernelCache(function, CACHE_FOLDER)  # where `cache=True` would put Numba's own
    return cast(F, compiled)


def flattened(arguments: Iterable[Any]) -> list[Any]:
    """Return a kernel's arguments, with NamedTuples replaced by their fields."""
    found = []
    for value in arguments:
        if isinstance(value, tuple):
            found += flattened(value)
        else:
            found.append(value)
    return found


@part
def items(start: int, stop: int) -> range:
    """Return the items that the calling thread works on: on the CPU all from start to stop."""
    return range(start, stop)
