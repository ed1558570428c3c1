"""What came of verifying a target: replies to calls, the grade of each output, and all of it together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, Protocol

import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.grades import Profile, Shares
from refwarp.golden.layouts import CONTIGUOUS
from refwarp.golden.manners import ONCE, PLAIN, Calling
from refwarp.golden.operations import Call

# The output of a case that is to be refused: whether it was.
REFUSAL = "refusal"


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
    repeatable : bool
        Whether all calls with the same arguments gave the same bits, if there was more than one.
    """

    results: tuple[npt.NDArray[Any] | str, ...] = ()
    raised: str = ""
    refused: bool = False
    missing: str = ""
    broken: str = ""
    repeatable: bool = True


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

    @property
    def selects_gradients(self) -> bool:
        """Whether it can be asked for some gradients only."""
        ...

    @property
    def takes_threads(self) -> bool:
        """Whether it may be called by two threads at the same time."""
        ...

    def offers(self, function: str) -> bool:
        """Tell whether there is such a function."""
        ...

    def conventions(self, case: Case, dtype: str) -> Sequence[str]:
        """Return the conventions that it can be asked for in a case, some of `operations.CHOICES`."""
        ...

    def reply(
        self,
        case: Case,
        call: Call,
        dtype: str,
        options: Mapping[str, Any],
        layout: str = CONTIGUOUS,
        calling: Calling = PLAIN,
    ) -> Reply:
        """Run one call of one case in some manner, on arrays in a memory layout, if it takes any."""
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
        "part/output", or `REFUSAL`.
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
    manner : str
        How it was called, one of `MANNERS`.
    repeatable : bool
        Whether all calls with the same arguments gave the same bits, if there was more than one.
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
    manner: str = ONCE
    repeatable: bool = True

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
    manner: str = ONCE

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
    sample : tuple of Outcome
        Of a sample of the cases, in other memory layouts and called in other manners.
    sample_skipped : tuple of Skip
        The calls of the sample that it does not offer.
    common : tuple of str
        What failures have in common, in sentences, as `refwarp.golden.separating.sentences` finds them.
    skips_fail : bool
        Whether a call that was skipped, but for those of the sample, makes the verification fail.
    """

    target: str
    version: str
    profile: Profile
    outcomes: tuple[Outcome, ...]
    skipped: tuple[Skip, ...] = ()
    remarks: tuple[str, ...] = ()
    required: Grade = Grade.WORKING
    sample: tuple[Outcome, ...] = ()
    sample_skipped: tuple[Skip, ...] = ()
    common: tuple[str, ...] = ()
    skips_fail: bool = False

    @property
    def grade(self) -> Grade:
        """The grade of the worst outcome; nothing verified is wrong."""
        return max((outcome.grade for outcome in (*self.outcomes, *self.sample)), default=Grade.WRONG)

    @property
    def passed(self) -> bool:
        """Whether anything ran, all of it is as good as required, and what may not be skipped was not."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 if it passed, 1 if something is wrong or nothing ran, 3 if only calls were skipped that may not be."""
        if self.grade > self.required:
            return 1
        return 3 if self.skips_fail and self.skipped else 0

    @property
    def unrepeatable(self) -> tuple[Outcome, ...]:
        """The outcomes whose calls gave other bits when they were repeated, and that are right all the same."""
        right = (outcome for outcome in (*self.outcomes, *self.sample) if outcome.grade <= self.required)
        return tuple(outcome for outcome in right if not outcome.repeatable)

    @cached_property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that are not as good as required, those of the smallest cases first."""
        failing = [outcome for outcome in (*self.outcomes, *self.sample) if outcome.grade > self.required]
        return tuple(sorted(failing, key=lambda outcome: outcome.case.size))

    @cached_property
    def smallest_failures(self) -> Mapping[str, Outcome]:
        """Of each operation that fails, the failure of its smallest case."""
        found: dict[str, Outcome] = {}
        for outcome in self.failures:
            found.setdefault(outcome.case.operation, outcome)
        return found
