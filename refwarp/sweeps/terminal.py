"""How a sweep shows while it runs: a table of the cells under way on a terminal, a line for each cell elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.box import SIMPLE
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from refwarp.sweeps.experiment import LoadedExperiment
from refwarp.sweeps.progress import Status
from refwarp.terminal.console import TextConsole

_BAR_WIDTH = 60
# A terminal echoes ^C where the cursor is; if that began a new line, one would be left over when all are erased.
_ECHO_WIDTH = 2


@contextmanager
def sweep_display(name: str, heading: str, console: Console | None = None) -> Iterator[Callable[[Status], None]]:
    """Show a sweep; yields what `run_sweep` takes as `progress`.

    Parameters
    ----------
    name : str
        What the sweep is called.
    heading : str
        A line to print once the sweep begins.
    console : rich.console.Console, optional
        Where it shows; standard error by default.
    """
    console = console or TextConsole(stderr=True)
    begun = False

    def begin() -> None:
        nonlocal begun
        if not begun:
            console.print(heading, highlight=False)
        begun = True

    if not console.is_terminal or console.is_dumb_terminal:
        last = -1

        def show_line(status: Status) -> None:
            nonlocal last
            begin()
            ended = status.finished + status.failed
            if ended != last:
                last = ended
                console.print(_line(name, status), highlight=False)

        yield show_line
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def show_table(status: Status) -> None:
            begin()
            live.update(Constrain(_display(name, status), console.width - _ECHO_WIDTH), refresh=True)

        yield show_table


def _line(name: str, status: Status) -> str:
    failed = f", {status.failed} failed" if status.failed else ""
    left = status.total - status.finished - status.failed
    rest = f", {duration(status.seconds_left)} left" if left else ""
    return f"{name}: {status.finished} of {status.total} cells{failed}{rest}"


def duration(seconds: float) -> str:
    """Return a duration for people, as "1:02:03" or "2 days, 1:02:03"."""
    return str(timedelta(seconds=math.ceil(seconds)))


def _display(name: str, status: Status) -> Group:
    """Return a line and a bar for the sweep, and a line for each cell under way, cut to the width of the terminal."""
    width = max(map(cell_len, status.under_way), default=0)
    lines = [_line(name, status)]
    lines += [
        f"  {set_cell_size(label, width)}  {share:4.0%}  {text}" for label, (share, text) in status.under_way.items()
    ]
    first, *others = (Text(line, no_wrap=True, overflow="ellipsis") for line in lines)
    done = status.finished + status.failed + sum(share for share, _ in status.under_way.values())
    bar = Table.grid()  # which ends the bar's line
    bar.add_row(ProgressBar(total=max(1, status.total), completed=done, width=_BAR_WIDTH))
    return Group(first, bar, *others)


def cost(loaded: LoadedExperiment, scale: str, seeds: Sequence[int]) -> str:
    """Return in words how much work a scale of an experiment is."""
    experiment = loaded.experiment
    cells = experiment.cells(experiment.scales[scale], seeds)
    seconds = sum(map(experiment.seconds, cells))
    return f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'}, about {_rounded(seconds)} of one core"


def _rounded(seconds: float) -> str:
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 2 else "a second"


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
