"""What a family of operations gives to the suite: its answers, its conventions, its seams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.judging.answer import Answer
from refwarp.golden.operations import conventions

# Outputs by "part/output".
Answers = Mapping[str, Answer]
Seams = Mapping[str, npt.NDArray[np.void]]


def every_convention(case: Case) -> tuple[str, ...]:
    """Return the conventions that the call knows, or "" alone."""
    return conventions(case.operation, case.options) or ("",)


def no_seams(case: Case) -> Seams:
    """Return none: rounding moves no sample of the case across a seam."""
    return {}


@dataclass(frozen=True)
class Judge:
    """Who knows the truth about an operation.

    Attributes
    ----------
    answers : callable
        (case, convention) -> the answer for each output that the case has.
    conventions : callable
        case -> the conventions whose answers may differ; of these the first is the house's own.
    seams : callable
        case -> for outputs with samples next to a seam, the hulls.
    """

    answers: Callable[[Case, str], Answers]
    conventions: Callable[[Case], tuple[str, ...]] = every_convention
    seams: Callable[[Case], Seams] = no_seams


def options(case: Case, *names: str) -> list[Any]:
    """Return options of a case by name."""
    return [case.options[name] for name in names]
