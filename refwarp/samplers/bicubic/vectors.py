"""Four neighbouring numbers as one vector: what a window of 4 x 4 pixels is read and written by on the CPU.

LLVM finds such vectors by itself only with an option that Numba leaves off. So they are emitted as LLVM's own
instructions into the kernel that calls them. Indices are unsigned and not tested. Where compilation is switched off
(NUMBA_DISABLE_JIT=1), plain functions of the same meaning stand in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from refwarp.backend.arithmetic import two_sum

_FOUR = [np.uint64(k) for k in range(4)]
_INDEX = ir.IntType(32)


class _Fours:
    """Emits instructions for vectors of four."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def _pointer(self, kind: Any, array: Any, index: Any) -> Any:
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        vector = ir.VectorType(self.context.get_data_type(kind.dtype), 4)
        return self.builder.bitcast(self.builder.gep(data, [index]), vector.as_pointer())

    def load(self, kind: Any, array: Any, index: Any, element: Any) -> Any:
        """Load four neighbours as numbers of a type that may be wider."""
        loaded = self.builder.load(self._pointer(kind, array, index), align=kind.dtype.bitwidth // 8)
        return loaded if loaded.type.element == element else self.builder.fpext(loaded, ir.VectorType(element, 4))

    def store(self, vector: Any, kind: Any, array: Any, index: Any) -> None:
        """Store a vector to four neighbours."""
        self.builder.store(vector, self._pointer(kind, array, index), align=kind.dtype.bitwidth // 8)

    def number(self, kind: Any, array: Any, index: Any, element: Any) -> Any:
        """Load a number of an array, and return a vector that holds it four times."""
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        loaded = self.builder.load(self.builder.gep(data, [index]))
        return self.spread(loaded if loaded.type == element else self.builder.fpext(loaded, element))

    def spread(self, number: Any) -> Any:
        """Return a vector that holds a number four times."""
        undefined = ir.Constant(ir.VectorType(number.type, 4), ir.Undefined)
        single = self.builder.insert_element(undefined, number, ir.Constant(_INDEX, 0))
        return self.builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(_INDEX, 4), [0] * 4))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a b + c, rounded once."""
        name = "llvm.fma.v4f64" if a.type.element == ir.DoubleType() else "llvm.fma.v4f32"
        found = self.builder.module.globals.get(name)
        fma = found or ir.Function(self.builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
        return self.builder.call(fma, [a, b, c])


@intrinsic
def _sum_columns(typing: Any, map: Any, first: Any, row: Any, weights: Any, at: Any, columns: Any, to: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels, index, step, factors, place, sums, target = arguments
        fours, element, total = _Fours(context, builder), context.get_data_type(map.dtype), None
        for _ in range(4):
            u = fours.load(map, pixels, index, element)
            w = fours.number(weights, factors, place, element)
            total = builder.fmul(w, u) if total is None else fours.multiply_add(w, u, total)
            index, place = builder.add(index, step), builder.add(place, ir.Constant(place.type, 1))
        fours.store(total, columns, sums, target)
        return context.get_dummy_value()

    return types.void(map, first, row, weights, at, columns, to), emit


def _plain_sum_columns(map: Any, first: Any, row: Any, weights: Any, at: Any, columns: Any, to: Any) -> None:
    for p in _FOUR:
        columns[to + p] = sum(weights[at + q] * map[first + q * row + p] for q in _FOUR)


@intrinsic
def _add_window(typing: Any, map: Any, first: Any, row: Any, factor: Any, sums: Any, to: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels, index, step, g, totals, target = arguments
        fours, double = _Fours(context, builder), ir.DoubleType()
        for _ in range(4):
            u, total = fours.load(map, pixels, index, double), fours.load(sums, totals, target, double)
            fours.store(fours.multiply_add(fours.spread(g), u, total), sums, totals, target)
            index, target = builder.add(index, step), builder.add(target, ir.Constant(target.type, 4))
        return context.get_dummy_value()

    return types.void(map, first, row, factor, sums, to), emit


def _plain_add_window(map: Any, first: Any, row: Any, factor: Any, sums: Any, to: Any) -> None:
    for q in _FOUR:
        for p in _FOUR:
            sums[to + np.uint64(4) * q + p] += factor * np.float64(map[first + q * row + p])


@intrinsic
def _scatter_window(
    typing: Any, factor: Any, weights: Any, rows: Any, columns: Any, sums: Any, to: Any, row: Any, lost: Any, rest: Any
) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        g, factors, place, column, totals, target, step, left_out, remainder = arguments
        fours, double = _Fours(context, builder), ir.DoubleType()
        x = fours.load(weights, factors, column, double)
        for _ in range(4):
            y = fours.number(weights, factors, place, double)
            term = builder.fmul(builder.fmul(fours.spread(g), y), x)
            before = fours.load(sums, totals, target, double)
            total = builder.fadd(before, term)
            fours.store(total, sums, totals, target)
            if lost.dtype == types.float64:
                shadow = builder.fsub(total, before)
                missing = builder.fadd(builder.fsub(before, builder.fsub(total, shadow)), builder.fsub(term, shadow))
                known = fours.load(lost, left_out, remainder, double)
                fours.store(builder.fadd(known, missing), lost, left_out, remainder)
                remainder = builder.add(remainder, step)
            target, place = builder.add(target, step), builder.add(place, ir.Constant(place.type, 1))
        return context.get_dummy_value()

    return types.void(factor, weights, rows, columns, sums, to, row, lost, rest), emit


def _plain_scatter_window(
    factor: Any, weights: Any, rows: Any, columns: Any, sums: Any, to: Any, row: Any, lost: Any, rest: Any
) -> None:
    for q in _FOUR:
        for p in _FOUR:
            term = factor * np.float64(weights[rows + q]) * np.float64(weights[columns + p])
            total, missing = two_sum(sums[to + q * row + p], term)
            sums[to + q * row + p] = total
            if lost.dtype == np.float64:
                lost[rest + q * row + p] += missing


# A window begins at the element `first` of a flat map, and its rows are `row` elements apart.
# (map, first, row, weights, at, columns, to): the sum of the window's rows times the four weights from `at` on, into
# the four numbers of `columns` from `to` on.
sum_columns: Callable[[Any, Any, Any, Any, Any, Any, Any], None]
# (map, first, row, factor, sums, to): adds the window times a double to the sixteen doubles of `sums` from `to` on.
add_window: Callable[[Any, Any, Any, Any, Any, Any], None]
# (factor, weights, rows, columns, sums, to, row, lost, rest): adds a double times the four weights from `rows` on times
# the four from `columns` on to the window of doubles that begins at sums[to]; and what roundings leave out of it to the
# window that begins at lost[rest], if that holds doubles.
scatter_window: Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any], None]
if numba.config.DISABLE_JIT:
    sum_columns, add_window, scatter_window = _plain_sum_columns, _plain_add_window, _plain_scatter_window
else:
    sum_columns, add_window, scatter_window = _sum_columns, _add_window, _scatter_window
