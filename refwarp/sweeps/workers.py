"""What computes the cells of a sweep: any executor of `concurrent.futures`, such as processes of this machine."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from autograd_core import get_num_threads
from refwarp.arguments import check_count

P = ParamSpec("P")
T = TypeVar("T")


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Workers:
    """An executor, and what a sweep must know of it.

    Attributes
    ----------
    executor : concurrent.futures.Executor
        Computes cells. Its processes see the same files under the same paths.
    count : int
        How many cells it computes at the same time.
    threads : int
        How many threads each cell gets for kernels.
    check : callable
        Is called about twice a second while cells are computed; it raises OSError if they cannot be any more.
    """

    executor: Executor
    count: int
    threads: int = 1
    check: Callable[[], None] = _nothing


@contextmanager
def processes(count: int) -> Iterator[Workers]:
    """Return processes of this machine, which end with this one, however it ends.

    If the block is left by an exception, they are ended at once.

    Parameters
    ----------
    count : int
        How many there are at most: they begin as cells are submitted.

    Raises
    ------
    ValueError
        If that is not positive.
    OSError
        If one of them has ended before its time.
    """
    check_count("workers", count)
    others = set(multiprocessing.active_children())
    # Spawned, so that no thread or lock of this process is theirs.
    executor = _Processes(count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker)
    try:
        yield Workers(executor, count, threads=max(1, get_num_threads() // count))
    except BaseException as error:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        executor.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise OSError(
                "workers: the system has ended one of them, perhaps for want of memory; what is finished is kept, and "
                "--resume goes on; fewer --workers need less memory"
            ) from error
        raise
    executor.shutdown()


class _Processes(ProcessPoolExecutor):
    """Processes that are never interrupted: who interrupts this one from a terminal interrupts all that it began."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a call. A process that begins here inherits that interrupts are blocked."""
        if not hasattr(signal, "pthread_sigmask"):
            return super().submit(fn, *args, **kwargs)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """Let this process neither be interrupted, nor outlive the one that began it, nor warn on its terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # of an overflow, say: the results tell what became of it
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
