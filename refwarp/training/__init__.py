"""Training: the loop, its checkpoints and measures, and the runs on distorted digits."""

from refwarp.training.checkpoints import load_state, save_state
from refwarp.training.device import check_device
from refwarp.training.distorted_digits import (
    MODELS,
    Budget,
    Outcome,
    digits_task,
    train_on_distorted_digits,
    untrained,
)
from refwarp.training.loop import Run, train
from refwarp.training.metrics import History, error_rate, predict
from refwarp.training.progress import training_progress

__all__ = [
    "MODELS",
    "Budget",
    "History",
    "Outcome",
    "Run",
    "check_device",
    "digits_task",
    "error_rate",
    "load_state",
    "predict",
    "save_state",
    "train",
    "train_on_distorted_digits",
    "training_progress",
    "untrained",
]
