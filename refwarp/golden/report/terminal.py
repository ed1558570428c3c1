"""What a verification found, in a terminal."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from refwarp.golden.case import Case
from refwarp.golden.layouts import CONTIGUOUS
from refwarp.golden.outcomes import Grade, Verification
from refwarp.golden.report import asked, describe, determinism, layouts, lines, number, setting, summary
from refwarp.terminal.console import TextConsole

# As wide are arrays at most.
_MOST_WIDTH = 120

STYLES = {Grade.FAITHFUL: "green", Grade.WORKING: "yellow", Grade.WRONG: "red"}


def show(verification: Verification, console: TextConsole, verbose: bool = False) -> None:
    """Print the table, with a line for each output if `verbose`, and what a reader needs to know beside it."""
    version = f" {verification.version}" if verification.version else ""
    profile = f"{verification.profile.description} ({verification.profile.name})"
    laid = layouts(verification)
    arrays = "" if laid in ([], [CONTIGUOUS]) else f", on arrays that are {', '.join(laid)}"
    console.print(f"{verification.target}{version}, {profile}{arrays}", soft_wrap=True)
    found = lines(verification, by_output=verbose)
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("operation", "output", "dtype") if verbose else ("operation", "dtype"):
        table.add_column(column, overflow="fold")
    for column in ("cases", "faithful", "working", "wrong", "error/budget"):
        table.add_column(column, justify="right", overflow="fold")
    for line in found:
        dtype = setting(line.dtype, line.layout, line.manner)
        places = (line.operation, line.output, dtype) if verbose else (line.operation, dtype)
        worst = "-" if line.output == "refusal" else number(line.worst)
        counts = (line.cases, line.faithful, line.working, line.wrong)
        cells = (*places, *(str(count) if count else "-" for count in counts), worst)
        table.add_row(*map(Text, cells), style=STYLES[line.grade])
    if found:
        console.print(table)
    _show_sample(verification, console)
    for sentence in verification.common:
        console.print(f"In common: {sentence}", highlight=False, soft_wrap=True)
    for outcome in verification.smallest_failures.values():
        console.print(f"Smallest failure: {describe(outcome)}", highlight=False, soft_wrap=True)
    if said := determinism(verification):
        console.print(said, highlight=False, soft_wrap=True)
    for skip in verification.skipped:
        function = setting(skip.function, skip.layout, skip.manner)
        console.print(f"Skipped: {skip.count} calls of {function}: {skip.reason}.", soft_wrap=True)
    for remark in verification.remarks:
        console.print(remark, soft_wrap=True)
    console.print(summary(verification), style="" if verification.passed else "bold red", soft_wrap=True)


def _show_sample(verification: Verification, console: TextConsole) -> None:
    """Print what came of the sample in other memory layouts and manners."""
    found = asked(verification)
    if not found:
        return
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("a sample of the cases")
    for column in ("results", "wrong", "not repeatable", "skipped calls"):
        table.add_column(column, justify="right")
    for line in found:
        counts = (line.calls, line.wrong, line.unrepeatable, line.skipped)
        style = STYLES[Grade.WRONG if line.wrong else Grade.FAITHFUL]
        table.add_row(*map(Text, (line.way, *(str(count) if count else "-" for count in counts))), style=style)
    console.print(table)


def show_case(case: Case, console: TextConsole) -> None:
    """Print a case: what it is for, its inputs, and for each output the value and the budget's k, M and G."""
    console.print(f"{case.name} ({case.result}, exact in {case.dtype})", style="bold")
    console.print(case.comment)
    console.print(f"flags: {' '.join(case.flags)}")
    for name, option in case.options.items():
        console.print(f"{name}: {option!r}")
    with np.printoptions(threshold=64, linewidth=min(max(console.width - 4, 40), _MOST_WIDTH)):
        for name, array in case.inputs.items():
            console.print(f"\n{name} {array.shape}\n{array}", highlight=False)
        for path, truth in case.outputs.items():
            console.print(f"\n{path} {truth.elements.shape}, c = {truth.c:g}")
            for name in ("value", "k", "M", "G"):
                console.print(f"{name}:\n{truth.elements[name]}", highlight=False)
