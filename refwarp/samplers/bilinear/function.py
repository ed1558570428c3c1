"""Bilinear sampling as Functions: each one's backward is the next.

On the CPU the samples of a map are computed in chunks. On CUDA each is computed by one thread, and each pixel gathers
its gradient from samples sorted by their cells. Values and map gradients, which have no kinks, are computed by the rule
"right".
"""

from __future__ import annotations

from typing import Any

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.backend.vectors import LANES
from refwarp.conventions import Rules
from refwarp.samplers.bilinear import cpu, kernels, second
from refwarp.samplers.gathering import Sorted, sort_samples
from refwarp.samplers.pieces import Cotangents, Given, SampleGradients, second_gradient
from refwarp.samplers.placement import takes_chunks
from refwarp.samplers.sampling import needed_gradients, sampled


def _in_chunks(input: Any) -> bool:
    _, channels, height, width = input.shape
    return channels > 0 and takes_chunks(height, width) and not runs_on_cuda(input)


def _sorted(grid: Any, height: int, width: int, rules: Rules) -> tuple[kernels.Tables, Sorted]:
    """Return what samples read along both axes, and their order by cells."""
    xp, (batch, rows, columns, _) = array_module(grid), grid.shape
    samples = batch * rows * columns
    cells = xp.empty((batch, rows * columns), xp.int64)
    x, y = (kernels.AxisTables(*(xp.empty((count, samples)) for count in (2, 2, 3))) for _ in range(2))
    run(kernels.find_cells, samples, samples, grid, height, width, rules, cells, kernels.Tables(x, y))
    x, y = (kernels.AxisTables(*map(argument, table)) for table in (x, y))
    return kernels.Tables(x, y), sort_samples(cells, kernels.cell_count(height, width))


class Bilinear(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, rules: Rules) -> Any:
        """Compute (bilinear.2)."""
        forward, chunk = (cpu.forward, cpu.CHUNK) if _in_chunks(input) else (kernels.forward, 1)
        return sampled(forward, chunk, input, grid, Rules(rules.align_corners, rules.padding))

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (bilinear.5) and (bilinear.6), those that are needed."""
        return needed_gradients(BilinearGradient, ctx, gout)


class BilinearGradient(Function):
    """(gout, input, grid) -> (ginput, ggrid), with zeros for the one that is not needed."""

    @staticmethod
    def forward(ctx: Context, gout: Any, input: Any, grid: Any, *, needs: tuple[bool, bool], rules: Rules) -> Any:
        """Compute (bilinear.5) and (bilinear.6)."""
        gout, input, grid = argument(gout), argument(input), argument(grid)
        xp, (batch, channels, height, width) = array_module(input), input.shape
        ginput = (xp.empty if needs[0] else xp.zeros)(input.shape, input.dtype)
        ggrid = (xp.empty if needs[1] else xp.zeros)(grid.shape, grid.dtype)
        right, in_chunks = Rules(rules.align_corners, rules.padding), _in_chunks(input)
        if needs[0] and not in_chunks:
            run(kernels.backward_input, ginput.size, gout.size, gout, *_sorted(grid, height, width, right), ginput)
        elif needs[0] and cpu.takes_vectors(batch, channels, height, width, input.dtype):
            groups = batch * -(-channels // LANES)
            run(cpu.backward_input_vectors, groups, gout.size, gout, grid, right, ginput)
        elif needs[0]:
            planes = ginput if input.dtype == xp.float64 else xp.empty((0, 0, 0, 0))
            run(cpu.backward_input, batch * channels, gout.size, gout, grid, right, planes, ginput)
        if needs[1] and in_chunks:
            chunks = batch * -(-grid.shape[1] * grid.shape[2] // cpu.CHUNK)
            run(cpu.backward_grid, chunks, gout.size, gout, input, grid, rules, ggrid)
        elif needs[1]:
            run(kernels.backward_grid, ggrid.size // 2, gout.size, gout, input, grid, rules, ggrid)
        return ginput, ggrid

    @staticmethod
    def backward(ctx: Context, cotangent_input: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute (bilinear.7) to (bilinear.9)."""
        rules = ctx.parameters["rules"]
        return BilinearSecondGradient.call(cotangent_input, cotangent_grid, *ctx.inputs, rules=rules)


class BilinearSecondGradient(Function):
    """(cotangents of ginput and ggrid, gout, input, grid) -> (ggout, ginput, ggrid). It has no derivative here."""

    @staticmethod
    def forward(
        ctx: Context, cotangent_input: Any, cotangent_grid: Any, gout: Any, input: Any, grid: Any, *, rules: Rules
    ) -> Any:
        """Compute (bilinear.7) to (bilinear.9)."""
        xp, grid = array_module(input), argument(grid)
        found = _sorted(grid, input.shape[2], input.shape[3], rules)

        def compute(*arrays: Any) -> tuple[Any, Any, Any]:
            a, b, g, u = (argument(array) for array in arrays)
            ggout, ginput, ggrid = (xp.empty(array.shape, array.dtype) for array in (g, u, grid))
            cotangents, given, wanted = Cotangents(a, b), Given(g, u, grid), SampleGradients(ggout, ggrid)
            run(second.backward_samples, ggrid.size // 2, g.size, cotangents, given, rules, wanted)
            run(second.backward_input, ginput.size, g.size, b, g, rules.align_corners, *found, ginput)
            return ggout, ginput, ggrid

        return second_gradient(compute, (cotangent_input, cotangent_grid, gout, input), grid, weights=1)
