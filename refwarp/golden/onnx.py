"""The golden suite as node tests of ONNX: GridSample and AffineGrid, each case a model of one node and its tensors.

    DIR/test_refwarp_grid_sample_NAME_opset22/model.onnx
    DIR/test_refwarp_grid_sample_NAME_opset22/data.json                     the tolerances, rtol and atol
    DIR/test_refwarp_grid_sample_NAME_opset22/test_data_set_0/input_0.pb    X; input_1.pb is the grid
    DIR/test_refwarp_grid_sample_NAME_opset22/test_data_set_0/output_0.pb   Y, rounded to the dtype

ONNX's backend test runner reads that, and whatever else reads ONNX's own node tests. It compares with one relative and
one absolute tolerance for all elements of an output: here the smallest that admit working precision (grades.2). Only
cases whose result ONNX's documents define are written; `undefined` says why another is not. ONNX has no gradients here.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refwarp.golden.case import Case, Truth
from refwarp.golden.format import Golden
from refwarp.golden.grades import PROFILES, bounds
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.verify import is_asked

# The versions of an operator with a text of their own; AffineGrid has one.
OPSETS: Mapping[str, tuple[int, ...]] = {"grid_sample": (16, 20, 22), "affine_grid": (20,)}
DTYPES = ("float16", "float32", "float64")

# What GridSample calls the modes; until version 16 it had PyTorch's names.
_MODES = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"}
_OPERATORS = {"grid_sample": "GridSample", "affine_grid": "AffineGrid"}
# Tolerances are rounded to the dtype by who compares.
_MARGIN = 1.0 + 2.0**-6


@dataclass(frozen=True)
class Exported:
    """How many tests were written, and for each reason how many were left out."""

    tests: int
    left_out: Mapping[str, int]


def undefined(case: Case, opset: int) -> str:
    """Return what a version of an operator leaves open, or does otherwise, in a case; "" if the result is defined."""
    options = case.options
    if case.result == "invalid":
        return "calls that must be refused, which a node test cannot say"
    if not all(np.isfinite(case.inputs[name]).all() for name in ("theta", "grid") if name in case.inputs):
        return "coordinates and transformations that are NaN or infinite"
    if case.operation == "affine_grid":
        one_pixel = options["align_corners"] and 1 in options["size"][2:]
        return "with align_corners, where the one pixel of an axis is" if one_pixel else ""
    one_pixel = options["align_corners"] and 1 in case.inputs["input"].shape[2:]
    grid, mode, padding = case.inputs["grid"], options["mode"], options["padding_mode"]
    if mode == "bicubic" and padding == "reflection" and one_pixel:
        return "bicubic samples of the mirror images of one pixel with align_corners, whose period is 0"
    if mode == "bicubic" and padding == "border" and (np.abs(grid) > 1.0).any():
        return (
            "bicubic samples beyond a border: ONNX's reference moves the sample there, ONNX Runtime each of its pixels"
        )
    if len(case.conventions("forward/output")) > 1:
        if opset < 20:
            return "which of two pixels is the nearest, which version 16 does not say"
        if padding == "reflection":
            return "which of two pixels is the nearest, where the reflection may come before or after"
    return ""


def export(folder: str | os.PathLike[str], golden: Golden, dtype: str = "float32") -> Exported:
    """Write the cases of a suite that ONNX has operators for as node tests.

    Parameters
    ----------
    folder : path
        Where to; it is made, or is empty.
    golden : Golden
        The suite.
    dtype : {"float16", "float32", "float64"}
        What the tensors hold.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        If the folder has something in it, or there is no such dtype.
    OSError
        If a file cannot be written.
    """
    try:
        import onnx  # noqa: F401 - before anything is written
    except ImportError as error:
        raise ImportError(
            "format: onnx needs the library onnx; install it with `pip install 'refwarp[onnx]'`"
        ) from error
    if dtype not in DTYPES:
        raise ValueError(f"dtype: given {dtype!r}, expected one of {', '.join(DTYPES)}")
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(
            f"out: given {str(folder)!r}, which is there and not an empty folder; give the name of a new one"
        )
    left_out: Counter[str] = Counter()
    tests = 0
    for case in golden.cases:
        for opset in OPSETS.get(case.operation, ()):
            reason = undefined(case, opset) or _unfit(case, dtype)
            if reason:
                left_out[reason] += 1
                continue
            kind = "" if dtype == "float32" else f"_{dtype}"
            _write(target / f"test_refwarp_{case.name.replace('/', '_')}{kind}_opset{opset}", case, dtype, opset)
            tests += 1
    return Exported(tests, left_out)


def _unfit(case: Case, dtype: str) -> str:
    """Return why a case that ONNX defines is no test in a dtype; "" if it is one."""
    if not is_asked(case, dtype):
        return f"inputs or results that {dtype} does not hold"
    seams = case.seams.get(_truth(case)[0])
    if seams is not None and (seams["distance"] <= PROFILES["float"].move(case, dtype)).any():
        return "samples that rounding may move across a jump, where each side is right"
    return ""


def _truth(case: Case) -> tuple[str, Truth]:
    """Return the path of the result and the truth about it: of two nearest pixels the even one."""
    path = OPERATIONS[case.operation][0].paths()[0]
    truths = case.conventions(path)
    return path, truths.get("even", next(iter(truths.values())))


def _write(folder: Path, case: Case, dtype: str, opset: int) -> None:
    """Write a test: the model, the tensors, and the tolerances."""
    from onnx import helper, numpy_helper

    _, truth = _truth(case)
    with np.errstate(over="ignore"):
        result = truth.elements["value"].astype(dtype)
    if case.operation == "grid_sample":
        arrays = {"X": case.inputs["input"].astype(dtype), "grid": case.inputs["grid"].astype(dtype)}
        mode = str(case.options["mode"])
        attributes = {"mode": mode if opset < 20 else _MODES[mode], "padding_mode": case.options["padding_mode"]}
    else:
        arrays = {"theta": case.inputs["theta"].astype(dtype), "size": np.array(case.options["size"], np.int64)}
        attributes = {}
    arrays["Y"] = result
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in arrays.items()
    ]
    *inputs, output = values
    corners = int(case.options["align_corners"])
    node = helper.make_node(_OPERATORS[case.operation], list(arrays)[:-1], ["Y"], align_corners=corners, **attributes)
    graph = helper.make_graph([node], case.name, inputs, [output], doc_string=case.comment)
    version = helper.make_opsetid("", opset)
    model = helper.make_model(
        graph,
        opset_imports=[version],
        ir_version=helper.find_min_ir_version_for([version]),
        producer_name="refwarp",
        doc_string=" ".join(case.flags),
    )
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    contents = {folder / "model.onnx": model.SerializeToString()}
    contents[folder / "data.json"] = f"{json.dumps(tolerances(truth, result, dtype, case))}\n".encode()
    for number, (name, array) in enumerate(arrays.items()):
        file = data / ("output_0.pb" if name == "Y" else f"input_{number}.pb")
        contents[file] = numpy_helper.from_array(array, name).SerializeToString()
    for file, content in contents.items():
        file.write_bytes(content)


def tolerances(truth: Truth, result: Any, dtype: str, case: Case) -> dict[str, float]:
    """Return the smallest tolerances that admit working precision: |y - result| <= atol + rtol |result|.

    rtol is the smallest bound of an element as a share of the element, and atol what the others need beyond it.
    """
    _, working = bounds(truth, dtype, PROFILES["float"].move(case, dtype))
    value = truth.elements["value"]
    finite = np.isfinite(value)
    size = np.abs(result[finite].astype(np.float64))
    allowed = working[finite] + np.abs(size - np.abs(value[finite]))  # the result was rounded, too
    with np.errstate(over="ignore"):
        shares = allowed[size > 0.0] / size[size > 0.0]
    rtol = float(shares.min(initial=1.0))
    atol = float((allowed - rtol * size).max(initial=0.0))
    return {"rtol": rtol * _MARGIN, "atol": atol * _MARGIN}
