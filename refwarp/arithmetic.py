"""Floating-point arithmetic with its rounding errors in hand: the scalars that kernels build on.

A sum or a product of two doubles is a double plus a remainder that is a double too (barring underflow). Dekker
and Knuth gave the remainders; with them a coordinate keeps its last digits, and a long sum its first.
"""

from __future__ import annotations

import math

from refwarp.compilation import scalar

# 2^27 + 1 splits a 53-bit significand into two halves whose products are exact (Veltkamp).
_SPLITTER = 134217729.0


@scalar
def two_sum(a: float, b: float) -> tuple[float, float]:
    """Return a + b rounded, and what the rounding left out (Knuth). Exact for all finite a, b."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


@scalar
def two_product(a: float, b: float) -> tuple[float, float]:
    """Return a b rounded, and what the rounding left out (Dekker, Veltkamp).

    Exact while |a|, |b| < 2^996 and |a b| > 2^-968 or a b = 0.
    """
    product = a * b
    shifted = _SPLITTER * a
    a_high = shifted - (shifted - a)
    a_low = a - a_high
    shifted = _SPLITTER * b
    b_high = shifted - (shifted - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@scalar
def scaled_dot(a: float, b0: float, w0: float, b1: float, w1: float) -> float:
    """Return a (b0 w0 + b1 w1) where its factors are so small or large that products of them under- or overflow.

    a, b0 and b1 are taken apart into numbers near 1 and powers of two, which come back in one step at the end.
    """
    b0, e0 = math.frexp(b0)
    b1, e1 = math.frexp(b1)
    a, ea = math.frexp(a)
    if b0 == 0.0:
        e0 = e1
    if b1 == 0.0:
        e1 = e0
    e = max(e0, e1)
    return math.ldexp(a * (math.ldexp(b0, e0 - e) * w0 + math.ldexp(b1, e1 - e) * w1), ea + e)
