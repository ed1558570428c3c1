"""The radial function of thin plate splines between two sets of points, with its derivatives.

    f(v) = r^2 ln r^2,  r = |v|,  f(0) = 0                                             (radial.1)
    f'(v) = 2 (ln r^2 + 1) v,  f'(0) = 0                                               (radial.2)
    f''(v) d = 2 (ln r^2 + 1) d + 4 v (v . d) / r^2                                    (radial.3)

f'' diverges at 0, and is NaN there. For points x_i and c_j, the matrix and the gradient of sum W_ij f(x_i - c_j) are

    F_ij = f(x_i - c_j)                                                                (radial.4)
    gx_i = sum over j of W_ij f'(x_i - c_j)                                            (radial.5)

f is even, so gc is gx with the two sets exchanged and W transposed. The gradients of sum d_i . gx_i are

    gW_ij = d_i . f'(x_i - c_j)                                                        (radial.6)
    gx_i = sum over j of W_ij f''(x_i - c_j) (d_i - e_j)                               (radial.7)

and gc once more gx with the sets exchanged; e belongs to c and is 0 in the first case, d in the second. Where both
sets are one (`same`), a point has no distance to itself that could change, and its term in (radial.7) is 0.

Axes: x (B, n, 2), c (B, k, 2), W and F (B, n, k). All in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from autograd_core.functions import matrix_transpose
from refwarp.arithmetic import two_sum
from refwarp.compilation import argument, kernel, run, scalar


@scalar
def radial(r2: float) -> float:
    """Return f as a function of r^2 (radial.1)."""
    return r2 * math.log(r2) if r2 > 0.0 else 0.0 * r2


@scalar
def slope(r2: float) -> float:
    """Return the factor 2 (ln r^2 + 1) of v in (radial.2); 0 at r = 0, where v is 0."""
    return 2.0 * (math.log(r2) + 1.0) if r2 > 0.0 else 0.0


@scalar
def curvature(vx: float, vy: float, dx: float, dy: float) -> tuple[float, float]:
    """Return f''(v) d (radial.3); NaN at v = 0."""
    r2 = vx * vx + vy * vy
    if r2 == 0.0:
        return math.nan, math.nan
    along = 4.0 * (vx * dx + vy * dy) / r2
    return slope(r2) * dx + along * vx, slope(r2) * dy + along * vy


@kernel
def _matrix(start: int, stop: int, x: Any, c: Any, out: Any) -> None:
    """Compute (radial.4)."""
    _, points, centres = out.shape
    for row in range(start, stop):
        b, i = row // points, row % points
        for j in range(centres):
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            out[b, i, j] = radial(vx * vx + vy * vy)


@kernel
def _gradient(start: int, stop: int, x: Any, c: Any, weights: Any, out: Any) -> None:
    """Compute (radial.5)."""
    _, points, centres = weights.shape
    for row in range(start, stop):
        b, i = row // points, row % points
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for j in range(centres):
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            factor = weights[b, i, j] * slope(vx * vx + vy * vy)
            total_x, lost = two_sum(total_x, factor * vx)
            lost_x += lost
            total_y, lost = two_sum(total_y, factor * vy)
            lost_y += lost
        out[b, i, 0] = total_x + lost_x
        out[b, i, 1] = total_y + lost_y


@kernel
def _directional(start: int, stop: int, x: Any, c: Any, d: Any, out: Any) -> None:
    """Compute (radial.6)."""
    _, points, centres = out.shape
    for row in range(start, stop):
        b, i = row // points, row % points
        for j in range(centres):
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            out[b, i, j] = slope(vx * vx + vy * vy) * (d[b, i, 0] * vx + d[b, i, 1] * vy)


@kernel
def _second(start: int, stop: int, x: Any, c: Any, weights: Any, d: Any, e: Any, same: bool, out: Any) -> None:
    """Compute (radial.7)."""
    _, points, centres = weights.shape
    for row in range(start, stop):
        b, i = row // points, row % points
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for j in range(centres):
            weight = weights[b, i, j]
            if weight == 0.0 or (same and i == j):
                continue
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            hx, hy = curvature(vx, vy, d[b, i, 0] - e[b, j, 0], d[b, i, 1] - e[b, j, 1])
            total_x, lost = two_sum(total_x, weight * hx)
            lost_x += lost
            total_y, lost = two_sum(total_y, weight * hy)
            lost_y += lost
        out[b, i, 0] = total_x + lost_x
        out[b, i, 1] = total_y + lost_y


def radial_matrix(x: Any, c: Any) -> Any:
    """Return F of (radial.4) for arrays."""
    out = np.empty((*x.shape[:2], c.shape[1]))
    run(_matrix, out.shape[0] * out.shape[1], out.size, argument(x), argument(c), out)
    return out


class RadialMatrix(Function):
    """(x, c) -> F."""

    @staticmethod
    def forward(ctx: Context, x: Any, c: Any) -> Any:
        """Compute (radial.4)."""
        return radial_matrix(x, c)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (radial.5) for both sets."""
        x, c = ctx.inputs
        return (
            RadialGradient.apply(x, c, gout, same=False) if ctx.needs[0] else None,
            RadialGradient.apply(c, x, matrix_transpose(gout), same=False) if ctx.needs[1] else None,
        )


class RadialGradient(Function):
    """(x, c, W) -> gx."""

    @staticmethod
    def forward(ctx: Context, x: Any, c: Any, weights: Any, *, same: bool) -> Any:
        """Compute (radial.5)."""
        gx = np.empty(x.shape)
        run(_gradient, x.shape[0] * x.shape[1], weights.size, argument(x), argument(c), argument(weights), gx)
        return gx

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor, ...]:
        """Compute (radial.6), and (radial.7) for both sets."""
        return RadialSecondGradient.call(gout, *ctx.inputs, needs=ctx.needs, **ctx.parameters)


class RadialSecondGradient(Function):
    """(d, x, c, W) -> (gx, gc, gW), zeros for those that are not needed. It has no derivative here."""

    @staticmethod
    def forward(ctx: Context, d: Any, x: Any, c: Any, weights: Any, *, needs: tuple[bool, ...], same: bool) -> Any:
        """Compute (radial.6), and (radial.7) for both sets."""
        d, x, c, weights = (argument(array) for array in (d, x, c, weights))
        gx, gc, gweights = np.zeros(x.shape), np.zeros(c.shape), np.zeros(weights.shape)
        rows, centres = x.shape[0] * x.shape[1], c.shape[0] * c.shape[1]
        if needs[0]:
            run(_second, rows, weights.size, x, c, weights, d, argument(np.zeros(c.shape)), same, gx)
        if needs[1]:
            transposed = argument(weights.swapaxes(1, 2))
            run(_second, centres, weights.size, c, x, transposed, argument(np.zeros(x.shape)), d, same, gc)
        if needs[2]:
            run(_directional, rows, weights.size, x, c, d, gweights)
        return gx, gc, gweights
