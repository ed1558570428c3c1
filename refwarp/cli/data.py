"""`refwarp data list | check`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from refwarp.cli.options import DataOption

app = typer.Typer(help="Say which data sets refwarp reads, and check those that are there.", rich_markup_mode=None)


@app.command("list")
def list_data(data: DataOption = None) -> None:
    """List the data sets that refwarp reads: what they are, their licences, and whether they are there."""
    from refwarp.data.reading import VARIABLE, data_folder
    from refwarp.data.registry import datasets
    from refwarp.data.terminal import show_datasets
    from refwarp.terminal.console import TextConsole

    folder = data_folder(data) if data is not None or os.environ.get(VARIABLE) else None
    show_datasets(list(datasets().values()), folder, TextConsole())


@app.command()
def check(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The folder of the data sets. [default: the environment's REFWARP_DATA]"),
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="mnist, ..., repeatable. [default: all]")] = None,
) -> None:
    """Read every data set that is there, and say what is damaged.

    The exit code is 0 if every file that is there can be read, and 1 if one is damaged, a set that was named is
    missing, or none is there.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    from refwarp.data.reading import data_folder
    from refwarp.data.registry import State, check
    from refwarp.data.terminal import show_findings
    from refwarp.terminal.console import TextConsole, text_column

    folder = data_folder(data)
    stderr = TextConsole(stderr=True)
    columns = text_column("description"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("Reading the data")
        found = check(folder, name or (), lambda done, total: bar.update(task, completed=done, total=total))
    show_findings(found, TextConsole())
    states = {finding.state for finding in found}
    missing = State.MISSING in states if name else states == {State.MISSING}
    raise typer.Exit(1 if State.DAMAGED in states or missing else 0)
