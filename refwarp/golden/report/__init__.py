"""What a verification found, for people and for programs.

Here are the lines of the table, and the sentences that all reports share. `terminal` prints them; `html` makes one
page that needs nothing beside itself, with the errors as `pictures`; `json` has every outcome, for programs; `junit`
is what continuous integration reads, and `github` what GitHub's shows.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refwarp.files import atomic_write, check_output_file
from refwarp.golden.format import Golden
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS
from refwarp.golden.manners import MANNERS, ONCE
from refwarp.golden.operations import choice
from refwarp.golden.outcomes import Grade, Outcome, Verification

# The kinds of report files.
SUFFIXES = (".html", ".json", ".xml")
# A sentence names no more than this.
_MOST_NAMES = 5


@dataclass(frozen=True)
class Line:
    """One line of the table: an operation, or one output of it, in one dtype and on arrays in one memory layout.

    Attributes
    ----------
    output : str
        "part/output" or "refusal"; "" if the line is about all of them.
    cases, faithful, working, wrong : int
        How many cases ran, and how many of them have each grade as their worst.
    worst : float
        The worst error as a share of its faithful budget.
    first : Outcome or None
        The one of the smallest case that is not as good as required.
    manner : str
        How it was called, one of `MANNERS`.
    """

    operation: str
    output: str
    dtype: str
    layout: str
    cases: int
    faithful: int
    working: int
    wrong: int
    worst: float
    grade: Grade
    first: Outcome | None
    manner: str = ONCE


@dataclass(frozen=True)
class Asked:
    """What came of one memory layout or manner of the sample.

    Attributes
    ----------
    calls : int
        How many outcomes there are.
    wrong : int
        How many of them are not as good as required.
    unrepeatable : int
        How many of the others gave other bits when their calls were repeated.
    skipped : int
        How many calls it does not offer.
    first : Outcome or None
        The one of the smallest case that is not as good as required.
    """

    layout: str
    manner: str
    calls: int
    wrong: int
    unrepeatable: int
    skipped: int
    first: Outcome | None

    @property
    def way(self) -> str:
        """The layout or the manner, whichever is not the usual one."""
        return self.layout if self.manner == ONCE else self.manner


def asked(verification: Verification) -> list[Asked]:
    """Return what came of the sample, one line for each memory layout and each manner; [] if there was none."""
    if not (verification.sample or verification.sample_skipped):
        return []
    found: dict[tuple[str, str], list[Outcome]] = {(CONTIGUOUS, manner): [] for manner in MANNERS if manner != ONCE}
    found = {**{(layout, ONCE): [] for layout in LAYOUTS if layout != CONTIGUOUS}, **found}
    for outcome in verification.sample:
        found.setdefault((outcome.layout, outcome.manner), []).append(outcome)
    skipped = Counter({way: 0 for way in found})
    for skip in verification.sample_skipped:
        skipped[skip.layout, skip.manner] += skip.count
    return [
        Asked(
            *way,
            len(group),
            sum(outcome.grade > verification.required for outcome in group),
            sum(outcome.grade <= verification.required and not outcome.repeatable for outcome in group),
            skipped[way],
            _smallest(group, verification.required),
        )
        for way, group in found.items()
        if group or skipped[way]
    ]


def determinism(verification: Verification) -> str:
    """Return in a sentence which calls are not deterministic; "" if all that were repeated are, or none was."""
    found = verification.unrepeatable
    if not found:
        return ""
    names = sorted({f"{outcome.case.operation}, {outcome.output} in {outcome.dtype}" for outcome in found})
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (
        f"Not deterministic: the same call did not always return the same bits in {'; '.join(names[:_MOST_NAMES])}"
        f"{more}. That is no failure: each result is judged by its error."
    )


def _smallest(outcomes: Sequence[Outcome], required: Grade) -> Outcome | None:
    failing = [outcome for outcome in outcomes if outcome.grade > required]
    return min(failing, key=lambda outcome: outcome.case.size, default=None)


def lines(verification: Verification, by_output: bool = True) -> list[Line]:
    """Return the table by operations, one line for each dtype, and for each output unless all go into one."""
    groups: dict[tuple[str, str, str, str, str], list[Outcome]] = {}
    for outcome in verification.outcomes:
        way = outcome.layout, outcome.manner
        key = outcome.case.operation, outcome.output if by_output else "", outcome.dtype, *way
        groups.setdefault(key, []).append(outcome)
    return [
        _line(key, group, verification.required) for key, group in sorted(groups.items(), key=lambda item: item[0][0])
    ]


def _line(key: tuple[str, str, str, str, str], group: list[Outcome], required: Grade) -> Line:
    grades: dict[str, Grade] = {}
    for outcome in group:
        grades[outcome.case.name] = max(outcome.grade, grades.get(outcome.case.name, Grade.FAITHFUL))
    counts = [sum(found == grade for found in grades.values()) for grade in Grade]
    return Line(
        *key[:4],
        manner=key[4],
        cases=len(grades),
        faithful=counts[Grade.FAITHFUL],
        working=counts[Grade.WORKING],
        wrong=counts[Grade.WRONG],
        worst=max(outcome.share for outcome in group),
        grade=max(grades.values()),
        first=_smallest(group, required),
    )


def summary(verification: Verification) -> str:
    """Return the verdict in a sentence or two."""
    outcomes = (*verification.outcomes, *verification.sample)
    cases = {outcome.case.name for outcome in outcomes}
    failing = {outcome.case.name for outcome in verification.failures}
    wrong = {outcome.case.name for outcome in outcomes if outcome.grade == Grade.WRONG}
    below = {outcome.case.name for outcome in outcomes if outcome.grade == Grade.WORKING} - wrong
    if not cases:
        verdict = "No case ran, so nothing is verified."
    elif wrong:
        verdict = f"{len(wrong)} of {len(cases)} cases are wrong."
    elif failing:
        verdict = f"{len(failing)} of {len(cases)} cases are not {verification.required.word}."
    else:
        worst = number(max(outcome.share for outcome in outcomes))
        most = f"All {len(cases)} cases are" if not below else f"{len(cases) - len(below)} of {len(cases)} cases are"
        rest = f", the others of {Grade.WORKING.word}" if below else ""
        verdict = f"{most} faithful{rest}; the worst error is {worst} of its budget."
    skipped = sum(skip.count for skip in verification.skipped)
    if not skipped:
        return verdict
    return f"{verdict} {skipped} calls were skipped{', which fails, as asked' if verification.skips_fail else ''}."


def describe(outcome: Outcome) -> str:
    """Return what is wrong with an outcome: where, how far, and what its case is for."""
    return f"{place(outcome)}: {flaw(outcome)}. {outcome.case.comment}"


def place(outcome: Outcome) -> str:
    """Return where an outcome is: case, output, and the run."""
    return f"{outcome.case.name}, {outcome.output} in {run(outcome)}"


def run(outcome: Outcome) -> str:
    """Return how a case was run: dtype, memory layout and manner, and the convention where one was asked for."""
    convention = f" with {choice(outcome.case.operation, outcome.case.options)}={outcome.convention}"
    return setting(outcome.dtype, outcome.layout, outcome.manner) + (convention if outcome.convention else "")


def setting(what: str, layout: str, manner: str = ONCE) -> str:
    """Return a dtype, or the name of a function, with the memory layout and the manner beside it if they are unusual.

    Examples
    --------
    >>> setting("float32", "contiguous"), setting("float32", "fortran"), setting("float32", "contiguous", "threads")
    ('float32', 'float32 (fortran)', 'float32 (called in two threads)')
    """
    unusual = [word for word in (layout, MANNERS[manner].words) if word not in (CONTIGUOUS, "")]
    return f"{what} ({', '.join(unusual)})" if unusual else what


def layouts(verification: Verification) -> list[str]:
    """Return the memory layouts of the arrays that the target was handed; [] if it was handed none."""
    ran = [outcome.layout for outcome in verification.outcomes]
    return list(filter(None, dict.fromkeys(ran + [skip.layout for skip in verification.skipped])))


def flaw(outcome: Outcome) -> str:
    """Return what is wrong with an outcome; of numbers, the one with the worst share."""
    if outcome.problem or outcome.result is None:
        return outcome.problem or f"error / budget {number(outcome.share)}"
    element = worst_element(outcome)
    expected = " or ".join(repr(value) for value in element.expected)
    return (
        f"error / budget {number(outcome.share)}, of {Grade.WORKING.word} {number(outcome.working_share)}; "
        f"at {list(element.index)} {element.result!r} instead of {expected}"
    )


@dataclass(frozen=True)
class Element:
    """One element of an output: its index, what it is, and what it should be, by any convention that was asked."""

    index: tuple[int, ...]
    result: float
    expected: tuple[float, ...]


def worst_element(outcome: Outcome) -> Element:
    """Return the element with the worst share, of working precision and then of the budget; there must be a result."""
    assert outcome.result is not None and outcome.shares is not None
    order = np.lexsort((outcome.shares.faithful.ravel(), outcome.shares.working.ravel()))
    index = np.unravel_index(order[-1], outcome.result.shape)
    truths = outcome.case.conventions(outcome.output)
    asked = [truths[outcome.convention]] if outcome.convention in truths else list(truths.values())
    expected = dict.fromkeys(float(truth.elements["value"][index]) for truth in asked)
    return Element(tuple(int(i) for i in index), float(outcome.result[index]), tuple(expected))


def number(share: float) -> str:
    """Return a share as it is printed.

    Examples
    --------
    >>> number(0.12345)
    '0.123'
    """
    return f"{share:.3g}"


# ---- files ----


def check_report_paths(paths: Sequence[str | os.PathLike[str]], source: str | os.PathLike[str]) -> None:
    """Make sure, before anything runs, that reports can be written, each into a file of its own.

    Parameters
    ----------
    paths : sequence of path
        The reports.
    source : path
        The golden file that is read.

    Raises
    ------
    ValueError
        As `check_report_path` does, or if a report is the golden file or another report, by whatever name.
    """
    taken: list[tuple[str | os.PathLike[str], Path]] = []
    for path in paths:
        target = check_report_path(path, source)
        for other, place in taken:
            if target == place or (os.path.exists(target) and os.path.exists(place) and target.samefile(place)):
                raise ValueError(
                    f"report: given {str(other)!r} and {str(path)!r}, which are one file; give another name"
                )
        taken.append((path, target))


def check_report_path(path: str | os.PathLike[str], source: str | os.PathLike[str] | None = None) -> Path:
    """Make sure that a report can be written, and takes not the place of `source`, a file that is read.

    Raises
    ------
    ValueError
        If the suffix is none of `SUFFIXES`, or the path is no place for a file, or is `source` by whatever name.
    """
    target = check_output_file(path, "report", source)
    if target.suffix.lower() not in SUFFIXES:
        raise ValueError(f"report: given {str(path)!r}, expected a name that ends in {', '.join(SUFFIXES)}")
    if not target.parent.is_dir():
        raise ValueError(f"report: given {str(path)!r}, but there is no folder {str(target.parent)!r}")
    return target


def write(path: str | os.PathLike[str], verification: Verification, suite: Golden) -> None:
    """Write a report, whole or not at all; its suffix, one of `SUFFIXES`, says of which kind.

    Raises
    ------
    ValueError
        As `check_report_path` does.
    OSError
        If the file cannot be written.
    """
    from refwarp.golden.report import html, json, junit

    kinds = {".html": html.page, ".json": json.document, ".xml": junit.document}
    content = kinds[check_report_path(path).suffix.lower()](verification, suite)
    with atomic_write(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
