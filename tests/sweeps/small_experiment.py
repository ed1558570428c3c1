"""An experiment whose cells take some hundredths of a second: classifiers of bright and dark pictures."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from autograd_core.layers import Dense, Flatten, ReLU, Sequential
from autograd_core.optimizers import SGD
from refwarp.data import Examples
from refwarp.sweeps import Experiment, Outcome, Results, Surroundings
from refwarp.sweeps.report import Report, Table
from refwarp.training import Checkpoint, Passes, Run, train


@dataclass(frozen=True)
class Cell:
    """A network of some width; those that fail do so after half of their epochs."""

    width: int
    seed: int
    epochs: int
    pause: float = 0.0
    fails: bool = False


@dataclass(frozen=True)
class Scale:
    """The settings of a scale."""

    seeds: Sequence[int]
    widths: Sequence[int]
    epochs: int
    pause: float = 0.0
    failing: Sequence[int] = ()


SCALES = {
    "tiny": Scale([0, 1], [4, 8, 16], 6),
    "slow": Scale([0, 1, 2], [4, 8], 12, pause=0.02),
    "endless": Scale([0], [4, 8, 16], 12, pause=10_000.0),
    "failing": Scale([0], [4, 8, 16], 4, failing=[8]),
}


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale."""
    return [
        Cell(width, seed, scale.epochs, scale.pause, width in scale.failing) for seed in seeds for width in scale.widths
    ]


def pictures(count: int) -> Examples:
    """Return pictures whose brightness tells their class."""
    rng = np.random.default_rng(count)
    labels = rng.integers(3, size=count)
    images = (rng.random((count, 1, 6, 6)) * (labels + 1)[:, None, None, None] / 3).astype(np.float32)
    return Examples(images, labels)


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Train a network."""
    weights, draws = (np.random.default_rng(branch) for branch in np.random.SeedSequence(cell.seed).spawn(2))
    model = Sequential(Flatten(), Dense(36, cell.width, rng=weights), ReLU(), Dense(cell.width, 3, rng=weights))
    run = Run(model, [SGD(model.parameters(), 0.1, momentum=0.9)], [], draws, asdict(cell))

    def on_epoch(history):
        surroundings.report(len(history), cell.epochs, f"loss {history.loss[-1]:.3f}" if len(history) else "begun")
        time.sleep(cell.pause)
        if cell.fails and len(history) == cell.epochs // 2:
            raise FloatingPointError("it diverged | after half of its epochs")

    history = train(
        run,
        pictures(60),
        pictures(20),
        Passes(cell.epochs, 16),
        checkpoint=Checkpoint(surroundings.checkpoint, resume=surroundings.checkpoint.exists()),
        on_epoch=on_epoch,
    )
    return Outcome(
        {"loss": history.loss, "validation_error": history.validation_error},
        {"training": sum(history.seconds)},
        {"weights": model.parameters()[0].numpy()},
    )


def report(results: Results) -> Report:
    """Return a table of the last losses."""
    rows = [[f"width {r.cell.width} | seed {r.cell.seed}", f"{r.values['loss'][-1]:.4f}"] for r in results.cells]
    return Report(f"{results.missing} cells are missing.", [Table("Losses", ["network", "loss"], rows)])


def data(scale: Scale, folder: Path | None) -> Mapping[str, str]:
    """Return the digests of the pictures."""
    return {"pictures": pictures(60).digest()}


EXPERIMENT = Experiment(
    title="whether networks tell bright from dark",
    source="no paper",
    cell=Cell,
    scales=SCALES,
    cells=cells,
    compute=compute,
    label=lambda cell: f"width {cell.width} seed {cell.seed}",
    seconds=lambda cell: cell.epochs * (0.003 + cell.pause),
    data=data,
    report=report,
)

if __name__ == "__main__":
    from refwarp.cli import main

    main(["experiment", "run", __file__, *sys.argv[1:]])
