"""Source and target in one map: what is sampled, what is seen, and gradients."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.gradcheck import gradcheck
from autograd_core.layers import Module
from refwarp import affine_grid, grid_sample
from refwarp.networks import Affine, HierarchicalTransformer, SourceSampler, SpatialTransformer
from tests.networks.kinds import Told, away_from_the_identity, points

THETA = away_from_the_identity(Affine(), 2, 0.2)
MAPS = np.random.default_rng(1).random((2, 5, 4, 6))


def test_the_source_is_sampled_and_the_target_stays():
    output = SpatialTransformer(Told(THETA), sampler=SourceSampler(channels=3), align_corners=True)(Tensor(MAPS))
    grid = affine_grid(THETA.reshape(2, 2, 3), (2, 3, 4, 6), align_corners=True)
    expected = grid_sample(MAPS[:, :3], grid, padding_mode="border", align_corners=True)
    assert (output.data[:, :3] == expected).all() and (output.data[:, 3:] == MAPS[:, 3:]).all()


def test_a_flow_generator_sees_the_warped_source_beside_the_target():
    class Watching(Module):
        def forward(self, input):
            self.seen = input.data
            return Tensor(np.zeros((2, 2, 4, 6)))

    flow = Watching()
    output = HierarchicalTransformer(Told(THETA), flow, SourceSampler(grid_sample, 2))(Tensor(MAPS))
    assert (flow.seen == output.data).all() and (flow.seen[:, 2:] == MAPS[:, 2:]).all()
    assert (flow.seen[:, :2] != MAPS[:, :2]).any()


def test_its_gradients():
    grid = points(2, 3)[None] + np.random.default_rng(2).normal(0, 0.1, (1, 2, 3, 2))
    gradcheck(SourceSampler(channels=1), [MAPS[:1, :2, :2, :3].copy(), grid], rng=np.random.default_rng(3))


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="^grid: given 3 x 3 points for a target of 4 x 6 pixels, expected as many"):
        SpatialTransformer(Told(THETA), sampler=SourceSampler(), size=3)(Tensor(MAPS))
    with pytest.raises(ValueError, match="channels: given 0, expected a positive integer"):
        SourceSampler(channels=0)
