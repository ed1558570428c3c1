"""Patience: how long a measure may go on without becoming better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_core.arguments import integer, not_negative
from autograd_core.state import State, entries


class Patience:
    """Count how many measures in a row were not better than the best one.

    A measure m is better than the best one b if m < b (1 - threshold), or m > b (1 + threshold) for mode "max"; with
    `threshold_mode="abs"`, if m < b - threshold or m > b + threshold. NaN is never better. These are the definitions of
    PyTorch's `ReduceLROnPlateau`. A relative threshold is for measures that are not negative.

    Parameters
    ----------
    patience : int
        How many measures in a row may be no better; with one more the patience is exhausted.
    threshold : float
        By how much a measure must be better, not negative.
    mode : {"min", "max"}
        Whether smaller or larger measures are better.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is a share of the best measure or a difference.

    Attributes
    ----------
    best : float
        The best measure so far; an infinity before the first.
    waited : int
        How many measures since then were no better.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    def __init__(
        self, patience: int = 10, threshold: float = 1e-4, mode: str = "min", threshold_mode: str = "rel"
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode: given {mode!r}, expected 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode: given {threshold_mode!r}, expected 'rel' or 'abs'")
        self.patience = integer("patience", patience, least=0)
        self.threshold = not_negative("threshold", threshold)
        self.mode, self.threshold_mode = mode, threshold_mode
        self.best = math.inf if mode == "min" else -math.inf
        self.waited = 0

    @property
    def exhausted(self) -> bool:
        """Whether more measures in a row than allowed were no better."""
        return self.waited > self.patience

    def is_better(self, measure: float) -> bool:
        """Tell whether a measure is better than the best one."""
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs" or math.isinf(self.best):
            return sign * measure > sign * self.best + self.threshold
        return sign * measure > sign * self.best * (1 + sign * self.threshold)

    def step(self, measure: float) -> bool:
        """Take a measure, and return whether the patience is exhausted."""
        measure = float(measure)
        if self.is_better(measure):
            self.best, self.waited = measure, 0
        else:
            self.waited += 1
        return self.exhausted

    def state_dict(self) -> State:
        """Return the best measure, and how many since then were no better."""
        return {"best": np.array(self.best), "waited": np.array(self.waited)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; ValueError if it is something else."""
        arrays = entries(state, self.state_dict())
        self.best, self.waited = float(arrays["best"]), int(arrays["waited"])
