"""Tables of classification errors: models by tasks, ours beside the paper's, with differences over seeds and examples.

All networks of a task are judged by the same examples, so differences are paired: an example that both networks
misread says nothing about which is better.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from autograd_core.layers import Module
from refwarp.data import Examples
from refwarp.drawing.style import MUTED
from refwarp.sweeps.report import Claim, Table
from refwarp.sweeps.results import Result, Results
from refwarp.sweeps.statistics import Estimate, mean_and_deviation, paired_difference
from refwarp.training import predict

Array = np.ndarray[Any, Any]

# How many standard errors an interval reaches on either side.
_ERRORS = 2
_HUNDRED = 100.0


def judge(model: Module, examples: Examples) -> dict[str, Any]:
    """Return how a classifier does on examples, as entries of a cell's result that `ErrorTable` reads.

    Returns
    -------
    dict
        `error`, the share that is wrong; `judged`, how many examples there are; `right`, a bit for each that tells
        whether it is right, eight to a byte, in base64.
    """
    right = predict(model, examples.images) == examples.labels
    bits = base64.b64encode(np.packbits(right).tobytes()).decode()
    return {"error": float(np.mean(~right)), "judged": len(right), "right": bits}


@dataclass(frozen=True)
class Ordering:
    """What a paper says of two models on a task: that the first has more errors, or not many more.

    Attributes
    ----------
    first, second, task : str
        The models, and the task.
    least, most : float
        Between how many points the first has more errors than the second.
    """

    first: str
    second: str
    task: str
    least: float = -np.inf
    most: float = np.inf

    def text(self) -> str:
        """Return the claim in words."""
        if self.most < np.inf:
            return f"{self.task}: {self.first} has at most {self.most} points more than {self.second}"
        return f"{self.task}: {self.second} has at least {self.least} points fewer than {self.first}"


class ErrorTable:
    """The errors of models on tasks, over seeds.

    Parameters
    ----------
    results : Results
        Of cells with the fields `model` and `seed`, and the entries of `judge` among their values.
    paper : mapping of str to mapping of str to float
        The paper's errors in %, by model and task; its order is that of rows and columns. Models without any, and tasks
        that the paper has not, are shown without.
    task : str
        Which field of the cells is the task.

    Attributes
    ----------
    runs : dict of (str, str) to list of Result
        For each model and task, the results seed by seed.
    models, tasks : list of str
        Those of which there are results.
    """

    def __init__(self, results: Results, paper: Mapping[str, Mapping[str, float]], task: str) -> None:
        self.results, self.paper = results, paper
        self.runs: dict[tuple[str, str], list[Result]] = {}
        for result in sorted(results.cells, key=lambda result: int(result.cell.seed)):
            self.runs.setdefault((result.cell.model, getattr(result.cell, task)), []).append(result)
        names = dict.fromkeys(name for line in paper.values() for name in line)
        names |= dict.fromkeys(task for _, task in self.runs)
        self.tasks = [name for name in names if any(name == task for _, task in self.runs)]
        self.models = [name for name in paper if any(name == model for model, _ in self.runs)]

    # ---- numbers ----

    def errors(self, model: str, task: str) -> list[float]:
        """Return the errors of a model in %, one for each seed."""
        return [_HUNDRED * run.values["error"] for run in self.runs.get((model, task), ())]

    def difference(self, first: str, second: str, task: str) -> Estimate | None:
        """Return how many points more the first model has wrong than the second; None if no seed has both."""
        pair = [self.runs.get((model, task), []) for model in (first, second)]
        seeds = set.intersection(*({run.cell.seed for run in found} for found in pair))
        if not seeds:
            return None
        wrong = [np.array([_wrong(run) for run in found if run.cell.seed in seeds]) for found in pair]
        found = paired_difference(*wrong)
        return Estimate(_HUNDRED * found.mean, _HUNDRED * found.standard_error)

    def best(self, setting: str) -> dict[tuple[str, str], float]:
        """Return for each model and task the value of a setting with the fewest errors, of two alike the smaller."""
        return {
            key: getattr(min(runs, key=lambda run: (run.values["error"], getattr(run.cell, setting))).cell, setting)
            for key, runs in self.runs.items()
        }

    # ---- tables ----

    def summary(self) -> str:
        """Return what the numbers are, in a sentence."""
        judged = {f"{run.values['judged']:,}" for run in self.results.cells}
        seeds = sorted({run.cell.seed for run in self.results.cells})
        missing = f" {self.results.missing} cells are missing." if self.results.missing else ""
        return (
            f"Errors in % on {' or '.join(sorted(judged))} pictures, mean and standard deviation over "
            f"{len(seeds)} {'seeds' if len(seeds) > 1 else 'seed'} ({', '.join(map(str, seeds))}).{missing}"
        )

    def table(self) -> Table:
        """Return the errors, ours beside the paper's."""
        header = ["", *(text for task in self.tasks for text in (task, "paper"))]
        rows = []
        for model in self.models:
            row = [model]
            for task in self.tasks:
                ours, paper = self.errors(model, task), self.paper[model].get(task)
                row += [with_deviation(ours), "" if paper is None else f"{paper}"]
            rows.append(row)
        return Table("Errors in %, ours and the paper's", header, rows)

    def every(self) -> Table:
        """Return a line for each model and task, with all that is known of it."""
        header = ("", "ours", "deviation", "paper", "difference", "parameters", "training (s)", "prediction (s)")
        rows = []
        for task in self.tasks:
            for model in self.models:
                runs = self.runs.get((model, task))
                if not runs:
                    continue
                mean, deviation = mean_and_deviation(self.errors(model, task))
                paper = self.paper[model].get(task)
                beside = ["", ""] if paper is None else [f"{paper}", f"{mean - paper:+.2f}"]
                seconds = [np.mean([run.seconds[name] for run in runs]) for name in ("training", "prediction")]
                rows.append(
                    [f"{model} on {task}", f"{mean:.2f}", _number(deviation), *beside]
                    + [f"{runs[0].values['parameters']:,}", f"{seconds[0]:.0f}", f"{seconds[1]:.1f}"]
                )
        return Table("All networks; seconds of one core that others used, too", header, rows)

    def orderings(self, pairs: Sequence[tuple[str, str]]) -> Table:
        """Return the differences of pairs of models on every task, with an interval, beside the paper's."""
        rows = []
        for task in self.tasks:
            for first, second in pairs:
                difference = self.difference(first, second, task)
                if difference is None:
                    continue
                low, high = (difference.mean + sign * _ERRORS * difference.standard_error for sign in (-1, 1))
                papers = [self.paper[model].get(task, np.nan) for model in (first, second)]
                paper = round(papers[0] - papers[1], 6)
                if not (low > 0 or high < 0):
                    order = "not told apart"
                elif np.isnan(paper):
                    order = "not in the paper"
                elif (difference.mean > 0) == (paper > 0):
                    order = "as in the paper"
                else:
                    order = "equal in the paper" if paper == 0 else "opposite to the paper"
                interval = "" if np.isnan(low) else f"{low:+.2f} to {high:+.2f}"
                rows.append(
                    [f"{task}: {first} − {second}", f"{difference.mean:+.2f}", interval]
                    + ["" if np.isnan(paper) else f"{paper:+.1f}", order]
                )
        title = "Differences in points, and intervals of two standard errors (seeds and pictures) on either side"
        return Table(title, ("", "ours", "interval", "paper", "order"), rows)

    def claims(self, orderings: Sequence[Ordering]) -> list[Claim]:
        """Return those claims of which there are results."""
        found = [(ordering, self.difference(ordering.first, ordering.second, ordering.task)) for ordering in orderings]
        return [
            Claim(ordering.text(), difference, ordering.least, ordering.most)
            for ordering, difference in found
            if difference is not None
        ]

    # ---- pictures ----

    def draw_errors(self, colours: Mapping[str, str]) -> Figure:
        """Draw the errors: a dot for each seed, a diamond for the paper."""
        figure = Figure(figsize=(2.1 * len(self.tasks) + 1.4, 0.3 * len(self.models) + 1.2), layout="constrained")
        for axes, task in zip(_panels(figure, self.tasks), self.tasks, strict=True):
            for place, model in enumerate(self.models):
                errors = self.errors(model, task)
                axes.plot(errors, [place] * len(errors), "o", color=colours[model], markersize=5, alpha=0.7)
                if task in self.paper[model]:
                    axes.plot(self.paper[model][task], place, "D", markerfacecolor="none", color=MUTED, markersize=5)
            axes.set_xscale("log")
            axes.set_yticks(range(len(self.models)), self.models)
            axes.set_ylim(len(self.models) - 0.5, -0.5)
            axes.set_xlabel("errors in %")
            _plain_numbers(axes.xaxis)
            axes.grid(axis="x", which="both")
        figure.supxlabel("dots: seeds; diamonds: the paper", fontsize=9, color=MUTED, x=0.99, ha="right")
        return figure

    def draw_curves(self, colours: Mapping[str, str]) -> Figure:
        """Draw validation errors in the course of the training, the mean over seeds."""
        figure = Figure(figsize=(2.5 * len(self.tasks) + 2.0, 3.2), layout="constrained")
        for axes, task in zip(_panels(figure, self.tasks), self.tasks, strict=True):
            for model in self.models:
                runs = self.runs.get((model, task))
                if runs:
                    curves = _HUNDRED * np.array([run.values["validation_error"] for run in runs])
                    steps = runs[0].cell.steps / curves.shape[1] * (1 + np.arange(curves.shape[1]))
                    axes.plot(steps, curves.mean(axis=0), color=colours[model], linewidth=1.3, label=model)
            axes.set_yscale("log")
            axes.set_xlabel("steps")
            _plain_numbers(axes.yaxis)
            axes.grid(axis="y", which="both")
        figure.axes[0].set_ylabel("validation errors in %")
        lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
        figure.legend(lines.values(), lines.keys(), loc="outside right upper")
        return figure


def _wrong(run: Result) -> Array:
    """Return for each example whether it is wrong."""
    packed = np.frombuffer(base64.b64decode(run.values["right"]), np.uint8)
    return 1 - np.unpackbits(packed, count=run.values["judged"])


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def errors_by(setting: str, name: str, results: Results, line: Callable[[Any], str], decimals: int = 2) -> Table:
    """Return the errors by the values of a setting that is to be chosen.

    Parameters
    ----------
    setting : str
        A field of the cells.
    name : str
        What it is called in the title.
    results : Results
        Of cells with the entries of `judge` among their values.
    line : callable
        Returns what a cell has in common with those that differ in the setting alone.
    decimals : int
        Of the errors in %.
    """
    values = sorted({getattr(result.cell, setting) for result in results.cells})
    lines: dict[str, dict[float, float]] = {}
    for result in results.cells:
        lines.setdefault(line(result.cell), {})[getattr(result.cell, setting)] = _HUNDRED * result.values["error"]
    rows = [
        [
            what,
            *(f"{errors[value]:.{decimals}f}" if value in errors else "" for value in values),
            f"{min(errors, key=lambda value: (errors[value], value))}",
        ]
        for what, errors in lines.items()
    ]
    return Table(f"Errors in % by {name}", ["", *map(str, values), "best"], rows)


def with_deviation(values: Sequence[float]) -> str:
    """Return the mean of numbers and, of more than one, their standard deviation; "" of none."""
    if not values:
        return ""
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.2f}" if np.isnan(deviation) else f"{mean:.2f} ± {deviation:.2f}"


def _panels(figure: Figure, titles: Sequence[str]) -> Sequence[Axes]:
    """Return axes side by side, which share their vertical axis."""
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
    return list(panels)


def _plain_numbers(axis: Any) -> None:
    """Label a logarithmic axis with numbers, not with powers of ten."""
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())
