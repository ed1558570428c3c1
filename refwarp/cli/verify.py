"""`refwarp verify`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from refwarp.cli.options import GoldenOption


class _Profile(StrEnum):
    FLOAT = "float"
    FIXED5 = "fixed5"
    FIXED8 = "fixed8"
    FIXED9 = "fixed9"


class _Required(StrEnum):
    FAITHFUL = "faithful"
    WORKING = "working"


def verify(  # noqa: PLR0913 - its options
    target: Annotated[
        str,
        typer.Argument(
            help="refwarp, refwarp:cuda, refwarp:simulator, a peer as torch, an adapter as mine.py, or a file of "
            "results as mine.h5."
        ),
    ] = "refwarp",
    golden: GoldenOption = None,
    dtype: Annotated[list[str] | None, typer.Option(help="float32, ..., repeatable. [default: the target's]")] = None,
    operation: Annotated[list[str] | None, typer.Option(help="grid_sample, ..., repeatable. [default: all]")] = None,
    flag: Annotated[list[str] | None, typer.Option(help="NearSeam, ..., repeatable: any. [default: all]")] = None,
    without_flag: Annotated[
        list[str] | None, typer.Option(help="Subnormal, ..., repeatable: leave out cases with any. [default: none]")
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="operation/name, repeatable. [default: all]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the cases, chosen to have most of all.")] = False,
    layout: Annotated[
        list[str] | None,
        typer.Option(help="How arrays lie in memory: fortran, ..., or all; repeatable. [default: contiguous]"),
    ] = None,
    profile: Annotated[_Profile, typer.Option(help="How coordinates are rounded.")] = _Profile.FLOAT,
    require: Annotated[_Required, typer.Option(help="The grade that every case must have.")] = _Required.WORKING,
    timeout: Annotated[
        float, typer.Option(min=0.01, max=86400, help="Seconds for a call in another process; the first: 5 times.")
    ] = 60.0,
    report: Annotated[list[Path] | None, typer.Option(help="A .html, .json or .xml (JUnit) file, repeatable.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for each output.")] = False,
) -> None:
    """Check an implementation against exact values, element by element.

    The exit code is 0 if every case that ran has the required grade, 1 if not or if none ran, and 2 if the command
    could not run as asked, or what it found cannot be printed or written.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    from refwarp.golden import SUITE
    from refwarp.golden.grades import PROFILES
    from refwarp.golden.layouts import LAYOUTS
    from refwarp.golden.quick import quick as tenth
    from refwarp.golden.reading import read
    from refwarp.golden.report import check_report_paths, write
    from refwarp.golden.report.terminal import show
    from refwarp.golden.targets import load
    from refwarp.golden.verify import Grade, Selection, verify
    from refwarp.terminal.console import TextConsole, text_column

    source, reports = golden or SUITE, report or ()
    check_report_paths(reports, source)
    laid = tuple(LAYOUTS) if "all" in (layout or ()) else layout or ()
    selection = Selection(
        dtype or (), operation or (), flag or (), case or (), layouts=laid, without_flags=without_flag or ()
    )
    stderr = TextConsole(stderr=True)
    columns = text_column("description"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    with load(target, timeout) as loaded, progress as bar:
        suite = read(source)
        cases = tenth(suite.cases) if quick else suite.cases
        task = bar.add_task(f"Verifying {target}")
        found = verify(
            cases,
            loaded,
            selection,
            PROFILES[profile],
            Grade[require.upper()],
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if quick:
        said = f"Quick: {len(cases)} of {len(suite.cases)} cases were asked; leave --quick out for a verdict."
        found = replace(found, remarks=(said, *found.remarks))
    lost: list[Exception] = []
    for path in reports:
        try:
            write(path, found, suite)
        except (OSError, ValueError) as error:  # the other reports, and the verdict, are worth having
            lost.append(error)
    show(found, TextConsole(), verbose)
    if lost:
        raise OSError("; ".join(map(str, lost)))
    raise typer.Exit(0 if found.passed else 1)
