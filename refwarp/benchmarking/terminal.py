"""How a run shows on a terminal: a bar and a line for each entry on stderr, and tables in the end on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from refwarp.benchmarking.comparisons import Item
from refwarp.benchmarking.comparisons import Progress as Callback
from refwarp.benchmarking.measuring import Measurement
from refwarp.benchmarking.results import (
    FIGURE_HEAD,
    NUMBERS,
    SUMMARY_HEAD,
    Results,
    figure_cells,
    ratio_text,
    summaries,
    summary_cells,
)
from refwarp.terminal.console import TextConsole, text_column


@contextmanager
def progress_display(console: TextConsole | None = None) -> Iterator[Callback]:
    """Show a bar (on a terminal) and a line for each entry; yields what `run_comparisons` takes as `progress`."""
    console = console or TextConsole(stderr=True)
    columns = (
        text_column("description"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Benchmarks")

        def show_item(comparison: str, item: Item, found: Measurement | float | None, done: int, total: int) -> None:
            bar.update(task, description=comparison, completed=done, total=total)
            if isinstance(found, Measurement):
                ours, peers = found.nanoseconds
                text = f"{ratio_text(found)}  ({ours:.3g} and {peers:.3g} ns per element)"
            else:
                text = "not timed: the two disagree" if found is None else f"{found:.4g}"
            console.print(f"{comparison}: {item.name}: {text}", highlight=False, soft_wrap=True)

        yield show_item


def show(results: Results, out: Path, console: TextConsole) -> None:
    """Print the summary of a run, its figures, and what was left out or disagrees."""
    lines = [line for comparison in results.comparisons for line in summaries(comparison)]
    if lines:
        # The worst entries' names, the last column, are long; the table on the disk has them.
        cells = [summary_cells(line)[:-1] for line in lines]
        console.print(_table("Peer's time over refwarp's: more is better", SUMMARY_HEAD[:-1], cells))
    figures = [figure_cells(*pair) for comparison in results.comparisons for pair in comparison.figures]
    if figures:
        console.print(_table("Figures", FIGURE_HEAD, figures))
    for comparison in results.comparisons:
        for reason in comparison.disagreements:
            console.print(f"Not timed: {reason}")
    for name, reason in results.left_out.items():
        console.print(f"Left out: {name}: {reason}.")
    console.print(f"Written to {out}.")


def _table(title: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=0)
    for name in head:
        table.add_column(name, justify="right" if name in NUMBERS else "left")
    for line in lines:
        table.add_row(*map(Text, line))
    return table
