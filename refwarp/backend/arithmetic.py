"""Floating-point arithmetic with known rounding errors: scalars that kernels are built on.

A sum or a product of two doubles is a double plus a remainder that is also a double (barring underflow). Knuth's
algorithm gives the remainder of a sum, a fused multiply-add that of a product; they keep the last digits of coordinates
and of long sums.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from refwarp.backend.intrinsics import fused_multiply_add, rounded_product
from refwarp.backend.jit import scalar


@scalar
def two_sum(a: float, b: float) -> tuple[float, float]:
    """Return a + b rounded, and its rounding error (Knuth). Exact for all finite a, b."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


@scalar
def compensated(total: float, lost: float) -> float:
    """Return a sum with its rounding errors added, unless these are NaN because the sum is infinite."""
    return total + lost if math.isfinite(total) else total


class Sum(NamedTuple):
    """A sum, and its rounding errors."""

    total: float
    lost: float


EMPTY = Sum(0.0, 0.0)


@scalar
def add_to(sum: Sum, term: float) -> Sum:
    """Return a sum with one more term."""
    total, remainder = two_sum(sum.total, term)
    return Sum(total, sum.lost + remainder)


@scalar
def two_product(a: float, b: float) -> tuple[float, float]:
    """Return a b rounded, and its rounding error. Exact while |a b| > 2^-968 or a b = 0."""
    rounded = rounded_product(a, b)
    return rounded, fused_multiply_add(a, b, -rounded)


@scalar
def sum_of_products(a0: float, b0: float, a1: float, b1: float, a2: float, b2: float) -> float:
    """Return a0 b0 + a1 b1 + a2 b2, within 1.01 roundings of itself even where it cancels, and 0 only if it is 0.

    For factors within the range of `two_product`.
    """
    p0, q0 = two_product(a0, b0)
    p1, q1 = two_product(a1, b1)
    p2, q2 = two_product(a2, b2)
    total, r1 = two_sum(p0, p1)
    total, r2 = two_sum(total, p2)
    total += (r1 + r2) + (q0 + q1 + q2)
    if not abs(total) < 2.0**-40 * (abs(p0) + abs(p1) + abs(p2)):
        return total
    # The sum may cancel: distil the six numbers, until each is at most half a last bit of the next.
    parts = (q0, q1, q2, p0, p1, p2)
    while True:
        s, r0 = two_sum(parts[1], parts[0])
        s, r1 = two_sum(parts[2], s)
        s, r2 = two_sum(parts[3], s)
        s, r3 = two_sum(parts[4], s)
        s, r4 = two_sum(parts[5], s)
        distilled = (r0, r1, r2, r3, r4, s)
        if distilled == parts:
            return s
        parts = distilled


@scalar
def scaled_dot(
    a: float,
    scale: float,
    b0: tuple[float, int],
    w0: tuple[float, float],
    b1: tuple[float, int],
    w1: tuple[float, float],
) -> float:
    """Return a scale (b0 w0 + b1 w1) for factors so small or large that products of them under- or overflow.

    Each b is a number and a power of two, each w a product of two numbers. All but `scale`, which is near 1, are split
    into numbers near 1 and powers of two, which are applied in one step at the end.
    """
    (c0, e0), (v0, f0), (q0, g0) = math.frexp(b0[0]), math.frexp(w0[0]), math.frexp(w0[1])
    (c1, e1), (v1, f1), (q1, g1) = math.frexp(b1[0]), math.frexp(w1[0]), math.frexp(w1[1])
    a, ea = math.frexp(a)
    e0, e1 = e0 + b0[1] + f0 + g0, e1 + b1[1] + f1 + g1
    term0, term1 = c0 * q0 * v0, c1 * q1 * v1
    e = e0 if term1 == 0.0 else e1 if term0 == 0.0 else max(e0, e1)
    inner = math.ldexp(term0, int(e0 - e)) + math.ldexp(term1, int(e1 - e))
    return math.ldexp(a * (inner * scale), int(ea + e))
