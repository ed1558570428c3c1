"""Localisation networks: where they start, what they read, what they refuse."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import AveragePool2d, Conv2d, Dense, Flatten, MaxPool2d, ReLU
from refwarp.networks import (
    Affine,
    Convolution,
    Projective,
    ThinPlateSpline,
    convolutional_localisation,
    count_parameters,
    fully_connected_localisation,
    regression,
)

TRANSFORMATIONS = [Affine(), Projective(), ThinPlateSpline()]


def convolutional(shape=(2, 28, 20), transformation=TRANSFORMATIONS[0], reduction=2, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    convolutions = (Convolution(3, 5, 2), Convolution(4, 3))
    return convolutional_localisation(
        shape, transformation, convolutions=convolutions, hidden=(7,), reduction=reduction, rng=rng, dtype=dtype
    )


def fully_connected(shape=(2, 28, 20), transformation=TRANSFORMATIONS[0], seed=0, dtype=np.float32):
    return fully_connected_localisation(
        shape, transformation, hidden=(6, 5), rng=np.random.default_rng(seed), dtype=dtype
    )


BOTH = pytest.mark.parametrize("build", [convolutional, fully_connected])


def maps(shape=(3, 2, 28, 20), dtype=np.float32, seed=0):
    return Tensor(np.random.default_rng(seed).random(shape, dtype))


@BOTH
@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_starts_at_the_identity_whatever_it_reads(build, transformation, dtype):
    localisation = build(transformation=transformation, dtype=dtype)
    for seed in range(2):
        theta = localisation(maps(dtype=dtype, seed=seed))
        assert theta.dtype == dtype and theta.shape == (3, transformation.count)
        assert (theta.data == transformation.identity.astype(dtype)).all()
    assert localisation.hidden(maps(dtype=dtype)).data.any()


@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=lambda t: type(t).__name__)
def test_only_the_regression_s_weights_are_zero(transformation):
    layer = regression(5, transformation, rng=np.random.default_rng(0))
    assert layer.weight.shape == (transformation.count, 5) and not layer.weight.data.any()
    for build in (convolutional, fully_connected):
        for name, parameter in build(transformation=transformation).hidden.named_parameters():
            assert parameter.data.any() != name.endswith("bias")


def test_the_layers_and_their_order():
    layers = convolutional().hidden.layers
    assert list(map(type, layers)) == [AveragePool2d, Conv2d, MaxPool2d, ReLU, Conv2d, ReLU, Flatten, Dense, ReLU]
    assert type(convolutional(reduction=1).hidden.layers[0]) is Conv2d
    assert list(map(type, fully_connected().hidden.layers)) == [Flatten, Dense, ReLU, Dense, ReLU]


def test_how_many_numbers_they_learn():
    # By hand: 28x20 averaged to 14x10, conv 5x5 2-3, halved to 5x3, conv 3x3 3-4, to 3x1, dense 12-7, 7-6.
    assert count_parameters(convolutional()) == (50 + 1) * 3 + (27 + 1) * 4 + (12 + 1) * 7 + (7 + 1) * 6
    assert count_parameters(fully_connected()) == (2 * 28 * 20 + 1) * 6 + (6 + 1) * 5 + (5 + 1) * 6
    # Those of STN's Table 1 for 28x28: 14x14, conv 5x5 1-16 to 5x5, conv 3x3 16-20 to 3x3, dense 180-32, 32-32.
    options = {"convolutions": (Convolution(16, 5, 2), Convolution(20, 3)), "reduction": 2}
    table = convolutional_localisation((1, 28, 28), ThinPlateSpline(), **options, rng=np.random.default_rng(0))
    assert count_parameters(table) == 16 * 26 + 20 * 145 + 181 * 32 + 33 * 32


@BOTH
def test_the_generator_fixes_the_weights(build):
    first, again, other = (build(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@BOTH
def test_maps_of_another_shape_are_refused(build):
    for shape in ((3, 2, 28, 21), (3, 1, 28, 20), (2, 28, 20)):
        with pytest.raises(ValueError) as caught:
            build()(maps(shape))
        assert str(caught.value) == f"input: given shape {shape}, expected (N, 2, 28, 20)"


@pytest.mark.parametrize("reduction", [0, -2, 1.5])
def test_an_impossible_reduction_is_refused(reduction):
    with pytest.raises(ValueError, match=f"reduction: given {reduction}, expected a positive integer"):
        convolutional(reduction=reduction)


def test_convolutions_may_keep_the_size_and_drop_out():
    rng = np.random.default_rng(0)
    convolutions = (Convolution(3, 5, 2, "same", 0.5), Convolution(4, 3, padding="same"))
    network = convolutional_localisation((1, 6, 9), convolutions=convolutions, hidden=(), rng=rng)
    assert network.regression.weight.shape == (6, 4 * 3 * 4)
    input = Tensor(np.random.default_rng(1).random((2, 1, 6, 9), np.float32))
    dropped = [network.hidden.layers[3](network.hidden.layers[2](input)).data for _ in range(2)]
    assert (dropped[0] != dropped[1]).any() and 0.3 < np.mean(dropped[0] == 0) < 0.7
    with network.evaluation():
        assert (network.hidden(input).data == network.hidden(input).data).all()


def test_maps_that_are_too_small_are_refused():
    expected = (
        r"shape: given \(2, 7, 10\), of which the convolutions leave nothing from the one at index 1 on \(3 pixels, "
        r"pooling by 1\); give a larger map"
    )
    with pytest.raises(ValueError, match=expected):
        convolutional((2, 14, 20))
