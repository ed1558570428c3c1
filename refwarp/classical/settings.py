"""Checks of settings, which are dataclasses of numbers."""

from __future__ import annotations

import math
from typing import Any

from autograd_core.arguments import is_integer
from refwarp.arguments import shown


def check_counts(settings: Any, names: tuple[str, ...], least: int) -> None:
    """Raise ValueError unless these are integers of at least `least`."""
    for name in names:
        value = getattr(settings, name)
        if not is_integer(value, least):
            raise ValueError(f"{name}: given {shown(value)}, expected an integer >= {least}")


def check_weights(settings: Any, names: tuple[str, ...]) -> None:
    """Raise ValueError unless these are finite numbers of at least 0."""
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value < math.inf:
            raise ValueError(f"{name}: given {shown(value)}, expected a finite number >= 0")


def check_cell(cell: Any) -> None:
    """Raise ValueError unless a cell of a descriptor has an even number of pixels."""
    if not is_integer(cell, 2) or cell % 2:
        raise ValueError(f"cell: given {shown(cell)}, expected an even integer >= 2")
