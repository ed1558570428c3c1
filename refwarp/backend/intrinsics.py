"""Instructions that Numba does not provide: a product that is never fused, a fused multiply-add, and a prefetch.

On the GPU the compiler fuses a product with a following sum wherever it can, which breaks sums and products whose
rounding errors must be known; `rounded_product` prevents it. Each is emitted as LLVM instructions into the kernel that
calls it. Where compilation is disabled (NUMBA_DISABLE_JIT=1), equivalent plain functions are used.
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


def emitted(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an intrinsic from a function that emits instructions; where compilation is disabled, use `plain` instead."""
    return lambda emits: plain if numba.config.DISABLE_JIT else intrinsic(emits)


def _fused_multiply_add(a: Any, b: Any, c: Any) -> Any:
    if not all(math.isfinite(number) for number in (a, b, c)):
        return a * b + c
    return type(a)(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


@emitted(plain=_fused_multiply_add)
def fused_multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c, rounded once; for floats of one type."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return a(a, a, a), emit


def _product(a: Any, b: Any) -> Any:
    return a * b


@emitted(plain=_product)
def rounded_product(typing: Any, a: Any, b: Any) -> Any:
    """Return a b, rounded to nearest, whatever it is added to afterwards; for floats of one type."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if "cuda" not in type(context).__module__:
            return builder.fmul(*arguments)
        number = arguments[0].type
        name = f"llvm.nvvm.mul.rn.{'d' if number == ir.DoubleType() else 'f'}"
        rounded = builder.module.declare_intrinsic(name, (), ir.FunctionType(number, [number, number]))
        return builder.call(rounded, arguments)

    return a(a, a), emit


def _no_prefetch(array: Any, index: Any) -> None:
    pass


@emitted(plain=_no_prefetch)
def prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Start to fetch an element of a flat array into the cache; index is unsigned. For the CPU."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        values, place = arguments
        data = context.make_array(array)(context, builder, values).data
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(function, [builder.bitcast(builder.gep(data, [place]), byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(array, index), emit
