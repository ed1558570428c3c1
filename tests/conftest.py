"""What all tests share: CUDA's simulator where there is no GPU, and nothing that depends on how fast the machine is."""

import os
import sys
from ctypes.util import find_library

import pytest
from hypothesis import HealthCheck, settings

# Numba looks for it when it is imported.
if find_library("cuda") is None:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")

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
    compilation = sys.modules.get("refwarp.compilation")
    assert compilation is None or not compilation.runs_on_cuda()
