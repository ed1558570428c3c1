"""Table 1 of Linearized Multi-Sampling: its cells, its networks, samplers that are replaced, and what a run leaves."""

import json
from dataclasses import replace

import numpy as np
import pytest

from autograd_core import Tensor
from refwarp import grid_sample
from refwarp.cli import run
from refwarp.data import Examples
from refwarp.networks import count_parameters
from refwarp.sweeps import Surroundings, load_experiment
from refwarp.sweeps.results import Result, Results

TABLE1 = load_experiment("lms_table1").module
TINY = TABLE1.cells(TABLE1.SCALES["tiny"], [0])
LINEARIZED = next(cell for cell in TINY if cell.model == "STN linearized")


def network(cell, channels=3):
    shape = (channels, cell.side, cell.side)
    return TABLE1.build(cell, shape, np.random.default_rng(0), np.random.default_rng(1))


def surroundings(tmp_path):
    return Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)


def few_digits(pictures, side, folder):
    whole = load("digits", side, folder)
    parts = [getattr(whole, part).select(slice(8)) for part in ("train", "validation", "test")]
    return TABLE1.Pictures(*parts, {name: images[:8] for name, images in whole.plain.items()})


load = TABLE1.load


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_a_seed_has_every_cell_of_the_table(scale):
    cells = TABLE1.cells(TABLE1.SCALES[scale], [5])
    table = {(model, rate) for model, line in TABLE1.PAPER.items() for rate in line}
    without_a_bias = {("STN bias-free", rate) for rate in TABLE1.DOWNSAMPLINGS}
    assert {(cell.model, cell.downsampling) for cell in cells} == table | without_a_bias
    assert len({TABLE1.label(cell) for cell in cells}) == len(cells) == 7 * 4 + 4


@pytest.mark.parametrize(("downsampling", "thousands"), [("1x", 966), ("2x", 246), ("4x", 61), ("8x", 19)])
def test_classifiers_of_the_paper_s_size_have_the_paper_s_number_of_parameters(downsampling, thousands):
    cells = TABLE1.cells(TABLE1.SCALES["paper"], [0])
    cell = next(cell for cell in cells if (cell.model, cell.downsampling) == ("none", downsampling))
    assert count_parameters(network(cell)) // 1000 in (thousands, thousands - 1)


def test_a_network_begins_with_the_pictures_themselves():
    """Whatever the sampler that has their values, and however many steps it takes."""
    images = Tensor(np.random.default_rng(2).standard_normal((2, 3, 32, 32)).astype(np.float32))
    for model in ("STN bilinear", "STN bias-free", "ICSTN bilinear"):
        whole = network(replace(LINEARIZED, model=model, downsampling="1x"))
        assert (whole.transformer(images).data == images.data).all()


@pytest.mark.parametrize("model", ["STN bilinear", "ICSTN bilinear"])
def test_weights_begin_with_the_variance_of_pytorch_s_layers(model):
    """1 / (3 fan-in), of thousands of numbers; a localisation that is unrolled is scaled once."""
    network_of = network(replace(LINEARIZED, model=model))
    kind = "localisation." if model.startswith("STN") else "localisations.0."
    state = network_of.state_dict()
    for name in ("hidden.layers.4", "hidden.layers.7"):
        weight = state[f"transformer.{kind}{name}.weight"]
        assert abs(weight.var() * 3 * weight[0].size - 1) < 0.1
    assert not state[f"transformer.{kind}regression.weight"].any()


def test_pictures_without_a_transformer_are_sampled_in_the_middles_of_squares():
    images = np.random.default_rng(3).random((2, 3, 32, 32), np.float32)
    squares = images.reshape(2, 3, 4, 8, 4, 8)[:, :, :, 3:5, :, 3:5]
    found = TABLE1._resized(Tensor(images), side=4).data
    # A mean of four numbers below 1, each with a product or two.
    np.testing.assert_allclose(found, squares.mean(axis=(3, 5)), rtol=0, atol=4 * np.finfo(np.float32).eps)


def test_pictures_are_standardised_one_by_one():
    images = np.array([[0.2, 0.6], [0.5, 0.5]], np.float32).reshape(2, 1, 1, 2)
    found = TABLE1.standardised(Examples(images, np.array([0, 1])))
    # Deviations of 0.2 and 0, and 0.05 more.
    np.testing.assert_allclose(found.images.reshape(2, 2), [[-0.8, 0.8], [0, 0]], atol=1e-6)


def test_tiny_trains_judges_and_draws(tmp_path, capsys):
    assert run(["experiment", "run", "lms_table1", "--out", str(tmp_path / "tiny"), "--workers", "1"]) == 0
    told = capsys.readouterr().out
    assert "bilinear in its place" in told and "What samplers cost" in told
    results = {}
    for path in (tmp_path / "tiny" / "cells").glob("*.json"):
        content = json.loads(path.read_text())
        results[content["cell"]["model"]] = content
    assert results.keys() == {cell.model for cell in TINY}
    linearized = results["STN linearized"]
    assert {"forward", "backward"} <= linearized["seconds"].keys()
    assert not {"forward", "backward"} & linearized["result"].keys()
    assert all(0 <= linearized["result"][entry]["error"] <= 1 for entry in TABLE1.REPLACED)
    assert all((tmp_path / "tiny" / f"{name}.png").stat().st_size > 8_000 for name in ("errors", "fig6_4x"))


def test_a_seed_gives_the_same_bits_and_another_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(TABLE1, "load", few_digits)
    cell = replace(LINEARIZED, epochs=1, batch_size=4)
    first, second, other = (
        TABLE1.compute(replace(cell, seed=seed), surroundings(tmp_path / name)).result
        for seed, name in ((0, "first"), (0, "second"), (1, "other"))
    )
    assert first == second and first["loss"] != other["loss"]


def test_replaced_samplers_are_bilinear_and_only_the_classifier_is_tuned():
    model = network(LINEARIZED, channels=1)
    digits = few_digits("digits", 32, None)
    before = model.transformer.state_dict()
    classifier = model.classifier.state_dict()
    found = TABLE1._with_bilinear_sampling(LINEARIZED, model, digits.train, digits.test)
    assert model.transformer.sampler is grid_sample and found.keys() == TABLE1.REPLACED.keys()
    assert all((value == before[name]).all() for name, value in model.transformer.state_dict().items())
    assert any((value != classifier[name]).any() for name, value in model.classifier.state_dict().items())
    assert found["tuned"]["judged"] == 8


def test_the_paper_s_size_makes_a_step(tmp_path, monkeypatch):
    """With a few digits, of the paper's 50x50 pixels."""
    monkeypatch.setattr(TABLE1, "load", few_digits)
    cells = TABLE1.cells(TABLE1.SCALES["paper"], [0])
    cell = next(cell for cell in cells if (cell.model, cell.downsampling) == ("ICSTN linearized", "8x"))
    step = replace(cell, pictures="digits", epochs=1)
    assert len(TABLE1.compute(step, surroundings(tmp_path)).result["loss"]) == 1


def fake(model, downsampling="8x", deviation=0.0, seed=0, **values):
    """Return a result with its error as the only number that counts: of four pictures, none is right."""
    cell = replace(LINEARIZED, model=model, downsampling=downsampling, deviation=deviation, seed=seed)
    judged = {"error": 1.0, "judged": 4, "right": "AA==", "parameters": 1}
    return Result(cell, {**judged, **values}, {"training": 1.0, "prediction": 1.0}, {})


def test_the_deviation_with_the_fewest_validation_errors_is_chosen():
    errors = {0.25: 0.4, 0.5: 0.3, 1.0: 0.3}
    found = [fake("STN linearized", deviation=deviation, error=error) for deviation, error in errors.items()]
    results = Results("sigmas", TABLE1.SCALES["sigmas"], found, 0)
    assert TABLE1.best_deviations(results) == {("STN linearized", "8x"): 0.5}
    (table,) = TABLE1.report(results).tables
    assert table.rows == [["STN linearized 8x", "40.0", "30.0", "30.0", "0.5"]]


def test_replaced_samplers_are_compared_with_what_they_replace():
    """All is wrong; with bilinear sampling, one picture of four is right (0x80), and two after fine-tuning (0xC0)."""
    entries = {
        "replaced": {"error": 0.75, "judged": 4, "right": "gA=="},
        "tuned": {"error": 0.5, "judged": 4, "right": "wA=="},
    }
    found = [fake("STN linearized", zoom=1.0, **entries)]
    results = Results("small", TABLE1.SCALES["small"], found, 0)
    every = TABLE1.ErrorTable(TABLE1._with_replaced(results), TABLE1._with_replaced_names(), "downsampling")
    errors, differences = TABLE1._replacement_tables(every)
    assert errors.rows == [
        ["STN linearized", "100.00"],
        ["STN linearized, bilinear in its place", "75.00"],
        ["STN linearized, bilinear and fine-tuned", "50.00"],
    ]
    assert differences.rows == [
        ["STN linearized, bilinear in its place − STN linearized", "-25.00"],
        ["STN linearized, bilinear and fine-tuned − STN linearized", "-50.00"],
    ]
