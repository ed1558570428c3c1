"""Planted faults of ports: for each, which operations have it, and that the suite catches it in all of them."""

import pytest

from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify
from tests.golden.broken import Sampler
from tests.golden.port_faults import FAULTS, Port, axes


def concerned(fault, operation):
    """Return the parts of an operation that have arrays with the axes that a fault needs."""
    return {
        call.part
        for call in OPERATIONS[operation]
        if any(set(fault.needs) <= set(axes(name)) for name in (call.arguments if fault.on_inputs else call.outputs))
    }


def caught(fault, cases, parts):
    """Return the parts in which a fault is caught, as soon as it is in all of them."""
    target, found = ModuleTarget(Port(fault), fault.name), set()
    for case in cases:
        found |= {
            outcome.output.partition("/")[0]
            for outcome in verify([case], target).outcomes
            if outcome.grade == Grade.WRONG
        }
        if parts <= found:
            break
    return found


# Those that ports are made of most; grid_sample stands for both kinds of axes, of maps and of grids.
PLANTED_INTO = ("grid_sample", "affine_grid")
# What the limits on sizes leave out.
LEFT_OUT: dict[str, set[str]] = {}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught_in_every_part_that_has_it(suite, fault):
    missed = set()
    for operation in PLANTED_INTO:
        parts = concerned(fault, operation)
        cases = [case for case in suite.cases if case.operation == operation and case.result != "invalid"]
        cases.sort(key=lambda case: "Sizes" not in case.flags)
        found = caught(fault, cases, parts)
        missed |= {f"{operation} {part}" for part in parts - found}
    assert missed == LEFT_OUT.get(fault.name, set())


def test_a_coordinate_whose_second_half_is_contracted_away_is_not_faithful(suite):
    """The remainder of a product is 0 if the compiler fuses it: in float64 a wide map's coordinate has lost its end."""
    wide = [case for case in suite.cases if case.name.startswith("grid_sample/wide_65536_float64")]
    assert wide
    for required, passes in ((Grade.WORKING, True), (Grade.FAITHFUL, False)):
        found = verify(wide, ModuleTarget(Sampler(), "contracted"), Selection(["float64"]), required=required)
        assert found.passed is passes
