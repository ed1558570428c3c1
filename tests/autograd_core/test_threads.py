"""Threads of the engine's own loops."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from autograd_core import get_num_threads, set_num_threads
from autograd_core.threads import one_blas_thread, share


@pytest.fixture
def threads():
    before = get_num_threads()
    set_num_threads(3)
    yield 3
    set_num_threads(before)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 100])
def test_every_item_is_done_once(threads, count):
    parts = []
    share(lambda start, stop: parts.append((start, stop)), count, worthwhile=True)
    assert sorted(item for start, stop in parts for item in range(start, stop)) == list(range(count))
    assert len(parts) == max(1, min(threads, count))


def test_parts_run_at_the_same_time(threads, hang_limit):
    meeting = threading.Barrier(threads, timeout=hang_limit)
    share(lambda start, stop: meeting.wait(), threads, worthwhile=True)


def test_what_is_not_worthwhile_stays_in_its_thread(threads):
    calls = []
    share(lambda *part: calls.append((part, threading.get_ident())), 100, worthwhile=False)
    assert calls == [((0, 100), threading.get_ident())]


@pytest.mark.parametrize("bad", [0, 2])
def test_an_error_in_any_part_is_raised_after_all_have_ended(threads, bad):
    done = []

    def work(start, stop):
        if start == bad:
            raise ArithmeticError("no")
        done.append(start)

    with pytest.raises(ArithmeticError, match="no"):
        share(work, 3, worthwhile=True)
    assert sorted(done) == [start for start in range(3) if start != bad]


def test_threads_treat_floating_point_errors_as_their_caller_does(threads):
    states = []
    with np.errstate(over="raise", under="print"):
        expected = np.geterr()
        share(lambda start, stop: states.append(np.geterr()), 3, worthwhile=True)
    assert states == [expected] * 3


def test_the_number_of_threads_is_a_positive_integer(threads):
    assert get_num_threads() == 3
    for count in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match=f"count: given {count}, expected an integer >= 1"):
            set_num_threads(count)
    assert get_num_threads() == 3


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_has_one_thread_until_the_last_has_left(hang_limit):
    """Two threads that enter and leave one after the other, and an error in the second."""
    entered, left = threading.Event(), threading.Event()
    seen = []

    def second():
        with pytest.raises(ArithmeticError, match="no"), one_blas_thread():
            entered.set()
            assert left.wait(hang_limit)
            seen.append(blas_threads())
            raise ArithmeticError("no")

    with threadpool_limits(3, "blas"):
        assert blas_threads() == {3}
        other = threading.Thread(target=second)
        with one_blas_thread():
            seen.append(blas_threads())
            other.start()
            assert entered.wait(hang_limit)
        left.set()
        other.join(hang_limit)
        assert seen == [{1}, {1}] and blas_threads() == {3}
