"""Diagrams of numbers: training curves, test errors, and the gradient of one sample across kinks."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, MultipleLocator, NullLocator

from refwarp.drawing.style import FAINT, INK, MUTED, ORANGE, PAPER
from refwarp.tour.colours import MODEL_COLOURS, MODEL_MARKERS, MODEL_TINTS, RULE_COLOURS, RULE_MARKERS
from refwarp.tour.kink import CENTRE, ROW, KinkStudy
from refwarp.tour.results import MODELS, Results, mean_test_error

DISTORTION_NAMES = {"R": "rotation", "RTS": "rotation, translation and scale"}


def draw_curves(results: Results) -> Figure:
    """Draw training loss and validation error by epoch: each seed thin, the mean of the seeds heavy."""
    distortions = results.distortions
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.04)
    figure = Figure(figsize=(9.6, 3.4 * len(distortions) + 0.2), layout=layout)
    axes = figure.subplots(len(distortions), 2, squeeze=False)
    for row, distortion in zip(axes, distortions, strict=True):
        for ax, values in zip(row, ("training_loss", "validation_error"), strict=True):
            _draw_curve(ax, results, distortion, values)
        row[0].set_title(f"Training loss, {DISTORTION_NAMES.get(distortion, distortion)}")
        row[0].set_ylabel("cross-entropy (nats)")
        row[0].set_ylim(bottom=0)
        row[1].set_title("Validation error")
        row[1].set_ylabel("wrong digits (%)")
        row[1].set_ylim(0, 100)
    handles = [Line2D([], [], color=MODEL_COLOURS[model], linewidth=2.4, label=f"{model}, mean") for model in MODELS]
    handles += [Line2D([], [], color=MUTED, linewidth=0.9, alpha=0.7, label="each seed")]
    axes[0, 1].legend(handles=handles, loc="upper right")
    return figure


def _draw_curve(ax: Axes, results: Results, distortion: str, values: str) -> None:
    ax.grid(axis="y")
    for model in MODELS:
        curves = np.array([getattr(trial, values) for trial in results.of(distortion, model)], float)
        curves = 100 * curves if values == "validation_error" else curves
        epochs = np.arange(1, curves.shape[1] + 1)
        for curve in curves:
            ax.plot(epochs, curve, color=MODEL_COLOURS[model], linewidth=0.9, alpha=0.45)
        ax.plot(epochs, curves.mean(axis=0), color=MODEL_COLOURS[model], linewidth=2.4)
    ax.set_xlabel("epoch")
    ax.set_xlim(0.5, epochs[-1] + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_errors(results: Results) -> Figure:
    """Draw the test error of each run as a point, and the mean of each model as a bar."""
    rows = [(distortion, model) for distortion in results.distortions for model in MODELS]
    figure = Figure(figsize=(9.6, 0.55 * len(rows) + 0.95), layout="constrained")
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    for place, (distortion, model) in enumerate(rows):
        trials, colour = results.of(distortion, model), MODEL_COLOURS[model]
        errors, mean = [100 * trial.test_error for trial in trials], 100 * mean_test_error(trials)
        ax.barh(place, mean, height=0.56, color=MODEL_TINTS[model])
        ax.plot([mean, mean], [place - 0.28, place + 0.28], color=colour, linewidth=2.4, solid_capstyle="butt")
        ax.plot(
            errors, [place] * len(errors), MODEL_MARKERS[model], color=colour, markeredgecolor=PAPER, markersize=7.5
        )
        ax.text(max(*errors, mean) + 0.6, place, f"{mean:.1f}%", va="center", fontweight="bold", color=INK)
    ax.set_yticks(range(len(rows)), [f"{model}, {distortion}" for distortion, model in rows], color=INK, fontsize=10)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    largest = max(100 * trial.test_error for trial in results.trials)
    ax.set_xlim(0, 1.12 * largest + 1.5)
    ax.set_xlabel("wrong test digits (%): a point for each seed, a line and a number for their mean")
    return figure


def draw_kink(study: KinkStudy) -> Figure:
    """Draw value and derivative of one sample across the lattice, and difference quotients at a kink."""
    figure = Figure(figsize=(9.6, 8.6), layout=ConstrainedLayoutEngine(h_pad=0.12, hspace=0.04))
    value, derivative, quotients = figure.subplots(3, 1, height_ratios=[0.85, 1.25, 1.1])
    derivative.sharex(value)
    _draw_value(value, study)
    _draw_derivative(derivative, study)
    _draw_quotients(quotients, study)
    return figure


def _draw_value(ax: Axes, study: KinkStudy) -> None:
    _mark_lattice(ax)
    ax.plot(study.x, study.value, color=INK)
    ax.plot(range(len(ROW)), ROW, "o", color=INK, markersize=6)
    for x, pixel in enumerate(ROW):
        valley = 0 < x < len(ROW) - 1 and pixel < min(ROW[x - 1], ROW[x + 1])
        offset = (0, -16) if valley else (-6, 7)
        ax.annotate(f"{pixel}", (x, pixel), offset, textcoords="offset points", ha="center", fontweight="bold")
    ax.set_title("Value V of one sample of the row (1, 5, 2, 9)")
    ax.set_ylabel("value")
    ax.set_ylim(-0.8, 10.8)
    ax.set_xlim(-1.5, 4.5)


def _draw_derivative(ax: Axes, study: KinkStudy) -> None:
    _mark_lattice(ax)
    for (start, stop), slope in zip(study.between, study.slope, strict=True):
        ax.plot([start, stop], [slope, slope], color=INK, linewidth=2)
    offsets = {"left": -0.07, "right": 0.07, "central": 0.0, "literal": 0.0}
    for rule in study.rules:
        ax.plot(
            rule.x + offsets[rule.rule],
            rule.kernel,
            RULE_MARKERS[rule.rule],
            color=RULE_COLOURS[rule.rule],
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
            markersize=7.5 if rule.rule == "literal" else 9.5,
            zorder=3,
        )
        if rule.x == CENTRE:
            side = -1 if rule.rule == "left" else 1
            ax.annotate(
                f"{rule.rule} {_plain(rule.kernel)}".replace("-", "\N{MINUS SIGN}"),
                (rule.x + offsets[rule.rule], rule.kernel),
                (8 * side, 6 if rule.rule != "right" else -12),
                textcoords="offset points",
                ha="right" if side < 0 else "left",
                color=RULE_COLOURS[rule.rule],
                fontweight="bold",
                fontsize=9,
            )
    handles = [
        Line2D([], [], marker=RULE_MARKERS[rule], color=colour, linestyle="", markersize=8, label=f'kink="{rule}"')
        for rule, colour in RULE_COLOURS.items()
    ]
    ax.legend(handles=handles, loc="upper left", ncols=2, columnspacing=1.2, handletextpad=0.2)
    ax.axhline(0, color=MUTED, linewidth=0.8)
    ax.set_title("Its derivative dV/dx, and what each rule gives on the lattice")
    ax.set_ylabel("dV/dx (per pixel)")
    ax.set_xlabel("coordinate x of the sample (pixels)")
    ax.set_ylim(-10.5, 12)
    ax.yaxis.set_major_locator(MultipleLocator(3))


def _plain(number: float) -> str:
    """Write a number without a trailing .0, and a half as 1/2."""
    return "1/2" if number == 0.5 else f"{number:g}"


def _draw_quotients(ax: Axes, study: KinkStudy) -> None:
    ax.grid(axis="y")
    limits = {rule.rule: rule.kernel for rule in study.rules if rule.x == CENTRE}
    for name, quotient in study.quotients.items():
        ax.axhline(limits[name], color=RULE_COLOURS[name], linewidth=0.9, alpha=0.6)
        ax.plot(
            study.step, quotient, RULE_MARKERS[name], color=RULE_COLOURS[name], markeredgecolor=PAPER, markersize=6.5
        )
    ax.axhline(limits["literal"], color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)))
    texts = {"left": "to the left: 4", "central": "symmetric: 1/2", "right": "to the right: \N{MINUS SIGN}3",
             "literal": "literal 5: what no difference quotient tends to"}  # fmt: skip
    for name, text in texts.items():
        below = name == "left"
        ax.annotate(text, (0.9, limits[name]), (0, -7 if below else 6), textcoords="offset points",
                    va="top" if below else "bottom", color=RULE_COLOURS[name], fontsize=9)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(1.6, 4e-18)
    ax.xaxis.set_major_locator(FixedLocator([10.0**-k for k in range(0, 18, 2)]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-4.6, 7.2)
    ax.set_title("Difference quotients at x = 1, in float64: to the right, to the left, symmetric")
    ax.set_xlabel("step h (pixels): smaller to the right, until rounding takes over")
    ax.set_ylabel("quotient")


def _mark_lattice(ax: Axes) -> None:
    for x in range(-1, len(ROW) + 1):
        ax.axvline(x, color=FAINT, linewidth=0.8, zorder=0)
