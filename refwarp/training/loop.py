"""The training loop: epochs of shuffled minibatches, validated and saved after each.

A run is a function of its start: model, optimizers, schedules, and the state of one Generator, from which the order
of the examples and their distortions come. A checkpoint holds all of these after an epoch, so a run that is cut off
anywhere goes on from its last epoch with the same bits as one that was not. Wall time enters nothing but the
history's `seconds`. (The same bits need the same machine and libraries: another BLAS, or another number of its
threads, may round differently.)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from autograd_core import Tensor
from autograd_core.layers import Module, softmax_cross_entropy
from autograd_core.optimizers import Optimizer, StepSchedule
from refwarp.data import Distortion, Examples, distort
from refwarp.training.checkpoints import load_state, save_state
from refwarp.training.metrics import History, error_rate
from refwarp.training.progress import EpochDisplay

Settings = Mapping[str, str | int | float]


@dataclass
class Run:
    """All that a training run changes as it goes.

    Attributes
    ----------
    model : Module
        The classifier, (N, C, H, W) to scores (N, K).
    optimizers : sequence of Optimizer
        Each steps its own parameters after every minibatch, with its own learning rate.
    schedules : sequence of StepSchedule
        Each is stepped after every epoch.
    rng : numpy.random.Generator
        Draws the order of the examples and their distortions.
    settings : mapping
        What the run is, in words and numbers: a checkpoint with other settings is not resumed.
    history : History
        The epochs that are done.
    """

    model: Module
    optimizers: Sequence[Optimizer]
    schedules: Sequence[StepSchedule]
    rng: np.random.Generator
    settings: Settings = field(default_factory=dict)
    history: History = field(default_factory=History)

    def _generators(self) -> dict[str, np.random.Generator]:
        """Return every Generator that the run draws from, those inside the model (dropout) included."""
        inside = {
            f"model.{prefix}{name}": value
            for prefix, module in self.model.named_modules()
            for name, value in vars(module).items()
            if isinstance(value, np.random.Generator)
        }
        return {"training": self.rng, **inside}

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as nested dictionaries, for `save_state`."""
        return {
            "settings": dict(self.settings),
            "epoch": len(self.history),
            "model": self.model.state_dict(),
            "optimizers": {str(k): optimizer.state_dict() for k, optimizer in enumerate(self.optimizers)},
            "schedules": {str(k): schedule.state_dict() for k, schedule in enumerate(self.schedules)},
            "generators": {name: rng.bit_generator.state for name, rng in self._generators().items()},
            "history": self.history.as_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a run of the same settings and structure returned.

        Raises
        ------
        ValueError
            If the settings or the structure are others; the message says where.
        """
        expected = self.state_dict()
        for part in expected:
            if part not in state:
                raise ValueError(f"{part} is missing")
        for name in {**self.settings, **state["settings"]}:
            saved, own = state["settings"].get(name), self.settings.get(name)
            if saved != own:
                raise ValueError(f"its {name} is {saved!r}, and that of this run {own!r}")
        for part in ("optimizers", "schedules", "generators"):
            if state[part].keys() != expected[part].keys():
                raise ValueError(
                    f"it holds the {part} {sorted(state[part])}, and this run has {sorted(expected[part])}"
                )
        self.model.load_state_dict(state["model"])
        for k, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(state["optimizers"][str(k)])
        for k, schedule in enumerate(self.schedules):
            schedule.load_state_dict(state["schedules"][str(k)])
        for name, rng in self._generators().items():
            rng.bit_generator.state = state["generators"][name]
        self.history = History(**state["history"])

    def save(self, path: str | Path) -> None:
        """Write a checkpoint, atomically."""
        save_state(path, self.state_dict())

    def resume(self, path: str | Path) -> None:
        """Take over a checkpoint.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If it cannot be read, or belongs to another run.
        """
        state = load_state(path)
        try:
            self.load_state_dict(state)
        except ValueError as error:
            raise ValueError(
                f"{path} is the checkpoint of another run, which cannot be resumed here: {error}"
            ) from error


def train_step(run: Run, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """Make one gradient step on a minibatch, and return the loss before it: the mean cross entropy in nats."""
    loss = softmax_cross_entropy(run.model(Tensor(images)), labels)
    for optimizer in run.optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in run.optimizers:
        optimizer.step()
    return loss.item()


def train(
    run: Run,
    examples: Examples,
    validation: Examples,
    *,
    epochs: int,
    batch_size: int,
    distortion: Distortion | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    label: str = "training",
) -> History:
    """Train a classifier with shuffled minibatches and cross entropy, until `epochs` epochs are done.

    Parameters
    ----------
    run : Run
        The model and what trains it; changed in place.
    examples : Examples
        What to learn from. The last minibatch of an epoch may be smaller than the others.
    validation : Examples
        What the error rate is measured on after each epoch, as they are: distort them before, once.
    epochs : int
        How many epochs the whole run has, those before a resume included.
    batch_size : int
        Examples in a minibatch.
    distortion : Distortion, optional
        Distorts each minibatch afresh. Without it the examples are taken as they are.
    checkpoint : path, optional
        Where the run is saved, atomically, before the first epoch and after each one; an older file is replaced.
    resume : bool
        Go on from the checkpoint.
    progress : rich.progress.Progress, optional
        A started progress display, which gets a bar; on a console that is no terminal, a line for each epoch
        instead. Without it nothing is shown.
    label : str
        What the progress display calls this run.

    Returns
    -------
    History
        That of the run.

    Raises
    ------
    ValueError
        If a number is not positive, there are no examples, or the checkpoint cannot be resumed.
    FileNotFoundError
        If there is no checkpoint to resume.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("len(examples)", len(examples))):
        if value < 1:
            raise ValueError(f"{name}: given {value}, expected a positive integer")
    if resume and checkpoint is None:
        raise ValueError("resume: given without a checkpoint, expected the file to resume from as `checkpoint`")
    if checkpoint is not None and resume:
        run.resume(checkpoint)
    elif checkpoint is not None:
        run.save(checkpoint)

    starts = range(0, len(examples), batch_size)
    display = EpochDisplay(progress, label, epochs, len(starts), done=len(run.history))
    while len(run.history) < epochs:
        began = time.perf_counter()
        total = 0.0
        run.model.train()
        order = run.rng.permutation(len(examples))
        for start in starts:
            batch = order[start : start + batch_size]
            images = examples.images[batch]
            if distortion is not None:
                images, _ = distort(images, distortion, run.rng)
            total += len(batch) * train_step(run, images, examples.labels[batch])
            display.step()
        seconds = time.perf_counter() - began
        run.history.append(
            loss=total / len(examples),
            validation_error=error_rate(run.model, validation),
            learning_rate=run.optimizers[0].learning_rate,
            seconds=seconds,
        )
        for schedule in run.schedules:
            schedule.step()
        if checkpoint is not None:
            run.save(checkpoint)
        display.epoch(run.history)
    return run.history
