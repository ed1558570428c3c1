"""Pictures of a training run: its curves, and what the transformers of its network do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autograd_core import to_device
from autograd_core.layers import Module
from refwarp.data import Examples
from refwarp.drawing.style import BLUE, MUTED
from refwarp.networks.pictures import Row, class_means, rows_of, views
from refwarp.training.metrics import History, model_device

# How many classes are drawn, of how many pictures of each the mean is, and letters of a class's name.
_MOST_CLASSES, _LOOKED_AT, _MOST_LETTERS = 10, 100, 12


def draw_curves(history: History, best_epoch: int) -> Figure:
    """Draw loss and validation error by epoch, and mark the epoch whose parameters are kept."""
    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    loss, error = figure.subplots(1, 2)
    epochs = np.arange(1, len(history) + 1)
    for axes, values, title, label in (
        (loss, history.loss, "Training loss", "cross entropy (nats)"),
        (error, [100 * value for value in history.validation_error], "Validation error", "wrong pictures (%)"),
    ):
        axes.plot(epochs, values, "-o", color=BLUE, markersize=3)
        axes.axvline(best_epoch, color=MUTED, linewidth=0.8, linestyle="--")
        axes.set_title(title)
        axes.set_xlabel("epoch (dashed: the one that is kept)")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.set_xlim(0.5, len(history) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
    return figure


def transformer_rows(network: Module, examples: Examples, classes: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Return what each spatial transformer of a network does: to a picture of each class, and to many in the mean.

    Parameters
    ----------
    network : Module
        The network.
    examples : Examples
        Pictures that it takes.
    classes : sequence of str
        What the classes are called. The first ten that there are pictures of are shown.

    Returns
    -------
    rows, titles
        As `refwarp.networks.pictures.draw_rows` takes them; no rows if the network has no transformer.
    """
    labels = np.unique(examples.labels)[:_MOST_CLASSES]
    some = np.concatenate([np.flatnonzero(examples.labels == label)[:_LOOKED_AT] for label in labels])
    chosen = examples.labels[some]
    firsts = np.unique(chosen, return_index=True)[1]
    rows: list[Row] = []
    for name, view in views(network, to_device(examples.images[some], model_device(network))).items():
        rows += rows_of(view, name, firsts)
        rows += [
            Row("mean input", class_means(view.inputs, chosen)),
            Row("mean output", class_means(view.outputs, chosen)),
        ]
    return rows, [classes[label][:_MOST_LETTERS] for label in labels]
