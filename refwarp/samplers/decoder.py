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
map jumps. For cotangents A of gV and (b_x, b_y) of (gg_x, gg_y), let w_xy = s_x/2 s_y/2 k' k', D_i = b_x w_x + b_y w_y,
R = sum over i of D_i / S, and T as in the first line; the second derivatives are

    with respect to gU_c(n, m):  T_c = 1/S sum over i of (A_c(i) w_i + (V_c(i) - U_c) D_i)             (decoder.5)
    with respect to V_c(i):      sum over n, m of gU_c / S (D_i - w_i R)                                (decoder.6)
    with respect to g_x(i):      sum over c, n, m of gU_c / S ((A_c(i) - T_c - (V_c(i) - U_c) R) w_x
                                 + (V_c(i) - U_c) b_y w_xy)                                             (decoder.7)

Conventions: `refwarp.conventions`, with x and y counted in pixels of the decoded map. A source at NaN or infinity lies
nowhere: it adds nothing, and the gradient of its value is 0; that of its coordinates is NaN if one of them is NaN.
docs/decoder.md derives each line and its error bound. Everything is computed in float64, in sums that carry their
rounding errors along, and rounded once to the dtype of the values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from refwarp.arithmetic import compensated, two_product, two_sum
from refwarp.compilation import argument, kernel, run, scalar
from refwarp.conventions import (
    HUGE,
    OUTSIDE,
    TINY,
    choose_side,
    coordinate_scale,
    locate,
)

# Smaller weights are kept as a number and a power of two.
SMALL = 2.0**-400
# The power of two of S in a hole: below that of every weight.
HOLE = -10000

# ---- scalars: the equations' pieces, for the CPU and the GPU ----


@scalar
def scaled_weight(w: float, g: float, s: float) -> tuple[float, int]:
    """Return a weight along one axis as a number and a power of two; the power is 0 unless the weight is small.

    Weights that small occur beside the middle pixel only, where they are |g| s/2.
    """
    if w == 0.0 or w >= SMALL:
        return w, 0
    fraction, power = math.frexp(abs(g))
    return 0.5 * s * fraction, power


@scalar
def reach(
    g: float, size: int, align_corners: bool, kink: int
) -> tuple[int, tuple[float, float, float], tuple[int, int, int], tuple[float, float, float]]:
    """Return the first of three pixels along an axis, and the weights, powers of two and slopes of the three.

    The slopes are derivatives by g, on the lattice by the rule `kink`. Of a coordinate out of reach, or NaN, all are 0.
    """
    nothing = 0.0, 0.0, 0.0
    if math.isnan(g):
        return 0, nothing, (0, 0, 0), nothing
    n, h, f = locate(g, size, align_corners)
    if n == OUTSIDE:
        return 0, nothing, (0, 0, 0), nothing
    n, h, f, d0, d1, d2 = choose_side(n, h, f, kink)
    s = coordinate_scale(size, align_corners)
    (h, power_h), (f, power_f) = scaled_weight(h, g, s), scaled_weight(f, g, s)
    return n, (h, f, 0.0), (power_h, power_f, 0), (0.5 * s * d0, 0.5 * s * d1, 0.5 * s * d2)


@scalar
def product(a: float, b: float, c: float, power: int) -> float:
    """Return a b c 2^power, with care where something on the way under- or overflows."""
    inner = a * b
    result = inner * c
    if a == 0.0 or b == 0.0 or (power == 0 and TINY <= abs(inner) <= HUGE and TINY <= abs(result)):
        return result
    a, power_a = math.frexp(a)
    b, power_b = math.frexp(b)
    c, power_c = math.frexp(c)
    return math.ldexp(a * b * c, power_a + power_b + power_c + power)


# ---- CPU kernels: forward and backward ----
#
# S is handed on as `sums`, a pair of arrays (N, H, W): numbers and powers of two.


@scalar
def _add(plane: Any, lost: Any, y: int, x: int, term: float) -> None:
    """Add a term to a pixel of a plane, and to another plane what the rounding left out."""
    plane[y, x], remainder = two_sum(plane[y, x], term)
    lost[y, x] += remainder


@scalar
def _add_lost(plane: Any, lost: Any) -> None:
    """Add what the roundings left out to a plane."""
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            plane[y, x] = compensated(plane[y, x], lost[y, x])


@kernel
def _weigh(start: int, stop: int, grid: Any, align_corners: bool, kink: int, weights: Any, powers: Any) -> None:
    """Compute (DTN 6) for the images start to stop, S = weights 2^powers; the power is HOLE in holes."""
    _, height, width = weights.shape
    lost = np.empty((height, width))
    for b in range(start, stop):
        lost[:] = 0.0
        for i in range(grid.shape[1]):
            for j in range(grid.shape[2]):
                m, wx, powers_x, _ = reach(grid[b, i, j, 0], width, align_corners, kink)
                n, wy, powers_y, _ = reach(grid[b, i, j, 1], height, align_corners, kink)
                for q in range(2):
                    for p in range(2):
                        y, x = n + q, m + p
                        if not (0 <= y < height and 0 <= x < width) or wx[p] == 0.0 or wy[q] == 0.0:
                            continue
                        power = powers_x[p] + powers_y[q]
                        if power > powers[b, y, x]:  # the largest weight sets the power
                            down = math.ldexp(1.0, powers[b, y, x] - power)
                            weights[b, y, x] *= down
                            lost[y, x] *= down
                            powers[b, y, x] = power
                        w, remainder = two_product(wx[p], wy[q])
                        down = math.ldexp(1.0, power - powers[b, y, x])
                        _add(weights[b], lost, y, x, w * down)
                        lost[y, x] += remainder * down
        _add_lost(weights[b], lost)


@scalar
def _workspace() -> tuple[Any, Any, Any]:
    """Return arrays for what `_shares` finds: nine places, four shares at each, and their powers of two."""
    return np.empty((9, 2), np.int64), np.empty((9, 4)), np.empty((9, 4), np.int64)


@scalar
def _shares(b: int, point: Any, sums: Any, align_corners: bool, kink: int, found: Any) -> int:
    """Write down the covered pixels that a source reaches, with its w, w_x, w_y and w_xy over S; return how many."""
    (weights, lifts), (places, shares, powers) = sums, found
    _, height, width = weights.shape
    m, wx, powers_x, dx = reach(point[0], width, align_corners, kink)
    n, wy, powers_y, dy = reach(point[1], height, align_corners, kink)
    count = 0
    for q in range(3):
        for p in range(3):
            y, x = n + q, m + p
            if (wx[p] == 0.0 and dx[p] == 0.0) or (wy[q] == 0.0 and dy[q] == 0.0):
                continue
            if not (0 <= y < height and 0 <= x < width) or lifts[b, y, x] == HOLE:
                continue
            s, power = weights[b, y, x], -lifts[b, y, x]
            places[count, 0], places[count, 1] = y, x
            shares[count, 0], powers[count, 0] = wx[p] * wy[q] / s, powers_x[p] + powers_y[q] + power
            shares[count, 1], powers[count, 1] = dx[p] * wy[q] / s, powers_y[q] + power
            shares[count, 2], powers[count, 2] = wx[p] * dy[q] / s, powers_x[p] + power
            shares[count, 3], powers[count, 3] = dx[p] * dy[q] / s, power
            count += 1
    return count


@scalar
def _planes_of_image(start: int, stop: int, b: int, channels: int) -> tuple[int, int]:
    """Return which channels of image b are among the planes start to stop of all images."""
    return max(start - b * channels, 0), min(max(stop - b * channels, 0), channels)


@kernel
def _forward(
    start: int, stop: int, values: Any, grid: Any, sums: Any, align_corners: bool, kink: int, out: Any
) -> None:
    """Compute (DTN 7) for the planes start to stop; each is summed by one thread, in the order of the sources."""
    places, shares, powers = found = _workspace()
    lost = np.zeros(out.shape[1:])
    for b in range(out.shape[0]):
        first, last = _planes_of_image(start, stop, b, out.shape[1])
        out[b, first:last], lost[first:last] = 0.0, 0.0
        for i in range(grid.shape[1] if first < last else 0):
            for j in range(grid.shape[2]):
                for t in range(_shares(b, grid[b, i, j], sums, align_corners, kink, found)):
                    y, x = places[t, 0], places[t, 1]
                    for c in range(first if shares[t, 0] != 0.0 else last, last):
                        term = product(values[b, c, i, j], shares[t, 0], 1.0, powers[t, 0])
                        _add(out[b, c], lost[c], y, x, term)
        for c in range(first, last):
            _add_lost(out[b, c], lost[c])


@kernel
def _backward(
    start: int,
    stop: int,
    gout: Any,
    values: Any,
    lift: int,
    out: Any,
    grid: Any,
    sums: Any,
    align_corners: bool,
    kink: int,
    gvalues: Any,
    ggrid: Any,
) -> None:
    """Compute (decoder.3) and (decoder.4) for the rows start to stop of the sources; values and out are 2^lift high."""
    _, channels, rows, columns = values.shape
    places, shares, powers = found = _workspace()
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            count = _shares(b, grid[b, i, j], sums, align_corners, kink, found)
            total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
            for c in range(channels):
                total, lost = 0.0, 0.0
                for t in range(count):
                    y, x = places[t, 0], places[t, 1]
                    g, difference = gout[b, c, y, x], values[b, c, i, j] - out[b, c, y, x]
                    if shares[t, 0] != 0.0:
                        total, remainder = two_sum(total, product(g, 1.0, shares[t, 0], powers[t, 0]))  # (decoder.3)
                        lost += remainder
                    if shares[t, 1] != 0.0:
                        term = product(g, difference, shares[t, 1], powers[t, 1] - lift)  # (decoder.4)
                        total_x, remainder = two_sum(total_x, term)
                        lost_x += remainder
                    if shares[t, 2] != 0.0:
                        term = product(g, difference, shares[t, 2], powers[t, 2] - lift)
                        total_y, remainder = two_sum(total_y, term)
                        lost_y += remainder
                gvalues[b, c, i, j] = compensated(total, lost)
            undefined = math.isnan(grid[b, i, j, 0]) or math.isnan(grid[b, i, j, 1])
            ggrid[b, i, j, 0] = np.nan if undefined else compensated(total_x, lost_x)
            ggrid[b, i, j, 1] = np.nan if undefined else compensated(total_y, lost_y)


# ---- CPU kernels: the gradients of the gradients; here shares are plain doubles, and may under- or overflow ----


@scalar
def _plain_shares(b: int, point: Any, sums: Any, align_corners: bool, kink: int, found: Any) -> int:
    """Do as `_shares` does, and fold the powers of two into the shares."""
    count = _shares(b, point, sums, align_corners, kink, found)
    _, shares, powers = found
    for t in range(count):
        for k in range(4):
            if powers[t, k] != 0:
                shares[t, k] = math.ldexp(shares[t, k], powers[t, k])
    return count


@kernel
def _second_weigh(
    start: int, stop: int, cotangent_grid: Any, grid: Any, sums: Any, align_corners: bool, kink: int, change: Any
) -> None:
    """Compute R, the change of S over S, for the images start to stop."""
    places, shares, _ = found = _workspace()
    lost = np.empty(change.shape[1:])
    for b in range(start, stop):
        change[b], lost[:] = 0.0, 0.0
        for i in range(grid.shape[1]):
            for j in range(grid.shape[2]):
                bx, by = cotangent_grid[b, i, j]
                for t in range(_plain_shares(b, grid[b, i, j], sums, align_corners, kink, found)):
                    _add(change[b], lost, places[t, 0], places[t, 1], bx * shares[t, 1] + by * shares[t, 2])
        _add_lost(change[b], lost)


@kernel
def _second_scatter(
    start: int,
    stop: int,
    cotangent_values: Any,
    cotangent_grid: Any,
    values: Any,
    out: Any,
    grid: Any,
    sums: Any,
    align_corners: bool,
    kink: int,
    ggout: Any,
) -> None:
    """Compute (decoder.5) for the planes start to stop."""
    places, shares, _ = found = _workspace()
    lost = np.zeros(out.shape[1:])
    for b in range(out.shape[0]):
        first, last = _planes_of_image(start, stop, b, out.shape[1])
        ggout[b, first:last], lost[first:last] = 0.0, 0.0
        for i in range(grid.shape[1] if first < last else 0):
            for j in range(grid.shape[2]):
                bx, by = cotangent_grid[b, i, j]
                for t in range(_plain_shares(b, grid[b, i, j], sums, align_corners, kink, found)):
                    y, x = places[t, 0], places[t, 1]
                    change = bx * shares[t, 1] + by * shares[t, 2]
                    for c in range(first, last):
                        term = cotangent_values[b, c, i, j] * shares[t, 0]  # (decoder.5)
                        term += (values[b, c, i, j] - out[b, c, y, x]) * change
                        _add(ggout[b, c], lost[c], y, x, term)
        for c in range(first, last):
            _add_lost(ggout[b, c], lost[c])


@kernel
def _second_gather(
    start: int,
    stop: int,
    cotangent_values: Any,
    cotangent_grid: Any,
    gout: Any,
    values: Any,
    out: Any,
    change: Any,
    ggout: Any,
    grid: Any,
    sums: Any,
    align_corners: bool,
    kink: int,
    gvalues: Any,
    ggrid: Any,
) -> None:
    """Compute (decoder.6) and (decoder.7) for the rows start to stop of the sources of all images."""
    _, channels, rows, columns = values.shape
    places, shares, _ = found = _workspace()
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            bx, by = cotangent_grid[b, i, j]
            count = _plain_shares(b, grid[b, i, j], sums, align_corners, kink, found)
            total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
            for c in range(channels):
                total, lost = 0.0, 0.0
                for t in range(count):
                    y, x = places[t, 0], places[t, 1]
                    w, wx, wy, wxy = shares[t]
                    g, difference = gout[b, c, y, x], values[b, c, i, j] - out[b, c, y, x]
                    total, remainder = two_sum(total, g * (bx * wx + by * wy - w * change[b, y, x]))  # (decoder.6)
                    lost += remainder
                    inner = cotangent_values[b, c, i, j] - ggout[b, c, y, x] - difference * change[b, y, x]
                    total_x, remainder = two_sum(total_x, g * (inner * wx + difference * by * wxy))  # (decoder.7)
                    lost_x += remainder
                    total_y, remainder = two_sum(total_y, g * (inner * wy + difference * bx * wxy))
                    lost_y += remainder
                gvalues[b, c, i, j] = compensated(total, lost)
            undefined = math.isnan(grid[b, i, j, 0]) or math.isnan(grid[b, i, j, 1])
            ggrid[b, i, j, 0] = np.nan if undefined else compensated(total_x, lost_x)
            ggrid[b, i, j, 1] = np.nan if undefined else compensated(total_y, lost_y)


# ---- the Functions: each one's backward is the next ----


def _wide(array: Any) -> Any:
    return argument(np.asarray(array, np.float64))


def _rounded(array: Any, dtype: Any) -> Any:
    with np.errstate(over="ignore"):  # a gradient may be larger than float32 reaches: infinite
        return array.astype(dtype)


def _lifted(values: Any) -> tuple[Any, int]:
    """Return the values times a power of two, and its exponent: 0 unless all are tiny or some are huge."""
    wide = _wide(values)
    largest = float(np.max(np.abs(wide), initial=0.0, where=np.isfinite(wide)))
    lift = 0 if largest == 0.0 or SMALL <= largest <= HUGE else -math.frexp(largest)[1]
    return argument(np.ldexp(wide, lift)), lift


def _decode(
    values: Any, grid: Any, height: int, width: int, align_corners: bool, kink: int
) -> tuple[tuple[Any, Any], Any]:
    """Return S of (DTN 6) as numbers and powers of two, (N, H, W) both, and U of (DTN 7), whatever the kink."""
    batch, channels = values.shape[:2]
    weights, powers = np.zeros((batch, height, width)), np.full((batch, height, width), HOLE)
    run(_weigh, batch, grid.size, grid, align_corners, kink, weights, powers)
    sums = argument(weights), argument(powers)
    out = np.empty((batch, channels, height, width))
    run(_forward, batch * channels, values.size, values, grid, sums, align_corners, kink, out)
    return sums, argument(out)


class Decode(Function):
    """(values (N, C, H', W'), grid (N, H', W', 2)) -> map (N, C, H, W), 0 in holes; and where it has none."""

    @staticmethod
    def forward(
        ctx: Context, values: Any, grid: Any, *, height: int, width: int, align_corners: bool, kink: int
    ) -> Any:
        """Compute (DTN 6), (DTN 7)."""
        lifted, lift = _lifted(values)
        (_, powers), out = _decode(lifted, _wide(grid), height, width, align_corners, kink)
        return _rounded(np.ldexp(out, -lift), values.dtype), (powers != HOLE)[:, None]

    @staticmethod
    def backward(ctx: Context, gout: Tensor, gcovered: Tensor) -> tuple[Tensor, ...]:
        """Compute (decoder.3), (decoder.4)."""
        options = {name: ctx.parameters[name] for name in ("align_corners", "kink")}
        return DecodeGradient.call(gout, *ctx.inputs, **options)


class DecodeGradient(Function):
    """(gout, values, grid) -> (gvalues, ggrid)."""

    @staticmethod
    def forward(ctx: Context, gout: Any, values: Any, grid: Any, *, align_corners: bool, kink: int) -> Any:
        """Compute (decoder.3), (decoder.4)."""
        dtype = values.dtype
        gout, (values, lift), grid = _wide(gout), _lifted(values), _wide(grid)
        height, width = gout.shape[2:]
        sums, out = _decode(values, grid, height, width, align_corners, kink)
        gvalues, ggrid = np.empty(values.shape), np.empty(grid.shape)
        rows = grid.shape[0] * grid.shape[1]
        where = grid, sums, align_corners, kink
        run(_backward, rows, values.size, gout, values, lift, out, *where, gvalues, ggrid)
        return _rounded(gvalues, dtype), _rounded(ggrid, dtype)

    @staticmethod
    def backward(ctx: Context, cotangent_values: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute (decoder.5), (decoder.6), (decoder.7)."""
        return DecodeSecondGradient.call(cotangent_values, cotangent_grid, *ctx.inputs, **ctx.parameters)


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
        """Compute (decoder.5), (decoder.6), (decoder.7)."""
        dtype = values.dtype
        a, b, gout, values, grid = (_wide(x) for x in (cotangent_values, cotangent_grid, gout, values, grid))
        height, width = gout.shape[2:]
        sums, out = _decode(values, grid, height, width, align_corners, kink)
        change, ggout = np.empty(sums[0].shape), np.empty(out.shape)
        gvalues, ggrid = np.empty(values.shape), np.empty(grid.shape)
        where = grid, sums, align_corners, kink
        run(_second_weigh, grid.shape[0], grid.size, b, *where, change)
        run(_second_scatter, out.shape[0] * out.shape[1], values.size, a, b, values, out, *where, ggout)
        changes = argument(change), argument(ggout)
        rows = grid.shape[0] * grid.shape[1]
        run(_second_gather, rows, values.size, a, b, gout, values, out, *changes, *where, gvalues, ggrid)
        return tuple(_rounded(array, dtype) for array in (ggout, gvalues, ggrid))
