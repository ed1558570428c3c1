"""A training run that takes milliseconds; run as a program, it trains into a checkpoint until it is killed."""

import sys
from pathlib import Path

import numpy as np

from autograd_core.layers import BatchNorm, Conv2d, Dense, Dropout, Flatten, ReLU, Sequential
from autograd_core.optimizers import SGD, Adam
from autograd_core.schedules import StepSchedule
from refwarp.data import AffineDistortion, Examples
from refwarp.networks import SpatialTransformer, regression
from refwarp.training import Checkpoint, History, Passes, Run, train

DISTORTION = AffineDistortion(canvas=8, side=6.0, scale=(0.8, 1.2), translation=1.0)
EPOCHS = 12


def examples(count: int, side: int = 6) -> Examples:
    """Pictures whose brightness tells their class."""
    rng = np.random.default_rng(count)
    labels = rng.integers(3, size=count)
    images = (rng.random((count, 1, side, side)) * (labels + 1)[:, None, None, None] / 3).astype(np.float32)
    return Examples(images, labels)


def tiny_run(seed: int = 0, **settings: str | int) -> Run:
    """Return a run with every kind of state: buffers, dropout's generator, two optimizers, two schedules."""
    weights, dropout, draws = (np.random.default_rng(branch) for branch in np.random.SeedSequence(seed).spawn(3))
    transformer = SpatialTransformer(Sequential(Flatten(), regression(64, rng=weights)), size=6)
    classifier = Sequential(
        Conv2d(1, 2, 3, rng=weights),
        BatchNorm(2),
        ReLU(),
        Flatten(),
        Dropout(0.2, dropout),
        Dense(32, 3, rng=weights),
    )
    optimizers = [Adam(classifier.parameters(), 0.01), SGD(transformer.parameters(), 0.003, momentum=0.9)]
    schedules = [StepSchedule(optimizers[0], 3, 0.5), StepSchedule(optimizers[1], 2, 0.7)]
    return Run(Sequential(transformer, classifier), optimizers, schedules, draws, {"seed": seed, **settings})


def train_tiny(
    run: Run,
    epochs: int = EPOCHS,
    batch_size: int = 16,
    checkpoint: Path | None = None,
    resume: bool = False,
    **options: object,
) -> History:
    """Train on 50 pictures in batches of 16, the last of 2."""
    passes = Passes(epochs, batch_size, distortion=DISTORTION)
    kept = Checkpoint(checkpoint, resume) if checkpoint else None
    return train(run, examples(50), examples(20, side=8), passes, checkpoint=kept, **options)


if __name__ == "__main__":
    checkpoint = Path(sys.argv[1])
    train_tiny(tiny_run(), epochs=int(sys.argv[2]), checkpoint=checkpoint, resume=checkpoint.exists())
