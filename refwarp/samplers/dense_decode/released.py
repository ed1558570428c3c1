"""The decoder as released by the authors of DTN, which is not DTN's Eq. (7): the current release, and the first one.

The code (github.com/divelab/dtn) uses x = (g_x + 1) W/2, and likewise y, half a pixel off compared with
align_corners=False. For the four corners (a, b) in {0, 1} x {0, 1} of a source's cell,

    the column is m_a = clip(floor x + a), the row n_b = clip(floor y + b), clip to the map               (released.1)

and the weight is alpha_a beta_b, of the clipped columns and rows: in the first release, of May 2017,

    alpha_0 = m_1 - x,  alpha_1 = x - m_0,  and likewise beta_b                                          (released.2)

and since June 2017

    alpha_0 = |m_1 - x|,  alpha_1 = |x - m_0|,  each 0 if it exceeds 1,  and likewise beta_b              (released.3)

With S the sum of all weights of a pixel and P the previous map,

    U = (sum over corners of (sum_i w_i) (sum_i V_i)) / clip(S, 1e-5, 1e10) + (P where S <= 1e-5)         (released.4)

So sources that share a corner multiply each other's weights, and values contribute even if their weight is 0. The
gradients are those of the individual steps; docs/dense_decode.md lists them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import absolute, clip, reshape, where
from refwarp.backend.launch import runs_on_cuda
from refwarp.samplers.gathering import gather_taps


class Scatter(Function):
    """Add the elements of (N, C, P), at the places (N, P), to zeros (N, C, size); in the order of P, in float64."""

    @staticmethod
    def forward(ctx: Context, x: Any, *, places: Any, size: int) -> Any:
        """Add."""
        xp = array_module(x)
        out = xp.zeros((*x.shape[:2], size))
        if runs_on_cuda(x):
            gather_taps(x, places[..., None], xp.ones((*places.shape, 1)), out, xp.zeros(out.shape))
            return out
        images, channels = np.ogrid[: x.shape[0], : x.shape[1]]
        np.add.at(out, (images[..., None], channels[..., None], places[:, None]), x)
        return out

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Gather."""
        return Gather.apply(gout, **ctx.parameters)


class Gather(Function):
    """Take the elements of (N, C, size) at the places (N, P)."""

    @staticmethod
    def forward(ctx: Context, x: Any, *, places: Any, size: int) -> Any:
        """Take."""
        return array_module(x).take_along_axis(x, places[:, None], axis=2)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Scatter."""
        return Scatter.apply(gout, **ctx.parameters)


def _corners(x: Tensor, size: int, first: bool) -> list[tuple[Any, Tensor]]:
    """Return the two pixels around each coordinate, clipped, and their weights."""
    xp = array_module(x.data)
    low, high = (xp.clip(xp.floor(x.data) + a, 0, size - 1) for a in (0, 1))  # (released.1)
    weights = [Tensor(high) - x, x - Tensor(low)]  # (released.2)
    if not first:
        distances = [absolute(weight) for weight in weights]
        weights = [where(Tensor(distance.data <= 1.0), distance, 0.0) for distance in distances]  # (released.3)
    return list(zip((low.astype(np.int64), high.astype(np.int64)), weights, strict=True))


def released_decode(
    values: Tensor, grid: Tensor, previous: Tensor | None, height: int, width: int, first: bool
) -> Tensor:
    """Return what the released code computes, or its first release, for float64 Tensors; see `dense_decode`.

    The gradients are those of its individual steps: floor and comparisons are constants, and |d| has the slope 0 at 0.
    A source at a coordinate that is not finite, where the integers of the released code are undefined, is left out.
    """
    xp, (batch, channels) = array_module(grid.data), values.shape[:2]
    count = values.shape[2] * values.shape[3]
    finite = xp.isfinite(grid.data).all(axis=3)
    points = where(Tensor(finite[..., None]), grid, 0.0)
    if not first:
        points = clip(points, -5.0, 5.0)  # two pixels and more beyond any map: all is 0 there, and nothing overflows
    columns = _corners(reshape((points[..., 0] + 1.0) * (0.5 * width), (batch, 1, count)), width, first)
    rows = _corners(reshape((points[..., 1] + 1.0) * (0.5 * height), (batch, 1, count)), height, first)
    there = Tensor(finite.reshape(batch, 1, count))
    v = where(there, reshape(values, (batch, channels, count)), 0.0)
    total, weight = Tensor(xp.zeros((1, 1, 1))), Tensor(xp.zeros((1, 1, 1)))
    for m, wx in columns:
        for n, wy in rows:
            options = {"places": (n * width + m)[:, 0], "size": height * width}
            received = Scatter.apply(where(there, wx * wy, 0.0), **options)
            total = total + received * Scatter.apply(v, **options)  # (released.4)
            weight = weight + received
    clipped = clip(weight, 1e-5, 1e10)
    out = reshape(total / clipped, (batch, channels, height, width))
    if previous is None:
        return out
    hole = reshape(Tensor(clipped.data <= 1e-5), (batch, 1, height, width))
    return out + where(hole, previous, 0.0)
