"""Early stopping: end a training run when a measure on validation data has not become better for a while.

L. Prechelt, "Early stopping - but when?", in Neural Networks: Tricks of the Trade, 1998. Here the measure is taken
after each epoch, and training ends after so many of them in a row that were no better than the best one.
"""

from __future__ import annotations

from autograd_core.patience import Patience


class EarlyStopping(Patience):
    """Tell when training shall stop.

    After each epoch call `step` with the measure, and end the training when it returns True. Where `waited` is 0 then,
    this epoch is the best one so far, and its parameters are worth keeping. All that changes is in `state_dict`, so a
    run that is resumed stops at the same epoch; `exhausted` tells whether one has stopped already.

    Parameters
    ----------
    patience : int
        How many epochs in a row may be no better than the best one; one more stops.
    threshold : float
        By how much a measure must be better, in its own unit (relative to the best one with
        `threshold_mode="rel"`), not negative.
    mode : {"min", "max"}
        Whether smaller measures are better, such as losses, or larger ones, such as accuracies.
    threshold_mode : {"abs", "rel"}
        Whether the threshold is a difference or a share of the best measure.

    Attributes
    ----------
    best : float
        The best measure so far; an infinity before the first. NaN is never better.
    waited : int
        How many epochs since then were no better.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """

    def __init__(self, patience: int, threshold: float = 0.0, mode: str = "min", threshold_mode: str = "abs") -> None:
        super().__init__(patience, threshold, mode, threshold_mode)
