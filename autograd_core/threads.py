"""Threads, for loops of the engine and for kernels. What is computed does not depend on how many there are."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from autograd_core.arguments import integer

_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_pool: ThreadPoolExecutor | None = None


def get_num_threads() -> int:
    """Return how many threads loops and kernels run on; at first, as many as there are cores for the process."""
    return _threads


def set_num_threads(count: int) -> None:
    """Set how many threads loops and kernels run on. Results do not depend on it, not in a single bit.

    NumPy's own threads, those of its BLAS library, are not counted here.

    Raises
    ------
    ValueError
        If `count` is not a positive integer.
    """
    global _threads
    _threads = integer("count", count, least=1)
    _forget_pool()


def _forget_pool() -> None:
    global _pool
    _pool = None


# The threads of a pool do not survive a fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def share(work: Callable[[int, int], None], count: int, worthwhile: bool) -> None:
    """Call `work(start, stop)` on parts of range(count): one for each thread, or one if more are not worthwhile."""
    global _pool
    parts = min(_threads, count) if worthwhile else 1
    if parts <= 1:
        work(0, count)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(_threads, thread_name_prefix="autograd_core")
    bounds = [count * part // parts for part in range(parts + 1)]
    futures = [  # in this thread's context, which holds np.errstate
        _pool.submit(copy_context().run, work, start, stop) for start, stop in zip(bounds[1:], bounds[2:], strict=False)
    ]
    try:
        work(0, bounds[1])
    finally:
        for future in futures:
            future.result()
