"""The truth about penalties: a plain program agrees with it as far as it can, hand-made values exactly."""

from collections import Counter

import numpy as np
import pytest

from refwarp.golden.build import build
from refwarp.golden.families.penalties import cases
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify
from tests.golden.families import plain_penalties

TARGET = ModuleTarget(plain_penalties, "plain")


@pytest.fixture(scope="module")
def built():
    found = build([case for case in cases.cases() if case.result != "invalid"])
    return {case.name: case for case in found}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_plain_program_is_wrong_only_where_its_squares_leave_the_range(built, dtype):
    outcomes = verify(list(built.values()), TARGET, Selection(dtypes=[dtype])).outcomes
    wrong = {o.case.name.partition("/")[2].removeprefix("laplacian_") for o in outcomes if o.grade is Grade.WRONG}
    squares = {
        "float16": set(),
        "float32": {"huge_2", "subnormal_2_float32"},
        "float64": {"huge_2", "subnormal_2_float64"},
    }
    assert wrong == squares[dtype] and len(outcomes) > 150
    unfaithful = {o.case.name for o in outcomes if o.grade is Grade.WORKING}
    assert unfaithful == ({f"smoothness/creeping_{dtype}"} if dtype != "float16" else set())


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        (("XY", {place: 2 * weight for place, weight in plain_penalties.XY.items()}), ["Interior"]),
        (("YY", plain_penalties.XX), ["AxisOrder"]),
    ],
)
def test_a_program_with_an_error_is_wrong(built, monkeypatch, change, flags):
    name, stencil = change
    stencils = [
        stencil if part is getattr(plain_penalties, name) else part for part in plain_penalties.STENCILS["hessian"]
    ]
    monkeypatch.setitem(plain_penalties.STENCILS, "hessian", stencils)
    outcomes = verify(list(built.values()), TARGET, Selection(["float32"], ["bending_energy"], flags)).outcomes
    wrong = Counter(o.case.options["form"] for o in outcomes if o.grade is Grade.WRONG)
    assert wrong["hessian"] > 0 == wrong["laplacian"]


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        # 3 at each of 4 x 3 pixels, squared.
        ("smoothness/axes", "forward/penalty", 108),
        # w_xy = 1 twice at each of 2 x 3 pixels.
        ("bending_energy/hessian_of_xy", "forward/penalty", 12),
        ("bending_energy/laplacian_of_xy", "forward/penalty", 0),
        # w_xx = 2.
        ("bending_energy/axes_of_curvature", "forward/penalty", 12),
        # |(3, 7)| + |(0, 4)| + |(2, 4)|
        ("smoothness/flat_2", "forward/penalty", 58**0.5 + 4 + 20**0.5),
        ("smoothness/one_pixel", "forward/penalty", 0),
    ],
)
def test_values_by_hand(built, name, path, expected):
    found = built[name].outputs[path].elements["value"].item()
    assert found == pytest.approx(expected, rel=2.0**-52)


def test_gradients_at_zero_are_zero(built):
    names = [name for name in built if "_zero_" in name or "/zero_" in name]
    assert len(names) == 9
    for name in names:
        outputs = built[name].outputs
        assert not outputs["vjp/gfield"].elements["value"].any()
        curved = built[name].options["norm"] == "squared"
        assert outputs["second_vjp/gfield"].elements["value"].any() == curved


def test_nothing_moves(built):
    assert not any(truth.elements["G"].any() for case in built.values() for truth in case.outputs.values())


def test_a_nan_reaches_what_its_differences_touch(built):
    """The NaN at (1, 1) of component 0 and the infinity at (2, 2) of component 1, of 4 x 4 pixels."""
    for norm, mixed in (("1", False), ("2", True)):
        nan = np.isnan(built[f"smoothness/not_finite_{norm}"].outputs["vjp/gfield"].elements["value"])
        near = np.zeros((4, 4), bool)
        near[[0, 1, 1, 1, 2], [1, 0, 1, 2, 1]] = True  # itself, and those that share a difference with it
        assert (nan[0, 0] | ~near).all() and nan[0, 1, 2, 2]
        assert (nan[0, 0] == near).all() != mixed
