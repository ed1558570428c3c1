"""Which samples read which pixels, so that on CUDA each pixel can gather what samples would scatter to it.

The samples of each image are sorted by their cell, or by the pixel they read, and keep their order within it. So each
pixel sums its samples in a fixed order, with no atomic operations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from autograd_core.arrays import array_module
from refwarp.backend.arithmetic import two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run


class Sorted(NamedTuple):
    """Samples, sorted by their cells.

    Attributes
    ----------
    order : array of int64, shape (N samples)
        The numbers of the samples, counted through all images, cell by cell.
    starts : array of int64, shape (N (count + 1) + 1)
        Where the cells begin in `order`: those of cell q of image b are from starts[b (count + 1) + q] to the next.
    """

    order: Any
    starts: Any


def sort_samples(cells: Any, count: int) -> Sorted:
    """Sort the samples of each image by their cells.

    Parameters
    ----------
    cells : array of int64, shape (N, samples)
        The cell of each sample, from 0 to count - 1; `count` for samples outside all cells.
    count : int
        How many cells an image has.

    Returns
    -------
    Sorted
        In the form that kernels read.
    """
    xp, images = array_module(cells), cells.shape[0]
    keys = (cells + (count + 1) * xp.arange(images)[:, None]).reshape(-1)
    order = xp.argsort(keys, kind="stable")
    starts = xp.searchsorted(keys[order], xp.arange(images * (count + 1) + 1))
    return Sorted(argument(order), argument(starts))


@kernel
def _gather(
    start: int, stop: int, gout: Any, weights: Any, taps: int, sorted_taps: Sorted, sums: Any, lost: Any
) -> None:
    """Add up the taps of the pixels start to stop of all planes."""
    _, channels, samples = gout.shape
    order, starts = sorted_taps.order, sorted_taps.starts
    pixels = sums.shape[2]
    for p in items(start, stop):
        plane, pixel = p // pixels, p % pixels
        b, c = plane // channels, plane % channels
        cell = b * (pixels + 1) + pixel
        total, rest = sums[b, c, pixel], lost[b, c, pixel]
        for k in range(starts[cell], starts[cell + 1]):
            tap = order[k]
            sample = tap // taps % samples
            term = float(gout[b, c, sample]) * weights[tap]
            total, remainder = two_sum(total, term)
            rest += remainder
        sums[b, c, pixel], lost[b, c, pixel] = total, rest


def gather_taps(gout: Any, pixels: Any, weights: Any, sums: Any, lost: Any) -> None:
    """Add to each pixel the cotangents of the samples that read it, times their weights.

    This takes about 24 bytes of memory per tap.

    Parameters
    ----------
    gout : array, shape (N, C, samples)
        The cotangents.
    pixels : array of int64, shape (N, samples, taps)
        The number of each pixel that a sample reads; H W where it reads none.
    weights : array of float64, shape (N, samples, taps)
        Their weights.
    sums, lost : arrays of float64, shape (N, C, H W)
        The sums that are updated, and their rounding errors.
    """
    batch, samples, taps = pixels.shape
    found = sort_samples(pixels.reshape(batch, samples * taps), sums.shape[2])
    run(_gather, sums.size, gout.size * taps, argument(gout), argument(weights.reshape(-1)), taps, found, sums, lost)


def total(sums: Any, lost: Any) -> Any:
    """Return sums with their rounding errors added, as `arithmetic.compensated` does."""
    xp = array_module(sums)
    return xp.where(xp.isfinite(sums), sums + lost, sums)
