"""The dense transformer's decoder: DTN Eqs. (6) to (10), with dy derived, and the gradients of those gradients.

Sources i at the points (x_i, y_i) with values V_c(i) spread over a map with the bilinear weights w_i, normalised:

    S(n, m) = sum over i of w_i(n, m),   w_i(n, m) = k(x_i - m) k(y_i - n),   k(d) = max(0, 1 - |d|)     (DTN 6)
    U_c(n, m) = 1/S sum over i of V_c(i) w_i(n, m)                                                       (DTN 7)

A pixel is a hole if no w_i differs from 0: decided exactly, although S is kept as a number and a power of two, since
two tiny factors of a weight can underflow. The gradients are DTN's (8), and (9) and (10) joined, as the difference
V - U loses nothing where dU/S V + dS would cancel:

    gV_c(i) = sum over n, m of gU_c / S w_i                                                          (decoder.3)
    gg_x(i) = sum over c, n, m of gU_c / S (V_c(i) - U_c) w_x,   w_x = s_x/2 k'(x_i - m) k(y_i - n)      (decoder.4)

and gg_y alike with w_y; s_x/2 = dx/dg. Holes give and take nothing: where a source's weight there turns from 0, the
map jumps. `second` has the gradients of the gradients.

Conventions: `refwarp.conventions`, with x and y counted in pixels of the decoded map. A source at NaN or infinity lies
nowhere: it adds nothing, and the gradient of its value is 0; that of its coordinates is NaN if one of them is NaN.
docs/dense_decode.md derives each line and its error bound. Everything is computed in float64, and rounded once to the
dtype of the values. On the CPU ordinary data go through `cpu`, the rest, and on CUDA all, through `kernels`; a pixel,
or a source, is summed by one thread in one order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.conventions import HUGE, RIGHT
from refwarp.samplers.dense_decode import cpu as decoder_lanes
from refwarp.samplers.dense_decode import kernels as decoder_gathering
from refwarp.samplers.dense_decode.kernels import HOLE, SMALL, find_reach
from refwarp.samplers.dense_decode.second import decode_second_gradient
from refwarp.samplers.dense_decode.within_exponents import within_exponents
from refwarp.samplers.pieces import second_gradient


def _lift(values: Any) -> int:
    """Return the power of two that brings tiny float64 values near 1, or is room for differences of huge ones; or 0.

    With huge values there may be tiny ones, which must not be lost: so these are hardly scaled.
    """
    if values.size == 0 or values.dtype != np.float64:
        return 0
    xp = array_module(values)
    largest = float(xp.max(xp.where(xp.isfinite(values), xp.abs(values), 0.0)))
    if largest == 0.0 or SMALL <= largest <= HUGE:
        return 0
    return -2 if largest > HUGE else min(-math.frexp(largest)[1], 1000)


def _rounded(array: Any, dtype: Any) -> Any:
    with np.errstate(over="ignore"):  # a gradient may be larger than float32 reaches: infinite
        return array.astype(dtype)


class Decode(Function):
    """(values (N, C, H', W'), grid (N, H', W', 2)) -> map (N, C, H, W), 0 in holes; and where it has none."""

    @staticmethod
    def forward(
        ctx: Context, values: Any, grid: Any, *, height: int, width: int, align_corners: bool, kink: int
    ) -> Any:
        """Compute (DTN 6), (DTN 7)."""
        if values.size and within_exponents(values) and within_exponents(grid, bounded=False):
            out, sums = decoder_lanes.decode(values, grid, height, width, align_corners)
            ctx.save(out, sums)
            return out, (sums != 0.0)[:, None]
        lift = _lift(values)
        reach = find_reach(grid, height, width, align_corners, kink)
        _, lifts, out = decoder_gathering.decode(values, reach, height, width, 2.0**lift)
        return _rounded(out / 2.0**lift, values.dtype), (lifts != HOLE)[:, None]

    @staticmethod
    def backward(ctx: Context, gout: Tensor, gcovered: Tensor) -> tuple[Tensor, ...]:
        """Compute (decoder.3), (decoder.4)."""
        options = {name: ctx.parameters[name] for name in ("align_corners", "kink")}
        return DecodeGradient.call(gout, *ctx.inputs, decoded=ctx.saved, **options)


class DecodeGradient(Function):
    """(gout, values, grid) -> (gvalues, ggrid); `decoded` is the map, with S, if vectors of lanes computed it."""

    @staticmethod
    def forward(
        ctx: Context, gout: Any, values: Any, grid: Any, *, decoded: tuple[Any, ...], align_corners: bool, kink: int
    ) -> Any:
        """Compute (decoder.3), (decoder.4)."""
        if decoded and kink == RIGHT and within_exponents(gout):
            out, sums = decoded
            return decoder_lanes.decode_gradient(gout, values, grid, out, sums, align_corners)
        lift = _lift(values)
        found = decoder_gathering.decode_gradient(gout, values, grid, align_corners, kink, lift)
        return tuple(_rounded(array, values.dtype) for array in found)

    @staticmethod
    def backward(ctx: Context, cotangent_values: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute the equations of `second`."""
        options = {name: ctx.parameters[name] for name in ("align_corners", "kink")}
        return DecodeSecondGradient.call(cotangent_values, cotangent_grid, *ctx.inputs, **options)


class DecodeSecondGradient(Function):
    """(cotangents of gvalues and ggrid, gout, values, grid) -> (ggout, gvalues, ggrid). It has no derivative here."""

    @staticmethod
    def forward(
        ctx: Context,
        cotangent_values: Any,
        cotangent_grid: Any,
        gout: Any,
        values: Any,
        grid: Any,
        *,
        align_corners: bool,
        kink: int,
    ) -> Any:
        """Compute the equations of `second`."""
        found = second_gradient(
            lambda a, b, g, v: decode_second_gradient(a, b, g, v, grid, align_corners, kink),
            (cotangent_values, cotangent_grid, gout, values),
            grid,
            weights=2,
        )
        return tuple(_rounded(array, values.dtype) for array in found)
