"""Sweeps: many runs of one experiment, which can be stopped at any time, and the tables and figures made of them."""

from refwarp.sweeps.cluster import cluster_workers
from refwarp.sweeps.execution import CellError, Sweep, run_sweep
from refwarp.sweeps.experiment import Experiment, Outcome, Surroundings, experiment_names, load_experiment
from refwarp.sweeps.results import Result, Results, SweepFolder
from refwarp.sweeps.workers import Workers, processes

__all__ = [
    "CellError",
    "Experiment",
    "Outcome",
    "Result",
    "Results",
    "Surroundings",
    "Sweep",
    "SweepFolder",
    "Workers",
    "cluster_workers",
    "experiment_names",
    "load_experiment",
    "processes",
    "run_sweep",
]
