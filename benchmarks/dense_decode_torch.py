"""dense_decode, forward and backward, against its composition from PyTorch's operations.

python benchmarks/dense_decode_torch.py [--quick] [--only smooth] [--threads 1] [--out FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "dense_decode_torch", *sys.argv[1:]]))

import numpy as np
import torch

import refwarp
from autograd_core import Tensor, grad
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.benchmarking.inputs import GRIDS, MARGIN, sampling

VERSIONS = {"PyTorch": torch.__version__}
ROWS = ("shape", "grid")

SHAPES = [(32, 1, 40, 40), (16, 16, 64, 64), (8, 64, 32, 32), (8, 3, 256, 256)]


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or one thread and float32."""
    for count, shape, dtype, kind in product(threads, SHAPES, ("float32", "float64"), GRIDS):
        if quick and (count != threads[0] or dtype != "float32"):
            continue
        for direction, prepare in (("forward", forward), ("backward", backward)):
            yield Entry(
                labelled("dense_decode", direction, shape, dtype, count, grid=kind),
                peer="PyTorch",
                elements=shape[0] * shape[1] * shape[2] * shape[3],
                prepare=partial(prepare, shape, dtype, kind),
                # A rounded coordinate changes a weight, of which the margin is the least, by that share.
                tolerance=float(np.finfo(dtype).eps) * shape[3] / MARGIN,
                threads=count,
            )


def decode(values, grid, height, width):
    """Return U of DTN Eq. (7) with zeros in the holes: values and weights scattered together, once for each corner."""
    batch, channels = values.shape[:2]
    x = ((grid[..., 0] + 1) * width - 1).flatten(1) / 2  # (N, P)
    y = ((grid[..., 1] + 1) * height - 1).flatten(1) / 2
    left, top = x.detach().floor(), y.detach().floor()
    fx, fy = x - left, y - top
    rows, columns = top.long(), left.long()
    sources = torch.cat([values.flatten(2), values.new_ones(batch, 1, x.shape[1])], dim=1)  # (N, C + 1, P)
    total = values.new_zeros(batch, channels + 1, height * width)
    for i, wy in ((rows, 1 - fy), (rows + 1, fy)):
        for j, wx in ((columns, 1 - fx), (columns + 1, fx)):
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            places = (i.clamp(0, height - 1) * width + j.clamp(0, width - 1))[:, None].expand_as(sources)
            total = total.scatter_add(2, places, sources * (wx * wy * inside)[:, None])
    weight = total[:, channels:]
    decoded = total[:, :channels] / torch.where(weight > 0, weight, 1)
    return decoded.reshape(batch, channels, height, width)


def forward(shape, dtype, kind) -> Pair:
    """Decode."""
    values, grid, _ = sampling(shape, dtype, kind)
    theirs = torch.from_numpy(values), torch.from_numpy(grid)
    return Pair(lambda: refwarp.dense_decode(values, grid, shape), lambda: decode(*theirs, *shape[2:]))


def backward(shape, dtype, kind) -> Pair:
    """Compute the gradients to the values and the grid."""
    values, grid, gout = sampling(shape, dtype, kind)
    ours = Tensor(values, requires_grad=True), Tensor(grid, requires_grad=True)
    out, cotangent = refwarp.dense_decode(*ours, shape), Tensor(gout)
    theirs = tuple(torch.from_numpy(array).requires_grad_() for array in (values, grid))
    peer_out, peer_cotangent = decode(*theirs, *shape[2:]), torch.from_numpy(gout)
    return Pair(
        lambda: grad(out, ours, cotangent),
        lambda: torch.autograd.grad(peer_out, theirs, peer_cotangent, retain_graph=True),
    )
