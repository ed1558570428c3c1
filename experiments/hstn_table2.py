"""Hierarchical Spatial Transformer Network, Table 2 and Fig. 7 (Sect. 4.2): faces that are aligned with one another.

A face is warped by a random affine transformation and an elastic deformation: the source, which shall be made to look
like the face itself, the target. Networks see both, and learn without supervision to make the squared distance small;
optical flows need no training. Both are judged by what the paper calls EPE, the distance of the two images, and by the
end-point error of the motion, on the central part of the pictures.

    refwarp experiment run hstn_table2 --data DIR

Deviations from the paper:

1. The faces of RASL (Dummy, Al Gore), split by picture, on 64x64 pixels; 900 steps of Adam, with a rate of 0.001
   (0.0001 after 70 % of them) and minibatches of 16. The paper says neither how large its pictures nor its distortions
   are.
2. Two displacements: small ones are turned by up to 12 degrees, scaled and sheared by up to 10 % and shifted by up to
   5 pixels; large ones by 30 degrees, 20 % and 12 pixels. Both are deformed by a smooth field with a standard deviation
   of 2 pixels.
3. Affine-STN, longer, is trained as long as HSTN is, whose affine transformer is pretrained.
4. The flow is four times what the flow generator says, and pictures are standardised: else it learns much more slowly.
   The weights of the penalty (HSTN 7), of the flow in pixels and averaged, are the paper's times 0.0002, since with the
   paper's the flow stays 0.
5. Optical Flow, SIFT Flow and LDOF are those of `refwarp.classical`, written from their papers. Not in the paper are
   the flows of OpenCV and scikit-image, and gradient descent, which minimises HSTN Eq. 1 with the penalty for each pair
   by itself, from coarse to fine.
6. A picture's seconds are those of one core that others used, too.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import gaussian_filter

from autograd_core import Tensor, no_grad, to_device
from autograd_core.layers import Module, mean_squared_error
from autograd_core.optimizers import Adam
from autograd_core.schedules import MilestoneSchedule
from refwarp.classical import brox_flow, ldof_flow, sift_flow
from refwarp.classical.libraries import LIBRARY_FLOWS, library_flow
from refwarp.data import Examples, data_folder, load_rasl
from refwarp.drawing.levels import eight_bits
from refwarp.grids.flow import flow_grid
from refwarp.metrics import central_region, endpoint_error, image_distance
from refwarp.networks import (
    FLOW_GENERATOR,
    Convolution,
    FlowPenalty,
    HierarchicalTransformer,
    SourceSampler,
    SpatialTransformer,
    ThinPlateSpline,
    convolutional_localisation,
    count_parameters,
    flow_generator,
    observed,
)
from refwarp.networks.pictures import Row, draw_rows
from refwarp.networks.transformations import AFFINE
from refwarp.samplers.grid_sample import grid_sample
from refwarp.sweeps import Experiment, Outcome, Result, Results, Surroundings
from refwarp.sweeps.experiment import cell_settings
from refwarp.sweeps.report import Claim, Report, Table
from refwarp.sweeps.statistics import Estimate, mean_and_deviation, paired_difference
from refwarp.training import Checkpoint, History, Passes, Run, train
from refwarp.training.alignment import align_flow
from refwarp.training.metrics import model_device

# The paper's "EPE", the distance of images in grey levels, and seconds for a picture.
PAPER: Mapping[str, tuple[float, float] | None] = {
    "identity": None,
    "Affine-STN": (6.9781, 0.0019),
    "Affine-STN, longer": None,
    "TPS-STN": (6.4329, 0.0031),
    "IC-STN-4": (6.3330, 0.0032),
    "C-STN-4": (6.3193, 0.0031),
    "HSTN": (1.8088, 0.0034),
    "SIFT Flow": (8.1266, 0.5783),
    "Optical Flow": (6.1780, 0.0994),
    "LDOF": (5.9467, 0.2572),
    "gradient descent": None,
    **dict.fromkeys(LIBRARY_FLOWS),
}
NETWORKS = ("Affine-STN", "Affine-STN, longer", "TPS-STN", "HSTN")
# What is trained twice: first an affine transformer, then this.
CONTINUED = ("Affine-STN, longer", "HSTN")
# Flows from a picture to another (1, 64, 64).
FLOWS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "SIFT Flow": sift_flow,
    "Optical Flow": brox_flow,
    "LDOF": ldof_flow,
    **{
        name: partial(lambda name, first, second: library_flow(name, first[0], second[0]), name)
        for name in LIBRARY_FLOWS
    },
}
UNTRAINED = ("identity", "gradient descent", *FLOWS)
# Sides of the pictures, and of the larger ones that they are the middle of.
SIDE, WHOLE = 64, 96
# The pictures' mean, and the reciprocal of their standard deviation: networks see 5 (I - 0.45).
MEAN, SPREAD = 0.45, 5.0
GREY_LEVELS = 255.0
TRAINING_SEED, VALIDATION_SEED, TEST_SEED = 20_021, 20_022, 20_023
DRAWN, TIMED = 6, 20


@dataclass(frozen=True)
class Displacement:
    """How far pictures are moved: the largest of each, uniform, but for the elastic field.

    Attributes
    ----------
    angle, scale, shift : float
        In degrees; a factor less 1, also of the shear; in pixels.
    elastic, blur : float
        Standard deviation of the elastic field in pixels, and of the Gaussian that makes it smooth.
    """

    angle: float
    scale: float
    shift: float
    elastic: float = 2.0
    blur: float = 6.0


DISPLACEMENTS = {"small": Displacement(12.0, 0.1, 5.0), "large": Displacement(30.0, 0.2, 12.0)}


@dataclass(frozen=True)
class Cell:
    """One way to align pictures, on displacements of one size.

    Attributes
    ----------
    model, displacement : str
        Keys of `PAPER` and of `DISPLACEMENTS`.
    moved_by : str
        What the displacement is, with all of its numbers.
    seed : int
        Of the weights, and of the order of the pairs.
    pictures : str
        "RASL", or "scikit-image" for the faces that come with it, magnified.
    training_pairs, test_pairs : int
        How many pairs there are.
    epochs, steps, batch_size : int
        Epochs, steps in each, and pairs in a step; for gradient descent, the steps on each of four levels.
    penalty : float
        What the paper's weights of the penalties are multiplied by.
    gain : float
        Pixels of a flow of 1.
    """

    model: str
    displacement: str
    moved_by: str
    seed: int
    pictures: str
    training_pairs: int
    test_pairs: int
    epochs: int
    steps: int
    batch_size: int
    penalty: float = 2e-4
    gain: float = 4.0


@dataclass(frozen=True)
class Scale:
    """The settings of a scale; as in `Cell`, but for `models` and `displacements`, the rows of the table."""

    seeds: Sequence[int]
    training_pairs: int
    test_pairs: int
    epochs: int
    steps: int
    models: Sequence[str] = (*NETWORKS, *UNTRAINED)
    displacements: Sequence[str] = tuple(DISPLACEMENTS)
    pictures: str = "RASL"
    batch_size: int = 16
    options: Mapping[str, Any] = field(default_factory=dict)


SCALES = {
    "tiny": Scale(
        [0],
        12,
        4,
        2,
        2,
        ("Affine-STN", "TPS-STN", "HSTN", "identity", "gradient descent", "Optical Flow", "ILK"),
        ("small",),
        "scikit-image",
        4,
    ),
    "small": Scale([81, 82, 83], 3000, 300, 9, 100),
    "paper": Scale([91, 92, 93], 50_000, 1000, 100, 1000),
}


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale; what is not trained has no seed, and is computed with the first one."""
    return [
        Cell(
            model,
            displacement,
            repr(DISPLACEMENTS[displacement]),
            seed,
            scale.pictures,
            scale.training_pairs,
            scale.test_pairs,
            scale.epochs,
            scale.steps,
            scale.batch_size,
            **scale.options,
        )
        for seed in seeds
        for displacement in scale.displacements
        for model in scale.models
        if model in NETWORKS or seed == seeds[0]
    ]


def label(cell: Cell) -> str:
    """Return a cell's name."""
    return f"{cell.model} {cell.displacement} seed {cell.seed}"


# Seconds of one core: for a step with 16 pairs; and for a pair that is aligned without training.
_STEP = {"Affine-STN": 0.06, "TPS-STN": 0.07, "HSTN": 0.14}
_PAIR = {"gradient descent": 0.5, "SIFT Flow": 1.0, "Optical Flow": 0.3, "LDOF": 1.0, "TV-L1": 0.03, "ILK": 0.02}


def seconds(cell: Cell) -> float:
    """Return about how long a cell takes on one core."""
    if cell.model in UNTRAINED:
        return 2 + _PAIR.get(cell.model, 0.002) * cell.test_pairs
    first = _STEP["Affine-STN"] if cell.model in CONTINUED else 0.0
    step = _STEP[cell.model.removesuffix(", longer")] + first
    return 10 + cell.epochs * cell.steps * step * cell.batch_size / 16


# ---- the pictures ----


@cache
def load(pictures: str, folder: Path | None) -> Mapping[str, np.ndarray]:
    """Return faces (N, 1, 96, 96) in [0, 1], for training, validation and the test; none is in two of these."""
    if pictures == "scikit-image":
        from skimage.data import lfw_subset

        faces = [np.stack([whole(face, 2 * face.shape[1]) for face in lfw_subset()[:24].astype(np.float32)])]
        parts = [(12, 18)]
    else:
        found = [load_rasl(data_folder(folder), name).images for name in ("Dummy_59_59", "Al_Gore")]
        faces = [
            np.stack([whole(image[0], SIDE if k else image.shape[2]) for image in images])
            for k, images in enumerate(found)
        ]
        parts = [(70, 80), (98, 112)]
    cuts = {
        "training": [(0, first) for first, _ in parts],
        "validation": parts,
        "test": [(last, None) for _, last in parts],
    }
    return {
        name: np.concatenate([some[a:b] for some, (a, b) in zip(faces, limits, strict=True)])
        for name, limits in cuts.items()
    }


def whole(image: np.ndarray, width: int) -> np.ndarray:
    """Return a face (1, 96, 96) that is `width` pixels wide, with its mirror images around it."""
    height = round(image.shape[0] * width / image.shape[1])
    resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    rows, columns = (max(0, WHOLE - length) for length in resized.shape)
    padded = np.pad(resized, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)), "reflect")
    return padded[None, :WHOLE, :WHOLE]


@dataclass(frozen=True)
class Pairs:
    """Sources and targets (N, 1, 64, 64) in [0, 1], and the true flows (N, 2, 64, 64) from targets to sources.

    `flows` is empty where it was not asked for.
    """

    sources: np.ndarray
    targets: np.ndarray
    flows: np.ndarray

    def standardised(self) -> Examples:
        """Return them as networks see them: the source, and the target beside it."""
        both = np.concatenate([self.sources, self.targets], axis=1)
        return Examples((SPREAD * (both - MEAN)).astype(np.float32), np.zeros(len(both), np.int64))


def displaced(faces: np.ndarray, count: int, by: Displacement, rng: np.random.Generator, flows: bool) -> Pairs:
    """Return pairs of faces: source(y) = target(y + d(y)), and, if asked for, the flow w(x) = -d(x + w(x))."""
    chosen = faces[rng.integers(0, len(faces), count)]
    angle = np.radians(rng.uniform(-by.angle, by.angle, count))
    scale, shear = 1 + rng.uniform(-by.scale, by.scale, count), rng.uniform(-by.scale, by.scale, count)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos - 1, shear - sin], [sin, cos - 1]], np.float32).transpose(2, 0, 1)
    shift = rng.uniform(-by.shift, by.shift, (count, 2)).astype(np.float32)
    noise = rng.standard_normal((count, 2, WHOLE, WHOLE), np.float32)
    smooth = gaussian_filter(noise, (0, 0, by.blur, by.blur))
    smooth *= by.elastic / smooth.std(axis=(1, 2, 3), keepdims=True)

    def at(maps: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Sample maps (N, C, 96, 96) at places (N, h, w, 2) in pixels from their middle."""
        samples: np.ndarray = grid_sample(maps, places / np.float32(WHOLE / 2), padding_mode="border")
        return samples

    def displacement(places: np.ndarray) -> np.ndarray:
        linear = np.einsum("nij,nhwj->nhwi", matrix, places) + shift[:, None, None]
        return linear + at(smooth, places).transpose(0, 2, 3, 1)

    along = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    places = np.broadcast_to(np.stack(np.meshgrid(along, along), axis=-1), (count, SIDE, SIDE, 2)).astype(np.float32)
    sources = at(chosen, places + displacement(places))
    margin = (WHOLE - SIDE) // 2
    targets = chosen[:, :, margin : margin + SIDE, margin : margin + SIDE]
    motion = np.zeros_like(places)
    for _ in range(60 if flows else 0):
        motion = 0.5 * motion - 0.5 * displacement(places + motion)
    return Pairs(sources, targets, motion.transpose(0, 3, 1, 2) if flows else motion[:0].transpose(0, 3, 1, 2))


@cache
def pairs(pictures: str, folder: Path | None, displacement: str, part: str, count: int) -> Pairs:
    """Return the pairs that all cells of a displacement share; those of the test with their flows."""
    seed = {"training": TRAINING_SEED, "validation": VALIDATION_SEED, "test": TEST_SEED}[part]
    faces, rng = load(pictures, folder)[part], np.random.default_rng(seed)
    return displaced(faces, count, DISPLACEMENTS[displacement], rng, flows=part == "test")


def data(scale: Scale, folder: Path | None) -> dict[str, str]:
    """Return the digest of each part of the faces."""
    return {name: hashlib.sha256(faces.tobytes()).hexdigest() for name, faces in load(scale.pictures, folder).items()}


# ---- the networks ----


def build(cell: Cell, rng: np.random.Generator, affine: SpatialTransformer | None = None) -> SpatialTransformer:
    """Return the untrained network of a cell, behind an affine transformer that was trained before if it is given."""
    convolutions = [Convolution(12, 5, 2, "same"), Convolution(24, 5, 2, "same")]
    transformation: Any = AFFINE
    if cell.model == "TPS-STN":
        transformation = ThinPlateSpline((4, 4))
        convolutions.append(Convolution(24, 3, 1, "same"))
    if affine is None:
        localisation = convolutional_localisation(
            (2, SIDE, SIDE), transformation, convolutions=convolutions, hidden=(64,), reduction=2, rng=rng
        )
        return SpatialTransformer(localisation, transformation, SourceSampler())
    if cell.model != "HSTN":
        return affine
    flow = flow_generator(2, FLOW_GENERATOR._replace(depth=4), rng=rng)
    return HierarchicalTransformer.joined(affine, flow, cell.gain)


@dataclass(frozen=True)
class AlignmentLoss:
    """The mean squared distance of the warped source from the target, and the penalty of a flow if there is one."""

    penalty: FlowPenalty

    def __call__(self, model: Module, images: Tensor, labels: np.ndarray) -> Tensor:
        """Return the loss of a minibatch; there are no labels to be heeded."""
        with observed(model) as seen:
            output = model(images)
        loss = mean_squared_error(output[:, :1], output[:, 1:])
        flow = seen[""][-1].flow
        return loss if flow is None else loss + self.penalty(flow)


@no_grad()
def outputs(model: Module, images: np.ndarray, batch_size: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Return the warped sources (N, 1, 64, 64) in [0, 1], and the flows (N, 2, 64, 64) in pixels."""
    device = model_device(model)
    warped, flows = [], []
    identity = flow_grid(np.zeros((1, 2, SIDE, SIDE)))
    with model.evaluation():
        for start in range(0, len(images), batch_size):
            with observed(model) as seen:
                output = model(Tensor(to_device(images[start : start + batch_size], device)))
            grid = seen[""][-1].grid.numpy().astype(np.float64)
            warped.append(output.numpy()[:, :1] / SPREAD + MEAN)
            flows.append(((grid - identity) * SIDE / 2).transpose(0, 3, 1, 2))
    return np.concatenate(warped), np.concatenate(flows)


def validation_distance(model: Module, examples: Examples) -> float:
    """Return the mean distance of the central parts of warped sources and targets, in grey levels."""
    warped, _ = outputs(model, examples.images)
    targets = examples.images[:, 1:] / SPREAD + MEAN
    return float(GREY_LEVELS * image_distance(warped, targets, CENTRE).mean())


CENTRE = central_region(SIDE, SIDE)


# ---- one cell ----


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Align the pairs of the test, with a network that is trained first if the model is one."""
    test = pairs(cell.pictures, surroundings.data, cell.displacement, "test", cell.test_pairs)
    values: dict[str, Any] = {}
    if cell.model in UNTRAINED:
        surroundings.report(0, 1, "begun")
        began = time.perf_counter()
        flows = _untrained(cell, test)
        spent = {"training": 0.0, "picture": (time.perf_counter() - began) / len(flows)}
        warped = _warped(test.sources, flows)
    else:
        model, history, elapsed = _trained(cell, surroundings)
        images = test.standardised().images
        warped, flows = outputs(model, images)
        began = time.perf_counter()
        outputs(model, images[:TIMED], batch_size=1)
        spent = {"training": elapsed, "picture": (time.perf_counter() - began) / len(images[:TIMED])}
        values = {
            "parameters": count_parameters(model),
            "loss": history.loss,
            "validation_distance": history.validation_error,
        }
    distances = GREY_LEVELS * image_distance(warped.astype(np.float32), test.targets, CENTRE)
    errors = endpoint_error(flows.astype(np.float64), test.flows.astype(np.float64), CENTRE)
    return Outcome(
        {"distances": distances.round(4).tolist(), "errors": errors.round(4).tolist(), **values},
        spent,
        {
            name: eight_bits(maps[:DRAWN])
            for name, maps in {"sources": test.sources, "targets": test.targets, "warped": warped}.items()
        },
    )


def _untrained(cell: Cell, test: Pairs) -> np.ndarray:
    """Return the flows (N, 2, 64, 64) that are found without training."""
    if cell.model == "identity":
        return np.zeros_like(test.flows)
    if cell.model == "gradient descent":
        border = partial(grid_sample, padding_mode="border")
        sources, targets = (SPREAD * (maps - MEAN) for maps in (test.sources, test.targets))
        return align_flow(sources, targets, border, penalty=_penalty(cell), levels=4, steps=cell.steps, rate=0.1)
    flow = FLOWS[cell.model]
    return np.stack([flow(target, source) for source, target in zip(test.sources, test.targets, strict=True)])


def _warped(sources: np.ndarray, flows: np.ndarray) -> np.ndarray:
    samples: np.ndarray = grid_sample(sources, flow_grid(flows.astype(sources.dtype)), padding_mode="border")
    return samples


def _penalty(cell: Cell) -> FlowPenalty:
    return FlowPenalty(0.01 * cell.penalty, 1.0 * cell.penalty)


def _trained(cell: Cell, surroundings: Surroundings) -> tuple[SpatialTransformer, History, float]:
    """Return the trained network, the course of its last stage, and the seconds of all of them."""
    branches = np.random.SeedSequence(cell.seed).spawn(4)
    weights, draws, more_weights, more_draws = map(np.random.default_rng, branches)
    model, elapsed = build(cell, weights).to(surroundings.device), 0.0
    if cell.model in CONTINUED:
        first = surroundings.checkpoint.with_suffix(".affine.h5")
        elapsed = sum(_train(cell, _run(cell, model, draws, "affine"), first, surroundings).seconds)
        model = build(cell, more_weights, model).to(surroundings.device)
        draws = more_draws
    history = _train(cell, _run(cell, model, draws, cell.model), surroundings.checkpoint, surroundings)
    if cell.model in CONTINUED:
        first.unlink(missing_ok=True)
    return model, history, elapsed + sum(history.seconds)


def _run(cell: Cell, model: Module, draws: np.random.Generator, stage: str) -> Run:
    optimizer = Adam(model.parameters(), 1e-3)
    schedule = MilestoneSchedule(optimizer, {round(0.7 * cell.epochs * cell.steps): 0.1})
    return Run(
        model,
        [optimizer],
        [],
        draws,
        {**cell_settings(cell), "stage": stage},
        minibatch_schedules=[schedule],
        loss=AlignmentLoss(_penalty(cell)),
        measure=validation_distance,
    )


def _train(cell: Cell, run: Run, path: Path, surroundings: Surroundings) -> History:
    stages = 2 if cell.model in CONTINUED else 1
    before = cell.epochs if stages == 2 and path == surroundings.checkpoint else 0
    get = partial(pairs, cell.pictures, surroundings.data, cell.displacement)

    def report(history: History) -> None:
        text = f"loss {history.loss[-1]:.3f}, distance {history.validation_error[-1]:.2f}" if history.loss else "begun"
        surroundings.report(before + len(history), stages * cell.epochs, text)

    return train(
        run,
        get("training", cell.training_pairs).standardised(),
        get("validation", cell.test_pairs // 4).standardised(),
        Passes(cell.epochs, cell.batch_size, steps=cell.steps),
        checkpoint=Checkpoint(path, resume=path.exists()),
        on_epoch=report,
    )


# ---- what the results show ----

Runs = Mapping[tuple[str, str], Sequence[Result]]


def report(results: Results) -> Report:
    """Return the table, the differences of HSTN from the others, and Fig. 7."""
    runs: dict[tuple[str, str], list[Result]] = {}
    for result in sorted(results.cells, key=lambda result: int(result.cell.seed)):
        runs.setdefault((result.cell.model, result.cell.displacement), []).append(result)
    seeds = sorted({run.cell.seed for run in results.cells})
    missing = f" {results.missing} cells are missing." if results.missing else ""
    over = f"{len(seeds)} {'seeds' if len(seeds) > 1 else 'seed'} ({', '.join(map(str, seeds))})"
    return Report(
        f"The central part of {results.settings.test_pairs} test pairs; mean and standard deviation over {over} of "
        f"what is trained.{missing}",
        [*(_table(runs, name) for name in results.settings.displacements), _differences(runs)],
        _claims(runs),
        "grey levels or pixels",
        _pictures(runs),
    )


def _values(runs: Sequence[Result], name: str) -> np.ndarray:
    """Return what was measured of each pair, for each seed."""
    return np.array([run.values[name] for run in runs])


def _table(runs: Runs, displacement: str) -> Table:
    rows = []
    for model, paper in PAPER.items():
        found = runs.get((model, displacement), ())
        row = [model]
        for name in ("distances", "errors"):
            mean, deviation = mean_and_deviation(_values(found, name).mean(axis=1)) if found else (np.nan, np.nan)
            row.append("" if not found else f"{mean:.2f}" + ("" if np.isnan(deviation) else f" ± {deviation:.2f}"))
        row.append(f"{paper[0]:.2f}" if paper else "")
        row += [f"{np.mean([run.seconds['picture'] for run in found]):.4f}" if found else ""]
        row += [f"{paper[1]:.4f}" if paper else ""]
        row += [f"{np.mean([run.seconds['training'] for run in found]):.0f}" if found else ""]
        row += [f"{found[0].values['parameters']:,}" if found and "parameters" in found[0].values else ""]
        rows.append(row)
    header = ("", "distance", "end-point error", "paper's distance", "seconds", "paper's", "training (s)", "parameters")
    angle, shift = DISPLACEMENTS[displacement].angle, DISPLACEMENTS[displacement].shift
    return Table(
        f"Displacement {displacement} (up to {angle:.0f} degrees and {shift:.0f} pixels): the distance of images in "
        "grey levels, the end-point error in pixels, seconds for a picture",
        header,
        rows,
    )


def _difference(runs: Runs, displacement: str, first: str, second: str, name: str) -> Estimate | None:
    """Return how much larger something is for the first model, over the seeds that both have, or one of each."""
    pair = [runs.get((model, displacement), ()) for model in (first, second)]
    if not all(pair):
        return None
    if any(found[0].cell.model in UNTRAINED for found in pair):  # which have no seed: the same for all
        count = max(map(len, pair))
        arrays = [np.resize(_values(found, name), (count, len(found[0].values[name]))) for found in pair]
        return paired_difference(*arrays)
    seeds = set.intersection(*({run.cell.seed for run in found} for found in pair))
    if not seeds:
        return None
    return paired_difference(*(_values([run for run in found if run.cell.seed in seeds], name) for found in pair))


def _differences(runs: Runs) -> Table:
    rows = []
    for displacement in DISPLACEMENTS:
        for model in PAPER:
            row = [f"{displacement}: {model} − HSTN"]
            for name in ("distances", "errors"):
                found = None if model == "HSTN" else _difference(runs, displacement, model, "HSTN", name)
                row += [f"{found.mean:+.2f}", f"{found.standard_error:.2f}"] if found else []
            if len(row) > 1:
                rows.append([cell.replace("nan", "") for cell in row])
    header = ("", "distance", "standard error", "end-point error", "standard error")
    return Table("How much farther off others are than HSTN, over pairs and seeds", header, rows)


def _claims(runs: Runs) -> list[Claim]:
    """Return the claims about HSTN and the best transformer, and, of large displacements, about optical flows."""
    claims = []
    for displacement in DISPLACEMENTS:
        ours = runs.get(("HSTN", displacement))
        if not ours:
            continue
        others = [model for model in ("Affine-STN", "TPS-STN", "IC-STN-4", "C-STN-4") if (model, displacement) in runs]
        for name, share in (("distances", 0.7), ("errors", 1.0)):
            if not others:
                continue
            best = min(others, key=lambda model: float(_values(runs[model, displacement], name).mean()))
            theirs = runs[best, displacement]
            seeds = {run.cell.seed for run in ours} & {run.cell.seed for run in theirs}
            pair = [_values([run for run in found if run.cell.seed in seeds], name) for found in (theirs, ours)]
            if seeds:
                what = "distance of images is at most 0.7 of" if name == "distances" else "end-point error is below"
                text = f"{displacement}: HSTN's {what} that of the best transformer, {best}"
                claims.append(Claim(text, paired_difference(share * pair[0], pair[1]), least=0.0))
    for model in ("Optical Flow", "SIFT Flow", *LIBRARY_FLOWS):
        found = _difference(runs, "large", model, "HSTN", "distances")
        if found:
            claims.append(Claim(f"large: {model} collapses, and HSTN is nearer to the target", found, least=0.0))
    return claims


def _pictures(runs: Runs) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """Return Fig. 7 for each displacement, of the first seed."""
    pictures = {}
    for displacement in DISPLACEMENTS:
        found = {model: runs[model, displacement][0] for model in PAPER if (model, displacement) in runs}
        if found:
            first = next(iter(found.values())).arrays
            rows = [Row("target", first["targets"]), Row("source", first["sources"])]
            rows += [Row(model, run.arrays["warped"]) for model, run in found.items() if model != "identity"]
            caption = f"Displacement {displacement}: the first test pairs, and what becomes of the source"
            pictures[f"faces_{displacement}"] = (caption, partial(draw_rows, rows))
    return pictures


EXPERIMENT = Experiment(
    title="faces aligned by networks and by optical flows",
    source="Hierarchical Spatial Transformer Network, Table 2, Fig. 7",
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
