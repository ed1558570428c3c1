"""What the tests of linearised sampling share: a setting, and everything that comes of it."""

import numpy as np

import refwarp
from autograd_core import Tensor, grad

EPS = np.finfo(float).eps


def setting(seed, dtype=np.float64, channels=2, size=(5, 6), count=6, spread=0.3, reach=0.7):
    """Return a map, a grid of 2 x 3 points and samples scattered around them."""
    rng = np.random.default_rng(seed)
    input = rng.standard_normal((1, channels, *size))
    grid = rng.uniform(-reach, reach, (1, 2, 3, 2))
    auxiliary = grid[..., None, :] + spread * rng.standard_normal((1, 2, 3, count, 2))
    return tuple(array.astype(dtype) for array in (input, grid, auxiliary))


def same_samples(one, other):
    """Tell whether two bilinear samples of numbers below 4 agree within both budgets, (4 + log2 4) u M each."""
    return np.allclose(one, other, rtol=0, atol=6 * EPS * 4)


def gradients(input, grid, auxiliary, gout, **options):
    """Return output, ginput and ggrid as arrays."""
    input, grid = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out = refwarp.linearized_sample(input, grid, auxiliary, **options)
    return out.data, *(g.data for g in grad(out, (input, grid), gout))
