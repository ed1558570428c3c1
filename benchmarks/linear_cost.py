"""grid_sample's time per output element, against that of a small map.

python benchmarks/linear_cost.py [--quick] [--only backward] [--threads 1] [--out FOLDER]

If the cost grows linearly in pixels times channels, all ratios are the same; beyond the caches memory sets the pace.
Beside its results a call may need one plane of float64 per thread: measured as the peak of what NumPy allocates, and
of the memory that the process holds, which has the kernels' own allocations in it (Linux only).
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

if __name__ == "__main__":
    from refwarp.cli import run

    sys.exit(run(["bench", "linear_cost", *sys.argv[1:]]))

import refwarp
from autograd_core import Tensor, grad
from refwarp.benchmarking import Entry, Figure, Pair, labelled
from refwarp.benchmarking.inputs import sampling
from refwarp.benchmarking.measuring import limited_threads

ROWS = ("shape",)

SMALL = 64
SIZES = (128, 256, 512, 1024, 2048, 4096)
CHANNELS = (1, 3, 16)
# The largest map, in elements.
LARGEST = 2**26
# The map whose scratch memory is measured: its planes are large enough to be given back to the system at once.
SCRATCH = 4096


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or three channels on one thread, up to 1024 x 1024."""
    for count, channels, size in product(threads, CHANNELS, SIZES):
        if channels * size * size > LARGEST or (quick and (count, channels) != (threads[0], 3)):
            continue
        if quick and size > 1024:
            continue
        shape, small = (1, channels, size, size), (1, channels, SMALL, SMALL)
        for direction, prepare in (("forward", forward), ("backward", backward)):
            yield Entry(
                labelled("grid_sample", direction, shape, "float32", count, mode="bilinear"),
                peer=f"refwarp on {SMALL}x{SMALL}",
                elements=channels * size * size,
                prepare=partial(_pair, prepare, shape, small),
                tolerance=None,
                threads=count,
                peer_elements=channels * SMALL * SMALL,
            )


def figures(quick: bool) -> Iterator[Figure]:
    """Yield the scratch memory of one thread and, unless it has to be quick, of two."""
    for threads, direction in product((1,) if quick else (1, 2), ("forward", "backward")):
        name = f"scratch memory of grid_sample {direction} on 1x3x{SCRATCH}x{SCRATCH} float32, threads: {threads}"
        yield Figure(name, "float64 planes per thread", partial(scratch_planes, direction, threads), goal=1.0)


def _pair(prepare: Callable[..., Callable[[], object]], shape, small) -> Pair:
    return Pair(prepare(shape), prepare(small))


def forward(shape) -> Callable[[], object]:
    """Return a call that samples."""
    input, grid, _ = sampling(shape, "float32", "smooth")
    return lambda: refwarp.grid_sample(input, grid)


def backward(shape) -> Callable[[], object]:
    """Return a call that computes the gradients to the map and the grid."""
    input, grid, gout = sampling(shape, "float32", "smooth")
    leaves = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out, cotangent = refwarp.grid_sample(*leaves), Tensor(gout)
    return lambda: grad(out, leaves, cotangent)


def scratch_planes(direction: str, threads: int) -> float:
    """Return the peak memory of a call beyond its results, in planes of float64 for each thread."""
    prepare = forward if direction == "forward" else backward
    prepare((1, 3, SMALL, SMALL))()  # compiled and imported
    call = prepare((1, 3, SCRATCH, SCRATCH))
    with limited_threads(threads):
        call()
        held = _start_peak()
        tracemalloc.start()
        found = call()
        allocated = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        results = sum(_bytes(result) for result in (found if isinstance(found, tuple) else (found,)))
        peak = max(allocated, _peak() - held) - results
    return peak / (8 * SCRATCH * SCRATCH) / threads


def _bytes(result) -> int:
    return (result.data if isinstance(result, Tensor) else result).nbytes


def _start_peak() -> int:
    """Forget the peak of the memory that this process held, and return what it holds, in bytes; 0 if unknown."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    """Return a line of what Linux says of this process, in bytes; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
