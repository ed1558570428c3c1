"""Classifiers with and without a transformer: shapes, parameters, widths and refusals."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import AveragePool2d, Dense, Flatten, ReLU
from refwarp.networks import (
    CNN,
    Convolution,
    SpatialTransformer,
    Transformed,
    TransformedWithTheta,
    convolutional_classifier,
    convolutional_localisation,
    count_parameters,
    fully_connected_classifier,
    fully_connected_localisation,
    parameter_table,
    width_for,
)


def half(shape):
    return shape[0], shape[1] // 2, shape[2] // 2


def classifier(shape, kernel_size, classes, rng):
    convolutions = [Convolution(4, kernel_size, 2), Convolution(6, kernel_size, 2)]
    return convolutional_classifier(shape, convolutions=convolutions, classes=classes, rng=rng)


def cnn(shape=(1, 40, 40), kernel_size=5, classes=10, seed=0):
    return CNN(shape, 2, classifier(half(shape), kernel_size, classes, np.random.default_rng(seed)))


def st_cnn(shape=(1, 40, 40), kernel_size=5, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    convolutions = [Convolution(3, kernel_size, 2), Convolution(5, kernel_size)]
    localisation = convolutional_localisation(shape, convolutions=convolutions, hidden=(7,), reduction=2, rng=rng)
    transformer = SpatialTransformer(localisation, size=half(shape)[1:])
    return Transformed(transformer, classifier(half(shape), kernel_size, classes, rng))


def st_fcn(shape=(1, 40, 40), kernel_size=None, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    transformer = SpatialTransformer(fully_connected_localisation(shape, hidden=(6, 5), rng=rng))
    return Transformed(transformer, fully_connected_classifier(shape, hidden=(8, 8), classes=classes, rng=rng))


def st_cnn_with_theta(shape=(1, 40, 40), kernel_size=5, classes=10, seed=0):
    """The features of the classifier and theta, classified by one more layer."""
    plain, rng = st_cnn(shape, kernel_size, 8, seed), np.random.default_rng(seed)
    return TransformedWithTheta(plain.transformer, plain.classifier, Dense(8 + 6, classes, rng=rng))


MODELS = [cnn, st_cnn, st_fcn, st_cnn_with_theta]


def pictures(count=2, shape=(1, 40, 40)):
    return Tensor(np.random.default_rng(0).random((count, *shape), np.float32))


@pytest.mark.parametrize("model", MODELS)
def test_pictures_to_scores(model):
    assert model()(pictures()).shape == (2, 10)
    small = model((3, 28, 36), kernel_size=3, classes=4)
    assert small(pictures(5, (3, 28, 36))).shape == (5, 4)


@pytest.mark.parametrize("model", MODELS)
def test_the_table_lists_every_parameter_and_their_sum(model):
    network = model()
    lines = parameter_table(network).splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in lines]
    assert sum(counts[:-1]) == counts[-1] == count_parameters(network)
    assert lines[-1].startswith(f"{type(network).__name__} in total")
    assert len(lines) == 1 + len(network.parameters())


@pytest.mark.parametrize("model", MODELS)
def test_pictures_of_another_size_are_refused(model):
    network = model()
    for wrong in (pictures(shape=(1, 30, 30)), pictures(shape=(3, 40, 40))):
        with pytest.raises(ValueError) as caught:
            network(wrong)
        assert str(caught.value) == f"input: given shape {wrong.shape}, expected (N, 1, 40, 40)"


@pytest.mark.parametrize("reduction", [0, -2, 1.5])
def test_an_impossible_reduction_is_refused(reduction):
    with pytest.raises(ValueError, match=f"reduction: given {reduction}, expected a positive integer"):
        CNN((1, 40, 40), reduction, classifier((1, 20, 20), 5, 10, np.random.default_rng(0)))


@pytest.mark.parametrize("model", MODELS)
def test_the_generator_fixes_the_weights(model):
    first, again, other = (model(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_takes_part(model):
    """After a step away from the identity, where the regression's zero weights let nothing through."""
    network, rng = model(), np.random.default_rng(1)
    if not isinstance(network, CNN):
        last = network.transformer.localisation.regression
        last.weight.data = rng.normal(0, 0.01, last.weight.shape).astype(np.float32)
    scores = network(pictures(16))
    scores.backward(rng.standard_normal(scores.shape).astype(np.float32))
    assert all(parameter.grad is not None and parameter.grad.data.any() for parameter in network.parameters())


def test_at_the_start_the_transformer_only_averages_squares():
    """Halving the size at the identity samples between four pixels, with equal weights."""
    transformed, _, grid = st_cnn().transformer.transform(pictures())
    assert grid.shape == (2, 20, 20, 2)
    # A coordinate is off by at most 20 u pixels, as in the transformer's test; two roundings of values below 1.
    assert abs(transformed.data - AveragePool2d(2)(pictures()).data).max() <= 21 * np.finfo(np.float32).eps


def test_theta_is_fed_forward():
    network = st_cnn_with_theta()
    last = network.transformer.localisation.regression
    last.weight.data = np.random.default_rng(1).normal(0, 0.01, last.weight.shape).astype(np.float32)
    input = pictures(3)
    output, theta, _ = network.transformer.transform(input)
    row = np.concatenate([network.features(output).data, theta.data], axis=1)
    expected = row @ network.classifier.weight.data.T + network.classifier.bias.data
    # 14 products of some units.
    np.testing.assert_allclose(network(input).data, expected, rtol=0, atol=1e-5)
    # Where only theta counts, its gradient does not come through the pixels.
    network.classifier.weight.data = network.classifier.weight.data * (np.arange(14) >= 8).astype(np.float32)
    network(input).backward(np.ones((3, 10), np.float32))
    np.testing.assert_allclose(
        last.bias.grad.data, 3 * network.classifier.weight.data[:, 8:].sum(axis=0), rtol=0, atol=1e-4
    )


def table_1(width, side=28, poolings=(2, 2)):
    """Return the convolutional classifier of STN's Table 1 for pictures of one of its sizes."""
    convolutions = [Convolution(16, 9, poolings[0]), Convolution(width, 7, poolings[1])]
    rng = np.random.default_rng(0)
    return convolutional_classifier((1, side, side), convolutions=convolutions, classes=10, rng=rng)


@pytest.mark.parametrize(("side", "poolings"), [(28, (2, 2)), (42, (3, 2)), (60, (4, 3))])
def test_two_kernel_sizes_and_two_poolings(side, poolings):
    """Two pixels remain each way: 28 - 8 = 20 -> 10 - 6 = 4 -> 2; 34 -> 11 -> 5 -> 2; 52 -> 13 -> 7 -> 2."""
    network = table_1(5, side, poolings)
    assert network(pictures(3, (1, side, side))).shape == (3, 10)
    assert count_parameters(network) == (81 + 1) * 16 + (16 * 49 + 1) * 5 + (4 * 5 + 1) * 10


def test_layers_of_a_fully_connected_classifier():
    network = fully_connected_classifier((2, 3, 4), hidden=(5, 5), classes=3, rng=np.random.default_rng(0))
    assert list(map(type, network.layers)) == [Flatten, Dense, ReLU, Dense, ReLU, Dense]
    assert count_parameters(network) == 25 * 5 + 6 * 5 + 6 * 3
    convolutional = convolutional_classifier(
        (1, 8, 8), convolutions=[Convolution(2, 3)], hidden=(4,), classes=3, rng=np.random.default_rng(0)
    )
    assert count_parameters(convolutional) == 10 * 2 + (36 * 2 + 1) * 4 + 5 * 3


def of_width(width):
    """A model of 10 width + 1 numbers."""
    return Dense(10 * width, 1, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("target", "expected"),
    [(1, 1), (11, 1), (15, 1), (16, 1), (17, 2), (21, 2), (100, 10), (101, 10), (106, 10), (107, 11), (1284, 128)],
)
def test_the_width_that_comes_closest(target, expected):
    """Of 10 w + 1; 16, 106 are as far from the next as from the one before."""
    assert width_for(target, of_width) == expected


def test_the_width_of_a_classifier_of_80_000_numbers():
    width = width_for(80_000, table_1)
    distances = [abs(count_parameters(table_1(near)) - 80_000) for near in (width - 1, width, width + 1)]
    assert min(distances) == distances[1]
    # By hand: 1,312 + 785 w + 40 w + 10 is 79,697 at 95, and 80,522 at 96.
    assert width == 95


def test_a_model_that_does_not_grow_is_refused():
    with pytest.raises(ValueError, match="build: given a function whose model has 11 parameters at width 1 and 11 at"):
        width_for(100, lambda width: of_width(1))
    with pytest.raises(ValueError, match="target: given 0, expected a positive integer"):
        width_for(0, of_width)
