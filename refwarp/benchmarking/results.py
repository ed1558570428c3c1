"""What a run has measured, and its files: results.json, results.md, and a picture of each comparison."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

import refwarp
from refwarp.benchmarking.entries import Figure
from refwarp.benchmarking.measuring import Comparison, Measurement
from refwarp.files import atomic_write, make_output_folder

JSON, TABLE, OVERVIEW = "results.json", "results.md", "overview.png"


@dataclass
class Results:
    """What a run has measured, as far as it came.

    Attributes
    ----------
    comparisons : list of Comparison
        Those that ran, or began to.
    versions : dict of str to str
        Of Python, refwarp and the libraries.
    left_out : dict of str to str
        The comparisons that could not run, and why.
    quick : bool
        Whether only a part of the entries was wanted.
    machine : dict of str to str
        What it ran on.
    date : str
        When it began, in UTC.
    """

    comparisons: list[Comparison] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=lambda: _versions())
    left_out: dict[str, str] = field(default_factory=dict)
    quick: bool = False
    machine: dict[str, str] = field(default_factory=lambda: _machine())
    date: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))


class Summary(NamedTuple):
    """Measurements against one peer in one direction, in a line."""

    comparison: str
    peer: str
    direction: str
    entries: int
    mean: float
    slower: int
    worst: Measurement


def _versions() -> dict[str, str]:
    return {
        "Python": platform.python_version(),
        "refwarp": refwarp.__version__,
        "NumPy": np.__version__,
        "Numba": numba.__version__,
    }


def _machine() -> dict[str, str]:
    """Describe the machine; the load tells whether other programs were running when it began."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    machine = {"processor": _processor(), "cores": str(cores), "system": f"{platform.system()} {platform.machine()}"}
    if hasattr(os, "getloadavg"):
        machine["load"] = f"{os.getloadavg()[0]:.1f}"
    return machine


def _processor() -> str:
    """Return the processor's model; Linux keeps it in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def summaries(comparison: Comparison) -> Iterator[Summary]:
    """Yield the geometric mean, how many are below 1, and the worst, for each peer and direction."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for measurement in comparison.measurements:
        key = measurement.entry.peer, measurement.entry.labels["direction"]
        groups.setdefault(key, []).append(measurement)
    for (peer, direction), group in groups.items():
        ratios = np.array([measurement.ratio for measurement in group])
        mean = float(np.exp(np.log(ratios).mean()))
        slower = int((ratios < 1.0).sum())
        yield Summary(comparison.name, peer, direction, len(group), mean, slower, group[int(ratios.argmin())])


# ---- files ----


def write_results(results: Results, folder: Path) -> None:
    """Write the table, the machine-readable results and the pictures into a folder, each whole or not at all."""
    from refwarp.benchmarking.pictures import draw_comparison, draw_overview
    from refwarp.drawing.style import render

    make_output_folder(folder)
    files = {JSON: (json.dumps(as_json(results), indent=1) + "\n").encode(), TABLE: markdown(results).encode()}
    drawn = [comparison for comparison in results.comparisons if comparison.measurements]
    files |= {f"{comparison.name}.png": render(draw_comparison, comparison) for comparison in drawn}
    if len(drawn) > 1:
        files[OVERVIEW] = render(draw_overview, drawn)
    for name, content in files.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)


def as_json(results: Results) -> dict[str, Any]:
    """Return the results as JSON holds them; times are in seconds per call, one for each sample."""
    return {
        "date": results.date,
        "machine": results.machine,
        "versions": results.versions,
        "quick": results.quick,
        "left_out": results.left_out,
        "comparisons": [
            {
                "name": comparison.name,
                "title": comparison.title,
                "summary": [
                    {**line._asdict(), "worst": {"name": line.worst.entry.name, "ratio": line.worst.ratio}}
                    for line in summaries(comparison)
                ],
                "measurements": [_as_json(measurement) for measurement in comparison.measurements],
                "figures": [
                    {"name": figure.name, "value": value, "unit": figure.unit, "goal": figure.goal}
                    for figure, value in comparison.figures
                ],
                "disagreements": comparison.disagreements,
            }
            for comparison in results.comparisons
        ],
    }


def _as_json(measurement: Measurement) -> dict[str, Any]:
    entry, (ours, peers) = measurement.entry, measurement.nanoseconds
    return {
        "labels": dict(entry.labels),
        "peer": entry.peer,
        "elements": entry.elements,
        "peer_elements": entry.elements if entry.peer_elements is None else entry.peer_elements,
        "ratio": measurement.ratio,
        "quartiles": measurement.quartiles,
        "nanoseconds_per_element": {"ours": ours, "peer": peers},
        "seconds": {"ours": measurement.ours, "peer": measurement.peers},
    }


def markdown(results: Results) -> str:
    """Return the page with the tables."""
    parts = ["# Benchmarks", f"{results.date}{', a quick choice of the entries' if results.quick else ''}."]
    parts += [_pairs(results.machine) + "  \n" + _pairs(results.versions)]
    parts += [
        "Ratios are the peer's time per output element over refwarp's, so more is better: medians of samples that were "
        "taken alternately, with their quartiles in brackets."
    ]
    lines = [summary_cells(line) for comparison in results.comparisons for line in summaries(comparison)]
    if lines:
        parts += ["## Summary", "Means are geometric.", _table(SUMMARY_HEAD, lines)]
    for comparison in results.comparisons:
        parts += [f"## {comparison.name}", comparison.title]
        if comparison.measurements:
            parts += [f"![{comparison.title}]({comparison.name}.png)"]
            parts += [_table(*_detail_cells(comparison.measurements))]
        if comparison.figures:
            parts += [_table(FIGURE_HEAD, [figure_cells(*pair) for pair in comparison.figures])]
        parts += ["\n".join(f"- Not timed: {reason}" for reason in comparison.disagreements)]
    if results.left_out:
        reasons = [f"- {name}: {reason}" for name, reason in results.left_out.items()]
        parts += ["## Left out", "\n".join(reasons)]
    return "\n\n".join(filter(None, parts)) + "\n"


SUMMARY_HEAD = ("comparison", "against", "direction", "entries", "mean", "below 1", "worst", "worst entry")
FIGURE_HEAD = ("figure", "value", "unit", "goal")
# The columns of numbers, which stand to the right.
NUMBERS = (
    "entries",
    "mean",
    "below 1",
    "worst",
    "value",
    "ratio",
    "ours, ns per element",
    "peer, ns per element",
)


def summary_cells(line: Summary) -> list[str]:
    """Return a summary as the cells of a table."""
    worst = " ".join(value for label, value in line.worst.entry.labels.items() if label != "direction")
    numbers = [str(line.entries), f"{line.mean:.2f}", str(line.slower), f"{line.worst.ratio:.2f}"]
    return [line.comparison, line.peer, line.direction, *numbers, worst]


def figure_cells(figure: Figure, value: float) -> list[str]:
    """Return a figure as the cells of a table."""
    return [figure.name, f"{value:.4g}", figure.unit, "" if figure.goal is None else f"at most {figure.goal:g}"]


def ratio_text(measurement: Measurement) -> str:
    """Return a ratio and its quartiles as text."""
    low, high = measurement.quartiles
    return f"{measurement.ratio:.2f} [{low:.2f}, {high:.2f}]"


def _detail_cells(measurements: Sequence[Measurement]) -> tuple[list[str], list[list[str]]]:
    """Return the table of a comparison: its head and its lines."""
    labels = list(dict.fromkeys(label for measurement in measurements for label in measurement.entry.labels))
    head = [*labels, "against", "ratio", "ours, ns per element", "peer, ns per element"]
    lines = []
    for measurement in measurements:
        words = [measurement.entry.labels.get(label, "") for label in labels]
        times = [f"{time:.3g}" for time in measurement.nanoseconds]
        lines.append([*words, measurement.entry.peer, ratio_text(measurement), *times])
    return head, lines


def _pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs.items()) + "."


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rule = ["---:" if name in NUMBERS else "---" for name in head]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))
