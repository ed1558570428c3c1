"""Runs of comparisons: planted ones, their files, what is left out or refused, and the command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from refwarp import files
from refwarp.benchmarking import Results, comparisons, known_comparisons, measuring, results, run_comparisons
from refwarp.cli import run

PLANTED = '''"""Planted times. More text.

Even more.
"""
from planted_machine import program
from refwarp.benchmarking import Entry, Figure, Pair, labelled

VERSIONS = {"planted": "7.1"}
ROWS = ("shape",)


def entries(quick, threads):
    for count in threads:
        for ratio in (4,) if quick else (4, 8):
            labels = labelled("burn", "forward", (ratio, 2), "float32", count)
            pair = Pair(program(1e-3, 1.0), program(ratio * 1e-3, 1.0))
            yield Entry(labels, "sloth", 10, lambda pair=pair: pair, 0.0, threads=count)


def figures(quick):
    yield Figure("the answer", "s", lambda: 42.0, goal=50.0)
'''

DISAGREES = PLANTED.replace("ratio * 1e-3, 1.0)", "ratio * 1e-3, float(ratio))")
NEEDS = "import a_library_that_is_not_there\n" + PLANTED
BROKEN = "from refwarp.benchmarking import a_name_that_is_not_there\n" + PLANTED
INTERRUPTED = PLANTED.replace("lambda: 42.0", "interrupt").replace(
    "def figures", "def interrupt():\n    raise KeyboardInterrupt\n\n\ndef figures"
)


class Machine:
    """A clock that planted programs move."""

    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def program(self, seconds, result):
        def run():
            self.now += seconds
            return result

        return run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for planted comparisons, which the command finds, and in which a planted clock goes."""
    machine = Machine()
    monkeypatch.setitem(sys.modules, "planted_machine", machine)
    monkeypatch.setitem(measuring.measure.__kwdefaults__, "clock", machine.clock)
    monkeypatch.setitem(measuring.measure.__kwdefaults__, "sleep", machine.sleep)
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "no_comparison.py").write_text('"""Something else."""\n')
    monkeypatch.setattr(comparisons, "benchmarks_folder", lambda: folder)
    return folder


def plant(folder, **sources):
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)


def refused(capsys, *arguments):
    """Run a command that must end with exit code 2, and return its one line on stderr."""
    assert run(["bench", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("refwarp: ") and captured.err.count("\n") == 1
    return captured.err


def test_a_run_and_its_files(capsys, folder, tmp_path):
    plant(folder, one=PLANTED, two=PLANTED, needy=NEEDS)
    out = tmp_path / "deep" / "out"
    assert run(["bench", "--out", str(out)]) == 0
    names = {"results.json", "results.md", "one.png", "two.png", "overview.png"}
    assert {file.name for file in out.iterdir()} == names
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith(".png"))

    found = json.loads((out / "results.json").read_text())
    assert found["versions"]["planted"] == "7.1" and {"Python", "refwarp", "NumPy", "Numba"} <= found["versions"].keys()
    assert {"processor", "cores", "system"} <= found["machine"].keys() and found["quick"] is False
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["date"])
    assert found["left_out"] == {"needy": "a_library_that_is_not_there is not installed"}
    assert [comparison["name"] for comparison in found["comparisons"]] == ["one", "two"]
    first = found["comparisons"][0]
    assert first["title"] == "Planted times. More text"
    assert first["figures"] == [{"name": "the answer", "value": 42.0, "unit": "s", "goal": 50.0}]
    assert [measured["labels"]["shape"] for measured in first["measurements"]] == ["4x2", "8x2"] * 2
    for measured, ratio in zip(first["measurements"], (4, 8, 4, 8), strict=True):
        # The clock's sums round.
        assert measured["ratio"] == pytest.approx(ratio, rel=1e-9)
        assert measured["quartiles"] == pytest.approx([ratio, ratio], rel=1e-9)
        assert measured["nanoseconds_per_element"] == pytest.approx({"ours": 1e5, "peer": ratio * 1e5}, rel=1e-9)
        assert len(measured["seconds"]["ours"]) == len(measured["seconds"]["peer"]) == measuring.MOST
    (summary,) = first["summary"]
    assert (summary["peer"], summary["direction"], summary["entries"], summary["slower"]) == ("sloth", "forward", 4, 0)
    assert summary["mean"] == pytest.approx(32**0.5, rel=1e-9)
    assert summary["worst"]["name"].startswith("burn 4x2 ") and summary["worst"]["ratio"] == pytest.approx(4, rel=1e-9)

    table = (out / "results.md").read_text()
    for text in (
        "| one | sloth | forward | 4 |",
        "| 8.00 [8.00, 8.00] | 1e+05 | 8e+05 |",
        "| the answer | 42 | s |",
        "a_library_that_is_not_there",
    ):
        assert text in table
    captured = capsys.readouterr()
    assert "sloth" in captured.out and "a_library_that_is_not_there is not installed" in captured.out
    assert captured.err.count("one: burn ") == 4 and "the answer: 42" in captured.err


def test_names_threads_only_and_quick_choose(folder):
    plant(folder, one=PLANTED, two=PLANTED)
    found = run_comparisons(["two"], quick=True, threads=[1], folder=folder)
    assert [comparison.name for comparison in found.comparisons] == ["two"] and found.quick
    (measured,) = found.comparisons[0].measurements
    assert len(measured.ours) == measuring.LEAST and measured.entry.threads == 1
    found = run_comparisons(["one"], only=["burn", "8x2", "2 threads"], folder=folder)
    (measured,) = found.comparisons[0].measurements
    assert measured.entry.name == "burn 8x2 float32 forward 2 threads, against sloth"
    assert found.comparisons[0].figures == []


def test_refusals(capsys, folder, tmp_path):
    plant(folder, one=PLANTED, needy=NEEDS)
    assert "expected some of needy, one" in refused(capsys, "three", "--out", tmp_path / "out")
    assert "which no entry's name contains" in refused(capsys, "one", "--only", "bicubic", "--out", tmp_path / "out")
    message = refused(capsys, "needy", "--out", tmp_path / "out")
    assert "nothing could be compared: needy: a_library_that_is_not_there is not installed" in message
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    assert "which is a file" in refused(capsys, "one", "--quick", "--out", tmp_path / "file")
    assert "threads" in refused(capsys, "--threads", "0")


def test_without_a_checkout(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "__file__", str(tmp_path / "site" / "refwarp" / "files.py"))
    assert "install refwarp from one" in refused(capsys, "--out", tmp_path / "out")


def test_programs_that_disagree_are_not_timed(capsys, folder, tmp_path):
    plant(folder, one=DISAGREES)
    assert run(["bench", "--threads", "1", "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("Not timed: ") == 2 and "not timed: the two disagree" in captured.err
    (comparison,) = json.loads((tmp_path / "out" / "results.json").read_text())["comparisons"]
    assert len(comparison["disagreements"]) == 2 and comparison["measurements"] == []
    assert "the results differ by 3" in comparison["disagreements"][0]


def test_an_interrupted_run_keeps_what_it_has(capsys, folder, tmp_path):
    plant(folder, one=PLANTED, two=INTERRUPTED)
    assert run(["bench", "--quick", "--threads", "1", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err.endswith("refwarp: interrupted\n")
    found = json.loads((tmp_path / "results.json").read_text())["comparisons"]
    assert [len(comparison["measurements"]) for comparison in found] == [1, 1]
    assert [len(comparison["figures"]) for comparison in found] == [1, 0]


def test_a_mistake_in_a_comparison_is_no_missing_library(folder):
    plant(folder, one=PLANTED, two=BROKEN)
    with pytest.raises(ImportError, match="a_name_that_is_not_there"):
        run_comparisons(folder=folder)


def test_a_run_without_measurements_is_a_table():
    page = results.markdown(Results(left_out={"one": "torch is not installed"}))
    assert "- one: torch is not installed" in page and "## Summary" not in page


def test_every_file_of_the_checkout_but_the_mutants_is_a_comparison():
    folder = Path(__file__).parents[2] / "benchmarks"
    assert comparisons.benchmarks_folder() == folder
    assert {*known_comparisons(folder), "mutants"} == {file.stem for file in folder.glob("*.py")}


@pytest.mark.parametrize("name", known_comparisons(Path(__file__).parents[2] / "benchmarks"))
def test_a_comparison_hands_over_to_the_command_when_it_is_run_alone(name):
    source = (Path(__file__).parents[2] / "benchmarks" / f"{name}.py").read_text()
    (block,) = re.findall(r'^if __name__ == "__main__":.*\n(?:(?:    .*)?\n)+', source, re.MULTILINE)
    assert f'run(["bench", "{name}", ' in block


def test_a_file_runs_alone(tmp_path):
    file = Path(__file__).parents[2] / "benchmarks" / "linear_cost.py"
    command = [sys.executable, str(file), "--only", "there is no such entry", "--out", str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2 and "which no entry's name contains" in ended.stderr
