"""CNN and ST-CNN: shapes, parameters and refusals."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import AveragePool2d
from refwarp.networks import CNN, STCNN, AffineLocalisation, convolutional_classifier, count_parameters, parameter_table


def classifier(size, channels, kernel_size, classes, rng):
    options = {"channels": channels, "features": (4, 6), "kernel_size": kernel_size, "classes": classes}
    return convolutional_classifier((size[0] // 2, size[1] // 2), **options, rng=rng)


def localisation(size, channels, kernel_size, rng, reduction=2):
    options = {"channels": channels, "features": (3, 5), "kernel_size": kernel_size, "reduction": reduction}
    return AffineLocalisation(size, **options, hidden=7, rng=rng)


def cnn(size=(40, 40), channels=1, kernel_size=5, classes=10, seed=0):
    return CNN(size, channels, 2, classifier(size, channels, kernel_size, classes, np.random.default_rng(seed)))


def st_cnn(size=(40, 40), channels=1, kernel_size=5, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    reads = localisation(size, channels, kernel_size, rng)
    return STCNN(reads, (size[0] // 2, size[1] // 2), classifier(size, channels, kernel_size, classes, rng))


MODELS = [cnn, st_cnn]


def pictures(count=2, channels=1, size=(40, 40)):
    return Tensor(np.random.default_rng(0).random((count, channels, *size), np.float32))


@pytest.mark.parametrize("model", MODELS)
def test_pictures_to_scores(model):
    assert model()(pictures()).shape == (2, 10)
    small = model((28, 36), channels=3, kernel_size=3, classes=4)
    assert small(pictures(5, 3, (28, 36))).shape == (5, 4)


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
    for wrong in (pictures(size=(30, 30)), pictures(channels=3)):
        with pytest.raises(ValueError) as caught:
            network(wrong)
        assert str(caught.value) == f"input: given shape {wrong.shape}, expected (N, 1, 40, 40)"


@pytest.mark.parametrize("reduction", [0, -2, 1.5])
def test_an_impossible_reduction_is_refused(reduction):
    with pytest.raises(ValueError, match=f"reduction: given {reduction}, expected a positive integer"):
        localisation((40, 40), 1, 5, np.random.default_rng(0), reduction)
    with pytest.raises(ValueError, match=f"reduction: given {reduction}, expected a positive integer"):
        CNN((40, 40), 1, reduction, classifier((40, 40), 1, 5, 10, np.random.default_rng(0)))


@pytest.mark.parametrize("model", MODELS)
def test_the_generator_fixes_the_weights(model):
    first, again, other = (model(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_takes_part(model):
    """After a step away from the identity, where the regression's zero weights let nothing through."""
    network, rng = model(), np.random.default_rng(1)
    if isinstance(network, STCNN):
        regression = network.transformer.localisation.regression
        regression.weight.data = rng.normal(0, 0.01, regression.weight.shape).astype(np.float32)
    scores = network(pictures(16))
    scores.backward(rng.standard_normal(scores.shape).astype(np.float32))
    assert all(parameter.grad is not None and parameter.grad.data.any() for parameter in network.parameters())


def test_at_the_start_the_transformer_only_averages_squares():
    """Halving the size at the identity samples between four pixels, with equal weights."""
    transformed, _, grid = st_cnn().transformer.transform(pictures())
    assert grid.shape == (2, 20, 20, 2)
    # A coordinate is off by at most 20 u pixels, as in the transformer's test; two roundings of values below 1.
    assert abs(transformed.data - AveragePool2d(2)(pictures()).data).max() <= 21 * np.finfo(np.float32).eps
