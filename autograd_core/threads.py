"""Threads, for loops of the engine and for kernels. What is computed does not depend on how many there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from threading import Lock
from typing import Any

from autograd_core.arguments import integer

_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_pool: ThreadPoolExecutor | None = None
_blas_lock = Lock()
_blas_users = 0
_blas_threads: list[int] = []


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


@cache
def _blas_libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


def _set_blas_threads(counts: Sequence[int]) -> None:
    for library, count in zip(_blas_libraries(), counts, strict=True):
        # Newer versions of threadpoolctl let one thread control OpenBLAS, and no other until that one is done.
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(count)
        release(force=True)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep products of matrices to the thread that asks for them: how BLAS shares one decides how it is rounded.

    BLAS knows one number for all threads, so the first to enter sets it, and the last to leave sets it back. A library
    that threadpoolctl does not know is left as it is.
    """
    global _blas_users, _blas_threads
    with _blas_lock:
        if not _blas_users:
            _blas_threads = [library.num_threads for library in _blas_libraries()]
            _set_blas_threads([1] * len(_blas_threads))
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if not _blas_users:
                _set_blas_threads(_blas_threads)


def _after_fork() -> None:
    """Forget the pool, whose threads do not survive a fork, and the threads that multiplied at that moment."""
    global _blas_lock, _blas_users
    _forget_pool()
    _blas_lock, _blas_users = Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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
