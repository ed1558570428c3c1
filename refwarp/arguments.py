"""What public functions take beside arrays of the right shape: each kind of argument is judged here, once.

NumPy's scalars and its arrays without axes stand for Python's numbers, truths and strings, a string for its subclasses,
and an array for the subclasses of ndarray and for other byte orders, but for masked arrays, whose masks nothing would
heed. True and False are no numbers. What is refused is refused in a sentence that begins with the argument's name.

A call on a small map takes some microseconds, so what is nearly always given is looked at first, by its exact type.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, TypeVar, cast

import numpy as np

from autograd_core import Tensor
from autograd_core.arguments import is_integer
from autograd_core.arrays import is_array, plain_array

F = TypeVar("F", bound=Callable[..., Any])

# The pixels of an axis are counted in 32 bits with a margin (`conventions.OUTSIDE`). So many points are 16 TiB.
LARGEST_LENGTH = 2**30 - 1
LARGEST_POINTS = 2**40

# What is plain as it is.
_PLAIN = frozenset({Tensor, str, bool, int, float, tuple, list, type(None)})

_MOST_CHARACTERS = 100


def shown(value: Any) -> str:
    """Return how a message shows what was given, on one line: of an array its dtype and shape."""
    if isinstance(value, Tensor) or is_array(value):
        return f"{type(value).__name__} of {value.dtype}{list(value.shape)}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of more digits than Python writes, for one
        text = f"a value of type {type(value).__name__} that cannot be shown"
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


_SCALARS = (np.bool_, np.integer, np.floating)


def plain(name: str, value: Any) -> Any:
    """Return an argument without what NumPy and subclasses add to it.

    Raises
    ------
    TypeError
        If it is a masked array.
    """
    kind = type(value)
    if kind in _PLAIN or (kind is np.ndarray and value.dtype.isnative and value.ndim):
        return value
    if isinstance(value, np.ndarray):
        array = plain_array(name, value)
        return array if array.ndim else array.item()
    if isinstance(value, _SCALARS):
        return value.item()
    return str.__str__(value) if isinstance(value, str) else value


def public(function: F) -> F:
    """Make a function of arrays public: its arguments are made `plain`, and one Tensor in gives a Tensor out."""
    names = tuple(inspect.signature(function).parameters)
    count = len(names)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        # More arguments than names are the function's own to refuse.
        arguments = (*map(plain, names, arguments), *arguments[count:])
        if options:
            options = {name: plain(name, value) for name, value in options.items()}
        result = function(*arguments, **options)
        if is_array(result):
            for value in (*arguments, *options.values()):  # half as long as `any` of a generator takes
                if isinstance(value, Tensor):
                    return Tensor(result)
        return result

    return cast(F, call)


def _is_not_negative(value: float) -> bool:
    return 0.0 <= value < math.inf


def _number(given: Any, within: Callable[[float], bool]) -> float | None:
    """Return a plain number as a float; None for anything else, and for one that is not within."""
    if isinstance(given, bool) or not isinstance(given, Real):
        return None
    try:
        value = float(given)
    except OverflowError:
        return None
    return value if within(value) else None


def number(name: str, given: Any, expected: str, within: Callable[[float], bool] = _is_not_negative) -> float:
    """Return a number as a float.

    Raises
    ------
    ValueError
        If it is none, or not within; `expected` is how the message says what is.
    """
    value = _number(plain(name, given), within)
    if value is None:
        raise ValueError(f"{name}: given {shown(given)}, expected {expected}")
    return value


def _elements(name: str, given: Any) -> tuple[Any, ...] | None:
    """Return the elements of a sequence, or of an array with one axis, plain; None of anything else."""
    if isinstance(given, np.ndarray):
        return tuple(given.tolist()) if given.ndim == 1 else None
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        return None
    return tuple(plain(name, element) for element in given)


def numbers(name: str, given: Any, count: int | None = None) -> tuple[float, ...]:
    """Return finite numbers that are not negative: `count`, from as many or from one that stands for all.

    Without a count they are as many as are given, at least one.

    Raises
    ------
    ValueError
        If they are anything else.
    """
    given = plain(name, given)
    elements = _elements(name, given)
    if elements is None and count is not None:
        elements = (given,) * count
    values = [_number(element, _is_not_negative) for element in elements or ()]
    if not values or len(values) != (count or len(values)) or None in values:
        what = f"one number or {count}, finite" if count else "at least one finite number, none negative"
        raise ValueError(f"{name}: given {shown(given)}, expected {what}{' and not negative' if count else ''}")
    return cast(tuple[float, ...], tuple(values))


def lengths(name: str, given: Any, count: int, least: int, expected: str) -> tuple[int, ...]:
    """Return the lengths of axes as integers.

    Raises
    ------
    ValueError
        If they are not `count` integers of at least `least`, or larger than can be; `expected` is how the message
        says that.
    """
    if type(given) is tuple and len(given) == count and set(map(type, given)) == {int}:
        if least <= min(given) and max(given) <= LARGEST_LENGTH:
            return given
    elements = _elements(name, plain(name, given))
    if elements is None or len(elements) != count or not all(is_integer(element, least) for element in elements):
        raise ValueError(f"{name}: given {shown(given)}, expected {expected}")
    if max(elements) > LARGEST_LENGTH:
        raise ValueError(f"{name}: given {shown(given)}, expected lengths of at most {LARGEST_LENGTH:,}")
    return tuple(int(element) for element in elements)
