"""Alignment in Linearized Multi-Sampling: cells, errors, and that one choice of pairs and noise serves all samplers."""

from dataclasses import replace

import numpy as np
import pytest

from refwarp.cli import run
from refwarp.sweeps import Surroundings, load_experiment

ALIGNMENT = load_experiment("lms_alignment").module
CELLS = ALIGNMENT.cells(ALIGNMENT.SCALES["tiny"], [0])
TINY = [cell for cell in CELLS if cell.measured == "alignment"]
FITS = [cell for cell in CELLS if cell.measured == "fits"]


def compute(cell, tmp_path):
    return ALIGNMENT.compute(
        cell, Surroundings(None, "cpu", tmp_path / "cell.h5", lambda done, total, text: None)
    ).result


def test_a_seed_has_every_curve_once():
    cells = ALIGNMENT.cells(ALIGNMENT.SCALES["small"], [5])
    # Fig. 7; of Figs. 9 and 10a all but the linearized sampler, which is there; Fig. 9 at another rate; twice Fig. 10b.
    count = 3 * 4 * 5 + 2 * 3 + 2 * 3 + 5 + 3 * 3 + 7 * 2
    assert len(cells) == count == len({ALIGNMENT.label(cell) for cell in cells})


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


@pytest.mark.parametrize("cell", [cell for cell in FITS if cell.downsampling < 0.5], ids=ALIGNMENT.label)
def test_on_a_plane_every_fit_has_its_slope(cell):
    """Of 0.25 x + 0.125 y, in regions around the middle that no sample leaves the picture from."""
    x, y = np.meshgrid(np.arange(32.0), np.arange(32.0))
    found = ALIGNMENT.fits((0.25 * x + 0.125 * y)[None, None], cell, *map(np.random.default_rng, (1, 2)))
    slope = np.hypot(0.25, 0.125)
    np.testing.assert_allclose(found["bilinear"], slope, rtol=1e-12)
    # Samples of numbers up to 12 are rounded to some 2^-50 of a pixel, and offsets are down to 2^-26 of one; nearly
    # collinear samples make that worse by some tens.
    np.testing.assert_allclose(found["orthogonalisation"], slope, rtol=1e-5)


def test_normal_equations_solve_small_fits_and_lose_collapsed_ones():
    """Slopes by hand: of z = 3 u - 2 v, from samples at a few multiples of powers of two."""
    grid = np.zeros((1, 1, 1, 2))
    around = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0], [0.0, 0.5]]).reshape(1, 1, 1, 4, 2)
    x, y = np.meshgrid((2 * np.arange(8) + 1) / 8 - 1, (2 * np.arange(8) + 1) / 8 - 1)
    plane = (3 * x - 2 * y)[None, None]
    for size in (2.0**-2, 2.0**-10):
        condition, slopes = ALIGNMENT._normal_equations(plane, grid, size * around)
        # Powers of two leave numbers in single precision exact, but for the quotient.
        np.testing.assert_allclose(slopes, [[[[3.0, -2.0]]]], rtol=1e-6)
        assert 0.5 < condition.item() * size**2 < 50  # between the squares of the columns' lengths
    _, slopes = ALIGNMENT._normal_equations(plane, grid + 0.5, 0.5 + 2.0**-30 * around)
    assert not np.isfinite(slopes).any()


def test_samples_that_are_kept_apart_are_well_conditioned_however_pictures_are_magnified(tmp_path):
    apart, together = (
        [compute(cell, tmp_path)["condition"][0] for cell in FITS if cell.sampler == sampler]
        for sampler in ALIGNMENT.FITTED
    )
    assert max(apart) < 3 * min(apart)
    for k, condition in enumerate(together):
        # Offsets are 16 times as small each time, and their squares the condition.
        assert 0.3 < condition / (together[1] * 256.0 ** (k - 1)) < 3 or k == 0


def test_tiny_aligns_and_draws(tmp_path, capsys):
    out = tmp_path / "tiny"
    assert run(["experiment", "run", "lms_alignment", "--out", str(out), "--workers", "1"]) == 0
    assert "Recall in %" in capsys.readouterr().out and all(
        (out / f"{name}.png").stat().st_size > 10_000 for name in ("tiny", "fig9_pictures", "fig10b_fits")
    )
