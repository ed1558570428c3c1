"""Transposed convolution: maps grow by the stride, as the gradient of a convolution for its input does.

    out[n,c,sy+i-p,tx+j-q] += weight[o,c,i,j] input[n,o,y,x],     out[n,c,...] += bias[c]

where s and t are the strides and p and q the padding, which is cut off. It is (convolution.2), computed and
differentiated there. A well-known use: M. Zeiler, D. Krishnan, G. Taylor and R. Fergus, "Deconvolutional networks",
CVPR 2010.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import integer
from autograd_core.functions import astype
from autograd_core.functions.conversion import widened
from autograd_core.functions.operands import operands
from autograd_core.layers.convolution import transposed
from autograd_core.layers.initialization import he_normal
from autograd_core.layers.module import Module
from autograd_core.layers.windows import Pair, pair
from autograd_core.tensor import Tensor


def _geometry(stride: int | Pair, padding: int | Pair, output_padding: int | Pair) -> tuple[Pair, Pair, Pair]:
    """Return all three, down and across, or raise ValueError."""
    steps, cut = pair("stride", stride, least=1), pair("padding", padding, least=0)
    more = pair("output_padding", output_padding, least=0)
    if more[0] >= steps[0] or more[1] >= steps[1]:
        raise ValueError(f"output_padding: given {output_padding!r}, expected less than the stride, {steps}")
    return steps, cut, more


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
) -> Tensor:
    """Add up kernels at the places of the pixels, each times its pixel: the transpose of `conv2d`.

    Parameters
    ----------
    input : Tensor, (N, O, H, W)
        The maps.
    weight : Tensor, (O, C, kh, kw)
        The kernels, as those of a convolution from C to O channels.
    bias : Tensor, (C,), optional
        What is added to each output channel.
    stride : int or (int, int)
        The step from place to place, in pixels of the output, down and across.
    padding : int or (int, int)
        How many rows are cut off above and below, columns left and right.
    output_padding : int or (int, int)
        How many rows there are more below, columns on the right; less than the stride. Convolutions with a stride have
        one size of output for several of the input; this says for which.

    Returns
    -------
    Tensor, (N, C, (H - 1) stride - 2 padding + kh + output_padding, the same for W)
        The maps.

    Raises
    ------
    ValueError
        If the shapes do not fit, or more is cut off than there is.
    TypeError
        If the operands are not of one precision.
    """
    given = (input, weight) if bias is None else (input, weight, bias)
    dtype, tensors = widened(*operands("conv_transpose2d", *given))
    maps, kernels = tensors[0].shape, tensors[1].shape
    if len(kernels) != 4 or len(maps) != 4 or maps[1] != kernels[0] or not (maps[2] and maps[3]):
        raise ValueError(
            f"conv_transpose2d: given input {maps} and weight {kernels}, expected (N, O, H, W) with H, W >= 1 and "
            "(O, C, kh, kw)"
        )
    if bias is not None and tensors[2].shape != kernels[1:2]:
        raise ValueError(f"bias: given shape {tensors[2].shape}, expected {kernels[1:2]}")
    steps, cut, more = _geometry(stride, padding, output_padding)
    height, width = ((maps[k + 2] - 1) * steps[k] - 2 * cut[k] + kernels[k + 2] + more[k] for k in range(2))
    if height < 1 or width < 1:
        raise ValueError(f"padding: given {padding!r}, which leaves {height} rows and {width} columns of the output")
    return astype(transposed(tensors, steps, ((cut[0], cut[0]), (cut[1], cut[1])), (height, width)), dtype)


class ConvTranspose2d(Module):
    """A layer of transposed convolution.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the maps before and after.
    kernel_size, stride, padding, output_padding : int or (int, int)
        As in `conv_transpose2d`.
    rng : numpy.random.Generator
        Draws the kernels (`he_normal`; an output is the sum of in_channels kh kw / (stride down times across) terms
        on average); the bias starts at zero.
    dtype : dtype
        Of the parameters, and so of the layer.

    Attributes
    ----------
    weight : Tensor, (in_channels, out_channels, kh, kw)
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
        output_padding: int | Pair = 0,
        *,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        in_channels = integer("in_channels", in_channels, least=1)
        out_channels = integer("out_channels", out_channels, least=1)
        size = pair("kernel_size", kernel_size, least=1)
        self.stride, self.padding, self.output_padding = _geometry(stride, padding, output_padding)
        fan_in = in_channels * size[0] * size[1] / (self.stride[0] * self.stride[1])
        self.weight = he_normal(rng, (in_channels, out_channels, *size), fan_in, dtype)
        self.bias = Tensor(np.zeros(out_channels, dtype), requires_grad=True)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, Y, X)."""
        return conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, self.output_padding)
