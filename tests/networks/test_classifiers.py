"""CNN and ST-CNN: the same shapes, about the same number of parameters."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import AveragePool2d
from refwarp.networks import CNN, STCNN, AffineLocalisation, count_parameters, parameter_table

MODELS = [CNN, STCNN]


def pictures(count=2, channels=1, size=(40, 40)):
    return Tensor(np.random.default_rng(0).random((count, channels, *size), np.float32))


@pytest.mark.parametrize("model", MODELS)
def test_pictures_to_scores(model):
    assert model(rng=np.random.default_rng(0))(pictures()).shape == (2, 10)
    small = model((28, 36), channels=3, features=(2, 3), kernel_size=3, classes=4, rng=np.random.default_rng(0))
    assert small(pictures(5, 3, (28, 36))).shape == (5, 4)


def test_both_learn_about_as_many_numbers():
    counts = [count_parameters(model(rng=np.random.default_rng(0))) for model in MODELS]
    assert abs(counts[0] - counts[1]) <= 0.03 * max(counts)
    # By hand: conv 5x5 1-20, 20-36, dense 144-10; localisation conv 1-8, 8-16, dense 256-32-6, conv 1-12, 12-24,
    # dense 96-10; each with its biases.
    assert counts == [520 + 18036 + 1450, 208 + 3216 + 8224 + 198 + 312 + 7224 + 970]


@pytest.mark.parametrize("model", MODELS)
def test_the_table_lists_every_parameter_and_their_sum(model):
    network = model(rng=np.random.default_rng(0))
    lines = parameter_table(network).splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in lines]
    assert sum(counts[:-1]) == counts[-1] == count_parameters(network)
    assert lines[-1].startswith(f"{model.__name__} in total")
    assert len(lines) == 1 + len(network.parameters())


@pytest.mark.parametrize("model", MODELS)
def test_pictures_of_another_size_are_refused(model):
    network = model(rng=np.random.default_rng(0))
    for wrong in (pictures(size=(30, 30)), pictures(channels=3)):
        with pytest.raises(ValueError) as caught:
            network(wrong)
        assert str(caught.value) == f"input: given shape {wrong.shape}, expected (N, 1, 40, 40)"


@pytest.mark.parametrize("model", [*MODELS, AffineLocalisation])
@pytest.mark.parametrize("reduction", [0, -2, 1.5])
def test_an_impossible_reduction_is_refused(model, reduction):
    with pytest.raises(ValueError, match=f"reduction: given {reduction}, expected a positive integer"):
        model((40, 40), reduction=reduction, rng=np.random.default_rng(0))


@pytest.mark.parametrize("model", MODELS)
def test_the_generator_fixes_the_weights(model):
    first, again, other = (model(rng=np.random.default_rng(seed)).state_dict() for seed in (0, 0, 1))
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_takes_part(model):
    """After a step away from the identity, where the regression's zero weights let nothing through."""
    network, rng = model(rng=np.random.default_rng(0)), np.random.default_rng(1)
    if isinstance(network, STCNN):
        regression = network.transformer.localisation.regression
        regression.weight.data = rng.normal(0, 0.01, regression.weight.shape).astype(np.float32)
    scores = network(pictures(16))
    scores.backward(rng.standard_normal(scores.shape).astype(np.float32))
    assert all(parameter.grad is not None and parameter.grad.data.any() for parameter in network.parameters())


def test_at_the_start_the_transformer_only_averages_squares():
    """Halving the size at the identity samples between four pixels, with equal weights."""
    transformed, _, grid = STCNN(rng=np.random.default_rng(0)).transformer.transform(pictures())
    assert grid.shape == (2, 20, 20, 2)
    # A coordinate is off by at most 20 u pixels, as in the transformer's test; two roundings of values below 1.
    assert abs(transformed.data - AveragePool2d(2)(pictures()).data).max() <= 21 * np.finfo(np.float32).eps
