"""What Numba has no word for: a product that stays one, and a fused multiply-add.

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


# a b + c, rounded once; for floats of one type.
fused_multiply_add: Callable[[Any, Any, Any], Any]
# a b, rounded to nearest, whatever it is added to afterwards; for floats of one type.
product: Callable[[Any, Any], Any]
if numba.config.DISABLE_JIT:
    fused_multiply_add, product = _plain_fused_multiply_add, _plain_product
else:
    fused_multiply_add, product = _fused_multiply_add, _product
