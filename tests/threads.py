"""Numbers of threads, set for a while."""

from contextlib import contextmanager

from autograd_core import get_num_threads, set_num_threads


@contextmanager
def threads(count):
    """Set the number of threads in a block."""
    before = get_num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)


def on_threads(counts, function):
    """Return what a function returns on each number of threads."""
    found = []
    for count in counts:
        with threads(count):
            found.append(function())
    return found
