"""The tenth of the cases that `--quick` runs."""

from refwarp.cli import run
from refwarp.golden.flags import FLAGS
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Grade
from refwarp.golden.quick import quick
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify
from tests.golden.port_faults import FAULTS, Port


def test_it_is_a_tenth_and_always_the_same(suite):
    chosen = quick(suite.cases)
    assert len(chosen) == -(-len(suite.cases) // 10)
    assert [case.name for case in quick(suite.cases[::-1])[::-1]] == [case.name for case in chosen]
    assert [case.name for case in chosen] == sorted(case.name for case in chosen)
    assert quick([]) == [] and quick(suite.cases[:1]) == [suite.cases[0]]


def test_every_operation_and_every_known_bug_keeps_a_case(suite):
    def bugs(cases):
        return {(case.operation, flag) for case in cases for flag in case.flags if FLAGS[flag].kind == "KNOWN_BUG"}

    chosen = quick(suite.cases)
    assert bugs(chosen) == bugs(suite.cases)
    assert {case.operation for case in chosen} >= set(OPERATIONS) - {"affine_basis"}
    assert {"Sizes", "Wide", "NonFinite", "Subnormal"} <= {flag for case in chosen for flag in case.flags}


def test_it_sees_most_planted_faults(suite):
    chosen = [case for case in quick(suite.cases) if case.result != "invalid"]
    seen = [
        fault.name
        for fault in FAULTS
        if any(
            outcome.grade == Grade.WRONG for outcome in verify(chosen, ModuleTarget(Port(fault), fault.name)).outcomes
        )
    ]
    assert len(seen) >= 0.8 * len(FAULTS), sorted({fault.name for fault in FAULTS} - set(seen))


def test_the_command_says_that_it_was_quick(few, tmp_path, capsys):
    from refwarp.golden.format import write

    write(tmp_path / "few.h5", few, "7")
    assert run(["verify", "--quick", "--golden", str(tmp_path / "few.h5")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Quick: 1 of {len(few)} cases were asked" in said
