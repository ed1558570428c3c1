"""Where there is no GPU, CUDA kernels are tested in CUDA's simulator. Numba looks for it when it is imported."""

import os
import sys
from ctypes.util import find_library

import pytest

if find_library("cuda") is None:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")


@pytest.fixture(autouse=True)
def the_backend_stays():
    """No test, and no import, leaves another backend behind: all that follows would run in the simulator."""
    yield
    compilation = sys.modules.get("refwarp.compilation")
    assert compilation is None or not compilation.runs_on_cuda()
