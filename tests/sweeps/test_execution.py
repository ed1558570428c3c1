"""Sweeps, computed in threads of this process: what is computed, what is not any more, and what goes wrong."""

import json
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from autograd_core import get_num_threads
from refwarp.files import lock
from refwarp.sweeps import CellError, Outcome, SweepFolder, Workers, execution, load_experiment
from refwarp.sweeps.experiment import LoadedExperiment
from refwarp.sweeps.results import Progress, RunEndedError
from tests.sweeps.sweeping import EXPERIMENT, run_small, thread_workers, tree


def changed(**functions):
    """Return the small experiment with other functions, which are computed in this process only."""
    loaded = load_experiment(EXPERIMENT)
    return LoadedExperiment(replace(loaded.experiment, **functions), loaded.path, loaded.module)


@pytest.fixture
def computing(monkeypatch, workers):
    """A function that sets what a cell computes, also for whoever loads the experiment."""

    def use(compute):
        loaded = changed(compute=compute)
        monkeypatch.setattr(execution, "load_experiment", lambda path: loaded)
        return loaded

    return use


# ---- what is computed ----


def test_results_do_not_depend_on_how_many_workers_and_threads_there_are(tmp_path, workers):
    run_small(tmp_path / "one", workers)
    with thread_workers(3, threads=2) as several:
        results = run_small(tmp_path / "several", several)
    assert tree(tmp_path / "one") == tree(tmp_path / "several")
    assert not results.missing
    assert [(r.cell.seed, r.cell.width) for r in results.cells] == [(0, 4), (0, 8), (0, 16), (1, 4), (1, 8), (1, 16)]
    assert all(len(r.values["loss"]) == 6 and r.arrays["weights"].shape == (r.cell.width, 36) for r in results.cells)


def test_what_is_finished_is_not_computed_again(tmp_path, workers, computing):
    run_small(tmp_path, workers, seeds=[0])
    before = tree(tmp_path)
    computed = []

    def compute(cell, surroundings):
        computed.append((cell.seed, cell.width))
        return Outcome({})

    loaded = computing(compute)
    run_small(tmp_path, workers, seeds=[0], resume=True)
    assert not computed and tree(tmp_path) == before
    run_small(tmp_path, workers, seeds=[0, 5], resume=True, loaded=loaded)
    assert sorted(computed) == [(5, 4), (5, 8), (5, 16)]
    assert {name: content for name, content in tree(tmp_path).items() if name in before and "sweep" not in name} == {
        name: content for name, content in before.items() if "sweep" not in name
    }


def test_long_cells_are_begun_first(tmp_path, workers, computing):
    begun = []
    loaded = computing(lambda cell, surroundings: begun.append(cell.width) or Outcome({}))
    loaded = replace(loaded, experiment=replace(loaded.experiment, seconds=lambda cell: cell.width % 8 + 1))
    run_small(tmp_path, workers, seeds=[0], loaded=loaded)
    assert begun[0] == 4


def test_a_field_that_is_added_with_a_default_leaves_results_valid(tmp_path, workers):
    source = EXPERIMENT.read_text()
    path = tmp_path / "growing.py"
    path.write_text(source)
    first = run_small(tmp_path / "out", workers, loaded=load_experiment(path))
    before = tree(tmp_path / "out")
    path.write_text(source.replace("    fails: bool = False\n", "    fails: bool = False\n    momentum: float = 0.9\n"))
    after = run_small(tmp_path / "out", workers, loaded=load_experiment(path), resume=True)
    assert tree(tmp_path / "out") == before
    assert [r.values for r in after.cells] == [r.values for r in first.cells]
    assert all(r.cell.momentum == 0.9 for r in after.cells)


def test_a_cell_goes_on_from_its_checkpoint(tmp_path, workers, computing):
    """As after a kill between two epochs, and then again between its last epoch and the result."""
    run_small(tmp_path / "whole", workers, seeds=[0])

    class KilledError(Exception):
        pass

    compute = load_experiment(EXPERIMENT).experiment.compute
    started_at = []

    def killed(cell, surroundings, after):
        def report(done, total, text):
            surroundings.report(done, total, text)
            started_at.append(done)
            if done == after:
                raise KilledError

        return compute(cell, replace(surroundings, report=report))

    for after, resume in ((2, False), (2, True), (5, True), (6, True)):
        computing(lambda cell, surroundings, after=after: killed(cell, surroundings, after))
        started_at.clear()
        with pytest.raises(KilledError):
            run_small(tmp_path / "killed", workers, seeds=[0], resume=resume)
        assert started_at[0] == (0 if not resume else 2 if after in (2, 5) else 5)
    computing(compute)
    run_small(tmp_path / "killed", workers, seeds=[0], resume=True)
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_cells_have_one_thread_of_blas_and_their_share_for_kernels(tmp_path, monkeypatch, computing):
    found = []

    def compute(cell, surroundings):
        import scipy.linalg

        scipy.linalg.solve(np.eye(3), np.ones(3))
        found.extend(info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas")
        found.append({os.environ[name] for name in execution._THREADS})
        found.append(get_num_threads())
        return Outcome({})

    loaded = computing(compute)
    for name in execution._THREADS:
        monkeypatch.setenv(name, "7")
    with thread_workers(threads=3) as workers:
        run_small(tmp_path, workers, seeds=[0], loaded=loaded)
    *libraries, environment, kernels = found[: len(found) // 3]
    assert libraries and set(libraries) == {1} and environment == {"1"} and kernels == 3


@pytest.mark.parametrize("given", [None, "relative"])
def test_workers_need_not_have_the_environment_of_the_sweep(tmp_path, monkeypatch, computing, workers, given):
    """Nor its working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REFWARP_DATA", "from/environment") if given is None else monkeypatch.delenv(
        "REFWARP_DATA", raising=False
    )
    found = set()
    loaded = computing(lambda cell, surroundings: found.add(surroundings.data) or Outcome({}))
    sweep = execution.Sweep(loaded, "tiny", [0], SweepFolder("out", loaded), given and tmp_path / given, "cpu")
    execution.run_sweep(sweep, workers)
    assert found == {tmp_path / (given or "from/environment")}


def test_progress_is_told_from_before_the_first_cell_until_after_the_last(tmp_path, workers):
    told = []
    run_small(tmp_path, workers, seeds=[0], progress=told.append)
    assert (told[0].finished, told[0].total, told[0].seconds_left) == (0, 3, pytest.approx(3 * 6 * 0.003))
    assert (told[-1].finished, told[-1].total, told[-1].failed, told[-1].seconds_left) == (3, 3, 0, 0)


# ---- what goes wrong ----


def test_a_cell_that_fails_leaves_the_others_and_is_tried_again(tmp_path, workers, computing):
    with pytest.raises(CellError) as caught:
        run_small(tmp_path, workers, "failing")
    assert str(caught.value) == (
        "1 of 3 cells could not be computed: width 8 seed 0 (it diverged | after half of its epochs). "
        f"{tmp_path / 'unfinished'} says where in the program that was; all others are finished, and --resume tries "
        "again"
    )
    results = caught.value.results
    assert ([r.cell.width for r in results.cells], results.missing) == ([4, 16], 1)
    (reason,) = (tmp_path / "unfinished").glob("*.txt")
    assert "small_experiment.py" in reason.read_text() and "in on_epoch" in reason.read_text()
    computing(lambda cell, surroundings: Outcome({"loss": [0.0]}))
    assert not run_small(tmp_path, workers, "failing", resume=True).missing
    assert not (tmp_path / "unfinished").exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("two\nlines"), "two\nlines"),
        (ZeroDivisionError("by zero"), "by zero"),
        (np.linalg.LinAlgError("singular"), "singular"),
        (MemoryError(), "MemoryError"),
        (UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"), "'ascii' codec can't decode byte 0xff in position 0: no"),
    ],
)
def test_these_errors_are_a_cells_own(tmp_path, workers, computing, error, reason):
    def compute(cell, surroundings):
        if cell.width == 4:
            raise error
        return Outcome({})

    computing(compute)
    with pytest.raises(CellError, match="^1 of 3 cells could") as caught:
        run_small(tmp_path, workers, seeds=[0])
    assert f"width 4 seed 0 ({reason})" in str(caught.value)


@pytest.mark.parametrize("error", [TypeError("a slip"), KeyError("name"), OSError(28, "No space left on device")])
def test_any_other_error_ends_the_sweep_and_loses_nothing(tmp_path, workers, computing, error):
    def compute(cell, surroundings):
        if cell.width == 4:
            raise error
        return Outcome({"loss": [1.0]})

    loaded = computing(compute)
    loaded = replace(loaded, experiment=replace(loaded.experiment, seconds=lambda cell: float(cell.width)))
    with pytest.raises(type(error)):
        run_small(tmp_path, workers, seeds=[0], loaded=loaded)
    assert [r.cell.width for r in SweepFolder(tmp_path, loaded).read_all().cells] == [8, 16]


def test_of_many_failures_three_are_told(tmp_path, workers, computing):
    def compute(cell, surroundings):
        raise FloatingPointError(f"no {cell.width}")

    computing(compute)
    with pytest.raises(CellError) as caught:
        run_small(tmp_path, workers)
    assert str(caught.value).startswith("6 of 6 cells could not be computed: ")
    assert str(caught.value).count("(no ") == 3 and "; and 3 more. " in str(caught.value)
    assert not caught.value.results.cells


def test_a_result_that_json_cannot_hold_is_a_failure(tmp_path, workers, computing):
    computing(lambda cell, surroundings: Outcome({"loss": math.nan if cell.width == 8 else 1.0}))
    with pytest.raises(CellError, match=r"width 8 seed 0 \(its result holds what JSON cannot: Out of range"):
        run_small(tmp_path, workers, seeds=[0])


def test_a_damaged_checkpoint_is_told_with_its_name(tmp_path, workers, computing):
    loaded = load_experiment(EXPERIMENT)
    folder = SweepFolder(tmp_path, loaded)
    data = loaded.experiment.data(loaded.experiment.scales["tiny"], None)
    with folder.opened("tiny", [0], data, resume=False):
        path = folder.unfinished_path(loaded.experiment.cells(loaded.experiment.scales["tiny"], [0])[1], data, ".h5")
        path.write_bytes(b"no checkpoint")
    with pytest.raises(CellError, match=rf"1 of 3 .* width 8 seed 0 \({path} cannot be read as a checkpoint: .* rem"):
        run_small(tmp_path, workers, seeds=[0], resume=True)
    assert path.read_bytes() == b"no checkpoint"


def test_data_that_cannot_be_had_are_told_before_there_is_a_folder(tmp_path, workers):
    def data(scale, folder):
        raise FileNotFoundError("data: there are none")

    with pytest.raises(FileNotFoundError, match="data: there are none"):
        run_small(tmp_path / "out", workers, loaded=changed(data=data))
    assert not (tmp_path / "out").exists()


def test_a_cell_that_another_runs_worker_still_computes_waits_for_it(tmp_path, workers, monkeypatch, hang_limit):
    """It has the checkpoint, until it next says how far it is, and learns that its run has ended."""
    loaded = load_experiment(EXPERIMENT)
    folder = SweepFolder(tmp_path, loaded)
    data = loaded.experiment.data(loaded.experiment.scales["tiny"], None)
    cell = loaded.experiment.cells(loaded.experiment.scales["tiny"], [0])[0]
    with folder.opened("tiny", [0], data, resume=False):
        pass
    (tmp_path / "unfinished").mkdir(exist_ok=True)
    waits, slept = threading.Event(), execution.time.sleep

    def sleep(seconds):
        waits.set()
        slept(seconds)

    monkeypatch.setattr(execution.time, "sleep", sleep)

    def hold():
        with lock(folder.unfinished_path(cell, data, ".h5")):
            held.set()
            assert waits.wait(hang_limit)

    held = threading.Event()
    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(hang_limit)
    results = run_small(tmp_path, workers, seeds=[0], resume=True)
    other.join()
    assert not results.missing and waits.is_set()


def test_it_does_not_wait_for_ever(tmp_path, workers, monkeypatch, computing):
    monkeypatch.setattr(execution, "_PATIENCE_SECONDS", 0.0)

    def compute(cell, surroundings):
        raise BlockingIOError("checkpoint: it is in use by another run")

    computing(compute)
    with pytest.raises(BlockingIOError, match="in use by another run"):
        run_small(tmp_path, workers, seeds=[0])


def test_what_another_runs_worker_has_finished_in_the_meantime_is_taken(tmp_path, workers, computing):
    loaded = load_experiment(EXPERIMENT)
    data = loaded.experiment.data(loaded.experiment.scales["tiny"], None)

    def compute(cell, surroundings):
        SweepFolder(tmp_path, loaded).write(cell, data, Outcome({"loss": [2.0]}))
        raise FileNotFoundError("checkpoint: there is none any more")

    computing(compute)
    assert [r.values for r in run_small(tmp_path, workers, seeds=[0]).cells] == 3 * [{"loss": [2.0]}]


def test_who_still_computes_for_a_run_that_has_ended_stops(tmp_path, workers, computing):
    begun = []

    def compute(cell, surroundings):
        begun.append(cell)
        (run,) = (tmp_path / "unfinished").glob("*.run")
        run.unlink()
        surroundings.report(1, 2, "on")
        raise AssertionError("it should have ended")

    computing(compute)
    with pytest.raises(RunEndedError):
        run_small(tmp_path, workers, seeds=[0])
    assert len(begun) == 1  # those that wait are not begun


def test_a_worker_that_does_not_see_the_folder_is_told(tmp_path, workers, monkeypatch):
    job = execution._job
    monkeypatch.setattr(
        execution, "_job", lambda *arguments: replace(job(*arguments), folder=str(tmp_path / "elsewhere"))
    )
    with pytest.raises(RunEndedError, match="out: another run has taken over .*elsewhere, or a worker does not see it"):
        run_small(tmp_path / "out", workers, seeds=[0])


def test_a_worker_with_other_sources_is_refused(tmp_path, workers, monkeypatch):
    """As one of a cluster that began before they were changed."""
    job = execution._job
    monkeypatch.setattr(execution, "_job", lambda *arguments: replace(job(*arguments), sources="ab12"))
    with pytest.raises(ValueError, match="workers: one has another refwarp than the sweep, or had when it began; ins"):
        run_small(tmp_path / "out", workers, seeds=[0])


def test_the_digest_is_of_all_sources(monkeypatch):
    before = execution.sources_digest()
    read = Path.read_bytes
    for name in ("autograd_core/functions/operators.py", "refwarp/training/loop.py", "refwarp/sweeps/execution.py"):
        monkeypatch.setattr(Path, "read_bytes", lambda path, name=name: read(path) + str(path).endswith(name) * b"#")
        assert execution.sources_digest.__wrapped__() != before


def test_results_that_are_nowhere_to_be_seen_are_told(tmp_path, workers, monkeypatch):
    monkeypatch.setattr(execution, "_DELAY_SECONDS", 0.0)
    monkeypatch.setattr(execution, "run_job", lambda job: None)
    with pytest.raises(OSError, match="out: the workers have computed all cells, but 3 of them are not in .*same disk"):
        run_small(tmp_path, workers, seeds=[0])


def test_workers_that_are_gone_end_the_sweep(tmp_path, computing):
    ended = threading.Event()

    def check():
        raise OSError("the workers are gone")

    loaded = computing(lambda cell, surroundings: ended.wait() and Outcome({}))
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(OSError, match="the workers are gone"):
            run_small(tmp_path, Workers(pool, 1, check=check), seeds=[0], loaded=loaded)
        ended.set()


def test_a_missing_device_ends_the_sweep(tmp_path, workers):
    loaded = load_experiment(EXPERIMENT)
    sweep = execution.Sweep(loaded, "tiny", [0], SweepFolder(tmp_path, loaded), None, "tpu")
    with pytest.raises(ValueError, match="device: given 'tpu'"):
        execution.run_sweep(sweep, workers)


def test_progress_of_an_earlier_run_stays_until_there_is_more(tmp_path, workers, computing):
    """So the time that is left is not thought longer when a cell goes on."""
    found = []

    def compute(cell, surroundings):
        found.append(json.loads(surroundings.checkpoint.with_suffix(".json").read_text()))
        return Outcome({})

    loaded = computing(compute)
    folder = SweepFolder(tmp_path, loaded)
    data = loaded.experiment.data(loaded.experiment.scales["tiny"], None)
    cells = loaded.experiment.cells(loaded.experiment.scales["tiny"], [0])
    with folder.opened("tiny", [0], data, resume=False):
        for cell in cells:
            folder.write_progress(cell, data, Progress("earlier", 4, 6, "loss 0.5"))
    told = []
    run_small(tmp_path, workers, seeds=[0], resume=True, progress=told.append)
    assert not told[0].under_way and told[0].seconds_left == pytest.approx(3 * 2 * 0.003)
    assert all((each["done"], each["total"], each["text"]) == (4, 6, "begun") for each in found) and len(found) == 3
    assert all(each["run"] != "earlier" for each in found)
