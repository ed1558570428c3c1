"""Double-double arithmetic: a number stored as the unevaluated sum of two doubles, about 31 decimal digits.

For the few places where an error in one result is greatly amplified in another, such as the solution of a linear
system. A number is a pair (high, low) with |low| at most half a last bit of high. Unlike extended precision, this is
portable: it is based on `two_sum` and `two_product`. The error of each operation is a few times 2^-104 of its result,
on GPUs as well: a product whose remainder is used is computed by `two_product`, which is never fused with a sum;
products that only enter low parts may be fused.
"""

from __future__ import annotations

import math

from refwarp.backend.arithmetic import two_product, two_sum
from refwarp.backend.jit import scalar

Pair = tuple[float, float]

_LOG_2 = (0.6931471805599453, 2.3190468138462996e-17)
_ROOT_HALF = 0.7071067811865476


@scalar
def add(a: Pair, b: Pair) -> Pair:
    """Return a + b."""
    high, low = two_sum(a[0], b[0])
    rest, lowest = two_sum(a[1], b[1])
    high, low = two_sum(high, low + rest)
    return two_sum(high, low + lowest)


@scalar
def multiply(a: Pair, b: Pair) -> Pair:
    """Return a b."""
    high, low = two_product(a[0], b[0])
    return two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


@scalar
def divide(a: Pair, b: Pair) -> Pair:
    """Return a / b, by long division: each of three digits is a double."""
    first = a[0] / b[0]
    rest = add(a, multiply((-first, 0.0), b))
    second = rest[0] / b[0]
    rest = add(rest, multiply((-second, 0.0), b))
    return add(two_sum(first, second), (rest[0] / b[0], 0.0))


@scalar
def log(x: Pair) -> Pair:
    """Return the natural logarithm of a positive number.

    With x = m 2^e, m between the square roots of 1/2 and 2, and s = (m - 1)/(m + 1), of which |s| < 0.172:
    ln x = e ln 2 + 2 (s + s^3/3 + s^5/5 + ...); 21 terms leave less than 2^-106 of the sum.
    """
    m, e = math.frexp(x[0])
    if m < _ROOT_HALF:
        e -= 1
    mantissa = (math.ldexp(x[0], -e), math.ldexp(x[1], -e))
    s = divide(add(mantissa, (-1.0, 0.0)), add(mantissa, (1.0, 0.0)))
    square = multiply(s, s)
    series = (0.0, 0.0)
    for k in range(20, -1, -1):
        series = add(multiply(series, square), divide((1.0, 0.0), (2.0 * k + 1.0, 0.0)))
    return add(multiply((float(e), 0.0), _LOG_2), multiply((2.0 * s[0], 2.0 * s[1]), series))
