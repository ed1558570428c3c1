"""How a training run shows where it is: a bar on a terminal, a line for each epoch elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from refwarp.terminal.console import TextConsole, text_column
from refwarp.training.metrics import History


def training_progress(console: Console | None = None) -> Progress:
    """Return a display with bars for training runs; start it with `with`. Off a terminal it draws no bars."""
    console = console or TextConsole(stderr=True)
    columns = (
        text_column("description"),
        BarColumn(),
        text_column("fields[status]"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


class EpochDisplay:
    """One training run on a display: `step` after each minibatch, `epoch` after each epoch.

    Parameters
    ----------
    progress : rich.progress.Progress or None
        The display; None shows nothing.
    label : str
        What the run is called.
    epochs, steps : int
        Epochs in the run, and minibatches in an epoch.
    done : int
        Epochs done before.
    """

    def __init__(self, progress: Progress | None, label: str, epochs: int, steps: int, done: int) -> None:
        self.progress, self.label, self.epochs = progress, label, epochs
        if progress is not None:
            self.task = progress.add_task(self.label, total=epochs * steps, completed=done * steps, status="")

    def step(self) -> None:
        """Count a minibatch."""
        if self.progress is not None:
            self.progress.advance(self.task)

    def epoch(self, history: History) -> None:
        """Show how the epoch that has just ended went."""
        if self.progress is None:
            return
        loss, error = history.loss[-1], history.validation_error[-1]
        status = f"epoch {len(history)}/{self.epochs}, loss {loss:.3f}, validation error {error:.1%}"
        self.progress.update(self.task, status=status)
        if not self.progress.console.is_terminal:
            self.progress.console.print(f"{self.label}: {status}", markup=False)
