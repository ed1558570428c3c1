"""Modules side by side, and for each glimpse."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import Dense, Flatten, Sequential
from refwarp.networks import (
    Attention,
    EachGlimpse,
    GlimpseTransformer,
    Parallel,
    SpatialTransformer,
    count_parameters,
    fully_connected_localisation,
)
from tests.networks.kinds import Told, away_from_the_identity


def maps(shape, seed=0):
    return Tensor(np.random.default_rng(seed).random(shape), requires_grad=True)


def attention(seed):
    return SpatialTransformer(Told(away_from_the_identity(Attention(), 2, 0.3, seed)), Attention(), size=3)


def test_transformers_in_parallel_are_joined_along_the_channels():
    branches = [attention(seed) for seed in range(3)]
    input = maps((2, 2, 5, 6))
    output = Parallel(*branches)(input)
    assert output.shape == (2, 6, 3, 3)
    for k, branch in enumerate(branches):
        assert (output[:, 2 * k : 2 * k + 2].data == branch(input).data).all()


def test_the_gradients_of_branches_are_added():
    g = np.random.default_rng(1).standard_normal((2, 4, 3, 3))
    branches = [attention(seed) for seed in range(2)]
    together, alone = maps((2, 2, 5, 6)), [maps((2, 2, 5, 6)) for _ in branches]
    Parallel(*branches)(together).backward(g)
    thetas = [branch.localisation.theta.grad.data for branch in branches]
    for k, branch in enumerate(branches):
        branch.localisation.theta.grad = None
        branch(alone[k]).backward(g[:, 2 * k : 2 * k + 2])
        assert (branch.localisation.theta.grad.data == thetas[k]).all() and thetas[k].any()
    # Sums of some ten products of some units, in another order.
    np.testing.assert_allclose(together.grad.data, alone[0].grad.data + alone[1].grad.data, rtol=0, atol=1e-13)


def test_parts_with_networks_of_their_own():
    """Two transformers share a localisation's hidden layers, and each has its network: features in a row."""
    rng = np.random.default_rng(2)
    localisation = fully_connected_localisation((1, 6, 6), Attention(), hidden=(4,), rng=rng)
    parts = [
        Sequential(SpatialTransformer(localisation, Attention(), size=3), Flatten(), Dense(9, width, rng=rng))
        for width in (2, 5)
    ]
    network = Parallel(*parts)
    input = Tensor(np.random.default_rng(3).random((4, 1, 6, 6), np.float32))
    output = network(input)
    assert output.shape == (4, 7)
    assert count_parameters(network) == 37 * 4 + 5 * 3 + 10 * 2 + 10 * 5, "the localisation is counted once"
    output.backward(np.random.default_rng(4).standard_normal((4, 7)).astype(np.float32))
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.branches[0].layers[2].weight.grad.data.any() and localisation.regression.weight.grad.data.any()


def test_branches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="branches: given none, expected at least one module"):
        Parallel()
    other = SpatialTransformer(Told(away_from_the_identity(Attention(), 2)), Attention(), size=4)
    with pytest.raises(ValueError, match="expected the same lengths along all axes but 1"):
        Parallel(attention(0), other)(maps((2, 2, 5, 6)))


def test_one_network_for_each_glimpse():
    rng = np.random.default_rng(5)
    theta = away_from_the_identity(Attention(), 6).reshape(2, 3, 3)
    glimpses = GlimpseTransformer(Told(theta), Attention(), size=3)(maps((2, 2, 5, 6)))
    network = Sequential(Flatten(), Dense(18, 4, rng=rng, dtype=np.float64))
    output = EachGlimpse(network)(glimpses)
    assert output.shape == (2, 3, 4)
    for t in range(3):
        # Sums of 18 products, in another order.
        np.testing.assert_allclose(output[:, t].data, network(glimpses[:, t]).data, rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match=r"input: given shape \(2, 2, 5, 6\), expected \(N, T, C, H, W\)"):
        EachGlimpse(network)(maps((2, 2, 5, 6)))
