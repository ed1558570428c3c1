"""A pool of threads that runs kernels on the CPU, without the Python interpreter.

Waking a thread takes longer than many kernels do. So workers spin for some time after a job before they go to sleep,
and start the next job within a microsecond. A job is a kernel, its arguments and a range, divided into chunks. Each
free thread takes the next chunk, including the calling thread; a worker that is late finds none left. The result does
not depend on which thread computes a chunk, since each item is computed separately.

Workers and callers share a state, an array of integers. Its NEXT contains the number of the job in its upper bits and
that of the next chunk in its lower bits. A chunk is taken by incrementing NEXT, which fails if another thread was
faster. A job is replaced when all its chunks are done: so a thread that takes a chunk has read the job that it belongs
to.

Numba's threading layers were measured with `NUMBA_THREADING_LAYER=tbb python benchmarks/threads.py`, and the same with
omp, on two cores that other processes used as well:

- TBB is as fast: a call costs 3 us, here 5, and grid_sample on two threads takes 0.5 to 1.2 times as long, in the means
  of five runs. But Numba has no TBB layer on ARM, neither on Linux nor on macOS, and a kernel that cannot allocate its
  scratch memory raises SystemError.
- OpenMP takes 2.7 to 5.8 times as long, since its threads spin on cores that others need. It kills forked children.
- With either, a process has one layer, chosen by the first loop of any library. If that is workqueue, concurrent calls
  from two threads terminate the process.
- A loop over `numba.prange` compiles its kernel a second time, in 5.2 s of CPU time. The kernel alone takes 2.2 s; the
  wrapper that this pool calls it by, 0.03 s.
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
from refwarp.backend.cache import warn_once
from refwarp.backend.jit import flattened, kernel

# Elements of the state. Different threads write to different cache lines, of 64 or 128 bytes.
BUSY, ANNOUNCED, NEXT, DONE, FAILED, SHUTDOWN, FUNCTION, ARGUMENTS, COUNT, CHUNKS, END = range(0, 11 * 16, 16)
# The bits of NEXT that count chunks, and the number that means none.
CHUNK_BITS = 20
NO_CHUNK = (1 << CHUNK_BITS) - 1
# How often a waiting thread reads the state before it yields its core, and how often a worker yields before it goes to
# sleep: after some tenths of a millisecond.
SPINS, YIELDS = 32, 400
# How much longer it stays for a job that is announced: others may have the core of the thread that is to start it.
MORE_YIELDS = 20 * YIELDS
MAX_WORKERS = 1024
# Where an array object of NumPy has the address of its data, the number of its axes, and the addresses of their lengths
# and of their strides: after the header of every object, which is longer where Python has no global lock.
DATA, AXES, LENGTHS, STRIDES = (object.__basicsize__ + 8 * field for field in range(4))

_INTEGER = ir.IntType(64)


@intrinsic
def _call(typing: Any, function: Any, start: Any, stop: Any, arguments: Any) -> Any:
    """Call the machine code at an address."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_INTEGER, [_INTEGER] * 3).as_pointer()
        return builder.call(builder.inttoptr(values[0], kind), values[1:])

    return types.int64(types.int64, types.int64, types.int64, types.int64), emit


@kernel
def _run_chunks(state: Any) -> int:
    """Compute chunks of the job until none is left; return how many."""
    computed = 0
    while True:
        following = load(state, NEXT)
        function, arguments = load(state, FUNCTION), load(state, ARGUMENTS)
        count, chunks = load(state, COUNT), load(state, CHUNKS)
        chunk = following & NO_CHUNK
        if chunk >= chunks:
            return computed
        if replace(state, NEXT, following, following + 1):
            if _call(function, count * chunk // chunks, count * (chunk + 1) // chunks, arguments) != 0:
                store(state, FAILED, 1)
            add(state, DONE, 1)
            computed += 1


@kernel
def _run_worker(state: Any, asleep: Any, worker: int) -> bool:
    """Work on every job until none comes for some time; record that the worker sleeps, and return whether it stays.

    A caller announces its job before it checks who sleeps, and a worker records that it sleeps before it checks for an
    announcement: so a worker that falls asleep at that moment is either woken or stays, for some time, for the job.
    """
    store(asleep, worker, 0)
    idle, announced = 0, load(state, ANNOUNCED)
    while True:
        for _ in range(SPINS):
            latest = load(state, ANNOUNCED)
            if _run_chunks(state) != 0:
                idle, announced = 0, latest
            pause()
        if load(state, SHUTDOWN) != 0:
            return False
        let_others_run()
        idle += 1
        if idle >= YIELDS:
            store(asleep, worker, 1)  # here, for the interpreter may keep it waiting before it sleeps
            latest = load(state, ANNOUNCED)
            if latest == announced:
                return True
            store(asleep, worker, 0)
            idle, announced = -MORE_YIELDS, latest


@kernel
def _announce(state: Any) -> None:
    """Let workers that are about to fall asleep stay for a job."""
    add(state, ANNOUNCED, 1)


@kernel
def _run_job(state: Any, function: int, arguments: Any, count: int, chunks: int) -> bool:
    """Start a job, work on it, and wait for the workers; return whether everything was computed.

    It was not if another thread of the program runs a job, or if a chunk failed. Until the end no signal can raise
    KeyboardInterrupt: workers never write to arrays that the caller has released.
    """
    if not replace(state, BUSY, 0, 1):
        return False
    last = load(state, NEXT) | NO_CHUNK
    store(state, NEXT, last)  # no chunk can be taken while the job changes
    store(state, FUNCTION, function)
    store(state, ARGUMENTS, np.int64(arguments.ctypes.data))
    store(state, COUNT, count)
    store(state, CHUNKS, chunks)
    store(state, DONE, 0)
    store(state, FAILED, 0)
    store(state, NEXT, last + 1)  # the first chunk of the next job
    _run_chunks(state)
    while True:
        for _ in range(SPINS):
            if load(state, DONE) == chunks:
                failed = load(state, FAILED)
                store(state, BUSY, 0)
                return not failed
            pause()
        let_others_run()


_current_core = getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


def _keep_off_this_core(thread: int | None) -> None:
    """Let a sleeping thread wake up on a core other than the caller's, if there is one.

    Linux would often wake it on the caller's, if the others sleep deeply, as they do in virtual machines; and there it
    would wait until the caller has done all the work.
    """
    if _current_core is not None and thread is not None and (others := os.sched_getaffinity(0) - {_current_core()}):
        with suppress(OSError):  # where that is not allowed
            os.sched_setaffinity(thread, others)


class _Pool:
    """The workers, in addition to the calling thread, and the state that they share."""

    def __init__(self) -> None:
        self._state, self._asleep = np.zeros(END, np.int64), np.zeros(MAX_WORKERS, np.int64)
        self._state[NEXT] = NO_CHUNK
        self._wake_ups: dict[int, SimpleQueue[None]] = {}
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def start(self, workers: int) -> None:
        """Start workers up to this number, or as many as the system allows."""
        with self._starting, suppress(RuntimeError):
            while len(self._threads) < min(workers, MAX_WORKERS):
                worker = len(self._threads)
                self._wake_ups[worker] = SimpleQueue()
                thread = threading.Thread(target=self._work, args=(worker,), name=f"refwarp {worker}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def _work(self, worker: int) -> None:
        while _run_worker(self._state, self._asleep, worker):
            self._wake_ups[worker].get()

    def run(self, function: int, arguments: Any, count: int, chunks: int) -> bool:
        """Run a job, and return whether everything was computed."""
        if len(self._threads) < chunks - 1:
            self.start(chunks - 1)
        _announce(self._state)
        for worker, thread in enumerate(self._threads[: chunks - 1]):
            if self._asleep[worker]:
                _keep_off_this_core(thread.native_id)
                self._wake_ups[worker].put(None)
        return bool(_run_job(self._state, function, arguments, count, chunks))

    def shutdown(self) -> None:
        """Stop the workers."""
        self._state[SHUTDOWN] = 1
        for worker, thread in enumerate(self._threads):
            self._wake_ups[worker].put(None)  # whether it sleeps or is about to
            thread.join()


class _Wrapper(NamedTuple):
    """Machine code that calls a kernel with arguments in memory."""

    address: int
    owner: Any  # of the machine code


@functools.cache
def _layout_is_known() -> bool:
    """Return whether NumPy's array objects have the layout that `_unpack_array` reads.

    Extension modules read the same fields, so NumPy can move them only in a release for which these must be compiled
    anew.
    """
    array = np.zeros((5, 4, 6), np.int16)[::2, :, ::-1]

    def read(address: int, numbers: int) -> tuple[int, ...]:
        return tuple((ctypes.c_int64 * numbers).from_address(address))

    known = max(DATA, AXES, LENGTHS, STRIDES) + 8 <= np.ndarray.__basicsize__
    if known:
        (data,), (lengths,), (strides,) = (read(id(array) + field, 1) for field in (DATA, LENGTHS, STRIDES))
        known = (
            data == array.ctypes.data
            and ctypes.c_int.from_address(id(array) + AXES).value == array.ndim
            and strides - lengths == 8 * array.ndim  # they are adjacent; if not, these may not be addresses
            and read(lengths, array.ndim) == array.shape
            and read(strides, array.ndim) == array.strides
        )
    return known


def _unpack_array(builder: Any, kind: Any, array: Any) -> list[Any]:
    """Return what compiled code passes for an array, read from the NumPy object at an address."""

    def read(address: Any, offset: int) -> Any:
        return builder.load(builder.inttoptr(builder.add(address, _INTEGER(offset)), _INTEGER.as_pointer()))

    lengths, strides = (
        [read(read(array, field), 8 * axis) for axis in range(kind.ndim)] for field in (LENGTHS, STRIDES)
    )
    owner = ir.Constant(ir.IntType(8).as_pointer(), None)  # none: compiled code must not keep it alive
    size = functools.reduce(builder.mul, lengths, _INTEGER(1))
    return [owner, owner, size, _INTEGER(as_dtype(kind.dtype).itemsize), read(array, DATA), *lengths, *strides]


def _fields(kinds: Iterable[Any]) -> Iterator[Any]:
    """Return the types of arguments; for NamedTuples those of their fields."""
    for kind in kinds:
        if isinstance(kind, types.containers.BaseTuple):
            yield from _fields(kind)
        else:
            yield kind


@global_compiler_lock
def _compile_wrapper(compiled: Any) -> _Wrapper:
    """Compile (start, stop, address of the arguments) -> 0 on success, which calls a compiled kernel.

    Arguments, and the fields of those that are NamedTuples, are eight bytes apart: for arrays the addresses of
    their objects.
    """
    context, kinds, result = compiled.target_context, compiled.signature.args, compiled.signature.return_type
    library = context.codegen().create_library("refwarp.backend.pool")
    module = library.create_ir_module("wrapper")
    function = ir.Function(module, ir.FunctionType(_INTEGER, [_INTEGER] * 3), f"wrapper.{compiled.fndesc.unique_name}")
    builder = ir.IRBuilder(function.append_basic_block())
    start, stop, place = function.args
    flat = []
    for k, kind in enumerate(_fields(kinds[2:])):
        address = builder.add(place, _INTEGER(8 * k))
        if isinstance(kind, types.Array):
            flat += _unpack_array(builder, kind, builder.load(builder.inttoptr(address, _INTEGER.as_pointer())))
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
    return _Wrapper(library.get_pointer_to_function(function.name), library)


def _type_key(value: Any) -> Any:
    """Return what an argument's type depends on."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    return (type(value), *map(_type_key, value)) if isinstance(value, tuple) else type(value)


def _word(value: Any) -> int:
    """Return the eight bytes that represent an array or a number, as an integer."""
    if isinstance(value, np.ndarray):
        return id(value)
    if isinstance(value, np.generic):
        return int.from_bytes(value.tobytes().ljust(8, b"\0"), sys.byteorder, signed=True)
    return struct.unpack("q", struct.pack("d", value))[0] if isinstance(value, float) else operator.index(value)


_wrappers: dict[Any, _Wrapper] = {}
_pool = _Pool()


def _reset() -> None:
    """Start again in a forked child, which has no workers."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
atexit.register(lambda: _pool.shutdown())


def launch(function: Any, count: int, threads: int, *arguments: Any) -> None:
    """Run the kernel `function(0, count, *arguments)` on several threads, a chunk of the range each.

    On the slow path the calling thread computes everything. It is taken while another thread of the program runs a job,
    where a chunk failed, for lack of memory for its scratch, and where the layout of NumPy's arrays is not known. So a
    kernel that allocates must not add to its arguments.
    """
    if not _layout_is_known():
        warn_once(
            f"kernels run on one thread: refwarp does not know how NumPy {np.__version__} lays out array objects",
            RuntimeWarning,
        )
        function(0, count, *arguments)
        return
    key = (function, *map(_type_key, arguments))
    if (wrapper := _wrappers.get(key)) is None:
        signature = tuple(map(numba.typeof, (0, 0, *arguments)))
        function.compile(signature)
        wrapper = _wrappers[key] = _compile_wrapper(function.overloads[signature])
    chunks = min(threads, MAX_WORKERS + 1)  # no more than there can be threads, nor than NEXT can count
    words = np.array([*map(_word, flattened(arguments))], np.int64)
    if not _pool.run(wrapper.address, words, count, chunks):
        function(0, count, *arguments)
