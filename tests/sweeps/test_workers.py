"""Processes that compute cells: they end with the sweep, whoever ends it."""

import multiprocessing
import os
import signal
import time

import pytest

from refwarp.sweeps import processes
from tests.sweeps.sweeping import run_small, tree


@pytest.mark.parametrize("count", [0, -1, 1.5, "2"])
def test_a_number_of_workers_that_is_none_is_refused(count):
    with pytest.raises(ValueError, match=f"workers: given {count!r}, expected a positive integer"):
        with processes(count):
            raise AssertionError("no processes are to begin")


def test_processes_begin_as_they_are_needed():
    before = multiprocessing.active_children()
    with processes(1000) as workers:
        assert workers.count == 1000 and workers.threads == 1
        assert multiprocessing.active_children() == before


def blocked():
    """Return whether this process can be interrupted, by what it was born with and by what it did."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGINT)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_processes_are_never_interrupted_and_this_one_is():
    with processes(1) as workers:
        assert workers.executor.submit(blocked).result() == (True, signal.SIG_IGN)
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


class LeftError(Exception):
    pass


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_who_leaves_early_ends_them_and_no_others():
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=time.sleep, args=(1000,))
    other.start()
    try:
        with pytest.raises(LeftError):
            with processes(1) as workers:
                future = workers.executor.submit(time.sleep, 1000)
                (own,) = set(multiprocessing.active_children()) - {other}
                raise LeftError
        assert own.exitcode == -signal.SIGTERM and future.done()
        assert other.is_alive()
    finally:
        other.kill()
        other.join()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_worker_that_the_system_ends_is_told_and_nothing_is_lost(tmp_path, workers):
    killed = []

    def kill(status):
        """As the system does when memory runs out."""
        if status.under_way and not killed:
            killed.extend(multiprocessing.active_children())
            os.kill(killed[0].pid, signal.SIGKILL)

    with pytest.raises(OSError, match="workers: the system has ended one of them, perhaps for want of memory; what is"):
        with processes(1) as own:
            run_small(tmp_path / "killed", own, "slow", seeds=[0], progress=kill)
    run_small(tmp_path / "killed", workers, "slow", seeds=[0], resume=True)
    run_small(tmp_path / "whole", workers, "slow", seeds=[0])
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
