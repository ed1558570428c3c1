"""Node tests of ONNX, written from the suite: ONNX's own runner reads them, and what its implementations get wrong."""

import re
import subprocess
import sys

import numpy as np
import pytest

from refwarp.golden import SUITE
from refwarp.golden.format import Golden, read
from refwarp.golden.onnx import export

pytestmark = pytest.mark.peers
onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'refwarp[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'refwarp[peers]'")

from tests.peers.onnx_tests import Reference, Runtime, failures  # noqa: E402 - they need both

# What each gets wrong. Of maps without pixels ONNX's reference returns no tuple, or cannot make the axes; it divides by
# the period of one pixel with align_corners, casts infinite products to integers, and knows the names of modes from
# version 20 on only. ONNX Runtime casts coordinates to int32, and refuses an affine grid without pixels.
KNOWN = {
    Reference: r"_opset16|_empty_|bilinear_reflection_\w+_corners|museum_(end|mirrored)_|huge_float32_max",
    Runtime: r"affine_grid_empty_(columns|rows|output)|_huge",
}
# Too wide for a reference in Python.
SLOW = r"_wide|65536|8192"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All tests of float32."""
    path = tmp_path_factory.mktemp("onnx") / "refwarp"
    assert export(path, read(SUITE)).tests > 1000
    return path


@pytest.mark.parametrize(("backend", "without"), [(Reference, SLOW), (Runtime, "$^")])
def test_the_runner_of_onnx_finds_what_is_known_to_be_wrong_and_nothing_else(folder, backend, without):
    ran, failed = failures(backend, folder, without)
    assert ran > 1000 and failed
    assert not [name for name in failed if not re.search(KNOWN[backend], name)]


class Shifted(Runtime):
    """A runtime whose grids are off by a thousandth."""

    @classmethod
    def prepare(cls, model, device="CPU", **options):
        prepared = super().prepare(model, device, **options)
        run = prepared.run
        prepared.run = lambda inputs: run([inputs[0], inputs[1] + np.float32(1e-3)])
        return prepared


def test_a_shift_of_a_thousandth_is_found(folder):
    """Not in nearest samples, in samples of one pixel and out of reach of the map, and where there is no grid."""
    _, failed = failures(Shifted, folder, r"affine_grid|nearest|museum|pixel|outside|empty|_huge|one_")
    moved = [name for name in failed if name.endswith("opset22")]
    assert len(moved) > 100


def test_a_test_is_a_valid_model_of_one_node_with_its_tensors(folder):
    for name, operator, opset, mode in [
        ("grid_sample_interior_3x4_opset16", "GridSample", 16, b"bilinear"),
        ("grid_sample_interior_3x4_opset22", "GridSample", 22, b"linear"),
        ("affine_grid_identity_3x5_opset20", "AffineGrid", 20, None),
    ]:
        test = folder / f"test_refwarp_{name}"
        model = onnx.load(test / "model.onnx")
        onnx.checker.check_model(model, full_check=True)
        (node,) = model.graph.node
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        assert (node.op_type, model.opset_import[0].version, attributes.get("mode")) == (operator, opset, mode)
        assert sorted(path.name for path in (test / "test_data_set_0").iterdir()) == [
            "input_0.pb",
            "input_1.pb",
            "output_0.pb",
        ]
        tensor = onnx.load_tensor(test / "test_data_set_0" / "output_0.pb")
        assert list(tensor.dims) == [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]


def test_other_dtypes_have_other_names(tmp_path):
    suite = read(SUITE)
    few = Golden(
        tuple(c for c in suite.cases if c.name == "grid_sample/interior_3x4"), suite.generator, suite.flags, ""
    )
    for dtype in ("float16", "float64"):
        assert export(tmp_path / dtype, few, dtype).tests == 3
        assert {path.name for path in (tmp_path / dtype).iterdir()} == {
            f"test_refwarp_grid_sample_interior_3x4_{dtype}_opset{opset}" for opset in (16, 20, 22)
        }
    with pytest.raises(ValueError, match="dtype: given 'bfloat16', expected one of"):
        export(tmp_path / "other", few, "bfloat16")
    with pytest.raises(ValueError, match="out: given .* not an empty folder"):
        export(tmp_path, few)


def test_the_command_says_what_it_wrote_and_left_out(tmp_path):
    command = [sys.executable, "-m", "refwarp", "golden", "export", "--format", "onnx", "--out", str(tmp_path / "out")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"out: 1\d\d\d tests of GridSample and AffineGrid in float32\n", said)
    assert re.search(r"Left out: \d+, coordinates and transformations that are NaN or infinite\.\n", said)
    assert len(list((tmp_path / "out").iterdir())) > 1000
