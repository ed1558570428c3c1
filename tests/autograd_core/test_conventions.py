"""What holds for every function and layer: integers, float16, byte order and infinite cotangents, each decided once."""

import numpy as np
import pytest

from autograd_core import Tensor, functions, grad, layers
from autograd_core.layers import (
    BatchNorm,
    Dropout,
    average_pool2d,
    max_pool2d,
    mean_squared_error,
    softmax_cross_entropy,
)
from tests.autograd_core.examples import ALL

EPS16 = np.finfo(np.float16).eps
NO_FUNCTIONS_OF_TENSORS = {"Module", "he_normal"}


def test_every_function_and_layer_is_among_the_examples():
    named = {name.split()[0] for name in ALL}
    assert not {*functions.__all__, *layers.__all__} - named - NO_FUNCTIONS_OF_TENSORS


# Integers


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_integers_are_computed_as_numpy_does_or_in_float64(name, dtype):
    function, inputs = ALL[name]
    rng = np.random.default_rng(0)
    whole = [rng.integers(150, 250, np.shape(x)).astype(dtype) for x in inputs]
    out, expected = function(*map(Tensor, whole)), function(*(Tensor(x.astype(float)) for x in whole))
    if out.dtype.kind in "iu":  # then it is the exact result, modulo what NumPy's integers wrap around at
        modulus = 2.0 ** min(63, 8 * np.iinfo(dtype).bits // 8)
        np.testing.assert_array_equal(np.mod(out.data.astype(float) - expected.data, modulus), 0)
    else:
        assert out.dtype == np.float64
        np.testing.assert_array_equal(out.data, expected.data)


def test_what_integers_give_where_they_were_wrong():
    pixels = np.full((1, 1, 2, 2), 200, np.uint8)
    assert average_pool2d(pixels, 2).item() == 200.0
    assert mean_squared_error(np.array([10], np.uint8), np.array([200], np.uint8)).item() == 190.0**2
    # log(e + e^3) - 1 = log(1 + e^2)
    loss = softmax_cross_entropy(np.array([[1, 3]], np.uint8), [0]).item()
    assert abs(loss - np.log1p(np.exp(2.0))) <= 8 * np.finfo(float).eps
    kept = Dropout(0.2, np.random.default_rng(0))(np.ones(50, np.int64))
    np.testing.assert_array_equal(np.unique(kept.data), [0.0, 1.25])


def test_integers_beside_floating_point_take_its_dtype():
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    out = x * np.array([3, 4], np.uint8)
    assert out.dtype == grad(out, x, np.ones(2, np.float32))[0].dtype == np.float32
    layer = BatchNorm(2)
    assert layer(np.array([[1, 200], [3, 4]], np.uint8)).dtype == np.float32
    assert {array.dtype for array in layer.buffers.values()} == {np.dtype(np.float32)}


# float16


@pytest.mark.parametrize("name", ALL)
def test_float16_stays_float16_and_is_near_the_value(name):
    function, inputs = ALL[name]
    narrow = [np.asarray(x, np.float16) for x in inputs]
    results = []
    for dtype in (np.float16, np.float64):
        tensors = [Tensor(x.astype(dtype), requires_grad=True) for x in narrow]
        out = function(*tensors)
        w = np.random.default_rng(1).uniform(0.5, 1, out.shape).astype(np.float16)
        results.append((out, *grad(out, tensors, w.astype(dtype))))
    for got, expected in zip(*results, strict=True):
        assert got.dtype == np.float16
        # A dozen operations at most, each rounded once, with terms no more than four times the largest result.
        size = max(1.0, abs(expected.data).max(initial=0.0))
        np.testing.assert_allclose(got.data, expected.data, rtol=0, atol=48 * EPS16 / 2 * size)


MANY = 70_000  # more than the largest float16, 65,504


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (functions.mean, 1.0),
        (lambda x: functions.mean(x.reshape(2, -1), [0, 1]), 1.0),
        (lambda x: mean_squared_error(x * 2, x), 1.0),
        (lambda x: functions.logsumexp(x), np.log(MANY) + 1),
        (lambda x: softmax_cross_entropy(functions.stack([x, x], 1), np.zeros(MANY, int)), np.log(2)),
        (lambda x: average_pool2d(x.reshape(1, 1, 700, 100), (700, 100)), 1.0),
    ],
    ids=["mean", "mean over a list of axes", "squared error", "logsumexp", "cross entropy", "average pooling"],
)
def test_a_sum_beyond_float16_is_divided_before_it_is_rounded(function, expected):
    x = Tensor(np.ones(MANY, np.float16), requires_grad=True)
    out = function(x)
    (gx,) = grad(out, x, np.ones(out.shape, np.float16))
    assert out.dtype == gx.dtype == np.float16
    assert abs(out.item() - expected) <= EPS16 / 2 * expected
    assert np.isfinite(gx.data).all()


def test_the_mean_of_large_numbers_is_finite():
    for dtype in (np.float16, np.float32, np.float64):
        large = np.full((1, 1, 2, 2), 0.75 * np.finfo(dtype).max, dtype)
        assert functions.mean(large).item() == average_pool2d(large, 2).item() == large[0, 0, 0, 0]


def test_only_means_whose_sum_is_not_finite_are_taken_again():
    """Beside such a one a subnormal number keeps its digits, and an infinity or NaN stays what it is."""
    rows = np.array([[1.5e308, 1.7e308], [5e-324, 5e-324], [np.inf, 1.0], [np.nan, 1.0], [-1.7e308, -1.7e308]])
    expected = [1.6e308, 5e-324, np.inf, np.nan, -1.7e308]
    np.testing.assert_array_equal(functions.mean(Tensor(rows), 1).data, expected)
    np.testing.assert_array_equal(average_pool2d(Tensor(rows[None, None]), (1, 2)).data[0, 0, :, 0], expected)
    assert functions.mean(Tensor(np.array([1.5e308j, 1.5e308j]))).item() == 1.5e308j


def test_batch_normalisation_in_float16_is_that_of_float32_rounded_once():
    x = 300 * np.random.default_rng(0).normal(size=(3, 2, 200, 120)).astype(np.float16)  # squares beyond 65,504
    outs = []
    for dtype in (np.float16, np.float32):
        layer = BatchNorm(2, dtype=dtype)
        t = Tensor(x.astype(dtype), requires_grad=True)
        out = layer(t)
        (gx,) = grad(out, t, x.astype(dtype) / 512)
        outs.append([out.data, gx.data, *layer.buffers.values()])
        layer.eval()
        outs[-1].append(layer(t).data)
    for narrow, wide in zip(*outs, strict=True):
        np.testing.assert_array_equal(narrow, wide.astype(narrow.dtype), strict=True)


@pytest.mark.parametrize("axis", [None, 0])
def test_a_mean_of_float16_is_rounded_once(axis):
    """Halfway between two numbers of float16 but for a part in 2^17, which float32 would lose."""
    a = np.ones(65536, np.float16)
    a[:32769] += EPS16
    expected = np.float16(1 + EPS16)
    assert functions.mean(a, axis).data == expected
    assert average_pool2d(a.reshape(1, 1, 256, 256), 256).item() == expected


@pytest.mark.parametrize(("count", "cotangents"), [(3, [1, 2047]), (8195, [683, 1366]), (8199, [1757]), (65537, [999])])
def test_the_gradient_of_a_mean_of_float16_is_rounded_once(count, cotangents):
    """Some quotients are so near to midpoints of float16 that float32 rounds them there; float64 keeps them apart."""
    gout = np.array(cotangents, np.float16)
    x = Tensor(np.ones((count, len(gout)), np.float16), requires_grad=True)
    (gx,) = grad(functions.mean(x, 0), x, gout)
    np.testing.assert_array_equal(gx.data[0], (gout / np.float64(count)).astype(np.float16), strict=True)


def test_the_gradient_of_overlapping_average_pooling_of_float16_is_rounded_once():
    x = Tensor(np.ones((1, 1, 5, 5), np.float16), requires_grad=True)
    rng = np.random.default_rng(449)  # a seed with which float32 would round to the wrong neighbour
    gout = (rng.integers(1, 2048, (1, 1, 3, 3)) * 2.0 ** rng.integers(-10, 5, (1, 1, 3, 3))).astype(np.float16)
    (gx,) = grad(average_pool2d(x, 3, 1), x, gout)
    expected = np.zeros((5, 5))
    for i, j in np.ndindex(3, 3):
        expected[i : i + 3, j : j + 3] += gout[0, 0, i, j]  # exactly
    np.testing.assert_array_equal(gx.data[0, 0], (expected / 9).astype(np.float16), strict=True)


# Byte order


@pytest.mark.parametrize("name", ALL)
def test_byte_order_changes_nothing(name):
    function, inputs = ALL[name]
    results = []
    for order in "<>":
        tensors = [Tensor(np.asarray(x).astype(order + "f8"), requires_grad=True) for x in inputs]
        out = function(*tensors)
        w = np.random.default_rng(1).normal(size=out.shape).astype(order + "f8")
        results.append((out, *grad(out, tensors, w)))
    for little, big in zip(*results, strict=True):
        assert little.dtype.isnative and big.dtype.isnative
        np.testing.assert_array_equal(little.data, big.data)


def test_byte_order_of_dtypes_changes_nothing():
    layer = BatchNorm(2, dtype=">f4")
    assert all(array.dtype.isnative for array in (*layer.state_dict().values(), *layer.buffers.values()))
    assert functions.astype(np.ones(2), ">f4").dtype.isnative


# Infinite cotangents


def holds_apart(function, inputs):
    """Make sure that an infinite cotangent of an element reaches nothing that the element does not depend on."""

    def outputs(arrays):
        tensors = [Tensor(x, requires_grad=True) for x in arrays]
        return functions.flatten(function(*tensors), 0), tensors

    out, tensors = outputs(inputs)
    if not out.requires_grad:
        return
    depends = []  # for each element of the inputs, on which it is that the outputs depend
    for number, x in enumerate(inputs):
        for index in np.ndindex(np.shape(x)):
            moved = [np.array(array) for array in inputs]
            moved[number][index] += 2.0**-20
            depends.append(outputs(moved)[0].data != out.data)
    depends = np.array(depends).reshape(-1, out.size)
    for element in range(out.size):
        w = np.ones(out.shape)
        w[element] = np.inf
        gradients = grad(out, tensors, w)
        finite = np.concatenate([np.isfinite(gradient.data).ravel() for gradient in gradients])
        assert finite[~depends[:, element]].all(), element


# Where a kernel meets the frame of zeros, 0 times infinity is what its gradient says.
MASKING = [name for name in ALL if "in a frame" not in name]


@pytest.mark.parametrize("name", MASKING)
def test_an_infinite_cotangent_stays_where_it_belongs(name):
    with np.errstate(invalid="ignore"):
        holds_apart(*ALL[name])


@pytest.mark.parametrize("name", MASKING)
def test_an_infinite_cotangent_of_a_gradient_stays_where_it_belongs(name):
    function, inputs = ALL[name]
    shape = function(*map(Tensor, inputs)).shape

    def gradient(*tensors):
        *given, w = tensors
        found = grad(function(*given), given, w, create_graph=True)
        return functions.concatenate([functions.flatten(g, 0) for g in found])

    with np.errstate(invalid="ignore"):
        holds_apart(gradient, [*inputs, np.random.default_rng(2).normal(size=shape)])


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (lambda x: functions.sqrt(functions.relu(x)), [-1.0, 4.0], [0.0, 0.25]),
        (lambda x: functions.sqrt(functions.clip(x, 0.0, 9.0)), [-1.0, 4.0], [0.0, 0.25]),
        (lambda x: functions.sqrt(functions.maximum(x, 0.0)), [-1.0, 4.0], [0.0, 0.25]),
        (lambda x: functions.sqrt(functions.minimum(-x, 0.0) * -1.0), [-1.0, 4.0], [0.0, 0.25]),
        (lambda x: functions.sqrt(functions.where(x > 0.0, x, 0.0)), [-1.0, 4.0], [0.0, 0.25]),
        (lambda x: functions.sqrt(functions.absolute(x)), [0.0, 4.0], [0.0, 0.25]),
    ],
    ids=["relu", "clip", "maximum", "minimum", "where", "absolute"],
)
def test_an_infinite_slope_behind_a_mask(function, x, expected):
    t = Tensor(x, requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # of the root at 0
        (gx,) = grad(function(t), t, np.ones(2), create_graph=True)
        (second,) = grad(gx, t, np.ones(2))
    np.testing.assert_array_equal(gx.data, expected)
    np.testing.assert_array_equal(second.data, [0.0, -1 / 32])


def test_an_infinite_cotangent_of_pooling_and_dropout():
    x = Tensor(np.arange(4.0).reshape(1, 1, 2, 2), requires_grad=True)
    (gx,) = grad(max_pool2d(x, 2), x, np.full((1, 1, 1, 1), np.inf))
    np.testing.assert_array_equal(gx.data.ravel(), [0.0, 0.0, 0.0, np.inf])
    y = Tensor(np.full(40, np.inf), requires_grad=True)
    out = Dropout(0.5, np.random.default_rng(0))(y)
    (gy,) = grad(out, y, np.full(40, np.inf))
    assert set(out.data) == set(gy.data) == {0.0, np.inf}
