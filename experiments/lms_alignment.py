"""Linearized Multi-Sampling, Figs. 7, 9 and 10 (Sects. 6.4, 6.5): how often pictures are aligned, by sampler.

A picture is turned, scaled along both axes and shifted at random, and sampled at a lower resolution: the target. From
the identity, gradient descent on the five parameters (rotation, two logarithms of scales, two translations) looks for
the transformation. The error is the mean distance of the four corners from where they should be, in half sides of the
picture; recall is the share of pictures with an error below a threshold. Fig. 7 compares samplers, Fig. 9 the spread of
the auxiliary samples, and Fig. 10 their number, and what keeps them apart when pictures are magnified.

What keeps them apart is there for the numerics (Sect. 5), so Fig. 10b also has the fits themselves, without Tikhonov's
weight: the condition of the matrix that (LMS 7) inverts, in units of half a side, and how large slopes are: by (LMS 7)
as it is printed, all in single precision, and by an orthogonalisation in double precision, which is how refwarp fits.

    refwarp experiment run lms_alignment --data DIR

The paper leaves open, or its released program does otherwise:

1. Which samples are masked: those outside of the picture (the paper), none, or those whose offset is large (the
   program, so practically none). All three are here.
2. The noise: half an output pixel where nothing else is said, within the range of Fig. 9; a quarter in the program,
   added after the transformation.
3. The optimiser: Adam here, with a rate of 0.1 that falls to a tenth in 300 steps; 0.03 shows how far each sampler
   reaches (Fig. 9). Random numbers beyond two standard deviations are set to that, so that no picture is scaled by
   more than 7.

Deviations: pictures of 64x64 (PASCAL VOC; 16x16 for Fig. 10b), 28x28 (MNIST) and 32x32 pixels (GTSRB); 3 x 80 pairs.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from autograd_core import Tensor
from autograd_core.functions import sum as total
from refwarp.data import data_folder, load_digits, load_gtsrb, load_mnist, load_voc, voc_splits
from refwarp.drawing.style import BLUE, GREEN, MUTED, ORANGE, PINK
from refwarp.grids.affine import affine_grid
from refwarp.networks import LinearizedSampler, RotationScaleTranslation
from refwarp.networks.pictures import Row, draw_rows
from refwarp.networks.samplers import Sampler
from refwarp.samplers.grid_sample import grid_sample
from refwarp.samplers.linearized.auxiliary import auxiliary_grid
from refwarp.samplers.linearized.function import linearized_sample
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
    options = {"mask": "none", "intercept": True, "input_gradient": "none", **options}
    return LinearizedSampler(rng, noise=noise, **options)


# How each curve samples, given a generator of its noise.
SAMPLERS = {
    "bilinear": lambda rng: grid_sample,
    "multi-scale": lambda rng: multiscale_sample,
    "linearized": lambda rng: linearized(rng, {"deviation": 0.5}),
    "linearized, masked": lambda rng: linearized(rng, {"deviation": 0.5}, mask="position"),
    "linearized, released": lambda rng: linearized(
        rng, {"deviation": 0.25, "displaced_in": "source", "count": 7}, mask="offset", tikhonov=1e-8
    ),
    **{
        f"sigma {sigma}": partial(lambda sigma, rng: linearized(rng, {"deviation": sigma}), sigma)
        for sigma in (0.25, 1.0, 2.0)
    },
    **{
        f"{count} samples": partial(lambda count, rng: linearized(rng, {"deviation": 0.5, "count": count}), count)
        for count in (4, 16, 32)
    },
    "not kept apart": lambda rng: linearized(rng, {"deviation": 0.5, "collapse_deviation": 0.0}),
}
SIDES = {"VOC": 64, "MNIST": 28, "GTSRB": 32, "VOC, small": 16, "digits": 16}


class Curves(NamedTuple):
    """The curves of one figure: a panel for each set of pictures and each rate of downsampling.

    Attributes
    ----------
    title : str
        What is shown.
    pictures : tuple of str
        Keys of `SIDES`.
    downsamplings : tuple of float
        Pixels of the picture for one of the target, along each axis.
    samplers : tuple of str
        Keys of `SAMPLERS`.
    rate : float
        The learning rate at first.
    """

    title: str
    pictures: tuple[str, ...]
    downsamplings: tuple[float, ...]
    samplers: tuple[str, ...]
    rate: float = 0.1


# In their order; that of "linearized" is 0.5.
SIGMAS = ("sigma 0.25", "linearized", "sigma 1.0", "sigma 2.0")
FIGURES = {
    "fig7": Curves(
        "Fig. 7: samplers",
        ("VOC", "MNIST", "GTSRB"),
        (1, 2, 4, 8),
        ("bilinear", "multi-scale", "linearized", "linearized, masked", "linearized, released"),
    ),
    "fig9": Curves("Fig. 9a: the spread of the samples; linearized is 0.5", ("VOC",), (4, 8), SIGMAS),
    "fig9_slowly": Curves("Fig. 9a with a learning rate of 0.03", ("VOC",), (8,), ("bilinear", *SIGMAS), rate=0.03),
    "fig10a": Curves(
        "Fig. 10a: the number of samples; linearized is 8",
        ("VOC",),
        (4, 8),
        ("4 samples", "linearized", "16 samples", "32 samples"),
    ),
    "fig10b": Curves(
        "Fig. 10b: samples that the second noise keeps apart, and not, when pictures are magnified",
        ("VOC, small",),
        (1, 0.5, 0.25),
        ("bilinear", "linearized", "not kept apart"),
    ),
    "tiny": Curves("Some samplers", ("digits",), (2,), ("bilinear", "linearized")),
}


@dataclass(frozen=True)
class Cell:
    """Some pairs of pictures, aligned with one sampler.

    Attributes
    ----------
    pictures : str
        "VOC", "MNIST", "GTSRB", "VOC, small", or "digits" for those that come with scikit-learn.
    downsampling : float
        Pixels of the picture for one of the target, along each axis.
    sampler : str
        One of `SAMPLERS`.
    seed : int
        Of the choice of pictures, their transformations, and the noise: the same for all samplers.
    pairs, steps : int
        How many pictures are aligned, in how many steps.
    rate : float
        The learning rate at first.
    measured : str
        "alignment"; or "fits", of which none of the two before is used: the planes around the pixels of regions that
        are magnified.
    """

    pictures: str
    downsampling: float
    sampler: str
    seed: int
    pairs: int
    steps: int
    rate: float = 0.1
    measured: str = "alignment"


@dataclass(frozen=True)
class Scale:
    """The settings of a scale; as in `Cell`, but for those below.

    Attributes
    ----------
    figures : sequence of str
        Keys of `FIGURES`.
    magnified : str
        Of which pictures regions are magnified; one of `SIDES`.
    """

    seeds: Sequence[int]
    figures: Sequence[str]
    pairs: int
    steps: int
    magnified: str = "VOC, small"


ALL_FIGURES = [name for name in FIGURES if name != "tiny"]
SCALES = {
    "tiny": Scale([0], ["tiny"], pairs=4, steps=15, magnified="digits"),
    "small": Scale([41, 42, 43], ALL_FIGURES, pairs=80, steps=300),
    "paper": Scale([51, 52, 53], ALL_FIGURES, pairs=80, steps=3000),
}

# How much regions are magnified, and with which samplers planes are fitted.
MAGNIFICATIONS = tuple(16**k for k in range(7))
FITTED = ("linearized", "not kept apart")


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale; what several figures show is computed once."""
    found = [
        Cell(pictures, downsampling, sampler, seed, scale.pairs, scale.steps, curves.rate)
        for seed in seeds
        for curves in map(FIGURES.__getitem__, scale.figures)
        for pictures, downsampling, sampler in product(curves.pictures, curves.downsamplings, curves.samplers)
    ]
    found += [
        Cell(scale.magnified, 1 / magnification, sampler, seed, scale.pairs, 0, measured="fits")
        for seed, magnification, sampler in product(seeds, MAGNIFICATIONS, FITTED)
    ]
    return list(dict.fromkeys(found))


def label(cell: Cell) -> str:
    """Return a cell's name."""
    if cell.measured == "fits":
        return f"fits {cell.pictures} {round(1 / cell.downsampling)} times {cell.sampler} seed {cell.seed}"
    return f"{cell.pictures} {cell.downsampling}x {cell.sampler} rate {cell.rate} seed {cell.seed}"


def seconds(cell: Cell) -> float:
    """Return about how long a cell takes on one core."""
    if cell.measured == "fits":
        return 0.5
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
    return np.stack([middle_square(part.image(index), SIDES[pictures]) for _, (part, index) in sorted(names.items())])


def middle_square(image: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of a photograph (3, H, W), each pixel the mean of an area."""
    height, width = image.shape[1:]
    length = min(height, width)
    top, left = (height - length) // 2, (width - length) // 2
    middle = np.rint(255 * image[:, top : top + length, left : left + length]).astype(np.uint8)
    small = Image.fromarray(middle.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, np.float32).transpose(2, 0, 1) / 255


def data(scale: Scale, folder: Path | None) -> dict[str, str]:
    """Return the digest of each set of pictures."""
    names = sorted({scale.magnified, *(name for figure in scale.figures for name in FIGURES[figure].pictures)})
    return {name: hashlib.sha256(load(name, folder).tobytes()).hexdigest() for name in names}


# ---- one cell ----


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Align some pictures, and measure how far their corners are off; or fit planes to parts of them."""
    choice, noise = (np.random.default_rng(branch) for branch in np.random.SeedSequence(cell.seed).spawn(2))
    pictures = load(cell.pictures, surroundings.data)
    images = pictures[choice.permutation(len(pictures))[: cell.pairs]]
    if cell.measured == "fits":
        return Outcome(fits(images.mean(axis=1, keepdims=True, dtype=np.float64), cell, choice, noise))
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


# Shares of the pixels below which a quantity is told.
QUANTILES = (0.5, 0.99, 1.0)


def fits(images: np.ndarray, cell: Cell, choice: np.random.Generator, noise: np.random.Generator) -> dict[str, Any]:
    """Return how planes are conditioned, and how large slopes are, at the pixels of magnified regions.

    Parameters
    ----------
    images : ndarray, shape (N, 1, side, side)
        The pictures, in float64. Each has one region of as many pixels, somewhere and turned.
    cell : Cell
        How much regions are magnified, and which samples planes are fitted to.
    choice, noise : numpy.random.Generator
        Draw the regions, and the samples.

    Returns
    -------
    dict
        For `condition` (of the matrix that (LMS 7) inverts), and for the lengths of slopes per pixel of the picture,
        the quantiles `QUANTILES`: of `bilinear` samples; of planes without Tikhonov's weight, by `orthogonalisation` in
        double precision and by (LMS 7) as it is printed, `normal_equations`, in single precision. `lost` is the share
        of pixels where the latter are not finite, which are not counted.
    """
    batch, _, side, _ = images.shape
    angle, shift = choice.uniform(-math.pi, math.pi, batch), choice.uniform(-0.5, 0.5, (batch, 2))
    cos, sin = (cell.downsampling * part(angle) for part in (np.cos, np.sin))
    grid = affine_grid(
        np.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], axis=1).reshape(-1, 2, 3), images.shape
    )
    sampler = SAMPLERS[cell.sampler](noise)
    assert isinstance(sampler, LinearizedSampler)
    around = auxiliary_grid(grid, (side, side), noise, **sampler.noise)

    slopes = {"bilinear": _slopes(lambda grid: grid_sample(images, grid), grid)}
    slopes["orthogonalisation"] = _slopes(
        lambda grid: linearized_sample(images, grid, around, mask="none", tikhonov=0.0), grid
    )
    condition, slopes["normal_equations"] = _normal_equations(images, grid, around)
    lengths = {name: 2 / side * np.linalg.norm(found, axis=-1).ravel() for name, found in slopes.items()}
    finite = np.isfinite(lengths["normal_equations"])
    lengths["normal_equations"] = lengths["normal_equations"][finite]
    return {
        "condition": np.quantile(condition, QUANTILES).tolist(),
        "lost": float(np.mean(~finite)),
        **{name: np.quantile(found, QUANTILES).tolist() for name, found in lengths.items()},
    }


def _slopes(sample: Callable[[Tensor], Tensor], grid: np.ndarray) -> np.ndarray:
    """Return the derivatives of samples of one channel with respect to the grid, (N, H, W, 2)."""
    given = Tensor(grid, requires_grad=True)
    total(sample(given)).backward()
    assert given.grad is not None
    return given.grad.numpy()


def _normal_equations(images: np.ndarray, grid: np.ndarray, around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the condition of X^T X, and the slopes of (X^T X)^-1 X^T Y in single precision (LMS 5 to 7, eps = 0)."""
    x = _rows(grid, around)
    condition = np.linalg.cond(np.swapaxes(x, -1, -2) @ x)
    images, grid, around = (given.astype(np.float32) for given in (images, grid, around))
    samples = grid_sample(images, around.reshape(len(grid), grid.shape[1], -1, 2)).reshape(around.shape[:-1])
    rises = samples - grid_sample(images, grid)[:, 0, ..., None]
    x = _rows(grid, around)
    transposed = np.swapaxes(x, -1, -2)
    a, b, c = np.moveaxis(transposed @ x, -2, 0)  # the rows of X^T X, which is symmetric
    adjugate = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inverse = adjugate / (a * adjugate[..., 0]).sum(axis=-1)[..., None, None]
        slopes = (inverse @ (transposed @ rises[..., None]))[..., :2, 0]
    return condition, slopes.astype(np.float64)


def _rows(grid: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Return X of (LMS 6), (..., K, 3)."""
    offsets = around - grid[..., None, :]
    return np.concatenate([offsets, np.ones_like(offsets[..., :1])], axis=-1)


# ---- what the results show ----


class Comparison(NamedTuple):
    """A claim: at a threshold, how many points more pairs one sampler aligns than another."""

    pictures: str
    downsampling: float
    better: str
    worse: str
    least: float
    threshold: float = 0.2


CLAIMS = (
    Comparison("VOC", 8, "linearized", "bilinear", 15),
    Comparison("VOC", 4, "linearized", "bilinear", 6),
    Comparison("MNIST", 4, "linearized", "bilinear", 5),
    Comparison("MNIST", 1, "linearized", "bilinear", 5),
    Comparison("VOC", 8, "linearized", "4 samples", 10),
    Comparison("VOC", 8, "linearized", "sigma 2.0", 10, threshold=0.1),
)
PALETTE = (MUTED, BLUE, ORANGE, GREEN, PINK)

# By pictures, downsampling, sampler and learning rate, the errors of all pairs, over the seeds.
Errors = dict[tuple[str, float, str, float], np.ndarray]


def report(results: Results) -> Report:
    """Return recalls, the claims, and a picture of each figure."""
    errors = _errors([result for result in results.cells if result.cell.measured == "alignment"])
    planes = _planes([result for result in results.cells if result.cell.measured == "fits"])
    figures = {name: FIGURES[name] for name in results.settings.figures}
    count = len(next(iter(errors.values()), ()))
    missing = f" {results.missing} cells are missing." if results.missing else ""
    return Report(
        f"Recall in % by the largest mean error of the corners, of {count} pairs for each line.{missing}",
        [*(_table(curves, errors) for curves in figures.values()), _table_of_fits(planes)],
        _claims(errors),
        "points",
        {
            **{name: (curves.title, partial(_draw, curves, errors)) for name, curves in figures.items()},
            "fig9_pictures": (
                "Fig. 9b to d: what is sampled, by the spread of the samples in output pixels; a photograph that comes "
                "with scikit-image, with 64x64 and with 16x16 pixels",
                _draw_blur,
            ),
            "fig10b_fits": (
                "Fig. 10b, where it acts: the condition of the matrix that is inverted, and the lengths of slopes; "
                "medians, and dashed what 99 % of the pixels are below",
                partial(_draw_fits, planes),
            ),
        },
    )


def _errors(cells: Sequence[Result]) -> Errors:
    found: dict[tuple[str, float, str, float], list[float]] = {}
    for result in cells:
        key = (result.cell.pictures, result.cell.downsampling, result.cell.sampler, result.cell.rate)
        found.setdefault(key, []).extend(result.values["errors"])
    return {key: np.array(values) for key, values in found.items()}


def _table(curves: Curves, errors: Errors) -> Table:
    rows = []
    for pictures, downsampling, sampler in product(curves.pictures, curves.downsamplings, curves.samplers):
        found = errors.get((pictures, downsampling, sampler, curves.rate))
        if found is not None:
            recalls = [f"{100 * np.mean(found <= threshold):.0f}" for threshold in THRESHOLDS]
            rows.append([f"{pictures} {downsampling}x, {sampler}", *recalls])
    return Table(f"{curves.title}; recall in % by threshold", ["", *map(str, THRESHOLDS)], rows)


def _claims(errors: Errors) -> list[Claim]:
    claims = []
    for claim in CLAIMS:
        pair = [errors.get((claim.pictures, claim.downsampling, name, 0.1)) for name in (claim.better, claim.worse)]
        if pair[0] is None or pair[1] is None or len(pair[0]) != len(pair[1]):
            continue
        aligned, other = (found <= claim.threshold for found in pair)
        difference = aligned.astype(np.float64) - other
        estimate = Estimate(100 * difference.mean(), 100 * difference.std(ddof=1) / math.sqrt(len(difference)))
        text = (
            f"{claim.pictures} {claim.downsampling}x: {claim.better} aligns at least {claim.least} points more than "
            f"{claim.worse}, at {claim.threshold}"
        )
        claims.append(Claim(text, estimate, least=claim.least))
    return claims


def _draw(curves: Curves, errors: Errors) -> Figure:
    columns, rows = len(curves.downsamplings), len(curves.pictures)
    figure = Figure(figsize=(2.6 * columns + 2.2, 2.3 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    thresholds = np.geomspace(0.01, 1, 100)
    for (pictures, downsampling), axes in zip(product(curves.pictures, curves.downsamplings), panels.flat, strict=True):
        axes.set_title(f"{pictures}, {downsampling}x")
        for sampler, colour in zip(curves.samplers, PALETTE, strict=False):
            found = errors.get((pictures, downsampling, sampler, curves.rate))
            if found is not None:
                recall = np.mean(found[:, None] <= thresholds, axis=0)
                error = np.sqrt(recall * (1 - recall) / len(found))
                axes.plot(thresholds, 100 * recall, color=colour, label=sampler)
                axes.fill_between(thresholds, 100 * (recall - error), 100 * (recall + error), color=colour, alpha=0.15)
        axes.set_xscale("log")
        axes.grid(visible=True)
    for axes in panels[:, 0]:
        axes.set_ylabel("recall in %")
    for axes in panels[-1]:
        axes.set_xlabel("threshold")
    lines = {str(line.get_label()): line for axes in panels.flat for line in axes.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside right upper")
    return figure


# By magnification and sampler, the values of `fits`, the mean over the seeds.
Planes = dict[tuple[int, str], dict[str, np.ndarray]]


def _planes(cells: Sequence[Result]) -> Planes:
    runs: dict[tuple[int, str], list[Result]] = {}
    for result in cells:
        runs.setdefault((round(1 / result.cell.downsampling), result.cell.sampler), []).append(result)
    return {
        key: {name: np.mean([run.values[name] for run in found], axis=0) for name in found[0].values}
        for key, found in runs.items()
    }


def _table_of_fits(planes: Planes) -> Table:
    lengths = ("bilinear", "orthogonalisation", "normal_equations")
    rows = [
        [
            f"{magnification} times, {sampler}",
            *(f"{found['condition'][k]:.1e}" for k in (0, 1)),
            *(f"{found[name][k]:.3g}" for name in lengths for k in (0, 1, 2)),
            f"{100 * found['lost']:.1f}",
        ]
        for (magnification, sampler), found in planes.items()
    ]
    columns = [f"{name.replace('_', ' ')}, {which}" for name in lengths for which in ("median", "99 %", "largest")]
    header = ["", "condition, median", "condition, 99 %", *columns, "not finite (%)"]
    return Table("Fig. 10b: planes without Tikhonov's weight; lengths of slopes per pixel of the picture", header, rows)


def _draw_fits(planes: Planes) -> Figure:
    figure = Figure(figsize=(9.4, 3.9), layout="constrained")
    condition, slopes = figure.subplots(1, 2)
    colours = dict(zip(FITTED, (BLUE, ORANGE), strict=True))
    lines = [
        *((condition, sampler, "condition", sampler, colour) for sampler, colour in colours.items()),
        *(
            (slopes, sampler, "normal_equations", f"{sampler}, (LMS 7) in single precision", colour)
            for sampler, colour in colours.items()
        ),
        (slopes, FITTED[1], "orthogonalisation", f"{FITTED[1]}, orthogonalised in double precision", GREEN),
        (slopes, FITTED[0], "bilinear", "bilinear, in double precision", MUTED),
    ]
    for axes, sampler, name, text, colour in lines:
        known = [m for m in MAGNIFICATIONS if (m, sampler) in planes]
        for k, style in ((0, "-"), (1, "--")):
            numbers = [planes[m, sampler][name][k] for m in known]
            axes.plot(known, numbers, style, color=colour, label=text if k == 0 else None)
    for axes, title in ((condition, "Condition of the fit"), (slopes, "Lengths of slopes, per pixel")):
        axes.set_title(title)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("magnification")
        axes.grid(visible=True)
    lines_of = {str(line.get_label()): line for line in slopes.get_lines() if not str(line.get_label()).startswith("_")}
    figure.legend(lines_of.values(), lines_of.keys(), loc="outside lower center", ncols=2)
    return figure


def _draw_blur() -> Figure:
    """Draw what samplers make of a photograph at the identity."""
    from skimage import data as photographs

    picture = middle_square(photographs.astronaut().transpose(2, 0, 1) / np.float32(255), 64)[None]
    names = ("bilinear", *SIGMAS)
    rows = []
    for side in (64, 16):
        grid = TRANSFORMATION.grid(Tensor(np.zeros((1, 5), np.float32)), (1, 3, side, side), False)
        shown = [SAMPLERS[name](np.random.default_rng(0))(picture, grid, align_corners=False) for name in names]
        rows.append(Row(f"{64 // side}x", np.concatenate([samples.numpy() for samples in shown])))
    return draw_rows(rows, ["bilinear", "0.25", "0.5", "1", "2"])


EXPERIMENT = Experiment(
    title="how often pictures are aligned, by sampler",
    source="Linearized Multi-Sampling, Figs. 7, 9, 10",
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
