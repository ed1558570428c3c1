"""How a sweep shows while it runs: a table of the cells under way on a terminal, a line for each cell elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from refwarp.sweeps.execution import Status
from refwarp.sweeps.experiment import LoadedExperiment
from refwarp.terminal.console import TextConsole


@contextmanager
def sweep_display(name: str, console: Console | None = None) -> Iterator[Callable[[Status], None]]:
    """Show a sweep; yields what `run_sweep` takes as `progress`.

    Parameters
    ----------
    name : str
        What the sweep is called.
    console : rich.console.Console, optional
        Where it shows; standard error by default.
    """
    console = console or TextConsole(stderr=True)
    if not console.is_terminal:
        last = -1

        def show_line(status: Status) -> None:
            nonlocal last
            if status.finished != last:
                last = status.finished
                console.print(_line(name, status), highlight=False)

        yield show_line
        return
    with Live(console=console, transient=True, refresh_per_second=4) as live:
        yield lambda status: live.update(_table(name, status))


def _line(name: str, status: Status) -> str:
    return f"{name}: {status.finished} of {status.total} cells, {duration(status.seconds_left)} left"


def duration(seconds: float | None) -> str:
    """Return a duration for people: "1:02:03", or "unknown time"."""
    return "unknown time" if seconds is None else str(timedelta(seconds=round(seconds)))


def _table(name: str, status: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    overall = ProgressBar(total=max(1, status.total), completed=status.finished, width=30)
    table.add_row(Text(_line(name, status)), overall)
    for label, (share, text) in status.under_way.items():
        table.add_row(Text(f"  {label}"), ProgressBar(total=1.0, completed=share, width=30), Text(text))
    return table


def cost(loaded: LoadedExperiment, scale: str, seeds: Sequence[int]) -> str:
    """Return in words how much work a scale of an experiment is."""
    experiment = loaded.experiment
    cells = experiment.cells(experiment.scales[scale], seeds)
    seconds = sum(map(experiment.seconds, cells))
    return f"{len(cells)} cells, about {_rounded(seconds)} of one core"


def _rounded(seconds: float) -> str:
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"


def show_experiments(experiments: Sequence[LoadedExperiment], console: Console) -> None:
    """Print a table of experiments and their scales."""
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("experiment", "of", "scale", "work"):
        table.add_column(name)
    for loaded in experiments:
        experiment = loaded.experiment
        for number, (scale, settings) in enumerate(experiment.scales.items()):
            first = (loaded.name, f"{experiment.source}: {experiment.title}") if number == 0 else ("", "")
            table.add_row(*map(Text, (*first, scale, cost(loaded, scale, settings.seeds))))
    console.print(table)
