"""grid_sample as the engine sees it: gradients of first and second order against numerical ones, kinks included."""

import numpy as np
import pytest

import refwarp
from autograd_core.gradcheck import GradientError, KinkError, gradcheck

MODES = ["bilinear", "nearest", "bicubic"]
PADDINGS = ["zeros", "border", "reflection"]
LATTICE = np.array([[[[-0.25, 0.0]]]])  # x = 1 and y = 0 of a row of four pixels
ROW = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", PADDINGS)
def test_off_the_lattice(mode, padding):
    rng = np.random.default_rng([MODES.index(mode), PADDINGS.index(padding)])
    input, grid = rng.standard_normal((1, 1, 2, 3)), rng.uniform(-1.4, 1.4, (1, 1, 2, 2))
    gradcheck(lambda u, g: refwarp.grid_sample(u, g, mode=mode, padding_mode=padding), [input, grid], rng=rng, order=2)


@pytest.mark.parametrize(("kink", "direction"), [("right", "right"), ("left", "left"), ("central", "central")])
def test_each_rule_is_the_derivative_that_it_names(kink, direction):
    rng = np.random.default_rng(1)
    gradcheck(lambda g: refwarp.grid_sample(ROW, g, kink=kink), [LATTICE], rng=rng, direction=direction)


@pytest.mark.parametrize("kink", ["left", "central"])
@pytest.mark.parametrize("padding", ["border", "reflection"])
@pytest.mark.parametrize(
    ("align_corners", "g"),
    [(False, (2 * x - 3) / 4) for x in (-2, -1, 0, 1, 3, 4, 5)] + [(True, g) for g in (-3.0, -1.0, 1.0, 3.0)],
)
def test_one_sided_beyond_the_ends(kink, padding, align_corners, g):
    """Where the coordinate is clamped or mirrored: at lattice points, ends and, with align_corners, seams."""
    gradcheck(
        lambda g: refwarp.grid_sample(ROW, g, padding_mode=padding, align_corners=align_corners, kink=kink),
        [np.array([[[[g, 0.0]]]])],
        rng=np.random.default_rng(4),
        direction=kink,
    )


@pytest.mark.parametrize("direction", ["right", "left", "central"])
def test_the_literal_rule_is_none(direction):
    with pytest.raises(GradientError):
        gradcheck(
            lambda g: refwarp.grid_sample(ROW, g, kink="literal"),
            [LATTICE],
            rng=np.random.default_rng(1),
            direction=direction,
        )


def test_a_kink_is_reported_as_one():
    with pytest.raises(KinkError):
        gradcheck(lambda g: refwarp.grid_sample(ROW, g), [LATTICE], rng=np.random.default_rng(2))


def test_the_affine_grid():
    rng = np.random.default_rng(3)
    theta = rng.standard_normal((2, 2, 3))
    gradcheck(lambda t: refwarp.affine_grid(t, (2, 1, 2, 3)), [theta], rng=rng, order=2)
