"""What Numba has no word for: a product that stays one, a fused multiply-add, and the pixels of four cells at once.

On the GPU the compiler fuses a product with the sum it goes into, wherever it can. That spoils sums and products whose
rounding errors are to be known, so `product` forbids it. Both are emitted as LLVM's own instructions into the kernel
that calls them, for the CPU and for CUDA. Where compilation is switched off (NUMBA_DISABLE_JIT=1), plain functions of
the same meaning stand in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def _fused_multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return a(a, a, a), emit


def _plain_fused_multiply_add(a: Any, b: Any, c: Any) -> Any:
    if not all(math.isfinite(number) for number in (a, b, c)):
        return a * b + c
    return type(a)(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


@intrinsic
def _product(typing: Any, a: Any, b: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if "cuda" not in type(context).__module__:
            return builder.fmul(*arguments)
        number = arguments[0].type
        name = f"llvm.nvvm.mul.rn.{'d' if number == ir.DoubleType() else 'f'}"
        rounded = builder.module.declare_intrinsic(name, (), ir.FunctionType(number, [number, number]))
        return builder.call(rounded, arguments)

    return a(a, a), emit


def _plain_product(a: Any, b: Any) -> Any:
    return a * b


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: Any) -> Any:
    """Return a pointer to the elements of an array from an index on, as a vector."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _lanes(*numbers: int) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))


@intrinsic
def _gather_four(typing: Any, map: Any, plane: Any, row: Any, cells: Any, at: Any, pixels: Any, size: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, plane_at, row_length, firsts, j, target, length = arguments
        number, alignment = context.get_data_type(map.dtype), map.dtype.bitwidth // 8
        pair, quad = ir.VectorType(number, 2), ir.VectorType(number, 4)
        found = []
        for k in range(4):
            here = builder.add(j, ir.Constant(j.type, k))
            pointer = _pointer(context, builder, cells, firsts, here, context.get_data_type(cells.dtype))
            first = builder.add(plane_at, builder.zext(builder.load(pointer), plane_at.type))
            rows = [
                builder.load(_pointer(context, builder, map, values, index, pair), align=alignment)
                for index in (first, builder.add(first, row_length))
            ]
            found.append(builder.shuffle_vector(*rows, _lanes(0, 1, 2, 3)))
        # Four cells of four pixels each become four vectors of one corner each.
        for half in (0, 2):
            low, high = (
                builder.shuffle_vector(*found[k : k + 2], _lanes(half, half + 4, half + 1, half + 5)) for k in (0, 2)
            )
            for corner, lanes in ((half, (0, 1, 4, 5)), (half + 1, (2, 3, 6, 7))):
                index = builder.add(builder.mul(length, ir.Constant(length.type, corner)), j)
                pointer = _pointer(context, builder, pixels, target, index, quad)
                builder.store(builder.shuffle_vector(low, high, _lanes(*lanes)), pointer, align=alignment)
        return context.get_dummy_value()

    return types.none(map, plane, row, cells, at, pixels, size), emit


def _plain_gather_four(map: Any, plane: Any, row: Any, cells: Any, at: Any, pixels: Any, size: Any) -> None:
    for j in range(at, at + 4):
        first = plane + cells[j]
        for corner, index in enumerate((first, first + 1, first + row, first + row + 1)):
            pixels[corner * size + j] = map[index]


@intrinsic
def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        values, place = arguments
        place = _pointer(context, builder, array, values, place, ir.IntType(8))
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(function, [place, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(array, index), emit


def _plain_prefetch(array: Any, index: Any) -> None:
    pass


# a b + c, rounded once; for floats of one type.
fused_multiply_add: Callable[[Any, Any, Any], Any]
# a b, rounded to nearest, whatever it is added to afterwards; for floats of one type.
product: Callable[[Any, Any], Any]
# (map, plane, row, cells, at, pixels, size): the four pixels plane + cells[j] + (0, 1, row, row + 1) of a flat map, for
# j = at to at + 3, into pixels[j], pixels[size + j], ... For the CPU; plane, row, at and size are unsigned.
gather_four: Callable[[Any, Any, Any, Any, Any, Any, Any], None]
# (array, index): begin to fetch an element of a flat array into the cache; index is unsigned. For the CPU.
prefetch: Callable[[Any, Any], None]
if numba.config.DISABLE_JIT:
    prefetch = _plain_prefetch
    fused_multiply_add, product, gather_four = _plain_fused_multiply_add, _plain_product, _plain_gather_four
else:
    prefetch = _prefetch
    fused_multiply_add, product, gather_four = _fused_multiply_add, _product, _gather_four
