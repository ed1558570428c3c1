"""Linearized Multi-Sampling, Fig. 7 (Sect. 6.4): how often pictures are aligned, by sampler and downsampling rate.

A picture is turned, scaled along both axes and shifted at random, and sampled at a lower resolution: the target. From
the identity, gradient descent on the five parameters (rotation, two logarithms of scales, two translations) looks for
the transformation. The error is the mean distance of the four corners from where they should be, in half sides of the
picture; recall is the share of pictures with an error below a threshold.

    refwarp experiment run lms_fig7 --data DIR

The paper leaves open, or its released program does otherwise:

1. Which samples are masked: those outside of the picture (the paper), none, or those whose offset is large (the
   program, so practically none). All three are here.
2. The noise: half an output pixel here, which is in the range of the paper's Fig. 9; a quarter in the program, added
   after the transformation.
3. The optimiser: Adam here, with a rate of 0.1 that falls to a tenth in 300 steps. Random numbers beyond two standard
   deviations are set to that, so that no picture is magnified more than 7 times.

Deviations: pictures of 64x64 (PASCAL VOC), 28x28 (MNIST) and 32x32 pixels (GTSRB); 3 x 80 of each.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from autograd_core import Tensor
from refwarp.data import data_folder, load_digits, load_gtsrb, load_mnist, load_voc, voc_splits
from refwarp.drawing.style import BLUE, GREEN, MUTED, ORANGE, PINK
from refwarp.networks import LinearizedSampler, RotationScaleTranslation
from refwarp.networks.samplers import Sampler
from refwarp.samplers.grid_sample import grid_sample
from refwarp.samplers.multiscale import multiscale_sample
from refwarp.sweeps import Experiment, Outcome, Result, Results, Surroundings
from refwarp.sweeps.report import Claim, Report, Table
from refwarp.sweeps.statistics import Estimate
from refwarp.training.alignment import align

TRANSFORMATION = RotationScaleTranslation(translate_first=True)
# Standard deviations of the parameters: rotation, two log-scales, two translations (Sect. 6.4).
DEVIATIONS = (math.pi / 4, math.sqrt(2), math.sqrt(2), 0.2, 0.2)
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def linearized(rng: np.random.Generator, noise: Mapping[str, Any], **options: Any) -> Sampler:
    """Return the paper's sampler: the intercept is part of the value, and no gradient flows to the picture."""
    return LinearizedSampler(rng, noise=noise, intercept=True, input_gradient="none", **options)


# How each curve samples, given a generator of its noise.
SAMPLERS = {
    "bilinear": lambda rng: grid_sample,
    "multi-scale": lambda rng: multiscale_sample,
    "linearized": lambda rng: linearized(rng, {"deviation": 0.5}, mask="none"),
    "linearized, masked": lambda rng: linearized(rng, {"deviation": 0.5}, mask="position"),
    "linearized, released": lambda rng: linearized(
        rng, {"deviation": 0.25, "displaced_in": "source", "count": 7}, mask="offset", tikhonov=1e-8
    ),
}
COLOURS = dict(zip(SAMPLERS, (MUTED, GREEN, BLUE, ORANGE, PINK), strict=True))
SIDES = {"VOC": 64, "MNIST": 28, "GTSRB": 32, "digits": 16}


@dataclass(frozen=True)
class Cell:
    """Some pairs of pictures, aligned with one sampler.

    Attributes
    ----------
    pictures : str
        "VOC", "MNIST", "GTSRB", or "digits" for those that come with scikit-learn.
    downsampling : int
        Pixels of the picture for one of the target, along each axis.
    sampler : str
        One of `SAMPLERS`.
    seed : int
        Of the choice of pictures, their transformations, and the noise: the same for all samplers.
    pairs, steps : int
        How many pictures are aligned, in how many steps.
    rate : float
        The learning rate at first.
    """

    pictures: str
    downsampling: int
    sampler: str
    seed: int
    pairs: int
    steps: int
    rate: float = 0.1


@dataclass(frozen=True)
class Scale:
    """The settings of a scale; as in `Cell`."""

    seeds: Sequence[int]
    pictures: Sequence[str]
    downsamplings: Sequence[int]
    pairs: int
    steps: int


SCALES = {
    "tiny": Scale([0], ["digits"], [2], pairs=4, steps=15),
    "small": Scale([41, 42, 43], ["VOC", "MNIST", "GTSRB"], [1, 2, 4, 8], pairs=80, steps=300),
    "paper": Scale([51, 52, 53], ["VOC", "MNIST", "GTSRB"], [1, 2, 4, 8], pairs=80, steps=3000),
}


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale."""
    return [
        Cell(pictures, downsampling, sampler, seed, scale.pairs, scale.steps)
        for seed in seeds
        for pictures in scale.pictures
        for downsampling in scale.downsamplings
        for sampler in SAMPLERS
    ]


def label(cell: Cell) -> str:
    """Return a cell's name."""
    return f"{cell.pictures} {cell.downsampling}x {cell.sampler} seed {cell.seed}"


def seconds(cell: Cell) -> float:
    """Return about how long a cell takes on one core."""
    channels = 1 if cell.pictures in ("MNIST", "digits") else 3
    pixels = cell.pairs * (SIDES[cell.pictures] / cell.downsampling) ** 2
    work = {"bilinear": 1, "multi-scale": 3}.get(cell.sampler, 6)
    return cell.steps * (0.003 + 1e-7 * pixels * channels * work)


# ---- the pictures ----


@cache
def load(pictures: str, folder: Path | None) -> np.ndarray:
    """Return all pictures of a name, (N, C, side, side)."""
    if pictures == "digits":
        return np.kron(load_digits().test.images, np.ones((2, 2), np.float32))
    folder = data_folder(folder)
    if pictures == "MNIST":
        return load_mnist(folder).test.images
    if pictures == "GTSRB":
        return load_gtsrb(folder).test.images
    photographs = [load_voc(folder, split) for split in voc_splits(folder)]
    names = {name: (part, index) for part in photographs for index, name in enumerate(part.names)}
    return np.stack([_square(part.image(index), SIDES["VOC"]) for _, (part, index) in sorted(names.items())])


def _square(image: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of a photograph (3, H, W), each pixel the mean of an area."""
    height, width = image.shape[1:]
    length = min(height, width)
    top, left = (height - length) // 2, (width - length) // 2
    middle = np.rint(255 * image[:, top : top + length, left : left + length]).astype(np.uint8)
    small = Image.fromarray(middle.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, np.float32).transpose(2, 0, 1) / 255


def data(scale: Scale, folder: Path | None) -> dict[str, str]:
    """Return the digest of each set of pictures."""
    return {name: hashlib.sha256(load(name, folder).tobytes()).hexdigest() for name in scale.pictures}


# ---- one cell ----


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Align some pictures, and measure how far their corners are off."""
    choice, noise = (np.random.default_rng(branch) for branch in np.random.SeedSequence(cell.seed).spawn(2))
    pictures = load(cell.pictures, surroundings.data)
    images = pictures[choice.permutation(len(pictures))[: cell.pairs]]
    draws = np.clip(choice.standard_normal((len(images), 5)), -2, 2)
    truth = (draws * DEVIATIONS).astype(np.float32)
    side = max(1, round(images.shape[2] / cell.downsampling))
    size = (*images.shape[:2], side, side)
    targets = grid_sample(images, TRANSFORMATION.grid(Tensor(truth), size, False)).numpy()
    began = time.perf_counter()

    def report(step: int) -> None:
        if step % 50 == 0:
            surroundings.report(step, cell.steps, "")

    path = align(
        images, targets, TRANSFORMATION, SAMPLERS[cell.sampler](noise), steps=cell.steps, rate=cell.rate, on_step=report
    )
    errors = corner_errors(path[-1], truth)
    return Outcome(
        {"errors": errors.tolist(), "start": corner_errors(np.zeros_like(truth), truth).tolist()},
        {"alignment": time.perf_counter() - began},
    )


def corner_errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean distance of the corners of two transformations, (N,)."""
    # With a map of one pixel for each corner and align_corners, the grid is at the corners themselves.
    grids = [
        TRANSFORMATION.grid(Tensor(theta.astype(np.float64)), (len(theta), 1, 2, 2), True) for theta in (found, truth)
    ]
    return np.linalg.norm(grids[0].numpy() - grids[1].numpy(), axis=-1).mean(axis=(1, 2))


# ---- what the results show ----

# At the threshold 0.2: pictures, downsampling, and how many points more linearized sampling aligns than bilinear.
CLAIMS = (("VOC", 8, 15), ("VOC", 4, 6), ("MNIST", 4, 5), ("MNIST", 1, 5))
THRESHOLD = 0.2


def report(results: Results) -> Report:
    """Return recalls, the claims, and the curves."""
    errors = _errors(results.cells)
    rows = [
        [f"{pictures} {rate}x, {sampler}", *(_recall(errors[pictures, rate, sampler], t) for t in THRESHOLDS)]
        for pictures, rate, sampler in errors
    ]
    claims = []
    for pictures, rate, least in CLAIMS:
        pair = [errors.get((pictures, rate, sampler)) for sampler in ("linearized", "bilinear")]
        if all(found is not None for found in pair):
            text = f"{pictures} {rate}x: the linearized sampler aligns {least} points more than the bilinear"
            claims.append(Claim(text, _difference(*pair), least=least))
    count = len(next(iter(errors.values()), ()))
    missing = f" {results.missing} cells are missing." if results.missing else ""
    return Report(
        f"Recall in % by the largest error of the corners, of {count} pairs for each line.{missing}",
        [Table("Recall in %", ["", *map(str, THRESHOLDS)], rows)],
        claims,
        "points",
        {"recall": ("Recall over the threshold; bands are standard errors", partial(_draw, errors))} if errors else {},
    )


Errors = dict[tuple[str, int, str], np.ndarray]


def _errors(cells: Sequence[Result]) -> Errors:
    """Return the errors of all pairs, over the seeds."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for result in cells:
        key = (result.cell.pictures, result.cell.downsampling, result.cell.sampler)
        found.setdefault(key, []).extend(result.values["errors"])
    return {key: np.array(values) for key, values in found.items()}


def _recall(errors: np.ndarray, threshold: float) -> str:
    return f"{100 * np.mean(errors <= threshold):.0f}"


def _difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Return how many points more pairs the first aligns, of the same pairs."""
    difference = (first <= THRESHOLD).astype(float) - (second <= THRESHOLD)
    return Estimate(100 * difference.mean(), 100 * difference.std(ddof=1) / math.sqrt(len(difference)))


def _draw(errors: Errors) -> Figure:
    pictures = list(dict.fromkeys(name for name, _, _ in errors))
    rates = sorted({rate for _, rate, _ in errors})
    figure = Figure(figsize=(2.6 * len(rates) + 1.6, 2.4 * len(pictures) + 0.4), layout="constrained")
    panels = figure.subplots(len(pictures), len(rates), sharex=True, sharey=True, squeeze=False)
    thresholds = np.geomspace(0.01, 1, 100)
    for row, name in zip(panels, pictures, strict=True):
        for axes, rate in zip(row, rates, strict=True):
            axes.set_title(f"{name}, {rate}x")
            for sampler, colour in COLOURS.items():
                found = errors.get((name, rate, sampler))
                if found is not None:
                    recall = np.mean(found[:, None] <= thresholds, axis=0)
                    error = np.sqrt(recall * (1 - recall) / len(found))
                    axes.plot(thresholds, 100 * recall, color=colour, label=sampler)
                    axes.fill_between(
                        thresholds, 100 * (recall - error), 100 * (recall + error), color=colour, alpha=0.15
                    )
            axes.set_xscale("log")
            axes.grid(visible=True)
        row[0].set_ylabel("recall in %")
    for axes in panels[-1]:
        axes.set_xlabel("threshold")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    return figure


EXPERIMENT = Experiment(
    title="how often pictures are aligned, by sampler and downsampling rate",
    source="Linearized Multi-Sampling, Fig. 7",
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
