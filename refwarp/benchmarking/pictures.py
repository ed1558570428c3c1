"""Pictures of ratios: a dot for each entry and its quartiles, on a logarithmic axis, right of 1 if ours is faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from refwarp.benchmarking.measuring import Comparison, Measurement
from refwarp.drawing.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE

COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
# Widths and heights in inches.
WIDTH, ROW, EDGES = 9.6, 0.36, 1.35

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
    figure = Figure(figsize=(WIDTH, EDGES + ROW * len(rows)), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08))
    ax = figure.subplots()
    ax.set_xscale("log")
    for index in range(0, len(rows), 2):
        ax.axhspan(index - 0.5, index + 0.5, color=FAINT, alpha=0.35, linewidth=0)
    ax.axvline(1.0, color=INK, linewidth=1.2)
    for index, label in enumerate(rows):
        _draw_row(ax, index, [measurement for measurement in measurements if name(measurement) == label], directions)
    ax.text(1.01, 1.0, "geometric mean\n", transform=ax.transAxes, color=MUTED, fontsize=9, va="center")
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    _set_axis(ax, measurements)
    ax.set_title(f"{title}\n", wrap=True)
    ax.text(0.0, 1.0, f"{subtitle}\n", transform=ax.transAxes, color=MUTED, fontsize=9, va="center")
    handles = [
        Line2D([], [], color=colour, marker="o", linewidth=1.2, markersize=4.5, label=f"{direction}, with quartiles")
        for direction, colour in zip(directions, COLOURS, strict=False)
    ]
    mean_handle = Line2D([], [], color=MUTED, marker="|", linewidth=0, markersize=9, mew=2, label="geometric mean")
    figure.legend(handles=[*handles, mean_handle], loc="outside lower right", ncols=len(handles) + 1)
    return figure


def _geometric_mean(group: Sequence[Measurement]) -> float:
    return float(np.exp(np.mean([np.log(measurement.ratio) for measurement in group])))


def _draw_row(ax: Axes, index: int, row: Sequence[Measurement], directions: Sequence[str]) -> None:
    """Draw the directions of a row below each other: dots in the order of the entries, and their geometric mean."""
    there = [direction for direction in directions if any(m.entry.labels["direction"] == direction for m in row)]
    height = 0.72 / len(there)
    for place, direction in enumerate(there):
        colour = COLOURS[directions.index(direction) % len(COLOURS)]
        group = [measurement for measurement in row if measurement.entry.labels["direction"] == direction]
        middle = index + 0.84 * ((place + 0.5) / len(there) - 0.5)
        offsets = height * (np.linspace(-0.5, 0.5, len(group)) if len(group) > 1 else np.zeros(1))
        alpha, line, dot = (0.45, 0.8, 2.8) if len(group) > 4 else (1.0, 1.4, 4.5)
        for measurement, offset in zip(group, offsets, strict=True):
            ax.hlines(middle + offset, *measurement.quartiles, color=colour, linewidth=line, alpha=alpha)
            ax.plot(measurement.ratio, middle + offset, "o", color=colour, markersize=dot, alpha=alpha, mew=0)
        mean = _geometric_mean(group)
        if len(group) > 1:
            ax.vlines(mean, middle - height / 2, middle + height / 2, color=colour, linewidth=2.4)
        ax.text(
            1.06 + 0.065 * place,
            index,
            f"{mean:.2f}",
            color=colour,
            transform=ax.get_yaxis_transform(),
            va="center_baseline",
            ha="right",
            fontsize=9,
        )


def _set_axis(ax: Axes, measurements: Sequence[Measurement]) -> None:
    """Make the axis hold all quartiles and 1, with plain numbers at round places."""
    low = min(1.0, *(measurement.quartiles[0] for measurement in measurements))
    high = max(1.0, *(measurement.quartiles[1] for measurement in measurements))
    ax.set_xlim(min(low / 1.15, 0.8), max(high * 1.15, 1.25))
    decades = np.log10(ax.get_xlim()[1] / ax.get_xlim()[0])
    steps = (1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 4 else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=steps, numticks=30))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x", which="major")
    ax.set_axisbelow(True)
    ax.set_xlabel("peer's time / ours, per output element  (right of 1: ours is faster)")
