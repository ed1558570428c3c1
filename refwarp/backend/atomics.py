"""Atomic reads and writes of integers in arrays, for threads that synchronise; and ways to wait.

For compiled code on the CPU only. All operations are sequentially consistent: every thread sees them in one order.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_ORDER = "seq_cst"


def _place(context: Any, builder: Any, signature: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(signature.args[0])(context, builder, array).data, [index])


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Return an element."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, *arguments), _ORDER, 8)

    return types.int64(array, types.int64), emit


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write an element."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[2], _place(context, builder, signature, *arguments[:2]), _ORDER, 8)
        return context.get_dummy_value()

    return types.none(array, types.int64, types.int64), emit


@intrinsic
def add(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Add to an element, and return its former value."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, *arguments[:2])
        return builder.atomic_rmw("add", place, arguments[2], _ORDER)

    return types.int64(array, types.int64, types.int64), emit


@intrinsic
def replace(typing: Any, array: Any, index: Any, expected: Any, value: Any) -> Any:
    """Write an element if it is the expected one, and return whether it was."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, *arguments[:2])
        return builder.extract_value(builder.cmpxchg(place, *arguments[2:], _ORDER, _ORDER), 1)

    return types.boolean(array, types.int64, types.int64, types.int64), emit


# The processor's instruction for waiting, where LLVM has one.
_PAUSE = {"x86_64": "x86.sse2.pause", "AMD64": "x86.sse2.pause", "aarch64": "aarch64.hint", "arm64": "aarch64.hint"}


@intrinsic
def pause(typing: Any) -> Any:
    """Hint to the processor that this thread is waiting."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if (word := _PAUSE.get(platform.machine())) is not None:
            given = [ir.Constant(ir.IntType(32), 1)] if word.endswith("hint") else []  # 1: the hint to yield
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
            builder.call(builder.module.declare_intrinsic(f"llvm.{word}", (), kind), given)
        return context.get_dummy_value()

    return types.none(), emit


# The system's way to let other threads run, under a name that compiled code finds in every process.
_yield = ctypes.CDLL("kernel32").SwitchToThread if os.name == "nt" else ctypes.CDLL(None).sched_yield
llvmlite.binding.add_symbol("refwarp_let_others_run", ctypes.cast(_yield, ctypes.c_void_p).value)
let_others_run = types.ExternalFunction("refwarp_let_others_run", types.int32())
