"""Linearized Multi-Sampling, Table 1 and Fig. 6 (Sects. 6.2, 7): the error on traffic signs, by sampler.

A classifier with one hidden layer of 128 neurons reads traffic signs (GTSRB) of which few pixels are left: all, or one
of 2, 4 or 8 along each axis. It reads the whole sign, or what a spatial transformer makes of it, which says where to
look: by one similarity (STN), or by four that one localisation says step by step and that are composed as parameters
(ICSTN). Transformers sample bilinearly, at several scales, or with linearized multi-sampling.

    refwarp experiment run lms_table1 --data DIR

Sect. 7 proposes bilinear sampling at inference, and announces a form without a bias, with which it would be the same.
Of each network with linearized sampling, the error is also that with bilinear sampling in its place, as it is and after
its classifier has learnt a little more from bilinear samples; "bias-free" is the form without a bias.

The paper leaves open, or its other experiments do otherwise:

1. The noise: its deviation, in output pixels, is chosen by validation data (scale `sigmas`). No sample is masked
   (`lms_alignment` shows what masks do).
2. In evaluation linearized sampling is what it is in training, with fresh noise.
3. ICSTN has four steps, as many as IC-STN's authors have at most, in the order of the compositional method. Its
   localisation sees bilinear samples at the input's resolution, whatever the sampler of what the classifier reads.
4. Weights begin as small as those of PyTorch's layers, which the paper's program is made of: a sixth of He's variance.
   Transformers depend on that: with He's, bilinear sampling had 46 % errors at 8x in a trial, and not 33 %.

Deviations from the paper:

1. 3,921 of 39,209 pictures to learn from, and 4,210 of 12,630 for the test; 32x32 pixels, not 50x50. Pictures are
   standardised one by one.
2. A smaller localisation: convolutions of 8, 16 and 32 channels with a stride of 2, and 48 neurons.
3. Adam with rates of 0.003 (classifier) and 0.001 (localisation) that fall along half a cosine; 32 epochs.
4. What is held out for validation is a tenth of the tracks of each class, not of the pictures: pictures of a track are
   of one sign, and almost the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd_core import Tensor, to_device
from autograd_core.arrays import array_module
from autograd_core.layers import Conv2d, Dense, Flatten, GlobalMaxPool2d, MaxPool2d, Module, ReLU, Sequential
from autograd_core.optimizers import Adam
from autograd_core.schedules import CosineSchedule
from refwarp.data import AffineDistortion, Examples, data_folder, distort, load_digits, load_gtsrb
from refwarp.drawing.levels import eight_bits
from refwarp.drawing.style import BLUE, GREEN, INK, MUTED, ORANGE, PINK, SKY, YELLOW
from refwarp.grids.affine import affine_grid
from refwarp.networks import (
    CompositionalTransformer,
    LinearizedSampler,
    Localisation,
    Similarity,
    SpatialTransformer,
    Transformed,
    count_parameters,
    fully_connected_classifier,
    regression,
)
from refwarp.networks.pictures import Row, class_means, draw_rows, views
from refwarp.networks.samplers import Sampler
from refwarp.samplers.grid_sample import grid_sample
from refwarp.samplers.multiscale import multiscale_sample
from refwarp.sweeps import Experiment, Outcome, Result, Results, Surroundings
from refwarp.sweeps.classification import ErrorTable, Ordering, errors_by, judge, with_deviation
from refwarp.sweeps.experiment import cell_settings
from refwarp.sweeps.report import Report, Table
from refwarp.sweeps.statistics import Estimate
from refwarp.training import Checkpoint, EarlyStopping, History, Passes, Run, train
from refwarp.training.metrics import model_device, scores

# The paper's errors in %; it has none of the form without a bias.
PAPER = {
    "none": {"1x": 12.37, "2x": 12.88, "4x": 20.85, "8x": 45.88},
    "STN bilinear": {"1x": 6.29, "2x": 6.50, "4x": 7.95, "8x": 15.31},
    "STN multi-scale": {"1x": 6.83, "2x": 6.70, "4x": 8.30, "8x": 15.00},
    "STN linearized": {"1x": 6.08, "2x": 6.48, "4x": 7.13, "8x": 10.89},
    "STN bias-free": {},
    "ICSTN bilinear": {"1x": 5.68, "2x": 5.00, "4x": 6.52, "8x": 9.80},
    "ICSTN multi-scale": {"1x": 5.40, "2x": 5.95, "4x": 6.06, "8x": 10.19},
    "ICSTN linearized": {"1x": 4.85, "2x": 4.68, "4x": 4.86, "8x": 6.10},
}
DOWNSAMPLINGS = ("1x", "2x", "4x", "8x")
WITH_NOISE = ("linearized", "bias-free")
TRANSFORMATION = Similarity()
STEPS = 4

# Of the standard deviation sqrt(2 / fan-in) of refwarp's layers, that of PyTorch's, sqrt(1 / (3 fan-in)).
INITIAL_SHARE = 6**-0.5

# Seeds of the split into tracks that are learnt from and held out, and of where the digits of `tiny` are.
SPLIT_SEED, PLACE_SEED = 20_003, 20_004
HELD_OUT = 0.1
# What is done to a classifier whose sampler is replaced: so many epochs, with a tenth of its learning rate at first.
TUNING_EPOCHS, TUNING_SHARE = 5, 0.1
# Classes of which mean pictures are drawn (speed limits of 30 and 50, priority road, yield, stop, no entry, road works,
# keep right), and how many pictures of each are looked at.
SHOWN = {"GTSRB": (1, 2, 12, 13, 14, 17, 25, 38), "digits": tuple(range(8))}
LOOKED_AT = 40
# How many pictures, and how often, samplers are timed with.
TIMED, TIMES = 64, 5


@dataclass(frozen=True)
class Cell:
    """One network at one resolution.

    Attributes
    ----------
    model, downsampling : str
        A key of `PAPER`, and one of `DOWNSAMPLINGS`.
    seed : int
        Of the weights, the pictures' order and the noise.
    deviation : float
        Of the noise of linearized sampling, in output pixels; 0 for other samplers.
    pictures : str
        "GTSRB", or "digits" for those that come with scikit-learn, somewhere on a larger picture.
    side : int
        Of the pictures, in pixels.
    judged_by : str
        "test" or "validation" pictures.
    epochs, batch_size : int
        How often each picture is seen, and how many at once.
    rate, localisation_rate : float
        The learning rates of the classifier and of the localisation at first; they fall along half a cosine.
    localisation : str
        "small", or "paper" for the paper's, with learning rates that stay.
    patience : int
        After how many epochs without a better validation error the training ends; 0 for never.
    """

    model: str
    downsampling: str
    seed: int
    deviation: float
    pictures: str
    side: int
    judged_by: str
    epochs: int
    batch_size: int = 64
    rate: float = 3e-3
    localisation_rate: float = 1e-3
    localisation: str = "small"
    patience: int = 0


@dataclass(frozen=True)
class Scale:
    """The settings of a scale.

    Attributes
    ----------
    seeds : sequence of int
        The seeds.
    models, downsamplings : sequence of str
        What is trained, each at each.
    deviations : mapping of (str, str) to sequence of float
        For a model and a downsampling the deviations of its noise, each of which is a cell; `default_deviations` where
        it is missing.
    options : mapping
        Further settings of each cell.
    """

    seeds: Sequence[int]
    models: Sequence[str]
    downsamplings: Sequence[str]
    default_deviations: Sequence[float]
    options: Mapping[str, Any]
    deviations: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)


SIGNS = {"pictures": "GTSRB", "side": 32, "judged_by": "test", "epochs": 32}
# Deviations with the fewest errors on validation pictures (scale `sigmas`); 0.25 for all others.
DEVIATIONS: Mapping[tuple[str, str], Sequence[float]] = {}

SCALES = {
    "tiny": Scale(
        seeds=[0],
        models=["none", "STN linearized", "ICSTN bilinear"],
        downsamplings=["4x"],
        default_deviations=[0.25],
        options={"pictures": "digits", "side": 32, "judged_by": "test", "epochs": 2},
    ),
    "sigmas": Scale(
        seeds=[903],
        models=["STN linearized", "STN bias-free", "ICSTN linearized"],
        downsamplings=DOWNSAMPLINGS,
        default_deviations=[0.25, 0.5, 1.0],
        options={**SIGNS, "judged_by": "validation"},
    ),
    "small": Scale(
        seeds=[61, 62, 63, 64, 65],
        models=list(PAPER),
        downsamplings=DOWNSAMPLINGS,
        default_deviations=[0.25],
        options=SIGNS,
        deviations=DEVIATIONS,
    ),
    "paper": Scale(
        seeds=[71, 72, 73, 74, 75],
        models=list(PAPER),
        downsamplings=DOWNSAMPLINGS,
        default_deviations=[1.0],
        options={
            "pictures": "GTSRB",
            "side": 50,
            "judged_by": "test",
            "epochs": 545,  # 300,000 steps
            "rate": 1e-3,
            "localisation_rate": 1e-5,
            "localisation": "paper",
            "patience": 145,  # 80,000 steps
        },
    ),
}


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale."""
    found = []
    for seed in seeds:
        for downsampling in scale.downsamplings:
            for model in scale.models:
                noisy = model.endswith(WITH_NOISE)
                deviations = scale.deviations.get((model, downsampling), scale.default_deviations) if noisy else [0.0]
                found += [Cell(model, downsampling, seed, deviation, **scale.options) for deviation in deviations]
    return found


def label(cell: Cell) -> str:
    """Return a cell's name."""
    noise = f" sigma {cell.deviation}" if cell.deviation else ""
    return f"{cell.model} {cell.downsampling}{noise} seed {cell.seed}"


def output_side(cell: Cell) -> int:
    """Return the side of what the classifier reads, in pixels."""
    return cell.side // int(cell.downsampling.removesuffix("x"))


# ---- the pictures ----


@dataclass(frozen=True)
class Pictures:
    """Standardised pictures in three parts, and those of the test and of validation as they are."""

    train: Examples
    validation: Examples
    test: Examples
    plain: Mapping[str, np.ndarray]


@cache
def load(pictures: str, side: int, folder: Path | None) -> Pictures:
    """Return the pictures of a name."""
    if pictures == "digits":
        digits = load_digits()
        parts = [_placed(part, side, seed) for seed, part in enumerate((digits.train, digits.validation, digits.test))]
        train, validation, test = (part.select(slice(300)) for part in parts)
    else:
        signs = load_gtsrb(data_folder(folder), side)
        train, validation = signs.hold_out(HELD_OUT, np.random.default_rng(SPLIT_SEED))
        test = signs.test
    plain = {"validation": validation.images, "test": test.images}
    return Pictures(*map(standardised, (train, validation, test)), plain)


def _placed(digits: Examples, side: int, seed: int) -> Examples:
    """Return digits at half the side of a picture, anywhere on it."""
    distortion = AffineDistortion(canvas=side, side=side / 2, angle=(0.0, 0.0), translation=1.0)
    images, _ = distort(digits.images, distortion, np.random.default_rng([PLACE_SEED, seed]))
    return Examples(images, digits.labels)


def standardised(examples: Examples) -> Examples:
    """Return pictures less their mean, by their standard deviation and a little more, which dark ones need."""
    images = examples.images.astype(np.float64)
    mean, deviation = (measure(images, axis=(1, 2, 3), keepdims=True) for measure in (np.mean, np.std))
    return Examples(((images - mean) / (deviation + 0.05)).astype(np.float32), examples.labels)


def data(scale: Scale, folder: Path | None) -> dict[str, str]:
    """Return the digest of each part of the pictures that a scale needs."""
    name = scale.options["pictures"]
    pictures = load(name, scale.options["side"], folder)
    return {f"{name} {part}": getattr(pictures, part).digest() for part in ("train", "validation", "test")}


# ---- the networks ----


def sampler(name: str, deviation: float, rng: np.random.Generator) -> Sampler:
    """Return a sampler by the name that models have it by."""
    if name == "bilinear":
        return grid_sample
    if name == "multi-scale":
        return multiscale_sample
    forms: dict[str, dict[str, Any]] = {
        "linearized": {"intercept": True, "evaluation": "linearized"},
        "bias-free": {"intercept": "bias-free"},  # whose value is the bilinear sample, in evaluation too
    }
    return LinearizedSampler(rng, noise={"deviation": deviation}, mask="none", input_gradient="none", **forms[name])


def localisation(cell: Cell, shape: tuple[int, int, int], rng: np.random.Generator) -> Localisation:
    """Return what says where to look."""
    layers: list[Module] = []
    channels, side, _ = shape
    if cell.localisation == "small":
        for features, kernel in ((8, 5), (16, 3), (32, 3)):
            layers += [Conv2d(channels, features, kernel, 2, kernel // 2, rng=rng), ReLU()]
            channels, side = features, (side + 1) // 2
        layers.append(Flatten())
        count = channels * side**2
    else:
        for features in (4, 8, 16, 32, 1024):
            layers += [Conv2d(channels, features, 7, 1, 3, rng=rng), ReLU()]
            if features in (8, 16, 32):
                layers.append(MaxPool2d(2))
            channels = features
        layers.append(GlobalMaxPool2d())
        count = channels
    layers += [Dense(count, 48, rng=rng), ReLU()]
    return Localisation(shape, Sequential(*layers), regression(48, TRANSFORMATION, rng=rng))


def build(cell: Cell, shape: tuple[int, int, int], rng: np.random.Generator, noise: np.random.Generator) -> Module:
    """Return the untrained network of a cell, for pictures of a shape."""
    model = _network(cell, shape, rng, noise)
    for parameter in model.parameters():
        if parameter.ndim > 1:  # no bias
            parameter.data = parameter.data * np.float32(INITIAL_SHARE)
    return model


def _network(cell: Cell, shape: tuple[int, int, int], rng: np.random.Generator, noise: np.random.Generator) -> Module:
    side = output_side(cell)
    classifier = fully_connected_classifier((shape[0], side, side), hidden=(128,), classes=43, rng=rng)
    if cell.model == "none":
        return Sequential(partial(_resized, side=side), classifier)
    kind, name = cell.model.split()
    chosen = sampler(name, cell.deviation, noise)
    one = localisation(cell, shape, rng)
    if kind == "STN":
        return Transformed(SpatialTransformer(one, TRANSFORMATION, chosen, side), classifier)
    steps = CompositionalTransformer([one] * STEPS, TRANSFORMATION, chosen, side, between=grid_sample)
    return Transformed(steps, classifier)


def _resized(images: Tensor, side: int) -> Tensor:
    """Return pictures with fewer pixels, as a bilinear sampler makes them of the identity."""
    xp, (batch, channels, *_) = array_module(images.data), images.shape
    identity = xp.tile(xp.eye(2, 3, dtype=images.dtype), (batch, 1, 1))
    resized: Tensor = grid_sample(images, Tensor(affine_grid(identity, (batch, channels, side, side))))
    return resized


# ---- one cell ----


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Train a network, and judge it."""
    pictures = load(cell.pictures, cell.side, surroundings.data)
    weights, noise, draws = (np.random.default_rng(branch) for branch in np.random.SeedSequence(cell.seed).spawn(3))
    model = build(cell, pictures.train.images.shape[1:], weights, noise).to(surroundings.device)
    history = train(
        _run(cell, model, len(pictures.train), draws),
        pictures.train,
        pictures.validation,
        Passes(cell.epochs, cell.batch_size),
        checkpoint=Checkpoint(surroundings.checkpoint, resume=surroundings.checkpoint.exists()),
        on_epoch=lambda history: surroundings.report(*_progress(cell, history)),
    )
    judged = getattr(pictures, cell.judged_by)
    began = time.perf_counter()
    result = judge(model, judged)
    seconds = {"training": sum(history.seconds), "prediction": time.perf_counter() - began}
    result |= {
        "parameters": count_parameters(model),
        "loss": history.loss,
        "validation_error": history.validation_error,
    }
    if not isinstance(model, Transformed):
        return Outcome(result, seconds)
    seconds |= _sampler_seconds(cell, model, judged)
    zoom, arrays = _look(cell, model, judged, pictures.plain[cell.judged_by])
    if cell.model.endswith("linearized"):
        result |= _with_bilinear_sampling(cell, model, pictures.train, judged)
    return Outcome(result | {"zoom": zoom}, seconds, arrays)


def _run(cell: Cell, model: Module, count: int, draws: np.random.Generator) -> Run:
    classifier, transformer = (
        (model.classifier, model.transformer) if isinstance(model, Transformed) else (model, Sequential())
    )
    optimizers = [Adam(classifier.parameters(), cell.rate)]
    if transformer.parameters():
        optimizers.append(Adam(transformer.parameters(), cell.localisation_rate))
    steps = cell.epochs * -(-count // cell.batch_size)
    falls = cell.localisation == "small"
    return Run(
        model,
        optimizers,
        [],
        draws,
        cell_settings(cell),
        minibatch_schedules=[CosineSchedule(optimizer, steps) for optimizer in optimizers] if falls else [],
        early_stopping=EarlyStopping(cell.patience) if cell.patience else None,
    )


def _progress(cell: Cell, history: History) -> tuple[int, int, str]:
    if not len(history):
        return 0, cell.epochs, "begun"
    text = f"loss {history.loss[-1]:.3f}, validation error {history.validation_error[-1]:.1%}"
    return len(history), cell.epochs, text


def _with_bilinear_sampling(cell: Cell, model: Transformed, train_part: Examples, judged: Examples) -> dict[str, Any]:
    """Return how a network does with bilinear sampling in place of its own, before and after fine-tuning (Sect. 7).

    Only the classifier is tuned, so what it reads is computed once. The network has other parameters afterwards.
    """
    transformer, classifier = model.transformer, model.classifier
    assert isinstance(transformer, SpatialTransformer | CompositionalTransformer)
    transformer.sampler = grid_sample
    found = {"replaced": judge(model, judged)}

    optimizer = Adam(classifier.parameters(), TUNING_SHARE * cell.rate)
    inputs = Examples(scores(transformer, train_part.images), train_part.labels)
    schedule = CosineSchedule(optimizer, TUNING_EPOCHS * -(-len(inputs) // cell.batch_size))
    run = Run(classifier, [optimizer], [], np.random.default_rng(cell.seed), minibatch_schedules=[schedule])
    train(run, inputs, inputs.select(slice(1)), Passes(TUNING_EPOCHS, cell.batch_size))
    return {**found, "tuned": judge(model, judged)}


def _sampler_seconds(cell: Cell, model: Transformed, judged: Examples) -> dict[str, float]:
    """Return how long the sampler takes for a batch at the network's own grids, forward and backward."""
    device = model_device(model)
    images = to_device(judged.images[:TIMED], device)
    (*_, view) = views(model, images).values()
    chosen = sampler(cell.model.split()[1], cell.deviation, np.random.default_rng(0))
    cotangent = np.random.default_rng(1).standard_normal(view.outputs.shape).astype(np.float32)
    cotangent, grids = to_device(cotangent, device), to_device(view.grids, device)
    least = [np.inf, np.inf]
    for _ in range(TIMES):
        grid = Tensor(grids, requires_grad=True)
        began = time.process_time()  # which other programs on the machine do not lengthen
        output = chosen(Tensor(images), grid, align_corners=False)
        between = time.process_time()
        output.backward(cotangent)
        least = [min(least[0], between - began), min(least[1], time.process_time() - between)]
    return {"forward": least[0], "backward": least[1]}


def _look(cell: Cell, model: Transformed, judged: Examples, plain: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """Return by how much pictures are magnified in the mean, and mean pictures of classes (Fig. 6)."""
    classes = [label for label in SHOWN[cell.pictures] if (judged.labels == label).any()]
    some = np.concatenate([np.flatnonzero(judged.labels == label)[:LOOKED_AT] for label in classes])
    (*_, view) = views(model, to_device(judged.images[some], model_device(model))).values()
    size = (len(some), *judged.images.shape[1:])
    fine = TRANSFORMATION.grid(Tensor(view.thetas), size, False).numpy()
    means = {
        "inputs": plain[some],
        "regions": grid_sample(plain[some], fine, padding_mode="border"),
        "outputs": grid_sample(plain[some], view.grids, padding_mode="border"),
    }
    arrays = {name: class_means(maps, judged.labels[some]) for name, maps in means.items()}
    zoom = float(np.mean(1 / np.abs(view.thetas[:, 0].astype(np.float64))))
    return zoom, {name: eight_bits(maps) for name, maps in arrays.items()}


# ---- what the results show ----

CLAIMS = (
    Ordering("none", "STN bilinear", "8x", least=15.0),
    Ordering("none", "STN bilinear", "4x", least=10.0),
    Ordering("none", "STN bilinear", "2x", least=4.0),
    Ordering("STN bilinear", "STN linearized", "8x", least=0.1),
)
PAIRS = (
    ("none", "STN bilinear"),
    *((f"{kind} {name}", f"{kind} linearized") for kind in ("STN", "ICSTN") for name in ("bilinear", "multi-scale")),
    *((f"STN {name}", f"ICSTN {name}") for name in ("bilinear", "linearized")),
)
COLOURS = dict(zip(PAPER, (INK, MUTED, GREEN, BLUE, SKY, PINK, YELLOW, ORANGE), strict=True))

# What became of networks with linearized sampling: entries of a cell's result, and how their models are called.
REPLACED = {"replaced": "bilinear in its place", "tuned": "bilinear and fine-tuned"}


def report(results: Results) -> Report:
    """Return the table with its claims; for the scale that chooses deviations, the errors with each of them."""
    if results.settings.options["judged_by"] == "validation":
        return _report_deviations(results)
    errors = ErrorTable(results, PAPER, "downsampling")
    every = ErrorTable(_with_replaced(results), _with_replaced_names(), "downsampling")
    return Report(
        errors.summary(),
        [
            errors.table(),
            errors.orderings(PAIRS),
            *_replacement_tables(every),
            _zoom_table(errors),
            _cost_table(errors),
            errors.every(),
        ],
        errors.claims(CLAIMS),
        "points",
        {
            "errors": ("Errors of all networks: each seed, and the paper's", partial(errors.draw_errors, COLOURS)),
            **_pictures(errors),
        },
    )


def best_deviations(results: Results) -> dict[tuple[str, str], float]:
    """Return for each model and downsampling the deviation with the fewest errors, the smaller one of two alike."""
    return ErrorTable(results, PAPER, "downsampling").best("deviation")


def _report_deviations(results: Results) -> Report:
    missing = f" {results.missing} cells are missing." if results.missing else ""
    count = results.cells[0].values["judged"] if results.cells else 0
    return Report(
        f"Errors in % on {count} pictures, tracks that are held out of the training set, with each deviation of the "
        f"noise in output pixels.{missing}",
        [errors_by("deviation", "deviation", results, lambda cell: f"{cell.model} {cell.downsampling}", 1)],
    )


def _with_replaced_names() -> dict[str, Mapping[str, float]]:
    names: dict[str, Mapping[str, float]] = {}
    for model, line in PAPER.items():
        names[model] = line
        if model.endswith("linearized"):
            names |= {f"{model}, {text}": {} for text in REPLACED.values()}
    return names


def _with_replaced(results: Results) -> Results:
    """Return results with those of networks whose sampler was replaced, as of models of their own."""
    more = [
        Result(replace(run.cell, model=f"{run.cell.model}, {text}"), run.values[entry], run.seconds, {})
        for run in results.cells
        for entry, text in REPLACED.items()
        if entry in run.values
    ]
    return replace(results, cells=[*results.cells, *more])


def _replacement_tables(errors: ErrorTable) -> list[Table]:
    """Return the errors with samplers replaced at inference, and differences to what they replace."""
    rows, differences = [], []
    for kind in ("STN", "ICSTN"):
        own = f"{kind} linearized"
        others = [f"{own}, {text}" for text in REPLACED.values()] + [f"{kind} bias-free", f"{kind} bilinear"]
        for model in (own, *others):
            if model in errors.models:
                rows.append([model, *(with_deviation(errors.errors(model, task)) for task in errors.tasks)])
        for first, second in (*((other, own) for other in others), (f"{kind} bilinear", f"{kind} bias-free")):
            found = [errors.difference(first, second, task) for task in errors.tasks]
            if any(found):
                differences.append(
                    [f"{first} − {second}", *("" if each is None else _interval(each) for each in found)]
                )
    return [
        Table("Sect. 7: errors in % with bilinear sampling at inference", ["", *errors.tasks], rows),
        Table("Sect. 7: differences in points, and two standard errors", ["", *errors.tasks], differences),
    ]


def _interval(estimate: Estimate) -> str:
    error = "" if np.isnan(estimate.standard_error) else f" ± {2 * estimate.standard_error:.2f}"
    return f"{estimate.mean:+.2f}{error}"


def _zoom_table(errors: ErrorTable) -> Table:
    rows = [
        [
            model,
            *(
                with_deviation([run.values["zoom"] for run in errors.runs.get((model, task), ())])
                for task in errors.tasks
            ),
        ]
        for model in errors.models
        if model != "none"
    ]
    return Table("By how much transformers magnify pictures in the mean", ["", *errors.tasks], rows)


def _cost_table(errors: ErrorTable) -> Table:
    rows = []
    for task in errors.tasks:
        for model in (model for model in errors.models if model.startswith("STN")):
            runs = errors.runs.get((model, task))
            if runs:
                times = [1e3 * min(run.seconds[name] for run in runs) for name in ("forward", "backward")]
                training = np.mean([run.seconds["training"] for run in runs])
                numbers = [
                    *(f"{time:.2f}" for time in times),
                    f"{training:.0f}",
                    with_deviation(errors.errors(model, task)),
                ]
                rows.append([f"{task}: {model}", *numbers])
    title = f"What samplers cost, for {TIMED} pictures at the networks' own grids, and what that buys"
    return Table(title, ["", "forward (ms)", "backward (ms)", "training (s)", "errors in %"], rows)


def _pictures(errors: ErrorTable) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """Return the mean pictures of classes, one figure for each downsampling, of the first seed."""
    pictures = {}
    for task in errors.tasks:
        rows: list[Row] = []
        for model in errors.models:
            for run in errors.runs.get((model, task), ())[:1]:
                if run.arrays and not rows:
                    rows.append(Row("mean input", run.arrays["inputs"] / 255))
                if run.arrays:
                    rows.append(Row(f"{model}\nregion", run.arrays["regions"] / 255))
                    rows.append(Row("output", run.arrays["outputs"] / 255))
        if rows:
            caption = (
                f"{task}: the mean of {LOOKED_AT} test pictures of a class, before the transformer, of the region that "
                "it chooses, and of its output"
            )
            pictures[f"fig6_{task}"] = (caption, partial(draw_rows, rows))
    return pictures


# Seconds of one core for a step with 64 pictures, measured with the networks of `small`: those of a localisation, how
# many times one that is unrolled costs, the blur of multi-scale sampling, and all else for a pixel that is read.
_LOCALISATION, _UNROLLED, _BLUR = {"small": 0.009, "paper": 0.6}, 5.5, 0.036
_PIXEL = {"none": 6e-6, "bilinear": 9e-6, "multi-scale": 9e-6, "linearized": 1.1e-4, "bias-free": 1.1e-4}
# Steps of an epoch with the pictures and the batches of the scales.
_EPOCH = {"digits": 5, "small": 56, "paper": 552}


def seconds(cell: Cell) -> float:
    """Return about how long a cell takes on one core."""
    kind, _, name = cell.model.rpartition(" ")
    step = _PIXEL[name] * output_side(cell) ** 2 + (_BLUR if name == "multi-scale" else 0)
    step += {"": 0.0, "STN": 1.0, "ICSTN": _UNROLLED}[kind] * _LOCALISATION[cell.localisation]
    return cell.epochs * _EPOCH["digits" if cell.pictures == "digits" else cell.localisation] * step


EXPERIMENT = Experiment(
    title="the error on traffic signs, by sampler",
    source="Linearized Multi-Sampling, Table 1",
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
