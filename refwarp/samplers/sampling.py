"""What the Functions of bilinear, nearest-pixel and bicubic sampling share: running a kernel, and first gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.backend.launch import argument, run


def sampled(forward: Callable[..., None], chunk: int, input: Any, grid: Any, *rules: Any) -> Any:
    """Return the samples of a map at the points of a grid.

    Parameters
    ----------
    forward : kernel
        What computes them: `forward(start, stop, input, grid, *rules, out)`.
    chunk : int
        How many samples of an image one item of the kernel is; the last one of an image may be fewer.
    input : array, shape (N, C, H, W)
        The map.
    grid : array, shape (N, H_out, W_out, 2)
        The points.
    *rules : NamedTuple or int
        What else the kernel is told.

    Returns
    -------
    array, shape (N, C, H_out, W_out)
        The samples, of the dtype of the map.
    """
    (batch, channels), (_, rows, columns, _) = input.shape[:2], grid.shape
    out = array_module(input).empty((batch, channels, rows, columns), input.dtype)
    run(forward, batch * -(-rows * columns // chunk), out.size, argument(input), argument(grid), *rules, out)
    return out


def needed_gradients(gradient: type[Function], ctx: Context, gout: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Return what the Function of a sampler's first gradients returns for its map and its grid, if they are needed."""
    ginput, ggrid = gradient.call(gout, *ctx.inputs, needs=ctx.needs, **ctx.parameters)
    return ginput if ctx.needs[0] else None, ggrid if ctx.needs[1] else None
