"""The families of golden cases, a folder each: what is asked of its operations (`cases`), and the truth (`JUDGES`).

A module of a family that has a function `cases` gives the suite cases, one that has `JUDGES` says who knows the truth
about operations. They are found, not listed.
"""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Truth
from refwarp.golden.judging.judge import Judge


@cache
def _modules() -> tuple[ModuleType, ...]:
    """Return every module of every family, in the order of their names."""
    found = pkgutil.walk_packages(__path__, f"{__name__}.")
    return tuple(import_module(name) for name in sorted(module.name for module in found if not module.ispkg))


def all_cases() -> list[Case]:
    """Return every case, without outputs."""
    return [case for module in _modules() if hasattr(module, "cases") for case in module.cases()]


@cache
def judges() -> dict[str, Judge]:
    """Return who knows the truth about each operation."""
    return {name: judge for module in _modules() for name, judge in getattr(module, "JUDGES", {}).items()}


def with_truth(case: Case) -> Case:
    """Return a case with its outputs and seams.

    An output that depends on a convention is there once for each, as "vjp/ggrid:left".
    """
    if case.result == "invalid":
        return case
    judge = judges()[case.operation]
    answers = {
        convention: {path: answer.truth() for path, answer in judge.answers(case, convention).items()}
        for convention in judge.conventions(case)
    }
    outputs: dict[str, Truth] = {}
    for path, answer in next(iter(answers.values())).items():
        if all(_same_values(answer, other[path]) for other in answers.values()):
            outputs[path] = answer
        else:
            outputs.update({f"{path}:{convention}": other[path] for convention, other in answers.items()})
    return replace(case, outputs=outputs, seams=judge.seams(case))


def _same_values(one: Truth, other: Truth) -> bool:
    a: npt.NDArray[Any]
    a, b = one.elements, other.elements
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in ("value", "remainder"))
