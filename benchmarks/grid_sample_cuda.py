"""grid_sample on a GPU, forward and backward, against PyTorch's CUDA kernels and the device's copy bandwidth.

python benchmarks/grid_sample_cuda.py [--quick] [--only backward] [--out FOLDER]

Arrays lie on the device before, and a sample ends when the device has ended. Against "copy", the ratio is the share of
the copy bandwidth that a call reaches: the time in which the device copies half of the bytes that the call has to read
and write at least (a copy moves each byte twice), over the time of the call. PyTorch's backward adds with float
atomics, whose order changes from run to run; refwarp's is deterministic: their ratio is what that costs.
Results go to benchmarks/results/<the device's name>/, if no folder is given.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import product
from pathlib import Path


def device_name() -> str:
    """Return the first GPU's name as its driver has it, in letters and dashes, or "gpu"."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        names = ""
    return re.sub(r"[^a-z0-9]+", "-", names.partition("\n")[0].lower()).strip("-") or "gpu"


if __name__ == "__main__":  # before the libraries are imported, which may be missing
    from refwarp.cli import run

    folder = [] if "--out" in sys.argv else ["--out", str(Path(__file__).parent / "results" / device_name())]
    sys.exit(run(["bench", "grid_sample_cuda", *folder, *sys.argv[1:]]))

try:
    import cupy
    import torch
except ImportError as error:
    raise ImportError(f"it needs a GPU, CuPy and PyTorch with CUDA ({error})") from error

import refwarp
from autograd_core import Tensor, grad
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.benchmarking.inputs import GRIDS, rounding, sampling

if not torch.cuda.is_available():
    raise ImportError("it needs a GPU, CuPy and PyTorch with CUDA (PyTorch finds no GPU)")

MACHINE = {"GPU": torch.cuda.get_device_name()}
VERSIONS = {"CuPy": cupy.__version__, "PyTorch": torch.__version__, "CUDA": torch.version.cuda}
ROWS = ("shape", "mode")

SHAPES = [
    (8, 64, 256, 256),
    (8, 64, 512, 512),
    (32, 1, 40, 40),
    (64, 32, 20, 20),
    (16, 16, 64, 64),
    (8, 64, 32, 32),
    (8, 3, 256, 256),
    (1, 3, 1024, 1024),
    (1, 3, 4096, 4096),
]
MODES = ("bilinear", "nearest", "bicubic")
COPY = "copy"


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or bilinear, float32 and smooth grids at every shape, and other modes at the first."""
    for shape, dtype, kind, mode in product(SHAPES, ("float32", "float64"), GRIDS, MODES):
        if quick and ((dtype, kind) != ("float32", "smooth") or (mode != "bilinear" and shape != SHAPES[0])):
            continue
        for direction, peer in (("forward", "PyTorch"), ("forward", COPY), ("backward", "PyTorch")):
            yield Entry(
                labelled("grid_sample", direction, shape, dtype, 1, mode=mode, padding="zeros", grid=kind),
                peer=peer,
                elements=shape[0] * shape[1] * shape[2] * shape[3],
                prepare=partial(forward if direction == "forward" else backward, shape, dtype, mode, kind, peer),
                tolerance=None if peer == COPY else rounding(dtype, shape[2:]),
            )


def synchronise() -> None:
    """Wait for the device: all streams of both libraries."""
    torch.cuda.synchronize()


@lru_cache(maxsize=1)
def arrays(shape, dtype, kind):
    """Return a map, a grid and a cotangent on the device. Entries in a row share them: large ones take seconds."""
    return [cupy.asarray(array) for array in sampling(shape, dtype, kind)]


def forward(shape, dtype, mode, kind, peer) -> Pair:
    """Sample, or copy as many bytes."""
    input, grid, _ = arrays(shape, dtype, kind)
    options = {"mode": mode, "padding_mode": "zeros", "align_corners": False}
    if peer == COPY:
        moved = 2 * input.nbytes + grid.nbytes  # the map once, the grid once, and a result as large as the map
        source = cupy.zeros(moved // 2, cupy.uint8)
        target = cupy.empty_like(source)
        call = partial(cupy.copyto, target, source)
    else:
        theirs = torch.from_dlpack(input), torch.from_dlpack(grid)
        call = partial(torch.nn.functional.grid_sample, *theirs, **options)
    return Pair(lambda: refwarp.grid_sample(input, grid, **options), call, synchronise)


def backward(shape, dtype, mode, kind, peer) -> Pair:
    """Compute the gradients to the map and the grid."""
    input, grid, gout = arrays(shape, dtype, kind)
    options = {"mode": mode, "padding_mode": "zeros", "align_corners": False}
    ours = tuple(Tensor(array, requires_grad=True) for array in (input, grid))
    out, cotangent = refwarp.grid_sample(*ours, **options), Tensor(gout)
    theirs = tuple(torch.from_dlpack(array).requires_grad_() for array in (input, grid))
    peer_out, peer_cotangent = torch.nn.functional.grid_sample(*theirs, **options), torch.from_dlpack(gout)
    return Pair(
        lambda: grad(out, ours, cotangent),
        lambda: torch.autograd.grad(peer_out, theirs, peer_cotangent, retain_graph=True),
        synchronise,
    )
