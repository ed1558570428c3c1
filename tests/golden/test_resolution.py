"""The resolution of the suite: what it says is seen, and the page is that of the suite that ships."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from refwarp.golden.outcomes import Grade
from refwarp.golden.resolution import resolution, table
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify

PAGE = (Path(__file__).parents[2] / "docs" / "resolution.md").read_text()


def exactly(cases, fault):
    """Return an affine grid whose every coordinate is off by a relative fault."""
    exact = {
        (case.inputs["theta"].tobytes(), str(sorted(case.options.items()))): case.outputs["forward/grid"].elements
        for case in cases
    }

    def affine_grid(theta, **options):
        found = exact[theta.astype(np.float64).tobytes(), str(sorted(options.items()))]
        return (found["value"] * (1 + fault)).astype(theta.dtype)

    return ModuleTarget(SimpleNamespace(affine_grid=affine_grid, DTYPES=("float16", "float32")), "exactly")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("required", [Grade.WORKING, Grade.FAITHFUL])
def test_a_fault_of_that_size_is_seen_and_a_smaller_one_is_not(suite, dtype, required):
    cases = [case for case in suite.cases if case.operation == "affine_grid" and case.result == "valid"]
    cases = [case for case in cases if np.isfinite(case.outputs["forward/grid"].elements["value"]).all()]
    smallest = resolution(cases, required)["affine_grid", "forward"][dtype]
    for fault, is_seen in ((1.01 * smallest, True), (smallest / 1.5, False)):
        found = verify(cases, exactly(cases, fault), Selection([dtype]), required=required)
        assert found.passed is not is_seen, (fault, dtype)


def test_other_kernels_of_bicubic_sampling_are_seen_in_every_type(suite):
    """With a = -1/2 in place of -3/4, a weight halfway between pixels is off by 1/18."""
    cases = [case for case in suite.cases if case.options.get("mode") == "bicubic"]
    seen = resolution(cases)["grid_sample, bicubic", "forward"]
    assert max(seen.values()) < 1 / 18


def test_the_page_is_that_of_the_suite(suite):
    assert suite.digest in PAGE
    cases = [case for case in suite.cases if case.operation in ("affine_grid", "invert")]
    assert set(table(resolution(cases))) <= set(PAGE.splitlines())
