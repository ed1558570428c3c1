"""The training loop: epochs of shuffled minibatches, validated and saved after each.

A run is a function of its start: model, optimizers, schedules, and the state of one Generator, from which the order
of the examples and their distortions come. A checkpoint holds all of these after an epoch, so a run that is cut off
anywhere goes on from its last epoch with the same bits as one that was not. Wall time enters nothing but the
history's `seconds`. (The same bits need the same machine and libraries: another BLAS, or another number of its
threads, may round differently.)
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from autograd_core import Tensor, to_device
from autograd_core.layers import Module
from autograd_core.optimizers import Optimizer, clip_gradient_norm
from autograd_core.schedules import ReduceOnPlateau, Schedule
from refwarp.arguments import check_count
from refwarp.data import Distortion, Examples, distort
from refwarp.files import check_input_file, check_output_file, lock, make_output_folder
from refwarp.training.checkpoints import State, load_state, save_state
from refwarp.training.early_stopping import EarlyStopping
from refwarp.training.metrics import History, classification_loss, error_rate, model_device
from refwarp.training.progress import EpochDisplay

Settings = Mapping[str, str | int | float]
# What a step makes smaller: a number, of the model, a minibatch's images (N, C, H, W) and its labels (N,).
Loss = Callable[[Module, Tensor, np.ndarray[Any, Any]], Tensor]


@dataclass
class Run:
    """All that a training run changes as it goes.

    Attributes
    ----------
    model : Module
        What learns: a classifier, (N, C, H, W) to scores (N, K), where `loss` and `measure` say nothing else.
    optimizers : sequence of Optimizer
        Each steps its own parameters after every minibatch, with its own learning rate.
    schedules : sequence of Schedule
        Each is stepped after every epoch.
    rng : numpy.random.Generator
        Draws the order of the examples and their distortions.
    settings : mapping
        What the run is, in words and numbers: a checkpoint with other settings is not resumed.
    history : History
        The epochs that are done.
    minibatch_schedules : sequence of Schedule
        Each is stepped after every minibatch.
    largest_norms : sequence of float
        For each optimizer, the largest norm of its parameters' gradient, which is shortened to it
        (`autograd_core.optimizers.clip_gradient_norm`); by default none is.
    plateaus : sequence of ReduceOnPlateau
        Each is given the validation error after every epoch.
    early_stopping : EarlyStopping, optional
        Is given the validation error after every epoch, and ends the run; the model has the parameters of its best
        epoch then.
    loss : callable
        What is made smaller: `loss(model, images, labels)` returns a Tensor of one number; the mean cross entropy of a
        classifier where nothing else is said.
    measure : callable, optional
        What is called the validation error: `measure(model, examples)` returns a number, the smaller the better; the
        share that a classifier gets wrong where nothing else is said.
    best : dict
        With early stopping, the model's state after the best epoch so far; before the first one, that of the start.
    """

    model: Module
    optimizers: Sequence[Optimizer]
    schedules: Sequence[Schedule]
    rng: np.random.Generator
    settings: Settings = field(default_factory=dict)
    history: History = field(default_factory=History)
    minibatch_schedules: Sequence[Schedule] = ()
    largest_norms: Sequence[float] = ()
    plateaus: Sequence[ReduceOnPlateau] = ()
    early_stopping: EarlyStopping | None = None
    loss: Loss = classification_loss
    measure: Callable[[Module, Examples], float] | None = None
    best: State = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse norms that belong to no optimizer."""
        if len(self.largest_norms) not in (0, len(self.optimizers)):
            raise ValueError(
                f"largest_norms: given {len(self.largest_norms)}, expected one for each of the "
                f"{len(self.optimizers)} optimizers, or none"
            )
        if self.early_stopping is not None:
            self.best = self.model.state_dict()

    @property
    def device(self) -> str:
        """Where the model lies: "cpu", or "cuda" for CuPy's arrays."""
        return model_device(self.model)

    def _generators(self) -> dict[str, np.random.Generator]:
        """Return every Generator that the run draws from, those inside the model (dropout) included."""
        inside = {
            f"model.{prefix}{name}": value
            for prefix, module in self.model.named_modules()
            for name, value in vars(module).items()
            if isinstance(value, np.random.Generator)
        }
        return {"training": self.rng, **inside}

    def _all_schedules(self) -> Sequence[Schedule | ReduceOnPlateau]:
        return [*self.schedules, *self.minibatch_schedules, *self.plateaus]

    @property
    def stopped(self) -> bool:
        """Whether early stopping has ended the run."""
        return self.early_stopping is not None and self.early_stopping.exhausted

    def end_epoch(self, validation_error: float) -> None:
        """Step the schedules and early stopping after an epoch."""
        for schedule in self.schedules:
            schedule.step()
        for plateau in self.plateaus:
            plateau.step(validation_error)
        if self.early_stopping is not None:
            self.early_stopping.step(validation_error)
            if self.early_stopping.waited == 0:
                self.best = self.model.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as nested dictionaries, for `save_state`."""
        stopping = {}
        if self.early_stopping is not None:
            stopping = {"early_stopping": self.early_stopping.state_dict(), "best": self.best}
        return {
            "settings": dict(self.settings),
            "epoch": len(self.history),
            "model": self.model.state_dict(),
            "optimizers": {str(k): optimizer.state_dict() for k, optimizer in enumerate(self.optimizers)},
            "schedules": {str(k): schedule.state_dict() for k, schedule in enumerate(self._all_schedules())},
            "generators": {name: rng.bit_generator.state for name, rng in self._generators().items()},
            "history": self.history.as_dict(),
            **stopping,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a run of the same settings and structure returned.

        Raises
        ------
        ValueError
            If the settings or the structure are others, or it is no state of a run; the message says where.
            Nothing is changed then.
        """
        settings = state.get("settings")
        if not isinstance(settings, dict):
            raise ValueError("it has no settings")
        for name in {**self.settings, **settings}:
            saved: Any = settings.get(name)
            own: Any = self.settings.get(name)
            if not np.array_equal(saved, own):
                raise ValueError(f"its {name} is {saved!r}, and that of this run {own!r}")
        _check_alike(state, {**self.state_dict(), "settings": settings}, "state")
        history = History(**state["history"])
        if state["epoch"] != len(history):
            raise ValueError(f"its epoch is {state['epoch']}, and its history has {len(history)}")
        for name, rng in self._generators().items():
            try:
                copy.deepcopy(rng.bit_generator).state = state["generators"][name]
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"its generator {name!r} has a state that is none: {error}") from error

        self.model.load_state_dict(state["model"])
        for k, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(state["optimizers"][str(k)])
        for k, schedule in enumerate(self._all_schedules()):
            schedule.load_state_dict(state["schedules"][str(k)])
        for name, rng in self._generators().items():
            rng.bit_generator.state = state["generators"][name]
        if self.early_stopping is not None:
            self.early_stopping.load_state_dict(state["early_stopping"])
            self.best = state["best"]
        self.history = history

    def save(self, path: str | Path) -> None:
        """Write a checkpoint, atomically; OSError if the disk is full, and the older one stays."""
        save_state(path, self.state_dict())

    def resume(self, path: str | Path) -> None:
        """Take over a checkpoint.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If it cannot be read, is damaged, or belongs to another run. The run is as before then.
        """
        state = load_state(path)
        try:
            self.load_state_dict(state)
        except ValueError as error:
            raise ValueError(f"{path} is damaged or of another run, and cannot be resumed here: {error}") from error


def _check_alike(given: Any, expected: Any, place: str) -> None:
    """Raise ValueError unless two states have the same names, and under each the same kind of entry."""
    if isinstance(expected, np.ndarray) and isinstance(given, np.ndarray):
        if (given.dtype, given.shape) != (expected.dtype, expected.shape):
            raise ValueError(
                f"{place} is {given.dtype}{given.shape}, and that of this run {expected.dtype}{expected.shape}"
            )
    elif not isinstance(given, type(expected)):
        raise ValueError(f"{place} is a {type(given).__name__}, expected a {type(expected).__name__}")
    elif isinstance(expected, dict):
        for name in {**expected, **given}:
            if name not in given:
                raise ValueError(f"{place} lacks {name!r}")
            if name not in expected:
                raise ValueError(f"{place} has {name!r}, and that of this run has not")
            _check_alike(given[name], expected[name], f"{place}[{name!r}]")


def train_step(run: Run, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """Make one gradient step on a minibatch, and return the loss before it.

    The images lie where the model does.
    """
    loss = run.loss(run.model, Tensor(images), labels)
    for optimizer in run.optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer, norm in zip(run.optimizers, run.largest_norms or repeat(math.inf), strict=False):
        if norm < math.inf:
            clip_gradient_norm(optimizer.parameters, norm)
        optimizer.step()
    for schedule in run.minibatch_schedules:
        schedule.step()
    return loss.item()


@dataclass(frozen=True)
class Passes:
    """How a run goes through its examples.

    Attributes
    ----------
    epochs : int
        How many epochs the whole run has, those before a resume included.
    batch_size : int
        Examples in a minibatch. The last one of an epoch may be smaller.
    drop_last : bool
        Leave out a last minibatch that is smaller, in each epoch other examples. Batch statistics of one example may
        not exist, and those of a few are noisy.
    distortion : Distortion, optional
        Distorts each minibatch afresh. Without it the examples are taken as they are.
    steps : int, optional
        Minibatches in an epoch, of examples that are drawn for it without replacement; by default as many as there are
        examples for.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    epochs: int
    batch_size: int
    drop_last: bool = False
    distortion: Distortion | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        """Refuse counts below one."""
        for name in ("epochs", "batch_size", "steps"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))

    def used(self, examples: Examples) -> int:
        """Return how many examples an epoch uses.

        Raises
        ------
        ValueError
            If there are none, or too few for a minibatch or for the steps of an epoch.
        """
        count = len(examples)
        check_count("len(examples)", count)
        if self.steps is not None:
            if count < self.steps * self.batch_size:
                raise ValueError(
                    f"steps: given {self.steps} minibatches of {self.batch_size}, and {count} examples, which are "
                    "fewer; give fewer steps, or a smaller batch_size"
                )
            return self.steps * self.batch_size
        if self.drop_last and count < self.batch_size:
            raise ValueError(
                f"drop_last: given with {count} examples and minibatches of {self.batch_size}, which leaves none; "
                "give a smaller batch_size"
            )
        return count - (count % self.batch_size if self.drop_last else 0)


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is saved, and what becomes of a file that is there already.

    Attributes
    ----------
    path : path
        The file. It is written atomically, before the first epoch and after each one; a missing folder is created.
    resume : bool
        Go on from it.
    replace : bool
        Without `resume`: whether a file that is there is replaced, or refused.
    """

    path: str | Path
    resume: bool = False
    replace: bool = True

    @contextmanager
    def taken_up(self, run: Run) -> Iterator[None]:
        """Keep the file for this `with` block alone (`refwarp.files.lock`), and bring it and the run together first.

        Raises
        ------
        ValueError
            If the file cannot be resumed or written.
        FileNotFoundError
            If there is none to resume.
        FileExistsError
            If there is one, to be neither resumed nor replaced.
        BlockingIOError
            If another run has it.
        OSError
            If the disk is full.
        """
        target = check_output_file(self.path, "checkpoint")
        if self.resume:
            check_input_file(self.path, "checkpoint", "one to resume; check the name, or start without resuming")
        else:
            make_output_folder(target.parent, "checkpoint")
        with lock(self.path, "checkpoint"):
            if self.resume:
                run.resume(self.path)
            elif target.exists() and not self.replace:  # only now: another run may have put it there
                raise FileExistsError(f"checkpoint: {self.path} is there already; resume from it, or remove it")
            else:
                run.save(self.path)
            yield


def train(
    run: Run,
    examples: Examples,
    validation: Examples,
    passes: Passes,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    label: str = "training",
    on_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train a model with shuffled minibatches, for all epochs or until early stopping ends it.

    Parameters
    ----------
    run : Run
        The model and what trains it; changed in place. Parts of the model that are in evaluation stay so, unless all of
        it is.
    examples : Examples
        What to learn from.
    validation : Examples
        What the validation error is measured on after each epoch, as they are: distort them before, once.
    passes : Passes
        How many epochs there are, and of which minibatches.
    checkpoint : Checkpoint, optional
        Where the run is saved. Until the end the file is this run's alone to write; anybody may read it.
    progress : rich.progress.Progress, optional
        A started progress display, which gets a bar; on a console that is no terminal, a line for each epoch
        instead. Without it nothing is shown.
    label : str
        What the progress display calls this run.
    on_epoch : callable, optional
        Is called with the history at the start and after each epoch, once the checkpoint is written.

    Returns
    -------
    History
        That of the run.

    Raises
    ------
    ValueError
        If there are no examples, or too few for a minibatch with `drop_last`, or the checkpoint cannot be resumed or
        written. The layers', such as that of batch normalisation in training for a last minibatch of one example,
        which `drop_last` leaves out.
    OSError
        If the checkpoint cannot be had, as `Checkpoint` says, or the disk is full; the last checkpoint stays.
    """
    used = passes.used(examples)
    starts = range(0, used, passes.batch_size)
    with checkpoint.taken_up(run) if checkpoint else nullcontext():
        if not any(module.training for _, module in run.model.named_modules()):
            run.model.train()
        if on_epoch is not None:
            on_epoch(run.history)
        display = EpochDisplay(progress, label, passes.epochs, len(starts), done=len(run.history))
        while len(run.history) < passes.epochs and not run.stopped:
            began = time.perf_counter()
            total = 0.0
            order = run.rng.permutation(len(examples))
            for start in starts:
                batch = order[start : start + passes.batch_size]
                images = to_device(examples.images[batch], run.device)
                if passes.distortion is not None:
                    images, _ = distort(images, passes.distortion, run.rng)
                total += len(batch) * train_step(run, images, examples.labels[batch])
                display.step()
            seconds = time.perf_counter() - began
            run.history.append(
                loss=total / used,
                validation_error=(run.measure or error_rate)(run.model, validation),
                learning_rate=run.optimizers[0].learning_rate,
                seconds=seconds,
            )
            run.end_epoch(run.history.validation_error[-1])
            if checkpoint:
                run.save(checkpoint.path)
            display.epoch(run.history)
            if on_epoch is not None:
                on_epoch(run.history)
    if run.early_stopping is not None:
        run.model.load_state_dict(run.best)
    return run.history
