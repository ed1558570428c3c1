"""How a network is trained: optimizer, rates, schedule, and when it ends.

The learning rates were chosen by errors on validation data, digits held out of what MNIST has to train on:
docs/train.md has the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from rich.progress import Progress

from autograd_core.layers import Module
from autograd_core.optimizers import SGD, Adam, Optimizer
from autograd_core.schedules import CosineSchedule, ReduceOnPlateau, Schedule, WarmUpSchedule
from refwarp.arguments import check_count, check_option
from refwarp.classification.parts import Parts
from refwarp.data import Distortion
from refwarp.networks import SpatialTransformer
from refwarp.training import Checkpoint, EarlyStopping, History, Passes, Run, predict, train
from refwarp.training.loop import Settings

Array = np.ndarray[Any, Any]

OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {"sgd": partial(SGD, momentum=0.9), "adam": Adam}
LEARNING_RATES = {"sgd": 0.05, "adam": 8e-3}
SCHEDULES = ("cosine", "plateau", "constant")

# Epochs if none are given: as many as make so many steps, within bounds.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 3_000, 4, 60
# The share of all steps in which the rate rises, and of epochs without progress after which "plateau" lowers it.
_WARM_UP, _PLATEAU_EPOCHS, _PLATEAU_FACTOR = 0.05, 3, 0.3


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimizer : str
        "sgd", with a momentum of 0.9, or "adam".
    learning_rate : float, optional
        After the warm-up; else that of `LEARNING_RATES`.
    schedule : str
        After the first twentieth of the steps, in which it rises, the rate falls along half a cosine ("cosine"), falls
        to 0.3 of what it is when the validation error has not become smaller for more than three epochs ("plateau"), or
        stays ("constant").
    epochs : int, optional
        Passes over the examples, at most; else as many as make some 3,000 steps, from 4 to 60.
    batch_size : int
        Examples in a minibatch. A last one of a single example is left out, of which there are no batch statistics.
    patience : int
        After how many epochs in a row without a smaller validation error one more ends the training; 0 for never.
    localisation_rate : float
        The learning rate of localisations, as a share: theta steers every pixel, so it takes smaller steps.
    largest_norm : float
        What the norm of the gradient of localisations is clipped to.

    Raises
    ------
    ValueError
        If a value is out of its range; the message begins with the option of the command line.
    """

    optimizer: str = "adam"
    learning_rate: float | None = None
    schedule: str = "cosine"
    epochs: int | None = None
    batch_size: int = 64
    patience: int = 0
    localisation_rate: float = 0.3
    largest_norm: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_option("optimizer", self.optimizer, tuple(OPTIMIZERS))
        check_option("schedule", self.schedule, SCHEDULES)
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 0)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least=least)
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError(f"lr: given {self.learning_rate}, expected a finite number above 0")

    def rate(self) -> float:
        """Return the learning rate after the warm-up."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    def steps_for(self, examples: int) -> int:
        """Return the number of minibatches in an epoch of so many examples."""
        return max(1, math.ceil((examples - 1) / self.batch_size))

    def epochs_for(self, examples: int) -> int:
        """Return the number of epochs for so many examples."""
        wanted = math.ceil(_STEPS / self.steps_for(examples))
        return self.epochs or min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, wanted))

    def passes(self, examples: int, distortion: Distortion | None = None) -> Passes:
        """Return how a run goes through so many examples."""
        leaves_one = examples > self.batch_size and examples % self.batch_size == 1
        return Passes(self.epochs_for(examples), self.batch_size, drop_last=leaves_one, distortion=distortion)

    def completed(self, examples: int) -> Recipe:
        """Return the recipe for so many examples, with nothing left open."""
        return replace(self, learning_rate=self.rate(), epochs=self.epochs_for(examples))

    def run(self, network: Module, examples: int, rng: np.random.Generator, settings: Settings) -> Run:
        """Return a training run.

        Parameters
        ----------
        network : Module
            The classifier; it may have spatial transformers anywhere.
        examples : int
            How many examples there are.
        rng : numpy.random.Generator
            Draws the order of the examples and their distortions.
        settings : mapping
            What else the run is, beside this recipe.
        """
        slow = [
            parameter
            for _, module in network.named_modules()
            if isinstance(module, SpatialTransformer)
            for parameter in module.localisation.parameters()
        ]
        slow = list({id(parameter): parameter for parameter in slow}.values())
        ids = {id(parameter) for parameter in slow}
        make, rate, epochs = OPTIMIZERS[self.optimizer], self.rate(), self.epochs_for(examples)
        optimizers = [make([p for p in network.parameters() if id(p) not in ids], rate)]
        if slow:
            optimizers.append(make(slow, rate * self.localisation_rate))
        total = epochs * self.steps_for(examples)
        schedules: list[Schedule] = []
        for optimizer in optimizers:
            schedules.append(WarmUpSchedule(optimizer, max(1, round(_WARM_UP * total))))
            if self.schedule == "cosine":
                schedules.append(CosineSchedule(optimizer, total))
        plateaus = [
            ReduceOnPlateau(optimizer, _PLATEAU_FACTOR, _PLATEAU_EPOCHS, 0.0)
            for optimizer in optimizers
            if self.schedule == "plateau"
        ]
        return Run(
            network,
            optimizers,
            [],
            rng,
            {**settings, **asdict(self.completed(examples))},
            minibatch_schedules=schedules,
            largest_norms=[math.inf, self.largest_norm][: len(optimizers)],
            plateaus=plateaus,
            early_stopping=EarlyStopping(self.patience or epochs),
        )


@dataclass(frozen=True)
class Outcome:
    """A trained network, and how well it does.

    Attributes
    ----------
    network : Module
        The classifier, with the parameters of its best epoch.
    history : History
        The course of the training.
    best_epoch : int
        The epoch with the smallest validation error, the first of several; counted from 1.
    confusion : ndarray, shape (K, K)
        How many test pictures of each class (row) are taken for which class (column).
    """

    network: Module
    history: History
    best_epoch: int
    confusion: Array

    @property
    def validation_error(self) -> float:
        """The share of the validation pictures that are wrong after the best epoch."""
        return self.history.validation_error[self.best_epoch - 1]

    @property
    def test_error(self) -> float:
        """The share of the test pictures that are wrong."""
        total = self.confusion.sum()
        return float((total - np.trace(self.confusion)) / total)


def generators(seed: int) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
    """Return the Generators of the parts of the data, of the weights, and of all that training draws."""
    check_count("seed", seed, least=0)
    data, weights, draws = (np.random.default_rng(branch) for branch in np.random.SeedSequence(seed).spawn(3))
    return data, weights, draws


def fit(
    network: Module,
    parts: Parts,
    recipe: Recipe,
    rng: np.random.Generator,
    *,
    settings: Settings | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Train a network, and test it.

    Parameters
    ----------
    network : Module
        The classifier, (N, C, H, W) to scores (N, K); changed in place. A network of one's own will do.
    parts : Parts
        What it learns from.
    recipe : Recipe
        How.
    rng : numpy.random.Generator
        Draws the order of the examples and their distortions.
    settings : mapping, optional
        What else the run is; a checkpoint of other settings, or other data, is not resumed.
    checkpoint : Checkpoint, optional
        Where the run is saved after each epoch.
    progress : rich.progress.Progress, optional
        A started display.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError
        If the loss becomes infinite or no number, or the checkpoint cannot be resumed or written.
    OSError
        If the checkpoint cannot be had, as `Checkpoint` says.
    """
    count = len(parts.train)
    digests = {f"digest of {part}": digest for part, digest in parts.digests().items()}

    def check_loss(history: History) -> None:
        if history.loss and not math.isfinite(history.loss[-1]):
            raise ValueError(
                f"lr: given {recipe.rate()}, with which the loss is {history.loss[-1]} in epoch {len(history)}; "
                "give a smaller one, and another --out"
            )

    history = train(
        recipe.run(network, count, rng, {**(settings or {}), **digests}),
        parts.train,
        parts.validation,
        recipe.passes(count, parts.distortion),
        checkpoint=checkpoint,
        progress=progress,
        label=parts.name,
        on_epoch=check_loss,
    )
    best = min(range(len(history)), key=lambda epoch: history.validation_error[epoch])
    classes = len(parts.classes)
    pairs = classes * parts.test.labels + predict(network, parts.test.images)
    confusion = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    return Outcome(network, history, best + 1, confusion)
