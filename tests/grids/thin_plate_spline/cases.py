"""Control points that make a thin plate spline hard to compute, up to what is accepted."""

import numpy as np


def regular(side):
    """Return a regular grid of control points from corner to corner."""
    axis = np.linspace(-1, 1, side)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def irregular(count=10, seed=0):
    """Return random control points."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2))


def with_a_close_pair(distance):
    """Return random control points of which two almost coincide."""
    control = irregular()
    control[1] = control[0] + distance * np.array([0.6, 0.8])
    return control


def almost_on_a_line(distance):
    """Return random control points close to the line y = 3/4 x."""
    return irregular() * [1, distance] @ [[0.8, 0.6], [-0.6, 0.8]]


# The condition numbers go from 10 to almost 10^12.
CASES = {
    "three points": np.array([[-1.0, -0.5], [1.0, 0.25], [0.125, 1.0]]),
    "2 x 2": regular(2),
    "4 x 4": regular(4),
    "irregular": irregular(),
    "a pair 1e-3 apart": with_a_close_pair(1e-3),
    "a pair 1e-6 apart": with_a_close_pair(1e-6),
    "a cluster at 0": 1e-12 * irregular(),
    "a cluster": 0.3 + 1e-2 * irregular(),
    "a small cluster": 0.3 + 1.1e-6 * irregular(),
    "very flat": irregular() * [1, 1e-12],
    "almost on a line": almost_on_a_line(1e-8),
    "far away": irregular() + 2e5,
    "far apart": 1e6 * irregular(),
}
