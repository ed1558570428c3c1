"""What all tests share: CUDA's simulator where there is no GPU, and nothing that depends on how fast the machine is."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from ctypes.util import find_library

import pytest
from hypothesis import HealthCheck, settings

# Two workers on two cores: more threads of BLAS would wait for each other, in spins that cost most of the suite's time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Numba looks for it when it is imported.
if find_library("cuda") is None:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")

# What a shell starts in the background ignores interrupts, which tests send to themselves and to their children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples are counted, never timed: a busy machine changes no verdict.
settings.register_profile("refwarp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("refwarp")


@pytest.fixture(scope="session")
def hang_limit() -> float:
    """Return the seconds after which what a test waits for hangs; far beyond what the slowest machine needs."""
    return 600.0


@pytest.fixture(autouse=True)
def the_backend_stays():
    """No test, and no import, leaves another backend behind: all that follows would run in the simulator."""
    yield
    launch = sys.modules.get("refwarp.backend.launch")
    assert launch is None or not launch.runs_on_cuda()


@pytest.fixture
def open_elsewhere():
    """A context in which another program has an HDF5 file open: `with open_elsewhere(path): ...`."""
    program = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"

    @contextmanager
    def held(path):
        with subprocess.Popen([sys.executable, "-c", program, path], stdin=-1, stdout=-1) as holder:
            try:
                assert holder.stdout.readline() == b"open\n"
                yield
            finally:
                holder.communicate()

    return held
