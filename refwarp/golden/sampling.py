"""A sample of cases: enough to see what has to do with how a function is called, and not with what it computes.

How arrays are read, what is kept between calls and whether threads share it is a matter of a function's options and of
the axes of its arrays: so each value of each option is in the sample, and of each axis of each argument one with more
than one element, in small cases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refwarp.golden.case import Case

# Of each operation at most so many cases, each with at most so many numbers.
_MOST_CASES = 4
_MOST_NUMBERS = 2048
# The flag of what is no matter of the numbers alone: the order of a sum is what makes results differ from run to run.
_FLAG = "LongSum"
# How many other options come between two calls.
_MOST_OTHERS = 2


def sample(cases: Sequence[Case]) -> list[Case]:
    """Return a few of the cases of each operation, in their order."""
    chosen: set[str] = set()
    for operation in dict.fromkeys(case.operation for case in cases):
        usable = [
            case
            for case in cases
            if case.operation == operation
            and case.result != "invalid"
            and case.size <= _MOST_NUMBERS
            and all(array.size and np.isfinite(array).all() for array in case.inputs.values())
        ]
        chosen.update(case.name for case in _cover({case.name: case for case in usable}))
    return [case for case in cases if case.name in chosen]


def other_options(case: Case, suite: Sequence[Case]) -> tuple[Mapping[str, Any], ...]:
    """Return options of other cases with arrays of the same shapes, those that differ in the fewest first."""
    shapes = _shapes(case)
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for other in suite:
        if other.operation == case.operation and other.result != "invalid" and other.options != case.options:
            if other.options.keys() == case.options.keys() and _shapes(other) == shapes:
                apart = sum(other.options[name] != option for name, option in case.options.items())
                found.setdefault(json.dumps(other.options, sort_keys=True), (apart, other.options))
    nearest = sorted(found.items(), key=lambda item: (item[1][0], item[0]))
    return tuple(options for _, (_, options) in nearest[:_MOST_OTHERS])


def _shapes(case: Case) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in case.inputs.items()}


def _cover(cases: Mapping[str, Case]) -> list[Case]:
    """Return cases that together have the properties of all, as far as so many can: greedily, the smaller first."""
    left = {name: _properties(case) for name, case in cases.items()}
    chosen: list[Case] = []
    while left and len(chosen) < _MOST_CASES:
        best = min(left, key=lambda name: (-len(left[name]), cases[name].size, name))
        covered = left.pop(best)
        if not covered:
            break
        chosen.append(cases[best])
        left = {name: properties - covered for name, properties in left.items()}
    return chosen


def _properties(case: Case) -> set[str]:
    axes = {
        f"{name} {axis}" for name, array in case.inputs.items() for axis, length in enumerate(array.shape) if length > 1
    }
    options = {
        f"{name}={json.dumps(option, sort_keys=True)}"
        for name, option in case.options.items()
        if isinstance(option, str | bool)
    }
    return axes | options | ({_FLAG} & set(case.flags))
