"""The execution of a sweep: its unfinished cells, computed by any executor of `concurrent.futures`.

A worker writes its cell's result itself, atomically, and how far it is into a small file, which whoever shows the
progress reads: so all that workers and the sweep share is the folder. A cell that is interrupted leaves its checkpoint,
from which it goes on.

Each cell is computed with one thread of the BLAS library, since two threads may round differently than one.
"""

from __future__ import annotations

import hashlib
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import autograd_core
import refwarp
from autograd_core import set_num_threads
from refwarp.data.reading import VARIABLE
from refwarp.memory import keep_freed_memory
from refwarp.sweeps.experiment import LoadedExperiment, Surroundings, load_experiment
from refwarp.sweeps.progress import Status, Watch
from refwarp.sweeps.results import Progress, Results, SweepFolder
from refwarp.sweeps.workers import Workers
from refwarp.training import check_device

# How often the state of cells under way is looked at.
_POLL_SECONDS = 0.5
# How long a cell waits for the worker of a killed run that still computes it, which ends when it next says how far it
# is; and a sweep for the results of its last cells to be seen, where a disk is shared over a network.
_PATIENCE_SECONDS = 600.0
_DELAY_SECONDS = 60.0
# Of how many cells that could not be computed a message says why.
_MOST_REASONS = 3

_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


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
    run : str
        The run, as `SweepFolder.opened` has it.
    sources : str
        The digest of the sources, as `sources_digest` has it.
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
    run: str
    sources: str
    data_folder: str | None
    device: str
    threads: int


@cache
def sources_digest() -> str:
    """Return a digest of refwarp's and autograd_core's sources, as they were when this process asked first."""
    digest = hashlib.sha256()
    for package in (refwarp, autograd_core):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def run_job(job: Job) -> str | None:
    """Compute a cell in this process, and write its result.

    Returns
    -------
    str or None
        Why it could not be computed, if its numbers are why; where in the program is in a file then.

    Raises
    ------
    OSError
        If a file cannot be read or written, or the run has ended.
    ValueError, ImportError
        If this process computes with another refwarp, there is no experiment in its file, or the device is not there.
    """
    if job.sources != sources_digest():
        raise ValueError(
            "workers: one has another refwarp than the sweep, or had when it began; install the same, and restart it"
        )
    loaded = load_experiment(job.experiment)
    check_device(job.device)
    _limit_threads(job.threads)
    keep_freed_memory()
    folder = SweepFolder(job.folder, loaded)
    cell = loaded.experiment.cell(**job.cell)
    reason = folder.unfinished_path(cell, job.data, ".txt")

    def report(done: int, total: int, text: str) -> None:
        folder.check_run(job.run)
        folder.write_progress(cell, job.data, Progress(job.run, done, total, " ".join(text.split())))

    begun = folder.read_progress(cell, job.data)
    report(begun.done if begun else 0, begun.total if begun else 1, "begun")
    surroundings = Surroundings(
        data=None if job.data_folder is None else Path(job.data_folder),
        device=job.device,
        checkpoint=folder.unfinished_path(cell, job.data, ".h5"),
        report=report,
    )
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            folder.write(cell, job.data, loaded.experiment.compute(cell, surroundings))
            return None
        except (ValueError, ArithmeticError, MemoryError) as error:
            reason.write_text(traceback.format_exc(), encoding="utf-8")
            return str(error) or type(error).__name__
        except OSError as error:
            if folder.read(cell, job.data) is not None:  # the worker of another run has finished it in the meantime
                return None
            # It may have the checkpoint.
            if not isinstance(error, BlockingIOError) or time.monotonic() > until:
                raise
            time.sleep(0.1)


def _limit_threads(threads: int) -> None:
    """Let this process compute with so many threads, and BLAS with one: libraries that are loaded, and those to come.

    It stays so: cells that are computed in threads of one process would else undo it for each other.
    """
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(_THREADS, "1"))
    threadpool_limits(1)
    set_num_threads(threads)


class CellError(ValueError):
    """Cells that could not be computed, while others could.

    Parameters
    ----------
    message : str
        Which, and why.
    results : Results
        Those of the others.
    """

    def __init__(self, message: str, results: Results) -> None:
        super().__init__(message)
        self.results = results


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
    """

    loaded: LoadedExperiment
    scale: str
    seeds: Sequence[int]
    folder: SweepFolder
    data_folder: Path | None
    device: str


def run_sweep(
    sweep: Sweep, workers: Workers, *, resume: bool = False, progress: Callable[[Status], None] | None = None
) -> Results:
    """Compute the cells of a sweep that are not finished.

    Parameters
    ----------
    sweep : Sweep
        What and where.
    workers : Workers
        Who computes cells: `processes(2)`, `cluster_workers(address)`, or `Workers` with an executor of one's own.
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
        If a file cannot be read or written. What was finished is kept.
    CellError
        If cells could not be computed; all others are.
    """
    experiment, folder = sweep.loaded.experiment, sweep.folder
    settings = experiment.scales[sweep.scale]
    data = experiment.data(settings, sweep.data_folder)
    with folder.opened(sweep.scale, sweep.seeds, data, resume) as (run, seeds):
        cells = experiment.cells(settings, seeds)
        left = [cell for cell in cells if folder.read(cell, data) is None]
        left.sort(key=experiment.seconds, reverse=True)  # so that no worker is left with a long one at the end
        watch = Watch(folder, data, run, len(cells), left, workers.count)
        if progress is not None:
            progress(watch.status())
        jobs = {workers.executor.submit(run_job, _job(sweep, cell, data, run, workers.threads)): cell for cell in left}
        failures = _wait_for(jobs, experiment.label, watch, workers, progress)
        results = _collect(folder, len(failures))
    if failures:
        raise CellError(_told(failures, len(cells), folder.path), results)
    return results


def _told(failures: Sequence[str], total: int, folder: Path) -> str:
    """Return in a sentence which cells could not be computed."""
    reasons = "; ".join(failures[:_MOST_REASONS])
    more = f"; and {len(failures) - _MOST_REASONS} more" if len(failures) > _MOST_REASONS else ""
    return (
        f"{len(failures)} of {total} cells could not be computed: {reasons}{more}. {folder / 'unfinished'} says where "
        "in the program that was; all others are finished, and --resume tries again"
    )


def _job(sweep: Sweep, cell: Any, data: Mapping[str, str], run: str, threads: int) -> Job:
    # Workers need not have the variable, nor the folder that it may be relative to.
    data_folder = sweep.data_folder or os.environ.get(VARIABLE)
    return Job(
        experiment=str(sweep.loaded.path),
        cell=vars(cell),
        data=dict(data),
        folder=str(sweep.folder.path.resolve()),
        run=run,
        sources=sources_digest(),
        data_folder=str(Path(data_folder).resolve()) if data_folder else None,
        device=sweep.device,
        threads=threads,
    )


def _wait_for(
    jobs: Mapping[Future[str | None], Any],
    label: Callable[[Any], str],
    watch: Watch,
    workers: Workers,
    progress: Callable[[Status], None] | None,
) -> list[str]:
    """Wait until all is done; return for each cell that failed a clause that says why, in the order of their names."""
    failures = []
    waiting = set(jobs)
    while waiting:
        done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            reason = future.result()
            watch.end(jobs[future], failed=reason is not None)
            if reason is not None:
                failures.append(f"{label(jobs[future])} ({reason})")
        workers.check()
        if progress is not None:
            progress(watch.status())
    return sorted(failures)


def _collect(folder: SweepFolder, failed: int) -> Results:
    """Return all results once they are there."""
    until = time.monotonic() + _DELAY_SECONDS
    while (results := folder.read_all()).missing > failed:
        if time.monotonic() > until:
            raise OSError(
                f"out: the workers have computed all cells, but {results.missing - failed} of them are not in "
                f"{folder.path}; all workers need the same disk"
            )
        time.sleep(_POLL_SECONDS)
    return results
