"""Table 1 of Hierarchical Spatial Transformer Networks: its cells, its two stages, and what a run leaves."""

import json
from dataclasses import replace

import numpy as np
import pytest

from refwarp.cli import run
from refwarp.networks import HierarchicalTransformer
from refwarp.sweeps import Surroundings, load_experiment

TABLE1 = load_experiment("hstn_table1").module
TINY = {cell.model: cell for cell in TABLE1.cells(TABLE1.SCALES["tiny"], [0])}


def surroundings(tmp_path, report=lambda done, total, text: None):
    return Surroundings(None, "cpu", tmp_path / "cell.h5", report)


def test_a_seed_has_a_cell_for_each_model_and_size():
    cells = TABLE1.cells(TABLE1.SCALES["small"], [5])
    assert {(cell.model, cell.task) for cell in cells} == {
        (model, task) for model in TABLE1.MODELS for task in ("40x40", "60x60")
    }
    assert len({TABLE1.label(cell) for cell in cells}) == len(cells)
    assert [cell.penalty for cell in TABLE1.cells(TABLE1.SCALES["penalties"], [5])] == [0.0, 0.001, 0.01, 0.1, 1.0]


@pytest.mark.parametrize("task", ["40x40", "60x60"])
@pytest.mark.parametrize("model", TABLE1.MODELS)
def test_classifiers_see_a_quarter_of_the_pixels(model, task):
    network = TABLE1.build(replace(TINY["CNN"], model=model, task=task), np.random.default_rng(0))
    side = TABLE1.SIDES[task]
    pictures = TABLE1.Examples(np.zeros((1, 1, side, side), np.float32), np.zeros(1, int))
    seen = []
    layer = network.classifier.layers[0]
    network.classifier.layers[0] = lambda maps: seen.append(maps.shape) or layer(maps)
    assert TABLE1.scores(network, pictures.images).shape == (1, 10) and seen == [(1, 1, side // 2, side // 2)]


def test_a_hierarchical_network_goes_on_from_an_affine_one(tmp_path):
    """Both stages count as its training, and what was trained first is where the second begins."""
    said = []
    cell = replace(TINY["HSTN"], epochs=1, steps=2)
    outcome = TABLE1.compute(cell, surroundings(tmp_path, lambda *progress: said.append(progress[:2])))
    assert said == [(0, 2), (1, 2), (1, 2), (2, 2)] and 0 < outcome.result["flow"] < outcome.result["largest_flow"]
    assert list(tmp_path.iterdir()) == [tmp_path / "cell.h5"]
    affine = TABLE1.build(replace(cell, model="Affine-STN"), np.random.default_rng(1))
    joined = TABLE1.build(cell, np.random.default_rng(2), affine.transformer)
    assert isinstance(joined.transformer, HierarchicalTransformer)
    assert joined.transformer.localisation is affine.transformer.localisation


def test_a_cell_that_was_stopped_in_its_second_stage_goes_on(tmp_path):
    cell, (whole, stopped) = replace(TINY["HSTN"], epochs=2, steps=1), (tmp_path / "whole", tmp_path / "stopped")

    def stop(done, total, text):
        if done == 3:
            raise KeyboardInterrupt

    for folder in (whole, stopped):
        folder.mkdir()
    expected = TABLE1.compute(cell, surroundings(whole)).result
    with pytest.raises(KeyboardInterrupt):
        TABLE1.compute(cell, surroundings(stopped, stop))
    assert TABLE1.compute(cell, surroundings(stopped)).result == expected


def test_tiny_trains_judges_and_draws(tmp_path, capsys):
    assert run(["experiment", "run", "hstn_table1", "--out", str(tmp_path / "tiny"), "--workers", "1"]) == 0
    assert "Errors in %, ours and the paper's" in " ".join(capsys.readouterr().out.split())
    results = [json.loads(path.read_text()) for path in (tmp_path / "tiny" / "cells").glob("*.json")]
    assert len(results) == 4 and all(0 <= result["result"]["error"] <= 1 for result in results)
    names = {path.name for path in (tmp_path / "tiny").iterdir()}
    assert {"report.md", "errors.png", "curves.png", "transformers_40x40.png"} <= names


def test_the_paper_s_size_makes_a_step(tmp_path):
    scale = TABLE1.SCALES["paper"]
    cell = next(cell for cell in TABLE1.cells(scale, [0]) if (cell.model, cell.task) == ("HSTN", "60x60"))
    outcome = TABLE1.compute(replace(cell, digits="scikit-learn", epochs=1, steps=1), surroundings(tmp_path))
    # Layers twice as wide as those of small have some four times its 19,690 in the classifier alone.
    assert outcome.result["parameters"] > 75_000 and cell.width == 32
