"""Table 1 of Spatial Transformer Networks: its cells, its networks, what a run leaves, and what is committed of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from refwarp.cli import run
from refwarp.networks import count_parameters, width_for
from refwarp.sweeps import Surroundings, load_experiment
from refwarp.sweeps.pages import results_folders

LOADED = load_experiment("stn_table1")
TABLE1 = LOADED.module
SMALL = TABLE1.SCALES["small"]


def committed(scale):
    folders = {folder.path.name: folder for folder in results_folders(LOADED)}
    return folders[scale].read_all()


def test_a_seed_has_the_36_cells_of_the_table():
    cells = TABLE1.cells(SMALL, [5])
    assert len(cells) == 36 and len({TABLE1.label(cell) for cell in cells}) == 36
    assert {(cell.model, cell.distortion) for cell in cells} == {
        (model, column) for model, line in TABLE1.PAPER.items() for column in line
    }


@pytest.mark.parametrize("cell", TABLE1.cells(SMALL, [5]), ids=TABLE1.label)
def test_networks_have_about_the_same_number_of_parameters(cell):
    width = width_for(cell.parameters, lambda width: TABLE1.build(cell, width, np.random.default_rng(0)))
    model = TABLE1.build(cell, width, np.random.default_rng(0))
    # One more or less in the width changes the number by half of its step, 1.2 % at the most.
    assert abs(count_parameters(model) - 80_000) <= 0.013 * 80_000


def test_tiny_trains_judges_and_draws(tmp_path, capsys):
    assert run(["experiment", "run", "stn_table1", "--out", str(tmp_path / "tiny"), "--workers", "1"]) == 0
    assert "Errors in %, ours and the paper's" in capsys.readouterr().out
    results = [json.loads(path.read_text()) for path in (tmp_path / "tiny" / "cells").glob("*.json")]
    assert len(results) == 3 and all(0 <= result["result"]["error"] <= 1 for result in results)
    names = {path.name for path in (tmp_path / "tiny").iterdir()}
    assert {"report.md", "errors.png", "curves.png", "transformers_TC.png"} <= names


def test_a_network_learns_turned_digits(tmp_path):
    """Of ten classes, chance reads one in ten; 60 steps of 64 of the little digits are enough for half of them."""
    cell = replace(TABLE1.cells(TABLE1.SCALES["tiny"], [0])[0], steps=60, batch_size=16, rate=0.05)
    surroundings = Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)
    assert TABLE1.compute(cell, surroundings).result["error"] < 0.7


@pytest.mark.parametrize("model", ["FCN", "ST-CNN TPS"])
def test_the_paper_s_size_makes_a_step(model, tmp_path):
    """With the few digits that come with scikit-learn; the networks and the steps are the paper's."""
    scale = TABLE1.SCALES["paper"]
    cell = next(cell for cell in TABLE1.cells(scale, [0]) if (cell.model, cell.distortion) == (model, "RTS"))
    step = replace(cell, digits="scikit-learn", steps=2)
    surroundings = Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)
    assert abs(TABLE1.compute(step, surroundings).result["parameters"] - 400_000) < 0.013 * 400_000


@pytest.mark.parametrize(("scale", "count"), [("small", 3 * 36), ("long", 3 * 6)])
def test_results_of_three_seeds_are_there_whole(scale, count):
    results = committed(scale)
    assert (results.missing, len(results.cells)) == (0, count)
    assert {result.values["judged"] for result in results.cells} == {10_000}


def test_the_longer_run_has_what_was_best_for_cluttered_digits():
    tried = committed("clutter")
    assert (tried.missing, len(tried.cells)) == (0, 18)
    errors = {}
    for result in tried.cells:
        if result.cell.model == "ST-CNN Aff":
            errors.setdefault(result.values["error"], []).append(result.cell)
    chosen = [
        cell
        for cell in TABLE1.cells(TABLE1.SCALES["long"], [1])
        if (cell.model, cell.distortion) == ("ST-CNN Aff", "TC")
    ]
    settings = [(cell.optimizer, cell.rate, cell.localisation_rate, cell.localisation) for cell in errors[min(errors)]]
    assert [(cell.optimizer, cell.rate, cell.localisation_rate, cell.localisation) for cell in chosen] == [
        next(setting for setting in settings if setting[0] == "SGD")  # as all others; Adam has as few errors
    ]


def test_the_rates_of_small_are_those_with_the_fewest_errors_on_validation_digits():
    best = TABLE1.best_rates(committed("rates"))
    cells = TABLE1.cells(SMALL, [5])
    assert {(cell.model, cell.distortion): cell.rate for cell in cells} == best
