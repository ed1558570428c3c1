"""Distortions: which way theta leads, what is exact, what stays on the canvas, what the seed fixes."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.data import DISTORTIONS, AffineDistortion, distort, similarity

FIXED = AffineDistortion(canvas=8, side=8.0, angle=(0.0, 0.0))


@pytest.fixture
def pictures():
    return np.random.default_rng(0).random((3, 2, 8, 8), np.float32)


@pytest.mark.parametrize("quarters", range(-4, 5))
def test_quarter_turns_are_rot90_bit_for_bit(pictures, quarters):
    # On 8 pixels every normalised coordinate is a float, so each sample is a pixel.
    turn = dataclasses.replace(FIXED, angle=(90.0 * quarters, 90.0 * quarters))
    canvases, _ = distort(pictures, turn, np.random.default_rng(1))
    assert (canvases == np.rot90(pictures, quarters, axes=(2, 3))).all()


def test_half_the_side_lies_in_the_middle_of_the_canvas(pictures):
    canvases, theta = distort(pictures, dataclasses.replace(FIXED, canvas=16), np.random.default_rng(1))
    assert (canvases[:, :, 4:12, 4:12] == pictures).all()
    outside = np.ones((16, 16), bool)
    outside[4:12, 4:12] = False
    assert (canvases[:, :, outside] == 0).all()
    assert (theta == [[2, 0, 0], [0, 2, 0]]).all()


@given(
    angle=st.floats(-360, 360),
    magnification=st.floats(0.1, 3),
    centre=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    point=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_theta_leads_from_the_canvas_back_to_the_picture(angle, magnification, centre, point):
    """A point of the picture, magnified, turned counterclockwise (y is down) and shifted, is led back by theta."""
    a = math.radians(angle)
    x, y = (magnification * coordinate for coordinate in point)
    on_canvas = (math.cos(a) * x + math.sin(a) * y + centre[0], -math.sin(a) * x + math.cos(a) * y + centre[1])
    theta = similarity(angle, magnification, *centre)[0]
    back = theta @ [*on_canvas, 1.0]
    # Entries of theta are at most 10 (1 + sqrt 2), and a dozen roundings lead here; 360 degrees is 2 pi to 4 eps.
    assert np.abs(back - point).max() <= 200 * np.finfo(np.float64).eps * max(1, 1 / magnification)


def test_translation_moves_the_picture_right_and_down(pictures):
    theta = similarity(0.0, 1.0, 2 / 8, 4 / 8).astype(np.float32)  # one pixel right, two down
    canvases, _ = distort(pictures[:1], _Given(theta), np.random.default_rng(0))
    assert (canvases[0, :, 2:, 1:] == pictures[0, :, :-2, :-1]).all()
    assert (canvases[0, :, :2] == 0).all() and (canvases[0, :, :, :1] == 0).all()


class _Given:
    """A distortion with parameters that nothing draws."""

    def __init__(self, theta):
        self.theta = theta

    def draw(self, count, rng):
        return self.theta

    grid = FIXED.grid


@pytest.mark.parametrize("name", DISTORTIONS)
def test_the_corners_stay_on_the_canvas_and_parameters_in_their_ranges(name):
    distortion = DISTORTIONS[name]
    theta = distortion.draw(2000, np.random.default_rng(2)).astype(np.float64)
    linear, shift = theta[:, :, :2], theta[:, :, 2]
    scale = distortion.canvas / distortion.side / np.sqrt(np.linalg.det(linear))
    angle = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    slack = 1e-6  # theta is rounded to float32: a few units of 6e-8, times numbers up to 6
    for values, (low, high) in ((scale, distortion.scale), (angle, distortion.angle)):
        assert low - 60 * slack <= values.min() and values.max() <= high + 60 * slack
        # 2000 uniform draws leave a gap of 1 % at an end with probability 2e-9.
        assert values.min() <= low + 0.01 * (high - low) + slack and values.max() >= high - 0.01 * (high - low) - slack
    corners = np.array([[-1, -1, 1, 1], [-1, 1, -1, 1]])
    on_canvas = np.linalg.solve(linear, corners - shift[:, :, None])
    assert np.abs(on_canvas).max() <= 1 + 10 * slack


def test_rotation_alone_keeps_the_picture_in_the_middle():
    assert (DISTORTIONS["R"].draw(50, np.random.default_rng(3))[:, :, 2] == 0).all()
    assert (DISTORTIONS["RTS"].draw(50, np.random.default_rng(3))[:, :, 2] != 0).any(axis=0).all()


@pytest.mark.parametrize("name", DISTORTIONS)
def test_the_seed_fixes_the_pictures(name, pictures):
    first, theta = distort(pictures, DISTORTIONS[name], np.random.default_rng(4))
    again, theta_again = distort(pictures, DISTORTIONS[name], np.random.default_rng(4))
    other, _ = distort(pictures, DISTORTIONS[name], np.random.default_rng(5))
    assert (first == again).all() and (theta == theta_again).all() and (first != other).any()
    assert first.dtype == theta.dtype == np.float32 and first.shape == (3, 2, 40, 40)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("canvas", 0, "a positive integer"),
        ("canvas", 2.5, "a positive integer"),
        ("side", 0.0, "a positive number"),
        ("scale", (0.0, 1.0), "two positive numbers"),
    ],
)
def test_a_distortion_without_size_is_refused(name, value, expected):
    with pytest.raises(ValueError) as caught:
        AffineDistortion(**{name: value})
    assert str(caught.value) == f"{name}: given {value}, expected {expected}"


def test_the_name_of_a_distortion_is_none(pictures):
    with pytest.raises(TypeError, match=r"distortion: given 'R', expected a Distortion, such as DISTORTIONS\['R'\]"):
        distort(pictures, "R", np.random.default_rng(0))


def test_no_pictures_give_no_canvases():
    canvases, theta = distort(np.zeros((0, 1, 8, 8), np.float32), DISTORTIONS["RTS"], np.random.default_rng(0))
    assert canvases.shape == (0, 1, 40, 40) and theta.shape == (0, 2, 3)
