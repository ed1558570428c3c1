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
from typing import Any, NamedTuple

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import matrix_transpose
from refwarp.backend.arithmetic import two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.backend.launch import argument, run
from refwarp.backend.reductions import add_rows
from refwarp.grids.rows import stretch_length, stretch_of

# Terms of a sum that are one thread's.
_PIECE = 256


class Pairs(NamedTuple):
    """Points x (B, n, 2), centres c (B, k, 2), and W (B, n, k): a weight for each pair of them."""

    x: Any
    c: Any
    weights: Any


@scalar
def radial(r2: float) -> float:
    """Return f as a function of r^2."""
    return r2 * math.log(r2) if r2 > 0.0 else 0.0 * r2  # (radial.1)


@scalar
def slope(r2: float) -> float:
    """Return the factor of v in f'(v); 0 at r = 0, where v is 0."""
    return 2.0 * (math.log(r2) + 1.0) if r2 > 0.0 else 0.0  # (radial.2)


@scalar
def curvature(vx: float, vy: float, dx: float, dy: float) -> tuple[float, float]:
    """Return f''(v) d; NaN at v = 0."""
    r2 = vx * vx + vy * vy
    if r2 == 0.0:
        return math.nan, math.nan
    along = 4.0 * (vx * dx + vy * dy) / r2
    return slope(r2) * dx + along * vx, slope(r2) * dy + along * vy  # (radial.3)


@kernel
def _matrix(start: int, stop: int, x: Any, c: Any, length: int, out: Any) -> None:
    """Compute (radial.4) for stretches of `length` centres."""
    _, points, centres = out.shape
    for item in items(start, stop):
        b, i, first, last = stretch_of(item, points, centres, length)
        for j in range(first, last):
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            out[b, i, j] = radial(vx * vx + vy * vy)  # (radial.4)


@kernel
def _gradient(start: int, stop: int, pairs: Pairs, sums: Any) -> None:
    """Add up pieces of (radial.5): sums (B n, pieces, 2, 2), with what they left out."""
    x, c, weights = pairs
    _, points, centres = weights.shape
    for item in items(start, stop):
        b, i, first, last = stretch_of(item, points, centres, _PIECE)
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for j in range(first, last):
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            factor = weights[b, i, j] * slope(vx * vx + vy * vy)  # (radial.5)
            total_x, lost = two_sum(total_x, factor * vx)
            lost_x += lost
            total_y, lost = two_sum(total_y, factor * vy)
            lost_y += lost
        write_pair(sums, b * points + i, first // _PIECE, total_x, lost_x, total_y, lost_y)


@kernel
def _directional(start: int, stop: int, x: Any, c: Any, d: Any, length: int, out: Any) -> None:
    """Compute (radial.6) for stretches of `length` centres."""
    _, points, centres = out.shape
    for item in items(start, stop):
        b, i, first, last = stretch_of(item, points, centres, length)
        for j in range(first, last):
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            out[b, i, j] = slope(vx * vx + vy * vy) * (d[b, i, 0] * vx + d[b, i, 1] * vy)  # (radial.6)


@kernel
def _second(start: int, stop: int, pairs: Pairs, d: Any, e: Any, same: bool, sums: Any) -> None:
    """Add up pieces of (radial.7): sums (B n, pieces, 2, 2), with what they left out."""
    x, c, weights = pairs
    _, points, centres = weights.shape
    for item in items(start, stop):
        b, i, first, last = stretch_of(item, points, centres, _PIECE)
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for j in range(first, last):
            weight = weights[b, i, j]
            if weight == 0.0 or (same and i == j):
                continue
            vx, vy = x[b, i, 0] - c[b, j, 0], x[b, i, 1] - c[b, j, 1]
            hx, hy = curvature(vx, vy, d[b, i, 0] - e[b, j, 0], d[b, i, 1] - e[b, j, 1])  # (radial.7)
            total_x, lost = two_sum(total_x, weight * hx)
            lost_x += lost
            total_y, lost = two_sum(total_y, weight * hy)
            lost_y += lost
        write_pair(sums, b * points + i, first // _PIECE, total_x, lost_x, total_y, lost_y)


@part
def write_pair(sums: Any, row: int, piece: int, total_x: float, lost_x: float, total_y: float, lost_y: float) -> None:
    """Write a piece of the sums for x and for y."""
    sums[row, piece, 0, 0], sums[row, piece, 0, 1] = total_x, lost_x
    sums[row, piece, 1, 0], sums[row, piece, 1, 1] = total_y, lost_y


def _add_up(gradient: Any, x: Any, c: Any, weights: Any, *others: Any) -> Any:
    """Return what `_gradient` or `_second` make of W and their other arguments: sums over its rows, of x's shape."""
    xp, (batch, points, centres) = array_module(x), weights.shape
    pieces = math.ceil(centres / _PIECE)
    sums = xp.empty((batch * points, pieces, 2, 2))
    pairs = Pairs(argument(x), argument(c), argument(weights))
    run(gradient, batch * points * pieces, weights.size, pairs, *others, sums)
    return add_rows(sums).reshape(x.shape)


def radial_matrix(x: Any, c: Any) -> Any:
    """Return F for arrays."""
    out = array_module(x).empty((*x.shape[:2], c.shape[1]))
    length = stretch_length(out.shape[2], x)
    run(_matrix, out.size // length, out.size, argument(x), argument(c), length, out)
    return out


class RadialMatrix(Function):
    """(x, c) -> F."""

    @staticmethod
    def forward(ctx: Context, x: Any, c: Any) -> Any:
        """Compute F."""
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
        return _add_up(_gradient, x, c, weights)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor, ...]:
        """Compute (radial.6), and (radial.7) for both sets."""
        return RadialSecondGradient.call(gout, *ctx.inputs, needs=ctx.needs, **ctx.parameters)


class RadialSecondGradient(Function):
    """(d, x, c, W) -> (gx, gc, gW), zeros for those that are not needed. It has no derivative here."""

    @staticmethod
    def forward(ctx: Context, d: Any, x: Any, c: Any, weights: Any, *, needs: tuple[bool, ...], same: bool) -> Any:
        """Compute (radial.6), and (radial.7) for both sets."""
        xp, d = array_module(x), argument(d)
        gx, gc, gweights = xp.zeros(x.shape), xp.zeros(c.shape), xp.zeros(weights.shape)
        if needs[0]:
            gx = _add_up(_second, x, c, weights, d, argument(gc), same)
        if needs[1]:
            gc = _add_up(_second, c, x, weights.swapaxes(1, 2), argument(gc), d, same)
        if needs[2]:
            length = stretch_length(weights.shape[2], x)
            run(_directional, weights.size // length, weights.size, argument(x), argument(c), d, length, gweights)
        return gx, gc, gweights
