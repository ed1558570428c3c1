"""Table 2 of Hierarchical Spatial Transformer Networks: pairs and their flows, cells, and what a run leaves."""

import json
from dataclasses import replace

import numpy as np
import pytest

from refwarp import flow_grid, grid_sample
from refwarp.cli import run
from refwarp.metrics import endpoint_error, image_distance
from refwarp.sweeps import Surroundings, load_experiment

TABLE2 = load_experiment("hstn_table2").module
TINY = {cell.model: cell for cell in TABLE2.cells(TABLE2.SCALES["tiny"], [0])}


def surroundings(tmp_path):
    return Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)


def test_what_is_not_trained_has_one_seed():
    cells = TABLE2.cells(TABLE2.SCALES["small"], [5, 6, 7])
    trained, untrained = len(TABLE2.NETWORKS), len(TABLE2.UNTRAINED)
    assert len({TABLE2.label(cell) for cell in cells}) == len(cells) == 2 * (3 * trained + untrained)


@pytest.mark.parametrize("name", TABLE2.DISPLACEMENTS)
def test_the_true_flow_leads_back(name):
    """Of a smooth picture, up to two interpolations; and not of an interval of the border, from beyond the picture."""
    y, x = np.indices((96, 96), dtype=np.float32)
    faces = (0.5 + 0.3 * np.sin(x / 7 + y / 11) + 0.2 * np.cos(y / 6))[None, None].astype(np.float32)
    pairs = TABLE2.displaced(faces, 8, TABLE2.DISPLACEMENTS[name], np.random.default_rng(1), flows=True)
    back = grid_sample(pairs.sources, flow_grid(pairs.flows), padding_mode="border")
    places = flow_grid(pairs.flows)
    seen = (abs(places) < 0.9).all(axis=-1)
    assert seen.mean() > 0.5
    assert abs(back - pairs.targets)[:, 0][seen].max() < 0.01 < abs(pairs.sources - pairs.targets).mean()


def test_no_face_is_in_two_parts():
    parts = TABLE2.load("scikit-image", None)
    assert [len(parts[name]) for name in ("training", "validation", "test")] == [12, 6, 6]
    digests = [face.tobytes() for part in parts.values() for face in part]
    assert len(set(digests)) == 24


def test_what_a_network_says_is_judged_by_the_same_flow(tmp_path):
    """The warped source of a network is the source at its flow."""
    outcome = TABLE2.compute(replace(TINY["HSTN"], epochs=1, steps=1), surroundings(tmp_path))
    model, _, _ = TABLE2._trained(replace(TINY["HSTN"], epochs=1, steps=1), surroundings(tmp_path))
    test = TABLE2.pairs("scikit-image", None, "small", "test", 4)
    warped, flows = TABLE2.outputs(model, test.standardised().images)
    # Grids in float32, of numbers up to some units: a thousandth of a pixel is far more than their rounding.
    np.testing.assert_allclose(TABLE2._warped(test.sources, flows), warped, rtol=0, atol=1e-3)
    distances = 255 * image_distance(warped.astype(np.float32), test.targets, TABLE2.CENTRE)
    np.testing.assert_allclose(outcome.result["distances"], distances, atol=1e-4)
    expected = endpoint_error(flows, test.flows.astype(np.float64), TABLE2.CENTRE)
    np.testing.assert_allclose(outcome.result["errors"], expected, atol=1e-4)


def test_the_identity_moves_nothing(tmp_path):
    test = TABLE2.pairs("scikit-image", None, "small", "test", 4)
    found = TABLE2.compute(TINY["identity"], surroundings(tmp_path)).result
    lengths = np.hypot(*test.flows.swapaxes(0, 1).astype(np.float64))[:, TABLE2.CENTRE].mean(axis=1)
    np.testing.assert_allclose(found["errors"], lengths, atol=1e-4)
    levels = abs(test.sources - test.targets)[:, 0][:, TABLE2.CENTRE].mean(axis=1)
    np.testing.assert_allclose(found["distances"], 255 * levels, rtol=1e-4)


@pytest.mark.parametrize("model", ["Optical Flow", "ILK"])
def test_a_flow_halves_the_error_of_the_identity(model, tmp_path):
    """With source and target exchanged it would be twice as large."""
    still, found = (
        np.mean(TABLE2.compute(replace(TINY["identity"], model=name), surroundings(tmp_path)).result["errors"])
        for name in ("identity", model)
    )
    assert found < 0.5 * still


def test_tiny_aligns_and_draws(tmp_path, capsys):
    assert run(["experiment", "run", "hstn_table2", "--out", str(tmp_path / "tiny"), "--workers", "1"]) == 0
    assert "the end-point error in pixels" in " ".join(capsys.readouterr().out.split())
    results = [json.loads(path.read_text()) for path in (tmp_path / "tiny" / "cells").glob("*.json")]
    assert len(results) == 7 and all(len(result["result"]["errors"]) == 4 for result in results)
    assert {"report.md", "faces_small.png"} <= {path.name for path in (tmp_path / "tiny").iterdir()}


def test_the_paper_s_size_makes_a_step(tmp_path):
    scale = TABLE2.SCALES["paper"]
    cell = next(cell for cell in TABLE2.cells(scale, [0]) if (cell.model, cell.displacement) == ("HSTN", "large"))
    step = replace(cell, pictures="scikit-image", training_pairs=16, test_pairs=4, epochs=1, steps=1)
    assert TABLE2.compute(step, surroundings(tmp_path)).result["parameters"] > 100_000
