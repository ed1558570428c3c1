"""Convolution, forward and backward, against PyTorch's, in the sizes of the papers' networks.

python benchmarks/convolution_torch.py [--quick] [--only backward] [--threads 1] [--out FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "convolution_torch", *sys.argv[1:]]))

import numpy as np
import threadpoolctl
import torch

from autograd_core import Tensor, grad, no_grad
from autograd_core.layers import conv2d
from refwarp.benchmarking import Entry, Pair, labelled

VERSIONS = {"PyTorch": torch.__version__, "threadpoolctl": threadpoolctl.__version__}
ROWS = ("kernel", "shape")

# Kernels (out, in, height, width), and the maps (N, C, H, W) that they are applied to.
LAYERS = [
    ((32, 1, 9, 9), (64, 1, 40, 40)),
    ((32, 32, 7, 7), (64, 32, 16, 16)),
    ((64, 32, 3, 3), (64, 32, 20, 20)),
]


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or one thread and float32."""
    for count, dtype, (kernel, shape) in product(threads, ("float32", "float64"), LAYERS):
        if quick and (count != threads[0] or dtype != "float32"):
            continue
        outs, _, height, width = kernel
        elements = shape[0] * outs * (shape[2] - height + 1) * (shape[3] - width + 1)
        for direction, prepare in (("forward", forward), ("backward", backward)):
            yield Entry(
                labelled("conv2d", direction, shape, dtype, count, kernel=f"{height}x{width}x{outs}"),
                peer="PyTorch",
                elements=elements,
                prepare=partial(prepare, kernel, shape, dtype),
                # Sums of up to 65536 terms (those of the weight's gradient), whose roundings add up like a walk.
                tolerance=256.0 * float(np.finfo(dtype).eps),
                threads=count,
            )


def arrays(kernel, shape, dtype):
    """Return maps, kernels, a bias, and a cotangent."""
    rng = np.random.default_rng(kernel)
    size = (shape[0], kernel[0], shape[2] - kernel[2] + 1, shape[3] - kernel[3] + 1)
    return [rng.standard_normal(each).astype(dtype) for each in (shape, kernel, kernel[:1], size)]


def forward(kernel, shape, dtype) -> Pair:
    """Convolve."""
    *given, _ = arrays(kernel, shape, dtype)
    ours = [Tensor(array) for array in given]
    theirs = [torch.from_numpy(array) for array in given]
    return Pair(no_grad()(lambda: conv2d(*ours)), lambda: torch.nn.functional.conv2d(*theirs))


def backward(kernel, shape, dtype) -> Pair:
    """Compute the gradients to maps, kernels and bias."""
    *given, gout = arrays(kernel, shape, dtype)
    ours = [Tensor(array, requires_grad=True) for array in given]
    out, cotangent = conv2d(*ours), Tensor(gout)
    theirs = [torch.from_numpy(array).requires_grad_() for array in given]
    peer_out, peer_cotangent = torch.nn.functional.conv2d(*theirs), torch.from_numpy(gout)
    return Pair(
        lambda: grad(out, ours, cotangent),
        lambda: torch.autograd.grad(peer_out, theirs, peer_cotangent, retain_graph=True),
    )
