"""Bilinear sampling as Functions: each one's backward is the next.

On the CPU a map's samples are computed in chunks, on CUDA each by a thread, and there a pixel gathers its gradient from
samples sorted by their cells.
"""

from __future__ import annotations

from typing import Any

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.backend.vectors import LANES
from refwarp.conventions import RIGHT
from refwarp.samplers.bilinear import cpu as bilinear_chunks
from refwarp.samplers.bilinear import kernels as bilinear
from refwarp.samplers.bilinear.cpu import takes_lanes
from refwarp.samplers.gathering import sort_samples
from refwarp.samplers.pieces import second_gradient
from refwarp.samplers.placement import constants, takes_chunks


def _in_chunks(input: Any) -> bool:
    _, channels, height, width = input.shape
    return channels > 0 and takes_chunks(height, width) and not runs_on_cuda(input)


def _sorted(grid: Any, height: int, width: int, align_corners: bool, padding: int, kink: int) -> tuple[Any, Any, Any]:
    """Return what samples read along both axes, and their order and starts by cells."""
    xp, (batch, rows, columns, _) = array_module(grid), grid.shape
    cells, axes = xp.empty((batch, rows * columns), xp.int64), xp.empty((14, batch * rows * columns))
    where = height, width, align_corners, padding, kink
    run(bilinear.find_cells, cells.size, cells.size, grid, *where, cells, axes)
    order, starts = sort_samples(cells, (height + bilinear.BEFORE) * (width + bilinear.BEFORE))
    return argument(axes), argument(order), argument(starts)


class Bilinear(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, align_corners: bool, padding: int, kink: int) -> Any:
        """Compute (bilinear.2)."""
        batch, channels = input.shape[:2]
        _, rows, columns, _ = grid.shape
        out = array_module(input).empty((batch, channels, rows, columns), input.dtype)
        arguments = argument(input), argument(grid), align_corners, padding
        if _in_chunks(input):
            chunks = batch * -(-rows * columns // bilinear_chunks.CHUNK)
            known = constants(input.shape[2], input.shape[3], align_corners, input.dtype)
            run(bilinear_chunks.forward_chunks, chunks, out.size, *arguments, known, out)
        else:
            run(bilinear.forward, batch * rows * columns, out.size, *arguments, out)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (bilinear.5) and (bilinear.6), those that are wanted."""
        input, grid = ctx.inputs
        ginput, ggrid = BilinearGradient.call(gout, input, grid, needs=ctx.needs, **ctx.parameters)
        return ginput if ctx.needs[0] else None, ggrid if ctx.needs[1] else None


class BilinearGradient(Function):
    """(gout, input, grid) -> (ginput, ggrid), with zeros for the one that is not needed."""

    @staticmethod
    def forward(
        ctx: Context,
        gout: Any,
        input: Any,
        grid: Any,
        *,
        needs: tuple[bool, bool],
        align_corners: bool,
        padding: int,
        kink: int,
    ) -> Any:
        """Compute (bilinear.5) and (bilinear.6)."""
        gout, input, grid = argument(gout), argument(input), argument(grid)
        xp, (batch, channels, height, width) = array_module(input), input.shape
        ginput = (xp.empty if needs[0] else xp.zeros)(input.shape, input.dtype)
        ggrid = (xp.empty if needs[1] else xp.zeros)(grid.shape, grid.dtype)
        where = align_corners, padding
        if _in_chunks(input):
            known = constants(height, width, align_corners, input.dtype)
            if needs[0]:
                arguments = gout, grid, *where, known
                if takes_lanes(batch, channels, height, width, input.dtype):
                    groups = batch * -(-channels // LANES)
                    run(bilinear_chunks.backward_input_lanes, groups, gout.size, *arguments, ginput)
                else:
                    planes = ginput if input.dtype == xp.float64 else xp.empty((0, 0, 0, 0))
                    scatter = bilinear_chunks.backward_input_blocks
                    run(scatter, batch * channels, gout.size, *arguments, planes, ginput)
            if needs[1]:
                chunks = batch * -(-grid.shape[1] * grid.shape[2] // bilinear_chunks.CHUNK)
                slopes = bilinear_chunks.backward_grid_chunks
                run(slopes, chunks, gout.size, gout, input, grid, *where, kink, known, ggrid)
            return ginput, ggrid
        if needs[0]:
            run(bilinear.gather, ginput.size, gout.size, gout, *_sorted(grid, height, width, *where, RIGHT), ginput)
        if needs[1]:
            run(bilinear.backward_grid, ggrid.size // 2, gout.size, gout, input, grid, *where, kink, ggrid)
        return ginput, ggrid

    @staticmethod
    def backward(ctx: Context, cotangent_input: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute (bilinear.7) to (bilinear.9)."""
        options = {name: ctx.parameters[name] for name in ("align_corners", "padding", "kink")}
        return BilinearSecondGradient.call(cotangent_input, cotangent_grid, *ctx.inputs, **options)


class BilinearSecondGradient(Function):
    """(cotangents of ginput and ggrid, gout, input, grid) -> (ggout, ginput, ggrid). It has no derivative here."""

    @staticmethod
    def forward(
        ctx: Context,
        cotangent_input: Any,
        cotangent_grid: Any,
        gout: Any,
        input: Any,
        grid: Any,
        *,
        align_corners: bool,
        padding: int,
        kink: int,
    ) -> Any:
        """Compute (bilinear.7) to (bilinear.9)."""
        xp, grid, where = array_module(input), argument(grid), (align_corners, padding, kink)
        found = _sorted(grid, input.shape[2], input.shape[3], *where)

        def compute(*arrays: Any) -> tuple[Any, Any, Any]:
            a, b, g, u = (argument(array) for array in arrays)
            ggout, ginput, ggrid = (xp.empty(array.shape, array.dtype) for array in (g, u, grid))
            run(bilinear.second_gather, ggrid.size // 2, g.size, a, b, g, u, grid, *where, ggout, ggrid)
            run(bilinear.second_gather_input, ginput.size, g.size, b, g, align_corners, *found, ginput)
            return ggout, ginput, ggrid

        return second_gradient(compute, (cotangent_input, cotangent_grid, gout, input), grid, weights=1)
