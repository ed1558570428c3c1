"""What a verification found, for people: a table, the first failing case, and what was skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from refwarp.golden.case import Case
from refwarp.golden.verify import Grade, Outcome, Verification


@dataclass(frozen=True)
class Line:
    """One line of the table: one output of one operation in one dtype."""

    operation: str
    output: str
    dtype: str
    cases: int
    worst: float
    grade: Grade


def lines(verification: Verification) -> list[Line]:
    """Return the table, one line for each output of each operation in each dtype, in the order they ran."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in verification.outcomes:
        groups.setdefault((outcome.case.operation, outcome.output, outcome.dtype), []).append(outcome)
    return [
        Line(
            *key,
            cases=len({outcome.case.name for outcome in group}),
            worst=max(outcome.share for outcome in group),
            grade=max(outcome.grade for outcome in group),
        )
        for key, group in sorted(groups.items(), key=lambda item: (item[0][0], list(groups).index(item[0])))
    ]


def show(verification: Verification, console: Console) -> None:
    """Print the table and what a reader needs to know beside it."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for column in ("operation", "output", "dtype"):
        table.add_column(column, no_wrap=True)
    for column in ("cases", "error/budget"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for line in lines(verification):
        style = "red" if line.grade == Grade.WRONG else "green"
        worst = "-" if line.output == "refusal" else number(line.worst)
        verdict = f"[{style}]{line.grade.word}[/]"
        table.add_row(line.operation, line.output, line.dtype, str(line.cases), worst, verdict)
    console.print(table)
    for skip in verification.skipped:
        console.print(f"Skipped: {skip.count} calls of {skip.function}: {skip.reason}.", markup=False)
    console.print(summary(verification), markup=False)
    failures = [outcome for outcome in verification.outcomes if outcome.grade == Grade.WRONG]
    if failures:
        console.print(f"First failure: {describe(failures[0])}", markup=False, soft_wrap=True)


def summary(verification: Verification) -> str:
    """Return the verdict in one sentence."""
    cases = {outcome.case.name for outcome in verification.outcomes}
    wrong = {outcome.case.name for outcome in verification.outcomes if outcome.grade == Grade.WRONG}
    if not cases:
        return "No case ran, so nothing is verified."
    if wrong:
        return f"{len(wrong)} of {len(cases)} cases are wrong."
    worst = max(outcome.share for outcome in verification.outcomes)
    return f"All {len(cases)} cases are faithful; the worst error is {number(worst)} of its budget."


def describe(outcome: Outcome) -> str:
    """Return what is wrong with an outcome: where, how far, and what its case is for."""
    rule = f" with kink={outcome.convention}" if outcome.convention else ""
    what = outcome.problem or f"error / budget {number(outcome.share)}"
    return f"{outcome.case.name}, {outcome.output} in {outcome.dtype}{rule}: {what}. {outcome.case.comment}"


def show_case(case: Case, console: Console) -> None:
    """Print a case: what it is for, its inputs, and for each output the value and the budget's k, M and G."""
    console.print(f"{case.name} ({case.result}, exact in {case.dtype})", style="bold", markup=False)
    console.print(case.comment, markup=False)
    console.print(f"flags: {' '.join(case.flags)}", markup=False)
    for name, option in case.options.items():
        console.print(f"{name}: {option!r}", markup=False)
    with np.printoptions(threshold=64, linewidth=max(console.width - 4, 40)):
        for name, array in case.inputs.items():
            console.print(f"\n{name} {array.shape}\n{array}", markup=False, highlight=False)
        for path, truth in case.outputs.items():
            console.print(f"\n{path} {truth.elements.shape}, c = {truth.c:g}", markup=False)
            for name in ("value", "k", "M", "G"):
                console.print(f"{name}:\n{truth.elements[name]}", markup=False, highlight=False)


def number(share: float) -> str:
    """Return a share as it is printed.

    Examples
    --------
    >>> number(0.12345)
    '0.123'
    """
    return f"{share:.3g}"
