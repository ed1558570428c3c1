"""Flows on frames whose flow is known: what is measured, and what a run leaves."""

import numpy as np

from refwarp.cli import run
from refwarp.sweeps import load_experiment
from refwarp.sweeps.pages import results_folders

LOADED = load_experiment("middlebury_flows")
FLOWS = LOADED.module


def test_no_motion_is_as_wrong_as_the_motion_is_long(tmp_path):
    pair = FLOWS.load("coffee", None)
    cell = next(cell for cell in FLOWS.cells(FLOWS.SCALES["tiny"], [0]) if cell.method == "no motion")
    surroundings = FLOWS.Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)
    assert FLOWS.compute(cell, surroundings).result["endpoint"] == float(np.hypot(*pair.flow.astype(float)).mean())


def test_tiny_measures_and_draws(tmp_path, capsys):
    out = tmp_path / "tiny"
    assert run(["experiment", "run", "middlebury_flows", "--out", str(out), "--workers", "1"]) == 0
    assert "end-point error" in capsys.readouterr().out
    assert (out / "flows.png").stat().st_size > 10_000


def test_small_is_there_whole():
    (folder,) = results_folders(LOADED)
    results = folder.read_all()
    assert results.missing == 0 and {result.cell.method for result in results.cells} == set(FLOWS.METHODS)
