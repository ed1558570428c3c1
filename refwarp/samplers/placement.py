"""The cells of many samples at once, in loops that compile to vector instructions.

`conventions.place` finds the cell of one sample, whatever its coordinate. Here a chunk of samples is placed without
branches, in the dtype of the data: with s' = s/2 and o' = o/2 of the conventions,

    k = floor(g s' + o'), one less if a rounding moved it across the lattice:   n = k + (W - 1)/2 - o'   (cells.1)
    f = g s' - e, h = e + 1 - g s', e = k - o', each by one fused multiply-add                (cells.2)

so f and h are rounded once. Every sample reads two neighbouring pixels of each axis: where its cell is not entirely
inside, the nearest two, with the weights and slopes that the padding gives them (usually 0).

Samples that need the slow path have NaN as a weight: those whose coordinates are not finite, and those with weights
so small that a product of two would underflow.

Scalars here are computed in the dtype of their arguments, of which `one` is 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import part, scalar
from refwarp.conventions import BORDER, REFLECTION, RIGHT, ZEROS, Rules, coordinate_scale

# Indices are unsigned: signed ones are checked for counting from the end, and loops with checks are not vectorised.
ZERO, ONE, TWO, THREE, FOUR = (np.uint64(k) for k in range(5))
# All weights of a chunk are in one array, since a loop over many arrays might write where it reads. `place_taps` writes
# the weights of the two columns and of the two rows, and their slopes, to these parts of it.
(
    LEFT_WEIGHT,
    RIGHT_WEIGHT,
    TOP_WEIGHT,
    BOTTOM_WEIGHT,
    LEFT_SLOPE,
    RIGHT_SLOPE,
    TOP_SLOPE,
    BOTTOM_SLOPE,
) = (np.uint64(k) for k in range(8))


class Axis(NamedTuple):
    """The parameters of (cells.1) and (cells.2) for an axis of a map, in the dtype of the data."""

    half_scale: float
    half_odd: float
    centre: float
    last: float
    limit: float


class Axes(NamedTuple):
    """Both axes of a map, 1 in the dtype of the data, and the smallest weight with which products do not underflow."""

    x: Axis
    y: Axis
    one: float
    smallest: float


def is_exact(height: int, width: int) -> bool:
    """Return whether the coordinates of a map are exact in float32, and its indices need no more than 31 bits."""
    return max(height, width) < 2**22 and height * width < 2**31


def takes_chunks(height: int, width: int) -> bool:
    """Return whether a map can be sampled in chunks: it has two pixels along each axis, and is exact."""
    return min(height, width) >= 2 and is_exact(height, width)


@part
def axis_of(size: int, align_corners: bool, grid: Any) -> Axis:
    """Return an axis of this many pixels, in the dtype of a grid."""
    number = grid.dtype.type
    scale, odd = coordinate_scale(size, align_corners), (size - 1) % 2
    centre, limit = (size - 1 - odd) // 2, 1.0 + 8.0 / max(scale, 1.0)
    return Axis(number(0.5 * scale), number(0.5 * odd), number(centre), number(size - 1), number(limit))


@part
def axes_of(height: int, width: int, align_corners: bool, grid: Any) -> Axes:
    """Return the axes of a map, in the dtype of a grid."""
    number = grid.dtype.type
    smallest = 2.0**-60 if grid.itemsize == 4 else 2.0**-450
    x, y = axis_of(width, align_corners, grid), axis_of(height, align_corners, grid)
    return Axes(x, y, number(1.0), number(smallest))


@scalar
def clamped(g: float, limit: float) -> float:
    """Return the coordinate, clamped to the limit beyond which no pixel is in reach. NaN stays NaN."""
    g = limit if g > limit else g
    return -limit if g < -limit else g


@scalar
def weights_of_cell(g: float, half_scale: float, e: float, one: float) -> tuple[float, float]:
    """Return h and f of a coordinate in the cell of e; f < 0 if a rounding moved it across the lattice."""
    return fused_multiply_add(-g, half_scale, e + one), fused_multiply_add(g, half_scale, -e)  # (cells.2)


@scalar
def place_axis(
    g: float, half_scale: float, half_odd: float, centre: float, limit: float, one: float
) -> tuple[float, float, float]:
    """Return n, h and f by (cells.1) and (cells.2); beyond the limit, those of the limit."""
    g = clamped(g, limit)
    k = np.floor(g * half_scale + half_odd)  # (cells.1)
    k = k - one if fused_multiply_add(g, half_scale, half_odd - k) < one - one else k  # (cells.1)
    h, f = weights_of_cell(g, half_scale, k - half_odd, one)
    return k + centre, h, f


@scalar
def mirrored(g: float, one: float) -> tuple[float, float]:
    """Do the same as `conventions.fold`, without branches; NaN for infinities."""
    two = one + one
    four = two + two
    r = abs(g)
    r = r - four * np.floor(r / four)
    sign = -one if (r > one) & (r <= two + one) else one
    r = r - four if r > two + one else two - r if r > one else r
    return (-r if g < one - one else r), sign


@scalar
def place_padded(g: float, axis: Axis, one: float, padding: int) -> tuple[float, float, float, float]:
    """Return n, h and f of a coordinate that the padding may have mirrored, and the sign of the reflection."""
    sign = one
    if padding == REFLECTION:
        g, sign = mirrored(g, one)
    n, h, f = place_axis(g, axis.half_scale, axis.half_odd, axis.centre, axis.limit, one)
    return n, h, f, sign


@scalar
def _pad(n: float, h: float, f: float, last: float, one: float, padding: int) -> tuple[float, float, float, float]:
    """Return the first of the two pixels that a sample reads along an axis, the offset of its cell, and their weights.

    With zeros padding a pixel has its weight if it is part of the sample's cell; else the nearest pixel has the sum.
    """
    zero = one - one
    first = n if n > zero else zero  # NaN becomes 0
    first = first if first < last - one else last - one
    off = n - first
    if padding == ZEROS:
        w0 = h if off == zero else f if off == -one else zero
        w1 = f if off == zero else h if off == one else zero
    else:
        w0 = h if off == zero else one if off < zero else zero
        w1 = f if off == zero else one if off > zero else zero
    return first, off, w0, w1


@scalar
def _slopes(n: float, f: float, off: float, sign: float, one: float, padding: int) -> tuple[float, float]:
    """Return the slopes of the two pixels that a sample reads along an axis, by the rule "right" on the lattice."""
    zero = one - one
    if padding == ZEROS:
        d0 = -one if off == zero else one if off == -one else zero
        d1 = one if off == zero else -one if off == one else zero
        return d0, d1
    inside = sign if off == zero else zero
    inside = zero if (n == zero) & (f == zero) else inside
    return -inside, inside


@scalar
def needs_slow_path(hx: float, fx: float, hy: float, fy: float, smallest: float, one: float, smooth: bool) -> bool:
    """Return whether a weight is NaN, or so small that products may underflow; unless smooth, also whether f is 0."""
    zero = one - one
    if smooth:
        fx, fy = fx if fx != zero else one, fy if fy != zero else one
    least_x, least_y = hx if hx < fx else fx, hy if hy < fy else fy
    least = least_x if least_x < least_y else least_y
    return (not least >= smallest) | (fx != fx) | (fy != fy)


@part
def _write_weights(
    coordinates: Any, at: Any, count: Any, axes: Axes, padding: int, weights: Any, size: Any, cells: Any
) -> bool:
    """Do what `place_chunk` does, for a padding that the compiler knows."""
    x, y, one, smallest = axes.x, axes.y, axes.one, axes.smallest
    nan, width = coordinates.dtype.type(np.nan), np.int32(x.last) + np.int32(1)
    some_slow = False
    for j in range(count):
        m, hx, fx, _ = place_padded(coordinates[at + TWO * j], x, one, padding)
        n, hy, fy, _ = place_padded(coordinates[at + TWO * j + ONE], y, one, padding)
        slow = needs_slow_path(hx, fx, hy, fy, smallest, one, True)
        column, _, hx, fx = _pad(m, hx, fx, x.last, one, padding)
        row, _, hy, fy = _pad(n, hy, fy, y.last, one, padding)
        hx, fx = nan if slow else hx, nan if slow else fx
        cells[j] = np.int32(row) * width + np.int32(column)
        weights[j], weights[size + j] = hx * hy, fx * hy
        weights[TWO * size + j], weights[THREE * size + j] = hx * fy, fx * fy
        some_slow |= slow
    return some_slow


@part
def place_chunk(
    coordinates: Any, at: Any, count: Any, axes: Axes, padding: int, weights: Any, size: Any, cells: Any
) -> bool:
    """Place the samples at..at + count, and return whether some need the slow path.

    The first pixel of each is in `cells`, the weights of its four pixels are in `weights`, `size` elements apart.
    """
    # A loop for each padding: with a constant, it has no branch.
    if padding == ZEROS:
        return _write_weights(coordinates, at, count, axes, ZEROS, weights, size, cells)
    if padding == BORDER:
        return _write_weights(coordinates, at, count, axes, BORDER, weights, size, cells)
    return _write_weights(coordinates, at, count, axes, REFLECTION, weights, size, cells)


@part
def _write_taps(
    coordinates: Any, at: Any, count: Any, axes: Axes, rules: Rules, taps: Any, size: Any, cells: Any
) -> None:
    """Do what `place_taps` does, for a padding that the compiler knows."""
    x, y, one, smallest = axes.x, axes.y, axes.one, axes.smallest
    nan, width = coordinates.dtype.type(np.nan), np.int32(x.last) + np.int32(1)
    padding, smooth = rules.padding, rules.kink == RIGHT
    for j in range(count):
        m, hx, fx, sign_x = place_padded(coordinates[at + TWO * j], x, one, padding)
        n, hy, fy, sign_y = place_padded(coordinates[at + TWO * j + ONE], y, one, padding)
        slow = needs_slow_path(hx, fx, hy, fy, smallest, one, smooth)
        column, off_x, left, right = _pad(m, hx, fx, x.last, one, padding)
        row, off_y, top, bottom = _pad(n, hy, fy, y.last, one, padding)
        cells[j] = np.int32(row) * width + np.int32(column)
        taps[LEFT_WEIGHT * size + j], taps[RIGHT_WEIGHT * size + j] = nan if slow else left, right
        taps[TOP_WEIGHT * size + j], taps[BOTTOM_WEIGHT * size + j] = nan if slow else top, bottom
        c0, c1 = _slopes(m, fx, off_x, sign_x, one, padding)
        d0, d1 = _slopes(n, fy, off_y, sign_y, one, padding)
        taps[LEFT_SLOPE * size + j], taps[RIGHT_SLOPE * size + j] = c0, c1
        taps[TOP_SLOPE * size + j], taps[BOTTOM_SLOPE * size + j] = d0, d1


@part
def place_taps(
    coordinates: Any, at: Any, count: Any, axes: Axes, rules: Rules, taps: Any, size: Any, cells: Any
) -> None:
    """Place the samples at..at + count, with weights and slopes along each axis in `taps`, `size` elements apart.

    Samples on the lattice also need the slow path if the rule at kinks is not "right".
    """
    corners, kink = rules.align_corners, rules.kink
    if rules.padding == ZEROS:
        _write_taps(coordinates, at, count, axes, Rules(corners, ZEROS, kink), taps, size, cells)
    elif rules.padding == BORDER:
        _write_taps(coordinates, at, count, axes, Rules(corners, BORDER, kink), taps, size, cells)
    else:
        _write_taps(coordinates, at, count, axes, Rules(corners, REFLECTION, kink), taps, size, cells)
