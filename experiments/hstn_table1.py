"""Hierarchical Spatial Transformer Network, Table 1 (Sect. 4.1): cluttered MNIST, with transformers of all kinds.

A convolutional classifier reads digits among clutter: as they are (CNN), or behind a transformer that is affine
(Affine-STN), a thin plate spline (TPS-STN), or hierarchical (HSTN): an affine one, pretrained, and a flow. Affine-STN,
longer, is trained as long as HSTN is, which the paper does not compare with: its affine transformer is pretrained like
HSTN's, and then trained on with a fresh classifier, but no flow.

    refwarp experiment run hstn_table1 --data DIR

Deviations from the paper:

1. Smaller networks, 1,200 steps of Adam with a rate of 0.001 (0.0001 after 70 % of them, 0.00001 after 90 %), and
   minibatches of 50, so that two cores take an hour for three seeds.
2. Transformers sample a quarter of the pixels, and the CNN without one sees the mean of 2x2 pixels: so a transformer
   can look closer. All classifiers are of one size.
3. Dropout of 0.1, for a smaller network.
4. The paper's file of 60x60 pixels is not available. All pictures are made from MNIST: 10,000 digits to learn from,
   1,000 to validate with and 10,000 for the test, anywhere on 60x60 pixels with six patches of 6x6, or on 40x40 with
   five of 5x5. There is a published file of 40x40 pixels with such patches; its test set has 1,000 digits, and its
   digits lie three pixels below the middle on average, so that a test set made from MNIST would not be like it.
5. The penalty (HSTN 7): the paper says neither the unit of the flow nor whether pixels are summed or averaged. With
   pixels, the mean and its weights (0.01 and 1) the flow stays 0 and HSTN is an affine transformer. Here the weights
   are multiplied by `penalty`; the scale `penalties` shows on validation pictures what comes of it.
6. The steps of C-STN and IC-STN are composed as theta o delta; each localisation sees the whole picture, warped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd_core import Tensor, no_grad, to_device
from autograd_core.layers import Module, softmax_cross_entropy
from autograd_core.optimizers import Adam
from autograd_core.schedules import MilestoneSchedule
from refwarp.data import (
    ClutterDistortion,
    Examples,
    data_folder,
    distort,
    load_digits,
    load_mnist,
)
from refwarp.drawing.levels import eight_bits
from refwarp.drawing.style import BLUE, GREEN, INK, MUTED, ORANGE, PINK, SKY, YELLOW
from refwarp.networks import (
    CNN,
    FLOW_GENERATOR,
    CompositionalTransformer,
    Convolution,
    FlowPenalty,
    HierarchicalTransformer,
    SpatialTransformer,
    ThinPlateSpline,
    Transformed,
    convolutional_classifier,
    convolutional_localisation,
    count_parameters,
    flow_generator,
    observed,
)
from refwarp.networks.pictures import Row, draw_rows, views
from refwarp.networks.transformations import AFFINE
from refwarp.sweeps import Experiment, Outcome, Result, Results, Surroundings
from refwarp.sweeps.classification import ErrorTable, Ordering, judge
from refwarp.sweeps.experiment import cell_settings
from refwarp.sweeps.report import Report, Table
from refwarp.training import Checkpoint, History, Passes, Run, scores, train
from refwarp.training.metrics import classification_loss, model_device

# The paper's errors in %.
PAPER: Mapping[str, Mapping[str, float]] = {
    "CNN": {"60x60": 4.92},
    "Affine-STN": {"60x60": 2.97},
    "Affine-STN, longer": {},
    "TPS-STN": {"60x60": 2.28},
    "C-STN-2": {"60x60": 2.30},
    "C-STN-4": {"60x60": 1.83},
    "IC-STN-2": {"60x60": 2.51},
    "IC-STN-4": {"60x60": 2.34},
    "HSTN": {"60x60": 0.90},
}
MODELS = tuple(PAPER)
# The side of the pictures; patches of clutter and their side.
SIDES = {"40x40": 40, "60x60": 60}
CLUTTER = {"40x40": (5, 5), "60x60": (6, 6)}
TRAINING_DIGITS, VALIDATION_DIGITS = 10_000, 1_000
VALIDATION_SEED, TEST_SEED, TRAINING_SEED = 20_011, 20_012, 20_013
# What is trained twice: first an affine transformer, then this.
CONTINUED = ("Affine-STN, longer", "HSTN")
# Pictures of which the flow is measured.
MEASURED = 1_000


@dataclass(frozen=True)
class Cell:
    """One network on pictures of one size.

    Attributes
    ----------
    model, task : str
        Keys of `PAPER`, and of `SIDES`.
    seed : int
        Of the weights, the order of the digits, and dropout.
    digits : str
        "MNIST", or "scikit-learn" for the 8x8 digits that come with it, magnified.
    judged_by : str
        "test" or "validation" pictures.
    epochs, steps, batch_size : int
        Epochs, steps in each, and digits in a step.
    rate : float
        The learning rate at first.
    penalty : float
        What the paper's weights of the penalties are multiplied by.
    width : int
        Channels of the classifier's convolutions.
    """

    model: str
    task: str
    seed: int
    digits: str
    judged_by: str
    epochs: int
    steps: int
    batch_size: int
    rate: float = 0.001
    penalty: float = 0.0
    width: int = 16


@dataclass(frozen=True)
class Scale:
    """The settings of a scale; as in `Cell`, but for those below.

    Attributes
    ----------
    models, tasks : sequence of str
        The table's rows and columns.
    penalties : sequence of float
        Each is a cell of HSTN.
    """

    seeds: Sequence[int]
    epochs: int
    steps: int
    models: Sequence[str] = MODELS
    tasks: Sequence[str] = tuple(SIDES)
    penalties: Sequence[float] = (0.01,)
    digits: str = "MNIST"
    judged_by: str = "test"
    batch_size: int = 50
    options: Mapping[str, Any] = field(default_factory=dict)


SCALES = {
    "tiny": Scale(
        [0], 2, 3, ("CNN", "Affine-STN", "TPS-STN", "HSTN"), ("40x40",), digits="scikit-learn", batch_size=16
    ),
    "penalties": Scale(
        [951], 6, 200, ("HSTN",), ("40x40",), penalties=(0.0, 0.001, 0.01, 0.1, 1.0), judged_by="validation"
    ),
    "small": Scale([61, 62, 63], 6, 200),
    "paper": Scale([71, 72, 73], 200, 200, options={"rate": 0.0001, "width": 32}),
}


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale."""
    return [
        Cell(
            model,
            task,
            seed,
            scale.digits,
            scale.judged_by,
            scale.epochs,
            scale.steps,
            scale.batch_size,
            penalty=penalty,
            **scale.options,
        )
        for seed in seeds
        for task in scale.tasks
        for model in scale.models
        for penalty in (scale.penalties if model == "HSTN" else (0.0,))
    ]


def label(cell: Cell) -> str:
    """Return a cell's name."""
    penalty = f" penalty {cell.penalty}" if cell.model == "HSTN" else ""
    return f"{cell.model} {cell.task}{penalty} seed {cell.seed}"


# Seconds of one core for a step with 50 pictures of 40x40, measured with the networks of `small`.
_SECONDS = {"CNN": 0.008, "Affine-STN": 0.03, "TPS-STN": 0.05, "HSTN": 0.055}


def seconds(cell: Cell) -> float:
    """Return about how long a cell takes on one core."""
    steps, kind = cell.epochs * cell.steps, cell.model.removesuffix(", longer")
    step = _SECONDS.get(kind) or int(kind[-1]) * _SECONDS["Affine-STN"]
    first = _SECONDS["Affine-STN"] if cell.model in CONTINUED else 0.0
    return steps * (step + first) * cell.batch_size / 50 * (SIDES[cell.task] / 40) ** 2 * (cell.width / 16) ** 1.5


# ---- the pictures ----


@dataclass(frozen=True)
class Pictures:
    """Cluttered digits, in three parts."""

    train: Examples
    validation: Examples
    test: Examples


@cache
def load(digits: str, folder: Path | None, task: str) -> Pictures:
    """Return the pictures of a size, made of the digits of a name."""
    if digits == "scikit-learn":
        small = load_digits()
        train_digits, validation_digits, test_digits = (
            Examples(np.kron(part.images, np.ones((3, 3), np.float32)), part.labels)
            for part in (small.train, small.validation, small.test)
        )
    else:
        mnist = load_mnist(data_folder(folder))
        train_digits = mnist.train.select(slice(0, TRAINING_DIGITS))
        validation_digits = mnist.train.select(slice(-VALIDATION_DIGITS, None))
        test_digits = mnist.test
    return Pictures(
        cluttered(train_digits, task, TRAINING_SEED),
        cluttered(validation_digits, task, VALIDATION_SEED),
        cluttered(test_digits, task, TEST_SEED),
    )


def cluttered(digits: Examples, task: str, seed: int) -> Examples:
    """Return digits with clutter cut from them, each anywhere on a larger picture."""
    patches, side = CLUTTER[task]
    distortion = ClutterDistortion(digits.images, SIDES[task], patches, side, margin=0)
    return Examples(distort(digits.images, distortion, np.random.default_rng(seed))[0], digits.labels)


def data(scale: Scale, folder: Path | None) -> dict[str, str]:
    """Return the digest of each set of pictures."""
    return {
        f"{task} {name}": part.digest()
        for task in scale.tasks
        for name, part in vars(load(scale.digits, folder, task)).items()
    }


# ---- the networks ----


def build(cell: Cell, rng: np.random.Generator, affine: SpatialTransformer | None = None) -> Module:
    """Return the untrained network of a cell, behind an affine transformer that was trained before if it is given."""
    side, seen = SIDES[cell.task], SIDES[cell.task] // 2
    width, same = cell.width, {"padding": "same"}
    classifier = convolutional_classifier(
        (1, seen, seen),
        convolutions=[Convolution(width, 3, 2, dropout=0.1, **same)] * 3,
        hidden=(6 * width,),
        classes=10,
        rng=rng,
    )
    if cell.model == "CNN":
        return CNN((1, side, side), 2, classifier)

    def localisation(transformation: Any = AFFINE) -> Module:
        if transformation is AFFINE:
            convolutions, hidden = [Convolution(8, 5, 2, **same), Convolution(16, 5, 2, **same)], 32
        else:
            convolutions, hidden = [Convolution(c, 3, p, **same) for c, p in ((8, 1), (8, 2), (16, 1), (16, 2))], 64
        return convolutional_localisation(
            (1, side, side), transformation, convolutions=convolutions, hidden=(hidden,), reduction=2, rng=rng
        )

    transformer: Module
    if cell.model == "TPS-STN":
        spline = ThinPlateSpline((4, 4))
        transformer = SpatialTransformer(localisation(spline), spline, size=seen)
    elif cell.model.startswith(("C-STN", "IC-STN")):
        steps = int(cell.model[-1])
        each = [localisation()] * steps if cell.model.startswith("IC") else [localisation() for _ in range(steps)]
        transformer = CompositionalTransformer(each, size=seen)
    else:
        transformer = affine or SpatialTransformer(localisation(), size=seen)
        if cell.model == "HSTN" and affine:
            flow = flow_generator(1, FLOW_GENERATOR._replace(depth=2), rng=rng)
            transformer = HierarchicalTransformer.joined(affine, flow)
    return Transformed(transformer, classifier)


@dataclass(frozen=True)
class PenalisedLoss:
    """Cross entropy, and the penalty of the flow."""

    penalty: FlowPenalty

    def __call__(self, model: Module, images: Tensor, labels: np.ndarray) -> Tensor:
        """Return the loss of a minibatch."""
        with observed(model) as seen:
            loss = softmax_cross_entropy(model(images), labels)
        return loss + self.penalty(seen["transformer"][0].flow)


# ---- one cell ----


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Train a network, in two stages if it is one of `CONTINUED`, and judge it."""
    pictures = load(cell.digits, surroundings.data, cell.task)
    branches = np.random.SeedSequence(cell.seed).spawn(4)
    weights, draws, more_weights, more_draws = map(np.random.default_rng, branches)
    model, elapsed = build(cell, weights).to(surroundings.device), 0.0
    if cell.model in CONTINUED:
        first = surroundings.checkpoint.with_suffix(".affine.h5")
        history = _train(cell, _run(cell, model, draws, "affine"), pictures, first, surroundings)
        elapsed += sum(history.seconds)
        model = build(cell, more_weights, model.transformer).to(surroundings.device)
        draws = more_draws
    history = _train(cell, _run(cell, model, draws, cell.model), pictures, surroundings.checkpoint, surroundings)
    elapsed += sum(history.seconds)
    if cell.model in CONTINUED:
        first.unlink(missing_ok=True)
    judged = {"test": pictures.test, "validation": pictures.validation}[cell.judged_by]
    began = time.perf_counter()
    verdict = judge(model, judged)
    prediction = time.perf_counter() - began
    return Outcome(
        {
            **verdict,
            "cross_entropy": softmax_cross_entropy(Tensor(scores(model, judged.images)), judged.labels).item(),
            "parameters": count_parameters(model),
            "loss": history.loss,
            "validation_error": history.validation_error,
            **_flow_size(model, judged),
        },
        {"training": elapsed, "prediction": prediction},
        _look(model, judged, surroundings.device) if isinstance(model, Transformed) else {},
    )


def _run(cell: Cell, model: Module, draws: np.random.Generator, stage: str) -> Run:
    optimizer = Adam(model.parameters(), cell.rate)
    steps = cell.epochs * cell.steps
    schedule = MilestoneSchedule(optimizer, {round(0.7 * steps): 0.1, round(0.9 * steps): 0.01})
    hierarchical = isinstance(model, Transformed) and isinstance(model.transformer, HierarchicalTransformer)
    penalty = FlowPenalty(0.01 * cell.penalty, 1.0 * cell.penalty)
    return Run(
        model,
        [optimizer],
        [],
        draws,
        {**cell_settings(cell), "stage": stage},
        minibatch_schedules=[schedule],
        loss=PenalisedLoss(penalty) if hierarchical else classification_loss,
    )


def _train(cell: Cell, run: Run, pictures: Pictures, path: Path, surroundings: Surroundings) -> History:
    stages = 2 if cell.model in CONTINUED else 1
    before = cell.epochs if stages == 2 and path == surroundings.checkpoint else 0

    def report(history: History) -> None:
        text = (
            f"loss {history.loss[-1]:.3f}, validation error {history.validation_error[-1]:.1%}" if history.loss else ""
        )
        surroundings.report(before + len(history), stages * cell.epochs, text or "begun")

    return train(
        run,
        pictures.train,
        pictures.validation,
        Passes(cell.epochs, cell.batch_size, steps=cell.steps),
        checkpoint=Checkpoint(path, resume=path.exists()),
        on_epoch=report,
    )


@no_grad()
def _flow_size(model: Module, judged: Examples) -> dict[str, float]:
    """Return the mean and the largest length of the flow of an HSTN, in pixels of what the classifier sees."""
    if not (isinstance(model, Transformed) and isinstance(model.transformer, HierarchicalTransformer)):
        return {}
    with model.evaluation(), observed(model) as seen:
        model(Tensor(to_device(judged.images[:MEASURED], model_device(model))))
    flow = seen["transformer"][0].flow.numpy().astype(np.float64)
    lengths = np.hypot(flow[:, 0], flow[:, 1])
    return {"flow": float(lengths.mean()), "largest_flow": float(lengths.max())}


def _look(model: Module, judged: Examples, device: str) -> dict[str, np.ndarray]:
    """Return what the transformer does to the first picture of each class, to be drawn."""
    firsts = np.unique(judged.labels, return_index=True)[1]
    *_, view = views(model, to_device(judged.images[firsts], device)).values()  # of several steps the last
    return {
        "inputs": eight_bits(view.inputs),
        "outputs": eight_bits(view.outputs),
        "grids": view.grids[:, ::3, ::3].astype(np.float16),
    }


# ---- what the results show ----

CLAIMS = tuple(
    Ordering(first, second, task, least=least)
    for task in SIDES
    for first, second, least in (
        ("CNN", "Affine-STN", 2.0),
        ("Affine-STN", "C-STN-4", 2.0),
        ("Affine-STN", "HSTN", 1.5),
        ("Affine-STN, longer", "HSTN", 0.0),
    )
)
PAIRS = (
    ("CNN", "Affine-STN"),
    ("Affine-STN", "Affine-STN, longer"),
    *(("Affine-STN", model) for model in PAPER if model not in ("CNN", "Affine-STN", "Affine-STN, longer")),
    ("Affine-STN, longer", "HSTN"),
    ("C-STN-4", "HSTN"),
)
COLOURS = dict(zip(PAPER, (INK, SKY, BLUE, YELLOW, PINK, ORANGE, MUTED, "#8c6d4f", GREEN), strict=True))


def report(results: Results) -> Report:
    """Return the table with its claims; of the scale that chooses the penalty, what each weight leads to."""
    if results.settings.judged_by == "validation":
        return _report_penalties(results)
    errors = ErrorTable(results, PAPER, "task")
    return Report(
        errors.summary(),
        [errors.table(), errors.orderings(PAIRS), errors.every(), _more(errors)],
        errors.claims(CLAIMS),
        "points",
        {
            "errors": ("Errors of all networks: each seed, and the paper's", partial(errors.draw_errors, COLOURS)),
            "curves": ("Errors on validation digits in the course of training", partial(errors.draw_curves, COLOURS)),
            **_pictures(errors.runs),
        },
    )


def _more(errors: ErrorTable) -> Table:
    """Return cross entropies, and how large the flows are."""
    rows = []
    for (model, task), runs in errors.runs.items():
        entropy = np.mean([run.values["cross_entropy"] for run in runs])
        sizes = [
            f"{np.mean([run.values[name] for run in runs]):.3f}" if name in runs[0].values else ""
            for name in ("flow", "largest_flow")
        ]
        rows.append([f"{model} on {task}", f"{entropy:.4f}", *sizes])
    header = ["", "cross entropy", "mean flow", "largest flow"]
    return Table("Mean cross entropy in nats, and the flow's length in pixels of the output", header, rows)


def _report_penalties(results: Results) -> Report:
    rows = [
        [
            f"{result.cell.penalty}",
            f"{100 * result.values['error']:.2f}",
            f"{result.values['cross_entropy']:.4f}",
            f"{result.values['flow']:.3f}",
        ]
        for result in sorted(results.cells, key=lambda result: float(result.cell.penalty))
    ]
    missing = f" {results.missing} cells are missing." if results.missing else ""
    header = ["penalty", "errors in %", "cross entropy", "mean flow in pixels"]
    return Report(
        f"HSTN on {VALIDATION_DIGITS:,} validation pictures, by what the paper's weights of the penalties are "
        f"multiplied by.{missing}",
        [Table("Penalties", header, rows)],
    )


def _pictures(runs: Mapping[tuple[str, str], Sequence[Result]]) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """Return the pictures of what transformers do, one for each size, of the first seed."""
    pictures = {}
    for task in SIDES:
        rows = []
        for model in PAPER:
            for run in runs.get((model, task), ())[:1]:
                if run.arrays:
                    inputs, outputs = (run.arrays[name] for name in ("inputs", "outputs"))
                    rows += [Row(f"{model}\ninput, grid", inputs, [run.arrays["grids"]]), Row("output", outputs)]
        if rows:
            caption = f"{task}: the first test picture of each class, with the grid that is sampled, and the output"
            pictures[f"transformers_{task}"] = (caption, partial(draw_rows, rows))
    return pictures


EXPERIMENT = Experiment(
    title="the error on cluttered MNIST, with transformers of all kinds",
    source="Hierarchical Spatial Transformer Network, Table 1",
    cell=Cell,
    scales=SCALES,
    cells=cells,
    compute=compute,
    label=label,
    seconds=seconds,
    data=data,
    report=report,
)

if __name__ == "__main__":
    from refwarp.cli import main

    main(["experiment", "run", __file__, *sys.argv[1:]])
