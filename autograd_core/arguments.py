"""Numbers that arguments must be: checked once, refused with a sentence that names the argument."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def is_integer(value: object, least: float = -math.inf) -> bool:
    """Tell whether `value` is an integer, Python's or NumPy's, of at least `least`; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def integer(name: str, value: Any, least: int) -> int:
    """Return `value` as a Python integer, or raise ValueError unless it is one of at least `least`."""
    if not is_integer(value, least):
        raise ValueError(f"{name}: given {value!r}, expected an integer >= {least}")
    return int(value)


def not_negative(name: str, value: Any) -> float:
    """Return `value` as a Python float, or raise ValueError unless it is finite and at least 0."""
    if not isinstance(value, int | float | np.integer | np.floating) or not 0 <= value < math.inf:
        raise ValueError(f"{name}: given {value!r}, expected a number >= 0")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """Return `value` as a Python float, or raise ValueError unless it is in [0, 1]."""
    if not isinstance(value, int | float | np.integer | np.floating) or not 0 <= value <= 1:
        raise ValueError(f"{name}: given {value!r}, expected a number from 0 to 1")
    return float(value)
