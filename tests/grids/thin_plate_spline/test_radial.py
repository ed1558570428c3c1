"""The radial function's matrix: both of its sets of points may be differentiated, of any lengths."""

import numpy as np
import pytest

from autograd_core.gradcheck import gradcheck
from refwarp.grids.thin_plate_spline.radial import _PIECE, RadialGradient, RadialMatrix


@pytest.mark.parametrize(("points", "centres"), [(2, 4), (5, 3), (1, 1)])
def test_derivatives_to_both_sets(points, centres):
    rng = np.random.default_rng(points)
    x, c = rng.uniform(-1, 0, (2, points, 2)), rng.uniform(0.25, 1, (2, centres, 2))
    gradcheck(RadialMatrix.apply, [x, c], rng=rng, order=2)


def test_sums_of_several_pieces():
    rng = np.random.default_rng(7)
    x, c = rng.uniform(-1, 0, (1, 3, 2)), rng.uniform(0.25, 1, (1, 2 * _PIECE + 5, 2))
    weights = rng.standard_normal((1, 3, c.shape[1]))
    v = x[:, :, None] - c[:, None]
    terms = weights[..., None] * 2 * (np.log((v * v).sum(axis=-1, keepdims=True)) + 1) * v
    gx = RadialGradient.apply(x, c, weights, same=False).data
    # Both have up to eight roundings a term, which f' may cancel to nothing: hence ln r^2 and 1 apart. Then the sums.
    bound = 2.0**-53 * (24 + np.log2(c.shape[1])) * (abs(terms) + abs(weights[..., None] * 2 * v)).sum(axis=2)
    assert (abs(gx - terms.sum(axis=2)) <= bound).all()
