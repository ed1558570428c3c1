"""Alignment in Linearized Multi-Sampling: cells, errors, and that one choice of pairs and noise serves all samplers."""

from dataclasses import replace

import numpy as np
import pytest

from refwarp.cli import run
from refwarp.sweeps import Surroundings, load_experiment

ALIGNMENT = load_experiment("lms_alignment").module
TINY = ALIGNMENT.cells(ALIGNMENT.SCALES["tiny"], [0])


def compute(cell, tmp_path):
    return ALIGNMENT.compute(
        cell, Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)
    ).result


def test_a_seed_has_every_curve_once():
    cells = ALIGNMENT.cells(ALIGNMENT.SCALES["small"], [5])
    # Fig. 7; of Figs. 9 and 10a all but the linearized sampler, which is there; Fig. 9 at another rate; Fig. 10b.
    assert len(cells) == 3 * 4 * 5 + 2 * 3 + 2 * 3 + 5 + 3 * 3 == len({ALIGNMENT.label(cell) for cell in cells})


def test_corner_errors_are_distances_of_corners():
    still = np.zeros((3, 5))
    moved = np.array([[0, 0, 0, 0.3, 0.4], [np.pi, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    # A shift moves all corners by its length; half a turn each to its opposite; a scale of 2 along x by 1 along x.
    np.testing.assert_allclose(ALIGNMENT.corner_errors(moved, still), [0.5, 2 * np.sqrt(2), 1.0], rtol=1e-12)


def test_all_samplers_begin_with_the_same_pairs(tmp_path):
    first, second = (compute(replace(cell, steps=1), tmp_path)["start"] for cell in TINY)
    assert first == second


@pytest.mark.parametrize("sampler", ["linearized", "linearized, released"])
def test_the_noise_is_the_seed_s(sampler, tmp_path):
    cell = replace(TINY[0], steps=3, sampler=sampler)
    assert compute(cell, tmp_path) == compute(cell, tmp_path)
    assert compute(cell, tmp_path)["errors"] != compute(replace(cell, seed=1), tmp_path)["errors"]


def test_tiny_aligns_and_draws(tmp_path, capsys):
    out = tmp_path / "tiny"
    assert run(["experiment", "run", "lms_alignment", "--out", str(out), "--workers", "1"]) == 0
    assert "Recall in %" in capsys.readouterr().out and (out / "tiny.png").stat().st_size > 10_000
