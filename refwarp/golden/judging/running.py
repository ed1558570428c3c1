"""What truths whose M or G is built up step by step, by the rules of `exact.arithmetic.running_error`, share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.arithmetic.running_error import Bounded
from refwarp.golden.judging.answer import Answer, defined


class Displaced(Bounded):
    """A number and how far it moves at most with the coordinates, for each e: G, in the place and by the rules of M.

    What is given moves only if it says so.
    """

    __slots__ = ()

    def __init__(self, value: Number, M: Number = 0) -> None:
        super().__init__(value, M)


def zeros(kind: type[Bounded], *shape: int) -> npt.NDArray[np.object_]:
    """Return an array of zeros of a kind."""
    found = np.empty(shape, object)
    found[...] = kind(0)
    return found


def as_sum(number: Any, k: int) -> Sum:
    """Return a number with its M as a sum of k terms; of none, if it is exactly 0."""
    if not isinstance(number, Bounded):
        number = Bounded(number)
    return Sum.of(number.value, k if number.M != 0 else 0, number.M)


def answer(c: float, shape: tuple[int, ...], sums: list[Sum]) -> Answer:
    """Return the answer of a shape from sums whose values are `Displaced`: how far these move is G."""
    values = [total.value if isinstance(total.value, Displaced) else Displaced(total.value) for total in sums]
    for total, number in zip(sums, values, strict=True):
        total.value = defined(number.value)
    return Answer.of(c, shape, sums, [number.M for number in values])


def elements(nested: Any) -> list[Any]:
    """Return the elements of nested sequences or of an array, in order."""
    return list(np.array(nested, object).ravel())
