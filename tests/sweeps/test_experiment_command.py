"""`refwarp experiment`, as typed: what it prints, and what it refuses."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import refwarp.sweeps
from refwarp.cli import experiment as command
from refwarp.cli import run
from refwarp.sweeps import SweepFolder, experiment_names, load_experiment, processes
from tests.sweeps.sweeping import EXPERIMENT, run_small, tree

NAMES = ", ".join(map(repr, experiment_names()))


@pytest.fixture
def here(tmp_path, monkeypatch, workers):
    """An empty folder that is the working directory, with a file and a sweep of which nothing is finished."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REFWARP_DATA", raising=False)
    (tmp_path / "file").write_text("no folder")
    loaded = load_experiment(EXPERIMENT)
    data = loaded.experiment.data(loaded.experiment.scales["tiny"], None)
    with SweepFolder("begun", loaded).opened("tiny", [0], data, resume=False):
        pass
    shutil.copy(EXPERIMENT, tmp_path / "other.py")
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    return tmp_path


def test_it_runs_tells_its_cost_and_shows_what_came_out(here, capsys):
    assert run(["experiment", "run", str(EXPERIMENT), "--seeds", "1", "--workers", "2"]) == 0
    ran = capsys.readouterr()
    lines = ran.err.splitlines()
    assert lines[0] == "small_experiment, scale tiny: 3 cells, about a second of one core"
    assert lines[1].startswith("small_experiment: 0 of 3 cells, ") and lines[-1] == "small_experiment: 3 of 3 cells"
    assert "0 cells are missing." in ran.out and "width 16 | seed 0" in ran.out
    assert ran.out.endswith("sweeps/small_experiment-tiny/report.md shows the same.\n")
    before = tree(here / "sweeps")
    assert run(["experiment", "show", str(EXPERIMENT), "--out", "sweeps/small_experiment-tiny"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err, tree(here / "sweeps")) == (ran.out, "", before)


def test_seeds_add_to_a_sweep_and_none_is_taken_away(here, capsys):
    add = ["experiment", "run", str(EXPERIMENT), "--out", "out", "--resume", "--seeds"]
    for count, seeds in (("1", [0]), ("3", [0, 1, 2]), ("2", [0, 1, 2])):
        assert run([*add, count]) == 0
        assert json.loads((here / "out" / "sweep.json").read_text())["seeds"] == seeds
    assert len(list((here / "out" / "cells").glob("*.json"))) == 9
    assert "0 of 9 cells" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "count", "seeds"),
    [([11, 12, 13], None, [11, 12, 13]), ([5, 3], 1, [5]), ([5, 3], 4, [5, 3, 6, 7]), ((0,), 3, [0, 1, 2])],
)
def test_seeds_are_the_scales_own_and_then_others(own, count, seeds):
    assert command._seeds(own, count) == seeds


def test_a_sweep_without_anything_to_do_begins_no_process(here, capsys, monkeypatch, workers):
    run_small(here / "out", workers, seeds=[0])
    before = tree(here / "out")
    monkeypatch.setattr(refwarp.sweeps, "processes", processes)
    assert run(["experiment", "run", str(EXPERIMENT), "--out", "out", "--resume", "--seeds", "1"]) == 0
    assert {name: tree(here / "out")[name] for name in before} == before
    assert capsys.readouterr().err.splitlines()[1:] == ["small_experiment: 3 of 3 cells"]


SMALL = str(EXPERIMENT)


ON_MNIST = ["run", "stn_table1", "--scale", "small", "--out", "new"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "stn_table"], f"name: given 'stn_table', expected one of {NAMES}"),
        (["show", "stn_table"], f"name: given 'stn_table', expected one of {NAMES}"),
        (["run", "nowhere.py"], "name: given 'nowhere.py', but there is no such file; expected the file of an exp"),
        (["run", "."], "name: given '.', expected one of"),
        (
            ["run", SMALL, "--scale", "huge"],
            "scale: given 'huge', expected one of 'tiny', 'slow', 'endless', 'failing'",
        ),
        (["run", SMALL, "--workers", "0"], "Invalid value for '--workers'"),
        (["run", SMALL, "--seeds", "0"], "Invalid value for '--seeds'"),
        (["run", SMALL, "--device", "tpu"], "Invalid value for '--device'"),
        (["run", SMALL, "--cluster", "tcp://a:1", "--workers", "1"], "workers: given with a cluster, which has its"),
        (["run", SMALL, "--out", "file"], "out: given 'file', which is a file; expected a folder"),
        (["run", SMALL, "--out", "file/out"], "out: given 'file/out', where no file can be written (Not a directory)"),
        (["run", SMALL, "--out", "a" * 300], "which cannot be looked up (File name too long); give another name"),
        (["run", SMALL, "--out", "begun"], "out: begun holds a sweep already; add --resume to go on with it, or give"),
        (["run", "other.py", "--out", "begun", "--resume"], "out: begun holds a sweep whose experiment is 'small_exp"),
        (["run", SMALL, "--scale", "slow", "--out", "begun", "--resume"], "holds a sweep whose scale is 'tiny', and"),
        (ON_MNIST, "data: no folder is given; name the one that holds the data sets as `--data DIR`"),
        ([*ON_MNIST, "--data", "no"], "data: given 'no', but there is no such folder"),
        ([*ON_MNIST, "--data", "file"], "data: given 'file', which is no folder"),
        ([*ON_MNIST, "--data", "begun"], "begun"),
        ([*ON_MNIST, "--data", "."], "mnist/train-images-idx3-ubyte.gz"),
        (["show", SMALL, "--out", "begun"], "out: begun holds a sweep of which no cell is finished yet; go on with"),
        (["show", SMALL, "--out", "no"], "out: given 'no', where there is no sweep; run the experiment first"),
        (["show", SMALL, "--out", "file"], "out: given 'file', where there is no sweep; run the experiment first"),
        (["show", SMALL], "results/small_experiment/small', where there is no sweep; run the experiment first"),
        (["show", "other.py", "--out", "begun"], "out: begun holds a sweep of the experiment 'small_experiment' in"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2_and_nothing_is_lost(here, capsys, arguments, message):
    before = tree(here)
    assert run(["experiment", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("refwarp: ") and message in captured.err and not captured.out
    assert len(captured.err.splitlines()) == 1
    assert tree(here) == before


def test_a_second_run_at_the_same_time_is_refused_and_the_first_goes_on(here, capsys):
    loaded = load_experiment(EXPERIMENT)
    data = loaded.experiment.data(loaded.experiment.scales["tiny"], None)
    folder = SweepFolder("begun", loaded)
    with folder.opened("tiny", [0], data, resume=True) as opened:
        before = tree(here)
        assert run(["experiment", "run", SMALL, "--out", "begun", "--resume"]) == 2
        assert tree(here) == before
        folder.check_run(opened.run)
        assert run(["experiment", "show", SMALL, "--out", "begun"]) == 2  # reading needs no lock
    first, second = capsys.readouterr().err.splitlines()
    assert first == "refwarp: out: begun/sweep.json is in use by another run; wait for its end, or give another name"
    assert "no cell is finished yet" in second


def test_of_a_sweep_with_failures_all_else_is_shown_and_it_says_so(here, capsys):
    assert run(["experiment", "run", SMALL, "--scale", "failing", "--out", "out"]) == 2
    captured = capsys.readouterr()
    assert "1 cells are missing." in captured.out and "width 16 | seed 0" in captured.out
    assert captured.err.splitlines()[-1] == (
        "refwarp: 1 of 3 cells could not be computed: width 8 seed 0 (it diverged | after half of its epochs). "
        "out/unfinished says where in the program that was; all others are finished, and --resume tries again"
    )
    assert (here / "out" / "report.md").is_file()


def test_a_damaged_result_is_told_and_after_its_removal_computed_again(here, capsys):
    arguments = ["experiment", "run", SMALL, "--out", "out", "--seeds", "1"]
    assert run(arguments) == 0
    before = tree(here / "out")
    path = next((here / "out" / "cells").glob("*.json"))
    path.write_text("{")
    for again in ([*arguments, "--resume"], ["experiment", "show", SMALL, "--out", "out"]):
        capsys.readouterr()
        assert run(again) == 2
        assert f"refwarp: {path.relative_to(here)} is damaged, or of another kind; remove it" in capsys.readouterr().err
    path.unlink()
    assert run([*arguments, "--resume"]) == 0
    assert tree(here / "out") == before


@pytest.mark.parametrize("arguments", [["run"], ["show"]])
def test_who_writes_an_experiment_sees_a_traceback(here, arguments):
    (here / "broken.py").write_text(EXPERIMENT.read_text().replace("def cells(", "def cells(:"))
    with pytest.raises(SyntaxError, match="invalid syntax"):
        run(["experiment", *arguments, "broken.py"])


def test_the_list_has_each_experiment_and_scale(here, capsys):
    assert run(["experiment", "list"]) == 0
    captured = capsys.readouterr()
    assert "stn_table1" in captured.out and "paper" in captured.out and "of one core" in captured.out
    assert not captured.err


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of files are POSIX's")
def test_without_room_it_ends_with_a_sentence_and_keeps_what_was_finished(here, capsys, workers):
    """A limit that results fit into, and checkpoints do not."""
    program = (
        "import resource, sys; from refwarp.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY)); main()"
    )
    arguments = ["experiment", "run", SMALL, "--out", "begun", "--resume", "--seeds", "1", "--workers", "1"]
    ended = subprocess.run([sys.executable, "-c", program, "4096", *arguments], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1].endswith(
        ".h5: the file cannot be written (File too large), and what was there is as before; make room, or give another "
        "name"
    )
    assert "Traceback" not in ended.stderr and "Error" not in ended.stderr
    assert run(arguments) == 0
    run_small(here / "whole", workers, seeds=[0])
    found, whole = tree(here / "begun"), tree(here / "whole")
    assert {name: found[name] for name in whole} == whole
