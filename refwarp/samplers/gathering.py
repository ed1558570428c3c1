"""Which samples lie in which cell: so that on CUDA a pixel gathers what samples would scatter to it.

The samples of each image are sorted by the cell they lie in, and within a cell stay in their order. A pixel's sum then
runs over the samples of the cells around it, always in one order, with no atomic operation.
"""

from __future__ import annotations

from typing import Any

from autograd_core.arrays import array_module


def sort_samples(cells: Any, count: int) -> tuple[Any, Any]:
    """Sort the samples of each image by their cells.

    Parameters
    ----------
    cells : array of int64, shape (N, samples)
        The cell of each sample, from 0 to count - 1; `count` for samples that lie in none.
    count : int
        How many cells an image has.

    Returns
    -------
    order : array of int64, shape (N samples)
        The numbers of the samples, counted through all images, cell by cell.
    starts : array of int64, shape (N (count + 1) + 1)
        Where the cells begin in `order`: those of cell q of image b lie from starts[b (count + 1) + q] to the next.
    """
    xp, images = array_module(cells), cells.shape[0]
    keys = (cells + (count + 1) * xp.arange(images)[:, None]).reshape(-1)
    order = xp.argsort(keys, kind="stable")
    starts = xp.searchsorted(keys[order], xp.arange(images * (count + 1) + 1))
    return order, starts
