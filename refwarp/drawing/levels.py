"""Pictures as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def eight_bits(maps: Array) -> Array:
    """Return maps in [0, 1], which what is beyond is cut to, as integers from 0 to 255."""
    levels: Array = np.rint(255 * np.clip(maps, 0, 1)).astype(np.uint8)
    return levels
