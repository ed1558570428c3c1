"""What a verification found, for people and for programs.

Here are the lines of the table, and the sentences that all reports share. `terminal` prints them; `html` makes one
page that needs nothing beside itself, with the errors as `pictures`; `json` has every outcome, for programs; `junit`
is what continuous integration reads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refwarp.files import atomic_write, check_output_file
from refwarp.golden.format import Golden
from refwarp.golden.layouts import CONTIGUOUS
from refwarp.golden.operations import choice
from refwarp.golden.outcomes import Grade, Outcome, Verification

# The kinds of report files.
SUFFIXES = (".html", ".json", ".xml")


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
        The first that is not as good as required.
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


def lines(verification: Verification, by_output: bool = True) -> list[Line]:
    """Return the table by operations, one line for each dtype, and for each output unless all go into one."""
    groups: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for outcome in verification.outcomes:
        key = outcome.case.operation, outcome.output if by_output else "", outcome.dtype, outcome.layout
        groups.setdefault(key, []).append(outcome)
    return [
        _line(key, group, verification.required) for key, group in sorted(groups.items(), key=lambda item: item[0][0])
    ]


def _line(key: tuple[str, str, str, str], group: list[Outcome], required: Grade) -> Line:
    grades: dict[str, Grade] = {}
    for outcome in group:
        grades[outcome.case.name] = max(outcome.grade, grades.get(outcome.case.name, Grade.FAITHFUL))
    counts = [sum(found == grade for found in grades.values()) for grade in Grade]
    return Line(
        *key,
        cases=len(grades),
        faithful=counts[Grade.FAITHFUL],
        working=counts[Grade.WORKING],
        wrong=counts[Grade.WRONG],
        worst=max(outcome.share for outcome in group),
        grade=max(grades.values()),
        first=next((outcome for outcome in group if outcome.grade > required), None),
    )


def summary(verification: Verification) -> str:
    """Return the verdict in a sentence or two."""
    cases = {outcome.case.name for outcome in verification.outcomes}
    failing = {outcome.case.name for outcome in verification.failures}
    wrong = {outcome.case.name for outcome in verification.outcomes if outcome.grade == Grade.WRONG}
    below = {outcome.case.name for outcome in verification.outcomes if outcome.grade == Grade.WORKING} - wrong
    if not cases:
        verdict = "No case ran, so nothing is verified."
    elif wrong:
        verdict = f"{len(wrong)} of {len(cases)} cases are wrong."
    elif failing:
        verdict = f"{len(failing)} of {len(cases)} cases are not {verification.required.word}."
    else:
        worst = number(max(outcome.share for outcome in verification.outcomes))
        most = f"All {len(cases)} cases are" if not below else f"{len(cases) - len(below)} of {len(cases)} cases are"
        rest = f", the others of {Grade.WORKING.word}" if below else ""
        verdict = f"{most} faithful{rest}; the worst error is {worst} of its budget."
    skipped = sum(skip.count for skip in verification.skipped)
    return f"{verdict} {skipped} calls were skipped." if skipped else verdict


def describe(outcome: Outcome) -> str:
    """Return what is wrong with an outcome: where, how far, and what its case is for."""
    return f"{place(outcome)}: {flaw(outcome)}. {outcome.case.comment}"


def place(outcome: Outcome) -> str:
    """Return where an outcome is: case, output, and the run."""
    return f"{outcome.case.name}, {outcome.output} in {run(outcome)}"


def run(outcome: Outcome) -> str:
    """Return how a case was run: the dtype, the memory layout, and the convention where one was asked for."""
    asked = f" with {choice(outcome.case.operation, outcome.case.options)}={outcome.convention}"
    return setting(outcome.dtype, outcome.layout) + (asked if outcome.convention else "")


def setting(what: str, layout: str) -> str:
    """Return a dtype, or the name of a function, with the memory layout beside it if that is an unusual one.

    Examples
    --------
    >>> setting("float32", "contiguous"), setting("float32", "fortran")
    ('float32', 'float32 (fortran)')
    """
    return what if layout in (CONTIGUOUS, "") else f"{what} ({layout})"


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
