"""Large displacements: what is matched, how matches pull, and a small thing that moves far."""

import numpy as np
import pytest

from refwarp.classical import BroxSettings, LdofSettings, brox_flow, ldof_flow
from refwarp.classical.brox import Linear, Matches, residual, system_at
from refwarp.classical.descriptors import dense_sift
from refwarp.classical.ldof import _at_size, descriptor_matches
from tests.classical.frames import rng, texture


def test_matches_pull_as_their_energy_says():
    """(ldof.1) by central differences, against half of what (ldof.2) adds to the residual."""
    total, motions = rng(1).normal(size=(2, 2, 4, 5))
    weights = rng(2).random((4, 5)) * (rng(3).random((4, 5)) < 0.5)
    nothing = Linear(*np.zeros((3, 1, 4, 5)), np.ones((4, 5)))
    settings = BroxSettings(smoothness=0.0, epsilon=0.1)
    found = residual(system_at(total, nothing, total, settings, Matches(motions, weights)), total)

    def energy(flow):
        return (weights * np.sqrt(((flow - motions) ** 2).sum(axis=0) + 0.01)).sum()

    for index in np.ndindex(total.shape):
        step = np.zeros(total.shape)
        step[index] = 1e-5
        slope = (energy(total + step) - energy(total - step)) / 2e-5
        assert 2 * found[index] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_matches_are_what_the_loops_say():
    first = texture(1, 24, 30, seed=5)
    first[:, :, 20:] = 0.5  # without structure
    second = np.roll(first, (2, 4), (1, 2)) + 0.05 * texture(1, 24, 30, seed=6)
    matches = descriptor_matches(first, second, 2, 2)
    one, other = (dense_sift(frame, 2).astype(np.float64) for frame in (first, second))
    points = [(i, j) for i in range(0, 24, 2) for j in range(0, 30, 2)]

    def distances(descriptor, frame):
        return {p: np.linalg.norm(descriptor - frame[p]) for p in points}

    for i, j in np.ndindex(24, 30):
        if (i, j) not in points:
            assert matches.weights[i, j] == 0
            continue
        to = distances(one[i, j], other)
        best = min(to, key=to.get)
        back = distances(other[best], one)
        origin = min(back, key=back.get)
        elsewhere = min(d for p, d in to.items() if max(abs(p[0] - best[0]), abs(p[1] - best[1])) > 4)
        counts = max(abs(origin[0] - i), abs(origin[1] - j)) <= 2 and np.linalg.norm(one[i, j]) >= 0.5
        expected = min(1.0, (elsewhere - to[best]) / to[best]) if counts else 0.0
        # Squared distances of order one lose half of float32's digits where they are small.
        assert matches.weights[i, j] == pytest.approx(expected, abs=2e-3)
        if expected > 0.01:
            np.testing.assert_array_equal(matches.motions[:, i, j], [best[1] - j, best[0] - i])
    assert (matches.weights > 0.1).sum() > 50 and not matches.weights[:, 26:].any()


def test_a_reduced_frame_has_the_match_that_counts_most():
    motions, weights = np.zeros((2, 4, 4)), np.zeros((4, 4))
    motions[:, 0, 0], motions[:, 1, 1], motions[:, 3, 3] = [2, 4], [6, 8], [-2, 2]
    weights[0, 0], weights[1, 1], weights[3, 3] = 0.5, 0.4, 1.0
    reduced = _at_size(Matches(motions, weights), (2, 2), 3.0)
    np.testing.assert_array_equal(reduced.weights, [[1.5, 0], [0, 3.0]])
    np.testing.assert_array_equal(reduced.motions[:, [0, 1], [0, 1]], [[1, -1], [2, 1]])


def test_a_small_thing_that_moves_far_is_followed():
    """The variational flow alone loses it; the background stays where it is for both."""
    first, second = texture(1, 64, 80), texture(1, 64, 80)
    thing = rng(9).random((1, 16, 16)).round()
    first[:, 20:36, 10:26] = thing
    second[:, 26:42, 50:66] = thing
    settings = BroxSettings(sweeps=8)
    errors = {}
    for name, flow in {
        "alone": brox_flow(first, second, settings),
        "led": ldof_flow(first, second, LdofSettings(settings)),
    }.items():
        errors[name] = np.median(np.hypot(flow[0, 23:33, 13:23] - 40, flow[1, 23:33, 13:23] - 6))
        assert abs(flow[:, 50:, :]).max() < 0.5
    assert errors["led"] < 0.1 and errors["alone"] > 20
