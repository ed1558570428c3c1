"""Number types for the exact equations, in addition to Python's `Fraction`, `float` and `complex`.

`Dual` holds a value and a derivative, so that the literal forward equation of a paper differentiates itself; `Sum`
holds a value, and the number and the absolute values of its terms, which give the error budget of a floating-point
result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

# A scalar of any number type that has + - * / and comparison.
Number = Any


class Dual:
    """A value and its derivative with respect to one variable: `Dual(x, 1)` is that variable at x.

    The parts may be numbers of any type, dual numbers too: then second derivatives come out. A dual number is
    compared, floored and told from zero by its value, so a program follows the branch that its value takes;
    where branches meet (a kink) that is one side of the truth, and no derivative.
    """

    __slots__ = ("value", "derivative")

    def __init__(self, value: Number, derivative: Number = 0) -> None:
        self.value = value
        self.derivative = derivative

    @staticmethod
    def of(number: Number) -> Dual:
        """Return the number itself if it is dual, else a constant."""
        return number if isinstance(number, Dual) else Dual(number)

    def __add__(self, other: Number) -> Dual:
        other = Dual.of(other)
        return Dual(self.value + other.value, self.derivative + other.derivative)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.derivative)

    def __sub__(self, other: Number) -> Dual:
        return self + (-Dual.of(other))

    def __rsub__(self, other: Number) -> Dual:
        return Dual.of(other) - self

    def __mul__(self, other: Number) -> Dual:
        other = Dual.of(other)
        return Dual(self.value * other.value, self.derivative * other.value + self.value * other.derivative)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Dual:
        other = Dual.of(other)
        quotient = self.value / other.value
        return Dual(quotient, (self.derivative - quotient * other.derivative) / other.value)

    def __rtruediv__(self, other: Number) -> Dual:
        return Dual.of(other) / self

    def __abs__(self) -> Dual:
        return -self if self < 0 else self

    def __lt__(self, other: Number) -> bool:
        return bool(self.value < Dual.of(other).value)

    def __le__(self, other: Number) -> bool:
        return bool(self.value <= Dual.of(other).value)

    def __gt__(self, other: Number) -> bool:
        return bool(self.value > Dual.of(other).value)

    def __ge__(self, other: Number) -> bool:
        return bool(self.value >= Dual.of(other).value)

    def __floor__(self) -> int:
        return int(math.floor(self.value))

    def __repr__(self) -> str:
        """Show both parts."""
        return f"Dual({self.value!r}, {self.derivative!r})"


class Sum:
    """A sum that remembers its terms.

    Attributes
    ----------
    value : number
        The sum.
    k : int
        How many terms are not zero.
    M : number
        The sum of their absolute values (or of what is given as their magnitudes).
    """

    __slots__ = ("value", "k", "M")

    def __init__(self, terms: Iterable[Number] = ()) -> None:
        self.value: Number = 0
        self.k = 0
        self.M: Number = 0
        for term in terms:
            self.add(term)

    @staticmethod
    def of(value: Number, k: int, M: Number) -> Sum:
        """Return a sum with the given parts."""
        found = Sum()
        found.value, found.k, found.M = value, k, M
        return found

    def add(self, term: Number, magnitude: Number = None) -> None:
        """Add one term. Its magnitude is its absolute value, unless it is a sum itself, with larger parts."""
        size = abs(term) if magnitude is None else magnitude
        self.value = self.value + term
        if size != 0:
            self.k += 1
            self.M = self.M + size

    def __repr__(self) -> str:
        """Show value, k and M."""
        return f"Sum(value={self.value!r}, k={self.k}, M={self.M!r})"


def fractions(values: Any) -> Any:
    """Turn nested sequences of floats into nested lists of the rational numbers they stand for."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, list | tuple):
        return [fractions(value) for value in values]
    return Fraction(values)
