"""Benchmarks: two programs that compute the same, timed alternately in one run, and what becomes of the figures.

    entry --measure--> measurement --results--> table, results.json, pictures

The comparisons themselves lie in `benchmarks/` of a checkout, one file for each; see docs/benchmarks.md.
"""

from refwarp.benchmarking.comparisons import benchmarks_folder, known_comparisons, run_comparisons
from refwarp.benchmarking.entries import Disagreement, Entry, Figure, Pair, labelled
from refwarp.benchmarking.measuring import Comparison, Measurement, measure, measure_entry
from refwarp.benchmarking.results import Results, write_results

__all__ = [
    "Comparison",
    "Disagreement",
    "Entry",
    "Figure",
    "Measurement",
    "Pair",
    "Results",
    "benchmarks_folder",
    "known_comparisons",
    "labelled",
    "measure",
    "measure_entry",
    "run_comparisons",
    "write_results",
]
