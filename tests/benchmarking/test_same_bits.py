"""The comparison of bits finds no difference where there is none, and a planted one."""

import inspect
import shutil
import sys
from pathlib import Path

import pytest

import refwarp

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def programs():
    """The programs, which import each other as scripts do."""
    sys.path.insert(0, str(ROOT / "benchmarks" / "same_bits"))
    import call_digests
    import compare
    import random_calls

    yield random_calls, call_digests, compare
    sys.path.remove(str(ROOT / "benchmarks" / "same_bits"))


def test_a_planted_change_is_found(programs, tmp_path, capsys):
    _, _, compare = programs
    changed = tmp_path / "changed"
    for package in ("refwarp", "autograd_core"):
        ignored = shutil.ignore_patterns("__pycache__", "suite.*")
        shutil.copytree(ROOT / package, changed / package, ignore=ignored)
    file = changed / "refwarp" / "grids" / "flow.py"
    planted = file.read_text().replace("motion + numerators / divisors", "motion + numerators / (divisors + 1e-12)")
    assert planted != file.read_text()
    file.write_text(planted)
    one, other = (compare.digests_of_source(source, ["flow_grid"], 8, tmp_path) for source in (ROOT, changed))
    assert compare.differences(one, one, {}) == []
    found = compare.differences(one, other, {})
    assert {difference.part for difference in found} == {"forward"}
    assert {difference.call.options["unit"] for difference in found} == {"normalised"}
    explained = {"planted": compare.Change("for the test", lambda call, part, result: True)}
    assert [difference.change for difference in compare.differences(one, other, explained)] == ["planted"] * len(found)
    compare.report(one, other, found, {})
    assert "Not explained: flow_grid, forward, float64" in capsys.readouterr().out


def test_calls_are_drawn_of_all_that_is_public(programs):
    random_calls, call_digests, _ = programs
    assert call_digests.public_operations() == random_calls.CALLS.keys()
    for operation in random_calls.CALLS:
        calls = [random_calls.draw_call(operation, "float32", number) for number in range(40)]
        drawn = {name for call in calls for name in (*call.arrays, *call.options)}
        assert drawn == inspect.signature(getattr(refwarp, operation)).parameters.keys()


def test_the_same_call_is_drawn_again(programs):
    random_calls, call_digests, _ = programs
    one, other = (random_calls.draw_call("grid_sample", "float64", 7) for _ in range(2))
    assert str(one) == str(other) and one.options == other.options
    assert all((one.arrays[name].tobytes() == other.arrays[name].tobytes()) for name in one.arrays)
