"""Memory of the process: what is freed is kept for the next array, where the C library can be told so."""

from __future__ import annotations

import ctypes
import sys

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The largest that glibc takes.
_LARGEST_MMAP_THRESHOLD = 2**25


def keep_freed_memory() -> None:
    """Keep freed memory in the process, instead of giving it back and asking for it again.

    A step of training frees and allocates the same arrays as the one before. By default glibc returns the end of its
    heap to the system each time, and each page of it comes back with a fault and zeros: a seventh of the time of a
    step of Table 1's CNN. With another C library nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
