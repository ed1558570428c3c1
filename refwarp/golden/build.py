"""Putting the suite together: each case with its truth, and the checks that a case must pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.cases import all_cases
from refwarp.golden.flags import FLAGS
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.truth import with_truth

# Raised whenever a case, or the way in which values are computed, changes.
GENERATOR_VERSION = "1"

# No element of a case that float32 can be asked for may overflow there.
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def build(cases: Iterable[Case] | None = None, progress: Callable[[int, int], None] | None = None) -> list[Case]:
    """Return the cases with their truths.

    Parameters
    ----------
    cases : iterable of Case, optional
        All there are, if not given.
    progress : callable, optional
        Is told, after each case, how many are done of how many.

    Raises
    ------
    ValueError
        If a case is not what it says: an unknown flag or argument, a result that the truth contradicts.
    """
    todo = all_cases() if cases is None else list(cases)
    names = [case.name for case in todo]
    if len(set(names)) != len(names):
        raise ValueError(f"cases: two have the name {max(names, key=names.count)!r}, expected one")
    done: list[Case] = []
    for case in todo:
        built = with_truth(case)
        _check(built)
        done.append(built)
        if progress:
            progress(len(done), len(todo))
    return done


def _check(case: Case) -> None:
    """Raise ValueError unless a case with its truth is sound."""
    unknown = [flag for flag in case.flags if flag not in FLAGS]
    if unknown or not case.flags:
        raise ValueError(f"{case.name}: given the flags {case.flags}, expected names from refwarp.golden.flags")
    arguments = {argument for call in OPERATIONS[case.operation] for argument in call.arguments}
    if set(case.inputs) - arguments:
        raise ValueError(f"{case.name}: given inputs {sorted(case.inputs)}, expected some of {sorted(arguments)}")
    if case.result == "invalid":
        return
    found = "acceptable" if any(":" in path for path in case.outputs) else "valid"
    if found != case.result:
        raise ValueError(f"{case.name}: says that it is {case.result}, but conventions make it {found}")
    largest = max((float(t.elements["M"].max(initial=0.0)) for t in case.outputs.values()), default=0.0)
    if not math.isfinite(largest) or (case.dtype != "float64" and Fraction(largest) > Fraction(_LARGEST_FLOAT32)):
        raise ValueError(f"{case.name}: an element overflows {case.dtype}")
