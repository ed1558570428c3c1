"""The cells of many samples at once, in loops that compile to vector instructions.

`conventions.place` finds the cell of one sample and takes every care. Here a chunk of samples is placed without
branches, in the dtype of the data: with s' = s/2 and o' = o/2 of the conventions,

    k = floor(g s' + o'), one less if a rounding carried it across the lattice: n = k + (W - 1)/2 - o'   (cells.1)
    f = g s' - e, h = e + 1 - g s', e = k - o', each by one fused multiply-add                (cells.2)

so f and h are correct to one rounding. Every sample reads two neighbouring pixels of each axis: where its cell is not
wholly inside, those are the nearest two, with the weights and slopes that the padding gives them (0, mostly).

What asks for more is marked by NaN for the slow path: coordinates that are not finite, and weights so small that a
product of two would underflow.

Scalars here are computed in the dtype of their arguments, of which `one` is 1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from autograd_core.arrays import read_only
from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import part, scalar
from refwarp.conventions import BORDER, REFLECTION, ZEROS, coordinate_scale

# Indices are unsigned, for signed ones are tested for counting from the end, and loops with tests stay scalar.
ZERO, ONE, TWO, THREE, FOUR = (np.uint64(k) for k in range(5))
# What is known of a chunk's samples lies in one array, for a loop over many arrays might write where it reads.
# With `place_chunk` that is the weights of the four pixels; with `place_axes` the weights of the two columns and of the
# two rows, and their slopes. NaN is the weight of a sample that asks for care.
LEFT, RIGHT, TOP, BOTTOM, LEFT_SLOPE, RIGHT_SLOPE, TOP_SLOPE, BOTTOM_SLOPE = (np.uint64(k) for k in range(8))


def is_exact(height: int, width: int) -> bool:
    """Tell whether the coordinates of a map are exact in float32, and its indices need no more than 31 bits."""
    return max(height, width) < 2**22 and height * width < 2**31


def takes_chunks(height: int, width: int) -> bool:
    """Tell whether a map can be sampled in chunks: it has two pixels along each axis, and is exact."""
    return min(height, width) >= 2 and is_exact(height, width)


@lru_cache(64)
def constants(height: int, width: int, align_corners: bool, dtype: Any) -> Any:
    """Return what (cells.1) and (cells.2) need to know of a map, in the dtype of the data."""
    found = []
    for size in (width, height):
        odd, scale = (size - 1) % 2, coordinate_scale(size, align_corners)
        found += [0.5 * scale, 0.5 * odd, (size - 1 - odd) // 2, size - 1, 1.0 + 8.0 / scale]
    smallest = {np.dtype(np.float32): 2.0**-60, np.dtype(np.float64): 2.0**-450}[np.dtype(dtype)]
    return read_only(np.array([*found, 1.0, smallest, np.nan], dtype))


@scalar
def place_axis(g: float, s: float, odd: float, centre: float, limit: float, one: float) -> tuple[float, float, float]:
    """Return n, h and f by (cells.1) and (cells.2); beyond the limit, where no pixel is near, those of the limit."""
    g = limit if g > limit else g  # NaN stays NaN
    g = -limit if g < -limit else g
    k = np.floor(g * s + odd)
    k = k - one if fused_multiply_add(g, s, odd - k) < one - one else k
    e = k - odd
    return k + centre, fused_multiply_add(-g, s, e + one), fused_multiply_add(g, s, -e)


@scalar
def mirrored(g: float, one: float) -> tuple[float, float]:
    """Return what `conventions.fold` does, without branches; NaN for infinities."""
    two = one + one
    four = two + two
    r = abs(g)
    r = r - four * np.floor(r / four)
    sign = -one if (r > one) & (r <= two + one) else one
    r = r - four if r > two + one else two - r if r > one else r
    return (-r if g < one - one else r), sign


@scalar
def _pad(n: float, h: float, f: float, last: float, one: float, padding: int) -> tuple[float, float, float, float]:
    """Return the first of the two pixels that a sample reads along an axis, how far its cell is off, and their weights.

    With zeros padding a pixel has its weight if it is part of the sample's cell; else the nearest pixel has all of it.
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
def asks_for_care(hx: float, fx: float, hy: float, fy: float, smallest: float, one: float, smooth: bool) -> bool:
    """Tell whether a weight is no number, or so small that products may underflow; unless smooth, also the weight 0."""
    zero = one - one
    if smooth:
        fx, fy = fx if fx != zero else one, fy if fy != zero else one
    least_x, least_y = hx if hx < fx else fx, hy if hy < fy else fy
    least = least_x if least_x < least_y else least_y
    return (not least >= smallest) | (fx != fx) | (fy != fy)


@part
def _place_chunk(
    coordinates: Any, at: Any, count: Any, known: Any, padding: int, weights: Any, size: Any, cells: Any
) -> bool:
    sx, odd_x, centre_x, last_x, limit_x = known[0], known[1], known[2], known[3], known[4]
    sy, odd_y, centre_y, last_y, limit_y = known[5], known[6], known[7], known[8], known[9]
    one, smallest, undefined = known[10], known[11], known[12]
    width = np.int32(last_x) + np.int32(1)
    careful = False
    for j in range(count):
        gx, gy = coordinates[at + TWO * j], coordinates[at + TWO * j + ONE]
        if padding == REFLECTION:
            gx, _ = mirrored(gx, one)
            gy, _ = mirrored(gy, one)
        m, hx, fx = place_axis(gx, sx, odd_x, centre_x, limit_x, one)
        n, hy, fy = place_axis(gy, sy, odd_y, centre_y, limit_y, one)
        strange = asks_for_care(hx, fx, hy, fy, smallest, one, True)
        column, _, hx, fx = _pad(m, hx, fx, last_x, one, padding)
        row, _, hy, fy = _pad(n, hy, fy, last_y, one, padding)
        hx, fx = undefined if strange else hx, undefined if strange else fx
        cells[j] = np.int32(row) * width + np.int32(column)
        weights[j], weights[size + j] = hx * hy, fx * hy
        weights[TWO * size + j], weights[THREE * size + j] = hx * fy, fx * fy
        careful |= strange
    return careful


@part
def place_chunk(
    coordinates: Any, at: Any, count: Any, known: Any, padding: int, weights: Any, size: Any, cells: Any
) -> bool:
    """Place the samples at..at + count, and tell whether some ask for care.

    Each has its first pixel in `cells`, and in `weights` those of its four pixels, `size` elements apart.
    """
    # A loop for each padding: with a constant, it has no branch.
    if padding == ZEROS:
        return _place_chunk(coordinates, at, count, known, ZEROS, weights, size, cells)
    if padding == BORDER:
        return _place_chunk(coordinates, at, count, known, BORDER, weights, size, cells)
    return _place_chunk(coordinates, at, count, known, REFLECTION, weights, size, cells)


@part
def _place_axes(
    coordinates: Any,
    at: Any,
    count: Any,
    known: Any,
    padding: int,
    smooth: bool,
    axes: Any,
    size: Any,
    cells: Any,
) -> None:
    sx, odd_x, centre_x, last_x, limit_x = known[0], known[1], known[2], known[3], known[4]
    sy, odd_y, centre_y, last_y, limit_y = known[5], known[6], known[7], known[8], known[9]
    one, smallest, undefined = known[10], known[11], known[12]
    width = np.int32(last_x) + np.int32(1)
    for j in range(count):
        gx, gy, sign_x, sign_y = coordinates[at + TWO * j], coordinates[at + TWO * j + ONE], one, one
        if padding == REFLECTION:
            gx, sign_x = mirrored(gx, one)
            gy, sign_y = mirrored(gy, one)
        m, hx, fx = place_axis(gx, sx, odd_x, centre_x, limit_x, one)
        n, hy, fy = place_axis(gy, sy, odd_y, centre_y, limit_y, one)
        strange = asks_for_care(hx, fx, hy, fy, smallest, one, smooth)
        column, off_x, left, right = _pad(m, hx, fx, last_x, one, padding)
        row, off_y, top, bottom = _pad(n, hy, fy, last_y, one, padding)
        cells[j] = np.int32(row) * width + np.int32(column)
        axes[LEFT * size + j], axes[RIGHT * size + j] = undefined if strange else left, right
        axes[TOP * size + j], axes[BOTTOM * size + j] = undefined if strange else top, bottom
        c0, c1 = _slopes(m, fx, off_x, sign_x, one, padding)
        d0, d1 = _slopes(n, fy, off_y, sign_y, one, padding)
        axes[LEFT_SLOPE * size + j], axes[RIGHT_SLOPE * size + j] = c0, c1
        axes[TOP_SLOPE * size + j], axes[BOTTOM_SLOPE * size + j] = d0, d1


@part
def place_axes(
    coordinates: Any,
    at: Any,
    count: Any,
    known: Any,
    padding: int,
    smooth: bool,
    axes: Any,
    size: Any,
    cells: Any,
) -> None:
    """Place the samples at..at + count, with weights and slopes along each axis in `axes`.

    Unless `smooth`, samples on the lattice ask for care, too: there another rule at kinks than "right" decides.
    """
    if padding == ZEROS:
        _place_axes(coordinates, at, count, known, ZEROS, smooth, axes, size, cells)
    elif padding == BORDER:
        _place_axes(coordinates, at, count, known, BORDER, smooth, axes, size, cells)
    else:
        _place_axes(coordinates, at, count, known, REFLECTION, smooth, axes, size, cells)
