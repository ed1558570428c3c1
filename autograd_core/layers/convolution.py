"""Convolution (in fact correlation, as in every neural network) and its two gradients.

    out[n,o,y,x] = bias[o] + sum_{c,i,j} weight[o,c,i,j] input[n,c,sy+i,tx+j]              (convolution.1)

is linear in the input and in the weight, so its two gradients are bilinear too, and the three are closed
under differentiation: each one's gradients are the other two.

    ginput[n,c,sy+i,tx+j] += weight[o,c,i,j] gout[n,o,y,x]                                 (convolution.2)
    gweight[o,c,i,j] = sum_{n,y,x} input[n,c,sy+i,tx+j] gout[n,o,y,x]                      (convolution.3)

where s and t are the strides down and across. All three are matrix products. Unfolding every window (im2col)
would copy each pixel kh kw times. Unfolding only across, into

    rows[h,j,c,n,x] = input[n,c,h,tx+j],                                                   (convolution.4)

copies it kw times: the windows of output row y are then the kh consecutive lines h = sy ... sy+kh-1 of rows. So the
matrix of an output row's windows, kh kw C numbers in each, is a view, which overlaps the next row's, and BLAS takes it
as it is (M. Cho and D. Brand, "MEC: memory-efficient convolution for deep neural network", ICML 2017). Its columns are
the windows of several images, since those of one are too few where maps are small.

The batch is done in pieces whose unfolded rows stay in the cache, on several threads if it is worth it. BLAS itself
has one thread meanwhile, so no number depends on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_core.arguments import integer
from autograd_core.arrays import Array, array_module, sum_over
from autograd_core.function import Context, Function
from autograd_core.functions import astype
from autograd_core.functions.conversion import widened
from autograd_core.functions.operands import operands
from autograd_core.layers.initialization import he_normal
from autograd_core.layers.module import Module
from autograd_core.layers.pieces import pieces_of, share_pieces
from autograd_core.layers.windows import Frame, Padding, Pair, frame_of, framed, pair, positions
from autograd_core.tensor import Tensor
from autograd_core.threads import one_blas_thread

Gradients = tuple[Tensor | None, ...]

# Fewer multiplications than this, some tenths of a millisecond, are not worth waking a thread for.
WORTHWHILE = 10_000_000
# So many terms at most are added in the arrays' own precision, before float64 takes over.
TERMS = 1024


def _share(convolve: Callable[[slice], None], pieces: Sequence[slice], multiplications: int) -> None:
    with one_blas_thread():
        share_pieces(convolve, pieces, multiplications >= WORTHWHILE)


def _arranged(maps: Array, memory: str, frame: Frame = ((0, 0), (0, 0))) -> Array:
    """Return a copy [h,c,n,x] of maps (N, C, H, W) in a frame of zeros, in memory in the order that the letters say."""
    xp, (n, c, h, w) = array_module(maps), maps.shape
    height, width = framed(h, w, frame)
    allocate, lengths = xp.empty if (height, width) == (h, w) else xp.zeros, {"h": height, "c": c, "n": n, "x": width}
    arranged = allocate([lengths[axis] for axis in memory], maps.dtype)
    arranged = arranged.transpose([memory.index(axis) for axis in "hcnx"])
    (top, _), (left, _) = frame
    arranged[top : top + h, :, :, left : left + w] = maps.transpose(2, 1, 0, 3)
    return arranged


def _windows(input: Array, frame: Frame, size: Pair, stride: Pair) -> Array:
    """Return windows[y,(i,j,c),(n,x)]: for each output row a matrix, whose columns are the windows of all images.

    They are a view of the unfolded rows (convolution.4), in which channels are next to each other in memory if there
    are many, and else the windows: what is copied and multiplied are long runs.
    """
    xp, (n, c, h, w), (kh, kw), (s, t) = array_module(input), input.shape, size, stride
    height, width = framed(h, w, frame)
    down, across = positions((n, c, height, width), size, stride)
    inner, outer = ("nxhc", "nxhjc") if c > across else ("hcnx", "hjcnx")
    maps, lengths = _arranged(input, inner, frame), {"h": height, "j": kw, "c": c, "n": n, "x": across}
    rows = xp.empty([lengths[axis] for axis in outer], input.dtype)
    rows = rows.transpose([outer.index(axis) for axis in "hjcnx"])
    for j in range(kw):
        rows[:, j] = maps[..., j : j + t * (across - 1) + 1 : t]
    line, _, channel, _, column = rows.strides
    return xp.lib.stride_tricks.as_strided(rows, (down, kh * kw * c, n * across), (s * line, channel, column))


class _Convolution(Function):
    @staticmethod
    def forward(
        ctx: Context, input: Array, weight: Array, bias: Array | None = None, *, stride: Pair, frame: Frame
    ) -> Array:
        xp, (n, c, h, w), (outs, _, kh, kw) = array_module(input), input.shape, weight.shape
        height, width = framed(h, w, frame)
        down, across = positions((n, c, height, width), (kh, kw), stride)
        kernel = weight.transpose(0, 2, 3, 1).reshape(outs, kh * kw * c)
        given = (input, weight) if bias is None else (input, weight, bias)
        out = xp.empty((n, outs, down, across), np.result_type(*(array.dtype for array in given)))

        def convolve(piece: slice) -> None:
            products = xp.matmul(kernel, _windows(input[piece], frame, (kh, kw), stride))
            if bias is not None:
                products += bias[:, None]
            out[piece] = products.reshape(down, outs, -1, across).transpose(2, 1, 0, 3)

        _share(convolve, pieces_of(input, height * kw * c * across), out.size * kh * kw * c)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        input, weight, *bias = ctx.inputs
        shape, size = input.shape[2:], weight.shape[2:]
        return (
            _InputGradient.apply(gout, weight, shape=shape, **ctx.parameters) if ctx.needs[0] else None,
            _WeightGradient.apply(input, gout, size=size, **ctx.parameters) if ctx.needs[1] else None,
            *(gout.sum(axis=(0, 2, 3)) for _ in bias),
        )


class _Run(NamedTuple):
    """Input rows row, row + stride, ..., each of which lies in as many windows, those of consecutive output rows."""

    row: int
    rows: int
    first: int  # the output row of the first input row's first window; for each further one it is one further down
    windows: int


def _runs(rows: range, down: int, size: int, stride: int) -> list[_Run]:
    """Return those of `rows` that lie in a window in runs, for windows of `size` rows of which there are `down`."""
    runs: list[_Run] = []
    for row in (row for a in range(stride) for row in rows[a::stride]):
        first = max(0, -(-(row - size + 1) // stride))
        windows = min(down, row // stride + 1) - first
        if windows <= 0:
            continue
        if runs:
            last = runs[-1]
            if (row, first, windows) == (last.row + stride * last.rows, last.first + last.rows, last.windows):
                runs[-1] = last._replace(rows=last.rows + 1)
                continue
        runs.append(_Run(row, 1, first, windows))
    return runs


class _InputGradient(Function):
    """(convolution.2), which is also the transposed convolution of `gout`, with a bias if wanted."""

    @staticmethod
    def forward(
        ctx: Context,
        gout: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Pair,
        frame: Frame,
        shape: Pair,
    ) -> Array:
        # Input row h gets, from the output rows y with 0 <= i = h - sy < kh, spread[(j,c),(n,x)], which belongs in
        # column tx + j. These output rows are consecutive, so (y,o) is one axis of a product's terms.
        xp, (_, outs, down, across), (_, c, kh, kw) = array_module(gout), gout.shape, weight.shape
        (h, w), (s, t), ((top, _), (left, _)) = shape, stride, frame
        width = framed(h, w, frame)[1]
        kernel = xp.ascontiguousarray(weight[:, :, ::-1].transpose(2, 0, 3, 1)).reshape(kh, outs, kw * c)
        runs = _runs(range(top, top + h), down, kh, s)
        given = (gout, weight) if bias is None else (gout, weight, bias)
        ginput = xp.empty((len(gout), c, h, w), np.result_type(*(array.dtype for array in given)))

        def convolve(piece: slice) -> None:
            lines = _arranged(gout[piece], "nxhc" if outs > across else "hcnx")
            line, term, _, column = lines.strides
            n = lines.shape[2]
            total = xp.zeros((n, width, h, c) if c > across else (h, c, n, width), ginput.dtype)
            total = total.transpose(2, 3, 0, 1) if c > across else total
            for row, rows, first, windows in runs:
                upwards = kernel[kh - 1 - row + s * first :: s][:windows].reshape(windows * outs, kw * c)
                consecutive = xp.lib.stride_tricks.as_strided(
                    lines[first:], (rows, windows * outs, n * across), (line, term, column)
                )
                if c > across:
                    spread = xp.matmul(consecutive.swapaxes(1, 2), upwards).swapaxes(1, 2)
                else:
                    spread = xp.matmul(upwards.T, consecutive)
                spread = spread.reshape(rows, kw, c, n, across)
                target = total[row - top : row - top + s * (rows - 1) + 1 : s]
                for j in range(kw):
                    target[..., j : j + t * (across - 1) + 1 : t] += spread[:, j]
            ginput[piece] = total[..., left : left + w].transpose(2, 1, 0, 3)
            if bias is not None:
                ginput[piece] += bias[:, None, None]

        _share(convolve, pieces_of(gout, h * kw * c * across), gout.size * kh * kw * c)
        return ginput

    @staticmethod
    def backward(ctx: Context, ginput: Tensor) -> Gradients:
        gout, weight, *bias = ctx.inputs
        geometry = {name: ctx.parameters[name] for name in ("stride", "frame")}
        return (
            _Convolution.apply(ginput, weight, **geometry) if ctx.needs[0] else None,
            _WeightGradient.apply(ginput, gout, size=weight.shape[2:], **geometry) if ctx.needs[1] else None,
            *(ginput.sum(axis=(0, 2, 3)) for _ in bias),
        )


class _WeightGradient(Function):
    @staticmethod
    def forward(ctx: Context, input: Array, gout: Array, *, stride: Pair, frame: Frame, size: Pair) -> Array:
        xp, (_, outs, _, across), (_, c, h, w), (kh, kw) = array_module(gout), gout.shape, input.shape, size
        pieces = pieces_of(input, framed(h, w, frame)[0] * kw * c * across)
        dtype = np.result_type(input.dtype, gout.dtype)
        sums = xp.zeros((len(pieces), outs, kh * kw * c), np.result_type(dtype, np.float64))

        def convolve(piece: slice) -> None:
            windows, total = _windows(input[piece], frame, size, stride), sums[pieces.index(piece)]
            down, _, columns = windows.shape
            given = _arranged(gout[piece], "hcnx").reshape(down, outs, columns)
            together = max(1, TERMS // max(1, columns))  # output rows, before float64 takes over
            for y in range(0, down, together):
                for x in range(0, columns, TERMS):
                    some = slice(y, y + together), slice(None), slice(x, x + TERMS)
                    products = xp.matmul(given[some], windows[some].swapaxes(1, 2))
                    total += products[0] if len(products) == 1 else products.sum(axis=0)

        _share(convolve, pieces, gout.size * kh * kw * c)
        gweight = sum_over(sums, 0).astype(dtype)
        return gweight.reshape(outs, kh, kw, c).transpose(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Context, gweight: Tensor) -> Gradients:
        input, gout = ctx.inputs
        geometry = {name: ctx.parameters[name] for name in ("stride", "frame")}
        return (
            _InputGradient.apply(gout, gweight, shape=input.shape[2:], **geometry) if ctx.needs[0] else None,
            _Convolution.apply(input, gweight, **geometry) if ctx.needs[1] else None,
        )


def transposed(inputs: Sequence[Tensor], stride: Pair, frame: Frame, shape: Pair) -> Tensor:
    """Return (convolution.2) of gout, weight and, if given, a bias: maps of `shape`, without the frame around them."""
    return _InputGradient.apply(*inputs, stride=stride, frame=frame, shape=shape)


def conv2d(input: Any, weight: Any, bias: Any = None, stride: int | Pair = 1, padding: Padding = 0) -> Tensor:
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
    padding : int, (int, int), "same" or "valid"
        The width of the frame of zeros, in pixels, above and below, left and right. "valid" is none; "same" the one
        with which the maps keep their size, with the odd row or column of an even kernel below and on the right.

    Returns
    -------
    Tensor, (N, O, (H + 2 padding - kh) // stride + 1, the same for W)
        The filtered maps. Rows and columns beyond the last whole window are not used.

    Raises
    ------
    ValueError
        If the shapes do not fit, a kernel is larger than the padded map, or "same" is asked for with a stride.
    TypeError
        If the operands are not of one precision.
    """
    given = (input, weight) if bias is None else (input, weight, bias)
    dtype, (maps, kernels, *offsets) = widened(*operands("conv2d", *given))
    if kernels.ndim != 4 or maps.ndim != 4 or maps.shape[1] != kernels.shape[1]:
        raise ValueError(
            f"conv2d: given input {maps.shape} and weight {kernels.shape}, expected (N, C, H, W) and (O, C, kh, kw)"
        )
    if offsets and offsets[0].shape != kernels.shape[:1]:
        raise ValueError(f"bias: given shape {offsets[0].shape}, expected {kernels.shape[:1]}")
    steps = pair("stride", stride, least=1)
    geometry = {"stride": steps, "frame": frame_of(padding, (kernels.shape[2], kernels.shape[3]), steps)}
    return astype(_Convolution.apply(maps, kernels, *offsets, **geometry), dtype)


class Conv2d(Module):
    """A layer of convolution kernels.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the maps before and after.
    kernel_size, stride : int or (int, int)
        As in `conv2d`.
    padding : int, (int, int), "same" or "valid"
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
        padding: Padding = 0,
        *,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        in_channels = integer("in_channels", in_channels, least=1)
        out_channels = integer("out_channels", out_channels, least=1)
        size = pair("kernel_size", kernel_size, least=1)
        self.stride = pair("stride", stride, least=1)
        frame_of(padding, size, self.stride)  # which refuses what is none
        self.padding = padding
        fan_in = in_channels * size[0] * size[1]
        self.weight = he_normal(rng, (out_channels, in_channels, *size), fan_in, dtype)
        self.bias = Tensor(np.zeros(out_channels, dtype), requires_grad=True)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, Y, X)."""
        return conv2d(input, self.weight, self.bias, self.stride, self.padding)
