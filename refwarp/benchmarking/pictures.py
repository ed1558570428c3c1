"""Pictures of ratios: a dot for each entry with its quartiles, on a logarithmic axis, right of 1 where ours is faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from refwarp.benchmarking.measuring import Measurement
from refwarp.benchmarking.results import Comparison
from refwarp.tour.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE

COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
# Widths and heights in inches.
WIDTH, ROW, EDGES = 9.6, 0.3, 1.5

Name = Callable[[Measurement], str]


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw a comparison: a row for each choice of its row labels, a colour for each direction."""
    peers = {measurement.entry.peer for measurement in comparison.measurements}

    def row(measurement: Measurement) -> str:
        labels = [measurement.entry.labels.get(label, "") for label in comparison.rows]
        return ", ".join(filter(None, [*labels, measurement.entry.peer if len(peers) > 1 else ""]))

    return _draw(comparison.measurements, row, comparison.title, "against " + " and ".join(sorted(peers)))


def draw_overview(comparisons: Sequence[Comparison]) -> Figure:
    """Draw all comparisons: a row for each of their peers."""
    owners = {id(measurement): comparison for comparison in comparisons for measurement in comparison.measurements}

    def row(measurement: Measurement) -> str:
        return f"{owners[id(measurement)].name}, {measurement.entry.peer}"

    measurements = [measurement for comparison in comparisons for measurement in comparison.measurements]
    return _draw(measurements, row, "All comparisons", "each against its peer")


def _draw(measurements: Sequence[Measurement], name: Name, title: str, subtitle: str) -> Figure:
    rows = list(dict.fromkeys(map(name, measurements)))
    directions = list(dict.fromkeys(measurement.entry.labels["direction"] for measurement in measurements))
    height = EDGES + ROW * len(rows)
    figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    ax = figure.subplots()
    ax.set_xscale("log")
    for index in range(0, len(rows), 2):
        ax.axhspan(index - 0.5, index + 0.5, color=FAINT, alpha=0.35, linewidth=0)
    ax.axvline(1.0, color=INK, linewidth=1.2)
    for index, label in enumerate(rows):
        for place, direction in enumerate(directions):
            group = [m for m in measurements if name(m) == label and m.entry.labels["direction"] == direction]
            middle = index + 0.4 * ((place + 0.5) / len(directions) - 0.5)
            _draw_group(ax, group, middle, 0.3 / len(directions), COLOURS[place % len(COLOURS)])
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    _set_axis(ax, measurements)
    ax.set_title(f"{title}\n", wrap=True)
    ax.text(0.0, 1.0, f"{subtitle}\n", transform=ax.transAxes, color=MUTED, fontsize=9, va="center")
    handles = [
        Line2D([], [], color=colour, marker="o", linewidth=1.2, markersize=5, label=direction)
        for direction, colour in zip(directions, COLOURS, strict=False)
    ]
    if len(measurements) > len(rows) * len(directions):
        handles.append(Line2D([], [], color=MUTED, marker="|", linewidth=0, markersize=10, label="geometric mean"))
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))
    return figure


def _draw_group(ax: Axes, group: Sequence[Measurement], middle: float, width: float, colour: str) -> None:
    """Draw the entries of one row and direction as a cloud around a line, and its geometric mean."""
    crowded = len(group) > 4
    # Places in the cloud: spread evenly, in the order of the entries.
    places = middle + (width * (np.arange(len(group)) / max(len(group) - 1, 1) - 0.5) if len(group) > 1 else 0.0)
    for measurement, place in zip(group, np.broadcast_to(places, len(group)), strict=True):
        alpha = 0.45 if crowded else 1.0
        ax.hlines(place, *measurement.quartiles, color=colour, linewidth=0.8 if crowded else 1.4, alpha=alpha)
        ax.plot(measurement.ratio, place, "o", color=colour, markersize=2.8 if crowded else 4.5, alpha=alpha, mew=0)
    if len(group) > 1:
        mean = float(np.exp(np.mean([np.log(measurement.ratio) for measurement in group])))
        ax.vlines(mean, middle - 0.2, middle + 0.2, color=colour, linewidth=2.2)


def _set_axis(ax: Axes, measurements: Sequence[Measurement]) -> None:
    """Make the axis hold all quartiles and 1, with plain numbers at round places."""
    low = min(1.0, *(measurement.quartiles[0] for measurement in measurements))
    high = max(1.0, *(measurement.quartiles[1] for measurement in measurements))
    ax.set_xlim(min(low / 1.15, 0.8), max(high * 1.15, 1.25))
    decades = np.log10(ax.get_xlim()[1] / ax.get_xlim()[0])
    steps = (1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 2.5 else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=steps, numticks=30))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x", which="major")
    ax.set_axisbelow(True)
    ax.set_xlabel("peer's time / refwarp's time  (right of 1: refwarp is faster)")
