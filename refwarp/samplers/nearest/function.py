"""Nearest-pixel sampling as Functions: value and map gradient are each other's backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.conventions import Rules
from refwarp.samplers.gathering import sort_samples
from refwarp.samplers.nearest import cpu, kernels
from refwarp.samplers.placement import is_exact
from refwarp.samplers.sampling import sampled


class Nearest(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, rules: Rules, ties: int) -> Any:
        """Compute (nearest.1)."""
        in_chunks = is_exact(*input.shape[2:]) and not runs_on_cuda(input)
        forward, chunk = (cpu.forward, cpu.CHUNK) if in_chunks else (kernels.forward, 1)
        return sampled(forward, chunk, input, grid, rules, ties)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (nearest.2), and zeros."""
        input, grid = ctx.inputs
        ginput = ggrid = None
        if ctx.needs[0]:
            ginput = NearestGradient.apply(gout, grid.detach(), size=input.shape[2:], **ctx.parameters)
        if ctx.needs[1]:
            ggrid = NearestGridGradient.apply(gout, grid, padding=ctx.parameters["rules"].padding)
        return ginput, ggrid


class NearestGradient(Function):
    """(gout (N, C, H_out, W_out), grid) -> ginput (N, C, H, W)."""

    @staticmethod
    def forward(ctx: Context, gout: Any, grid: Any, *, size: tuple[int, int], rules: Rules, ties: int) -> Any:
        """Compute (nearest.2)."""
        xp, (batch, channels, rows, columns) = array_module(gout), gout.shape
        gout, grid = argument(gout), argument(grid)
        ginput = xp.empty((batch, channels, *size), gout.dtype)
        if runs_on_cuda(gout) or not is_exact(*size):
            pixels = xp.empty((batch, rows * columns), np.int64)
            run(kernels.find_pixels, pixels.size, pixels.size, grid, *size, rules, ties, pixels)
            found = sort_samples(pixels, size[0] * size[1])
            run(kernels.backward_input, ginput.size, gout.size, gout, found, ginput)
        else:
            run(cpu.backward_input, batch * channels, gout.size, gout, grid, rules, ties, ginput)
        return ginput

    @staticmethod
    def backward(ctx: Context, cotangent_input: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (nearest.1): the transpose of the transpose."""
        options = {name: ctx.parameters[name] for name in ("rules", "ties")}
        return Nearest.apply(cotangent_input, ctx.inputs[1], **options), None


class NearestGridGradient(Function):
    """(gout (N, C, H_out, W_out), grid) -> ggrid: zeros, and NaN where the sample is. So are its own gradients."""

    @staticmethod
    def forward(ctx: Context, gout: Any, grid: Any, *, padding: int) -> Any:
        """Return zeros of the grid's shape."""
        ggrid = array_module(grid).empty(grid.shape, grid.dtype)
        run(kernels.backward_grid, grid.size // 2, grid.size, argument(grid), padding, ggrid)
        return ggrid

    @staticmethod
    def backward(ctx: Context, cotangent_grid: Tensor) -> tuple[Tensor | None, ...]:
        """Return zeros."""
        gout, grid = ctx.inputs
        ggrid = NearestGridGradient.apply(gout, grid, padding=ctx.parameters["padding"])
        return Tensor(array_module(gout.data).zeros(gout.shape, gout.dtype)), ggrid
