"""Sums of products that carry their own budget: value, k, M, and how far they move when coordinates are rounded.

A formula that is evaluated on such numbers gives an element of an output with all that the suite stores of it:

    z = a + b, a - b    k = k_a + k_b    M = M_a + M_b        move = move_a + move_b
    z = a b             k = k_a k_b      M = M_a M_b          move = move_a M_b + M_a move_b
    z = a / d           k = k_a          M = M_a / |d|        move = (move_a + M_a move_d / |d|) / |d|

as multiplying out would. A divisor d is one number, whatever it was made of. Moves are in units of e, and to first
order in it; they take the roundings of different factors for independent, so they hold for any order of evaluation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.golden.judging.answer import Answer, defined

# Arrays of numbers of any kind, or of `Moved`: they multiply as matrices do.
Numbers = npt.NDArray[np.object_]


class Moved:
    """A sum of k terms with absolute values of M in all, and its sensitivity."""

    __slots__ = ("value", "k", "M", "move")

    def __init__(self, value: Number, k: int, M: Number, move: Number) -> None:
        self.value, self.k, self.M, self.move = value, k, M, move

    @staticmethod
    def of(number: Number, move: Number = 0) -> Moved:
        """Return a sum of one term (of none, if it is 0), which moves by so much; a sum stays what it is."""
        return number if isinstance(number, Moved) else Moved(number, int(number != 0), abs(number), move)

    def number(self) -> Moved:
        """Return the sum as one number, which moves by the rounding of its terms too."""
        return Moved.of(self.value, self.move + self.M)

    def sum(self) -> Sum:
        """Return the sum without its move."""
        return Sum.of(defined(self.value), self.k, self.M)

    def __add__(self, other: Number) -> Moved:
        other = Moved.of(other)
        return Moved(self.value + other.value, self.k + other.k, self.M + other.M, self.move + other.move)

    __radd__ = __add__

    def __neg__(self) -> Moved:
        return Moved(-self.value, self.k, self.M, self.move)

    def __sub__(self, other: Number) -> Moved:
        return self + (-Moved.of(other))

    def __rsub__(self, other: Number) -> Moved:
        return Moved.of(other) - self

    def __floor__(self) -> int:
        return int(math.floor(self.value))

    def __mul__(self, other: Number) -> Moved:
        other = Moved.of(other)
        move = self.move * other.M + self.M * other.move
        return Moved(self.value * other.value, self.k * other.k, self.M * other.M, move)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Moved) -> Moved:
        d = abs(divisor.value)
        return Moved(self.value / divisor.value, self.k, self.M / d, (self.move + self.M * divisor.move / d) / d)


def moved(numbers: Any, moves: Any = None) -> Numbers:
    """Return an array of numbers, each one term; they do not move unless `moves` says how far."""
    array = np.array(numbers, object)
    found = np.empty(array.shape, object)
    for place in np.ndindex(array.shape):
        found[place] = Moved.of(array[place], 0 if moves is None else moves[place])
    return found


def answer(c: float, shape: tuple[int, ...], elements: Any) -> Answer:
    """Return the answer of a shape, from nested sequences of `Moved`; where nothing is added up that is 0."""
    flat = [Moved.of(element) for element in np.array(elements, object).ravel()]
    return Answer.of(c, shape, [element.sum() for element in flat], [element.move for element in flat])
