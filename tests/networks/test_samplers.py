"""Samplers in a transformer: which can be one, and what linearized sampling draws."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.gradcheck import gradcheck
from autograd_core.layers import Dense, Flatten, Sequential
from autograd_core.optimizers import SGD
from refwarp import affine_grid, auxiliary_grid, grid_sample, linearized_sample
from refwarp.data import AffineDistortion, Examples
from refwarp.networks import LinearizedSampler, SpatialTransformer, regression
from refwarp.training import Checkpoint, Passes, Run, train
from tests.networks.kinds import (
    INTERPOLATING,
    SAMPLERS,
    TRANSFORMATIONS,
    Told,
    away_from_the_identity,
    points,
    small_transformer,
)

# Their gradient with respect to the grid is zero, or not that of the value.
WITHOUT_SLOPE, OF_A_PLANE = {"nearest"}, {"linearized"}


def maps(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_all_of_them_start_at_the_identity(transformation, sampler, align_corners):
    """The output is what the sampler makes of the identity grid: the input itself, if it interpolates."""
    dtype = np.float32
    rule = TRANSFORMATIONS[transformation]((12, 10), align_corners, dtype)
    last = regression(2 * 12 * 10, rule, rng=np.random.default_rng(0), dtype=dtype)
    sample = SAMPLERS[sampler]()
    transformer = SpatialTransformer(Sequential(Flatten(), last), rule, sample, align_corners=align_corners)
    input = maps((2, 2, 12, 10), dtype)
    output = transformer(Tensor(input)).data
    grid = np.broadcast_to(points(12, 10, align_corners), (2, 12, 10, 2)).astype(dtype)
    expected = input if sampler in INTERPOLATING else sample(input, grid, align_corners=align_corners)
    # A grid off by 16 eps is off by 96 eps pixels each way; no sampler's slope is above 3 for pixels from 0 to 1.
    assert output.dtype == dtype and abs(output - expected).max() <= 600 * np.finfo(dtype).eps


@pytest.mark.parametrize("sampler", sorted(SAMPLERS.keys() - WITHOUT_SLOPE - OF_A_PLANE))
def test_gradients_through_every_sampler(sampler):
    """With respect to the maps and to theta, away from the identity."""
    theta = away_from_the_identity(TRANSFORMATIONS["affine"](), 1, spread=0.2)
    sample = SAMPLERS[sampler]()

    def function(input, theta):
        transformer = SpatialTransformer(lambda input: theta, sampler=sample, size=(2, 3))
        return transformer(input)

    gradcheck(function, [maps((1, 2, 4, 5)), theta], rng=np.random.default_rng(1))


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("sampler", sorted(SAMPLERS.keys() - WITHOUT_SLOPE))
def test_gradients_reach_every_parameter(transformation, sampler):
    transformer = small_transformer(transformation, SAMPLERS[sampler](), side=5, size=(4, 4))
    output = transformer(Tensor(maps((3, 1, 5, 5))))
    output.backward(np.random.default_rng(2).standard_normal(output.shape))
    for name, parameter in transformer.named_parameters():
        assert parameter.grad is not None and parameter.grad.data.any(), name


def linearized(seed=3, **options):
    return LinearizedSampler(np.random.default_rng(seed), **options)


GRID = affine_grid(np.array([[[0.8, 0.2, 0.1], [-0.3, 0.7, 0.05]]]), (1, 1, 5, 4))
MAP = maps((1, 2, 6, 7))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"intercept": True, "input_gradient": "fit", "tikhonov": 0.5, "padding_mode": "border"}]
)
def test_in_training_it_is_linearized_sampling_with_fresh_noise(align_corners, options):
    noise = {"count": 5, "deviation": 0.7}
    sampler, rng = linearized(noise=noise, **options), np.random.default_rng(3)
    cotangent = np.random.default_rng(4).standard_normal((1, 2, 5, 4))
    gradients = []
    for _ in range(2):
        around = auxiliary_grid(GRID, (6, 7), rng, align_corners=align_corners, **noise)
        pairs = []
        for sample in (
            lambda input, grid: sampler(input, grid, align_corners=align_corners),
            lambda input, grid, around=around: linearized_sample(
                input,
                grid,
                around,
                align_corners=align_corners,
                **{"intercept": "bias-free", "input_gradient": "center"} | options,
            ),
        ):
            input, grid = Tensor(MAP, requires_grad=True), Tensor(GRID, requires_grad=True)
            out = sample(input, grid)
            out.backward(cotangent)
            pairs.append((out.data, input.grad.data, grid.grad.data))
        for mine, expected in zip(*pairs, strict=True):
            assert (mine == expected).all()
        gradients.append(pairs[0][2])
    assert (gradients[0] != gradients[1]).any()


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_in_evaluation_it_draws_nothing_and_is_bilinear(padding):
    sampler = linearized(intercept=True, padding_mode=padding)
    before = sampler.rng.bit_generator.state
    with sampler.evaluation():
        found = sampler(MAP, 1.5 * GRID, align_corners=True)
    assert (found == grid_sample(MAP, 1.5 * GRID, padding_mode=padding, align_corners=True)).all()
    assert sampler.rng.bit_generator.state == before
    assert (sampler(MAP, GRID, align_corners=True) != found).any() and sampler.rng.bit_generator.state != before


def test_if_asked_it_is_linearized_in_evaluation():
    sampler, rng = linearized(intercept=True, evaluation="linearized"), np.random.default_rng(3)
    with sampler.evaluation():
        for _ in range(2):
            around = auxiliary_grid(GRID, (6, 7), rng)
            expected = linearized_sample(MAP, GRID, around, input_gradient="center")
            assert (sampler(MAP, GRID) == expected).all()
    with pytest.raises(ValueError, match="evaluation: given 'none', expected one of 'bilinear', 'linearized'"):
        linearized(evaluation="none")


def test_its_generator_is_part_of_a_run(tmp_path):
    """A resumed run draws what the uninterrupted one does."""

    def run():
        rng = np.random.default_rng(5)
        transformer = SpatialTransformer(
            Sequential(Flatten(), regression(36, rng=rng)), sampler=linearized(noise={"count": 3}), size=4
        )
        model = Sequential(transformer, Flatten(), Dense(16, 3, rng=rng))
        return Run(model, [SGD(model.parameters(), 0.01)], [], np.random.default_rng(6))

    def trained(epochs, resume=False, path=None):
        kept = Checkpoint(path, resume) if path else None
        this = run()
        train(this, digits, digits, Passes(epochs, 4, distortion=distortion), checkpoint=kept)
        return this.model.state_dict()

    distortion = AffineDistortion(canvas=6, side=6.0, scale=(0.8, 1.2), translation=0.0)
    digits = Examples(maps((10, 1, 6, 6), np.float32), np.arange(10) % 3)
    whole = trained(3)
    trained(2, path=tmp_path / "run.h5")
    resumed = trained(3, resume=True, path=tmp_path / "run.h5")
    assert all((value == resumed[name]).all() for name, value in whole.items())


def test_a_told_theta_gets_no_gradient_from_nearest_sampling():
    theta = Told(away_from_the_identity(TRANSFORMATIONS["affine"](), 1))
    output = SpatialTransformer(theta, sampler=SAMPLERS["nearest"]())(Tensor(MAP))
    output.backward(np.random.default_rng(7).standard_normal(output.shape))
    assert not theta.theta.grad.data.any()
