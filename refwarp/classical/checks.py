"""Checks of settings, frames and flows."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import integer, is_integer
from refwarp.arguments import number, shown


def check_counts(settings: Any, names: tuple[str, ...], least: int) -> None:
    """Raise ValueError unless these are integers of at least `least`."""
    for name in names:
        integer(name, getattr(settings, name), least=least)


def check_weights(settings: Any, names: tuple[str, ...]) -> None:
    """Raise ValueError unless these are finite numbers of at least 0."""
    for name in names:
        number(name, getattr(settings, name), "a finite number >= 0")


def check_cell(cell: Any) -> None:
    """Raise ValueError unless a cell of a descriptor has an even number of pixels."""
    if not is_integer(cell, 2) or cell % 2:
        raise ValueError(f"cell: given {shown(cell)}, expected an even integer >= 2")


def frames_of(first: Any, second: Any) -> tuple[Any, Any]:
    """Return two frames as float64, or raise an error that says what is wrong with them."""
    frames = []
    for name, given in (("first", first), ("second", second)):
        frame = np.asarray(given)
        if frame.dtype.kind not in "fiu":
            raise TypeError(f"{name}: given dtype {frame.dtype}, expected real numbers")
        if frame.ndim != 3 or not frame.size:
            raise ValueError(f"{name}: given shape {frame.shape}, expected (C, H, W) with at least one pixel")
        if not np.isfinite(frame).all():
            raise ValueError(f"{name}: given a number that is not finite; replace it, for a flow needs all pixels")
        frames.append(frame.astype(np.float64))
    if frames[0].shape != frames[1].shape:
        raise ValueError(f"second: given shape {frames[1].shape}, expected that of first, {frames[0].shape}")
    return frames[0], frames[1]


def check_flow(name: str, flow: Any, frame: Any) -> Any:
    """Return a flow as float64, or raise an error that says what is wrong with it."""
    flow = np.array(flow, np.float64)
    if flow.shape != (2, *frame.shape[1:]):
        raise ValueError(f"{name}: given shape {flow.shape}, expected {(2, *frame.shape[1:])}, as the frames'")
    if not np.isfinite(flow).all():
        raise ValueError(f"{name}: given a motion that is not finite")
    return flow
