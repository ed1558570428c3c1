"""Training: the loop, its checkpoints, its measures and its progress."""

from refwarp.training.checkpoints import load_state, save_state
from refwarp.training.device import check_device
from refwarp.training.early_stopping import EarlyStopping
from refwarp.training.loop import Checkpoint, Passes, Run, train
from refwarp.training.metrics import History, error_rate, predict, scores
from refwarp.training.progress import training_progress

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "History",
    "Passes",
    "Run",
    "check_device",
    "error_rate",
    "load_state",
    "predict",
    "save_state",
    "scores",
    "train",
    "training_progress",
]
