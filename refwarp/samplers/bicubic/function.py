"""Bicubic sampling as Functions: each one's backward is the next. The equations are in `kernels`.

On the CPU the windows of many samples are read and written at once (`cpu`). On CUDA each sample is computed by one
thread, and each pixel gathers its gradient from the samples that read it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.conventions import Rules, Size
from refwarp.samplers.bicubic import cpu, kernels
from refwarp.samplers.bicubic.cpu import holds_windows
from refwarp.samplers.bicubic.second import backward_samples
from refwarp.samplers.gathering import gather_taps, total
from refwarp.samplers.pieces import Cotangents, Given, SampleGradients, second_gradient
from refwarp.samplers.sampling import needed_gradients, sampled


def _in_windows(input: Any) -> bool:
    return holds_windows(*input.shape[2:]) and not runs_on_cuda(input)


def _input_gradient(gout: Any, grid: Any, cotangent_grid: Any, second: bool, rules: Rules, size: Size) -> Any:
    """Return (bicubic.5), or with `second` (bicubic.8), sample by sample: gathered on CUDA, scattered on the CPU."""
    xp, (batch, channels, rows, columns) = array_module(gout), gout.shape
    shape, samples = (batch, channels, *size), rows * columns
    if not runs_on_cuda(gout):
        ginput = np.empty(shape, gout.dtype)
        run(kernels.backward_input, batch * channels, gout.size, gout, grid, cotangent_grid, second, rules, ginput)
        return ginput
    pixels, weights = xp.empty((batch, samples, 16), np.int64), xp.empty((batch, samples, 16))
    reads = kernels.PixelWeights(pixels, weights)
    run(kernels.tabulate, batch * samples, gout.size, grid, cotangent_grid, second, size, rules, reads)
    sums, lost = (xp.zeros((batch, channels, size.height * size.width)) for _ in range(2))
    gather_taps(gout.reshape(batch, channels, samples), pixels, weights, sums, lost)
    return total(sums, lost).astype(gout.dtype).reshape(shape)


class Bicubic(Function):
    """(input (N, C, H, W), grid (N, H_out, W_out, 2)) -> output (N, C, H_out, W_out)."""

    @staticmethod
    def forward(ctx: Context, input: Any, grid: Any, *, rules: Rules) -> Any:
        """Compute (bicubic.1)."""
        forward, chunk = (cpu.forward, cpu.CHUNK) if _in_windows(input) else (kernels.forward, 1)
        return sampled(forward, chunk, input, grid, rules)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (bicubic.5) and (bicubic.6), those that are needed."""
        return needed_gradients(BicubicGradient, ctx, gout)


class BicubicGradient(Function):
    """(gout, input, grid) -> (ginput, ggrid), with zeros for the one that is not needed."""

    @staticmethod
    def forward(ctx: Context, gout: Any, input: Any, grid: Any, *, needs: tuple[bool, bool], rules: Rules) -> Any:
        """Compute (bicubic.5) and (bicubic.6)."""
        gout, input, grid = argument(gout), argument(input), argument(grid)
        xp, (batch, channels), size = array_module(input), input.shape[:2], Size(*input.shape[2:])
        ginput, ggrid = xp.zeros(input.shape, input.dtype), xp.zeros(grid.shape, grid.dtype)
        samples, in_windows = grid.shape[1] * grid.shape[2], _in_windows(input)
        if needs[0] and in_windows:
            run(cpu.backward_input, batch * channels, gout.size, gout, grid, rules, ginput)
        elif needs[0]:
            ginput = _input_gradient(gout, grid, grid, False, rules, size)
        if needs[1] and in_windows:
            run(cpu.backward_grid, batch * -(-samples // cpu.CHUNK), gout.size, gout, input, grid, rules, ggrid)
        elif needs[1]:
            run(kernels.backward_grid, batch * samples, gout.size, gout, input, grid, rules, ggrid)
        return ginput, ggrid

    @staticmethod
    def backward(ctx: Context, cotangent_input: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute (bicubic.7), (bicubic.8), (bicubic.9)."""
        rules = ctx.parameters["rules"]
        return BicubicSecondGradient.call(cotangent_input, cotangent_grid, *ctx.inputs, rules=rules)


class BicubicSecondGradient(Function):
    """(cotangents of ginput and ggrid, gout, input, grid) -> (ggout, ginput, ggrid). It has no derivative here."""

    @staticmethod
    def forward(
        ctx: Context, cotangent_input: Any, cotangent_grid: Any, gout: Any, input: Any, grid: Any, *, rules: Rules
    ) -> Any:
        """Compute (bicubic.7), (bicubic.8), (bicubic.9)."""
        xp, grid, size = array_module(input), argument(grid), Size(*input.shape[2:])

        def compute(*arrays: Any) -> tuple[Any, Any, Any]:
            a, b, g, u = (argument(array) for array in arrays)
            ggout, ggrid = xp.empty(g.shape, g.dtype), xp.empty(grid.shape, grid.dtype)
            cotangents, given, wanted = Cotangents(a, b), Given(g, u, grid), SampleGradients(ggout, ggrid)
            run(backward_samples, grid.size // 2, g.size, cotangents, given, rules, wanted)
            return ggout, _input_gradient(g, grid, b, True, rules, size), ggrid

        return second_gradient(compute, (cotangent_input, cotangent_grid, gout, input), grid, weights=3)
