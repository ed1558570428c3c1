"""Optical flows of other libraries, all in one form: OpenCV's DIS and Farneback, scikit-image's TV-L1 and ILK.

They are here to be compared with. A flow w leads from each pixel of the first frame to the pixel of the second that
looks like it, second(x + w) = first(x), in pixels, u before v, as those of `refwarp.classical` do: the second frame,
sampled at `flow_grid` of it, looks like the first.

- DIS: T. Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016; preset "medium", to full size.
- Farneback: G. Farneback, "Two-frame motion estimation based on polynomial expansion", SCIA 2003; 4 levels, windows of
  11 pixels, 10 iterations.
- TV-L1: C. Zach et al., "A duality based approach for realtime TV-L1 optical flow", DAGM 2007; scikit-image's settings.
- ILK: G. Le Besnerais and F. Champagnat, "Dense optical flow by iterative local window registration", ICIP 2005; radius
  5.

OpenCV's read grey levels as integers from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from refwarp.arguments import check_array, check_option
from refwarp.drawing.levels import eight_bits

Array = np.ndarray[Any, Any]

# OpenCV's search looks at patches of 8x8 pixels, on maps of a half of the size and less.
_LEAST = 16


def _opencv(name: str) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ImportError(f"name: given {name!r}, which needs OpenCV; pip install 'refwarp[flows]'") from error
    return cv2


def _registration(name: str) -> Any:
    try:
        from skimage import registration
    except ImportError as error:
        raise ImportError(f"name: given {name!r}, which needs scikit-image; pip install 'refwarp[flows]'") from error
    return registration


@contextmanager
def _one_thread(cv2: Any) -> Iterator[None]:
    """Let OpenCV compute on the caller's thread alone, within a `with` block."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _dis(first: Array, second: Array) -> Array:
    cv2 = _opencv("DIS")
    with _one_thread(cv2):
        search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        search.setFinestScale(0)
        flow: Array = search.calc(
            eight_bits(first.astype(np.float64)), eight_bits(second.astype(np.float64)), None
        ).transpose(2, 0, 1)
    return flow


def _farneback(first: Array, second: Array) -> Array:
    cv2 = _opencv("Farneback")
    options = {
        "pyr_scale": 0.5,
        "levels": 4,
        "winsize": 11,
        "iterations": 10,
        "poly_n": 5,
        "poly_sigma": 1.1,
        "flags": 0,
    }
    with _one_thread(cv2):
        flow: Array = cv2.calcOpticalFlowFarneback(
            eight_bits(first.astype(np.float64)), eight_bits(second.astype(np.float64)), None, **options
        )
    return flow.transpose(2, 0, 1)


def _tv_l1(first: Array, second: Array) -> Array:
    flow: Array = _registration("TV-L1").optical_flow_tvl1(first, second)[::-1]
    return flow


def _ilk(first: Array, second: Array) -> Array:
    flow: Array = _registration("ILK").optical_flow_ilk(first, second, radius=5)[::-1]
    return flow


# What computes each flow: of two frames (H, W) in [0, 1], the flow (2, H, W).
LIBRARY_FLOWS: dict[str, Callable[[Array, Array], Array]] = {
    "DIS": _dis,
    "Farneback": _farneback,
    "TV-L1": _tv_l1,
    "ILK": _ilk,
}


def library_flow(name: str, first: Array, second: Array) -> Array:
    """Return the optical flow from a frame to another that another library finds.

    Parameters
    ----------
    name : {"DIS", "Farneback", "TV-L1", "ILK"}
        The algorithm.
    first, second : ndarray, shape (H, W)
        The frames, of the same shape: grey values in [0, 1], float32 or float64; H and W at least 16.

    Returns
    -------
    ndarray, shape (2, H, W)
        The motion of each pixel of the first frame, u (to the right) before v (down), in pixels; float32.

    Raises
    ------
    ImportError
        If the library is not installed.
    TypeError, ValueError
        If there is no such algorithm, or the frames do not fit.
    """
    check_option("name", name, tuple(LIBRARY_FLOWS))
    check_array("first", first, "(H, W)", (None, None))
    check_array("second", second, f"{first.shape}, that of first", first.shape)
    if min(first.shape) < _LEAST:
        raise ValueError(f"first: given shape {first.shape}, expected H and W of at least {_LEAST}")
    return np.ascontiguousarray(LIBRARY_FLOWS[name](first, second), np.float32)
