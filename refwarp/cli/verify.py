"""`refwarp verify`."""

from __future__ import annotations

import os
import sys
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


def _json_path(given: str) -> Path:
    if Path(given).suffix.lower() != ".json":
        raise ValueError(f"json: given {given!r}, expected a name that ends in .json, or - for stdout")
    return Path(given)


def verify(  # noqa: PLR0913 - its options
    target: Annotated[
        str,
        typer.Argument(
            help="refwarp, refwarp:cuda, refwarp:simulator, a peer as torch, an adapter as mine.py, or a file of "
            "results as mine.h5 or mine.json."
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
    layout: Annotated[
        list[str] | None,
        typer.Option(help="How arrays lie in memory: fortran, ..., or all; repeatable. [default: contiguous]"),
    ] = None,
    manner: Annotated[
        list[str] | None,
        typer.Option(help="How functions are called: once, again, ..., or all; repeatable. [default: once]"),
    ] = None,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample/--no-sample", help="Run a few cases in each other memory layout and each other manner, too."
        ),
    ] = True,
    profile: Annotated[_Profile, typer.Option(help="How coordinates are rounded.")] = _Profile.FLOAT,
    require: Annotated[_Required, typer.Option(help="The grade that every case must have.")] = _Required.WORKING,
    timeout: Annotated[
        float, typer.Option(min=0.01, max=86400, help="Seconds for a call in another process; the first: 5 times.")
    ] = 60.0,
    import_timeout: Annotated[
        float, typer.Option(min=0.01, max=86400, help="Seconds for importing a peer or an adapter.")
    ] = 300.0,
    fail_on_skip: Annotated[
        bool, typer.Option("--fail-on-skip", help="End with exit code 3 if calls were skipped.")
    ] = False,
    report: Annotated[list[Path] | None, typer.Option(help="A .html, .json or .xml (JUnit) file, repeatable.")] = None,
    json: Annotated[
        str | None, typer.Option(help="Write the JSON report to this file, or with - to stdout in place of the table.")
    ] = None,
    github: Annotated[
        bool | None,
        typer.Option(
            "--github/--no-github",
            help="Print annotations for GitHub, and write a step summary. [default: if GITHUB_ACTIONS is true]",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for each output.")] = False,
) -> None:
    """Check an implementation against exact values, element by element.

    The exit code is 0 if every case that ran has the required grade, 1 if not or if none ran, 2 if the command could
    not run as asked, or what it found cannot be printed or written, and with --fail-on-skip 3 if all is well but for
    calls that were skipped.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    from refwarp.golden import SUITE
    from refwarp.golden.grades import PROFILES
    from refwarp.golden.layouts import LAYOUTS
    from refwarp.golden.manners import MANNERS
    from refwarp.golden.outcomes import Grade
    from refwarp.golden.reading import read
    from refwarp.golden.report import check_report_paths, write
    from refwarp.golden.report import github as on_github
    from refwarp.golden.report.json import document
    from refwarp.golden.report.terminal import show
    from refwarp.golden.separating import sentences
    from refwarp.golden.targets import load
    from refwarp.golden.verify import Selection, verify
    from refwarp.terminal.console import TextConsole, text_column

    source, reports = golden or SUITE, list(report or ())
    if json is not None and json != "-":
        reports.append(_json_path(json))
    check_report_paths(reports, source)
    if Path(target).suffix.lower() in (".json", ".gz"):  # answers, which a report must not replace either
        check_report_paths(reports, target)
    laid = tuple(LAYOUTS) if "all" in (layout or ()) else layout or ()
    selection = Selection(
        dtype or (),
        operation or (),
        flag or (),
        case or (),
        layouts=laid,
        without_flags=without_flag or (),
        manners=tuple(MANNERS) if "all" in (manner or ()) else manner or (),
        sampled=sample,
    )
    stderr = TextConsole(stderr=True)
    columns = text_column("description"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    with load(target, timeout, import_timeout) as loaded, progress as bar:
        suite = read(source)
        task = bar.add_task(f"Verifying {target}")
        found = verify(
            suite.cases,
            loaded,
            selection,
            PROFILES[profile],
            Grade[require.upper()],
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    found = replace(found, skips_fail=fail_on_skip, common=sentences(found))
    lost: list[Exception] = []
    for path in reports:
        try:
            write(path, found, suite)
        except (OSError, ValueError) as error:  # the other reports, and the verdict, are worth having
            lost.append(error)
    if os.environ.get("GITHUB_ACTIONS") == "true" if github is None else github:
        try:
            on_github.tell(found, suite, sys.stderr if json == "-" else sys.stdout, os.environ.get(on_github.SUMMARY))
        except OSError as error:
            lost.append(error)
    if json == "-":
        sys.stdout.write(document(found, suite))
    else:
        show(found, TextConsole(), verbose)
    if lost:
        raise OSError("; ".join(map(str, lost)))
    raise typer.Exit(found.exit_code)
