"""What public functions take: each kind of argument is checked here, once, and arrays in give arrays out.

NumPy's scalars and its arrays without axes stand for Python's numbers, truths and strings, a string for its subclasses,
and an array for the subclasses of ndarray and for other byte orders, but for masked arrays, whose masks nothing would
heed. Arrays of other libraries that speak DLPack (PyTorch's, JAX's) stand for NumPy's, or for CuPy's if they lie on a
GPU. True and False are no numbers. What is refused is refused in a sentence that begins with the argument's name.

A call on a small map takes some microseconds, so what is nearly always given is looked at first, by its exact type.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Real
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np

from autograd_core import Tensor
from autograd_core.arguments import is_integer
from autograd_core.arrays import is_array, is_on_device, plain_array
from autograd_core.functions import astype
from autograd_core.tensor import as_tensor
from refwarp import dlpack

F = TypeVar("F", bound=Callable[..., Any])

# The pixels of an axis are counted in 32 bits with a margin (`conventions.OUTSIDE`). So many points are 16 TiB.
LARGEST_LENGTH = 2**30 - 1
LARGEST_POINTS = 2**40

DTYPES = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))

# What is plain as it is.
_PLAIN = frozenset({Tensor, str, bool, int, float, tuple, list, type(None)})
_USUAL = _PLAIN | {np.ndarray}

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
    if dlpack.is_foreign(value):
        array = dlpack.taken(name, value)
        return array if array.ndim else array.item()
    return str.__str__(value) if isinstance(value, str) else value


def public(function: F) -> F:
    """Make a function of arrays public: its arguments are made `plain`, and its result of the kind that is given.

    One Tensor in gives a Tensor out; without Tensors, one array of another library gives one of that library.
    """
    names = tuple(inspect.signature(function).parameters)
    count = len(names)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        given = (*arguments, *options.values()) if options else arguments
        # More arguments than names are the function's own to refuse.
        arguments = (*map(plain, names, arguments), *arguments[count:])
        if options:
            options = {name: plain(name, value) for name, value in options.items()}
        foreign = not _USUAL.issuperset(map(type, given))
        library = _library_of((*names[: len(arguments)], *options), given) if foreign else None
        result = function(*arguments, **options)
        if is_array(result):
            for value in given:  # half as long as `any` of a generator takes
                if isinstance(value, Tensor):
                    return Tensor(result)
            if library is not None:
                return dlpack.given_back(result, library)
        return result

    return cast(F, call)


def _library_of(names: Sequence[str], given: Sequence[Any]) -> ModuleType | None:
    """Return the library of the arrays that are neither NumPy's nor CuPy's; TypeError if they are of two."""
    found: ModuleType | None = None
    for name, value in zip(names, given, strict=False):
        if not dlpack.is_foreign(value):
            continue
        library = dlpack.library(name, value)
        if found is None:
            first, found = name, library
        elif library.__name__ != found.__name__:
            raise TypeError(
                f"{name}: given an array of {library.__name__} while {first} is of {found.__name__}, expected one "
                "library; convert one of them"
            )
    return found


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


def check_count(name: str, given: Any, least: int = 1) -> None:
    """Raise ValueError unless `given` is an integer of at least `least`."""
    if not isinstance(given, int | np.integer) or given < least:
        expected = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"{name}: given {given!r}, expected {expected}")


def check_option(name: str, given: Any, options: tuple[Any, ...]) -> None:
    """Raise ValueError unless `given` is one of the options, with the same type: 1 is not True."""
    kind = type(given)
    value = given if kind is str or kind is bool else plain(name, given)
    for option in options:
        if value is option or (type(value) is type(option) and value == option):
            return
    expected = ", ".join(repr(option) for option in options)
    raise ValueError(f"{name}: given {shown(given)}, expected one of {expected}")


def check_array(name: str, array: Any, shape: str, fixed: tuple[int | None, ...]) -> None:
    """Raise unless `array` has a supported dtype, and the axes of `fixed` (None: any length).

    Raises
    ------
    TypeError
        If it is not a NumPy array or Tensor, or has another dtype.
    ValueError
        If it has another shape; `shape` is the expected one in the message.
    """
    if not (isinstance(array, Tensor) or is_array(array)):
        raise TypeError(f"{name}: given {type(array).__name__}, expected a NumPy array or a Tensor of shape {shape}")
    if array.dtype not in DTYPES:
        raise TypeError(f"{name}: given dtype {array.dtype}, expected float16, float32 or float64; convert it first")
    lengths = array.shape
    if len(lengths) == len(fixed):
        for length, wanted in zip(lengths, fixed, strict=True):
            if wanted is not None and length != wanted:
                break
        else:
            return
    raise ValueError(f"{name}: given shape {lengths}, expected {shape}")


def check_same_dtype(name: str, array: Any, other_name: str, other: Any) -> None:
    """Raise TypeError if two arguments differ in dtype: nothing is promoted silently."""
    if array.dtype != other.dtype:
        raise TypeError(
            f"{name}: given dtype {array.dtype} while {other_name} is {other.dtype}, expected the same; "
            "convert one of them"
        )


def check_same_library(name: str, array: Any, other_name: str, other: Any) -> None:
    """Raise TypeError if one of two arguments is a NumPy array and one a CuPy array: nothing is moved silently."""
    one = array.data if isinstance(array, Tensor) else array
    another = other.data if isinstance(other, Tensor) else other
    if type(one) is not type(another) and is_on_device(one) != is_on_device(another):
        given, expected = ("CuPy", "NumPy") if is_on_device(one) else ("NumPy", "CuPy")
        raise TypeError(
            f"{name}: given an array of {given} while {other_name} is of {expected}, expected one library; "
            "move one of them with autograd_core.to_device"
        )


def check_maps_and_grid(input: Any, grid: Any) -> None:
    """Raise TypeError or ValueError unless a sampler accepts a map (N, C, H, W) and a grid (N, H_out, W_out, 2)."""
    check_array("input", input, "(N, C, H, W)", (None, None, None, None))
    check_array("grid", grid, "(N, H_out, W_out, 2)", (None, None, None, 2))
    check_same_dtype("grid", grid, "input", input)
    check_same_library("grid", grid, "input", input)
    if grid.shape[0] != input.shape[0]:
        raise ValueError(f"grid: given N = {grid.shape[0]} while input has N = {input.shape[0]}, expected the same")
    if 0 in input.shape[2:]:
        raise ValueError(f"input: given shape {tuple(input.shape)}, expected H and W of at least 1")


def apply_as_given(operation: Callable[..., Tensor], *arrays: Any) -> Any:
    """Apply an operation of Tensors to arrays or Tensors, and return the kind and dtype that was given.

    NumPy in gives NumPy out; one Tensor in gives a Tensor out. float16 is computed in float64, and the result
    is rounded once to float16.
    """
    tensors = [as_tensor(array) for array in arrays]
    given = tensors[0].dtype
    if given == DTYPES[0]:
        tensors = [astype(tensor, DTYPES[2]) for tensor in tensors]
    result = operation(*tensors)
    if result.dtype != given:
        result = astype(result, given)
    return result if any([isinstance(array, Tensor) for array in arrays]) else result.data


def check_size(size: Any) -> tuple[int, int, int, int]:
    """Return the output size (N, C, H, W) as integers.

    Raises
    ------
    ValueError
        If it is not four non-negative integers, or has too many points.
    """
    n, c, h, w = lengths("size", size, 4, 0, "four non-negative integers (N, C, H, W)")
    if n * h * w > LARGEST_POINTS:
        raise ValueError(f"size: given {shown(size)}, expected N H W of at most {LARGEST_POINTS:,}")
    return n, c, h, w
