"""A check that products of a few numbers of an array neither under- nor overflow."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from refwarp.backend.jit import kernel
from refwarp.backend.launch import argument, run, runs_on_cuda


@kernel
def _find_extremes(
    start: int, stop: int, numbers: Any, smallest: float, largest: float, bounded: bool, extreme: Any
) -> None:
    """Find for the rows start to stop whether a number is too small and not 0, or, if bounded, too large or NaN."""
    for row in range(start, stop):
        small, large = np.int64(0), np.int64(0)  # integers, since LLVM vectorises their reductions
        for i in range(numbers.shape[1]):
            size = abs(numbers[row, i])
            small |= np.int64((size < smallest) & (size != 0))
            large |= np.int64(not size <= largest)
        extreme[row] = small != 0 or (bounded and large != 0)


def within_exponents(numbers: Any, bounded: bool = True) -> bool:
    """Return whether all numbers are 0, or between 2^-100 and, if bounded, 2^100; False unless compiled for the CPU."""
    if runs_on_cuda(numbers) or numba.config.DISABLE_JIT:
        return False
    rows = argument(numbers)
    rows = argument(rows.reshape(rows.shape[0], rows.size // max(rows.shape[0], 1)))
    ends = numbers.dtype.type(2.0**-100), numbers.dtype.type(2.0**100)
    extreme = np.empty(rows.shape[0], np.bool_)
    run(_find_extremes, rows.shape[0], rows.size, rows, *ends, bounded, extreme)
    return not extreme.any()
