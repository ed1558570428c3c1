"""Verifying a target: each of its answers, element by element, against the truth and its bounds (`grades`).

A case is run in each dtype that holds its inputs exactly and whose range holds its results. A target that knows
conventions by name is asked for each one's answer, in every case: where there is no kink all are the same. Any
other target may give one of the answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Truth, is_exact
from refwarp.golden.flags import FLAGS
from refwarp.golden.grades import PROFILES, Profile, shares
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS
from refwarp.golden.manners import MANNERS, ONCE, Calling
from refwarp.golden.operations import OPERATIONS, Call, choice, conventions
from refwarp.golden.outcomes import REFUSAL, Grade, Outcome, Reply, Skip, Target, Verification
from refwarp.golden.sampling import other_options, sample

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


@dataclass(frozen=True)
class Selection:
    """Which cases to run, on arrays in which memory layouts, and called in which manners.

    Empty collections select all cases, contiguous arrays, one call each, and leave out none: cases with any of
    `without_flags` are left out. Manners other than `ONCE` are those of calls on contiguous arrays. `sampled` adds a
    sample of the cases in every other layout and every other manner.
    """

    dtypes: Collection[str] = ()
    operations: Collection[str] = ()
    flags: Collection[str] = ()
    cases: Collection[str] = ()
    without_flags: Collection[str] = ()
    layouts: Collection[str] = ()
    manners: Collection[str] = ()
    sampled: bool = False

    def check(self, cases: Sequence[Case], target: Target) -> None:
        """Raise ValueError if a name is one that there is not, or one in which the target cannot run."""
        _check_names("dtype", self.dtypes, DTYPES)
        for dtype in self.dtypes:
            if dtype not in target.dtypes:
                raise ValueError(f"dtype: given {dtype!r}; {target.name} runs in {', '.join(target.dtypes)} only")
        _check_names("layout", self.layouts, tuple(LAYOUTS))
        _check_names("manner", self.manners, tuple(MANNERS))
        for option, given in (("layout", self.layouts), ("manner", self.manners)):
            if given and not target.takes_arrays:
                raise ValueError(
                    f"{option}: given for {target.name}, which holds what was computed before, from arrays that lay "
                    f"elsewhere; leave --{option} out, or verify an adapter"
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

    def ways(self, target: Target) -> list[tuple[str, str]]:
        """Return the memory layouts and manners in which a target is asked for all selected cases."""
        if not target.takes_arrays:
            return [("", ONCE)]
        manners = dict.fromkeys(self.manners or (ONCE,))
        layouts = dict.fromkeys(self.layouts or (CONTIGUOUS,))
        return [
            *((layout, ONCE) for layout in layouts if ONCE in manners or self.layouts),
            *((CONTIGUOUS, manner) for manner in manners if manner != ONCE),
        ]

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
        If a dtype, an operation, a flag, a case, a layout or a manner is unknown, or the target does not run in a
        dtype.
    """
    everything, selection = list(cases), selection or Selection()
    selection.check(everything, target)
    todo = [case for case in everything if selection.holds(case)]
    ways = selection.ways(target)
    dtypes = tuple(dict.fromkeys(selection.dtypes or target.dtypes))
    found, sampled = _Found(), _Found()
    for done, case in enumerate(todo, 1):
        for dtype in dtypes:
            if is_asked(case, dtype):
                _ask(case, target, dtype, profile, ways, found, everything)
        if progress:
            progress(done, len(todo))
    if selection.sampled and target.takes_arrays:
        dtype = next((name for name in USUAL_DTYPES if name in dtypes), dtypes[0])
        others = [
            *((layout, ONCE) for layout in LAYOUTS if (layout, ONCE) not in ways),
            *((CONTIGUOUS, manner) for manner in MANNERS if (CONTIGUOUS, manner) not in ways),
        ]
        for case in sample([case for case in todo if is_asked(case, dtype)]):
            _ask(case, target, dtype, profile, others, sampled, everything)
    return Verification(
        target.name,
        target.version,
        profile,
        tuple(found.outcomes),
        found.skips(),
        (*selection.remarks(everything), *target.remarks(everything)),
        required,
        tuple(sampled.outcomes),
        sampled.skips(),
    )


class _Found:
    """Outcomes, and calls that were skipped."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self._skipped: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}

    def skip(self, case: Case, call: Call, dtype: str, reason: str, way: tuple[str, str]) -> None:
        """Note a call that was skipped."""
        self._skipped.setdefault((call.function(case.operation), reason, *way), []).append((case.name, dtype))

    def skips(self) -> tuple[Skip, ...]:
        """Return what was skipped, by function, reason, layout and manner."""
        return tuple(
            Skip(function, reason, tuple(calls), layout, manner)
            for (function, reason, layout, manner), calls in self._skipped.items()
        )


def _ask(
    case: Case,
    target: Target,
    dtype: str,
    profile: Profile,
    ways: Iterable[tuple[str, str]],
    found: _Found,
    suite: Sequence[Case],
) -> None:
    """Run all calls of a case in some layouts and manners, and add what comes of it to what was found."""
    for call in _calls(case):
        for layout, manner in ways:
            for calling in _callings(case, call, target, manner, suite):
                for outcome in _run(case, call, target, dtype, profile, layout, calling):
                    if isinstance(outcome, Outcome):
                        found.outcomes.append(replace(outcome, layout=layout, manner=manner))
                    else:
                        found.skip(case, call, dtype, outcome, (layout, manner))


def _callings(case: Case, call: Call, target: Target, manner: str, suite: Sequence[Case]) -> list[Calling]:
    """Return the calls of a function that a manner means."""
    if manner == "again" and case.result != "invalid":
        return [Calling(manner, others=other_options(case, suite))]
    if manner == "single":
        several = target.selects_gradients and call.part != "forward" and len(call.outputs) > 1
        return [Calling(manner, gradients=(output,)) for output in call.outputs] if several else []
    if manner == "threads" and not target.takes_threads:
        return []
    return [Calling(manner)] if manner == ONCE or case.result != "invalid" else []


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


def _run(
    case: Case, call: Call, target: Target, dtype: str, profile: Profile, layout: str, calling: Calling
) -> Iterator[Outcome | str]:
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
        reply = target.reply(case, call, dtype, options, layout, calling)
        if reply.missing:
            yield reply.missing
        elif case.result == "invalid":
            problem = reply.broken or _acceptance(reply)
            worst = math.inf if problem else 0.0
            yield Outcome(case, dtype, REFUSAL, "", worst, worst, problem)
        else:
            for outcome in _judged(case, call, dtype, convention, reply, profile):
                if not calling.gradients or outcome.output.partition("/")[2] in calling.gradients:
                    yield replace(outcome, repeatable=reply.repeatable)


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
