"""ONNX Runtime on the CPU as a target: the operators GridSample and AffineGrid, each as a model of one node."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

VERSION = onnxruntime.__version__
DTYPES = ("float16", "float32", "float64")

_OPSET = 22
_MODES = {"bilinear": "linear", "bicubic": "cubic"}


def affine_grid(theta: Any, *, size: Any, **options: Any) -> Any:
    """Return the grid of theta."""
    return _run("AffineGrid", options, theta, np.array(size, np.int64))


def grid_sample(input: Any, grid: Any, *, mode: Any, **options: Any) -> Any:
    """Return the samples."""
    return _run("GridSample", {**options, "mode": _MODES.get(mode, mode)}, input, grid)


def _run(operator: str, options: dict[str, Any], *arrays: Any) -> Any:
    """Run one operator; other exceptions than Python's own are refusals too."""
    run_options = onnxruntime.RunOptions()
    run_options.log_severity_level = 4  # what goes wrong is raised; it need not be printed as well
    try:
        session = _session(operator, tuple(options.items()), tuple(array.dtype for array in arrays))
        feed = {f"input{i}": array for i, array in enumerate(arrays)}
        return session.run(None, feed, run_options)[0]
    except NoKernel as error:
        raise NotImplementedError(f"{operator} in {arrays[0].dtype}") from error
    except Exception as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


@lru_cache(maxsize=256)
def _session(operator: str, options: tuple[tuple[str, Any], ...], dtypes: tuple[Any, ...]) -> Any:
    types = [helper.np_dtype_to_tensor_dtype(dtype) for dtype in dtypes]
    inputs = [helper.make_tensor_value_info(f"input{i}", type, None) for i, type in enumerate(types)]
    output = helper.make_tensor_value_info("output", types[0], None)
    node = helper.make_node(operator, [value.name for value in inputs], [output.name], **dict(options))
    graph = helper.make_graph([node], operator, inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), session_options, ["CPUExecutionProvider"])
