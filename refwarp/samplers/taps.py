"""Map gradients from tables: for each sample the pixels that it reads, and their weights.

On CUDA a pixel gathers what samples would scatter to it. The entries of the tables are sorted by pixel, and stay in
their order; so a pixel's sum runs over its entries in one order, with no atomic operation. The tables, and their
order, need some 24 bytes for each entry.
"""

from __future__ import annotations

from typing import Any

from autograd_core.arrays import array_module
from refwarp.backend.arithmetic import two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run
from refwarp.samplers.gathering import sort_samples


@kernel
def _gather(
    start: int, stop: int, gout: Any, weights: Any, order: Any, starts: Any, taps: int, sums: Any, lost: Any
) -> None:
    """Add up the entries of the pixels start to stop of all planes."""
    _, channels, samples = gout.shape
    pixels = sums.shape[2]
    for p in items(start, stop):
        plane, pixel = p // pixels, p % pixels
        b, c = plane // channels, plane % channels
        cell = b * (pixels + 1) + pixel
        total, rest = sums[b, c, pixel], lost[b, c, pixel]
        for k in range(starts[cell], starts[cell + 1]):
            entry = order[k]
            sample = entry // taps % samples
            term = float(gout[b, c, sample]) * weights[entry]
            total, remainder = two_sum(total, term)
            rest += remainder
        sums[b, c, pixel], lost[b, c, pixel] = total, rest


def gather_taps(gout: Any, pixels: Any, weights: Any, sums: Any, lost: Any) -> None:
    """Add to each pixel the cotangents of the samples that read it, times their weights.

    Parameters
    ----------
    gout : array, shape (N, C, samples)
        The cotangents.
    pixels : array of int64, shape (N, samples, taps)
        The number of each pixel that a sample reads; H W where it reads none.
    weights : array of float64, shape (N, samples, taps)
        Their weights.
    sums, lost : arrays of float64, shape (N, C, H W)
        What is added to, and what roundings leave out.
    """
    batch, samples, taps = pixels.shape
    order, starts = sort_samples(pixels.reshape(batch, samples * taps), sums.shape[2])
    flat = argument(weights.reshape(-1))
    run(_gather, sums.size, gout.size * taps, argument(gout), flat, argument(order), argument(starts), taps, sums, lost)


def total(sums: Any, lost: Any) -> Any:
    """Return sums with what their roundings left out, as `arithmetic.compensated` does."""
    xp = array_module(sums)
    return xp.where(xp.isfinite(sums), sums + lost, sums)
