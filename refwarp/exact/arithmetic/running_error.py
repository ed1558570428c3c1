"""Running error bounds: numbers with a bound on the rounding error of the algorithm that computes them.

Let an algorithm compute z, and the same algorithm in floating point z'. With M computed together with z as

    z = a + b, a - b       M = M_a + M_b
    z = a b                M = M_a |b| + |a| M_b
    z = a / b              M = (M_a + |a/b| M_b) / |b|

starting with M = |z| for given numbers, and at least |z|, each operation adds at most one to c in

    |z' - z| <= c u M      (u the unit roundoff, to first order in it)

so c is the number of operations on the longest path. An operation with an exact number (not a `Bounded`) scales M by
it. The bound holds for the algorithm that was run, including its condition.
"""

from __future__ import annotations

import math

from refwarp.exact.arithmetic.numbers import Number


class Bounded:
    """A number, of any type, and the M of its error bound."""

    __slots__ = ("value", "M")

    def __init__(self, value: Number, M: Number | None = None) -> None:
        self.value = value
        self.M = abs(value) if M is None else M

    @classmethod
    def of(cls, number: Number) -> Bounded:
        """Return the number itself if it has a bound, else as a given number."""
        return number if isinstance(number, Bounded) else cls(number)

    def __add__(self, other: Number) -> Bounded:
        other = self.of(other)
        return type(self)(self.value + other.value, self.M + other.M)

    __radd__ = __add__

    def __neg__(self) -> Bounded:
        return type(self)(-self.value, self.M)

    def __sub__(self, other: Number) -> Bounded:
        return self + (-self.of(other))

    def __rsub__(self, other: Number) -> Bounded:
        return self.of(other) - self

    def __mul__(self, other: Number) -> Bounded:
        if not isinstance(other, Bounded):
            return type(self)(self.value * other, self.M * abs(other))
        return type(self)(self.value * other.value, self.M * abs(other.value) + abs(self.value) * other.M)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Bounded:
        if not isinstance(other, Bounded):
            return type(self)(self.value / other, self.M / abs(other))
        quotient = self.value / other.value
        return type(self)(quotient, (self.M + abs(quotient) * other.M) / abs(other.value))

    def __rtruediv__(self, other: Number) -> Bounded:
        return self.of(other) / self

    def __abs__(self) -> Bounded:
        return type(self)(abs(self.value), self.M)

    def __le__(self, other: Number) -> bool:
        return bool(self.value <= self.of(other).value)

    def __lt__(self, other: Number) -> bool:
        return bool(self.value < self.of(other).value)

    def __gt__(self, other: Number) -> bool:
        return bool(self.value > self.of(other).value)

    def __floor__(self) -> int:
        return int(math.floor(self.value))

    def __repr__(self) -> str:
        """Show value and M."""
        return f"Bounded({self.value!r}, {self.M!r})"
