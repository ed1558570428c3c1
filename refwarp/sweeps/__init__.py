"""Sweeps: many runs of one experiment, which can be stopped at any time, and the tables and figures made of them."""

from refwarp.sweeps.execution import CellError, Sweep, processes, run_sweep
from refwarp.sweeps.experiment import Experiment, Outcome, Surroundings, experiment_names, load_experiment
from refwarp.sweeps.results import Result, Results, SweepFolder

__all__ = [
    "CellError",
    "Experiment",
    "Outcome",
    "Result",
    "Results",
    "Surroundings",
    "Sweep",
    "SweepFolder",
    "experiment_names",
    "load_experiment",
    "processes",
    "run_sweep",
]
