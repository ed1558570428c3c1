"""Pooling: the largest, or the mean, of each window or of each map."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autograd_core.arrays import Array, array_module, keep_where, mean_of_sum, working_dtype
from autograd_core.function import Context, Function
from autograd_core.functions import flatten, mean
from autograd_core.functions.conversion import floating
from autograd_core.layers.module import Module
from autograd_core.layers.pieces import pieces_of, share_pieces
from autograd_core.layers.windows import Pair, pair, positions
from autograd_core.tensor import Tensor, as_tensor

# Fewer numbers than this, some tenths of a millisecond, are not worth waking a thread for.
WORTHWHILE = 500_000


def _members(maps: Array, size: Pair, stride: Pair) -> Iterator[Array]:
    """Yield, for each place in a window, row by row, what all windows have there: a view (N, C, Y, X)."""
    down, across = positions(maps.shape, size, stride)
    for i in range(size[0]):
        for j in range(size[1]):
            yield maps[
                :,
                :,
                i : i + stride[0] * (down - 1) + 1 : stride[0],
                j : j + stride[1] * (across - 1) + 1 : stride[1],
            ]


def _firsts(input: Array, largest: Array, size: Pair, stride: Pair) -> Iterator[Array]:
    """Yield, for each place in a window, which windows have their largest value there and nowhere before."""
    free = array_module(input).ones(largest.shape, bool)
    for member in _members(input, size, stride):
        first = member == largest
        first &= free
        free ^= first
        yield first


def _rows(maps: Array, size: Pair) -> Array:
    """Return windows that lie side by side as rows (N, C, Y, kh, X kw): a view, without what is left over."""
    n, c, h, w = maps.shape
    down, across = h // size[0], w // size[1]
    return maps[:, :, : down * size[0], : across * size[1]].reshape(n, c, down, size[0], across * size[1])


def _largest(rows: Array, width: int) -> Array:
    """Return the largest of each window (N, C, Y, X): down whole rows first, which are long, then across."""
    xp = array_module(rows)
    columns = rows[:, :, :, 0].copy()
    for i in range(1, rows.shape[3]):
        xp.maximum(columns, rows[:, :, :, i], out=columns)
    largest = columns[..., ::width].copy()
    for j in range(1, width):
        xp.maximum(largest, columns[..., j::width], out=largest)
    return largest


def _widened(array: Array, width: int) -> Array:
    """Repeat the elements of each row, to lie beside `_rows`: (N, C, Y, X) to (N, C, Y, 1, X kw)."""
    *shape, across = array.shape
    wide = array_module(array).empty((*shape, across * width), array.dtype)
    for j in range(width):
        wide[..., j::width] = array
    return wide[:, :, :, None]


def _side_by_side(size: Pair, stride: Pair) -> bool:
    """Tell whether windows have neither gaps nor overlaps, and as many places as `_first_places` is made for."""
    return size == stride and 9 <= size[0] * size[1] < 255


def _first_places(input: Array, largest: Array, size: Pair) -> Array:
    """Tell where in windows side by side the largest value is for the first time: as `_rows`."""
    xp, (kh, kw) = array_module(input), size
    across = largest.shape[3]
    order = xp.tile(xp.arange(kh * kw, 0, -1, dtype=np.uint8).reshape(kh, kw), (1, across))  # from first to last
    candidates = (_rows(input, size) == _widened(largest, kw)) * order
    first = _largest(candidates, kw)
    first[first == 0] = 255  # a window with a NaN has no candidate
    places: Array = candidates == _widened(first, kw)
    return places


def _maxima(input: Array, size: Pair, stride: Pair) -> Array:
    """Return the largest of each window."""
    if size == stride:
        return _largest(_rows(input, size), size[1])
    members = _members(input, size, stride)
    largest = next(members).copy()
    for member in members:
        array_module(input).maximum(largest, member, out=largest)
    return largest


def _spread(gout: Array, input: Array, largest: Array, size: Pair, stride: Pair) -> Array:
    """Return maps as `input`, with each window's number where its maximum was."""
    xp, apart = array_module(input), all(step >= side for step, side in zip(stride, size, strict=True))
    if _side_by_side(size, stride):
        spread = keep_where(_widened(gout, size[1]), _first_places(input, largest, size))
        whole = spread.reshape(*spread.shape[:2], -1, spread.shape[4])
        if whole.shape == input.shape:
            return whole
        ginput = xp.zeros(input.shape, gout.dtype)
        ginput[:, :, : whole.shape[2], : whole.shape[3]] = whole
        return ginput
    ginput = xp.zeros(input.shape, gout.dtype if apart else working_dtype(gout.dtype))
    targets = _members(ginput, size, stride)
    for target, first in zip(targets, _firsts(input, largest, size, stride), strict=True):
        if apart:
            target[...] = keep_where(gout, first)
        else:
            target += keep_where(gout, first)
    return ginput.astype(gout.dtype, copy=False)


class _MaxPool(Function):
    @staticmethod
    def forward(ctx: Context, input: Array, *, size: Pair, stride: Pair) -> Array:
        largest = array_module(input).empty((*input.shape[:2], *positions(input.shape, size, stride)), input.dtype)

        def pool(piece: slice) -> None:
            largest[piece] = _maxima(input[piece], size, stride)

        share_pieces(pool, pieces_of(input, math.prod(input.shape[1:])), input.size >= WORTHWHILE)
        ctx.save(input, largest)
        return largest

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        input, largest = ctx.saved
        return _Spread.apply(gout, input=input, largest=largest, **ctx.parameters)


class _Spread(Function):
    """Put each window's number where its maximum was; windows that share a place add up."""

    @staticmethod
    def forward(ctx: Context, gout: Array, *, input: Array, largest: Array, size: Pair, stride: Pair) -> Array:
        ginput = array_module(gout).empty(input.shape, gout.dtype)

        def spread(piece: slice) -> None:
            ginput[piece] = _spread(gout[piece], input[piece], largest[piece], size, stride)

        share_pieces(spread, pieces_of(input, math.prod(input.shape[1:])), input.size >= WORTHWHILE)
        return ginput

    @staticmethod
    def backward(ctx: Context, ginput: Tensor) -> Tensor:
        return _Pick.apply(ginput, **ctx.parameters)


class _Pick(Function):
    """Take from each window what stands where its maximum was: the adjoint of `_Spread`."""

    @staticmethod
    def forward(ctx: Context, maps: Array, *, input: Array, largest: Array, size: Pair, stride: Pair) -> Array:
        picked = array_module(maps).zeros(largest.shape, maps.dtype)
        members = _members(maps, size, stride)
        for member, first in zip(members, _firsts(input, largest, size, stride), strict=True):
            array_module(maps).copyto(picked, member, where=first)
        return picked

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return _Spread.apply(gout, **ctx.parameters)


class _AveragePool(Function):
    @staticmethod
    def forward(ctx: Context, input: Array, *, size: Pair, stride: Pair) -> Array:
        def sum_of(maps: Array) -> Array:
            members = _members(maps, size, stride)
            total = next(members).astype(np.result_type(maps.dtype, np.float64))
            for member in members:
                total += member
            return total

        return mean_of_sum(input, size[0] * size[1], sum_of).astype(input.dtype, copy=False)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return _AverageSpread.apply(gout, shape=ctx.inputs[0].shape, **ctx.parameters)


class _AverageSpread(Function):
    """Spread each window's number evenly over it: the adjoint of `_AveragePool`."""

    @staticmethod
    def forward(ctx: Context, gout: Array, *, shape: tuple[int, ...], size: Pair, stride: Pair) -> Array:
        wide = np.result_type(gout.dtype, np.float64)
        ginput = array_module(gout).zeros(shape, wide)
        share = gout.astype(wide) / (size[0] * size[1])
        for target in _members(ginput, size, stride):
            target += share
        return ginput.astype(gout.dtype, copy=False)

    @staticmethod
    def backward(ctx: Context, ginput: Tensor) -> Tensor:
        return _AveragePool.apply(ginput, size=ctx.parameters["size"], stride=ctx.parameters["stride"])


def _sizes(size: int | Pair, stride: int | Pair | None) -> dict[str, Pair]:
    window = pair("size", size, least=1)
    return {"size": window, "stride": window if stride is None else pair("stride", stride, least=1)}


def max_pool2d(input: Tensor, size: int | Pair, stride: int | Pair | None = None) -> Tensor:
    """Return the largest value of each window.

    Parameters
    ----------
    input : Tensor, (N, C, H, W)
        The maps.
    size : int or (int, int)
        The window, down and across, in pixels.
    stride : int or (int, int), optional
        The step from window to window; the window's size by default.

    Returns
    -------
    Tensor, (N, C, (H - size) // stride + 1, the same for W)
        The maxima. Where several pixels of a window share the maximum, the first of them in row-major order
        gets the gradient. A window with a NaN gives NaN, and no gradient.

    Raises
    ------
    ValueError
        If the input has not four axes, or is smaller than a window.
    """
    return _MaxPool.apply(input, **_sizes(size, stride))


def average_pool2d(input: Tensor, size: int | Pair, stride: int | Pair | None = None) -> Tensor:
    """Return the mean of each window; parameters, shapes and errors are those of `max_pool2d`."""
    return _AveragePool.apply(floating(input), **_sizes(size, stride))


def _require_pixels(input: Tensor) -> None:
    if input.ndim != 4 or not (input.shape[2] and input.shape[3]):
        raise ValueError(f"input: given shape {input.shape}, expected (N, C, H, W) with H, W >= 1")


def global_average_pool2d(input: Tensor) -> Tensor:
    """Return the mean of each map, (N, C) of (N, C, H, W); ValueError if the input has other axes or no pixels."""
    input = floating(input)
    _require_pixels(input)
    return mean(input, (2, 3))


def global_max_pool2d(input: Tensor) -> Tensor:
    """Return the largest value of each map, (N, C) of (N, C, H, W), or NaN if there is one.

    The first pixel in row-major order that has this value gets the gradient.

    Raises
    ------
    ValueError
        If the input has other axes or no pixels.
    """
    input = as_tensor(input)
    _require_pixels(input)
    xp, (n, c, _, _) = array_module(input.data), input.shape
    pixels = flatten(input, 2)
    return pixels[xp.arange(n)[:, None], xp.arange(c), pixels.data.argmax(axis=2)]


class MaxPool2d(Module):
    """`max_pool2d` as a layer."""

    def __init__(self, size: int | Pair, stride: int | Pair | None = None) -> None:
        self.sizes = _sizes(size, stride)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, Y, X)."""
        return max_pool2d(input, **self.sizes)


class AveragePool2d(Module):
    """`average_pool2d` as a layer."""

    def __init__(self, size: int | Pair, stride: int | Pair | None = None) -> None:
        self.sizes = _sizes(size, stride)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, Y, X)."""
        return average_pool2d(input, **self.sizes)


class GlobalAveragePool2d(Module):
    """`global_average_pool2d` as a layer."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C)."""
        return global_average_pool2d(input)


class GlobalMaxPool2d(Module):
    """`global_max_pool2d` as a layer."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C)."""
        return global_max_pool2d(input)
