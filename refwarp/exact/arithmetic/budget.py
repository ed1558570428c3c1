"""The error budget: how far a floating-point result may be from its exact value.

For one output element that is the sum of k non-zero terms with absolute values summing to M,

    budget = (c + log2 k) u M + k eta

with u the unit roundoff and eta the smallest subnormal of the result's dtype. c is 4 for values and first
gradients of the bilinear sampler and the affine grid: two weights, each rounded once, and two products; and 8
for second derivatives, whose terms have up to four more factors. log2 k accounts for pairwise summation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from refwarp.exact.arithmetic.numbers import Sum

# By dtype: half the distance from 1 to the next number, and the smallest subnormal.
UNIT_ROUNDOFF = {
    "float16": Fraction(1, 2**11),
    "bfloat16": Fraction(1, 2**8),
    "float32": Fraction(1, 2**24),
    "float64": Fraction(1, 2**53),
}
SMALLEST = {
    "float16": Fraction(1, 2**24),
    "bfloat16": Fraction(1, 2**133),
    "float32": Fraction(1, 2**149),
    "float64": Fraction(1, 2**1074),
}


def budget(exact: Sum, c: float, dtype: str) -> Fraction:
    """Return the budget of one element; 0 for an empty sum, which must be exactly 0."""
    if exact.k == 0:
        return Fraction(0)
    relative = Fraction(c + math.log2(exact.k)) * UNIT_ROUNDOFF[dtype]
    return relative * Fraction(exact.M) + exact.k * SMALLEST[dtype]


def share(result: float, exact: Sum, c: float, dtype: str) -> float:
    """Return the error of one element as a share of its budget: at most 1 is within it.

    A result that is NaN or infinite where the exact value is not (or the other way round) has an infinite share.
    """
    if isinstance(exact.value, float) and math.isnan(exact.value):
        return 0.0 if math.isnan(result) else math.inf
    if not math.isfinite(result):
        return math.inf
    error = abs(Fraction(result) - exact.value)
    if error == 0:
        return 0.0
    allowed = budget(exact, c, dtype)
    return math.inf if allowed == 0 else float(error / allowed)


def worst_share(results: Any, exact: Any, c: float, dtype: str) -> float:
    """Return the largest share over nested sequences (or an array) of results and of sums of the same shape."""
    return max((share(r, e, c, dtype) for r, e in _pairs(results, exact)), default=0.0)


def _pairs(results: Any, exact: Any) -> Iterator[tuple[float, Sum]]:
    if isinstance(exact, Sum):
        yield float(results), exact
        return
    if len(results) != len(exact):
        raise ValueError(f"results: given {len(results)} elements along an axis, expected {len(exact)}")
    for r, e in zip(results, exact, strict=True):
        yield from _pairs(r, e)
