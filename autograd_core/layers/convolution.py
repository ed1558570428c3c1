"""Convolution (in fact correlation, as in every neural network) and its two gradients.

    out[n,o,y,x] = bias[o] + sum_{c,i,j} weight[o,c,i,j] input[n,c,sy+i,tx+j]              (convolution.1)

is linear in the input and in the weight, so its two gradients are bilinear too, and the three are closed
under differentiation: each one's gradients are the other two.

    ginput[n,c,sy+i,tx+j] += weight[o,c,i,j] gout[n,o,y,x]                                 (convolution.2)
    gweight[o,c,i,j] = sum_{n,y,x} input[n,c,sy+i,tx+j] gout[n,o,y,x]                      (convolution.3)

where s and t are the strides down and across. All three are matrix products. Unfolding every window (im2col)
would copy each pixel kh kw times. Unfolding only across, into

    rows[n,h,j,c,x] = input[n,c,h,tx+j],                                                   (convolution.4)

copies it kw times: the windows of output row y are then the kh consecutive lines h = sy ... sy+kh-1 of rows[n]. So
the matrix of windows is a view whose lines overlap, and BLAS takes it as it is (M. Cho and D. Brand, "MEC:
memory-efficient convolution for deep neural network", ICML 2017).

The batch is done in pieces whose unfolded rows stay in the cache, on several threads if it is worth it; no number
depends on how many. A product has one output row (or one image) and so few multiplications that OpenBLAS neither
packs its operands first nor shares it among threads of its own, which would round differently.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import integer
from autograd_core.arrays import Array, array_module, sum_over
from autograd_core.function import Context, Function
from autograd_core.functions import astype, pad
from autograd_core.functions.conversion import widened
from autograd_core.functions.operands import operands
from autograd_core.layers.initialization import he_normal
from autograd_core.layers.module import Module
from autograd_core.layers.windows import Pair, pair, positions
from autograd_core.tensor import Tensor
from autograd_core.threads import share

Gradients = tuple[Tensor | None, ...]

# Numbers that a piece of a batch unfolds to, two megabytes in float32: less than the cache, more than a few calls.
PIECE = 2**19
# From twice 2^18 multiplications on OpenBLAS shares a product among its threads.
PRODUCT = 2**19 - 1
# Fewer multiplications than this, some tenths of a millisecond, are not worth waking a thread for.
WORTHWHILE = 10_000_000
# Products of fewer rows than this would be slow, so BLAS may get more multiplications where rows are very long.
FEWEST_ROWS = 4
# So many terms at most are added in the arrays' own precision, before float64 takes over.
TERMS = 1024


def _pieces(batch: Array, scratch: int) -> list[slice]:
    """Cut a batch, of which each image unfolds to `scratch` numbers, into pieces; a GPU takes it whole.

    Their number is a power of two, so that two or four threads get the same share.
    """
    least = -(-len(batch) * scratch // PIECE) if array_module(batch) is np else 1
    step = max(1, -(-len(batch) >> max(0, least - 1).bit_length()))
    return [slice(start, start + step) for start in range(0, len(batch), step)]


def _multiply(a: Array, b: Array, out: Array) -> None:
    """Put the matrix products a b into `out`, block of rows by block of rows."""
    xp, rows = array_module(a), a.shape[-2]
    blocks = -(-rows * a.shape[-1] * b.shape[-1] // PRODUCT) if xp is np else 1
    step = max(FEWEST_ROWS, -(-rows // max(1, blocks)))
    for k in range(0, rows, step):
        xp.matmul(a[..., k : k + step, :], b, out=out[..., k : k + step, :])


def _unfold(input: Array, width: int, stride: int, memory: str) -> Array:
    """Return rows[n,h,j,c,x], j < width (convolution.4), in memory in the order that the letters say."""
    xp, (n, c, h, w) = array_module(input), input.shape
    lengths = {"n": n, "h": h, "j": width, "c": c, "x": (w - width) // stride + 1}
    rows = xp.empty([lengths[axis] for axis in memory], input.dtype)
    rows = rows.transpose([memory.index(axis) for axis in "nhjcx"])
    order = memory.replace("j", "")
    maps = xp.ascontiguousarray(input.transpose(["nchx".index(axis) for axis in order]))  # so that runs are copied
    maps = maps.transpose([order.index(axis) for axis in "nhcx"])
    for j in range(width):
        rows[:, :, j] = maps[..., j : j + stride * (lengths["x"] - 1) + 1 : stride]
    return rows


class _Convolution(Function):
    @staticmethod
    def forward(ctx: Context, input: Array, weight: Array, bias: Array | None = None, *, stride: Pair) -> Array:
        xp, (n, c, h, _), (outs, _, kh, kw) = array_module(input), input.shape, weight.shape
        down, across = positions(input.shape, (kh, kw), stride)
        kernel = weight.transpose(2, 3, 1, 0).reshape(kh * kw * c, outs).T
        given = (input, weight) if bias is None else (input, weight, bias)
        out = xp.empty((n, outs, down, across), np.result_type(*(array.dtype for array in given)))
        pieces = _pieces(input, h * kw * c * across)

        def convolve(start: int, stop: int) -> None:
            for piece in pieces[start:stop]:
                rows = _unfold(input[piece], kw, stride[1], "nxhjc" if c > across else "nhjcx")
                image, line, _, channel, column = rows.strides
                windows = xp.lib.stride_tricks.as_strided(
                    rows, (len(rows), down, kh * kw * c, across), (image, stride[0] * line, channel, column)
                )
                _multiply(kernel, windows, out[piece].swapaxes(1, 2))
                if bias is not None:
                    out[piece] += bias[:, None, None]

        share(convolve, len(pieces), out.size * kh * kw * c >= WORTHWHILE)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        (input, weight, *bias), stride = ctx.inputs, ctx.parameters["stride"]
        shape, size = input.shape[2:], weight.shape[2:]
        return (
            _InputGradient.apply(gout, weight, stride=stride, shape=shape) if ctx.needs[0] else None,
            _WeightGradient.apply(input, gout, stride=stride, size=size) if ctx.needs[1] else None,
            *(gout.sum(axis=(0, 2, 3)) for _ in bias),
        )


class _InputGradient(Function):
    @staticmethod
    def forward(ctx: Context, gout: Array, weight: Array, *, stride: Pair, shape: Pair) -> Array:
        # Input row h gets, from the output rows y with 0 <= i = h - sy < kh, spread[n,h,(j,c),tx], of which what has
        # one j lies j places further right. Lines of spread are as long as the input's, with t - 1 zeros between two
        # neighbours, and end in zeros, so all lines of one (n, h, j) move at once.
        xp, (_, outs, down, across), (_, c, kh, kw) = array_module(gout), gout.shape, weight.shape
        (h, w), (s, t) = shape, stride
        wide = t * (across - 1) + 1
        kernel = xp.ascontiguousarray(weight[:, :, ::-1].transpose(2, 0, 3, 1)).reshape(kh, outs, kw * c)
        rows = []
        for row in range(h):
            first, end = max(0, -(-(row - kh + 1) // s)), min(down, row // s + 1)
            if first < end:
                upwards = kernel[kh - 1 - row + s * first :: s][: end - first]
                rows.append((row, first, end, upwards.reshape(-1, kw * c).T))
        ginput = xp.empty((len(gout), c, h, w), np.result_type(gout.dtype, weight.dtype))
        pieces = _pieces(gout, h * kw * c * w)

        def convolve(start: int, stop: int) -> None:
            for piece in pieces[start:stop]:
                given = gout[piece].swapaxes(1, 2)
                n = len(given)
                if outs > across:
                    lines = xp.ascontiguousarray(given.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
                else:
                    lines = xp.ascontiguousarray(given)
                spread = xp.zeros((n, h, kw * c, w), ginput.dtype)
                products = xp.empty((n, kw * c, across), ginput.dtype)
                for row, first, end, upwards in rows:
                    target = spread[:, row, :, :wide:t]
                    out = target if t == 1 else products  # which BLAS writes itself
                    _multiply(upwards, lines[:, first:end].reshape(n, -1, across), out)
                    if t > 1:
                        target[...] = products
                shifted = spread.reshape(n, h, kw, c * w)
                total = shifted[:, :, 0]
                for j in range(1, kw):
                    total[..., j:] += shifted[:, :, j, :-j]
                ginput[piece] = total.reshape(n, h, c, w).swapaxes(1, 2)

        share(convolve, len(pieces), gout.size * kh * kw * c >= WORTHWHILE)
        return ginput

    @staticmethod
    def backward(ctx: Context, ginput: Tensor) -> Gradients:
        (gout, weight), stride = ctx.inputs, ctx.parameters["stride"]
        size = weight.shape[2:]
        return (
            _Convolution.apply(ginput, weight, stride=stride) if ctx.needs[0] else None,
            _WeightGradient.apply(ginput, gout, stride=stride, size=size) if ctx.needs[1] else None,
        )


class _WeightGradient(Function):
    @staticmethod
    def forward(ctx: Context, input: Array, gout: Array, *, stride: Pair, size: Pair) -> Array:
        xp, (_, outs, down, across), (_, c, h, _) = array_module(gout), gout.shape, input.shape
        (kh, kw), (s, t) = size, stride
        terms = min(TERMS, PRODUCT // max(1, FEWEST_ROWS * kw * c))
        band = max(1, terms // across)  # output rows
        pieces = _pieces(input, h * kw * c * across)
        dtype = np.result_type(input.dtype, gout.dtype)
        sums = xp.zeros((len(pieces), kh, outs, kw * c), np.result_type(dtype, np.float64))

        def convolve(start: int, stop: int) -> None:
            for number in range(start, stop):
                given = gout[pieces[number]]
                rows = _unfold(input[pieces[number]], kw, t, "nhxjc" if c > across else "njchx")
                m = len(rows)
                image, line, _, channel, column = rows.strides
                windows = xp.lib.stride_tricks.as_strided(
                    rows, (m, kh, down, across, kw * c), (image, line, s * line, column, channel)
                )
                products = xp.empty((m, kh, outs, kw * c), dtype)
                for top in range(0, down, band):
                    _multiply(
                        given[:, None, :, top : top + band].reshape(m, 1, outs, -1),
                        windows[:, :, top : top + band].reshape(m, kh, -1, kw * c),
                        products,
                    )
                    sums[number] += products.sum(axis=0, dtype=sums.dtype)

        share(convolve, len(pieces), gout.size * kh * kw * c >= WORTHWHILE)
        gweight = sum_over(sums, 0).astype(dtype)
        return gweight.reshape(kh, outs, kw, c).transpose(1, 3, 0, 2)

    @staticmethod
    def backward(ctx: Context, gweight: Tensor) -> Gradients:
        (input, gout), stride = ctx.inputs, ctx.parameters["stride"]
        shape = input.shape[2:]
        return (
            _InputGradient.apply(gout, gweight, stride=stride, shape=shape) if ctx.needs[0] else None,
            _Convolution.apply(input, gweight, stride=stride) if ctx.needs[1] else None,
        )


def conv2d(input: Any, weight: Any, bias: Any = None, stride: int | Pair = 1, padding: int | Pair = 0) -> Tensor:
    """Correlate maps with kernels (convolution.1), after a frame of zeros.

    Parameters
    ----------
    input : Tensor, (N, C, H, W)
        The maps.
    weight : Tensor, (O, C, kh, kw)
        The kernels.
    bias : Tensor, (O,), optional
        What is added to each output channel.
    stride : int or (int, int)
        The step from window to window, in pixels, down and across.
    padding : int or (int, int)
        The width of the frame of zeros, in pixels, above and below, left and right.

    Returns
    -------
    Tensor, (N, O, (H + 2 padding - kh) // stride + 1, the same for W)
        The filtered maps. Rows and columns beyond the last whole window are not used.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a kernel is larger than the padded map.
    TypeError
        If the operands are not of one precision.
    """
    given = (input, weight) if bias is None else (input, weight, bias)
    dtype, (maps, kernels, *offsets) = widened(*operands("conv2d", *given))
    frame = pair("padding", padding, least=0)
    if kernels.ndim != 4 or maps.ndim != 4 or maps.shape[1] != kernels.shape[1]:
        raise ValueError(
            f"conv2d: given input {maps.shape} and weight {kernels.shape}, expected (N, C, H, W) and (O, C, kh, kw)"
        )
    if offsets and offsets[0].shape != kernels.shape[:1]:
        raise ValueError(f"bias: given shape {offsets[0].shape}, expected {kernels.shape[:1]}")
    if any(frame):
        maps = pad(maps, ((0, 0), (0, 0), (frame[0], frame[0]), (frame[1], frame[1])))
    return astype(_Convolution.apply(maps, kernels, *offsets, stride=pair("stride", stride, least=1)), dtype)


class Conv2d(Module):
    """A layer of convolution kernels.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the maps before and after.
    kernel_size, stride, padding : int or (int, int)
        As in `conv2d`.
    rng : numpy.random.Generator
        Draws the kernels (`he_normal`); the bias starts at zero.
    dtype : dtype
        Of the parameters, and so of the layer.

    Attributes
    ----------
    weight : Tensor, (out_channels, in_channels, kh, kw)
        The kernels.
    bias : Tensor, (out_channels,)
        The offsets.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        *,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        in_channels = integer("in_channels", in_channels, least=1)
        out_channels = integer("out_channels", out_channels, least=1)
        size = pair("kernel_size", kernel_size, least=1)
        self.stride = pair("stride", stride, least=1)
        self.padding = pair("padding", padding, least=0)
        fan_in = in_channels * size[0] * size[1]
        self.weight = he_normal(rng, (out_channels, in_channels, *size), fan_in, dtype)
        self.bias = Tensor(np.zeros(out_channels, dtype), requires_grad=True)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, Y, X)."""
        return conv2d(input, self.weight, self.bias, self.stride, self.padding)
