"""Layers against their formulas written as loops, and their derivatives by gradcheck."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_core import Tensor, functions, grad, gradcheck
from autograd_core.layers import (
    AveragePool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    average_pool2d,
    conv2d,
    global_average_pool2d,
    global_max_pool2d,
    he_normal,
    max_pool2d,
    mean_squared_error,
    pieces,
    pooling,
    softmax_cross_entropy,
)
from tests.autograd_core.draws import integers, normal, rng
from tests.threads import threads

EPS = np.finfo(np.float64).eps
EPS32 = np.finfo(np.float32).eps


def pool_by_loops(input, size, stride, gout):
    """Return maxima, means, and the gradients of both; of equal maxima the first in row-major order counts."""
    n, c, h, w = input.shape
    shape = (n, c, (h - size[0]) // stride[0] + 1, (w - size[1]) // stride[1] + 1)
    largest, means = np.zeros(shape), np.zeros(shape)
    glargest, gmeans = np.zeros(input.shape), np.zeros(input.shape)
    for m, k, y, x in np.ndindex(shape):
        places = [(m, k, stride[0] * y + i, stride[1] * x + j) for i in range(size[0]) for j in range(size[1])]
        best = places[0]
        for place in places:
            means[m, k, y, x] += input[place] / len(places)
            gmeans[place] += gout[m, k, y, x] / len(places)
            if input[place] > input[best]:
                best = place
        largest[m, k, y, x] = input[best]
        glargest[best] += gout[m, k, y, x]
    return largest, means, glargest, gmeans


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(4, 7), st.integers(4, 7)),
    st.sampled_from([(1, 1), (2, 2), (2, 4), (4, 1)]),  # powers of two, so that the means are exact
    st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_pooling_and_its_gradients_equal_the_loops_ties_included(shape, size, stride):
    check_pooling(shape, size, stride)


@given(
    st.integers(1, 5), st.sampled_from([(4, 4), (2, 1)]), st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3))
)
def test_pooling_in_small_pieces_on_threads_does_too(batch, size, stride):
    with pytest.MonkeyPatch.context() as patch, threads(3):
        patch.setattr(pieces, "PIECE", 100)
        patch.setattr(pooling, "WORTHWHILE", 0)
        check_pooling((batch, 2, 5, 6), size, stride)


def check_pooling(shape, size, stride):
    values = np.random.default_rng(0).integers(-2, 3, shape).astype(float)
    input = Tensor(values, requires_grad=True)
    largest, means = max_pool2d(input, size, stride), average_pool2d(input, size, stride)
    gout = integers(*largest.shape, seed=1)
    got = largest, means, grad(largest, input, gout)[0], grad(means, input, gout)[0]
    for tensor, expected in zip(got, pool_by_loops(values, size, stride or size, gout), strict=True):
        np.testing.assert_array_equal(tensor.data, expected)


@pytest.mark.parametrize("pool", [max_pool2d, average_pool2d])
@pytest.mark.parametrize("stride", [None, 1])
def test_pooling_derivatives(pool, stride):
    gradcheck(lambda x: pool(x, (2, 3), stride) ** 2, [normal(2, 2, 4, 6)], rng=rng(), order=2)


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (4, 3), (2, 5), (1, 9), (9, 1), (16, 16)])
def test_the_gradient_of_max_pooling_goes_to_the_first_largest_value_of_each_window(size):
    """Of few different values, so that most windows have several largest ones; with rows and columns left over."""
    kh, kw = size
    shape = (2, 3, 3 * kh + (kh > 1), 2 * kw + (kw > 1))
    values = np.random.default_rng(0).integers(0, 3, shape).astype(np.float64)
    values[0, 0, 0, 0] = np.nan  # of the first window nothing is the largest
    input, gout = Tensor(values, requires_grad=True), normal(2, 3, 3, 2)
    (ginput,) = grad(max_pool2d(input, size), input, gout)
    expected = np.zeros(shape)
    for n, c, y, x in np.ndindex(2, 3, 3, 2):
        window = values[n, c, y * kh : (y + 1) * kh, x * kw : (x + 1) * kw]
        if not np.isnan(window).any():
            i, j = np.argwhere(window == window.max())[0]  # row by row
            expected[n, c, y * kh + i, x * kw + j] = gout[n, c, y, x]
    assert (ginput.data == expected).all()


def test_max_pooling_passes_nan_on():
    values = np.arange(16.0).reshape(1, 1, 4, 4)
    values[0, 0, 0, 0] = np.nan
    input = Tensor(values, requires_grad=True)
    out = max_pool2d(input, 2)
    np.testing.assert_array_equal(out.data[0, 0], [[np.nan, 7], [13, 15]])
    (ginput,) = grad(out, input, np.array([[[[2.0, 3.0], [5.0, 7.0]]]]))
    np.testing.assert_array_equal(ginput.data[0, 0, :2], [[0, 0, 0, 0], [0, 0, 0, 3]])


@pytest.mark.parametrize("shape", [(2, 2, 1, 1), (1, 3, 4, 2), (3, 1, 2, 8), (0, 2, 2, 2)])
def test_pooling_of_whole_maps_equals_the_loops_ties_included(shape):
    values = np.random.default_rng(0).integers(-2, 3, shape).astype(float)
    input = Tensor(values, requires_grad=True)
    largest, means = global_max_pool2d(input), global_average_pool2d(input)
    gout = integers(*shape[:2], seed=1)
    got = largest, means, grad(largest, input, gout)[0], grad(means, input, gout)[0]
    expected = pool_by_loops(values, shape[2:], (1, 1), gout[:, :, None, None])
    for tensor, right in zip(got, expected, strict=True):
        np.testing.assert_array_equal(tensor.data, right.reshape(tensor.shape))


@pytest.mark.parametrize("pool", [global_max_pool2d, global_average_pool2d])
def test_derivatives_of_pooling_of_whole_maps(pool):
    gradcheck(lambda x: pool(x) ** 2, [normal(2, 2, 4, 3)], rng=rng(), order=2)


@pytest.mark.parametrize("pool", [global_max_pool2d, global_average_pool2d])
def test_a_map_with_a_nan_is_pooled_to_nan(pool):
    values = np.ones((1, 2, 2, 2))
    values[0, 0, 1, 0] = np.nan
    np.testing.assert_array_equal(pool(values).data, [[np.nan, 1]])


@pytest.mark.parametrize("pool", [global_max_pool2d, global_average_pool2d])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 0, 4)])
def test_what_has_no_pixels_is_not_pooled(pool, shape):
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\) with H, W >= 1"):
        pool(np.ones(shape))


@pytest.mark.parametrize("slope", [0.0, -0.1, float("nan")])
def test_a_leaky_rectifier_without_a_slope_is_refused(slope):
    for make in (lambda: functions.leaky_relu(1.0, slope), lambda: LeakyReLU(slope)):
        with pytest.raises(ValueError, match=f"negative_slope: given {slope}, expected a number >"):
            make()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "layer",
    [
        ReLU(),
        Tanh(),
        Sigmoid(),
        LeakyReLU(),
        Flatten(),
        MaxPool2d(2),
        AveragePool2d(2, 1),
        Dropout(0.5, np.random.default_rng(0)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_keep_their_dtype(layer, dtype):
    input = Tensor(normal(2, 3, 4, 4).astype(dtype), requires_grad=True)
    out = layer(input)
    (ginput,) = grad(out, input, normal(*out.shape).astype(dtype))
    assert out.dtype == ginput.dtype == dtype


def batch_norm_by_formula(x, weight, bias, eps):
    """Return the normalised input, and the batch's statistics, in Python sums over each channel."""
    out, means, variances = np.zeros(x.shape), [], []
    for k in range(x.shape[1]):
        values = x[:, k].ravel()
        mean = math.fsum(values) / values.size
        variance = math.fsum((values - mean) ** 2) / values.size
        out[:, k] = (x[:, k] - mean) / math.sqrt(variance + eps) * weight[k] + bias[k]
        means.append(mean)
        variances.append(variance)
    return out, np.array(means), np.array(variances)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 5)])
def test_batch_normalisation_follows_its_formula_in_training_and_evaluation(shape):
    layer = BatchNorm(3, eps=1e-3, momentum=0.25, dtype=np.float64)
    layer.weight.data, layer.bias.data = normal(3, seed=1), normal(3, seed=2)
    running_mean, running_var = np.zeros(3), np.ones(3)
    m = math.prod(shape) / 3
    for step in range(3):
        x = 2 + 3 * normal(*shape, seed=3 + step)
        out = layer(Tensor(x))
        expected, mean, variance = batch_norm_by_formula(x, layer.weight.data, layer.bias.data, 1e-3)
        running_mean = 0.75 * running_mean + 0.25 * mean
        running_var = 0.75 * running_var + 0.25 * variance * m / (m - 1)
        # Numbers of size 1 to 10, a dozen roundings each.
        np.testing.assert_allclose(out.data, expected, rtol=0, atol=100 * EPS)
    np.testing.assert_allclose(layer.buffers["running_mean"], running_mean, rtol=16 * EPS)
    np.testing.assert_allclose(layer.buffers["running_var"], running_var, rtol=16 * EPS)
    layer.eval()
    x = normal(*shape)
    along = (slice(None),) + (None,) * (len(shape) - 2)
    expected = (x - running_mean[along]) / np.sqrt(running_var[along] + 1e-3)
    expected = expected * layer.weight.data[along] + layer.bias.data[along]
    before = layer.state_dict()
    np.testing.assert_allclose(layer(Tensor(x)).data, expected, rtol=0, atol=100 * EPS)
    assert all((before[name] == value).all() for name, value in layer.state_dict().items())


@pytest.mark.parametrize("shape", [(5, 2), (2, 2, 2, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalisation_derivatives(shape, training):
    def normalise(x, weight, bias):
        layer = BatchNorm(2, dtype=np.float64)
        layer.train(training)
        layer.weight, layer.bias = weight, bias
        layer.buffers = {"running_mean": normal(2, seed=8), "running_var": 1 + normal(2, seed=9) ** 2}
        return layer(x)

    gradcheck(normalise, [normal(*shape), normal(2, seed=1), normal(2, seed=2)], rng=rng(), order=2)


def test_batch_normalisation_of_constant_channels_has_no_gradient_in_the_input():
    layer = BatchNorm(1, dtype=np.float64)
    x = Tensor(np.full((4, 1), 7.0), requires_grad=True)
    out = layer(x)
    np.testing.assert_array_equal(out.data, np.zeros((4, 1)))
    w = normal(4, 1)
    (gx,) = grad(out, x, w)
    np.testing.assert_allclose(gx.data, (w - w.mean()) / math.sqrt(1e-5), rtol=64 * EPS)


def test_dropout_keeps_the_expectation_and_draws_from_its_generator():
    layer = Dropout(0.25, np.random.default_rng(3))
    x = Tensor(np.ones((200, 500), np.float32), requires_grad=True)
    out = layer(x)
    kept = out.data != 0
    assert set(np.unique(out.data)) == {np.float32(0), np.float32(4 / 3)}
    # 100,000 draws: the share kept has a standard deviation of 0.0014; five of them.
    assert abs(kept.mean() - 0.75) < 5 * math.sqrt(0.75 * 0.25 / kept.size)
    (gx,) = grad(out, x, np.full(x.shape, 3, np.float32))
    np.testing.assert_array_equal(gx.data, 3 * out.data)
    again = Dropout(0.25, np.random.default_rng(3))(x)
    np.testing.assert_array_equal(again.data, out.data)
    layer.eval()
    assert layer(x) is x


def test_dense():
    layer = Dense(3, 2, rng=rng(), dtype=np.float64)
    layer.weight.data, layer.bias.data = integers(2, 3), integers(2, seed=1)
    x = integers(4, 3, seed=2)
    expected = [[sum(row[k] * w[k] for k in range(3)) + b for w, b in zip(*state(layer), strict=True)] for row in x]
    np.testing.assert_array_equal(layer(Tensor(x)).data, expected)
    assert layer(Tensor(integers(5, 4, 3))).shape == (5, 4, 2)


def state(layer):
    return layer.weight.data, layer.bias.data


def test_he_initialisation():
    weight = he_normal(np.random.default_rng(0), (400, 500), 500, np.float32)
    # 200,000 draws: the standard deviation is known to 1 / sqrt(2 n) of itself; five of those.
    assert weight.dtype == np.float32 and weight.requires_grad
    assert abs(weight.data.std() / math.sqrt(2 / 500) - 1) < 5 / math.sqrt(2 * weight.size)
    twin = he_normal(np.random.default_rng(0), (400, 500), 500, np.float64)
    np.testing.assert_array_equal(weight.data, twin.data.astype(np.float32))
    layer = Conv2d(8, 64, 5, rng=np.random.default_rng(1))
    assert abs(layer.weight.data.std() / math.sqrt(2 / 200) - 1) < 5 / math.sqrt(2 * layer.weight.size)
    assert not layer.bias.data.any()


def test_a_whole_network_has_the_right_gradient():
    generator = rng()
    network = Sequential(
        Conv2d(1, 2, 3, rng=generator, dtype=np.float64),
        BatchNorm(2, dtype=np.float64),
        Tanh(),
        AveragePool2d(2),
        Flatten(),
        Dense(8, 3, rng=generator, dtype=np.float64),
    )
    names, parameters = zip(*network.named_parameters(), strict=True)

    def loss(x, *values):
        for name, value in zip(names, values, strict=True):
            layer, attribute = name.split(".")[1:]
            setattr(network.layers[int(layer)], attribute, value)
        return softmax_cross_entropy(network(x), [2, 0])

    gradcheck(loss, [normal(2, 1, 6, 6), *(p.data for p in parameters)], rng=rng())


def test_layers_and_losses_take_arrays():
    x = normal(2, 3)
    dense, norm = Dense(3, 3, rng=rng(), dtype=np.float64), BatchNorm(3, dtype=np.float64)
    dropout = Dropout(0.5, rng())
    dropout.eval()
    for function in (dense, norm, dropout, Flatten(), lambda logits: softmax_cross_entropy(logits, Tensor([0, 2]))):
        for value in (x, x.tolist()):
            np.testing.assert_array_equal(function(value).data, function(Tensor(x)).data, strict=True)


LAYER_ERRORS = {
    "width": (lambda: Dense(3, 2, rng=rng())(normal(4, 5)), r"input: given shape \(4, 5\), expected \(\.\.\., 3\)"),
    "no inputs": (lambda: Dense(0, 2, rng=rng()), "in_features: given 0, expected an integer >= 1"),
    "no outputs": (lambda: Dense(2, 0, rng=rng()), "out_features: given 0"),
    "no channels": (lambda: Conv2d(0, 2, 3, rng=rng()), "in_channels: given 0"),
    "no kernels": (lambda: Conv2d(2, -1, 3, rng=rng()), "out_channels: given -1"),
    "no features": (lambda: BatchNorm(0), "num_features: given 0"),
    "eps in words": (lambda: BatchNorm(1, eps="a"), "eps: given 'a', expected a number >= 0"),
    "momentum in words": (lambda: BatchNorm(1, momentum="a"), "momentum: given 'a', expected a number from 0 to 1"),
    "a truth as stride": (lambda: MaxPool2d(2, True), "stride: given True, expected an integer"),
    "channels": (lambda: conv2d(normal(1, 2, 4, 4), normal(1, 3, 2, 2)), r"conv2d: given input \(1, 2, 4, 4\)"),
    "axes": (lambda: conv2d(normal(2, 4, 4), normal(1, 2, 2, 2)), r"expected \(N, C, H, W\)"),
    "bias": (lambda: conv2d(normal(1, 2, 4, 4), normal(1, 2, 2, 2), normal(2)), r"bias: given shape \(2,\)"),
    "large kernel": (lambda: conv2d(normal(1, 1, 2, 4), normal(1, 1, 3, 3)), "H >= 3 and W >= 3"),
    "stride": (lambda: conv2d(normal(1, 1, 4, 4), normal(1, 1, 2, 2), stride=0), "stride: given 0, expected"),
    "padding": (lambda: conv2d(normal(1, 1, 4, 4), normal(1, 1, 2, 2), padding=(1, -1)), "padding: given"),
    "pool": (lambda: max_pool2d(Tensor(normal(1, 1, 2, 2)), 3), "the size of the window"),
    "pool size": (lambda: MaxPool2d(1.5), "size: given 1.5"),
    "p": (lambda: Dropout(1.0, rng()), "p: given 1.0"),
    "features": (lambda: BatchNorm(3)(Tensor(normal(4, 2))), r"expected \(N, 3, ...\)"),
    "one value": (lambda: BatchNorm(2)(Tensor(normal(1, 2).astype(np.float32))), "two or more values"),
    "eps": (lambda: BatchNorm(2, eps=-1), "eps: given -1, expected a number >= 0"),
    "eps that is none": (lambda: BatchNorm(2, eps=math.nan), "eps: given nan"),
    "momentum": (lambda: BatchNorm(2, momentum=2.0), "momentum: given 2.0, expected a number from 0 to 1"),
    "negative momentum": (lambda: BatchNorm(2, momentum=-0.1), "momentum: given -0.1"),
    "last minibatch": (lambda: BatchNorm(2)(Tensor(normal(1, 2).astype(np.float32))), "one example out, or call eval"),
    "labels": (lambda: softmax_cross_entropy(Tensor(normal(2, 3)), [0, 3]), "labels: given 0 ... 3"),
    "label count": (lambda: softmax_cross_entropy(Tensor(normal(2, 3)), [0]), r"labels: given shape \(1,\)"),
    "target": (lambda: mean_squared_error(Tensor(normal(2, 3)), normal(3)), r"target: given shape \(3,\)"),
}


@pytest.mark.parametrize("name", LAYER_ERRORS)
def test_bad_input_ends_in_one_clear_sentence(name):
    call, message = LAYER_ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_other_precisions_are_refused_by_layers():
    generator = rng()
    x = Tensor(normal(2, 1, 4, 4))
    for layer in (Conv2d(1, 1, 2, rng=generator), Dense(4, 2, rng=generator), BatchNorm(1)):
        before = layer.state_dict()
        with pytest.raises(TypeError, match="one precision"):
            layer(x)
        assert all((before[name] == value).all() for name, value in layer.state_dict().items())
    with pytest.raises(TypeError, match="labels: given dtype float64"):
        softmax_cross_entropy(functions.flatten(x), [0.0, 1.0])


def test_batch_statistics_are_those_of_calls_that_succeed():
    layer = BatchNorm(2)
    before = {name: array.copy() for name, array in layer.buffers.items()}

    def unchanged():
        return all(
            array.dtype == before[name].dtype and (array == before[name]).all() for name, array in layer.buffers.items()
        )

    for input in (normal(3, 2), np.array([[1, 200], [3, 4]]), normal(1, 2).astype(np.float32), normal(2, 3)):
        with pytest.raises((TypeError, ValueError), match="BatchNorm: given operands of dtypes|input: given shape"):
            layer(input)
        assert unchanged()
    layer.bias = Tensor(np.zeros(3, np.float32), requires_grad=True)  # fits nothing, which only the last sum notices
    with pytest.raises(ValueError):
        layer(normal(3, 2).astype(np.float32))
    assert unchanged()
