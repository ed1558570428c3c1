"""Sums over the pixels of an image, in two steps: each row by one thread, then the rows' sums.

A sum is stored as a number and its rounding errors. The order of its terms depends only on the shape.
"""

from __future__ import annotations

from typing import Any

from autograd_core.arrays import array_module
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run


@kernel
def _add_rows(start: int, stop: int, sums: Any, out: Any) -> None:
    """Add up the rows of the sums start to stop of all images."""
    _, rows, count, _ = sums.shape
    for q in items(start, stop):
        n, k = q // count, q % count
        total, lost = 0.0, 0.0
        for i in range(rows):
            total, remainder = two_sum(total, sums[n, i, k, 0])
            lost += remainder + sums[n, i, k, 1]
        out[n, k] = compensated(total, lost)


def add_rows(sums: Any, dtype: Any = float) -> Any:
    """Return the total (N, K) of the sums of rows (N, H, K, 2), numbers and their rounding errors."""
    out = array_module(sums).empty((sums.shape[0], sums.shape[2]), dtype)
    run(_add_rows, out.size, sums.size, argument(sums), out)
    return out
