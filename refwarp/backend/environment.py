"""Environment variables that must be valid for kernels to be compiled."""

from __future__ import annotations

import os


def check_environment() -> None:
    """Raise ImportError for a number of threads with which Numba compiles nothing."""
    given = os.environ.get("NUMBA_NUM_THREADS", "1")
    try:
        valid = int(given) > 0
    except ValueError:
        valid = False
    if not valid:
        raise ImportError(
            f"NUMBA_NUM_THREADS: given {given!r} in the environment, expected a positive integer; without one Numba "
            "compiles no kernel: correct it, or unset it"
        )
