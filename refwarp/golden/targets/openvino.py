"""OpenVINO on the CPU as a target: the operation GridSample-9, as a model of one node."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import openvino
from openvino import opset9

VERSION = openvino.__version__
DTYPES = ("float32",)


def grid_sample(input: Any, grid: Any, *, mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """Return the samples."""
    model = _model(mode, padding_mode, align_corners)
    # It takes arrays that lie row by row, of which it may keep the memory.
    return model([np.array(input, order="C"), np.array(grid, order="C")])[0].copy()


@lru_cache(maxsize=64)
def _model(mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """Return a compiled model for maps and grids of any shape."""
    data = opset9.parameter([-1, -1, -1, -1], np.float32)
    points = opset9.parameter([-1, -1, -1, 2], np.float32)
    node = opset9.grid_sample(
        data, points, {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    )
    return openvino.Core().compile_model(
        openvino.Model([node], [data, points]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
