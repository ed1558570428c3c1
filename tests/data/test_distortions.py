"""Distortions: which way theta leads, what is exact, what stays on the canvas, what the seed fixes."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.data import (
    DISTORTIONS,
    AffineDistortion,
    ClutterDistortion,
    ElasticDistortion,
    GridDistortion,
    ProjectiveDistortion,
    distort,
    similarity,
    stn_distortions,
)

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


class _Given(GridDistortion):
    """A distortion with parameters that nothing draws."""

    def __init__(self, theta):
        self.theta = theta

    def draw(self, count, rng):
        return self.theta

    def grid(self, parameters):
        return FIXED.grid(parameters)


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


POOL = np.random.default_rng(6).random((20, 1, 28, 28), np.float32)


@pytest.mark.parametrize("name", stn_distortions(POOL))
def test_the_paper_s_distortions_have_its_canvases_and_the_seed_fixes_them(name):
    distortion = stn_distortions(POOL)[name]
    first, parameters = distort(POOL[:5], distortion, np.random.default_rng(4))
    again, _ = distort(POOL[:5], distortion, np.random.default_rng(4))
    other, _ = distort(POOL[:5], distortion, np.random.default_rng(5))
    assert (first == again).all() and (first != other).any()
    side = {"R": 28, "RTS": 42, "P": 28, "E": 28, "TC": 60}[name]
    assert first.dtype == np.float32 and first.shape == (5, 1, side, side) and len(parameters) == 5


@pytest.mark.parametrize("side", [7, 14, 56, 30])
def test_with_other_pictures_the_paper_s_lengths_change_in_proportion(side):
    by_name = stn_distortions(np.zeros((1, 3, side, side), np.float32))
    usual = stn_distortions(POOL)
    assert usual["P"] == ProjectiveDistortion() and usual["E"] == ElasticDistortion()
    for name, distortion in by_name.items():
        own, paper = dataclasses.asdict(distortion), dataclasses.asdict(usual[name])
        for field, value in own.items():
            if field in ("canvas", "side", "corner_deviation", "point_deviation", "margin"):
                in_proportion = paper[field] * side / 28
                is_whole = isinstance(paper[field], int)
                assert type(value) is type(paper[field]) and abs(value - in_proportion) <= (0.5 if is_whole else 1e-12)
            elif field != "pool":
                assert value == paper[field]
        pictures = np.ones((2, 3, side, side), np.float32)
        canvases, _ = distort(pictures, distortion, np.random.default_rng(0))
        assert canvases.shape == (2, 3, own["canvas"], own["canvas"]) and canvases.any()


def test_the_paper_s_distortions_are_of_square_pictures():
    with pytest.raises(ValueError, match="pool: given pictures of 4 x 5 pixels, expected square ones"):
        stn_distortions(np.zeros((1, 1, 4, 5), np.float32))
    with pytest.raises(ValueError, match=r"pool: given shape \(4, 5\), expected \(M, C, n, n\)"):
        stn_distortions(np.zeros((4, 5), np.float32))


def test_a_homography_leads_its_corners_back_to_those_of_the_picture():
    distortion = ProjectiveDistortion(corner_deviation=0.0, scale=(0.5, 0.5))
    ((a, b, c, d, e, f, g, h),) = distortion.draw(1, np.random.default_rng(0))
    # Scaled by a half in the middle, and nothing else: x -> 2 x.
    assert np.allclose([a, b, c, d, e, f, g, h], [2, 0, 0, 0, 2, 0, 0, 0], atol=1e-6)  # float32


def test_corners_of_projective_distortions_spread_as_asked_and_stay_convex():
    """Led to the canvas by the inverse homography, corners are as far from rest as the deviation says."""
    distortion = ProjectiveDistortion(canvas=64, side=32.0, scale=(1.0, 1.0), corner_deviation=2.0)
    draws = distortion.draw(4000, np.random.default_rng(1)).astype(np.float64)
    matrices = np.concatenate([draws, np.ones((4000, 1))], axis=1).reshape(-1, 3, 3)
    corners = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1.0]])
    there = np.linalg.solve(matrices, np.broadcast_to(corners.T, (4000, 3, 4)))
    pixels = (there[:, :2] / there[:, 2:]).swapaxes(1, 2) * 32  # of the canvas, from its centre
    shifts = pixels - 16 * corners[:, :2]
    # The standard error of 32,000 draws' deviation is 2 / sqrt(64,000) = 0.008, that of their mean 0.011.
    assert abs(shifts.std() - 2.0) < 0.04 and abs(shifts.mean()) < 0.05


def test_no_projective_distortion_shows_a_picture_twice():
    """With a large deviation, quadrilaterals are turned over now and then; D then vanishes on the canvas' picture."""
    distortion = ProjectiveDistortion(corner_deviation=9.0)
    draws = distortion.draw(500, np.random.default_rng(2)).astype(np.float64)
    matrices = np.concatenate([draws, np.ones((500, 1))], axis=1).reshape(-1, 3, 3)
    inside = np.stack([*np.meshgrid(*[np.linspace(-1, 1, 9)] * 2), np.ones((9, 9))]).reshape(3, -1)
    there = np.linalg.solve(matrices, np.broadcast_to(inside, (500, 3, 81)))
    signs = np.sign(there[:, 2])  # of a convex picture, all of it lies on one side of the horizon
    assert (signs == signs[:, :1]).all()


def test_an_elastic_distortion_without_shifts_only_scales():
    still = ElasticDistortion(canvas=7, point_deviation=0.0, scale=(0.5, 0.5))
    grid = still.grid(still.draw(1, np.random.default_rng(3)))
    along = (2 * np.arange(7) + 1) / 7 - 1
    # A spline whose points all lie on one affine map is that map; float32, magnified twice.
    assert np.abs(grid[0, :, :, 0] - 2 * along).max() < 1e-6
    assert np.abs(grid[0, :, :, 1] - 2 * along[:, None]).max() < 1e-6


def test_elastic_shifts_have_the_deviation_in_pixels():
    targets = ElasticDistortion(canvas=28, scale=(1.0, 1.0)).draw(2000, np.random.default_rng(4))
    shifts = (targets - targets.mean(axis=0)) * 14
    # 64,000 draws: the standard error of the deviation is 1.5 / sqrt(128,000) = 0.004.
    assert abs(shifts.std() - 1.5) < 0.02


def test_clutter_is_patches_of_the_pool_and_the_picture_is_whole():
    pool = np.arange(3, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 8, 8), np.float32) / 4
    distortion = ClutterDistortion(pool, canvas=20, patches=5, side=3, margin=2)
    images = np.full((50, 1, 8, 8), 0.9, np.float32)
    canvases, parameters = distort(images, distortion, np.random.default_rng(5))
    for canvas, (top, left, *_) in zip(canvases[:, 0], parameters, strict=True):
        assert (canvas[top : top + 8, left : left + 8] == np.float32(0.9)).all()
        assert (canvas == np.float32(0.9)).sum() == 64
    assert set(np.unique(canvases)) == {0, 0.25, 0.5, np.float32(0.9)}
    for canvas, drawn in zip(canvases[:, 0], parameters, strict=True):
        expected = np.zeros((20, 20), np.float32)
        expected[drawn[0] : drawn[0] + 8, drawn[1] : drawn[1] + 8] = 0.9
        for top, left, source, from_top, from_left in drawn[2:].reshape(5, 5):
            assert 2 <= from_top <= 3 and 2 <= from_left <= 3
            for i in range(3):
                for j in range(3):
                    value = pool[source, 0, from_top + i, from_left + j]
                    expected[top + i, left + j] = max(expected[top + i, left + j], value)
        assert (canvas == expected).all()


def test_clutter_reaches_every_edge_of_the_canvas():
    distortion = ClutterDistortion(POOL, canvas=30)
    drawn = distortion.draw(3000, np.random.default_rng(6))
    patches = drawn[:, 2:].reshape(-1, 5)
    assert (drawn[:, :2].min(0) == 0).all() and (drawn[:, :2].max(0) == 2).all()
    assert (patches.min(0) == [0, 0, 0, 4, 4]).all() and (patches.max(0) == [24, 24, 19, 18, 18]).all()


@pytest.mark.parametrize(
    ("distortion", "options", "message"),
    [
        (ProjectiveDistortion, {"corner_deviation": -1.0}, "corner_deviation: given -1.0, expected a number >= 0"),
        (ElasticDistortion, {"point_deviation": -1.0}, "point_deviation: given -1.0, expected a number >= 0"),
        (ElasticDistortion, {"points": 1}, "points: given 1, expected an integer of at least 2"),
        (ClutterDistortion, {"pool": POOL, "canvas": 20}, r"pool: given pictures of .28, 28. pixels, expected at most"),
        (ClutterDistortion, {"pool": POOL, "side": 21}, r"pool: given pictures of .28, 28. pixels, expected at least"),
        (ClutterDistortion, {"pool": POOL[0]}, "pool: given"),
        (ClutterDistortion, {"pool": POOL[:0]}, r"len\(pool\): given 0, expected a positive integer"),
    ],
)
def test_what_a_distortion_cannot_do_is_refused(distortion, options, message):
    with pytest.raises(ValueError, match=message):
        distortion(**options)
