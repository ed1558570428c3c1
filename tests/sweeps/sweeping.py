"""The small experiment, workers in this process, and what a sweep leaves in its folder."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from refwarp.sweeps import Sweep, SweepFolder, Workers, load_experiment, run_sweep

EXPERIMENT = Path(__file__).with_name("small_experiment.py")
COMMAND = [sys.executable, "-m", "refwarp", "experiment", "run", str(EXPERIMENT)]


@contextmanager
def thread_workers(count=1, **options):
    """Return workers that are threads of this process, as `processes` returns processes."""
    with ThreadPoolExecutor(count) as pool:
        yield Workers(pool, count, **options)


def run_small(folder, workers, scale="tiny", loaded=None, **options):
    """Run a scale of an experiment in a folder, the small one by default."""
    loaded = loaded or load_experiment(EXPERIMENT)
    seeds = options.pop("seeds", loaded.experiment.scales[scale].seeds)
    sweep = Sweep(loaded, scale, seeds, SweepFolder(folder, loaded), None, "cpu")
    return run_sweep(sweep, workers, **options)


def tree(folder):
    """Return all that is in a folder, by name, hidden files too; of cells without their seconds."""
    found = {}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else None
        if path.parent.name == "cells" and path.suffix == ".json":
            content, count = re.subn(rb'"seconds": \{[^}]*\}', b"", content)
            assert count == 1
        found[str(path.relative_to(folder))] = content
    return found
