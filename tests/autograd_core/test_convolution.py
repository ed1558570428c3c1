"""Convolution and its gradients against their formulas written as loops, in pieces and on threads."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from autograd_core import Tensor, grad, gradcheck
from autograd_core.layers import Conv2d, conv2d, convolution, pieces
from tests.autograd_core.draws import integers, normal, rng
from tests.threads import threads

EPS32 = np.finfo(np.float32).eps


def convolution_by_loops(input, weight, bias, stride, padding):
    n, c, h, w = input.shape
    o, _, kh, kw = weight.shape
    (s, t), (p, q) = stride, padding
    out = np.zeros((n, o, (h + 2 * p - kh) // s + 1, (w + 2 * q - kw) // t + 1))
    for m, k, y, x in np.ndindex(out.shape):
        out[m, k, y, x] = bias[k]
        for d, i, j in itertools.product(range(c), range(kh), range(kw)):
            row, column = s * y + i - p, t * x + j - q
            if 0 <= row < h and 0 <= column < w:
                out[m, k, y, x] += weight[k, d, i, j] * input[m, d, row, column]
    return out


def convolution_gradients_by_loops(input, weight, gout, stride, padding):
    ginput, gweight = np.zeros(input.shape), np.zeros(weight.shape)
    (s, t), (p, q) = stride, padding
    for m, k, y, x in np.ndindex(gout.shape):
        for d, i, j in np.ndindex(weight.shape[1:]):
            row, column = s * y + i - p, t * x + j - q
            if 0 <= row < input.shape[2] and 0 <= column < input.shape[3]:
                ginput[m, d, row, column] += weight[k, d, i, j] * gout[m, k, y, x]
                gweight[k, d, i, j] += input[m, d, row, column] * gout[m, k, y, x]
    return ginput, gweight, gout.sum((0, 2, 3))


@st.composite
def convolutions(draw):
    size = st.integers(1, 3)
    n, c, o, kh, kw, s, t = (draw(size) for _ in range(7))
    padding = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    h = draw(st.integers(max(1, kh - 2 * padding[0]), 6))
    w = draw(st.integers(max(1, kw - 2 * padding[1]), 6))
    return (n, c, h, w), (o, c, kh, kw), (s, t), padding


def check_against_the_loops(case):
    input_shape, weight_shape, stride, padding = case
    input, weight, bias = integers(*input_shape), integers(*weight_shape, seed=1), integers(weight_shape[0], seed=2)
    tensors = [Tensor(array, requires_grad=True) for array in (input, weight, bias)]
    out = conv2d(*tensors, stride, padding)
    np.testing.assert_array_equal(out.data, convolution_by_loops(input, weight, bias, stride, padding))
    gout = integers(*out.shape, seed=3)
    expected = convolution_gradients_by_loops(input, weight, gout, stride, padding)
    for got, exact in zip(grad(out, tensors, gout), expected, strict=True):
        np.testing.assert_array_equal(got.data, exact)


@given(convolutions())
def test_convolution_and_its_gradients_equal_the_loops(case):
    check_against_the_loops(case)


@given(convolutions(), st.sampled_from([40, 200]))
def test_convolution_in_small_pieces_and_sums_on_threads_equals_the_loops(case, piece):
    with pytest.MonkeyPatch.context() as patch, threads(3):
        patch.setattr(pieces, "PIECE", piece)
        for name, value in {"TERMS": 5, "WORTHWHILE": 0}.items():
            patch.setattr(convolution, name, value)
        check_against_the_loops(case)


# As in the papers, filters on maps whose unfolded rows make several pieces; and many filters, whose products BLAS would
# share among its threads.
LAYERS = [
    ((64, 1, 40, 40), (32, 1, 9, 9)),
    ((48, 32, 16, 16), (32, 32, 7, 7)),
    ((16, 64, 18, 18), (64, 64, 3, 3)),
    ((2, 48, 29, 29), (90, 48, 3, 3)),
    ((2, 64, 17, 17), (150, 64, 3, 3)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("input_shape", "weight_shape"), LAYERS)
def test_convolution_gives_the_same_bits_on_any_number_of_threads(input_shape, weight_shape, dtype):
    input, weight, bias = (
        Tensor(normal(*shape, seed=seed).astype(dtype), requires_grad=True)
        for seed, shape in enumerate((input_shape, weight_shape, weight_shape[:1]))
    )
    bits = set()
    for count, count_of_blas in ((1, 1), (2, 1), (3, 2), (1, 2)):
        with threads(count), threadpool_limits(count_of_blas):
            out = conv2d(input, weight, bias)
            gradients = grad(out, [input, weight, bias], normal(*out.shape, seed=3).astype(dtype))
        bits.add(tuple(tensor.data.tobytes() for tensor in (out, *gradients)))
    assert len(bits) == 1


@pytest.mark.parametrize(
    ("input_shape", "weight_shape"), [((32, 1, 40, 40), (8, 1, 9, 9)), ((4, 24, 48, 48), (9, 24, 3, 3))]
)
def test_convolution_in_float32_is_as_accurate_as_its_sums_are_short(input_shape, weight_shape):
    shapes = enumerate((input_shape, weight_shape))
    input, weight = (abs(normal(*shape, seed=seed)).astype(np.float32) for seed, shape in shapes)
    results = []
    for dtype in (np.float32, np.float64):
        tensors = [Tensor(array.astype(dtype), requires_grad=True) for array in (input, weight)]
        out = conv2d(*tensors)
        gout = abs(normal(*out.shape, seed=2)).astype(np.float32).astype(dtype)
        results.append([out, *grad(out, tensors, gout)])
    outs, c, kh, kw = weight_shape
    # No term is negative, so a sum of k terms is off by (k + 1) u of itself at most; the weight's gradient adds 1024
    # in float32, and then up to 33 thousand in float64.
    for single, double, terms in zip(*results, (c * kh * kw, outs * kh * kw, 1024), strict=True):
        np.testing.assert_allclose(single.data, double.data, rtol=(terms + 1) * EPS32 / 2)


def test_the_gradient_of_the_weight_adds_more_than_1024_terms_in_float64():
    input = np.zeros((64 * 1024, 1, 1, 1), np.float32)
    input[::1024] = 1  # no two of them among 1024 terms
    input[0] = 2**24
    weight = Tensor(np.ones((1, 1, 1, 1), np.float32), requires_grad=True)
    (gweight,) = grad(conv2d(input, weight), weight, np.ones(input.shape, np.float32))
    assert gweight.item() == np.float32(2**24 + 63)  # in float32, 2^24 + 1 would be 2^24


@pytest.mark.parametrize("batch", [1, 2, 63, 64, 65, 130])
def test_the_gradient_of_the_weight_adds_windows_of_all_images(batch):
    """Each has 4 in an output row, so several rows are added in float64 from 65 images on."""
    input, gout = normal(batch, 3, 5, 6), normal(batch, 2, 4, 4, seed=1)
    weight = Tensor(normal(2, 3, 2, 3, seed=2), requires_grad=True)
    (gweight,) = grad(conv2d(input, weight), weight, gout)
    for o, c, i, j in np.ndindex(2, 3, 2, 3):
        expected = (input[:, c, i : i + 4, j : j + 4] * gout[:, o]).sum()
        assert abs(gweight.data[o, c, i, j] - expected) <= 1e-13 * batch * 16  # so many terms of order one


def test_convolution_overflows_on_every_thread_as_its_caller_wants():
    input, weight = np.full((64, 1, 40, 40), 1e38, np.float32), np.full((32, 1, 9, 9), 1e38, np.float32)
    with np.errstate(over="ignore", invalid="ignore"), threads(2):
        out = conv2d(input, weight)
    assert np.isinf(out.data).all()


@pytest.mark.parametrize("stride", [1, 2, (2, 3)])
@pytest.mark.parametrize("padding", [0, (1, 2)])
def test_convolution_derivatives_to_third_order(stride, padding):
    inputs = [normal(2, 2, 4, 5), normal(2, 2, 2, 3, seed=1), normal(2, seed=2)]
    gradcheck(lambda *tensors: conv2d(*tensors, stride, padding), inputs, rng=rng(), order=2)
    if stride == 2:
        small = [x[:1, :1] if x.ndim == 4 else x[:1] for x in inputs]
        gradcheck(lambda *tensors: conv2d(*tensors, stride, padding), small, rng=rng(), order=3)


def test_convolution_takes_arrays_that_are_not_contiguous():
    input, weight = integers(4, 5, 2, 3), integers(2, 3, 2, 2, seed=1)
    turned = input.transpose(3, 2, 1, 0)
    np.testing.assert_array_equal(
        conv2d(turned, weight[:, ::-1][:, :2]).data, conv2d(turned.copy(), weight[:, ::-1][:, :2].copy()).data
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_keeps_its_dtype_and_layout(dtype):
    layer = Conv2d(2, 3, (3, 2), stride=2, padding=1, rng=rng(), dtype=dtype)
    input = Tensor(normal(2, 2, 5, 6).astype(dtype), requires_grad=True)
    out = layer(input)
    gradients = grad(out, [input, layer.weight, layer.bias], normal(*out.shape).astype(dtype))
    assert {t.dtype for t in (out, *gradients)} == {np.dtype(dtype)}
    assert out.data.flags.c_contiguous and out.shape == (2, 3, 3, 4)


def test_convolution_of_nothing():
    input = Tensor(np.zeros((0, 2, 4, 4)), requires_grad=True)
    weight = Tensor(normal(3, 2, 3, 3), requires_grad=True)
    out = conv2d(input, weight)
    ginput, gweight = grad(out, [input, weight], np.zeros(out.shape))
    assert out.shape == (0, 3, 2, 2) and ginput.shape == input.shape
    np.testing.assert_array_equal(gweight.data, np.zeros(weight.shape))


def test_the_input_gradient_is_computed_only_if_wanted(monkeypatch):
    def refuse(*inputs, **parameters):
        raise AssertionError("not wanted")

    weight = Tensor(normal(1, 1, 2, 2), requires_grad=True)
    out = conv2d(normal(1, 1, 3, 3), weight)
    monkeypatch.setattr(convolution._InputGradient, "apply", refuse)
    grad(out, weight, np.ones(out.shape))


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 4), (5, 2)])
def test_padding_that_keeps_the_size(size):
    input, weight = integers(2, 2, 4, 5), integers(3, 2, *size, seed=1)
    # An even kernel has one row or column more of the frame below, or on the right.
    above, left = (size[0] - 1) // 2, (size[1] - 1) // 2
    framed = np.pad(input, ((0, 0), (0, 0), (above, size[0] - 1 - above), (left, size[1] - 1 - left)))
    same = conv2d(input, weight, padding="same")
    assert same.shape == (2, 3, 4, 5)
    np.testing.assert_array_equal(same.data, convolution_by_loops(framed, weight, np.zeros(3), (1, 1), (0, 0)))
    np.testing.assert_array_equal(
        conv2d(framed, weight, padding="valid").data, conv2d(framed, weight, padding=(0, 0)).data
    )


@pytest.mark.parametrize("size", [(1, 3), (2, 4)])
def test_derivatives_of_a_convolution_that_keeps_the_size(size):
    layer = Conv2d(2, 2, size, padding="same", rng=rng(), dtype=np.float64)
    inputs = [normal(2, 2, 3, 4), layer.weight.data]
    gradcheck(lambda x, w: conv2d(x, w, padding="same"), inputs, rng=rng(), order=2)
    np.testing.assert_array_equal(layer(inputs[0]).data, conv2d(*inputs, padding="same").data)


@pytest.mark.parametrize(
    ("padding", "stride", "message"),
    [
        ("same", 2, r"padding: given 'same' with stride \(2, 2\), expected stride 1; give a width"),
        ("full", 1, "padding: given 'full', expected 'same', 'valid', an integer >= 0, or two"),
        (-1, 1, "padding: given -1, expected an integer >= 0, or two, down and across"),
    ],
)
def test_padding_that_is_none_is_refused(padding, stride, message):
    for make in (
        lambda: conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), None, stride, padding),
        lambda: Conv2d(1, 1, 2, stride, padding, rng=rng()),
    ):
        with pytest.raises(ValueError, match=message):
            make()
