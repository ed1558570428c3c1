"""linearized_sample, forward and with its gradient, against the authors' method in PyTorch's operations.

python benchmarks/linearized_sample_torch.py [--quick] [--only float32] [--threads 1] [--out FOLDER]

The scattered samples are given to both; what is timed is sampling, masking, fitting and the value.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "linearized_sample_torch", *sys.argv[1:]]))

import numpy as np
import torch

import refwarp
from autograd_core import Tensor, grad
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.benchmarking.inputs import off_the_lattice, sampling

VERSIONS = {"PyTorch": torch.__version__}
ROWS = ("shape",)

SHAPES = [(32, 1, 40, 40), (8, 3, 64, 64), (8, 32, 32, 32), (1, 3, 256, 256)]
# (LMS 7) of the paper has a small number on the diagonal; this one keeps the fits of both well conditioned.
TIKHONOV = 1e-2


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or one thread and float32."""
    for count, shape, dtype in product(threads, SHAPES, ("float32", "float64")):
        if quick and (count != threads[0] or dtype != "float32"):
            continue
        for direction, prepare in (("forward", forward), ("both", both)):
            yield Entry(
                labelled("linearized_sample", direction, shape, dtype, count),
                peer="PyTorch",
                elements=shape[0] * shape[1] * shape[2] * shape[3],
                prepare=partial(prepare, shape, dtype),
                # Coordinates are rounded, and the normal equations square the condition of the fit, some ten here.
                tolerance=100.0 * float(np.finfo(dtype).eps) * shape[3],
                threads=count,
            )


def linearized(input, grid, auxiliary):
    """Return LMS Eqs. (2), (5) to (7), with the value of the plane."""
    batch, channels, height, width = input.shape
    rows, columns, count = auxiliary.shape[1:4]
    with torch.no_grad():
        points = torch.cat([grid[..., None, :], auxiliary], dim=3)  # (N, H, W, 1 + K, 2)
        flat = points.reshape(batch, rows, columns * (1 + count), 2)
        samples = torch.nn.functional.grid_sample(input, flat, align_corners=False)
        samples = samples.reshape(batch, channels, rows, columns, 1 + count)
        centre = samples[..., 0]  # (N, C, H, W)
        inside = (auxiliary.abs() <= 1).all(dim=4).to(input.dtype)  # (N, H, W, K)
        y = (samples[..., 1:] - samples[..., :1]).permute(0, 2, 3, 4, 1)  # (N, H, W, K, C), (LMS 5)
        offsets = (auxiliary - grid[..., None, :]) * grid.new_tensor([width / 2, height / 2])
        x = torch.cat([offsets, torch.ones_like(offsets[..., :1])], dim=4) * inside[..., None]  # (LMS 6)
        normal = x.mT @ x + TIKHONOV * torch.eye(3, dtype=x.dtype)
        plane = torch.linalg.solve(normal, x.mT @ y)  # (N, H, W, 3, C), (LMS 7)
        slopes, intercept = plane[..., :2, :], plane[..., 2, :].permute(0, 3, 1, 2)
    step = (grid - grid.detach()) * grid.new_tensor([width / 2, height / 2])
    return centre + intercept + (step[..., None, :] @ slopes)[..., 0, :].permute(0, 3, 1, 2)  # (LMS 2)


def arrays(shape, dtype):
    """Return a map, a grid, eight points scattered around each of its points, and a cotangent."""
    input, grid, gout = sampling(shape, dtype, "smooth")
    auxiliary = refwarp.auxiliary_grid(grid, shape[2:], np.random.default_rng(1))
    # A point on the edge would be inside for one of the two and not for the other.
    auxiliary = np.where(abs(abs(auxiliary) - 1.0) < 1e-4, 0.999, auxiliary)
    return input, grid, off_the_lattice(auxiliary, shape[2:]).astype(dtype), gout


def forward(shape, dtype) -> Pair:
    """Sample."""
    input, grid, auxiliary, _ = arrays(shape, dtype)
    theirs = tuple(map(torch.from_numpy, (input, grid, auxiliary)))
    return Pair(
        lambda: refwarp.linearized_sample(input, grid, auxiliary, tikhonov=TIKHONOV), lambda: linearized(*theirs)
    )


def both(shape, dtype) -> Pair:
    """Sample, and compute the gradient to the grid."""
    input, grid, auxiliary, gout = arrays(shape, dtype)
    ours, cotangent = Tensor(grid, requires_grad=True), Tensor(gout)
    theirs, peer_cotangent = torch.from_numpy(grid).requires_grad_(), torch.from_numpy(gout)
    constants = torch.from_numpy(input), torch.from_numpy(auxiliary)

    def run_ours():
        return grad(refwarp.linearized_sample(input, ours, auxiliary, tikhonov=TIKHONOV), ours, cotangent)

    def run_theirs():
        return torch.autograd.grad(linearized(constants[0], theirs, constants[1]), theirs, peer_cotangent)

    return Pair(run_ours, run_theirs)
