"""Workers for tests of sweeps."""

import os

import pytest

import refwarp.sweeps
from autograd_core import get_num_threads
from refwarp.sweeps import execution
from tests.sweeps.sweeping import thread_workers
from tests.threads import threads


@pytest.fixture
def workers(monkeypatch):
    """Workers that are threads of this process, and cost little; commands have them, too.

    What a cell sets for its process is undone.
    """
    for name in execution._THREADS:
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    monkeypatch.setattr(refwarp.sweeps, "processes", thread_workers)
    with threads(get_num_threads()), thread_workers() as found:
        yield found
