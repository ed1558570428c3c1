"""Experiments' files: how they are found and read, and the digests of their cells."""

import hashlib
import json
import re
import shutil
import sys
import threading
from dataclasses import dataclass

import pytest

from refwarp.sweeps import experiment as module
from refwarp.sweeps import experiment_names, load_experiment
from refwarp.sweeps.experiment import cell_digest, cell_settings
from tests.sweeps.sweeping import EXPERIMENT


def write(path, old="", new=""):
    """Write a copy of the small experiment with a replacement."""
    text = EXPERIMENT.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_those_of_the_checkout_have_names():
    assert "stn_table1" in experiment_names()
    loaded = load_experiment("stn_table1")
    assert (loaded.name, loaded.path.name) == ("stn_table1", "stn_table1.py")


def test_a_path_may_be_anywhere(tmp_path, monkeypatch):
    write(tmp_path / "my-own.experiment.py")
    monkeypatch.chdir(tmp_path)
    loaded = load_experiment("my-own.experiment.py")
    assert (loaded.name, loaded.path) == ("my-own.experiment", (tmp_path / "my-own.experiment.py").resolve())


@pytest.mark.parametrize("name", ["stn", "", "stn_table1.txt", "_hidden"])
def test_an_unknown_name_is_told_the_known_ones(name):
    with pytest.raises(ValueError, match=f"^name: given {name!r}, expected one of .*'stn_table1'"):
        load_experiment(name)


def test_without_a_checkout_only_paths_are_known(monkeypatch):
    monkeypatch.setattr(module, "checkout_folder", lambda name: None)
    with pytest.raises(FileNotFoundError, match="experiments: they are files of a checkout of refwarp, and this one"):
        load_experiment("stn_table1")
    assert load_experiment(EXPERIMENT).name == "small_experiment"


def test_a_file_that_is_missing_or_has_no_experiment(tmp_path):
    with pytest.raises(FileNotFoundError, match="name: given '.*nowhere.py', but there is no such file; expected the"):
        load_experiment(tmp_path / "nowhere.py")
    (tmp_path / "empty.py").write_text("EXPERIMENT = 1\n")
    with pytest.raises(ValueError, match="name: given '.*empty.py', a file without an Experiment named EXPERIMENT"):
        load_experiment(str(tmp_path / "empty.py"))


def test_who_writes_one_sees_where_it_is_wrong(tmp_path):
    """A syntax error as Python has it; others as their cause, where the command line would tell a sentence only."""
    path = write(tmp_path / "broken.py", "def cells(", "def cells(:")
    with pytest.raises(SyntaxError) as caught:
        load_experiment(path)
    assert caught.value.filename == str(path)
    path = write(tmp_path / "wrong.py", "SCALES = {", "SCALES = int('x')\n{")
    with pytest.raises(RuntimeError, match=r"wrong.py cannot be imported") as wrong:
        load_experiment(path)
    assert isinstance(wrong.value.__cause__, ValueError)
    path = write(tmp_path / "lacking.py", "import time", "import no_such_module, time")
    with pytest.raises(ImportError, match=r"lacking.py cannot be imported: No module named 'no_such_module'"):
        load_experiment(path)


def test_a_file_that_failed_can_be_mended(tmp_path):
    path = write(tmp_path / "mended.py", "import time", "import time, no_such_module")
    for _ in range(2):
        with pytest.raises(ImportError):
            load_experiment(path)
    assert load_experiment(write(path)).experiment.title == "whether networks tell bright from dark"


def test_a_file_is_read_again_when_it_has_changed_and_only_then(tmp_path):
    path = write(tmp_path / "changing.py")
    before = load_experiment(path)
    assert load_experiment(path).module is before.module
    after = load_experiment(write(path, "whether networks tell", "how well networks tell"))
    assert after.module is not before.module and after.experiment.title.startswith("how well")


def test_two_files_of_one_name_are_two(tmp_path):
    (tmp_path / "a").mkdir()
    path = write(tmp_path / "a" / "small_experiment.py", "no paper", "another paper")
    sources = [load_experiment(name).experiment.source for name in (EXPERIMENT, path, EXPERIMENT)]
    assert sources == ["no paper", "another paper", "no paper"]


def test_threads_that_load_one_at_the_same_time_get_all_of_it(tmp_path):
    """A cluster's worker may have several."""
    path = write(tmp_path / "slow.py", "SCALES = {", "time.sleep(0.2)\nSCALES = {")
    found = []
    loaders = [threading.Thread(target=lambda: found.append(load_experiment(path).experiment)) for _ in range(3)]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join()
    assert len(found) == 3 and len({id(experiment) for experiment in found}) == 1


@dataclass(frozen=True)
class Cell:
    model: str
    rate: float
    seed: int = 0


@dataclass(frozen=True)
class Longer:
    model: str
    rate: float
    seed: int = 0
    steps: int = 100


def test_a_digest_is_of_the_name_the_data_and_all_settings_but_defaults():
    """Written out, so that results of today are found by any later version."""
    content = {"cell": {"model": "A", "rate": 0.1, "seed": 3}, "data": {"digits": "ab"}, "experiment": "table"}
    expected = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert cell_digest("table", Cell("A", 0.1, 3), {"digits": "ab"}) == expected
    assert cell_settings(Cell("A", 0.1)) == {"model": "A", "rate": 0.1}


def test_a_field_that_is_added_with_a_default_leaves_digests_as_they_are():
    assert cell_digest("table", Longer("A", 0.1, 3), {}) == cell_digest("table", Cell("A", 0.1, 3), {})


def test_any_other_difference_changes_the_digest():
    cells = [Longer("A", 0.1), Longer("B", 0.1), Longer("A", 0.2), Longer("A", 0.1, 1), Longer("A", 0.1, steps=99)]
    digests = [cell_digest("table", cell, {"x": "1"}) for cell in cells]
    digests += [cell_digest("figure", cells[0], {"x": "1"}), cell_digest("table", cells[0], {"x": "2"})]
    assert len(set(digests)) == len(digests)


def test_a_module_of_an_experiment_does_not_stand_in_the_way_of_others(tmp_path):
    shutil.copy(EXPERIMENT, tmp_path / "json.py")
    assert load_experiment(tmp_path / "json.py").name == "json"
    assert re.search("json.__init__", str(sys.modules["json"].__file__).replace("/", "."))
