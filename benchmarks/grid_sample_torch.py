"""grid_sample, forward and backward, against PyTorch's.

python benchmarks/grid_sample_torch.py [--quick] [--only bilinear --only float32] [--threads 1] [--out FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "grid_sample_torch", *sys.argv[1:]]))

import torch

import refwarp
from autograd_core import Tensor, grad
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.benchmarking.inputs import GRIDS, rounding, sampling

VERSIONS = {"PyTorch": torch.__version__}
ROWS = ("shape", "mode")

SHAPES = [
    (32, 1, 40, 40),
    (32, 1, 64, 64),
    (64, 32, 20, 20),
    (16, 16, 64, 64),
    (8, 64, 32, 32),
    (8, 3, 256, 256),
    (1, 3, 1024, 1024),
]
MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
DTYPES = ("float32", "float64")


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield every combination; or, of each choice, what differs from the most common one, and that at every shape."""
    common = "float32", "bilinear", "zeros", "smooth"
    for count, shape, *options in product(threads, SHAPES, DTYPES, MODES, PADDINGS, GRIDS):
        unusual = sum(option != usual for option, usual in zip(options, common, strict=True))
        if quick and (unusual > 1 or unusual == 1 and (count != threads[0] or shape != (16, 16, 64, 64))):
            continue
        for direction, prepare in (("forward", forward), ("backward", backward)):
            yield entry(direction, prepare, shape, *options, count)


def entry(direction, prepare, shape, dtype, mode, padding, kind, threads) -> Entry:
    """Return one entry."""
    return Entry(
        labelled("grid_sample", direction, shape, dtype, threads, mode=mode, padding=padding, grid=kind),
        peer="PyTorch",
        elements=shape[0] * shape[1] * shape[2] * shape[3],
        prepare=partial(prepare, shape, dtype, mode, padding, kind),
        tolerance=rounding(dtype, shape[2:]),
        threads=threads,
    )


def forward(shape, dtype, mode, padding, kind) -> Pair:
    """Sample."""
    input, grid, _ = sampling(shape, dtype, kind)
    options = {"mode": mode, "padding_mode": padding, "align_corners": False}
    theirs = torch.from_numpy(input), torch.from_numpy(grid)
    return Pair(
        lambda: refwarp.grid_sample(input, grid, **options),
        lambda: torch.nn.functional.grid_sample(*theirs, **options),
    )


def backward(shape, dtype, mode, padding, kind) -> Pair:
    """Compute the gradients to the map and the grid."""
    input, grid, gout = sampling(shape, dtype, kind)
    options = {"mode": mode, "padding_mode": padding, "align_corners": False}
    ours = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out, cotangent = refwarp.grid_sample(*ours, **options), Tensor(gout)
    theirs = tuple(torch.from_numpy(array).requires_grad_() for array in (input, grid))
    peer_out, peer_cotangent = torch.nn.functional.grid_sample(*theirs, **options), torch.from_numpy(gout)
    return Pair(
        lambda: grad(out, ours, cotangent),
        lambda: torch.autograd.grad(peer_out, theirs, peer_cotangent, retain_graph=True),
    )
