"""The cells of many samples at once, in loops that compile to vector instructions.

`conventions.place` finds the cell of one sample and takes every care. Here a chunk of samples is placed without
branches, in the dtype of the data: with s' = s/2 and o' = o/2 of the conventions,

    k = floor(g s' + o'), one less if a rounding carried it across the lattice: n = k + (W - 1)/2 - o'   (cells.1)
    f = g s' - e, h = e + 1 - g s', e = k - o', each by one fused multiply-add                (cells.2)

so f and h are correct to one rounding. Every sample reads two neighbouring pixels of each axis: where its cell is not
wholly inside, those are the nearest two, with the weights and slopes that the padding gives them (0, mostly).

What asks for more is marked for the careful way: coordinates that are not finite, and weights so small that a product
of two would underflow.

Scalars here are computed in the dtype of their arguments, of which `one` is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.compilation import part, scalar
from refwarp.conventions import REFLECTION, ZEROS, coordinate_scale
from refwarp.intrinsics import fused_multiply_add

# Indices are unsigned, for signed ones are tested for counting from the end, and loops with tests stay scalar.
ZERO, ONE, TWO, THREE, FOUR = (np.uint64(k) for k in range(5))
# What is known of a chunk's samples lies in one array, for a loop over many arrays might write where it reads.
# With `place_chunk` that is the weights of the four pixels; with `place_axes` the weights of the two columns and of the
# two rows, and their slopes.
LEFT, RIGHT, TOP, BOTTOM, LEFT_SLOPE, RIGHT_SLOPE, TOP_SLOPE, BOTTOM_SLOPE = (np.uint64(k) for k in range(8))


def takes_chunks(height: int, width: int) -> bool:
    """Tell whether a map has two pixels along each axis, coordinates exact in float32, and indices of up to 31 bits."""
    return min(height, width) >= 2 and max(height, width) < 2**22 and height * width < 2**31


def constants(height: int, width: int, align_corners: bool, dtype: Any) -> Any:
    """Return what (cells.1) and (cells.2) need to know of a map, in the dtype of the data."""
    found = []
    for size in (width, height):
        odd = (size - 1) % 2
        scale = coordinate_scale(size, align_corners)
        found += [0.5 * scale, 0.5 * odd, (size - 1 - odd) // 2, size - 1, 1.0 + 4.0 / scale]
    smallest = {np.dtype(np.float32): 2.0**-60, np.dtype(np.float64): 2.0**-450}[np.dtype(dtype)]
    return np.array([*found, 1.0, smallest], dtype)


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
def _pad(n: float, h: float, f: float, last: float, one: float, edge: float) -> tuple[float, float, float]:
    """Return the first of the two pixels that a sample reads along an axis, and their weights.

    Before the first pixel and after the last, the nearest has the weight `edge` (0 with zeros padding, else 1); but
    with zeros, a pixel that is part of the sample's cell has its weight there.
    """
    zero = one - one
    before, after = n < zero, n >= last
    near = f if n == -one else zero
    far = h if n == last else zero
    w0 = (near if near > edge else edge) if before else zero if after else h
    w1 = zero if before else (far if far > edge else edge) if after else f
    return zero if before else last - one if after else n, w0, w1


@scalar
def _slopes(n: float, f: float, sign: float, last: float, one: float, edge: float) -> tuple[float, float]:
    """Return the slopes of the two pixels that a sample reads along an axis, by the rule "right" on the lattice."""
    zero = one - one
    before, after = n < zero, n >= last
    inside = zero if (n == zero) & (f == zero) & (edge == one) else sign
    d0 = (one - edge if n == -one else zero) if before else zero if after else -inside
    d1 = zero if before else (edge - one if n == last else zero) if after else inside
    return d0, d1


@part
def place_chunk(
    coordinates: Any, at: int, count: int, known: Any, padding: int, weights: Any, size: int, cells: Any, care: Any
) -> bool:
    """Place the samples at..at + count, and tell whether some ask for care.

    Each has its first pixel in `cells`, and in `weights` those of its four pixels, `size` elements apart.
    """
    sx, odd_x, centre_x, last_x, limit_x = known[0], known[1], known[2], known[3], known[4]
    sy, odd_y, centre_y, last_y, limit_y = known[5], known[6], known[7], known[8], known[9]
    one, smallest = known[10], known[11]
    zero = one - one
    edge = zero if padding == ZEROS else one
    width = np.int32(last_x) + np.int32(1)
    careful = False
    for j in range(count):
        gx, gy = coordinates[at + TWO * j], coordinates[at + TWO * j + ONE]
        if padding == REFLECTION:
            gx, _ = mirrored(gx, one)
            gy, _ = mirrored(gy, one)
        m, hx, fx = place_axis(gx, sx, odd_x, centre_x, limit_x, one)
        n, hy, fy = place_axis(gy, sy, odd_y, centre_y, limit_y, one)
        strange = (not hx >= smallest) | ((not fx >= smallest) & (fx != zero))
        strange |= (not hy >= smallest) | ((not fy >= smallest) & (fy != zero))
        m, hx, fx = _pad(m, hx, fx, last_x, one, edge)
        n, hy, fy = _pad(n, hy, fy, last_y, one, edge)
        column, row = zero if strange else m, zero if strange else n
        cells[j] = np.int32(row) * width + np.int32(column)
        weights[j], weights[size + j] = hx * hy, fx * hy
        weights[TWO * size + j], weights[THREE * size + j] = hx * fy, fx * fy
        care[j] = strange
        careful |= strange
    return careful


@part
def place_axes(
    coordinates: Any,
    at: int,
    count: int,
    known: Any,
    padding: int,
    smooth: bool,
    slopes: bool,
    axes: Any,
    size: int,
    cells: Any,
    care: Any,
) -> bool:
    """Do the same, with weights, and if wanted slopes, along each axis in `axes`.

    Unless `smooth`, samples on the lattice ask for care, too: there another rule at kinks than "right" decides.
    """
    sx, odd_x, centre_x, last_x, limit_x = known[0], known[1], known[2], known[3], known[4]
    sy, odd_y, centre_y, last_y, limit_y = known[5], known[6], known[7], known[8], known[9]
    one, smallest = known[10], known[11]
    zero = one - one
    edge = zero if padding == ZEROS else one
    width = np.int32(last_x) + np.int32(1)
    careful = False
    for j in range(count):
        gx, gy, sign_x, sign_y = coordinates[at + TWO * j], coordinates[at + TWO * j + ONE], one, one
        if padding == REFLECTION:
            gx, sign_x = mirrored(gx, one)
            gy, sign_y = mirrored(gy, one)
        m, hx, fx = place_axis(gx, sx, odd_x, centre_x, limit_x, one)
        n, hy, fy = place_axis(gy, sy, odd_y, centre_y, limit_y, one)
        strange = (not hx >= smallest) | ((not fx >= smallest) & ((fx != zero) | (not smooth)))
        strange |= (not hy >= smallest) | ((not fy >= smallest) & ((fy != zero) | (not smooth)))
        if slopes:
            c0, c1 = _slopes(m, fx, sign_x, last_x, one, edge)
            d0, d1 = _slopes(n, fy, sign_y, last_y, one, edge)
            axes[LEFT_SLOPE * size + j], axes[RIGHT_SLOPE * size + j] = c0, c1
            axes[TOP_SLOPE * size + j], axes[BOTTOM_SLOPE * size + j] = d0, d1
        m, hx, fx = _pad(m, hx, fx, last_x, one, edge)
        n, hy, fy = _pad(n, hy, fy, last_y, one, edge)
        column, row = zero if strange else m, zero if strange else n
        cells[j] = np.int32(row) * width + np.int32(column)
        axes[LEFT * size + j], axes[RIGHT * size + j] = hx, fx
        axes[TOP * size + j], axes[BOTTOM * size + j] = hy, fy
        care[j] = strange
        careful |= strange
    return careful
