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
depends on how many. A product has one output row (or one image, or a few small ones) and so few multiplications that
OpenBLAS neither packs its operands first nor shares it among threads of its own, which would round differently.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from autograd_core.layers.windows import Frame, Padding, Pair, frame_of, framed, pair, positions
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
# Of maps so small that a product would have fewer terms, several are put together.
ENOUGH_TERMS = 128
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


def _framed(input: Array, frame: Frame, memory: str) -> Array:
    """Return maps[n,h,c,x] of (N, C, H, W) with a frame of zeros, in memory in the order that the letters say."""
    xp, (n, c, h, w) = array_module(input), input.shape
    turned = input.transpose(["nchx".index(axis) for axis in memory])
    (top, bottom), (left, right) = frame
    if top or bottom or left or right:
        lengths = {"n": n, "h": h + top + bottom, "c": c, "x": w + left + right}
        inside = {"n": slice(None), "h": slice(top, top + h), "c": slice(None), "x": slice(left, left + w)}
        maps = xp.zeros([lengths[axis] for axis in memory], input.dtype)
        maps[tuple(inside[axis] for axis in memory)] = turned
    else:
        maps = xp.ascontiguousarray(turned)  # so that runs are copied
    return maps.transpose([memory.index(axis) for axis in "nhcx"])


def _unfold(maps: Array, width: int, stride: int, memory: str) -> Array:
    """Return rows[n,h,j,c,x], j < width (convolution.4), in memory in the order that the letters say."""
    xp, (n, h, c, w) = array_module(maps), maps.shape
    lengths = {"n": n, "h": h, "j": width, "c": c, "x": (w - width) // stride + 1}
    rows = xp.empty([lengths[axis] for axis in memory], maps.dtype)
    rows = rows.transpose([memory.index(axis) for axis in "nhjcx"])
    for j in range(width):
        rows[:, :, j] = maps[..., j : j + stride * (lengths["x"] - 1) + 1 : stride]
    return rows


class _Convolution(Function):
    @staticmethod
    def forward(
        ctx: Context, input: Array, weight: Array, bias: Array | None = None, *, stride: Pair, frame: Frame
    ) -> Array:
        xp, (n, c, h, w), (outs, _, kh, kw) = array_module(input), input.shape, weight.shape
        height, width = framed(h, w, frame)
        down, across = positions((n, c, height, width), (kh, kw), stride)
        kernel = weight.transpose(0, 2, 3, 1).reshape(outs, kh * kw * c)
        if c <= across:
            kernel = xp.asfortranarray(kernel)  # the order of axes that BLAS multiplies faster for long rows
        given = (input, weight) if bias is None else (input, weight, bias)
        out = xp.empty((n, outs, down, across), np.result_type(*(array.dtype for array in given)))
        pieces = _pieces(input, height * kw * c * across)
        inner, outer = ("nxhc", "nxhjc") if c > across else ("nhcx", "nhjcx")

        def convolve(start: int, stop: int) -> None:
            for piece in pieces[start:stop]:
                rows = _unfold(_framed(input[piece], frame, inner), kw, stride[1], outer)
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
    """Return all `rows` in runs, for windows of `size` rows of which there are `down`."""
    runs: list[_Run] = []
    for row in (row for a in range(stride) for row in rows[a::stride]):
        first = max(0, -(-(row - size + 1) // stride))
        windows = max(0, min(down, row // stride + 1) - first)
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
        # Input row h gets, from the output rows y with 0 <= i = h - sy < kh, spread[n,h,(j,c),x], which belongs in
        # column tx + j. For each remainder b of j = b + tm these are every t-th column, and what has one m lies m
        # places further right than what has m = 0. Lines of spread end in zeros, so all lines of one (n, h, j) move
        # at once.
        xp, (_, outs, down, across), (_, c, kh, kw) = array_module(gout), gout.shape, weight.shape
        (h, w), (s, t), ((top, _), (left, _)) = shape, stride, frame
        wide, order = -(-framed(h, w, frame)[1] // t), [j for b in range(t) for j in range(b, kw, t)]
        kernel = xp.ascontiguousarray(weight[:, :, ::-1].transpose(2, 0, 3, 1)[:, :, order]).reshape(kh, outs, kw * c)
        runs = _runs(range(top, top + h), down, kh, s)
        given = (gout, weight) if bias is None else (gout, weight, bias)
        ginput = xp.empty((len(gout), c, h, w), np.result_type(*(array.dtype for array in given)))
        pieces = _pieces(gout, h * kw * c * wide)

        def multiply(lines: Array, spread: Array) -> None:
            for row, rows, first, windows in runs:
                target = spread[:, row - top : row - top + s * (rows - 1) + 1 : s]
                if windows:
                    upwards = kernel[kh - 1 - row + s * first :: s][:windows].reshape(windows * outs, kw * c).T
                    consecutive = xp.lib.stride_tricks.as_strided(
                        lines[:, first:], (len(lines), rows, windows * outs, across), lines.strides
                    )
                    _multiply(upwards, consecutive, target[..., :across])
                else:
                    target[...] = 0

        def gather(spread: Array, result: Array) -> None:
            lines = spread.reshape(-1, h, kw, c * wide)
            for b in range(t):
                x = max(0, -((b - left) // t))  # the first place of the remainder within the frame
                target = result[..., b + t * x - left :: t].swapaxes(1, 2)
                if b < kw:
                    place = order.index(b)
                    total = lines[:, :, place]
                    for m in range(1, len(range(b, kw, t))):
                        total[..., m:] += lines[:, :, place + m, :-m]
                    target[...] = total.reshape(-1, h, c, wide)[..., x : x + target.shape[3]]
                else:
                    target[...] = 0

        def convolve(start: int, stop: int) -> None:
            scratch = xp.empty((len(gout[pieces[0]]), h, kw * c, wide), ginput.dtype)
            for piece in pieces[start:stop]:
                turned = gout[piece].swapaxes(1, 2)
                if outs > across:
                    lines = xp.empty((len(turned), across, down, outs), gout.dtype).transpose(0, 2, 3, 1)
                else:
                    lines = xp.empty(turned.shape, gout.dtype)
                lines[...] = turned
                spread = scratch[: len(turned)]
                spread[..., across:] = 0
                multiply(lines, spread)
                gather(spread, ginput[piece])
                if bias is not None:
                    ginput[piece] += bias[:, None, None]

        if pieces:
            share(convolve, len(pieces), gout.size * kh * kw * c >= WORTHWHILE)
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
        xp, (_, outs, down, across), (_, c, h, w) = array_module(gout), gout.shape, input.shape
        (kh, kw), (s, t), height = size, stride, framed(h, w, frame)[0]
        terms = min(TERMS, PRODUCT // max(1, FEWEST_ROWS * kw * c))
        band = min(down, max(1, terms // across))  # output rows
        together = max(1, ENOUGH_TERMS // (down * across))  # images
        group = max(1, TERMS // (band * across * together))  # products that are added before float64 takes over
        pieces = _pieces(input, height * kw * c * across)
        dtype = np.result_type(input.dtype, gout.dtype)
        sums = xp.zeros((len(pieces), kh, outs, kw * c), np.result_type(dtype, np.float64))
        inner, outer = ("nxhc", "nxhjc") if c > across else ("nchx", "njchx")

        def add_products(total: Array, given: Array, windows: Array) -> None:
            m, places = windows.shape[:2]
            products = xp.empty((m, places, outs, kw * c), dtype)
            _multiply(given.reshape(m, 1, outs, -1), windows.reshape(m, places, -1, kw * c), products)
            for first in range(0, m, group):
                total += products[first : first + group].sum(axis=0)

        def convolve(start: int, stop: int) -> None:
            for number in range(start, stop):
                given, maps = gout[pieces[number]], _framed(input[pieces[number]], frame, inner)
                # The kernels' rows i with one remainder of i / s meet the same lines h = sy + i, every s-th one.
                for a in range(min(s, kh)):
                    rows = _unfold(maps[:, a::s], kw, t, outer)
                    m, places = len(rows), len(range(a, kh, s))
                    image, line, _, channel, column = rows.strides
                    windows = xp.lib.stride_tricks.as_strided(
                        rows, (m, places, down, across, kw * c), (image, line, line, column, channel)
                    )
                    total = sums[number, a::s]
                    if together > 1:
                        whole = m - m % together
                        for first, end, many in ((0, whole, together), (whole, m, m - whole)):
                            if first < end:
                                apart = given[first:end].reshape(-1, many, outs, down * across)
                                looks = windows[first:end].reshape(-1, many, places, down, across, kw * c)
                                apart = apart.swapaxes(1, 2).reshape(-1, 1, outs, many * down * across)
                                for i in range(places):  # so that what is copied and multiplied stays in the cache
                                    add_products(total[i : i + 1], apart, looks[:, :, i : i + 1].swapaxes(1, 2))
                        continue
                    for y in range(0, down, band):
                        add_products(total, given[:, None, :, y : y + band], windows[:, :, y : y + band])

        share(convolve, len(pieces), gout.size * kh * kw * c >= WORTHWHILE)
        gweight = sum_over(sums, 0).astype(dtype)
        return gweight.reshape(kh, outs, kw, c).transpose(1, 3, 0, 2)

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
