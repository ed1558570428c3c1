"""Which golden cases become node tests of ONNX, and by what tolerances; that libraries read them is for tests/peers."""

import sys

import numpy as np
import pytest

from refwarp.golden import SUITE, onnx
from refwarp.golden.format import read
from refwarp.golden.grades import PROFILES
from refwarp.golden.verify import is_asked


def written(suite, opset, operation="grid_sample"):
    return [case for case in suite.cases if case.operation == operation and not onnx.undefined(case, opset)]


@pytest.mark.parametrize(
    ("name", "opset", "reason"),
    [
        ("grid_sample/interior_3x4", 16, ""),
        ("grid_sample/refused_mode", 22, "calls that must be refused"),
        ("grid_sample/nan_3x4", 22, "coordinates and transformations that are NaN"),
        ("grid_sample/nearest_zeros_ties", 16, "which of two pixels is the nearest, which version 16"),
        ("grid_sample/nearest_zeros_ties", 20, ""),
        ("grid_sample/nearest_reflection_ties", 22, "which of two pixels is the nearest, where the reflection"),
        (
            "grid_sample/bicubic_reflection_one_pixel_1x1_corners",
            22,
            "bicubic samples of the mirror images of one pixel",
        ),
        ("grid_sample/bilinear_reflection_one_pixel_1x1_corners", 22, ""),
        ("affine_grid/identity_3x5", 20, ""),
        ("affine_grid/one_pixel_1x1_corners", 20, "with align_corners, where the one pixel of an axis is"),
    ],
)
def test_what_onnx_leaves_open_is_left_out(by_name, name, opset, reason):
    found = onnx.undefined(by_name[name], opset)
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_bicubic_samples_beyond_a_border_are_left_out(suite):
    cases = [case for case in written(suite, 22) if case.options["mode"] == "bicubic"]
    border = [case for case in cases if case.options["padding_mode"] == "border"]
    assert border and all(np.abs(case.inputs["grid"]).max(initial=0.0) <= 1.0 for case in border)
    assert any(np.abs(case.inputs["grid"]).max(initial=0.0) > 1.0 for case in cases)


@pytest.mark.parametrize("dtype", onnx.DTYPES)
def test_tolerances_admit_working_precision_and_hardly_more(suite, dtype):
    """The exact bounds are within them, and some element comes near: a share of the margin of 2^-6."""
    for case in [*written(suite, 22), *written(suite, 20, "affine_grid")]:
        if not is_asked(case, dtype):
            continue
        (truth,) = [case.outputs[path] for path in case.outputs if path in ("forward/output", "forward/grid")] or [None]
        if truth is None or not truth.elements.size:
            continue
        k, M, G, value = (truth.elements[name] for name in ("k", "M", "G", "value"))
        u, eta = {"float16": (2.0**-11, 2.0**-24), "float32": (2.0**-24, 2.0**-149)}.get(dtype, (2.0**-53, 2.0**-1074))
        bound = (truth.c + k) * u * M + 6 * u * G + k * eta
        result = value.astype(dtype)
        found = onnx.tolerances(truth, result, dtype, case)
        allowed = found["atol"] + found["rtol"] * np.abs(result.astype(np.float64))
        assert (bound <= allowed).all(), case.name
        rounding = np.abs(result.astype(np.float64) - value)
        assert ((bound + rounding) * (1 + 2.0**-6) >= allowed * (1 - 2.0**-40)).any(), case.name


def test_the_moved_coordinates_are_those_of_floats(by_name):
    assert PROFILES["float"].move(by_name["grid_sample/interior_3x4"], "float32") == 6 * 2.0**-24


def test_without_onnx_it_says_what_to_install(tmp_path, monkeypatch, few):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"format: onnx needs the library onnx; .*refwarp\[onnx\]"):
        onnx.export(tmp_path / "out", read(SUITE))
    assert not (tmp_path / "out").exists()
