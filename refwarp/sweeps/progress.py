"""How far a sweep is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refwarp.sweeps.results import SweepFolder

# So many seconds of work that was measured weigh as much as what the experiment expects of its cells.
_PRIOR_SECONDS = 10.0


@dataclass(frozen=True)
class Status:
    """Where a sweep is.

    Attributes
    ----------
    total, finished, failed : int
        How many cells there are, how many are finished, and how many could not be computed.
    under_way : mapping of str to (float, str)
        For each cell under way, by its label, its share that is done, and how it is doing.
    seconds_left : float
        An estimate.
    """

    total: int
    finished: int
    failed: int
    under_way: Mapping[str, tuple[float, str]]
    seconds_left: float


class TimeLeft:
    """Estimates how long a sweep takes: what its experiment expects of its cells, times how much longer they take.

    Parameters
    ----------
    workers : int
        How many cells are computed at the same time.
    now : float
        The time in seconds, from any moment on.
    """

    def __init__(self, workers: int, now: float) -> None:
        self._workers = workers
        self._now = now
        self._begun: float | None = None  # the expected work of all that was left at first
        self._busy = 0.0  # seconds of all workers so far
        self._done = self._took = 0.0  # expected and real seconds of the work that is done

    def update(self, left: Sequence[float], under_way: int, now: float) -> float:
        """Return the seconds that are left.

        Parameters
        ----------
        left : sequence of float
            For each cell that is not finished, how many seconds of one worker are expected to be left.
        under_way : int
            How many of them were under way since the last update.
        now : float
            The time.
        """
        self._busy += under_way * (now - self._now)
        self._now = now
        work = sum(left)
        self._begun = work if self._begun is None else self._begun
        if self._begun - work > self._done:
            self._done, self._took = self._begun - work, self._busy
        slower = 1.0  # as the experiment has it, and soon as it was measured
        if self._done:
            slower = (self._took / self._done) ** (self._took / (self._took + _PRIOR_SECONDS))
        return slower * max(work / self._workers, max(left, default=0.0))


class Watch:
    """Looks at the folder of a sweep for how far its cells are.

    Parameters
    ----------
    folder : SweepFolder
        The folder.
    data : mapping of str to str
        The digests of the sweep's data.
    run : str
        The run, as `SweepFolder.opened` has it.
    total : int
        How many cells the sweep has.
    left : sequence of Any
        Those that are not finished.
    workers : int
        How many are computed at the same time.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        folder: SweepFolder,
        data: Mapping[str, str],
        run: str,
        total: int,
        left: Sequence[Any],
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._data, self._run, self._total, self._clock = folder, data, run, total, clock
        self._left = list(left)
        self._failed = 0
        self._time_left = TimeLeft(workers, clock())

    def end(self, cell: Any, failed: bool) -> None:
        """Count a cell that has ended."""
        self._left.remove(cell)
        self._failed += failed

    def status(self) -> Status:
        """Return where the sweep is."""
        experiment = self._folder.loaded.experiment
        under_way = {}
        left = []
        for cell in self._left:
            share = 0.0
            progress = self._folder.read_progress(cell, self._data)
            if progress is not None:
                share = progress.share
                if progress.run == self._run:
                    under_way[experiment.label(cell)] = (share, progress.text)
            left.append(experiment.seconds(cell) * (1 - share))
        seconds = self._time_left.update(left, len(under_way), self._clock())
        finished = self._total - len(self._left) - self._failed
        return Status(self._total, finished, self._failed, under_way, seconds)
