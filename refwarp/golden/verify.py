"""Verifying a target: each of its answers, element by element, against the truth and its budget.

For an implementation with unit roundoff u and smallest subnormal eta, an element is faithful if it lies within

    (c + log2 k) u M + k eta

of its exact value; anything else is wrong. A case is run in each dtype that holds its inputs exactly. A target
that knows conventions by name is asked for each one's answer, in every case: off the lattice all are the same. Any
other target may give one of the answers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.exact.budget import SMALLEST, UNIT_ROUNDOFF
from refwarp.golden.case import Case, Floats, Truth, is_exact
from refwarp.golden.operations import OPERATIONS, Call

# The dtypes that a target is run in.
DTYPES = ("float32", "float64")

# What an implementation may raise to refuse a call. Anything else is a crash.
REFUSALS = (ValueError, TypeError, RuntimeError)


class Grade(IntEnum):
    """How good an answer is; the larger the worse."""

    FAITHFUL = 0
    WRONG = 1

    @property
    def word(self) -> str:
        """The grade in a table."""
        return self.name.lower()


@dataclass(frozen=True)
class Outcome:
    """What came of one output of one case in one dtype.

    Attributes
    ----------
    output : str
        "part/output", or "refusal".
    convention : str
        The kink rule that was asked for; "" for none.
    share : float
        The worst element's error as a share of its budget: at most 1 is faithful.
    problem : str
        What is wrong beside the numbers (an exception, a shape, a changed input); "" if nothing.
    """

    case: Case
    dtype: str
    output: str
    convention: str
    share: float
    problem: str = ""

    @property
    def grade(self) -> Grade:
        """The grade of the worst element."""
        return Grade.FAITHFUL if self.share <= 1.0 and not self.problem else Grade.WRONG


@dataclass(frozen=True)
class Verification:
    """All outcomes of a run, and the functions that the target lacks."""

    outcomes: tuple[Outcome, ...]
    skipped: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether anything ran, and nothing was wrong."""
        return bool(self.outcomes) and all(outcome.grade == Grade.FAITHFUL for outcome in self.outcomes)


def verify(
    cases: Iterable[Case],
    target: Any,
    dtypes: Collection[str] = DTYPES,
    operations: Collection[str] = tuple(OPERATIONS),
) -> Verification:
    """Run a target on golden cases.

    Parameters
    ----------
    cases : iterable of Case
        With their outputs, as `refwarp.golden.format.read` returns them.
    target : module or object
        See `refwarp.golden.operations`.
    dtypes, operations : collections of str
        What to run: by default everything.

    Returns
    -------
    Verification

    Raises
    ------
    ValueError
        If a dtype or an operation is unknown.
    """
    _check_names("dtypes", dtypes, DTYPES)
    _check_names("operations", operations, tuple(OPERATIONS))
    outcomes: list[Outcome] = []
    skipped: dict[str, None] = {}
    for case in cases:
        if case.operation not in operations:
            continue
        for call in OPERATIONS[case.operation]:
            function = call.function(case.operation)
            if not hasattr(target, function):
                skipped[function] = None
            elif case.result != "invalid" or call.part == "forward":
                for dtype in dtypes:
                    if all(is_exact(array, dtype) for array in case.inputs.values()):
                        outcomes.extend(_run(case, call, target, dtype))
    return Verification(tuple(outcomes), tuple(skipped))


def share(result: npt.NDArray[Any], truth: Truth, dtype: str) -> Floats:
    """Return each element's error as a share of its budget, of the shape of the truth.

    An element that should be NaN has 0 if it is and infinity if it is not; so has a non-finite one that should
    be finite. The truth is known to half of float64's smallest number, so that much is taken off the error.
    """
    elements = truth.elements
    value, k = elements["value"], elements["k"]
    relative = (truth.c + np.log2(np.maximum(k, 1))) * float(UNIT_ROUNDOFF[dtype])
    budget = relative * elements["M"] + k * float(SMALLEST[dtype])
    with np.errstate(all="ignore"):
        error = np.abs((result.astype(np.float64) - value) - elements["remainder"])
        shares: Floats = np.maximum(error / budget - 0.5 * (float(SMALLEST["float64"]) / budget), 0.0)
    shares[budget == 0.0] = math.inf
    shares[error == 0.0] = 0.0
    shares[~np.isfinite(result)] = math.inf
    shares[np.isnan(value)] = np.where(np.isnan(result), 0.0, math.inf)[np.isnan(value)]
    return shares


def _check_names(argument: str, given: Collection[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"{argument}: given {name!r}, expected some of {', '.join(known)}")


def _run(case: Case, call: Call, target: Any, dtype: str) -> Iterator[Outcome]:
    """Call one function of the target, with each convention that it knows."""
    conventions = getattr(target, "KINKS", ()) if call.kinks else ()
    for convention in conventions or ("",):
        options = {**case.options, "kink": convention} if convention else case.options
        results, problem = _call(case, call, target, dtype, options)
        if case.result == "invalid":
            yield Outcome(case, dtype, "refusal", "", math.inf if problem else 0.0, problem)
            continue
        for path, result in zip(call.paths(), results, strict=True):
            truths = case.conventions(path)
            asked = [truths[convention]] if convention in truths else list(truths.values())
            yield _judged(case, dtype, path, convention, result, asked, problem)


def _call(case: Case, call: Call, target: Any, dtype: str, options: Mapping[str, Any]) -> tuple[tuple[Any, ...], str]:
    """Return the target's results (Nones if there are none), and what is wrong with the call; "" if nothing."""
    arrays = [case.inputs[name].astype(dtype) for name in call.arguments if name in case.inputs]
    copies = [array.copy() for array in arrays]
    nothing = (None,) * len(call.outputs)
    try:
        results = getattr(target, call.function(case.operation))(*arrays, **options)
    except Exception as error:  # whatever a target raises is a verdict, not our failure
        if case.result == "invalid" and isinstance(error, REFUSALS):
            return nothing, ""
        return nothing, f"raised {type(error).__name__}: {error}"
    if case.result == "invalid":
        return nothing, "was not refused"
    results = results if isinstance(results, tuple) else (results,)
    if len(results) != len(call.outputs):
        return nothing, f"returned {len(results)} arrays, expected {len(call.outputs)}"
    for name, array, copy in zip(call.arguments, arrays, copies, strict=True):
        if array.tobytes() != copy.tobytes():
            return results, f"wrote into {name}"
    return results, ""


def _judged(
    case: Case, dtype: str, path: str, convention: str, result: Any, truths: list[Truth], problem: str
) -> Outcome:
    """Judge one output: its kind, dtype and shape, then its elements, each by the answer that is nearest."""
    shape = truths[0].elements.shape
    if not problem and not isinstance(result, np.ndarray):
        problem = f"returned {type(result).__name__}, expected an array"
    elif not problem and (result.dtype != dtype or result.shape != shape):
        problem = f"returned {result.dtype}{result.shape}, expected {dtype}{shape}"
    if problem:
        return Outcome(case, dtype, path, convention, math.inf, problem)
    worst = np.minimum.reduce([share(result, truth, dtype) for truth in truths]).max(initial=0.0)
    return Outcome(case, dtype, path, convention, float(worst))
