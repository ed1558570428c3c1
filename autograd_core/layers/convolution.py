"""Convolution (in fact correlation, as in every neural network) and its two gradients.

    out[n,o,y,x] = bias[o] + sum_{c,i,j} weight[o,c,i,j] input[n,c,sy+i,tx+j]              (convolution.1)

is linear in the input and in the weight, so its two gradients are bilinear too, and the three are closed
under differentiation: each one's gradients are the other two.

    ginput[n,c,sy+i,tx+j] += weight[o,c,i,j] gout[n,o,y,x]                                 (convolution.2)
    gweight[o,c,i,j] = sum_{n,y,x} input[n,c,sy+i,tx+j] gout[n,o,y,x]                      (convolution.3)

where s and t are the strides down and across. All three are matrix products. Unfolding every window (im2col)
would copy each pixel kh kw times. Unfolding only across, into rows[n,x,h,(j,c)], copies it kw times: the
window (y, x) is then the kh consecutive lines h = sy ... sy+kh-1 of rows[n,x], one piece of kh kw C numbers. So
the matrix of windows is a view whose lines overlap, and BLAS takes it as it is (M. Cho and D. Brand, "MEC:
memory-efficient convolution for deep neural network", ICML 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import integer
from autograd_core.arrays import Array, array_module, sum_over
from autograd_core.function import Context, Function
from autograd_core.functions import pad
from autograd_core.functions.operands import operands
from autograd_core.layers.initialization import he_normal
from autograd_core.layers.module import Module
from autograd_core.layers.windows import Pair, pair, positions
from autograd_core.tensor import Tensor

Gradients = tuple[Tensor | None, ...]


def _stretches(rows: Array, length: int, count: int, stride: int) -> Array:
    """View rows (N, X, H, K) as (count, N X, length K): for each y, `length` lines from line stride y on."""
    n, x, h, k = rows.shape
    step = k * rows.itemsize
    return array_module(rows).lib.stride_tricks.as_strided(
        rows, (count, n * x, length * k), (stride * step, h * step, rows.itemsize)
    )


def _windows(input: Array, size: Pair, stride: Pair) -> Array:
    """Return the windows as matrices: one for each output row y, (N X) x (kh kw C)."""
    xp = array_module(input)
    (n, c, h, _), (down, across) = input.shape, positions(input.shape, size, stride)
    channels_last = xp.ascontiguousarray(input.transpose(0, 3, 2, 1))  # (N, W, H, C)
    rows = xp.empty((n, across, h, size[1], c), input.dtype)
    for j in range(size[1]):
        rows[:, :, :, j] = channels_last[:, j : j + stride[1] * (across - 1) + 1 : stride[1]]
    return _stretches(rows.reshape(n, across, h, size[1] * c), size[0], down, stride[0])


class _Convolution(Function):
    @staticmethod
    def forward(
        ctx: Context, input: Array, weight: Array, bias: Array | None = None, *, stride: Pair
    ) -> Array:
        outs, _, *size = weight.shape
        down, across = positions(input.shape, (size[0], size[1]), stride)
        kernel = weight.transpose(2, 3, 1, 0).reshape(-1, outs)  # (kh kw C, O)
        out = _windows(input, (size[0], size[1]), stride) @ kernel  # (Y, N X, O)
        if bias is not None:
            out += bias
        out = out.reshape(down, len(input), across, outs).transpose(1, 3, 0, 2)  # (N, O, Y, X)
        return array_module(input).ascontiguousarray(out)

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
        # Input row h gets gout[h-kh+1 ... h] (zeros outside, and between strides) times the kernel turned
        # upside down: what each (n, x) spreads over kw columns.
        xp = array_module(gout)
        (n, outs, down, across), (_, c, kh, kw), (h, w) = gout.shape, weight.shape, shape
        rows = xp.zeros((n, across, h + kh - 1, outs), gout.dtype)
        rows[:, :, kh - 1 : kh + stride[0] * (down - 1) : stride[0]] = gout.transpose(0, 3, 2, 1)
        kernel = weight[:, :, ::-1].transpose(2, 0, 3, 1).reshape(kh * outs, kw * c)
        spread = (_stretches(rows, kh, h, 1) @ kernel).reshape(h, n, across, kw, c)
        ginput = xp.zeros((h, n, w, c), spread.dtype)
        for j in range(kw):
            ginput[:, :, j : j + stride[1] * (across - 1) + 1 : stride[1]] += spread[:, :, :, j]
        return xp.ascontiguousarray(ginput.transpose(1, 3, 0, 2))

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
        n, outs, down, across = gout.shape
        lines = gout.transpose(2, 1, 0, 3).reshape(down, outs, n * across)
        products = lines @ _windows(input, size, stride)  # (Y, O, kh kw C)
        return sum_over(products, 0).reshape(outs, *size, input.shape[1]).transpose(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Context, gweight: Tensor) -> Gradients:
        (input, gout), stride = ctx.inputs, ctx.parameters["stride"]
        shape = input.shape[2:]
        return (
            _InputGradient.apply(gout, gweight, stride=stride, shape=shape) if ctx.needs[0] else None,
            _Convolution.apply(input, gweight, stride=stride) if ctx.needs[1] else None,
        )


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: int | Pair = 1, padding: int | Pair = 0
) -> Tensor:
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
    maps, kernels, *offsets = operands("conv2d", *given)
    frame = pair("padding", padding, least=0)
    if kernels.ndim != 4 or maps.ndim != 4 or maps.shape[1] != kernels.shape[1]:
        raise ValueError(
            f"conv2d: given input {maps.shape} and weight {kernels.shape}, "
            "expected (N, C, H, W) and (O, C, kh, kw)"
        )
    if offsets and offsets[0].shape != kernels.shape[:1]:
        raise ValueError(f"bias: given shape {offsets[0].shape}, expected {kernels.shape[:1]}")
    if any(frame):
        maps = pad(maps, ((0, 0), (0, 0), (frame[0], frame[0]), (frame[1], frame[1])))
    return _Convolution.apply(maps, kernels, *offsets, stride=pair("stride", stride, least=1))


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
