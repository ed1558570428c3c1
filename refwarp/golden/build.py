"""Putting the suite together: each case with its truth, and the checks that a case must pass."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.families import all_cases, with_truth
from refwarp.golden.flags import FLAGS
from refwarp.golden.lint import check_flags, check_regime
from refwarp.golden.operations import OPERATIONS

# Raised whenever a case, or the way in which values are computed, changes.
GENERATOR_VERSION = "3"

# No element of a case that float32 can be asked for may overflow there.
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def build(
    cases: Iterable[Case] | None = None, progress: Callable[[int, int], None] | None = None, jobs: int = 1
) -> list[Case]:
    """Return the cases with their truths.

    Parameters
    ----------
    cases : iterable of Case, optional
        All there are, if not given.
    progress : callable, optional
        Is told, after each case, how many are done of how many.
    jobs : int
        How many processes compute; the result is the same for any number. With more than one they are started
        anew, so that the main program must be guarded by `if __name__ == "__main__"`.

    Raises
    ------
    ValueError
        If a case is not what it says: an unknown flag or argument, a result that the truth contradicts.
    OSError
        If something outside ends one of the processes.
    """
    todo = all_cases() if cases is None else list(cases)
    names = [case.name for case in todo]
    if len(set(names)) != len(names):
        raise ValueError(f"cases: two have the name {max(names, key=names.count)!r}, expected one")
    done: list[Case] = []
    with _map(min(jobs, len(todo))) as apply:
        for built in apply(_built, todo):
            done.append(built)
            if progress:
                progress(len(done), len(todo))
    return done


def _built(case: Case) -> Case:
    """Return one case with its truth, checked."""
    built = with_truth(case)
    _check(built)
    return built


# ---- several processes ----


@contextmanager
def _map(jobs: int) -> Iterator[Callable[..., Iterator[Case]]]:
    """Provide what `map` does, in several processes.

    Whatever ends this one before its time, an interrupt, an error or a kill, closes its end of a pipe, and that
    ends the others at once.
    """
    if jobs <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    end, held = context.Pipe(duplex=False)
    with held, end, ProcessPoolExecutor(jobs, context, _live_while_held, (end,)) as pool:

        def apply(function: Callable[[Case], Case], cases: Sequence[Case]) -> Iterator[Case]:
            with _interrupts_blocked():
                found = [pool.submit(function, case) for case in cases]
            return (future.result() for future in found)

        try:
            yield apply
        except BrokenProcessPool as error:
            raise OSError(
                "jobs: a process that computed cases was killed, perhaps for want of memory; use fewer jobs"
            ) from error
        except BaseException:
            held.close()
            raise


def _live_while_held(end: Any) -> None:
    """Let this process end itself as soon as the other end of a pipe is closed."""

    def watch() -> None:
        end.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes that Ctrl-C, which a terminal sends to all of them, does not reach: one ends the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check(case: Case) -> None:
    """Raise ValueError unless a case with its truth is sound."""
    unknown = [flag for flag in case.flags if flag not in FLAGS]
    if unknown or not case.flags:
        raise ValueError(f"{case.name}: given the flags {case.flags}, expected names from refwarp.golden.flags")
    arguments = {argument for call in OPERATIONS[case.operation] for argument in call.arguments}
    if set(case.inputs) - arguments:
        raise ValueError(f"{case.name}: given inputs {sorted(case.inputs)}, expected some of {sorted(arguments)}")
    found = "acceptable" if any(":" in path for path in case.outputs) else "valid"
    if case.result not in ("invalid", found):
        raise ValueError(f"{case.name}: says that it is {case.result}, but conventions make it {found}")
    check_flags(case)
    if case.result == "invalid":
        return
    largest = max((float(t.elements["M"].max(initial=0.0)) for t in case.outputs.values()), default=0.0)
    if not math.isfinite(largest) or (case.dtype != "float64" and Fraction(largest) > Fraction(_LARGEST_FLOAT32)):
        raise ValueError(f"{case.name}: an element overflows {case.dtype}")
    check_regime(case)
