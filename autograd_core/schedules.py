"""Schedules of learning rates.

A schedule multiplies the learning rate of its optimizer by a factor at each of its steps, so several on one optimizer
multiply: after any number of steps the rate is the initial one times the share of each schedule. The rate is part of
the optimizer's state, the number of steps of the schedule's. To go on from saved states, make the optimizer, then its
schedules (some of which set the rate of the first step), and then load the states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_core.arguments import fraction, integer, is_integer, not_negative
from autograd_core.optimizers import Optimizer
from autograd_core.patience import Patience
from autograd_core.state import State, entries


class Schedule:
    """What the schedules share that count their steps. A subclass gives `_factor`.

    Attributes
    ----------
    optimizer : Optimizer
        Whose learning rate it is.
    count : int
        How many steps were taken.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.count = 0

    def _factor(self) -> float:
        """Return what the learning rate is multiplied by when the count is reached."""
        raise NotImplementedError

    def step(self) -> None:
        """Count one epoch (or iteration, as the caller likes)."""
        self.count += 1
        self.optimizer.learning_rate *= self._factor()

    def state_dict(self) -> State:
        """Return the count of steps; the learning rate is part of the optimizer's state."""
        return {"count": np.array(self.count)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; ValueError if it is something else."""
        self.count = int(entries(state, self.state_dict())["count"])


class StepSchedule(Schedule):
    """Multiply the learning rate by a factor after every so many steps.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rate it is.
    step_size : int
        How many steps lie between two changes.
    factor : float
        What the learning rate is multiplied by.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, factor: float) -> None:
        super().__init__(optimizer)
        self.step_size, self.factor = integer("step_size", step_size, least=1), not_negative("factor", factor)

    def _factor(self) -> float:
        return self.factor if self.count % self.step_size == 0 else 1.0


class _ShareSchedule(Schedule):
    """A schedule that is given by the share of the learning rate at each count. A subclass gives `share`.

    The first step is made with the share at count 0, so the subclass calls `_start` when it is made.
    """

    def share(self, count: int) -> float:
        """Return the share of the learning rate after `count` steps; once it is 0, it stays 0."""
        raise NotImplementedError

    def _start(self) -> None:
        self.optimizer.learning_rate *= self.share(0)

    def _factor(self) -> float:
        before, after = self.share(self.count - 1), self.share(self.count)
        return 1.0 if after == before else after / before


class CosineSchedule(_ShareSchedule):
    """Lower the learning rate along half a cosine (I. Loshchilov and F. Hutter, "SGDR", ICLR 2017, Eq. 5).

    After t of T steps its share is least + (1 - least) (1 + cos(pi t / T)) / 2; from T steps on it is `least`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rate it is.
    steps : int
        T, how many steps it takes.
    least : float
        The last share, from 0 to 1.
    """

    def __init__(self, optimizer: Optimizer, steps: int, least: float = 0.0) -> None:
        super().__init__(optimizer)
        self.steps, self.least = integer("steps", steps, least=1), fraction("least", least)
        self._start()

    def share(self, count: int) -> float:
        """Return the share of the learning rate after `count` steps."""
        # (1 + cos x) / 2 = sin^2((pi - x) / 2), which is exact at both ends and does not cancel
        left = max(0, self.steps - count) / self.steps
        return self.least + (1 - self.least) * math.sin(math.pi / 2 * left) ** 2


class WarmUpSchedule(_ShareSchedule):
    """Raise the learning rate linearly, in so many steps from 1 / steps of it to all of it.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rate it is.
    steps : int
        How many steps of the optimizer it takes until the rate is whole; the last of these is the first with all of it.
    """

    def __init__(self, optimizer: Optimizer, steps: int) -> None:
        super().__init__(optimizer)
        self.steps = integer("steps", steps, least=1)
        self._start()

    def share(self, count: int) -> float:
        """Return the share of the learning rate after `count` steps."""
        return min(1.0, (count + 1) / self.steps)


class MilestoneSchedule(_ShareSchedule):
    """Change the learning rate at given counts of steps.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rate it is.
    shares : mapping of int to float
        Which share of the initial learning rate holds from which count on, as in `{50: 0.3, 75: 0.1, 90: 0.03}`; all
        of it before the first. Counts are at least 0, shares positive.

    Raises
    ------
    ValueError
        If a count is no integer of at least 0, or a share no positive number.
    """

    def __init__(self, optimizer: Optimizer, shares: Mapping[int, float]) -> None:
        super().__init__(optimizer)
        for count, share in shares.items():
            if not is_integer(count, 0):
                raise ValueError(f"shares: given the count {count!r}, expected integers >= 0")
            if not not_negative(f"shares[{count}]", share):
                raise ValueError(f"shares[{count}]: given {share!r}, expected a number > 0")
        self.shares = {int(count): float(shares[count]) for count in sorted(shares)}
        self._start()

    def share(self, count: int) -> float:
        """Return the share of the learning rate after `count` steps."""
        return next((share for first, share in reversed(self.shares.items()) if first <= count), 1.0)


class ReduceOnPlateau:
    """Multiply the learning rate by a factor when a measure has not become better for a while.

    As PyTorch's `ReduceLROnPlateau`, but that a change of the rate by less than 1e-8 is made too.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rate it is.
    factor : float
        What the learning rate is multiplied by, from 0 to 1.
    patience, threshold, mode, threshold_mode
        When a measure is better, and how many in a row may be no better, as in `Patience`.
    cooldown : int
        For how many measures after a change none is counted as no better.
    least : float
        The learning rate that is not gone below.

    Attributes
    ----------
    patience : Patience
        With the best measure, and how many since then, or since the last change, were no better.
    resting : int
        How many measures of the cooldown are left.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        mode: str = "min",
        threshold_mode: str = "rel",
        cooldown: int = 0,
        least: float = 0.0,
    ) -> None:
        self.optimizer, self.factor = optimizer, fraction("factor", factor)
        self.patience = Patience(patience, threshold, mode, threshold_mode)
        self.cooldown, self.resting = integer("cooldown", cooldown, least=0), 0
        self.least = not_negative("least", least)

    def step(self, measure: float) -> None:
        """Take the measure of one epoch, such as the loss on validation data."""
        exhausted = self.patience.step(measure)
        if self.resting:
            self.resting -= 1
            self.patience.waited = 0
        elif exhausted:
            rate = self.optimizer.learning_rate
            self.optimizer.learning_rate = min(rate, max(rate * self.factor, self.least))
            self.patience.waited, self.resting = 0, self.cooldown

    def state_dict(self) -> State:
        """Return the best measure and the counts; the learning rate is part of the optimizer's state."""
        return {**self.patience.state_dict(), "resting": np.array(self.resting)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; ValueError if it is something else."""
        arrays = entries(state, self.state_dict())
        self.resting = int(arrays.pop("resting"))
        self.patience.load_state_dict(arrays)
