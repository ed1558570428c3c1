"""Figure 7 of Linearized Multi-Sampling: its cells, its errors, and that the same pairs and noise serve all samplers."""

from dataclasses import replace

import numpy as np
import pytest

from refwarp.cli import run
from refwarp.sweeps import Surroundings, load_experiment

FIG7 = load_experiment("lms_fig7").module
TINY = FIG7.cells(FIG7.SCALES["tiny"], [0])


def compute(cell, tmp_path):
    return FIG7.compute(cell, Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)).result


def test_a_seed_has_every_sampler_on_every_rate_and_set():
    cells = FIG7.cells(FIG7.SCALES["small"], [5])
    assert len(cells) == 3 * 4 * 5 == len({FIG7.label(cell) for cell in cells})


def test_corner_errors_are_distances_of_corners():
    still = np.zeros((3, 5))
    moved = np.array([[0, 0, 0, 0.3, 0.4], [np.pi, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    # A shift moves all corners by its length; half a turn moves each to its opposite; a scale of 2 along x by 1 along x.
    np.testing.assert_allclose(FIG7.corner_errors(moved, still), [0.5, 2 * np.sqrt(2), 1.0], rtol=1e-12)


def test_all_samplers_begin_with_the_same_pairs(tmp_path):
    starts = [compute(replace(cell, steps=1), tmp_path)["start"] for cell in TINY[:3]]
    assert starts[0] == starts[1] == starts[2]


@pytest.mark.parametrize("sampler", ["linearized", "linearized, released"])
def test_the_noise_is_the_seed_s(sampler, tmp_path):
    (cell,) = (replace(cell, steps=3) for cell in TINY if cell.sampler == sampler)
    assert compute(cell, tmp_path) == compute(cell, tmp_path)
    assert compute(cell, tmp_path)["errors"] != compute(replace(cell, seed=1), tmp_path)["errors"]


def test_tiny_aligns_and_draws(tmp_path, capsys):
    out = tmp_path / "tiny"
    assert run(["experiment", "run", "lms_fig7", "--out", str(out), "--workers", "1"]) == 0
    assert "Recall in %" in capsys.readouterr().out and (out / "recall.png").stat().st_size > 10_000
