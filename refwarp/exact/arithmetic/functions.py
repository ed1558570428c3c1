"""Elementary functions of dual, complex and floating-point numbers, and of balls."""

from __future__ import annotations

import cmath
import math
from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Dual, Number


def log(x: Number) -> Number:
    """Return the natural logarithm of a dual, complex or floating-point number, or of a ball.

    Raises
    ------
    TypeError
        If it is a rational number, whose logarithm is none; balls (`flint.arb`) hold it to any precision.
    """
    if isinstance(x, Dual):
        return Dual(log(x.value), x.derivative / x.value)
    if isinstance(x, complex):
        return cmath.log(x)
    if isinstance(x, float):
        return math.log(x)
    if isinstance(x, int | Fraction):
        raise TypeError(f"x: given {type(x).__name__}, expected a ball, a float or a complex number; convert it first")
    return x.log()


def cos(x: Number) -> Number:
    """Return the cosine."""
    if isinstance(x, Dual):
        return Dual(cos(x.value), -sin(x.value) * x.derivative)
    if isinstance(x, complex):
        return cmath.cos(x)
    return math.cos(x) if isinstance(x, float) else x.cos()


def sin(x: Number) -> Number:
    """Return the sine."""
    if isinstance(x, Dual):
        return Dual(sin(x.value), cos(x.value) * x.derivative)
    if isinstance(x, complex):
        return cmath.sin(x)
    return math.sin(x) if isinstance(x, float) else x.sin()


def power_of_two(x: Number) -> Number:
    """Return 2^x."""
    if isinstance(x, Dual):
        value = power_of_two(x.value)
        return Dual(value, value * log(0 * x.value + 2) * x.derivative)
    return 2**x
