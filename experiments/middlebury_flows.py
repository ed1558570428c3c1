"""Optical flows on Middlebury's frames, whose true flow is known: end-point and angular errors.

The flows that the Hierarchical Spatial Transformer Network is measured against (Sect. 4.2, Table 2), on frames of which
the paper shows nothing: do the ones that are written from their papers do what these promise? Beside them are flows of
OpenCV and scikit-image, and the gradient descent on a flow that HSTN's own energy (Eqs. 1 and 7) amounts to without a
network.

    refwarp experiment run middlebury_flows --data DIR

What to know of it:

1. One pair of frames, RubberWhale, with small motions, of at most some five pixels.
2. All settings are those that the functions have, and none was chosen here. Nothing is drawn at random, so there is one
   seed. Libraries and gradient descent see grey levels, the others all colours.
3. Unknown motions do not count.
4. Seconds are those of one process on cores that others used, too.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from refwarp.classical import brox_flow, ldof_flow, sift_flow
from refwarp.classical.libraries import LIBRARY_FLOWS, library_flow
from refwarp.data import FlowPair, data_folder, load_middlebury
from refwarp.drawing.flows import flow_colours
from refwarp.grids.flow import flow_grid
from refwarp.metrics import angular_error, endpoint_error, outlier_share
from refwarp.networks import FlowPenalty
from refwarp.samplers.grid_sample import grid_sample
from refwarp.sweeps import Experiment, Outcome, Result, Results, Surroundings
from refwarp.sweeps.report import Claim, Report, Table
from refwarp.sweeps.statistics import Estimate
from refwarp.training.alignment import align_flow

Flow = Callable[[np.ndarray, np.ndarray, "Cell"], np.ndarray]


def _in_grey(name: str, first: np.ndarray, second: np.ndarray, cell: Cell) -> np.ndarray:
    return library_flow(name, first.mean(axis=0), second.mean(axis=0))


def _gradient_descent(first: np.ndarray, second: np.ndarray, cell: Cell) -> np.ndarray:
    height, width = (length - length % 2 ** (LEVELS - 1) for length in first.shape[1:])
    source, target = (frame.mean(axis=0)[None, None, :height, :width] for frame in (second, first))
    penalty = FlowPenalty(PENALTY, PENALTY)
    sampler = partial(grid_sample, padding_mode="border")
    flow = align_flow(source, target, sampler, penalty=penalty, levels=LEVELS, steps=cell.steps)[0]
    return np.pad(flow, ((0, 0), (0, first.shape[1] - height), (0, first.shape[2] - width)), mode="edge")


METHODS: Mapping[str, Flow | None] = {
    "no motion": None,
    "variational (Brox)": lambda first, second, _: brox_flow(first, second),
    "large displacement (LDOF)": lambda first, second, _: ldof_flow(first, second),
    "SIFT flow": lambda first, second, _: sift_flow(first, second),
    "gradient descent": _gradient_descent,
    **{name: partial(_in_grey, name) for name in LIBRARY_FLOWS},
}
LEVELS, PENALTY = 3, 1e-3


@dataclass(frozen=True)
class Cell:
    """One flow of one pair of frames.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    scene : str
        Of Middlebury; or "coffee", a photograph that comes with scikit-image, moved by a known flow.
    seed : int
        Of nothing.
    steps : int
        Of gradient descent, on each level.
    """

    method: str
    scene: str
    seed: int
    steps: int = 300


@dataclass(frozen=True)
class Scale:
    """The settings of a scale; as in `Cell`."""

    seeds: Sequence[int]
    scene: str
    steps: int = 300
    methods: Sequence[str] = tuple(METHODS)


SCALES = {
    "tiny": Scale([0], "coffee", steps=20, methods=("no motion", "variational (Brox)", "TV-L1", "gradient descent")),
    "small": Scale([0], "RubberWhale"),
    "paper": Scale([0], "RubberWhale", steps=3000),
}


def cells(scale: Scale, seeds: Sequence[int]) -> list[Cell]:
    """Return the cells of a scale."""
    return [Cell(method, scale.scene, seed, scale.steps) for seed in seeds for method in scale.methods]


def label(cell: Cell) -> str:
    """Return a cell's name."""
    return f"{cell.scene} {cell.method} seed {cell.seed}"


def seconds(cell: Cell) -> float:
    """Return about how long a cell takes on one core."""
    if cell.scene == "coffee":
        return 2.0
    return {"SIFT flow": 40.0, "large displacement (LDOF)": 20.0, "gradient descent": 0.3 * cell.steps}.get(
        cell.method, 8.0
    )


@cache
def load(scene: str, folder: Path | None) -> FlowPair:
    """Return a pair of frames with its flow."""
    if scene != "coffee":
        return load_middlebury(data_folder(folder), scene)
    from skimage import data as photographs

    second = photographs.coffee()[100:164, 200:280].transpose(2, 0, 1) / np.float32(255)
    waves = np.random.default_rng(0).normal(size=(2, 64, 80))
    flow = 20 * np.stack([gaussian_filter(wave, 10) for wave in waves]) + np.array([1.5, -1.0])[:, None, None]
    flow = flow.astype(np.float32)
    first = grid_sample(second[None], flow_grid(flow[None]), mode="bicubic", padding_mode="border")[0]
    return FlowPair(first, second, flow, np.ones((64, 80), bool))


def data(scale: Scale, folder: Path | None) -> dict[str, str]:
    """Return the digest of the frames and their flow."""
    pair = load(scale.scene, folder)
    content = b"".join(array.tobytes() for array in (pair.first, pair.second, pair.flow, pair.known))
    return {scale.scene: hashlib.sha256(content).hexdigest()}


def compute(cell: Cell, surroundings: Surroundings) -> Outcome:
    """Return the errors of a flow, and the flow itself at a quarter of its size."""
    pair = load(cell.scene, surroundings.data)
    method, began = METHODS[cell.method], time.perf_counter()
    flow = np.zeros(pair.flow.shape) if method is None else method(pair.first, pair.second, cell)
    took = time.perf_counter() - began
    found, truth, known = np.asarray(flow, np.float64)[None], pair.flow[None].astype(np.float64), pair.known
    result = {
        "endpoint": float(endpoint_error(found, truth, known)[0]),
        "angular": float(angular_error(found, truth, known)[0]),
        "outliers": float(outlier_share(found, truth, known, threshold=0.5)[0]),
        "pixels": int(known.sum()),
    }
    step = 1 if cell.scene == "coffee" else 2
    shown = {
        "flow": flow[:, ::step, ::step].astype(np.float16),
        "truth": pair.flow[:, ::step, ::step].astype(np.float16),
    }
    return Outcome(result, {"flow": took}, shown | {"known": known[::step, ::step]})


# ---- what the results show ----


def report(results: Results) -> Report:
    """Return the table of errors, the claim, and the flows as pictures."""
    runs = {result.cell.method: result for result in results.cells}
    shown = [runs[method] for method in METHODS if method in runs]
    rows = [
        [run.cell.method]
        + [f"{run.values['endpoint']:.3f}", f"{run.values['angular']:.2f}", f"{100 * run.values['outliers']:.1f}"]
        + [f"{run.seconds['flow']:.1f}"]
        for run in shown
    ]
    header = ["", "end-point error (pixels)", "angular error (degrees)", "off by half a pixel (%)", "seconds"]
    claims = []
    if "variational (Brox)" in runs:
        error = Estimate(runs["variational (Brox)"].values["endpoint"], 0.0)
        claims = [Claim("The mean end-point error of the variational flow is at most 0.20", error, most=0.20)]
    missing = f" {results.missing} cells are missing." if results.missing else ""
    summary = ""
    if shown:
        summary = (
            f"Of {shown[0].cell.scene}, over the {shown[0].values['pixels']:,} pixels whose motion is known.{missing}"
        )
    figures = {"flows": ("The true flow and those that were found: colours are directions, full at the largest motion",
                         partial(_draw, shown))} if shown else {}  # fmt: skip
    return Report(summary, [Table("Errors", header, rows)], claims, "pixels", figures)


def _draw(runs: Sequence[Result]) -> Figure:
    truth, known = runs[0].arrays["truth"], runs[0].arrays["known"]
    largest = float(np.hypot(*truth.astype(np.float64))[known].max())
    panels = [("truth", np.where(known[..., None], flow_colours(truth, largest), 0.0))]
    panels += [
        (run.cell.method, flow_colours(run.arrays["flow"], largest)) for run in runs if run.cell.method != "no motion"
    ]
    columns = 3
    rows = -(-len(panels) // columns)
    height, width = known.shape
    figure = Figure(figsize=(3.4 * columns, (3.4 * height / width + 0.3) * rows), layout="constrained")
    for axes, panel in zip(
        figure.subplots(rows, columns, squeeze=False).flat, [*panels, *[None] * columns], strict=False
    ):
        axes.set_axis_off()
        if panel is not None:
            axes.set_title(panel[0])
            axes.imshow(panel[1])
    return figure


EXPERIMENT = Experiment(
    title="optical flows against the truth",
    source="Hierarchical Spatial Transformer Network, the flows of Table 2",
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
