"""SIFT flow: its descriptors, its messages, and what is certain to have the least energy."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from refwarp.classical import SiftFlowSettings, sift_flow, sift_flow_energy
from refwarp.classical.descriptors import dense_sift
from refwarp.classical.sift_flow import _COLUMNS, _ROWS, Weights, search, send
from tests.classical.frames import rng, texture


def descriptor_by_loops(frame, i, j, cell):
    """Return the descriptor of a pixel, one gradient at a time."""
    wide = np.pad(frame.mean(axis=0), 4 * cell, mode="edge")
    slope_y, slope_x = np.gradient(wide)
    found = np.zeros((4, 4, 8))
    for p, q in np.ndindex(wide.shape):
        x, y = slope_x[p, q], slope_y[p, q]
        for a, b in np.ndindex(4, 4):
            down = abs(p - (i + 4 * cell + (a - 1.5) * cell)) / cell
            across = abs(q - (j + 4 * cell + (b - 1.5) * cell)) / cell
            if down < 1 and across < 1 and (x or y):
                for k in range(8):
                    cosine = np.cos(np.arctan2(y, x) - np.pi * k / 4)
                    found[a, b, k] += np.hypot(x, y) * max(0, cosine) ** 9 * (1 - down) * (1 - across)
    found = found.ravel() / np.sqrt((found**2).sum() + 0.05**2)
    found = np.minimum(found, 0.2)
    return found / np.sqrt((found**2).sum() + 0.05**2)


@pytest.mark.parametrize("cell", [2, 4])
def test_a_descriptor_is_what_the_loops_say(cell):
    frame = rng().random((2, 9, 11))
    found = dense_sift(frame, cell)
    assert found.dtype == np.float32 and found.shape == (9, 11, 128)
    for i, j in [(0, 0), (4, 5), (8, 10), (2, 7)]:
        # Sums of some hundred numbers of order one, in float32 at the end.
        np.testing.assert_allclose(found[i, j], descriptor_by_loops(frame, i, j, cell), rtol=0, atol=1e-6)


def test_without_smoothness_each_pixel_goes_where_its_descriptor_fits_best():
    one, other = (dense_sift(texture(1, 7, 8, seed), 2) for seed in (0, 1))
    settings = SiftFlowSettings(smoothness=0.0, size_weight=0.0, most_difference=1e9, cell=2, iterations=2)
    flow = search(one, other, np.zeros((2, 7, 8), int), 2, settings)
    for i, j in np.ndindex(7, 8):
        best = min(
            abs(one[i, j] - other[i + v, j + u]).sum()
            for u, v in itertools.product(range(-2, 3), repeat=2)
            if 0 <= i + v < 7 and 0 <= j + u < 8
        )
        u, v = flow[:, i, j]
        assert abs(one[i, j] - other[i + v, j + u]).sum() == pytest.approx(best, rel=1e-6)


def test_with_more_smoothness_than_anything_else_all_go_where_all_fit_best():
    first, second = texture(1, 6, 7), texture(1, 6, 7, seed=1)
    options = {"smoothness": 1e4, "most_smoothness": 1e9, "cell": 2}
    settings = SiftFlowSettings(levels=1, reach=2, **options)
    flow = sift_flow(first, second, settings)
    whole = {
        motion: sift_flow_energy(np.broadcast_to(np.reshape(motion, (2, 1, 1)), flow.shape), first, second, settings)
        for motion in itertools.product(range(-2, 3), repeat=2)
    }
    assert sift_flow_energy(flow, first, second, settings) == pytest.approx(min(whole.values()), rel=1e-6)


def test_messages_are_what_the_loops_say():
    """All that one colour sends at first, with other messages there; of windows that are not at the same place."""
    labels, size = 3, (2, 3)
    costs = rng().random((*size, labels, labels)).astype(np.float32)
    centres = rng(1).integers(-2, 3, (2, *size))
    messages = rng(2).random((2, 4, *size, labels))
    weights, before = Weights(0.7, 1.5, 0.1), messages.copy()
    send(0, 2, costs, centres, weights, 0, np.stack([_ROWS, _COLUMNS]), messages)
    for i, j, k, r in itertools.product(range(2), range(3), range(4), range(2)):
        p, q = i + _ROWS[k], j + _COLUMNS[k]  # who sends to (i, j)
        if not (0 <= p < 2 and 0 <= q < 3 and (p + q) % 2 == 0):
            np.testing.assert_array_equal(messages[r, k, i, j], before[r, k, i, j])
            continue
        h = 0.1 * abs(centres[:, p, q, None] + np.arange(-1, 2)) + before[:, :, p, q].sum(axis=1)
        cost = costs[p, q] if r == 0 else costs[p, q].T
        belief = h[r] + (cost + h[1 - r]).min(axis=1)
        # What (i, j) had sent to (p, q) came from the opposite direction.
        opposite = next(m for m in range(4) if (_ROWS[m], _COLUMNS[m]) == (-_ROWS[k], -_COLUMNS[k]))
        rest = belief - before[r, opposite, p, q]
        motions = centres[r, p, q] + np.arange(-1, 2), centres[r, i, j] + np.arange(-1, 2)
        steps = np.minimum(0.7 * abs(motions[0][:, None] - motions[1]), 1.5)
        expected = (rest[:, None] + steps).min(axis=0)
        np.testing.assert_allclose(messages[r, k, i, j], expected - expected.min(), rtol=1e-12, atol=1e-12)


def test_it_finds_a_motion_longer_than_the_window():
    picture = gaussian_filter(rng(3).random((1, 48, 56)), (0, 2, 2))
    picture /= picture.max()
    flow = sift_flow(picture, np.roll(picture, (5, -11), (1, 2)), SiftFlowSettings(levels=3, reach=5, window=2))
    inside = flow[:, 8:-12, 20:-8]
    assert (inside == np.array([-11, 5])[:, None, None]).mean() > 0.95


def test_the_energy_written_out():
    first, second = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    flow = np.array([[[0, 1], [0, 0]], [[0, 0], [0, -3]]])
    settings = SiftFlowSettings(smoothness=2.0, most_smoothness=5.0, size_weight=0.5, most_difference=7.0)
    # Two pixels leave the frame; the sizes 1 and 3; the steps 1, 1 of u, and 3, 3 of v, which cost 5 each.
    assert sift_flow_energy(flow, first, second, settings) == 2 * 7 + 0.5 * 4 + 2 * 2 + 2 * 5


def test_a_motion_between_pixels_has_no_energy():
    with pytest.raises(ValueError, match="flow: given a motion that is not of whole pixels"):
        sift_flow_energy(np.full((2, 3, 3), 0.5), np.zeros((1, 3, 3)), np.zeros((1, 3, 3)))
