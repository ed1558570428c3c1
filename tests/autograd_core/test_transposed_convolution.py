"""Transposed convolution against its formula written as loops, and as the adjoint of convolution."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd_core import Tensor, grad, gradcheck
from autograd_core.layers import ConvTranspose2d, conv2d, conv_transpose2d, convolution, pieces
from tests.autograd_core.draws import integers, normal, rng
from tests.threads import threads


def by_loops(input, weight, bias, stride, padding, output_padding):
    n, _, h, w = input.shape
    _, c, kh, kw = weight.shape
    height, width = (h - 1) * stride[0] + kh + output_padding[0], (w - 1) * stride[1] + kw + output_padding[1]
    out = np.zeros((n, c, height, width)) + bias[:, None, None]
    for m, o, y, x in np.ndindex(input.shape):
        for d, i, j in np.ndindex(weight.shape[1:]):
            out[m, d, stride[0] * y + i, stride[1] * x + j] += weight[o, d, i, j] * input[m, o, y, x]
    return out[:, :, padding[0] : height - padding[0], padding[1] : width - padding[1]]


def gradients_by_loops(input, weight, gout, stride, padding):
    ginput, gweight = np.zeros(input.shape), np.zeros(weight.shape)
    for m, o, y, x in np.ndindex(input.shape):
        for d, i, j in np.ndindex(weight.shape[1:]):
            row, column = stride[0] * y + i - padding[0], stride[1] * x + j - padding[1]
            if 0 <= row < gout.shape[2] and 0 <= column < gout.shape[3]:
                ginput[m, o, y, x] += weight[o, d, i, j] * gout[m, d, row, column]
                gweight[o, d, i, j] += input[m, o, y, x] * gout[m, d, row, column]
    return ginput, gweight, gout.sum((0, 2, 3))


@st.composite
def cases(draw):
    size = st.integers(1, 3)
    n, c, o, h, w, s, t = (draw(size) for _ in range(7))
    kh, kw = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding, more = (
        (draw(st.integers(0, most)), draw(st.integers(0, most_across)))
        for most, most_across in ((2, 2), (s - 1, t - 1))
    )
    sides = zip((h, w), (kh, kw), (s, t), padding, more, strict=True)
    assume(all((side - 1) * step - 2 * cut + k + extra > 0 for side, k, step, cut, extra in sides))
    return (n, o, h, w), (o, c, kh, kw), (s, t), padding, more


def check_against_the_loops(case):
    input_shape, weight_shape, stride, padding, more = case
    input, weight, bias = integers(*input_shape), integers(*weight_shape, seed=1), integers(weight_shape[1], seed=2)
    tensors = [Tensor(array, requires_grad=True) for array in (input, weight, bias)]
    out = conv_transpose2d(*tensors, stride, padding, more)
    np.testing.assert_array_equal(out.data, by_loops(input, weight, bias, stride, padding, more))
    gout = integers(*out.shape, seed=3)
    expected = gradients_by_loops(input, weight, gout, stride, padding)
    for got, exact in zip(grad(out, tensors, gout), expected, strict=True):
        np.testing.assert_array_equal(got.data, exact)


@given(cases())
def test_transposed_convolution_and_its_gradients_equal_the_loops(case):
    check_against_the_loops(case)


@given(cases(), st.sampled_from([40, 200]))
def test_transposed_convolution_in_small_pieces_and_sums_on_threads_equals_the_loops(case, piece):
    with pytest.MonkeyPatch.context() as patch, threads(3):
        patch.setattr(pieces, "PIECE", piece)
        for name, value in {"TERMS": 5, "WORTHWHILE": 0}.items():
            patch.setattr(convolution, name, value)
        check_against_the_loops(case)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), ((3, 2), (0, 2))])
def test_it_is_the_adjoint_of_convolution(stride, padding):
    weight, x = integers(3, 2, 4, 3), integers(2, 2, 10, 9, seed=1)
    filtered = conv2d(x, weight, None, stride, padding)
    y = integers(*filtered.shape, seed=2)
    strides, widths = np.broadcast_to(stride, 2), np.broadcast_to(padding, 2)
    rest = tuple(int((x.shape[k + 2] + 2 * widths[k] - weight.shape[k + 2]) % strides[k]) for k in range(2))
    back = conv_transpose2d(y, weight, None, stride, padding, rest)
    assert (back.data * x).sum() == (filtered.data * y).sum()  # exactly: all terms are small whole numbers


@pytest.mark.parametrize(("stride", "padding", "more"), [(1, 0, 0), (2, 1, 1), ((2, 3), (0, 1), (1, 2))])
def test_its_derivatives_to_second_order(stride, padding, more):
    inputs = [normal(2, 2, 2, 3), normal(2, 2, 3, 4, seed=1), normal(2, seed=2)]
    gradcheck(lambda *tensors: conv_transpose2d(*tensors, stride, padding, more), inputs, rng=rng(), order=2)


def test_it_gives_the_same_bits_on_any_number_of_threads():
    input, weight, bias = (
        Tensor(normal(*shape, seed=seed).astype(np.float32), requires_grad=True)
        for seed, shape in enumerate(((24, 32, 16, 16), (32, 16, 4, 4), (16,)))
    )
    bits = set()
    for count in (1, 2, 3):
        with threads(count):
            out = conv_transpose2d(input, weight, bias, 2, 1)
            gradients = grad(out, [input, weight, bias], normal(*out.shape, seed=3).astype(np.float32))
        bits.add(tuple(tensor.data.tobytes() for tensor in (out, *gradients)))
    assert len(bits) == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_layer_keeps_its_dtype(dtype):
    layer = ConvTranspose2d(2, 3, (3, 2), stride=2, padding=(1, 0), output_padding=1, rng=rng(), dtype=dtype)
    input = Tensor(normal(2, 2, 4, 5).astype(dtype), requires_grad=True)
    out = layer(input)
    gradients = grad(out, [input, layer.weight, layer.bias], normal(*out.shape).astype(dtype))
    assert {t.dtype for t in (out, *gradients)} == {np.dtype(dtype)}
    assert out.data.flags.c_contiguous and out.shape == (2, 3, 8, 11)


def test_the_outputs_of_a_new_layer_have_the_second_moment_for_relu():
    layer = ConvTranspose2d(64, 32, 4, stride=2, padding=1, rng=rng())
    out = layer(Tensor(normal(4, 64, 16, 16).astype(np.float32)))
    # 2 times the inputs' second moment, 1; of 32,000 weights and 65,000 inputs, so within some hundredths
    assert abs((out.data[:, :, 2:-2, 2:-2] ** 2).mean() - 2) < 0.1


def test_transposed_convolution_of_nothing():
    input = Tensor(np.zeros((0, 2, 4, 4)), requires_grad=True)
    weight = Tensor(normal(2, 3, 3, 3), requires_grad=True)
    out = conv_transpose2d(input, weight, None, 2)
    ginput, gweight = grad(out, [input, weight], np.zeros(out.shape))
    assert out.shape == (0, 3, 9, 9) and ginput.shape == input.shape
    np.testing.assert_array_equal(gweight.data, np.zeros(weight.shape))


X, W = np.ones((1, 2, 3, 3)), np.ones((2, 3, 2, 2))
ERRORS = {
    "channels": (
        lambda: conv_transpose2d(X, W.swapaxes(0, 1)),
        r"given input \(1, 2, 3, 3\) and weight \(3, 2, 2, 2\)",
    ),
    "axes": (lambda: conv_transpose2d(X[0], W), r"given input \(2, 3, 3\).*, expected \(N, O, H, W\)"),
    "no rows": (lambda: conv_transpose2d(X[:, :, :0], W), r"given input \(1, 2, 0, 3\).* with H, W >= 1"),
    "bias": (lambda: conv_transpose2d(X, W, np.ones(2)), r"bias: given shape \(2,\), expected \(3,\)"),
    "padding": (lambda: conv_transpose2d(X, W, None, 1, 2), "padding: given 2, which leaves 0 rows and 0 columns"),
    "output padding": (
        lambda: conv_transpose2d(X, W, None, (2, 1), 0, 1),
        r"output_padding: given 1, expected less than the stride, \(2, 1\)",
    ),
    "stride": (lambda: conv_transpose2d(X, W, None, 0), "stride: given 0, expected an integer >= 1"),
    "layer": (lambda: ConvTranspose2d(2, 2, 3, 2, 1, 2, rng=rng()), "output_padding: given 2, expected less than"),
    "layer's channels": (lambda: ConvTranspose2d(0, 2, 3, rng=rng()), "in_channels: given 0, expected an integer >= 1"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_arguments_end_in_one_clear_sentence(name):
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_two_precisions_are_refused():
    with pytest.raises(TypeError, match="conv_transpose2d: given operands of dtypes float64, float32"):
        conv_transpose2d(X, W.astype(np.float32))
