"""Where there is no GPU, CUDA kernels are tested in CUDA's simulator. Numba looks for it when it is imported."""

import os
from ctypes.util import find_library

if find_library("cuda") is None:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")
