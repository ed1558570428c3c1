"""How arrays lie in memory: the same values, laid out as programs find them that did not make the arrays themselves.

A function that takes the bytes of an array for its elements, row by row, is right on the arrays of its own tests, and
wrong, or reads what was never written, on a transposed view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

CONTIGUOUS = "contiguous"


def _negative(array: Floats) -> Floats:
    backwards: tuple[Any, ...] = (..., *[slice(None, None, -1)] * array.ndim)
    turned: Floats = array[backwards].copy()[backwards]
    return turned


def _strided(array: Floats) -> Floats:
    every_second: tuple[Any, ...] = (..., *[slice(1, None, 2)] * array.ndim)
    memory = np.full([2 * length + 1 for length in array.shape], np.nan, array.dtype)
    seen: Floats = memory[every_second]
    seen[...] = array
    return seen


def _transposed(array: Floats) -> Floats:
    return array.swapaxes(-1, -2).copy().swapaxes(-1, -2) if array.ndim > 1 else array.copy()


def _unaligned(array: Floats) -> Floats:
    memory = bytearray(b"\0" + array.tobytes())
    return np.frombuffer(memory, array.dtype, offset=1).reshape(array.shape)


def _readonly(array: Floats) -> Floats:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


# By name; a copy of an array, with its shape and values.
LAYOUTS: Mapping[str, Callable[[Floats], Floats]] = {
    CONTIGUOUS: lambda array: array.copy(),  # row by row, aligned, writeable
    "fortran": lambda array: array.copy("F"),  # column by column: the first index runs fastest
    "negative": _negative,  # backwards: every stride is negative
    "strided": _strided,  # every second element of each axis of a larger array, whose others are NaN
    "transposed": _transposed,  # a view that swaps the last two axes
    "unaligned": _unaligned,  # row by row, from an odd address on
    "readonly": _readonly,  # row by row, and writing into it raises
}


def lay_out(array: Floats, layout: str) -> Floats:
    """Return a copy of an array in a memory layout, one of `LAYOUTS`.

    Parameters
    ----------
    array : ndarray
        Of floating-point numbers.
    layout : str
        How the copy shall lie in memory.

    Returns
    -------
    ndarray
        Of the same dtype, shape and values; writeable unless the layout is "readonly".

    Raises
    ------
    KeyError
        If there is no such layout.

    Examples
    --------
    >>> lay_out(np.zeros((2, 3)), "fortran").strides
    (8, 16)
    """
    return LAYOUTS[layout](array)
