"""Verifying a target: each of its answers, element by element, against the truth and its bounds (`grades`).

A case is run in each dtype that holds its inputs exactly and whose range holds its results. A target that knows
conventions by name is asked for each one's answer, in every case: where there is no kink all are the same. Any
other target may give one of the answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import IntEnum
from itertools import product
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Truth, is_exact
from refwarp.golden.flags import FLAGS
from refwarp.golden.grades import PROFILES, Profile, Shares, shares
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS
from refwarp.golden.operations import OPERATIONS, Call, choice, conventions

# What a target can be run in, and what it is run in unless it says otherwise.
DTYPES = ("float16", "bfloat16", "float32", "float64")
USUAL_DTYPES = ("float32", "float64")

# The largest finite number of each.
LARGEST = {
    "float16": 65504.0,
    "bfloat16": (2.0 - 2.0**-7) * 2.0**127,
    "float32": float(np.finfo(np.float32).max),
    "float64": float(np.finfo(np.float64).max),
}


class Grade(IntEnum):
    """How good an answer is; the larger the worse."""

    FAITHFUL = 0
    WORKING = 1
    WRONG = 2

    @property
    def word(self) -> str:
        """The grade in a table."""
        return "working precision" if self is Grade.WORKING else self.name.lower()


@dataclass(frozen=True)
class Reply:
    """What came back from a call.

    Attributes
    ----------
    results : tuple
        One for each output, if the call returned: an array, or text that says what there is in its place.
    raised : str
        The exception and its message, if it raised; "" if not.
    refused : bool
        Whether that exception is one that refuses a call: a ValueError, TypeError, RuntimeError or a subclass.
    missing : str
        Why the target does not offer this call; "" if it does.
    broken : str
        What else is wrong with the call: it hung, the process died, an input was written into. "" if nothing.
    """

    results: tuple[npt.NDArray[Any] | str, ...] = ()
    raised: str = ""
    refused: bool = False
    missing: str = ""
    broken: str = ""


class Target(Protocol):
    """Something that can be verified: a module in this process or in another, or a file of results."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    @property
    def version(self) -> str:
        """Which it is; "" if it does not say."""
        ...

    @property
    def dtypes(self) -> tuple[str, ...]:
        """What it can be run in."""
        ...

    @property
    def takes_arrays(self) -> bool:
        """Whether it is handed arrays, in any memory layout: not if all was computed before."""
        ...

    def offers(self, function: str) -> bool:
        """Tell whether there is such a function."""
        ...

    def conventions(self, case: Case, dtype: str) -> Sequence[str]:
        """Return the conventions that it can be asked for in a case, some of `operations.CHOICES`."""
        ...

    def reply(self, case: Case, call: Call, dtype: str, options: Mapping[str, Any], layout: str = CONTIGUOUS) -> Reply:
        """Run one call of one case, on arrays in a memory layout if it takes any."""
        ...

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        """Return what else a reader should know, in sentences, given all cases of the suite."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of one output of one case in one dtype.

    Attributes
    ----------
    output : str
        "part/output", or "refusal".
    convention : str
        The convention that was asked for; "" for none.
    share, working_share : float
        The worst element's error as a share of its faithful and of its working-precision bound.
    problem : str
        What is wrong beside the numbers (an exception, a shape, a changed input); "" if nothing.
    result : array, optional
        What the target returned, where not all of it is faithful.
    shares : Shares, optional
        Each element's error as a share of its bounds, there too.
    layout : str
        How the arrays lay in memory that the target was handed; "" if it was handed none.
    """

    case: Case
    dtype: str
    output: str
    convention: str
    share: float
    working_share: float
    problem: str = ""
    result: npt.NDArray[Any] | None = field(default=None, compare=False)
    shares: Shares | None = field(default=None, compare=False)
    layout: str = CONTIGUOUS

    @property
    def grade(self) -> Grade:
        """The grade of the worst element."""
        if self.problem or self.working_share > 1.0:
            return Grade.WRONG
        return Grade.FAITHFUL if self.share <= 1.0 else Grade.WORKING


@dataclass(frozen=True)
class Skip:
    """Calls of a function that a target does not offer, for a reason: the names of their cases, and the dtypes."""

    function: str
    reason: str
    calls: tuple[tuple[str, str], ...]
    layout: str = CONTIGUOUS

    @property
    def count(self) -> int:
        """How many calls."""
        return len(self.calls)


@dataclass(frozen=True)
class Verification:
    """What a target was, all outcomes of its run, what it does not offer, and how good it has to be.

    Attributes
    ----------
    skipped : tuple of Skip
        The calls that it does not offer.
    remarks : tuple of str
        What else a reader should know, in sentences.
    required : Grade
        The worst grade that passes.
    """

    target: str
    version: str
    profile: Profile
    outcomes: tuple[Outcome, ...]
    skipped: tuple[Skip, ...] = ()
    remarks: tuple[str, ...] = ()
    required: Grade = Grade.WORKING

    @property
    def grade(self) -> Grade:
        """The grade of the worst outcome; nothing verified is wrong."""
        return max((outcome.grade for outcome in self.outcomes), default=Grade.WRONG)

    @property
    def passed(self) -> bool:
        """Whether anything ran, and all of it is as good as required."""
        return self.grade <= self.required

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that are not as good as required."""
        return tuple(outcome for outcome in self.outcomes if outcome.grade > self.required)


@dataclass(frozen=True)
class Selection:
    """Which cases to run, and on arrays in which memory layouts.

    Empty collections select all cases, contiguous arrays, and leave out none: cases with any of `without_flags` are
    left out.
    """

    dtypes: Collection[str] = ()
    operations: Collection[str] = ()
    flags: Collection[str] = ()
    cases: Collection[str] = ()
    without_flags: Collection[str] = ()
    layouts: Collection[str] = ()

    def check(self, cases: Sequence[Case], target: Target) -> None:
        """Raise ValueError if a name is one that there is not, or one in which the target cannot run."""
        _check_names("dtype", self.dtypes, DTYPES)
        for dtype in self.dtypes:
            if dtype not in target.dtypes:
                raise ValueError(f"dtype: given {dtype!r}; {target.name} runs in {', '.join(target.dtypes)} only")
        _check_names("layout", self.layouts, tuple(LAYOUTS))
        if self.layouts and not target.takes_arrays:
            raise ValueError(
                f"layout: given for {target.name}, which holds what was computed before, from arrays that lay "
                "elsewhere; leave --layout out, or verify an adapter"
            )
        _check_names("operation", self.operations, tuple(OPERATIONS))
        _check_names("flag", self.flags, tuple(FLAGS))
        _check_names("without-flag", self.without_flags, tuple(FLAGS))
        _check_names("case", self.cases, tuple(case.name for case in cases))

    def holds(self, case: Case) -> bool:
        """Tell whether a case is selected."""
        return self.asks_for(case) and not any(flag in self.without_flags for flag in case.flags)

    def asks_for(self, case: Case) -> bool:
        """Tell whether a case is selected, but for what `without_flags` leaves out."""
        return (
            (not self.operations or case.operation in self.operations)
            and (not self.flags or any(flag in self.flags for flag in case.flags))
            and (not self.cases or case.name in self.cases)
        )

    def remarks(self, cases: Iterable[Case]) -> Iterator[str]:
        """Yield, in a sentence, what `without_flags` leaves out of the cases that are asked for."""
        if self.without_flags:
            flags = " or ".join(dict.fromkeys(self.without_flags))
            count = sum(self.asks_for(case) and not self.holds(case) for case in cases)
            yield f"Left out, as asked: {count} cases with the flag {flags}."


def verify(
    cases: Iterable[Case],
    target: Target,
    selection: Selection | None = None,
    profile: Profile = PROFILES["float"],
    required: Grade = Grade.WORKING,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Run a target on golden cases.

    Parameters
    ----------
    cases : iterable of Case
        With their outputs, as `refwarp.golden.format.read` returns them.
    target : Target
        See `refwarp.golden.targets`.
    selection : Selection, optional
        What to run: everything in each dtype of the target, if not given.
    profile : Profile
        What is working precision; by default coordinates in floating point.
    required : Grade
        The worst grade that passes.
    progress : callable, optional
        Is told, after each case, how many are done of how many.

    Returns
    -------
    Verification

    Raises
    ------
    ValueError
        If a dtype, an operation, a flag or a case is unknown, or the target does not run in a dtype.
    """
    everything, selection = list(cases), selection or Selection()
    selection.check(everything, target)
    todo = [case for case in everything if selection.holds(case)]
    layouts = dict.fromkeys(selection.layouts or (CONTIGUOUS,)) if target.takes_arrays else ("",)
    outcomes: list[Outcome] = []
    skipped: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for done, case in enumerate(todo, 1):
        for dtype in dict.fromkeys(selection.dtypes or target.dtypes):
            if not is_asked(case, dtype):
                continue
            for call, layout in product(_calls(case), layouts):
                for found in _run(case, call, target, dtype, profile, layout):
                    if isinstance(found, Outcome):
                        outcomes.append(replace(found, layout=layout))
                    else:
                        key = call.function(case.operation), found, layout
                        skipped.setdefault(key, []).append((case.name, dtype))
        if progress:
            progress(done, len(todo))
    skips = tuple(Skip(function, reason, tuple(calls), layout) for (function, reason, layout), calls in skipped.items())
    remarks = (*selection.remarks(everything), *target.remarks(everything))
    return Verification(target.name, target.version, profile, tuple(outcomes), skips, remarks, required)


def is_asked(case: Case, dtype: str) -> bool:
    """Tell whether a dtype holds all inputs of a case exactly, and its range what the case computes."""
    largest = max((float(truth.elements["M"].max(initial=0.0)) for truth in case.outputs.values()), default=0.0)
    return largest <= LARGEST[dtype] and all(is_exact(array, dtype) for array in case.inputs.values())


def _check_names(argument: str, given: Collection[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            few = len(known) <= 12
            some = known if few else get_close_matches(name, known, n=3, cutoff=0.0)
            raise ValueError(
                f"{argument}: given {name!r}, {'expected some of' if few else 'which there is not; the nearest are'} "
                f"{', '.join(some)}"
            )


def _calls(case: Case) -> list[Call]:
    """Return the calls of a case: those of which it says what they should return, or that they are refused."""
    return [
        call
        for call in OPERATIONS[case.operation]
        if call.part == "forward" or (case.result != "invalid" and any(map(case.conventions, call.paths())))
    ]


def _run(case: Case, call: Call, target: Target, dtype: str, profile: Profile, layout: str) -> Iterator[Outcome | str]:
    """Yield the outcomes of one call, with each convention that the target knows; or why it does not offer it."""
    function = call.function(case.operation)
    if not target.offers(function):
        yield "there is no such function"
        return
    option = choice(case.operation, case.options)
    offered = target.conventions(case, dtype) if option and case.result != "invalid" else ()
    known = [name for name in offered if name in conventions(case.operation, case.options)]
    for convention in known or [""]:
        options = {**case.options, option: convention} if convention else dict(case.options)
        reply = target.reply(case, call, dtype, options, layout)
        if reply.missing:
            yield reply.missing
        elif case.result == "invalid":
            problem = reply.broken or _acceptance(reply)
            worst = math.inf if problem else 0.0
            yield Outcome(case, dtype, "refusal", "", worst, worst, problem)
        else:
            yield from _judged(case, call, dtype, convention, reply, profile)


def _acceptance(reply: Reply) -> str:
    """Return what is wrong with the reply to a call that should be refused; "" if it was."""
    if not reply.raised:
        return "was not refused"
    return "" if reply.refused else f"was not refused but raised {reply.raised}"


def _judged(case: Case, call: Call, dtype: str, convention: str, reply: Reply, profile: Profile) -> Iterator[Outcome]:
    """Judge a reply: the call, then each output's kind, dtype and shape, then its elements."""
    problem = reply.broken or (f"raised {reply.raised}" if reply.raised else "")
    if not problem and len(reply.results) != len(call.outputs):
        problem = f"returned {len(reply.results)} arrays, expected {len(call.outputs)}"
    results = reply.results if len(reply.results) == len(call.outputs) else ("",) * len(call.outputs)
    move = profile.move(case, dtype)
    for path, result in zip(call.paths(), results, strict=True):
        truths = case.conventions(path)
        if not truths:  # the gradient of an argument that the case leaves out
            continue
        asked = [truths[convention]] if convention in truths else list(truths.values())
        yield _outcome(case, dtype, path, convention, result, asked, move, problem)


def _outcome(
    case: Case,
    dtype: str,
    path: str,
    convention: str,
    result: npt.NDArray[Any] | str,
    truths: list[Truth],
    move: float,
    problem: str,
) -> Outcome:
    if problem or isinstance(result, str):
        return Outcome(case, dtype, path, convention, math.inf, math.inf, problem or str(result))
    shape, carried = truths[0].elements.shape, "float32" if dtype == "bfloat16" else dtype
    if result.dtype != carried or result.shape != shape:
        problem = f"returned {result.dtype}{list(result.shape)}, expected {carried}{list(shape)}"
        return Outcome(case, dtype, path, convention, math.inf, math.inf, problem)
    found = shares(result, truths, case.seams.get(path), dtype, move)
    worst, working = (float(each.max(initial=0.0)) for each in (found.faithful, found.working))
    details = (result.copy(), found) if worst > 1.0 else (None, None)
    return Outcome(case, dtype, path, convention, worst, working, "", *details)
