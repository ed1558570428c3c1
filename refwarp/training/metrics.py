"""What a training run is measured by: the error rate, and its history, epoch by epoch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad
from autograd_core.layers import Module
from refwarp.data import Examples

Array = np.ndarray[Any, Any]


@no_grad()
def predict(model: Module, images: Array, batch_size: int = 256) -> Array:
    """Return the class that a classifier gives each picture, as it behaves in evaluation.

    Parameters
    ----------
    model : Module
        Maps (N, C, H, W) to scores (N, K). Whether it is in training is as before afterwards.
    images : ndarray, shape (N, C, H, W)
        The pictures.
    batch_size : int
        How many are classified at once; it bounds the memory.

    Returns
    -------
    ndarray, shape (N,)
        The classes, int64.
    """
    training = model.training
    model.eval()
    try:
        starts = range(0, len(images), batch_size)
        batches = [model(Tensor(images[start : start + batch_size])).data.argmax(axis=1) for start in starts]
    finally:
        model.train(training)
    return np.concatenate([np.zeros(0, np.int64), *batches])


def error_rate(model: Module, examples: Examples) -> float:
    """Return the share of examples that a classifier gets wrong, in [0, 1].

    Raises
    ------
    ValueError
        If there are no examples.
    """
    if not len(examples):
        raise ValueError("examples: given none, expected at least one")
    return float(np.mean(predict(model, examples.images) != examples.labels))


@dataclass
class History:
    """The course of a training run: lists with one number for each epoch that is done.

    Attributes
    ----------
    loss : list of float
        Mean cross entropy over the epoch's examples, in nats, each taken before the step that it led to.
    validation_error : list of float
        Share of the validation examples that are classified wrongly at the end of the epoch.
    learning_rate : list of float
        What the epoch was trained with.
    seconds : list of float
        Wall time of the epoch, without validation; the one entry that differs from run to run.
    """

    loss: list[float] = field(default_factory=list)
    validation_error: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.loss)

    def append(self, *, loss: float, validation_error: float, learning_rate: float, seconds: float) -> None:
        """Add an epoch."""
        self.loss.append(loss)
        self.validation_error.append(validation_error)
        self.learning_rate.append(learning_rate)
        self.seconds.append(seconds)

    def as_dict(self) -> dict[str, list[float]]:
        """Return a copy as a dictionary of lists."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return the history as JSON; a float's text gives back its bits."""
        return json.dumps(self.as_dict(), indent=1)

    @classmethod
    def from_json(cls, text: str) -> History:
        """Return the history that `to_json` wrote."""
        return cls(**json.loads(text))
