"""Calls of every operation, found in the golden suite, for tests of what all operations have in common.

Of each operation there is one case for each combination of options that decide what is computed, and of that case the
value and the derivatives, by each convention that the operation lets a caller choose.
"""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from refwarp.golden import SUITE
from refwarp.golden.case import Case
from refwarp.golden.format import read
from refwarp.golden.operations import OPERATIONS, choice, conventions
from refwarp.golden.targets import refwarp as target
from refwarp.golden.verify import is_asked

# Of maps and grids together; enough for each kernel's fast paths.
MOST_ELEMENTS = 700


class SampleCall(NamedTuple):
    """A function of arrays, which returns one or several: an operation, or its first or second derivatives."""

    name: str
    function: Callable[..., Any]
    arrays: list[np.ndarray | None]
    options: Mapping[str, Any]

    def __call__(self, *arrays: Any) -> Any:
        """Return what the function makes of arrays in the place of its own."""
        return self.function(*arrays, **self.options)


@functools.cache
def _suite() -> tuple[Case, ...]:
    return tuple(read(SUITE).cases)


@functools.cache
def _cases(operation: str, dtype: str, most_elements: int) -> list[Case]:
    """Return the largest case, up to a size, for each combination of options that are no numbers."""
    found: dict[str, tuple[int, Case]] = {}
    for case in _suite():
        size = sum(array.size for array in case.inputs.values())
        if case.operation != operation or case.result == "invalid" or size > most_elements or not is_asked(case, dtype):
            continue
        decisive = {name: value for name, value in case.options.items() if isinstance(value, str | bool | Mapping)}
        key = repr(sorted(decisive.items())) + repr(sorted(case.inputs))
        if key not in found or size > found[key][0]:
            found[key] = size, case
    return [case for _, case in found.values()]


def _choices(case: Case) -> list[dict[str, str]]:
    """Return the options by which refwarp can choose the convention that a case leaves open; or one without any."""
    name = choice(case.operation, case.options)
    open_to_choice = conventions(case.operation, case.options)
    return [{name: chosen} for chosen in open_to_choice if chosen in target.CHOICES[name]] or [{}]


def calls(operation: str, dtype: str, most_elements: int = MOST_ELEMENTS) -> Iterator[SampleCall]:
    """Yield every call of the cases of an operation whose arrays have up to so many elements together."""
    for case in _cases(operation, dtype, most_elements):
        for call in OPERATIONS[operation]:
            if call.part != "forward" and not any(map(case.conventions, call.paths())):
                continue  # the suite does not say what it is
            arrays = [case.inputs[name].astype(dtype) if name in case.inputs else None for name in call.arguments]
            function = getattr(target, call.function(operation))
            for chosen in _choices(case):
                name = " ".join([case.name, call.part, *chosen.values()])
                yield SampleCall(name, function, arrays, {**case.options, **chosen})


def bits(results: Any) -> list[Any]:
    """Return the bits of results, but of NaN only that it is one."""
    results = results if isinstance(results, tuple) else (results,)
    return [
        None if array is None else (array.dtype, array.shape, np.where(np.isnan(array), np.nan, array).tobytes())
        for array in results
    ]


def digest() -> str:
    """Return a digest of the bits that all calls give."""
    told = hashlib.sha256()
    for operation in OPERATIONS:
        for dtype in ("float32", "float64"):
            for call in calls(operation, dtype):
                told.update(repr((call.name, bits(call(*call.arrays)))).encode())
    return told.hexdigest()
