"""refwarp on CUDA as a target: the functions of `refwarp.golden.targets.refwarp`, with their kernels there.

Whoever starts the process says, by NUMBA_ENABLE_CUDASIM, whether that is a GPU or CUDA's simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import cuda

from refwarp.backend.cuda import SIMULATED
from refwarp.backend.launch import use_backend
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.refwarp import CHOICES, DTYPES

__all__ = ["CHOICES", "DTYPES", "THREADS", "VERSION"]

# The simulator keeps a kernel's block and thread where all threads see it.
THREADS = not SIMULATED

if not cuda.is_available():
    raise ImportError(
        "Numba finds no GPU; install a driver and `refwarp[cuda12]` or `refwarp[cuda13]`, or give 'refwarp:simulator'"
    )

VERSION = own.VERSION if SIMULATED else f"{own.VERSION} on {cuda.get_current_device().name}"


def _on_cuda(function: Callable[..., Any]) -> Callable[..., Any]:
    def on_cuda(*arrays: Any, **options: Any) -> Any:
        with use_backend("cuda"):  # for the reverse sweep, too
            return function(*arrays, **options)

    return on_cuda


_NAMES = [call.function(operation) for operation, calls in OPERATIONS.items() for call in calls]
globals().update({name: _on_cuda(getattr(own, name)) for name in _NAMES})
