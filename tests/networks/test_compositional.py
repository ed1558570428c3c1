"""Transformers composed as parameters: what they are for one step, and for several by products of matrices."""

from functools import partial

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.gradcheck import gradcheck
from autograd_core.layers import Dense, Flatten, Module, Sequential, Tanh
from refwarp import grid_sample, multiscale_sample, similarity_matrix, translation_matrix
from refwarp.networks import (
    Affine,
    CompositionalTransformer,
    Convolution,
    Projective,
    RotationScaleTranslation,
    Similarity,
    SpatialTransformer,
    Translation,
    convolutional_localisation,
    count_parameters,
    regression,
)
from refwarp.networks.pictures import views
from tests.networks.kinds import Told, away_from_the_identity

GROUPS = {
    "translation": Translation(),
    "similarity": Similarity(),
    "affine": Affine(),
    "homography": Projective(),
    "bounded homography": Projective(bound=0.6),
}
UPDATES = ("compositional", "inverse", "released")
MAP = np.random.default_rng(0).random((2, 2, 6, 7))


def matrices(name, theta):
    """Return the 3 x 3 matrices of parameters (N, count)."""
    if name == "translation":
        theta = translation_matrix(theta)
    elif name == "similarity":
        theta = similarity_matrix(theta)
    elif name == "affine":
        theta = theta.reshape(-1, 2, 3)
    else:
        if name == "bounded homography":
            theta = np.concatenate([theta[:, :6], 0.3 * np.tanh(theta[:, 6:] / 0.3)], axis=1)
        return np.concatenate([theta, np.ones((len(theta), 1))], axis=1).reshape(-1, 3, 3)
    return np.concatenate([theta, np.tile([[[0.0, 0.0, 1.0]]], (len(theta), 1, 1))], axis=1)


def sampled(matrix, size, sampler=grid_sample):
    """Return the map at the points that matrices (N, 3, 3) take the pixels of an output to."""
    y, x = ((2 * np.arange(n) + 1) / n - 1 for n in size)
    points = np.stack(np.broadcast_arrays(x, y[:, None], 1.0), axis=-1)
    found = np.einsum("nij,hwj->nhwi", matrix, points)
    return sampler(MAP, np.ascontiguousarray(found[..., :2] / found[..., 2:]))


def increments(name, steps, seed=1):
    return [away_from_the_identity(GROUPS[name], 2, 0.15, seed + step) for step in range(steps)]


class Watching(Told):
    """A localisation that is told its theta, and keeps what it is shown."""

    def forward(self, input):
        self.seen = input.data
        return self.theta


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("update", ["compositional", "released"])
def test_with_one_step_it_is_a_spatial_transformer(name, update):
    """Value and gradients to the last bit: an increment is composed with the identity."""
    (delta,) = increments(name, 1)
    options = {"size": (4, 5), "align_corners": True}
    cotangent = np.random.default_rng(2).standard_normal((2, 2, 4, 5))
    found = []
    for transformer, told in (
        (CompositionalTransformer([Told(delta)], GROUPS[name], update=update, **options), "localisations"),
        (SpatialTransformer(Told(delta), GROUPS[name], **options), "localisation"),
    ):
        input = Tensor(MAP, requires_grad=True)
        output, theta, grid = transformer.transform(input)
        output.backward(cotangent)
        (parameter,) = transformer.parameters()
        found.append((output.data, grid.data, input.grad.data, parameter.grad.data))
        assert told in next(iter(transformer.named_parameters()))[0]
        if "homography" not in name:
            assert (theta.data == delta).all()
    assert all((mine == expected).all() for mine, expected in zip(*found, strict=True))


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("update", UPDATES)
def test_warps_are_composed_as_matrices_are_multiplied(name, update):
    """And each localisation sees the original at the product of those before it."""
    deltas = increments(name, 3)
    localisations = [Watching(delta) for delta in deltas]
    transformer = CompositionalTransformer(localisations, GROUPS[name], size=(4, 5), update=update)
    output, theta, _ = transformer.transform(Tensor(MAP))
    product = np.tile(np.eye(3), (2, 1, 1))
    for localisation, delta in zip(localisations, deltas, strict=True):
        # Pixels from 0 to 1 on a map of 7: coordinates off by some u change a value by some tens of u.
        np.testing.assert_allclose(localisation.seen, sampled(product, (6, 7)), rtol=0, atol=1e-13)
        matrix = matrices(name, delta)
        product = {
            "compositional": lambda product, matrix: product @ matrix,
            "inverse": lambda product, matrix: product @ np.linalg.inv(matrix),
            "released": lambda product, matrix: matrix @ product,
        }[update](product, matrix)
    np.testing.assert_allclose(output.data, sampled(product, (4, 5)), rtol=0, atol=1e-13)
    found = theta.data.reshape(2, 3, 3) if "homography" in name else matrices(name, theta.data)
    # An inverse by elimination and products of three such matrices: some tens of u of numbers of order one.
    np.testing.assert_allclose(found, product, rtol=0, atol=1e-14)


def test_what_localisations_see_may_be_sampled_otherwise():
    blurred = partial(multiscale_sample, deviations=(2.0,))
    deltas = increments("affine", 2)
    told = [Watching(delta) for delta in deltas]
    transformer = CompositionalTransformer(told, sampler=blurred, between=grid_sample)
    output = transformer(Tensor(MAP)).data
    np.testing.assert_allclose(told[1].seen, sampled(matrices("affine", deltas[0]), (6, 7)), rtol=0, atol=1e-13)
    product = matrices("affine", deltas[0]) @ matrices("affine", deltas[1])
    expected = sampled(product, (6, 7), blurred)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-13)
    assert abs(expected - sampled(product, (6, 7))).max() > 0.1
    CompositionalTransformer(told, sampler=blurred)(Tensor(MAP))
    np.testing.assert_allclose(
        told[1].seen, sampled(matrices("affine", deltas[0]), (6, 7), blurred), rtol=0, atol=1e-13
    )


def test_the_orders_differ_where_warps_do_not_commute():
    deltas = increments("affine", 2)
    outputs = [
        CompositionalTransformer([Told(delta) for delta in deltas], update=update)(Tensor(MAP)).data
        for update in UPDATES
    ]
    for one in range(3):
        assert all(abs(outputs[one] - outputs[other]).max() > 0.05 for other in range(one))


def small_localisation(name, seed):
    rng = np.random.default_rng(seed)
    last = regression(2, GROUPS[name], rng=rng, dtype=np.float64)
    last.weight.data = rng.normal(0, 0.1, last.weight.shape)
    last.bias.data = last.bias.data + rng.normal(0, 0.05, last.bias.shape)
    return Sequential(Flatten(), Dense(9, 2, rng=rng, dtype=np.float64), Tanh(), last)


def compositional(name, update, count=2):
    return CompositionalTransformer(
        [small_localisation(name, seed) for seed in range(count)], GROUPS[name], size=2, update=update
    )


def inverse_compositional(name, update, count=2):
    return CompositionalTransformer([small_localisation(name, 0)] * count, GROUPS[name], size=2, update=update)


def check_gradients(transformer, order):
    """With respect to the input, through every sampler and localisation, and to all parameters."""
    names = dict(transformer.named_parameters())
    parameters = transformer.parameters()

    def function(input, *given):
        for name, shared in names.items():
            *path, last = name.split(".")
            module = transformer
            for part in path:
                module = module[int(part)] if part.isdigit() else getattr(module, part)
            setattr(module, last, given[next(k for k, own in enumerate(parameters) if own is shared)])
        return transformer(input)

    rng = np.random.default_rng(5)
    inputs = [rng.random((1, 1, 3, 3)), *(parameter.data for parameter in parameters)]
    gradcheck(function, inputs, rng=rng, order=order)


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("update", UPDATES)
def test_gradients_from_end_to_end(name, update):
    transformer = compositional(name, update)
    assert len(transformer.parameters()) == 8
    check_gradients(transformer, order=1)


def test_second_derivatives_from_end_to_end():
    transformer = inverse_compositional("affine", "inverse")
    assert len(transformer.parameters()) == 4
    check_gradients(transformer, order=2)


@pytest.mark.parametrize("make", [compositional, inverse_compositional])
def test_its_state_makes_another_the_same(make):
    one, other = make("similarity", "compositional"), make("similarity", "compositional")
    for parameter in other.parameters():
        parameter.data = parameter.data + 0.1
    input = Tensor(MAP[:, :1, :3, :3])
    assert (one(input).data != other(input).data).any()
    other.load_state_dict(one.state_dict())
    assert (one(input).data == other(input).data).all()


def test_an_unrolled_localisation_is_one():
    assert count_parameters(compositional("affine", "released", 3)) == 3 * count_parameters(
        inverse_compositional("affine", "released", 3)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_starts_at_the_identity(dtype):
    """Where every coordinate is a float, the output is the input itself, after any number of steps."""
    localisation = convolutional_localisation(
        (2, 16, 32), Projective(), convolutions=[Convolution(3, 5, 2)], rng=np.random.default_rng(6), dtype=dtype
    )
    input = Tensor(np.random.default_rng(7).random((3, 2, 16, 32)).astype(dtype))
    output = CompositionalTransformer([localisation] * 3, Projective(), update="inverse")(input)
    assert output.dtype == dtype and (output.data == input.data).all()


def test_views_show_every_step():
    deltas = increments("translation", 3)
    transformer = CompositionalTransformer([Told(delta) for delta in deltas], Translation(), size=(4, 5))
    seen = views(transformer, MAP)
    assert list(seen) == ["[0]", "[1]", "[2]"]
    for k, view in enumerate(seen.values()):
        assert (view.inputs == MAP).all() and view.outputs.shape[2:] == ((4, 5) if k == 2 else (6, 7))
        # Three numbers of order 0.1 are added.
        np.testing.assert_allclose(view.thetas, sum(deltas[: k + 1]), rtol=0, atol=1e-15)


def test_what_cannot_be_is_refused():
    one = Told(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="localisations: given none, expected at least one module"):
        CompositionalTransformer([])
    with pytest.raises(ValueError, match="given RotationScaleTranslation, which is not composed as parameters; expec"):
        CompositionalTransformer([one], RotationScaleTranslation())
    with pytest.raises(ValueError, match="update: given 'forward', expected one of 'compositional', 'inverse', 'rele"):
        CompositionalTransformer([one], update="forward")
    with pytest.raises(ValueError, match="size: given 0, expected"):
        CompositionalTransformer([one], size=0)
    with pytest.raises(ValueError, match=r"theta of shape \(2, 5\) for 2 maps, expected \(2, 6\) for Affine"):
        CompositionalTransformer([one])(Tensor(MAP))
    with pytest.raises(ValueError, match=r"input: given shape \(6, 7\), expected \(N, C, H, W\)"):
        CompositionalTransformer([one])(Tensor(MAP[0, 0]))
    with pytest.raises(ValueError, match="delta: given a singular matrix at index 0"):
        CompositionalTransformer([Told(np.zeros((2, 6)))], update="inverse")(Tensor(MAP))
    with pytest.raises(TypeError, match="dtype float32"):
        CompositionalTransformer([Told(np.zeros((2, 6), np.float32))])(Tensor(MAP))


def test_a_module_in_the_place_of_several_is_refused():
    with pytest.raises(TypeError, match=r"localisations: given one module, expected a sequence of them"):
        CompositionalTransformer(Module())
