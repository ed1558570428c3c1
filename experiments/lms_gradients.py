"""Linearized Multi-Sampling, Figs. 1 and 8 (Sect. 6.3): where gradients of samplers point.

The middle of a picture, two thirds of its sides, is sampled at a lower resolution: the target. From elsewhere, gradient
descent on the translation should lead back to it. Fig. 8 draws the negative gradient of the loss at translations on a
grid: an arrow is right if it points to the truth, here by less than 45 degrees off. Fig. 1 draws the paths of descents
to a place that is off the middle, over the loss.

    refwarp experiment run lms_gradients --data DIR

Deviations from the paper:

1. Shares of right arrows over many photographs of PASCAL VOC, as numbers; the pictures show arrows and paths for
   photographs that come with scikit-image, since those of PASCAL VOC may not be published.
2. Pictures of 64x64 pixels. Auxiliary samples spread by half an output pixel, and none is masked; `lms_alignment` shows
   what both do.
3. Fig. 1 moves the picture, and does not turn or scale it, so that the loss is a surface.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograd_core import Tensor
from autograd_core.functions import sum as total
from refwarp.drawing.levels import eight_bits
from refwarp.drawing.style import BLUE, GREEN, MUTED, ORANGE
from refwarp.grids.affine import affine_grid
from refwarp.grids.affine_parameters import translation_matrix
from refwarp.samplers.grid_sample import grid_sample
from refwarp.sweeps import Experiment, Outcome, Result, Results, Surroundings, load_experiment
from refwarp.sweeps.report import Report, Table
from refwarp.training.alignment import align, alignment_loss

ALIGNMENT = load_experiment("lms_alignment").module
SAMPLERS = ("bilinear", "multi-scale", "linearized")
COLOURS = dict(zip(SAMPLERS, (MUTED, GREEN, BLUE), strict=True))

# What is cut out, as a share of the picture's sides.
PART = 2 / 3
SIDE = 64
# Of the descents of Fig. 1: where the target is, and how long they are.
PLACE = (0.3, -0.2)
STEPS, RATE = 150, 0.02


@dataclass(frozen=True)
class Part:
    """The part of a picture of which the middle is at (t_x, t_y), in half sides of the picture."""

    count = 2

    @property
    def identity(self) -> np.ndarray:
        """The middle."""
        return np.zeros(2)

    def grid(self, theta: Tensor, size: tuple[int, int, int, int], align_corners: bool) -> Tensor:
        """Return the sampling grid of each map: the identity's, made smaller and shifted."""
        shrunk = np.array([[PART, 0, 0], [0, PART, 0]], theta.dtype)
        grid: Tensor = affine_grid(
            translation_matrix(theta) - np.eye(2, 3, dtype=theta.dtype) + shrunk, size, align_corners
        )
        return grid


TRANSFORMATION = Part()


@dataclass(frozen=True)
class Cell:
    """Gradients of one sampler.

    Attributes
    ----------
    pictures : str
        "VOC", or "scikit-image" for photographs that come with it.
    downsampling : int
        Pixels of the picture for one of the target, along each axis.
    sampler : str
        One of `SAMPLERS`.
    seed : int
        Of the choice of pictures and the noise.
    count : int
        How many pictures.
    places : int
        How many translations there are along each axis.
    reach : float
        The largest translation along an axis.
    """

    pictures: str
    downsampling: int
    sampler: str
    seed: int
    count: int
    places: int
    reach: float = 0.6


@dataclass(frozen=True)
class Scale:
    """The settings of a scale; as in `Cell`, but for the number of pictures of each kind."""

    seeds: Sequence[int]
    pictures: Mapping[str, int]
    downsamplings: Sequence[int]
    places: int


SCALES = {
    "tiny": Scale([0], {"scikit-image": 1}, [8], places=4),
    "small": Scale([61, 62, 63], {"scikit-image": 2, "VOC": 40}, [1, 8], places=13),
    "paper": Scale([71, 72, 73], {"scikit-image": 2, "VOC": 300}, [1, 2, 4, 8], places=25),
}


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale."""
    return [
        Cell(pictures, downsampling, sampler, seed, count, scale.places)
        for seed in seeds
        for pictures, count in scale.pictures.items()
        for downsampling in scale.downsamplings
        for sampler in SAMPLERS
    ]


def label(cell: Cell) -> str:
    """Return a cell's name."""
    return f"{cell.pictures} {cell.downsampling}x {cell.sampler} seed {cell.seed}"


def seconds(cell: Cell) -> float:
    """Return about how long a cell takes on one core."""
    work = {"bilinear": 1, "multi-scale": 3, "linearized": 6}[cell.sampler]
    return 1 + cell.count * cell.places**2 * (SIDE / cell.downsampling) ** 2 * 3e-7 * work


@cache
def load(pictures: str, folder: Path | None) -> np.ndarray:
    """Return all pictures of a name, (N, 3, 64, 64)."""
    if pictures == "VOC":
        return ALIGNMENT.load("VOC", folder)
    from skimage import data as photographs

    shots = (photographs.astronaut(), photographs.coffee())
    return np.stack([ALIGNMENT.middle_square(shot.transpose(2, 0, 1) / np.float32(255), SIDE) for shot in shots])


def data(scale: Scale, folder: Path | None) -> dict[str, str]:
    """Return the digest of each set of pictures."""
    return {name: hashlib.sha256(load(name, folder).tobytes()).hexdigest() for name in scale.pictures}


# ---- one cell ----


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Return the share of gradients that point to the truth; of photographs that may be shown, also the fields."""
    choice, noise = (np.random.default_rng(branch) for branch in np.random.SeedSequence(cell.seed).spawn(2))
    pictures = load(cell.pictures, surroundings.data)
    if cell.pictures == "VOC":
        pictures = pictures[choice.permutation(len(pictures))]
    sampler = ALIGNMENT.SAMPLERS[cell.sampler](noise)
    began = time.perf_counter()
    fields = []
    for number, picture in enumerate(pictures[: cell.count]):
        fields.append(field(picture, cell, sampler))
        surroundings.report(number + 1, cell.count, "")
    right = np.mean([_is_right(places(cell), found) for found in fields], axis=0)
    arrays = {}
    if cell.pictures == "scikit-image":
        arrays = descent(pictures[0], cell, sampler) | {
            "picture": eight_bits(pictures[0]),
            "field": np.asarray(fields[0], np.float32),
        }
    return Outcome({"right": right.tolist()}, {"gradients": time.perf_counter() - began}, arrays)


def places(cell: Cell) -> np.ndarray:
    """Return the translations, (places^2, 2), of which none is the truth."""
    along = np.linspace(-cell.reach, cell.reach, cell.places)
    return np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)


def _target(picture: np.ndarray, cell: Cell, theta: Sequence[float]) -> np.ndarray:
    """Return a part of a picture (1, 3, h, w), sampled bilinearly."""
    side = max(1, round(PART * SIDE / cell.downsampling))
    grid = TRANSFORMATION.grid(Tensor(np.array([theta], picture.dtype)), (1, 3, side, side), False)
    return grid_sample(picture[None], grid).numpy()


def field(picture: np.ndarray, cell: Cell, sampler: Callable[..., Tensor]) -> np.ndarray:
    """Return the negative gradients of the loss at all translations, (places^2, 2)."""
    at = places(cell).astype(picture.dtype)
    theta = Tensor(at, requires_grad=True)
    images = np.broadcast_to(picture, (len(at), *picture.shape))
    targets = np.broadcast_to(_target(picture, cell, (0, 0)), (len(at), 3, *_target(picture, cell, (0, 0)).shape[2:]))
    total(alignment_loss(theta, images, targets, TRANSFORMATION, sampler)).backward()
    assert theta.grad is not None
    return -theta.grad.numpy()


def descent(picture: np.ndarray, cell: Cell, sampler: Callable[..., Tensor]) -> dict[str, np.ndarray]:
    """Return the path of a descent to `PLACE`, and the loss over all translations."""
    target = _target(picture, cell, PLACE)
    path = align(picture[None], target, TRANSFORMATION, sampler, steps=STEPS, rate=RATE)
    at = places(cell).astype(picture.dtype)
    images = np.broadcast_to(picture, (len(at), *picture.shape))
    targets = np.broadcast_to(target, (len(at), *target.shape[1:]))
    loss = alignment_loss(Tensor(at), images, targets, TRANSFORMATION, sampler).numpy()
    return {"path": path[:, 0], "loss": loss.reshape(cell.places, cell.places)}


def _is_right(at: np.ndarray, arrows: np.ndarray) -> np.ndarray:
    """Tell which arrows at translations point to (0, 0) by less than 45 degrees off."""
    lengths = np.linalg.norm(at, axis=-1) * np.linalg.norm(arrows, axis=-1)
    return -np.sum(at * arrows, axis=-1) > math.cos(math.pi / 4) * lengths


# ---- what the results show ----

DISTANCES = (0.0, 0.2, 0.4, 0.6, 0.85)


def report(results: Results) -> Report:
    """Return the shares by distance, fields and paths."""
    runs: dict[tuple[str, int, str], list[Result]] = {}
    for result in results.cells:
        runs.setdefault((result.cell.pictures, result.cell.downsampling, result.cell.sampler), []).append(result)
    rows = [[f"{name} {rate}x, {sampler}", *_shares(found)] for (name, rate, sampler), found in runs.items()]
    header = ["", "all", *(f"{low} to {high}" for low, high in zip(DISTANCES, DISTANCES[1:], strict=False))]
    shown = {key[1:]: found[0] for key, found in runs.items() if key[0] == "scikit-image"}
    figures = {}
    if shown:
        figures = {
            "fig8": ("Fig. 8: negative gradients; blue ones point to the middle", partial(_draw_fields, shown)),
            "fig1": ("Fig. 1: descents over the loss, to the cross", partial(_draw_descents, shown)),
        }
    missing = f" {results.missing} cells are missing." if results.missing else ""
    return Report(
        "Of the negative gradients at translations, the share in % that points to the truth by less than 45 degrees "
        f"off: of all, and by the distance from it in half sides of the picture; chance gives 25.{missing}",
        [Table("Right arrows in %", header, rows)],
        figures=figures,
    )


def _shares(runs: Sequence[Result]) -> list[str]:
    distance = np.linalg.norm(places(runs[0].cell), axis=-1)
    right = np.mean([run.values["right"] for run in runs], axis=0)
    counted = [distance > 0]
    counted += [(low < distance) & (distance <= high) for low, high in zip(DISTANCES, DISTANCES[1:], strict=False)]
    return [f"{100 * right[some].mean():.0f}" if some.any() else "" for some in counted]


Shown = Mapping[tuple[int, str], Result]


def _panels(shown: Shown) -> tuple[Figure, list[tuple[Axes, Result]]]:
    rates = sorted({rate for rate, _ in shown})
    figure = Figure(figsize=(3.0 * len(SAMPLERS), 3.1 * len(rates)), layout="constrained")
    panels = figure.subplots(len(rates), len(SAMPLERS), squeeze=False)
    found = []
    for row, rate in zip(panels, rates, strict=True):
        for axes, sampler in zip(row, SAMPLERS, strict=True):
            axes.set_title(f"{rate}x, {sampler}")
            axes.set_aspect("equal")
            axes.tick_params(labelbottom=False, labelleft=False, length=0)
            found.append((axes, shown[rate, sampler]))
    return figure, found


def _draw_fields(shown: Shown) -> Figure:
    figure, panels = _panels(shown)
    for axes, run in panels:
        picture = run.arrays["picture"].transpose(1, 2, 0)
        axes.imshow(picture, extent=(-1, 1, 1, -1), alpha=0.45)
        at, arrows = places(run.cell), run.arrays["field"].astype(np.float64)
        lengths = np.maximum(np.linalg.norm(arrows, axis=-1, keepdims=True), 1e-30)
        colours = np.where(_is_right(at, arrows), BLUE, ORANGE)
        x, y = at.T
        u, v = (arrows / lengths).T
        axes.quiver(x, y, u, v, color=colours, angles="xy", scale_units="xy", scale=16, width=0.007)
        axes.plot(0, 0, "+", color="black", markersize=9)
        axes.set_xlim(-0.75, 0.75)
        axes.set_ylim(0.75, -0.75)
    return figure


def _draw_descents(shown: Shown) -> Figure:
    figure, panels = _panels(shown)
    for axes, run in panels:
        reach = run.cell.reach
        along = np.linspace(-reach, reach, run.cell.places)
        axes.contourf(along, along, run.arrays["loss"], levels=14, cmap="Greys")
        path = run.arrays["path"]
        axes.plot(path[:, 0], path[:, 1], color=COLOURS[run.cell.sampler] if run.cell.sampler != "bilinear" else ORANGE)
        axes.plot(*path[0], "o", color="black", markersize=4)
        axes.plot(*PLACE, "+", color="black", markersize=10)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(reach, -reach)
    return figure


EXPERIMENT = Experiment(
    title="where gradients of samplers point",
    source="Linearized Multi-Sampling, Figs. 1, 8",
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
