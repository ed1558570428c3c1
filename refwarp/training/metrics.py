"""What a training run is measured by: the loss and the error rate of classifiers, and its history, epoch by epoch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad, to_device
from autograd_core.arrays import device_of
from autograd_core.layers import Module, softmax_cross_entropy
from refwarp.arguments import check_count
from refwarp.data import Examples

Array = np.ndarray[Any, Any]


def model_device(model: Module) -> str:
    """Return where a model's parameters lie: "cpu", or "cuda" for CuPy's arrays."""
    return next((device_of(parameter.data) for parameter in model.parameters()), "cpu")


def classification_loss(model: Module, images: Tensor, labels: Array) -> Tensor:
    """Return the mean cross entropy of a classifier's scores, in nats."""
    return softmax_cross_entropy(model(images), labels)


@no_grad()
def scores(model: Module, images: Array, batch_size: int = 256) -> Array:
    """Return the scores that a classifier gives each picture, as it behaves in evaluation.

    Parameters
    ----------
    model : Module
        Maps (N, C, H, W) to scores (N, K). Whether it, and each of its parts, is in training is as before afterwards.
    images : ndarray, shape (N, C, H, W)
        The pictures.
    batch_size : int
        How many are classified at once; it bounds the memory.

    Returns
    -------
    ndarray, shape (N, K)
        The scores; with no pictures there is no K, and the shape is (0, 0).

    Raises
    ------
    ValueError
        If `batch_size` is not positive.
    """
    check_count("batch_size", batch_size)
    starts = range(0, len(images), batch_size)
    given = (Tensor(to_device(images[start : start + batch_size], model_device(model))) for start in starts)
    with model.evaluation():
        batches = [model(tensor).numpy() for tensor in given]
    return np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)


def predict(model: Module, images: Array, batch_size: int = 256) -> Array:
    """Return the class that a classifier gives each picture, (N,) in int64; the rest as `scores`."""
    found = scores(model, images, batch_size)
    return found.argmax(axis=1) if len(found) else np.zeros(0, np.int64)


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
        Mean loss over the epoch's examples, each taken before the step that it led to: the cross entropy in nats, where
        the run has no other.
    validation_error : list of float
        What is measured on the validation examples at the end of the epoch: the share that is classified wrongly, where
        the run has no other measure.
    learning_rate : list of float
        What the epoch was trained with.
    seconds : list of float
        Wall time of the epoch, without validation; the one entry that differs from run to run.

    Raises
    ------
    ValueError
        If these are no lists of numbers of one length.
    """

    loss: list[float] = field(default_factory=list)
    validation_error: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what is no history, such as that of a damaged file."""
        for name, numbers in vars(self).items():
            if not isinstance(numbers, list) or not all(isinstance(number, Real) for number in numbers):
                raise ValueError(f"{name}: given {numbers!r}, expected a list of numbers")
            if len(numbers) != len(self.loss):
                raise ValueError(f"{name}: given {len(numbers)} epochs, expected as many as of loss, {len(self.loss)}")

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
