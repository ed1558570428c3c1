"""Figures 1 and 8 of Linearized Multi-Sampling: parts of pictures, right arrows, and what a run leaves."""

import numpy as np

from autograd_core import Tensor
from refwarp import grid_sample
from refwarp.cli import run
from refwarp.sweeps import load_experiment

GRADIENTS = load_experiment("lms_gradients").module
TINY = GRADIENTS.cells(GRADIENTS.SCALES["tiny"], [0])


def test_a_part_is_two_thirds_of_a_picture_around_its_middle():
    theta = Tensor(np.array([[0.25, -0.125]]))
    grid = GRADIENTS.TRANSFORMATION.grid(theta, (1, 1, 2, 2), True).numpy()[0]  # at the corners
    np.testing.assert_allclose(grid[0, 0], [0.25 - 2 / 3, -0.125 - 2 / 3], rtol=1e-12)
    np.testing.assert_allclose(grid[1, 1], [0.25 + 2 / 3, -0.125 + 2 / 3], rtol=1e-12)


def test_an_arrow_is_right_if_it_points_to_the_middle():
    at = np.array([[0.5, 0.0], [0.5, 0.0], [0.5, 0.0], [-0.3, 0.3]])
    arrows = np.array([[-1.0, 0.9], [-1.0, 1.1], [1.0, 0.0], [2.0, -2.0]])
    assert GRADIENTS._is_right(at, arrows).tolist() == [True, False, False, True]


def test_on_a_smooth_picture_bilinear_gradients_point_to_the_middle():
    along = (2 * np.arange(64) + 1) / 64 - 1
    x, y = np.meshgrid(along, along)
    bowl = np.broadcast_to(np.exp(-2 * (x**2 + y**2)), (3, 64, 64))
    arrows = GRADIENTS.field(bowl, TINY[0], grid_sample)
    assert GRADIENTS._is_right(GRADIENTS.places(TINY[0]), arrows).all()


def test_tiny_measures_and_draws(tmp_path, capsys):
    out = tmp_path / "tiny"
    assert run(["experiment", "run", "lms_gradients", "--out", str(out), "--workers", "1"]) == 0
    assert "Right arrows in %" in capsys.readouterr().out
    assert all((out / f"{name}.png").stat().st_size > 10_000 for name in ("fig1", "fig8"))
