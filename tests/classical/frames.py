"""Pictures to move, and moved ones."""

import numpy as np

from refwarp.grids.flow import flow_grid
from refwarp.samplers.grid_sample import grid_sample


def rng(seed=0):
    """Return a generator."""
    return np.random.default_rng(seed)


def texture(channels, height, width, seed=0):
    """Return a smooth random picture about in [0, 1]."""
    y, x = np.mgrid[:height, :width]
    waves = rng(seed).normal(size=(channels, 12, 4)) * [0.3, 0.3, 2.0, 0.07]
    terms = np.sin(waves[..., 0, None, None] * x + waves[..., 1, None, None] * y + waves[..., 2, None, None])
    return 0.5 + (waves[..., 3, None, None] * terms).sum(axis=1)


def moved(picture, flow):
    """Return the frame from which a flow leads to `picture`."""
    return grid_sample(picture[None], flow_grid(flow[None]), mode="bicubic", padding_mode="border")[0]


GOOD = np.zeros((1, 4, 5))

# Frames that have no flow: the arguments, the error, and its message.
BAD = [
    ((GOOD, np.zeros((1, 5, 4))), ValueError, r"second: given shape \(1, 5, 4\), expected that of first"),
    ((GOOD[0], GOOD[0]), ValueError, r"first: given shape \(4, 5\), expected \(C, H, W\)"),
    ((GOOD, GOOD[:, :0]), ValueError, r"second: given shape \(1, 0, 5\), expected"),
    ((GOOD, GOOD + np.nan), ValueError, "second: given a number that is not finite"),
    ((GOOD + 1j, GOOD), TypeError, "first: given dtype complex128, expected real numbers"),
]
