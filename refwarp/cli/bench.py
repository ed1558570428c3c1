"""`refwarp bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="grid_sample_torch, ... [default: all]")] = None,
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("bench"),
    quick: Annotated[bool, typer.Option("--quick", help="A representative part, in minutes.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="A text that an entry's name contains, repeatable.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="How many threads, repeatable. [default: 1 and 2]")
    ] = None,
) -> None:
    """Measure refwarp against other libraries, each alternately with the other in one run.

    It runs the comparisons of a checkout; those whose library is not installed are left out. The exit code is 1 if a
    library and refwarp, asked for the same, do not compute the same.
    """
    from refwarp.benchmarking import run_comparisons
    from refwarp.benchmarking.terminal import progress_display, show
    from refwarp.terminal.console import TextConsole

    with progress_display() as progress:
        results = run_comparisons(
            names or (), out, quick=quick, threads=threads or (1, 2), only=only or (), progress=progress
        )
    show(results, out, TextConsole())
    raise typer.Exit(1 if any(comparison.disagreements for comparison in results.comparisons) else 0)
