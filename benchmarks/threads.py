"""refwarp's pool of threads, against a threading layer of Numba and against one thread.

NUMBA_THREADING_LAYER=omp python benchmarks/threads.py [--quick] [--only grid_sample] [--out FOLDER]

A process has one layer: "tbb" (`pip install tbb`; in a virtual environment Linux finds it with
LD_LIBRARY_PATH=$VIRTUAL_ENV/lib), "omp" or "workqueue". Both sides call the same kernels on the same ranges, the layer
in a loop over `numba.prange`; so the bits must be the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import product

if __name__ == "__main__":
    from refwarp.cli import run

    sys.exit(run(["bench", "threads", *sys.argv[1:]]))

import numba
import numpy as np

import refwarp
from autograd_core import Tensor, grad
from refwarp.backend import pool
from refwarp.benchmarking import Entry, Figure, Pair, labelled
from refwarp.benchmarking.inputs import sampling

SHAPES = [(32, 1, 40, 40), (64, 32, 20, 20), (8, 64, 32, 32), (8, 3, 256, 256), (1, 3, 1024, 1024)]
OPTIONS = {"nogil": True, "error_model": "numpy"}  # those of `refwarp.backend.jit.kernel`


@cache
def parallel_loop(function):
    """Return what calls a kernel on the chunks of a range, on the threads of Numba's layer."""

    @numba.njit(parallel=True, **OPTIONS)
    def loop(chunks, count, *arguments):
        for chunk in numba.prange(chunks):
            function(count * chunk // chunks, count * (chunk + 1) // chunks, *arguments)

    return loop


def on_layer(function, count, threads, *arguments):
    """Do what `pool.launch` does, on Numba's layer."""
    parallel_loop(function)(threads, count, *arguments)


def on_one_thread(function, count, threads, *arguments):
    """Do what `pool.launch` does, on the calling thread."""
    function(0, count, *arguments)


@numba.njit(**OPTIONS)
def short(start, stop, first, second, third, count, factor, out):
    """Do next to nothing, with as many arguments as kernels have."""
    for i in range(start, stop):
        out[i] = i


try:
    on_layer(short, 2, 2, *np.zeros((3, 2)), 1, 2.0, np.empty(2))  # Numba chooses its layer when the first loop runs
except ValueError as error:
    raise ImportError(str(error).partition("\n")[0]) from error
LAYER = f"Numba's {numba.threading_layer()}"
LAUNCHES = {LAYER: on_layer, "one thread": on_one_thread}
VERSIONS = {LAYER: numba.__version__}
ROWS = ("shape",)


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield a short kernel, and grid_sample forward and backward in several shapes, on the most threads."""
    count = max(threads)
    for peer, launch in LAUNCHES.items():
        labels = labelled("short kernel", "both", (count,), "float64", count)
        yield Entry(labels, peer, count, partial(short_kernel, count, launch), 0.0, count)
    shapes = SHAPES[::2] if quick else SHAPES
    for shape, (direction, prepare), (peer, launch) in product(shapes, DIRECTIONS.items(), LAUNCHES.items()):
        labels = labelled("grid_sample", direction, shape, "float32", count)
        yield Entry(labels, peer, int(np.prod(shape)), partial(prepare, shape, launch), 0.0, count)


def short_kernel(threads, launch) -> Pair:
    """Call a kernel that does next to nothing."""

    def call(launch):
        launch(short, threads, threads, *inputs, 1, 2.0, out)
        return out

    inputs, out = np.zeros((3, 100)), np.empty(threads)
    return Pair(partial(call, pool.launch), partial(call, launch))


def forward(shape, launch) -> Pair:
    """Sample."""
    input, grid, _ = sampling(shape, "float32", "smooth")
    return with_launch(launch, lambda: refwarp.grid_sample(input, grid))


def backward(shape, launch) -> Pair:
    """Compute the gradients to the map and the grid."""
    input, grid, gout = sampling(shape, "float32", "smooth")
    leaves, cotangent = (Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)), Tensor(gout)
    out = refwarp.grid_sample(*leaves)
    return with_launch(launch, lambda: grad(out, leaves, cotangent))


DIRECTIONS = {"forward": forward, "backward": backward}


def with_launch(launch, call) -> Pair:
    """Return a call of refwarp as it is, and with another way to run kernels on several threads."""

    def otherwise():
        own, pool.launch = pool.launch, launch
        try:
            return call()
        finally:
            pool.launch = own

    return Pair(call, otherwise)


def figures(quick: bool) -> Iterator[Figure]:
    """Yield what it costs to compile a kernel, and what calls it on several threads."""
    whats = "a kernel of grid_sample", "what the pool calls it by", f"its loop for {LAYER}"
    for k, what in enumerate(whats):
        yield Figure(f"compiling {what}, mean time of the CPU", "s", lambda k=k: compilation()[k])


@cache
def compilation():
    """Return three means over the kernels of a call of grid_sample, forward and backward."""
    launched = {}

    def note(function, count, threads, *arguments):
        launched[function] = arguments
        function(0, count, *arguments)

    for prepare in DIRECTIONS.values():
        prepare((4, 4, 64, 64), note).peer()
    return np.mean([compilation_times(*item) for item in launched.items()], axis=0)


def compilation_times(function, arguments):
    """Compile a kernel anew, and what calls it; return the seconds of the CPU."""
    signature = tuple(map(numba.typeof, (0, 0, *arguments)))
    compiled = numba.njit(**OPTIONS)(function.py_func)
    clock = [time.process_time()]
    compiled.compile(signature)
    clock.append(time.process_time())
    pool._compile_wrapper(compiled.overloads[signature])
    clock.append(time.process_time())
    on_layer(compiled, 0, 1, *arguments)
    clock.append(time.process_time())
    return np.diff(clock)
