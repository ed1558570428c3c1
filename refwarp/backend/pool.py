"""Kernels on several threads of the CPU: a team that is called together without the interpreter.

To wake a thread takes longer than many a kernel. So the members of a team watch a board for some time after their
work, before they go to sleep, and take up what is written there within a microsecond. A job is a kernel, its arguments
and a range, cut into pieces; whoever is free takes the next, the caller too, and a member that comes too late finds
none left. Which thread computes a piece changes nothing, for each item is computed alone.

A ticket on the board says which piece is next: the number of the job in its upper bits, that of the piece in the lower.
A piece is taken by raising the ticket by 1, which fails if somebody else was faster. A job is replaced when all its
pieces are done: so whoever takes one has read the job that it belongs to.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import operator
import os
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype

from refwarp.backend.atomics import add, let_others_run, load, pause, replace, store
from refwarp.backend.jit import each, kernel

# Places on the board. What different threads write lies on different cache lines, of 64 or 128 bytes.
BUSY, TICKET, DONE, FAILED, DISMISSED, ENTRY, ARGUMENTS, COUNT, PIECES, END = range(0, 10 * 16, 16)
# The bits of a ticket that count pieces, and the number that stands for none.
PIECE_BITS = 20
NO_PIECE = (1 << PIECE_BITS) - 1
# How often who waits looks at the board before others may run on this core, and how often a member does so before it
# goes to sleep: after some tenths of a millisecond.
LOOKS, ROUNDS = 32, 400
# The most members that a team can have.
MOST = 1024

_INTEGER = ir.IntType(64)


@intrinsic
def _call(typing: Any, entry: Any, start: Any, stop: Any, arguments: Any) -> Any:
    """Call the machine code at an address."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = ir.FunctionType(_INTEGER, [_INTEGER] * 3).as_pointer()
        return builder.call(builder.inttoptr(values[0], function), values[1:])

    return types.int64(types.int64, types.int64, types.int64, types.int64), emit


@kernel
def _take(board: Any) -> int:
    """Compute pieces of the job on the board until none is left; return how many."""
    taken = 0
    while True:
        ticket = load(board, TICKET)
        entry, arguments = load(board, ENTRY), load(board, ARGUMENTS)
        count, pieces = load(board, COUNT), load(board, PIECES)
        piece = ticket & NO_PIECE
        if piece >= pieces:
            return taken
        if replace(board, TICKET, ticket, ticket + 1):
            if _call(entry, count * piece // pieces, count * (piece + 1) // pieces, arguments) != 0:
                store(board, FAILED, 1)
            add(board, DONE, 1)
            taken += 1


@kernel
def _serve(board: Any, asleep: Any, member: int) -> bool:
    """Take part in every job until none comes for some time, note that the member sleeps, and tell whether it stays."""
    store(asleep, member, 0)
    idle = 0
    while idle < ROUNDS:
        for _ in range(LOOKS):
            if _take(board) != 0:
                idle = 0
            pause()
        if load(board, DISMISSED) != 0:
            return False
        let_others_run()
        idle += 1
    store(asleep, member, 1)  # here, for the interpreter may keep it waiting before it sleeps
    return True


@kernel
def _lead(board: Any, entry: int, arguments: Any, count: int, pieces: int) -> bool:
    """Write a job on the board, take part in it, and wait for the others; tell whether all was done.

    It was not if another thread of the program has the team, or if a piece failed. From here to the end no signal can
    raise KeyboardInterrupt: members never work on arrays that the caller has given up.
    """
    if not replace(board, BUSY, 0, 1):
        return False
    last = load(board, TICKET) | NO_PIECE
    store(board, TICKET, last)  # no piece can be taken while the job changes
    store(board, ENTRY, entry)
    store(board, ARGUMENTS, np.int64(arguments.ctypes.data))
    store(board, COUNT, count)
    store(board, PIECES, pieces)
    store(board, DONE, 0)
    store(board, FAILED, 0)
    store(board, TICKET, last + 1)  # the first piece of the next job
    _take(board)
    while True:
        for _ in range(LOOKS):
            if load(board, DONE) == pieces:
                failed = load(board, FAILED)
                store(board, BUSY, 0)
                return not failed
            pause()
        let_others_run()


_current_core = getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


def _keep_off_this_core(thread: int | None) -> None:
    """Let a sleeping thread wake up on another core than the caller's, if there is one.

    Linux would often wake it on the caller's, if the others sleep deeply, as they do in virtual machines; and there it
    would wait until the caller has done all the work.
    """
    if _current_core is not None and thread is not None and (others := os.sched_getaffinity(0) - {_current_core()}):
        with suppress(OSError):  # where that is not allowed
            os.sched_setaffinity(thread, others)


class _Team:
    """The members, beside the calling thread, and their board."""

    def __init__(self) -> None:
        self._board, self._asleep = np.zeros(END, np.int64), np.zeros(MOST, np.int64)
        self._board[TICKET] = NO_PIECE
        self._bells: dict[int, SimpleQueue[None]] = {}
        self._threads: list[threading.Thread] = []
        self._growing = threading.Lock()

    def grow(self, members: int) -> None:
        """Have so many members, or as many as the system grants."""
        with self._growing, suppress(RuntimeError):
            while len(self._threads) < min(members, MOST):
                member = len(self._threads)
                self._bells[member] = SimpleQueue()
                thread = threading.Thread(target=self._serve, args=(member,), name=f"refwarp {member}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def _serve(self, member: int) -> None:
        while _serve(self._board, self._asleep, member):
            self._bells[member].get()

    def work(self, entry: int, arguments: Any, count: int, pieces: int) -> bool:
        """Do a job, and tell whether all was done."""
        if len(self._threads) < pieces - 1:
            self.grow(pieces - 1)
        for member, thread in enumerate(self._threads[: pieces - 1]):
            if self._asleep[member]:
                _keep_off_this_core(thread.native_id)
                self._bells[member].put(None)
        return bool(_lead(self._board, entry, arguments, count, pieces))

    def dismiss(self) -> None:
        """Let the members end."""
        self._board[DISMISSED] = 1
        for member, thread in enumerate(self._threads):
            self._bells[member].put(None)  # whether it sleeps or is about to
            thread.join()


class _Entry(NamedTuple):
    address: int
    owner: Any  # of the machine code


def _take_apart(builder: Any, kind: Any, array: Any) -> list[Any]:
    """Return what compiled code passes for an array, read from the object of NumPy at an address.

    Such an object begins with its header, the address of its data, the number of its axes, and the addresses of their
    lengths and of their strides.
    """

    def read(address: Any, place: int) -> Any:
        return builder.load(builder.inttoptr(builder.add(address, _INTEGER(place)), _INTEGER.as_pointer()))

    header = object.__basicsize__
    shape, strides = ([read(read(array, header + field), 8 * axis) for axis in range(kind.ndim)] for field in (16, 24))
    owner = ir.Constant(ir.IntType(8).as_pointer(), None)  # nobody: compiled code is not to keep it alive
    size = functools.reduce(builder.mul, shape, _INTEGER(1))
    return [owner, owner, size, _INTEGER(as_dtype(kind.dtype).itemsize), read(array, header), *shape, *strides]


def _fields(kinds: Iterable[Any]) -> Iterator[Any]:
    """Return the types of arguments, and of NamedTuples those of their fields."""
    for kind in kinds:
        if isinstance(kind, types.containers.BaseTuple):
            yield from _fields(kind)
        else:
            yield kind


@global_compiler_lock
def _compile_entry(compiled: Any) -> _Entry:
    """Compile (start, stop, address of the arguments) -> 0 if all went well, which calls a compiled kernel.

    Arguments, and the fields of those that are NamedTuples, lie eight bytes apart: of arrays the addresses of their
    objects.
    """
    context, kinds, result = compiled.target_context, compiled.signature.args, compiled.signature.return_type
    library = context.codegen().create_library("refwarp.backend.pool")
    module = library.create_ir_module("entry")
    function = ir.Function(module, ir.FunctionType(_INTEGER, [_INTEGER] * 3), f"entry.{compiled.fndesc.unique_name}")
    builder = ir.IRBuilder(function.append_basic_block())
    start, stop, place = function.args
    flat = []
    for k, kind in enumerate(_fields(kinds[2:])):
        address = builder.add(place, _INTEGER(8 * k))
        if isinstance(kind, types.Array):
            flat += _take_apart(builder, kind, builder.load(builder.inttoptr(address, _INTEGER.as_pointer())))
        else:
            flat.append(builder.load(builder.inttoptr(address, context.get_argument_type(kind).as_pointer())))
    packer = context.get_arg_packer(kinds[2:])
    flat = [
        builder.inttoptr(value, kind) if isinstance(kind, ir.PointerType) and value.type == _INTEGER else value
        for value, kind in zip(flat, packer.argument_types, strict=True)
    ]
    target = _INTEGER(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
    callee = builder.inttoptr(target, context.call_conv.get_function_type(result, kinds).as_pointer())
    arguments = [start, stop, *packer.from_arguments(builder, flat)]
    status, _ = context.call_conv.call_function(builder, callee, result, kinds, arguments)
    builder.ret(builder.zext(status.is_error, _INTEGER))
    library.add_ir_module(module)
    library.finalize()
    return _Entry(library.get_pointer_to_function(function.name), library)


def _kind(value: Any) -> Any:
    """Return what an argument's type depends on."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    return (type(value), *map(_kind, value)) if isinstance(value, tuple) else type(value)


def _bits(value: Any) -> int:
    """Return the eight bytes that stand for an array or a number, as an integer."""
    if isinstance(value, np.ndarray):
        return id(value)
    if isinstance(value, np.generic):
        return int.from_bytes(value.tobytes().ljust(8, b"\0"), sys.byteorder, signed=True)
    return struct.unpack("q", struct.pack("d", value))[0] if isinstance(value, float) else operator.index(value)


_entries: dict[Any, _Entry] = {}
_team = _Team()


def _forget() -> None:
    """Begin anew in the child of a fork, where the members are not."""
    global _team
    _team = _Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(lambda: _team.dismiss())


def launch(kernel: Any, count: int, threads: int, *arguments: Any) -> None:
    """Run `kernel(0, count, *arguments)` on several threads, a piece of the range each.

    Where that can't be, the calling thread computes all: while another thread of the program has the team, and where a
    piece failed, for lack of memory for its scratch. So a kernel that allocates must not add to what it is given.
    """
    kinds = (kernel, *map(_kind, arguments))
    if (entry := _entries.get(kinds)) is None:
        signature = tuple(map(numba.typeof, (0, 0, *arguments)))
        kernel.compile(signature)
        entry = _entries[kinds] = _compile_entry(kernel.overloads[signature])
    pieces = min(threads, MOST + 1)  # no more than there can be threads, nor than a ticket can count
    bits = np.array([*map(_bits, each(arguments))], np.int64)
    if not _team.work(entry.address, bits, count, pieces):
        kernel(0, count, *arguments)
