"""How a kernel walks over the output's pixels: a row at a time on the CPU, a pixel at a time on CUDA.

A thread of the CPU spares the divisions that find a pixel's row; threads of CUDA that are neighbours write what is
neighbouring in memory. An item of such a kernel is a stretch of a row, of so many pixels.
"""

from __future__ import annotations

from typing import Any

from refwarp.backend.jit import scalar
from refwarp.backend.launch import runs_on_cuda


def stretch_length(width: int, *arrays: Any) -> int:
    """Return how many pixels of a row of `width` an item of a kernel with these arguments takes."""
    return 1 if runs_on_cuda(*arrays) else max(width, 1)


@scalar
def stretch_of(item: int, height: int, width: int, length: int) -> tuple[int, int, int, int]:
    """Return the image and the row of an item, the first pixel of its stretch, and the one after the last."""
    stretches = (width + length - 1) // length
    row, first = item // stretches, item % stretches * length
    return row // height, row % height, first, min(first + length, width)
