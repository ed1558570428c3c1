"""Kernels on several threads: each item once, by several threads at once, whatever else the program does."""

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from refwarp.backend import cache, pool
from refwarp.backend.atomics import add, let_others_run, load, pause
from refwarp.backend.jit import kernel

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the pool runs compiled kernels alone")

SLEEP = 0.05  # long enough for workers to go to sleep
PATIENCE = 20_000_000  # times that whoever waits lets others run, which takes the longer, the more others there are


@kernel
def count_items(start, stop, visits):
    for i in range(start, stop):
        visits[i] += 1


@kernel
def meet(start, stop, arrived, patience, met):
    """Wait in each item until all have begun: that ends only if each is another thread's."""
    for i in range(start, stop):
        add(arrived, 0, 1)
        for _ in range(patience):
            if load(arrived, 0) >= met.size:
                met[i] = True
                break
            pause()
            let_others_run()


class Columns(NamedTuple):
    """Arrays of one element an item."""

    integers: Any
    flags: Any
    numbers: Any


class Terms(NamedTuple):
    """A NamedTuple, an array and numbers."""

    columns: Columns
    matrix: Any
    flag: Any
    count: Any
    factor: Any


@kernel
def combine(start, stop, terms, matrix, flag, count, factor, out):
    """Add what is given as it is, and once more what is given in a NamedTuple."""
    columns = terms.columns
    for i in range(start, stop):
        total = factor * columns.numbers[i] + count + columns.integers[i]
        for k in range(matrix.shape[1]):
            total += matrix[i, k] * terms.factor + terms.matrix[k, i]
        out[i] = total + terms.count if (flag and columns.flags[i]) or terms.flag else 0.0


@kernel
def refuse(start, stop, refusals, out):
    """Fail as long as there is a refusal left, as where memory for scratch is short."""
    for i in range(start, stop):
        if add(refusals, 0, -1) > 0:
            raise MemoryError
        out[i] = i


def together(threads):
    """Tell whether as many threads work at once."""
    met = np.zeros(threads, np.bool_)
    pool.launch(meet, threads, threads, np.zeros(1, np.int64), PATIENCE, met)
    return met.all()


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("count", [5, 64, 1001])
def test_each_item_is_computed_once(threads, count):
    visits = np.zeros(count, np.int64)
    for _ in range(50):
        pool.launch(count_items, count, threads, visits)
    assert (visits == 50).all()


@pytest.mark.parametrize("threads", [2, 4])
def test_workers_run_at_once_awake_and_woken(threads):
    """Nearly always: where others have the cores for long, a worker may fall asleep before a job begins."""
    pauses = (0.0, 0.0, SLEEP, 0.0, SLEEP) * 4
    met = 0
    for pause_before in pauses:
        time.sleep(pause_before)
        met += together(threads)
    assert met >= len(pauses) - 2


def test_fewer_threads_than_workers():
    assert together(4)
    visits = np.zeros(100, np.int64)
    pool.launch(count_items, 100, 2, visits)
    assert (visits == 1).all()


def test_arguments_of_all_kinds():
    rng = np.random.default_rng(0)
    integers, flags, numbers = rng.integers(-9, 9, 50), rng.random(50) < 0.5, rng.standard_normal(50)
    matrix = rng.standard_normal((50, 3)).astype(np.float32)
    turned = rng.standard_normal((3, 50))
    for array in (integers, flags, numbers, matrix, turned):
        array.flags.writeable = False
    given = [(True, 7, 0.25), (False, -3, -2.0), (True, -(2**40), np.float64(3.5))]
    given += [(np.False_, np.uint8(200), np.float32(-1e30)), (np.True_, np.int32(-5), np.float32(0.3))]
    for flag, count, factor in given:
        alone, together = np.full((2, 50), np.nan)
        terms = Terms(Columns(integers, flags, numbers), turned, not flag and count < 0, count, factor)
        arguments = terms, matrix, flag, count, factor
        combine(0, 50, *arguments, alone)
        pool.launch(combine, 50, 3, *arguments, together)
        np.testing.assert_array_equal(together, alone)
    assert len(set(alone)) > 10


def test_arrays_of_another_type_have_another_wrapper():
    for dtype in (np.int64, np.int32, np.float32, np.int64):
        visits = np.zeros(20, dtype)
        pool.launch(count_items, 20, 2, visits)
        assert (visits == 1).all()


def test_threads_of_the_program_at_once():
    """One runs a job, the others take the slow path; all get their results."""
    counts = [np.zeros(20_000, np.int64) for _ in range(6)]

    def work(visits):
        for _ in range(300):
            pool.launch(count_items, visits.size, 2, visits)

    workers = [threading.Thread(target=work, args=(visits,)) for visits in counts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((visits == 300).all() for visits in counts)


def test_a_chunk_that_fails_is_computed_again_or_tells_why():
    out = np.zeros(40)
    pool.launch(refuse, 40, 2, np.array([1]), out)
    np.testing.assert_array_equal(out, np.arange(40))
    with pytest.raises(MemoryError):
        pool.launch(refuse, 40, 2, np.array([10**6]), out)
    visits = np.zeros(40, np.int64)
    pool.launch(count_items, 40, 2, visits)
    assert (visits == 1).all()


posix = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX")


@posix
def test_an_interrupt_waits_for_the_kernel():
    """Workers must not write to arrays that the caller has given up."""
    visits = np.zeros(8_000_000, np.int64)
    pool.launch(count_items, visits.size, 2, visits)  # compiles

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            while True:
                pool.launch(count_items, visits.size, 2, visits)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert visits.min() == visits.max()


@posix
def test_interrupts_leave_a_pool_that_works():
    """Wherever they strike: a lock that stays held would end it."""
    raised, rng = 0, np.random.default_rng(0)
    pool.launch(count_items, 10, 2, np.zeros(10, np.int64))  # compiles

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        while raised < 2000:
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 6e-4))
                while True:
                    pool.launch(count_items, 10, 2, np.zeros(10, np.int64))
            except KeyboardInterrupt:  # once: the timer fires once
                raised += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert together(2)


def test_compiled_code_notes_that_a_worker_sleeps():
    """Before it waits for the interpreter, which others may hold for milliseconds: it would be taken for awake."""
    state, asleep = np.zeros(pool.END, np.int64), np.array([7, 7, 7])
    state[pool.NEXT] = pool.NO_CHUNK
    assert pool._run_worker(state, asleep, 1)
    assert asleep.tolist() == [7, 1, 7]
    state[pool.SHUTDOWN] = 1
    assert not pool._run_worker(state, asleep, 1)
    assert asleep.tolist() == [7, 0, 7]


def test_any_number_of_threads_can_be_asked_for(monkeypatch):
    """More chunks than NEXT counts would never end."""
    asked = []
    monkeypatch.setattr(pool, "_pool", SimpleNamespace(run=lambda *job: asked.append(job[-1])))
    visits = np.zeros(3_000_000, np.int64)
    pool.launch(count_items, visits.size, visits.size, visits)
    assert asked == [pool.MAX_WORKERS + 1] and (visits == 1).all()
    assert pool.MAX_WORKERS + 1 < pool.NO_CHUNK


@pytest.fixture
def layout_forgotten(monkeypatch):
    """Let the layout of NumPy's arrays be checked and told anew, in the test and after it."""
    monkeypatch.setattr(cache, "_warned", set())
    pool._layout_is_known.cache_clear()
    yield
    pool._layout_is_known.cache_clear()


def test_the_layout_of_arrays_is_known(layout_forgotten):
    assert pool._layout_is_known()  # without a warning, which is an error here


@pytest.mark.parametrize("field", ["DATA", "AXES", "LENGTHS", "STRIDES"])
@pytest.mark.parametrize("shift", [-8, 8, 1024])
def test_another_layout_of_arrays(layout_forgotten, monkeypatch, field, shift):
    """One thread computes, without a look at what may be no address; a process is told once."""
    monkeypatch.setattr(pool, field, getattr(pool, field) + shift)
    monkeypatch.setattr(pool, "_pool", None)  # which is not asked
    visits = np.zeros(100, np.int64)
    with pytest.warns(RuntimeWarning, match="kernels run on one thread") as told:
        for _ in range(3):
            pool.launch(count_items, 100, 2, visits)
    assert (visits == 3).all() and len(told) == 1


def test_another_layout_is_told_once_where_warnings_are_errors(layout_forgotten, monkeypatch):
    monkeypatch.setattr(pool, "DATA", pool.DATA + 8)
    visits = np.zeros(100, np.int64)
    with pytest.raises(RuntimeWarning, match="kernels run on one thread"):
        pool.launch(count_items, 100, 2, visits)
    pool.launch(count_items, 100, 2, visits)
    assert (visits == 1).all()


def test_no_threads_to_be_had(monkeypatch):
    def refuse_to_start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "_pool", pool._Pool())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        visits = np.zeros(100, np.int64)
        pool.launch(count_items, 100, 3, visits)
        assert (visits == 1).all()
    assert together(3)
    pool._pool.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_the_child_of_a_fork_has_a_pool_of_its_own():
    pool.launch(count_items, 10, 3, np.zeros(10, np.int64))
    child = os.fork()
    if child == 0:
        os._exit(0 if together(2) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("seconds", [0.0, SLEEP])
def test_a_process_ends_with_workers_awake_or_asleep(hang_limit, seconds):
    code = (
        "import numpy as np, time, refwarp; refwarp.set_num_threads(3); "
        "x = np.ones((4, 4, 64, 64)); refwarp.grid_sample(x, np.zeros((4, 64, 64, 2))); "
        f"time.sleep({seconds}); print('done')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=hang_limit)
    assert (found.returncode, found.stdout, found.stderr) == (0, "done\n", "")
