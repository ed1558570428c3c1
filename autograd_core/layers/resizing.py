"""Resizing: maps of another size, each pixel a weighted mean of at most two rows and two columns.

Along one axis, of length n before and m after, the place of output d among the inputs 0 ... n - 1 is, in PyTorch's
`interpolate`,

    x = (d + 1/2) n / m - 1/2, but at least 0      (bilinear)
    x = d (n - 1) / (m - 1)                        (bilinear, align_corners)                   (resizing.1)
    x = d n / m                                    (nearest)

    out[d] = (1 - f) input[i] + f input[i+1],   i = floor(x), f = x - i (nearest: 0)           (resizing.2)

where beyond the last input f = 0. Rows and columns are resized one after the other. The places are computed in whole
numbers, so i is never off by one, and f is rounded once.

With x = (a d + c) / b in lowest terms of a / b, outputs d and d + b have the same f, and inputs i and i + a: so few
products of slices with a number make the whole map, and the same slices the other way make its adjoint,

    ginput[i] += (1 - f) gout[d],   ginput[i+1] += f gout[d].                                  (resizing.3)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from autograd_core.arrays import Array, array_module
from autograd_core.function import Context, Function
from autograd_core.functions import astype
from autograd_core.functions.conversion import widened
from autograd_core.layers.module import Module
from autograd_core.layers.windows import Pair, pair
from autograd_core.tensor import Tensor
from autograd_core.threads import share

# Numbers of the larger maps in a piece of a batch, one megabyte in float32: less than the cache, more than a few calls.
PIECE = 2**18
# Slices of columns are slow, and more of them than this slower than rows of the transposed maps.
SLICES = 16
# Fewer numbers than this, some tenths of a millisecond, are not worth waking a thread for.
WORTHWHILE = 500_000


class _Term(NamedTuple):
    """out[outputs] += weight input[inputs], along an axis."""

    outputs: slice
    inputs: slice
    weight: float


class _Line(NamedTuple):
    """The linear map of one axis: every output is in one term of `first`, and in at most one of `second`."""

    before: int
    after: int
    first: tuple[_Term, ...]
    second: tuple[_Term, ...]


def _place(d: int, n: int, m: int, mode: str, align_corners: bool) -> tuple[int, int, int]:
    """Return i, and f as a numerator and a denominator, for output d of m."""
    if mode == "nearest":
        return d * n // m, 0, 1
    over, under = (
        (d * (n - 1), max(1, m - 1)) if align_corners else (max(0, (2 * d + 1) * n - m), 2 * m)
    )  # (resizing.1)
    i, rest = divmod(over, under)
    return (i, rest, under) if i < n - 1 else (n - 1, 0, 1)


def _terms(entries: list[tuple[int, int, float]], step: int, period: int) -> tuple[_Term, ...]:
    """Join entries (output, input, weight) of one weight, `period` apart in the output and `step` in the input."""
    runs: list[tuple[int, int, float, int]] = []
    for d, i, weight in sorted(entries, key=lambda entry: (entry[0] % period, entry[0])):
        first_d, first_i, same, count = runs[-1] if runs else (0, 0, 0.0, 0)
        if (d, i, weight) == (first_d + period * count, first_i + step * count, same):
            runs[-1] = first_d, first_i, same, count + 1
        else:
            runs.append((d, i, weight, 1))
    return tuple(
        _Term(slice(d, d + period * (count - 1) + 1, period), slice(i, i + step * (count - 1) + 1, step), weight)
        for d, i, weight, count in runs
    )


@functools.lru_cache(maxsize=256)
def _line(n: int, m: int, mode: str, align_corners: bool) -> _Line:
    corners = align_corners and n > 1  # of one pixel all are the same
    a, b = (n - 1, max(1, m - 1)) if corners else (n, m)
    step, period = a // math.gcd(a, b), b // math.gcd(a, b)
    first, second = [], []
    for d in range(m):
        i, rest, under = _place(d, n, m, mode, corners)
        first.append((d, i, (under - rest) / under))
        if rest:  # a pixel of weight 0 would make NaN of infinity
            second.append((d, i + 1, rest / under))
    return _Line(n, m, _terms(first, step, period), _terms(second, step, period))


def _gather(input: Array, line: _Line, columns: bool, out: Array) -> None:
    """Put the resized rows (or columns) of maps into `out`."""
    xp = array_module(input)
    for outputs, inputs, weight in line.first:
        target, given = _part(out, outputs, columns), _part(input, inputs, columns)
        if weight == 1:
            target[...] = given
        else:
            xp.multiply(given, weight, out=target)
    for outputs, inputs, weight in line.second:
        target = _part(out, outputs, columns)
        target += _part(input, inputs, columns) * weight


def _scatter(gout: Array, line: _Line, columns: bool, ginput: Array) -> None:
    """Put the adjoint of `_gather` into `ginput`."""
    ginput[...] = 0
    for outputs, inputs, weight in (*line.first, *line.second):
        target, given = _part(ginput, inputs, columns), _part(gout, outputs, columns)
        target += given if weight == 1 else given * weight


def _part(maps: Array, part: slice, columns: bool) -> Array:
    return maps[..., part] if columns else maps[..., part, :]


def _along(
    move: Callable[[Array, _Line, bool, Array], None], maps: Array, line: _Line, columns: bool, out: Array
) -> None:
    """Do `move` along the rows, or along the columns, as fast as these lie."""
    if columns and len(line.first) + len(line.second) > SLICES:
        xp = array_module(maps)
        turned = xp.empty((*out.shape[:-2], out.shape[-1], out.shape[-2]), out.dtype)
        move(xp.ascontiguousarray(maps.swapaxes(-1, -2)), line, False, turned)
        out[...] = turned.swapaxes(-1, -2)
    else:
        move(maps, line, columns, out)


def _resized(input: Array, shape: Pair, work: Callable[[Array, Array], None]) -> Array:
    """Return maps (N, C, *shape); `work` fills some of them, given others, in pieces and on threads."""
    xp, (n, c, h, w) = array_module(input), input.shape
    maps, out = input.reshape(n * c, h, w), xp.empty((n * c, *shape), input.dtype)
    piece = max(1, PIECE // max(h * w, shape[0] * shape[1])) if xp is np else max(1, n * c)

    def resize(start: int, stop: int) -> None:
        for k in range(start * piece, min(stop * piece, n * c), piece):
            work(maps[k : k + piece], out[k : k + piece])

    share(resize, -(-n * c // piece), max(maps.size, out.size) >= WORTHWHILE)
    return out.reshape(n, c, *shape)


class _Resize(Function):
    """(resizing.2), columns first."""

    @staticmethod
    def forward(ctx: Context, input: Array, *, down: _Line, across: _Line) -> Array:
        def work(maps: Array, out: Array) -> None:
            wide = array_module(maps).empty((*maps.shape[:2], across.after), maps.dtype)
            _along(_gather, maps, across, True, wide)
            _along(_gather, wide, down, False, out)

        return _resized(input, (down.after, across.after), work)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return _ResizeAdjoint.apply(gout, **ctx.parameters)


class _ResizeAdjoint(Function):
    """(resizing.3), rows first."""

    @staticmethod
    def forward(ctx: Context, gout: Array, *, down: _Line, across: _Line) -> Array:
        def work(maps: Array, ginput: Array) -> None:
            wide = array_module(maps).empty((len(maps), down.before, across.after), maps.dtype)
            _along(_scatter, maps, down, False, wide)
            _along(_scatter, wide, across, True, ginput)

        return _resized(gout, (down.before, across.before), work)

    @staticmethod
    def backward(ctx: Context, ginput: Tensor) -> Tensor:
        return _Resize.apply(ginput, **ctx.parameters)


def resize2d(input: Tensor, size: int | Pair, mode: str = "bilinear", align_corners: bool = False) -> Tensor:
    """Return maps in another size, as PyTorch's `interpolate` does with `size`.

    Made smaller by more than a half, some pixels are not seen; `average_pool2d` sees all.

    Parameters
    ----------
    input : Tensor, (N, C, H, W)
        The maps.
    size : int or (int, int)
        Rows and columns of the result.
    mode : {"bilinear", "nearest"}
        How the pixels are made of those of the input (resizing.1, resizing.2).
    align_corners : bool
        Whether the centres of the outermost pixels, not their outer edges, are the same places before and after; only
        for "bilinear".

    Returns
    -------
    Tensor, (N, C, *size)
        The maps. PyTorch computes the places in floating point, so its nearest pixel may be the one before.

    Raises
    ------
    ValueError
        If the input has not four axes, or no pixels, or an option is unknown.
    """
    dtype, (maps,) = widened(input)
    if maps.ndim != 4 or not (maps.shape[2] and maps.shape[3]):
        raise ValueError(f"input: given shape {maps.shape}, expected (N, C, H, W) with H, W >= 1")
    return astype(_Resize.apply(maps, **_lines(maps.shape[2:], size, mode, align_corners)), dtype)


def _lines(before: tuple[int, ...], size: int | Pair, mode: str, align_corners: bool) -> dict[str, _Line]:
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f"mode: given {mode!r}, expected 'bilinear' or 'nearest'")
    if align_corners and mode == "nearest":
        raise ValueError("align_corners: given True with mode 'nearest', expected it with 'bilinear' only")
    after = pair("size", size, least=1)
    names = zip(("down", "across"), before, after, strict=True)
    return {name: _line(n, m, mode, bool(align_corners)) for name, n, m in names}


class Resize2d(Module):
    """`resize2d` as a layer."""

    def __init__(self, size: int | Pair, mode: str = "bilinear", align_corners: bool = False) -> None:
        _lines((1, 1), size, mode, align_corners)  # which refuses what is none
        self.size, self.mode, self.align_corners = size, mode, align_corners

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, *size)."""
        return resize2d(input, self.size, self.mode, self.align_corners)
