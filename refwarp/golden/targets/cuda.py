"""refwarp on CUDA as a target: the functions of `refwarp.golden.targets.refwarp`, with their kernels there.

Whoever starts the process says, by NUMBA_ENABLE_CUDASIM, whether that is a GPU or CUDA's simulator.
"""

from __future__ import annotations

from numba import cuda

from refwarp.compilation import use_backend
from refwarp.cuda import SIMULATED
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.refwarp import *  # noqa: F403  # the functions, whatever they are

if not cuda.is_available():
    raise ImportError("Numba finds no GPU; install a driver and `refwarp[cuda]`, or give 'refwarp:simulator'")
use_backend("cuda")  # for the whole process: the reverse sweep runs there too

VERSION = own.VERSION if SIMULATED else f"{own.VERSION} on {cuda.get_current_device().name}"
