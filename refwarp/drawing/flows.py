"""Flows as colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import hsv_to_rgb

Array = np.ndarray[Any, Any]


def flow_colours(flow: Array, largest: float) -> Array:
    """Return a flow (2, H, W) as colours (H, W, 3): the direction as hue, the root of the length as saturation.

    It is full at the length `largest`; the root shows short motions beside long ones.
    """
    u, v = flow.astype(np.float64)
    hue = np.arctan2(v, u) / (2 * np.pi) % 1
    saturation = np.sqrt(np.clip(np.hypot(u, v) / largest, 0, 1))
    colours: Array = hsv_to_rgb(np.stack([hue, saturation, np.ones(hue.shape)], axis=-1))
    return colours
