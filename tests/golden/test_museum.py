"""The museum: the suite catches each of its bugs, and does not call the sound version of the same program wrong."""

import re

import pytest

from refwarp.golden.families.museum import grids as museum_grids
from refwarp.golden.families.museum import samplers as museum
from refwarp.golden.museum import MUSEUM
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Grade
from refwarp.golden.report import describe
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify
from tests.golden.defects import DEFECTS, sound


def wrong(cases, implementation):
    """Return what is wrong with an implementation, after making sure that it was run on each of the cases."""
    found = verify(cases, ModuleTarget(implementation(), implementation.__name__))
    assert {outcome.case.name for outcome in found.outcomes} == {case.name for case in cases}
    return [outcome for outcome in found.outcomes if outcome.grade == Grade.WRONG]


def carrying(cases, defect):
    """Return the cases that carry a defect's flag, of the operations that it offers."""
    offered = {operation for operation in OPERATIONS if hasattr(defect, operation)}
    return [case for case in cases if defect.__name__ in case.flags and case.operation in offered]


def test_every_bug_has_a_case_a_thread_and_a_broken_implementation(suite):
    assert len(MUSEUM) >= 25
    assert {defect.__name__ for defect in DEFECTS} == set(MUSEUM)
    assert set(MUSEUM) <= {flag for case in suite.cases for flag in case.flags}
    one = r"github\.com/[\w.-]+/[\w.-]+(/(issues|pull)/\d+| \([\w/]+\.py\))"
    for name, bug in MUSEUM.items():
        assert re.fullmatch(f"{one}( and {one})*", bug.thread), name
        assert bug.description.endswith("."), name


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{sound(defect).__name__}-{defect.__name__}")
def test_the_cases_of_its_flag_catch_a_bug_and_only_the_bug(suite, defect):
    cases = carrying(suite.cases, defect)
    caught = wrong(cases, defect)
    assert caught and not [outcome for outcome in caught if outcome.problem.startswith(("raised", "returned"))]
    blamed = wrong(cases, sound(defect))
    assert not blamed, "\n".join(describe(outcome) for outcome in blamed)


def test_every_case_of_the_museum_catches_every_bug_that_it_is_for(suite):
    names = {case.name for case in [*museum.cases(), *museum_grids.cases()]}
    shown = [case for case in suite.cases if case.name in names]
    assert {case.name for case in shown} == names
    for case in shown:
        caught = {defect.__name__ for defect in DEFECTS if carrying([case], defect) and wrong([case], defect)}
        assert caught == set(case.flags) & set(MUSEUM), case.name
