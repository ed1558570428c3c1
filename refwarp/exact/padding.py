"""Padding in pixel coordinates: where a sample outside the map reads.

    zeros        z(x) = x: there are no pixels outside
    border       z(x) = min(max(x, 0), W - 1)                                               (padding.1)
    reflection   x is mirrored at the ends of the map, a and b, until it is between them, then clamped as in
                 (padding.1):  x -> 2a - x if x < a,  x -> 2b - x if x > b                  (padding.2)
                 a, b = -1/2, W - 1/2, or 0, W - 1 with align_corners

The kernels fold normalised coordinates by a remainder instead; tests show that both agree.
"""

from __future__ import annotations

import math
from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Number

HALF = Fraction(1, 2)


def clamp(x: Number, size: int) -> Number:
    """Return min(max(x, 0), size - 1) (padding.1)."""
    return 0 if x < 0 else size - 1 if x > size - 1 else x  # (padding.1)


def mirror(x: Number, size: int, align_corners: bool) -> tuple[Number, int]:
    """Return the mirror image of x between the ends of the map, and the sign of its slope (padding.2)."""
    low, high = (0, size - 1) if align_corners else (-HALF, size - HALF)
    if low == high:
        return low, 1
    period = 2 * (high - low)
    x = x - period * math.floor((x - low) / period)  # whole periods; what is left needs one mirror at most
    return (2 * high - x, -1) if x > high else (x, 1)  # (padding.2)


def mirror_index(n: int, size: int, align_corners: bool) -> int:
    """Return the pixel that stands at index n of the mirrored map: it is mirrored like its centre (padding.2)."""
    return int(mirror(Fraction(n), size, align_corners)[0])


def pad_coordinate(x: Number, size: int, align_corners: bool, padding: str) -> tuple[Number, int]:
    """Return z(x), and the slope of the mirror in it (1 or -1)."""
    if padding == "zeros":
        return x, 1
    sign = 1
    if padding == "reflection":
        x, sign = mirror(x, size, align_corners)
    return clamp(x, size), sign


def step_within_piece(x: Number) -> Number:
    """Return a step that reaches no kink from x: those of a padded tent lie at multiples of 1/2."""
    below = x - HALF * (math.ceil(2 * x) - 1)
    above = HALF * (math.floor(2 * x) + 1) - x
    return min(below, above) * HALF
