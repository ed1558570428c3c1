"""Windows of 4 x 4 pixels, read and written on the CPU a row at a time, as vectors of four numbers.

Indices are unsigned and not checked. Where compilation is disabled (NUMBA_DISABLE_JIT=1), equivalent plain functions
are used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from refwarp.backend.arithmetic import two_sum
from refwarp.backend.intrinsics import emitted
from refwarp.backend.vectors import LANES, Vectors

_FOUR = [np.uint64(k) for k in range(LANES)]


class Window(NamedTuple):
    """The position of a window in a flat map."""

    first: Any  # its first pixel
    row: Any  # the distance of its rows


class WeightPlaces(NamedTuple):
    """Where the weights of a window lie in a flat array: four of its rows, four of its columns."""

    rows: Any
    columns: Any


def _sum_columns(map: Any, window: Window, weights: Any, at: Any, columns: Any, to: Any) -> None:
    for p in _FOUR:
        column = (weights[at + q] * map[window.first + q * window.row + p] for q in _FOUR)
        columns[to + p] = sum(column)  # (bicubic.1), down


@emitted(plain=_sum_columns)
def sum_columns(typing: Any, map: Any, window: Any, weights: Any, at: Any, columns: Any, to: Any) -> Any:
    """Sum the rows of a window, times the four weights from `at` on, to the four numbers of `columns` from `to` on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, window_, weights_, place, columns_, to_ = arguments
        vectors, total = Vectors(context, builder, context.get_data_type(map.dtype)), None
        index, row = cgutils.unpack_tuple(builder, window_)
        for _ in range(LANES):
            u = vectors.load(vectors.pointer(map, map_, index))
            w = vectors.broadcast(builder.load(vectors.pointer(weights, weights_, place)))
            total = builder.fmul(w, u) if total is None else vectors.multiply_add(w, u, total)  # (bicubic.1), down
            index, place = builder.add(index, row), builder.add(place, ir.Constant(place.type, 1))
        vectors.store(total, vectors.pointer(columns, columns_, to_))
        return context.get_dummy_value()

    return types.void(map, window, weights, at, columns, to), emit


def _add_window(map: Any, window: Window, factor: Any, sums: Any, to: Any) -> None:
    for q in _FOUR:
        for p in _FOUR:
            u = np.float64(map[window.first + q * window.row + p])
            sums[to + np.uint64(LANES) * q + p] += factor * u  # (bicubic.6), gV U


@emitted(plain=_add_window)
def add_window(typing: Any, map: Any, window: Any, factor: Any, sums: Any, to: Any) -> Any:
    """Add a window, times a double, to the sixteen doubles of `sums` from `to` on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, window_, factor_, sums_, to_ = arguments
        vectors = Vectors(context, builder)
        index, row = cgutils.unpack_tuple(builder, window_)
        for _ in range(LANES):
            u, target = vectors.load(vectors.pointer(map, map_, index)), vectors.pointer(sums, sums_, to_)
            total = vectors.multiply_add(vectors.broadcast(factor_), u, vectors.load(target))  # (bicubic.6), gV U
            vectors.store(total, target)
            index, to_ = builder.add(index, row), builder.add(to_, ir.Constant(to_.type, LANES))
        return context.get_dummy_value()

    return types.void(map, window, factor, sums, to), emit


def _scatter_window(
    factor: Any, weights: Any, places: WeightPlaces, sums: Any, window: Window, lost: Any, rest: Any
) -> None:
    for q in _FOUR:
        for p in _FOUR:
            term = factor * np.float64(weights[places.rows + q]) * np.float64(weights[places.columns + p])
            offset = q * window.row + p
            sums[window.first + offset], missing = two_sum(sums[window.first + offset], term)  # (bicubic.5)
            if lost.dtype == np.float64:
                lost[rest + offset] += missing


@emitted(plain=_scatter_window)
def scatter_window(
    typing: Any, factor: Any, weights: Any, places: Any, sums: Any, window: Any, lost: Any, rest: Any
) -> Any:
    """Add a double, times the weights of rows and columns, to a window of `sums`, which holds doubles (bicubic.5).

    The rounding errors are added to the window that begins at lost[rest], if that holds doubles.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factor_, weights_, places_, sums_, window_, lost_, rest_ = arguments
        vectors = Vectors(context, builder)
        (place, column), (index, row) = (cgutils.unpack_tuple(builder, pair) for pair in (places_, window_))
        g, wx = vectors.broadcast(factor_), vectors.load(vectors.pointer(weights, weights_, column))
        for _ in range(LANES):
            wy = vectors.broadcast(builder.load(vectors.pointer(weights, weights_, place)))
            term, target = builder.fmul(builder.fmul(g, wy), wx), vectors.pointer(sums, sums_, index)
            total, missing = vectors.two_sum(vectors.load(target), term)  # (bicubic.5)
            vectors.store(total, target)
            if lost.dtype == types.float64:
                target = vectors.pointer(lost, lost_, rest_)
                vectors.store(builder.fadd(vectors.load(target), missing), target)
                rest_ = builder.add(rest_, row)
            index, place = builder.add(index, row), builder.add(place, ir.Constant(place.type, 1))
        return context.get_dummy_value()

    return types.void(factor, weights, places, sums, window, lost, rest), emit
