"""From exact numbers to what a golden file stores.

Each element becomes a double and the remainder of its rounding, so that the pair holds some 106 bits (fewer
where the remainder underflows). M and G are bounds and are rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.golden.case import ELEMENT, SEAM, Truth

# With so many bits a sum that cancels, of thirds, sines or exponentials, is told from anything that a double can be.
BITS = 1400

# A ball may be this much wider than nothing, of its midpoint or in all: then the pair of doubles is right, but for
# less than a millionth of its last place.
_NARROW, _NOTHING = Fraction(1, 2**130), Fraction(1, 2**1200)


@dataclass(frozen=True)
class Answer:
    """One output: the constant c of its budget, and for each element its exact sum and its sensitivity G."""

    c: float
    sums: npt.NDArray[np.object_]
    sensitivities: npt.NDArray[np.object_]

    @staticmethod
    def of(c: float, shape: tuple[int, ...], sums: Any, sensitivities: Any = None) -> Answer:
        """Return the answer of a shape, from nested sequences in its order; without sensitivities they are 0."""
        exact = _array(sums, shape)
        return Answer(c, exact, np.zeros(shape, object) if sensitivities is None else _array(sensitivities, shape))

    def truth(self) -> Truth:
        """Return it as it is stored."""
        pairs = zip(self.sums.ravel(), self.sensitivities.ravel(), strict=True)
        return Truth(self.c, np.array([element(*pair) for pair in pairs], ELEMENT).reshape(self.sums.shape))


def element(exact: Sum, sensitivity: Number) -> tuple[float, float, int, float, float]:
    """Return value, remainder, k, M and G of one element, as they are stored.

    Examples
    --------
    >>> element(Sum([Fraction(1, 3), Fraction(-1, 2)]), 0)
    (-0.16666666666666666, -9.25185853854297e-18, 2, 0.8333333333333334, 0.0)
    """
    if isinstance(exact.value, float):
        if math.isfinite(exact.value):
            raise TypeError(f"exact: given the float {exact.value!r}, expected a rational number or a ball")
        # inf - inf has another sign bit on other machines; in a file there is one NaN.
        return math.nan if math.isnan(exact.value) else exact.value, 0.0, 0, 0.0, 0.0
    if exact.k == 0 and sensitivity == 0:  # most pixels of a wide map
        return 0.0, 0.0, 0, 0.0, 0.0
    number = rational(exact.value)
    value = float(number)
    return value, float(number - Fraction(value)), exact.k, rounded(exact.M, 1), rounded(sensitivity, 1)


def seam(low: Number, high: Number, distance: Number) -> tuple[float, float, float]:
    """Return an element of type SEAM, its hull rounded outwards."""
    return rounded(low, -1), rounded(high, 1), rounded(distance, -1)


def seams(shape: tuple[int, ...], elements: Iterable[tuple[float, float, float]]) -> npt.NDArray[np.void]:
    """Return the SEAM array of a shape."""
    return np.array(list(elements), SEAM).reshape(shape)


def rational(number: Number) -> Fraction:
    """Return an exact number, or the midpoint of a ball that is narrow enough to stand for one.

    Raises
    ------
    ValueError
        If a ball is too wide.
    """
    if isinstance(number, int | Fraction):
        return Fraction(number)
    middle, radius = _of_two(number.mid()), _of_two(number.rad())
    if radius > max(_NARROW * abs(middle), _NOTHING):
        raise ValueError(f"number: given the ball {number}, expected a narrower one; compute with more bits")
    return middle


def defined(number: Number) -> Number:
    """Return a number; if it is a ball that holds none, NaN."""
    return number if isinstance(number, int | float | Fraction) or number.is_finite() else math.nan


def rounded(number: Number, side: int) -> float:
    """Return the double nearest to a number (or to a ball's end) that does not lie on the wrong side of it."""
    if not isinstance(number, int | Fraction):
        number = _of_two(number.upper() if side > 0 else number.lower())
    found = float(number)
    return found if (Fraction(found) - number) * side >= 0 else math.nextafter(found, side * math.inf)


def numbers(values: Any) -> Any:
    """Turn an array or nested lists of floats into rational numbers; NaN and infinities stay what they are."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [numbers(value) for value in values]
    return Fraction(values) if math.isfinite(values) else values


def _of_two(exact_ball: Any) -> Fraction:
    """Return a ball without a radius as a rational number: a mantissa times a power of two."""
    mantissa, exponent = (int(part) for part in exact_ball.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def _array(nested: Any, shape: tuple[int, ...]) -> npt.NDArray[np.object_]:
    """Return nested sequences of numbers or sums as an array of objects."""
    found = np.empty(math.prod(shape), object)
    found[:] = list(_flat(nested))
    return found.reshape(shape)


def _flat(nested: Any) -> Iterator[Any]:
    if isinstance(nested, np.ndarray):
        yield from nested.ravel()
    elif isinstance(nested, list | tuple):
        for part in nested:
            yield from _flat(part)
    else:
        yield nested
