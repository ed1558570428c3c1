"""The execution of a sweep: its unfinished cells, computed by any executor of `concurrent.futures`.

Processes of this machine and those of a Dask cluster are executors alike. A worker writes its cell's result itself,
atomically, and how far it is into a small file, which whoever shows the progress reads: so all that workers and the
sweep share is the folder. A cell that is interrupted leaves its checkpoint, from which it goes on.

Each cell is computed with one thread of the BLAS library, since two threads may round differently than one; kernels,
whose results do not depend on their threads, have as many as their share of the cores.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograd_core import get_num_threads, set_num_threads
from refwarp.arguments import check_count
from refwarp.files import atomic_write
from refwarp.sweeps.experiment import LoadedExperiment, Surroundings, load_experiment
from refwarp.sweeps.results import Results, SweepFolder

# How often the state of cells under way is looked at.
_POLL_SECONDS = 0.5
# How long a cell waits for the worker of a killed run, which ends as soon as it notices.
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Job:
    """A cell for a worker, of which everything can be pickled.

    Attributes
    ----------
    experiment : str
        The path of the experiment's file.
    cell : Any
        The cell, as a dictionary.
    data : mapping of str to str
        The digests of its data.
    folder : str
        The folder of the sweep.
    data_folder : str or None
        The folder of the data sets.
    device : str
        Where to compute.
    threads : int
        How many threads kernels get.
    """

    experiment: str
    cell: Mapping[str, Any]
    data: Mapping[str, str]
    folder: str
    data_folder: str | None
    device: str
    threads: int


def run_job(job: Job) -> None:
    """Compute a cell in this process, and write its result."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    set_num_threads(job.threads)
    loaded = load_experiment(job.experiment)
    cell = loaded.experiment.cell(**job.cell)
    folder = SweepFolder(job.folder, loaded)
    status = folder.unfinished_path(cell, job.data, ".txt")

    def report(done: int, total: int, text: str) -> None:
        with atomic_write(status) as temporary:
            temporary.write_text(f"{done} {total} {text}", encoding="utf-8")

    report(0, 1, "begun")
    surroundings = Surroundings(
        data=None if job.data_folder is None else Path(job.data_folder),
        device=job.device,
        checkpoint=folder.unfinished_path(cell, job.data, ".h5"),
        report=report,
    )
    patience = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            outcome = loaded.experiment.compute(cell, surroundings)
            break
        except BlockingIOError:  # the worker of a run that was killed a moment ago has the checkpoint
            if time.monotonic() > patience:
                raise
            time.sleep(0.1)
    folder.write(cell, job.data, outcome)


@dataclass(frozen=True)
class Status:
    """Where a sweep is.

    Attributes
    ----------
    total, finished : int
        How many cells there are, and how many are finished.
    under_way : mapping of str to (float, str)
        For each cell under way, by its label, its share that is done, and how it is doing.
    seconds_left : float or None
        An estimate; None if nothing is known yet.
    """

    total: int
    finished: int
    under_way: Mapping[str, tuple[float, str]]
    seconds_left: float | None


class CellError(RuntimeError):
    """Cells that could not be computed, while others could."""


@dataclass(frozen=True)
class Sweep:
    """What is to be computed, and where.

    Attributes
    ----------
    loaded : LoadedExperiment
        The experiment.
    scale : str
        A scale of the experiment.
    seeds : sequence of int
        The seeds.
    folder : SweepFolder
        Where results go.
    data_folder : Path or None
        Where data sets are.
    device : str
        "cpu" or "cuda".
    workers : int
        How many cells are computed at the same time.
    """

    loaded: LoadedExperiment
    scale: str
    seeds: Sequence[int]
    folder: SweepFolder
    data_folder: Path | None
    device: str
    workers: int


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Return an executor of processes of this machine, which end with this one, however it ends.

    Parameters
    ----------
    workers : int
        How many there are.

    Raises
    ------
    ValueError
        If that is not positive.
    """
    check_count("workers", workers)
    context = multiprocessing.get_context("spawn")  # no thread or lock of this process is theirs
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        executor.shutdown(wait=True)
        raise
    executor.shutdown(wait=True)


def _begin_worker() -> None:
    """Leave interrupts to the process that began this one, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def run_sweep(
    sweep: Sweep, executor: Executor, *, resume: bool = False, progress: Callable[[Status], None] | None = None
) -> Results:
    """Compute the cells of a sweep that are not finished.

    Parameters
    ----------
    sweep : Sweep
        What and where.
    executor : concurrent.futures.Executor
        Computes cells, such as `processes(2)` or Dask's `Client(address).get_executor()`.
    resume : bool
        Go on with a sweep that is in the folder already.
    progress : callable, optional
        Is called with a `Status` about twice a second.

    Returns
    -------
    Results
        Those of all cells in the folder.

    Raises
    ------
    ValueError
        If data or the folder cannot be used, as `SweepFolder.opened` says.
    OSError
        If a file cannot be read or written, or the workers are gone. What was finished is kept.
    CellError
        If cells could not be computed; all others are.
    """
    experiment = sweep.loaded.experiment
    settings = experiment.scales[sweep.scale]
    data = experiment.data(settings, sweep.data_folder)
    with sweep.folder.opened(sweep.scale, sweep.seeds, data, resume):
        known = sweep.folder.read_sweep()
        assert known is not None
        cells = experiment.cells(settings, known["seeds"])
        left = [cell for cell in cells if sweep.folder.read(cell, data) is None]
        left.sort(key=experiment.seconds, reverse=True)  # so that no worker is left with a long one at the end
        watch = _Watch(sweep, data, len(cells), left)
        jobs = {executor.submit(run_job, _job(sweep, cell, data)): cell for cell in left}
        failures = _wait_for(jobs, experiment.label, watch, progress)
        if failures:
            raise CellError(
                f"{len(failures)} of {len(cells)} cells could not be computed, {'; '.join(failures)}; all others are "
                f"in {sweep.folder.path}, and --resume tries again"
            )
        return sweep.folder.read_all()


def _job(sweep: Sweep, cell: Any, data: Mapping[str, str]) -> Job:
    return Job(
        experiment=str(sweep.loaded.path),
        cell=vars(cell),
        data=data,
        folder=str(sweep.folder.path.resolve()),
        data_folder=None if sweep.data_folder is None else str(sweep.data_folder.resolve()),
        device=sweep.device,
        threads=max(1, get_num_threads() // sweep.workers),
    )


def _wait_for(
    jobs: Mapping[Future[None], Any],
    label: Callable[[Any], str],
    watch: _Watch,
    progress: Callable[[Status], None] | None,
) -> list[str]:
    """Wait until all is done; return for each cell that failed a clause that says why."""
    failures = []
    waiting = set(jobs)
    while waiting:
        done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                future.result()
            except (BrokenProcessPool, CancelledError) as error:
                raise OSError(
                    "workers: they ended before their work was done, perhaps for want of memory, or the cluster is "
                    "gone; what was finished is kept, and --resume goes on"
                ) from error
            except (ValueError, ArithmeticError) as error:
                failures.append(f"{label(jobs[future])} ({error})")
            watch.finish(jobs[future])
        if progress is not None:
            progress(watch.status())
    return failures


class _Watch:
    """How far the cells of a sweep are, and how long the rest will take."""

    def __init__(self, sweep: Sweep, data: Mapping[str, str], total: int, left: Sequence[Any]) -> None:
        self._sweep, self._data, self._total = sweep, data, total
        self._left = list(left)
        self._began = time.monotonic()
        self._expected = {id(cell): sweep.loaded.experiment.seconds(cell) for cell in left}
        self._work = sum(self._expected.values())  # in seconds of one worker, as expected
        self._first: float | None = None  # the work that was done when this run began

    def finish(self, cell: Any) -> None:
        """Count a cell."""
        self._left = [other for other in self._left if other is not cell]

    def status(self) -> Status:
        """Return where the sweep is."""
        under_way = {}
        work_left = 0.0
        for cell in self._left:
            share = 0.0
            with suppress(OSError, ValueError):
                text = self._sweep.folder.unfinished_path(cell, self._data, ".txt").read_text(encoding="utf-8")
                done, total, how = text.split(" ", 2)
                share = int(done) / max(1, int(total))
                under_way[self._sweep.loaded.experiment.label(cell)] = (share, how)
            work_left += self._expected[id(cell)] * (1 - share)
        done_now = self._work - work_left
        if self._first is None:
            self._first = done_now
        elapsed, progress = time.monotonic() - self._began, done_now - self._first
        left = work_left * elapsed / progress if progress > 0 else None
        return Status(self._total, self._total - len(self._left), under_way, left)
