"""The folder of a sweep: what is written, what is damaged, and whose it is."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from refwarp.files import lock
from refwarp.sweeps import Outcome, SweepFolder, load_experiment
from refwarp.sweeps.results import Progress, RunEndedError
from tests.sweeps.sweeping import EXPERIMENT, tree

DATA = {"pictures": "12ab"}
OUTCOME = Outcome(
    {"loss": [0.1, 1e-300, 3.0], "name": "\N{GREEK SMALL LETTER ALPHA}"},
    {"training": 1.2345},
    {"picture": np.arange(6, dtype=np.uint8).reshape(2, 3), "grid": np.ones((2, 2), np.float16)},
)


@pytest.fixture
def folder(tmp_path):
    return SweepFolder(tmp_path / "sweep", load_experiment(EXPERIMENT))


@pytest.fixture
def cells(folder):
    experiment = folder.loaded.experiment
    return experiment.cells(experiment.scales["tiny"], [0, 1])


def begin(folder, seeds=(0, 1), data=DATA, **options):
    """Open a folder and leave it."""
    options = {"scale": "tiny", "resume": False, **options}
    with folder.opened(seeds=seeds, data=data, **options) as opened:
        return opened


# ---- results ----


def test_what_is_written_is_read(folder, cells):
    begin(folder)
    folder.write(cells[1], DATA, OUTCOME)
    found = folder.read(cells[1], DATA)
    assert (found.cell, found.values, found.seconds) == (cells[1], OUTCOME.result, {"training": 1.23})
    assert set(found.arrays) == {"picture", "grid"}
    for name, array in OUTCOME.arrays.items():
        assert (found.arrays[name].dtype, found.arrays[name].tolist()) == (array.dtype, array.tolist())
    results = folder.read_all()
    assert (results.scale, [r.cell for r in results.cells], results.missing) == ("tiny", [cells[1]], 5)


def test_the_same_result_has_the_same_bytes_at_any_time(folder, cells, tmp_path, monkeypatch):
    other = SweepFolder(tmp_path / "other", folder.loaded)
    for each, now in ((folder, 1e9), (other, 1.7e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        begin(each)
        each.write(cells[0], DATA, OUTCOME)
    assert tree(folder.path) == tree(other.path)


def test_the_file_says_what_was_computed(folder, cells):
    begin(folder)
    folder.write(cells[2], DATA, OUTCOME)
    path = folder.cell_path(cells[2], DATA)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == f"width-16-seed-0-{content['digest'][:12]}.json"
    assert (content["experiment"], content["data"]) == ("small_experiment", DATA)
    assert content["cell"] == {"width": 16, "seed": 0, "epochs": 6}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32(1), np.int64(1), {1, 2}])
def test_what_json_cannot_hold_is_refused_before_anything_is_written(folder, cells, value):
    begin(folder)
    before = tree(folder.path)
    with pytest.raises(ValueError, match="^its result holds what JSON cannot: "):
        folder.write(cells[0], DATA, Outcome({"loss": value}, {}, OUTCOME.arrays))
    assert tree(folder.path) == before


def test_a_cell_is_found_by_its_digest_whatever_its_label_is_now(folder, cells, monkeypatch):
    begin(folder)
    folder.write(cells[0], DATA, OUTCOME)
    renamed = SimpleNamespace(**{**vars(folder.loaded.experiment), "label": lambda cell: f"net {cell.width}"})
    again = SweepFolder(folder.path, SimpleNamespace(name=folder.loaded.name, experiment=renamed))
    assert again.read(cells[0], DATA).values == OUTCOME.result
    assert again.cell_path(cells[1], DATA).name.startswith("net-8-")
    again.write(cells[0], DATA, OUTCOME)
    assert len(list((folder.path / "cells").iterdir())) == 2


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "null", "{}", '{"digest": 1}', "\xff", "[" * 100_000, "digest", "result"]
)
def test_a_damaged_result_is_told_with_its_name(folder, cells, damage):
    begin(folder)
    folder.write(cells[0], DATA, OUTCOME)
    path = folder.cell_path(cells[0], DATA)
    if damage in ("digest", "result"):
        content = json.loads(path.read_text(encoding="utf-8"))
        damage = json.dumps({**content, damage: 3})
    path.write_text(damage, encoding="latin-1")
    with pytest.raises(ValueError) as caught:
        folder.read_all()
    assert str(caught.value) == (
        f"{path} is damaged, or of another kind; remove it, and run the experiment again with --resume"
    )


def test_arrays_with_any_damaged_byte_are_told_or_read_as_they_were(folder, cells):
    begin(folder)
    folder.write(cells[0], DATA, OUTCOME)
    path = folder.cell_path(cells[0], DATA).with_suffix(".npz")
    content = path.read_bytes()
    told = 0
    damaged = [content[:size] for size in range(0, len(content), 7)]
    for place in range(len(content)):
        damaged.append(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
    for each in damaged:
        path.write_bytes(each)
        try:
            found = folder.read(cells[0], DATA)
        except ValueError as error:
            assert str(error).startswith(f"{path} is damaged")
            told += 1
        else:  # a byte that nobody reads, or a name
            assert all(
                found.arrays[name].tolist() == array.tolist()
                for name, array in OUTCOME.arrays.items()
                if name in found.arrays
            )
    assert told > len(damaged) / 2


# ---- whose the folder is ----


def test_a_second_sweep_in_a_folder_is_refused_without_resume(folder):
    begin(folder)
    before = tree(folder.path)
    with pytest.raises(ValueError, match="out: .*sweep holds a sweep already; add --resume to go on with it, or give"):
        begin(folder, seeds=[5])
    assert tree(folder.path) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": "slow"}, "holds a sweep whose scale is 'tiny', and that of this one is 'slow'; give another folder"),
        ({"data": {"pictures": "99"}}, "holds a sweep with other data: pictures has another digest; give another"),
        ({"data": {}}, "holds a sweep with other data: pictures has another digest"),
        ({"data": {**DATA, "more": "1"}}, "holds a sweep with other data: more has another digest"),
    ],
)
def test_another_sweep_is_refused_and_stays(folder, change, message):
    begin(folder)
    before = tree(folder.path)
    with pytest.raises(ValueError) as caught:
        begin(folder, resume=True, **change)
    assert f"out: {folder.path} {message}" in str(caught.value)
    assert tree(folder.path) == before


def test_another_experiment_is_refused(folder):
    begin(folder)
    other = SweepFolder(folder.path, SimpleNamespace(name="other", experiment=folder.loaded.experiment))
    with pytest.raises(ValueError, match="a sweep whose experiment is 'small_experiment', and that of this one is 'ot"):
        begin(other, resume=True)
    with pytest.raises(ValueError, match="a sweep of the experiment 'small_experiment' in the scale 'tiny', expected"):
        other.read_all()


def test_seeds_are_kept_and_added(folder):
    assert begin(folder, seeds=[4, 2]).seeds == [4, 2]
    assert begin(folder, seeds=[2, 7], resume=True).seeds == [4, 2, 7]
    assert begin(folder, seeds=[], resume=True).seeds == [4, 2, 7]
    assert folder.read_all().missing == 9


def test_two_runs_at_the_same_time_are_refused(folder):
    with folder.opened("tiny", [0], DATA, resume=False):
        with pytest.raises(BlockingIOError, match="out: .*sweep.json is in use by another run; wait for its end, or"):
            begin(folder, resume=True)
    begin(folder, resume=True)


def test_a_folder_without_a_sweep_is_told(folder):
    with pytest.raises(FileNotFoundError, match="out: given '.*', where there is no sweep; run the experiment first"):
        folder.read_all()
    folder.path.write_text("a file")
    with pytest.raises(FileNotFoundError, match="there is no sweep"):
        folder.read_all()
    with pytest.raises(ValueError, match="out: given '.*', which is a file; expected a folder"):
        begin(folder)


@pytest.mark.parametrize(
    "damage",
    ["", "{}", "[1]", {"scale": ["tiny"]}, {"seeds": ["0"]}, {"seeds": 3}, {"data": []}, {"experiment": None}],
)
def test_a_damaged_sweep_is_told_and_stays(folder, damage):
    begin(folder)
    path = folder.path / "sweep.json"
    content = damage if isinstance(damage, str) else json.dumps({**json.loads(path.read_text()), **damage})
    path.write_text(content)
    for attempt in (folder.read_all, lambda: begin(folder, resume=True)):
        with pytest.raises(ValueError, match="sweep.json is damaged, or of another kind; remove it, and run the exper"):
            attempt()
    assert path.read_text() == content


# ---- cells under way ----


def test_progress_comes_back_and_what_is_none_is_none(folder, cells):
    begin(folder)
    (folder.path / "unfinished").mkdir()
    folder.write_progress(cells[0], DATA, Progress("ab", 3, 4, "loss 0.5"))
    assert folder.read_progress(cells[0], DATA) == Progress("ab", 3, 4, "loss 0.5")
    assert folder.read_progress(cells[1], DATA) is None
    for text in ("", "{}", "3 4 loss", '{"run": "", "done": [], "total": 1, "text": ""}'):
        folder.unfinished_path(cells[0], DATA, ".json").write_text(text)
        assert folder.read_progress(cells[0], DATA) is None


@pytest.mark.parametrize(("done", "total", "share"), [(0, 0, 0), (1, 4, 0.25), (9, 4, 1), (-1, 4, 0)])
def test_shares_are_between_nothing_and_all(done, total, share):
    assert Progress("", done, total, "").share == share


def test_a_run_has_its_folder_until_it_ends_or_another_begins(folder):
    with folder.opened("tiny", [0], DATA, resume=False) as opened:
        folder.check_run(opened.run)
        with pytest.raises(RunEndedError, match="out: another run has taken over .*, or a worker does not see it; all"):
            folder.check_run("another")
    with pytest.raises(RunEndedError):
        folder.check_run(opened.run)


def test_what_a_killed_run_left_of_finished_cells_goes_and_all_else_stays(folder, cells):
    begin(folder)
    folder.write(cells[0], DATA, OUTCOME)
    before = tree(folder.path)
    unfinished = folder.path / "unfinished"
    unfinished.mkdir()
    (unfinished / "dead.run").touch()
    names = [folder.unfinished_path(cells[0], DATA, suffix).name for suffix in (".h5", ".json", ".txt")]
    for name in [*names, f".{names[0]}.lock", f".{names[1][:12]}.123-0a-0.partial.json"]:
        (unfinished / name).touch()
    begin(folder, resume=True)
    assert tree(folder.path) == before
    unfinished.mkdir()
    left = [folder.unfinished_path(cells[1], DATA, ".h5"), unfinished / "letter.txt"]
    for path in left:
        path.write_text("mine")
    begin(folder, resume=True)
    assert {path.name for path in unfinished.iterdir()} == {path.name for path in left}


def test_a_finished_cell_leaves_nothing_unfinished(folder, cells):
    with folder.opened("tiny", [0], DATA, resume=False):
        folder.write_progress(cells[0], DATA, Progress("ab", 3, 4, ""))
        with lock(folder.unfinished_path(cells[0], DATA, ".h5")):
            folder.unfinished_path(cells[0], DATA, ".h5").touch()
            folder.write(cells[0], DATA, OUTCOME)
    assert not (folder.path / "unfinished").exists()
