"""A run from the command line: options, training, and the files that it leaves.

    OUT/checkpoint.h5       the run after its last epoch, to be resumed
    OUT/weights.h5          the network with the parameters of its best epoch (`Classifier`)
    OUT/metrics.json        errors, curves, settings, versions, the command line: all that it takes to run it again
    OUT/split.json          which files were learnt from, validated with and tested on, for pictures of one's own
    OUT/curves.png          loss and validation error
    OUT/transformers.png    what the transformer does

The checkpoint is written after each epoch, the other files at the end.
"""

from __future__ import annotations

import json
import platform
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress
from threadpoolctl import threadpool_info

from refwarp import __version__
from refwarp.classification.design import NO_WARP, Design, check_runs, resolved
from refwarp.classification.drawings import draw_curves, transformer_rows
from refwarp.classification.kept import Classifier
from refwarp.classification.parts import DIGITS, Parts, Size, load_parts
from refwarp.classification.recipe import Outcome, Recipe, fit, generators
from refwarp.drawing.style import render
from refwarp.files import atomic_write, check_input_file, check_output_file, make_output_folder
from refwarp.networks import count_parameters
from refwarp.networks.names import sampler
from refwarp.networks.pictures import draw_rows
from refwarp.training import Checkpoint, check_device

CHECKPOINT, WEIGHTS, METRICS, SPLIT = "checkpoint.h5", "weights.h5", "metrics.json", "split.json"
CURVES, TRANSFORMERS = "curves.png", "transformers.png"

UNDISTORTED = "none"

# The fields of a recipe that are options of the command.
_RECIPE = ("optimizer", "learning_rate", "schedule", "epochs", "batch_size", "patience")
# Of which the versions are noted; with another, a run may end with other bits.
_PACKAGES = ("numpy", "numba", "scipy", "h5py", "pillow")


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    Attributes
    ----------
    data : str
        As `load_parts` takes it.
    size : (int, int), optional
        Height and width that pictures are resized to.
    distortion : str
        R, RTS, P, E or TC, or "none".
    model : str
        "CNN", "FCN", "ST-CNN" or "ST-FCN".
    warp, sampler : str, optional
        The transformation, or "none", and the sampler; else an affine one for "ST-...", sampled bilinearly.
    recipe : Recipe
        How the network is trained.
    seed : int
        Of the parts of the data, of the weights, and of all that training draws.
    """

    data: str = DIGITS
    size: Size | None = None
    distortion: str = UNDISTORTED
    model: str = "ST-CNN"
    warp: str | None = None
    sampler: str | None = None
    recipe: Recipe = Recipe()
    seed: int = 0

    def command(self, out: Path, device: str) -> str:
        """Return the command line that says the same."""
        size = None if self.size is None else "x".join(map(str, self.size))
        recipe = {"lr" if name == "learning_rate" else name: getattr(self.recipe, name) for name in _RECIPE}
        options = {
            "data": self.data, "size": size, "distortion": self.distortion, "model": self.model, "warp": self.warp,
            "sampler": self.sampler, **recipe, "seed": self.seed, "out": out, "device": device,
        }  # fmt: skip
        words = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items() if value is not None]
        return shlex.join(["refwarp", "train", *(word for pair in words for word in pair)])


@dataclass(frozen=True)
class Summary:
    """What a run ended with.

    Attributes
    ----------
    options : Options
        The run's, with nothing left open.
    parts : Parts
        What it learnt from.
    outcome : Outcome
        The trained network.
    parameters : int
        How many numbers it has learnt.
    """

    options: Options
    parts: Parts
    outcome: Outcome
    parameters: int


def train_run(
    options: Options, out: Path, *, resume: bool = False, device: str = "cpu", progress: Progress | None = None
) -> Summary:
    """Train a network on pictures by class, and write all about it into a folder.

    Parameters
    ----------
    options : Options
        What is asked for.
    out : Path
        The folder.
    resume : bool
        Go on with the run that is in it.
    device : {"cpu", "cuda"}
        Where the network is trained.
    progress : rich.progress.Progress, optional
        A started display.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError, OSError, ImportError
        If something is missing, damaged, or out of its range; in one sentence.
    """
    check_device(device)
    data_rng, weights_rng, draws = generators(options.seed)
    model, warp = resolved(options.model, options.warp)
    if warp == NO_WARP and options.sampler is not None:
        raise ValueError(
            f"sampler: given {options.sampler!r} with the model {model!r}, which does not warp; leave it out, or give "
            "a --warp"
        )
    chosen = options.sampler or "bilinear"
    sampler(chosen, np.random.default_rng(0))
    if resume:
        check_input_file(out / CHECKPOINT, "out", "a run to resume; check the name, or start without --resume")
    elif check_output_file(out / CHECKPOINT).exists():
        raise _holds_a_run(out)
    parts = load_parts(options.data, data_rng, options.size)
    if parts.files and out.resolve().is_relative_to(Path(options.data).resolve()):
        raise ValueError(f"out: given {str(out)!r}, which lies in the folder of the pictures; give another folder")
    if options.distortion != UNDISTORTED:
        parts = parts.distorted(options.distortion)
    design = Design(model, warp, chosen, parts.shape, parts.size, len(parts.classes))
    check_runs(design)
    network = design.build(weights_rng).to(device)
    make_output_folder(out)
    settings: dict[str, str | int | float] = {
        "network": json.dumps(design.as_dict()),
        "classes": json.dumps(parts.classes),
        "distortion": options.distortion,
        "seed": options.seed,
    }
    try:
        kept = Checkpoint(out / CHECKPOINT, resume, replace=False)
        outcome = fit(network, parts, options.recipe, draws, settings=settings, checkpoint=kept, progress=progress)
    except FileExistsError as error:
        raise _holds_a_run(out) from error
    full = replace(
        options, size=parts.size, model=model, warp=warp, sampler=None if warp == NO_WARP else chosen,
        recipe=options.recipe.completed(len(parts.train)),
    )  # fmt: skip
    summary = Summary(full, parts, outcome, count_parameters(network))
    _write(out, summary, Classifier(network.to("cpu"), design, parts.classes, parts.size), device)
    return summary


def _holds_a_run(out: Path) -> ValueError:
    return ValueError(f"out: {out} holds a run already; add --resume to go on with it, or give another folder")


def _write(out: Path, summary: Summary, classifier: Classifier, device: str) -> None:
    """Write what a run ended with."""
    parts, outcome = summary.parts, summary.outcome
    classifier.save(out / WEIGHTS)
    if parts.files:
        _write_text(out / SPLIT, _json(parts.files))
    _write_bytes(out / CURVES, render(draw_curves, outcome.history, outcome.best_epoch))
    rows, titles = transformer_rows(classifier.network, parts.test, parts.classes)
    if rows:
        _write_bytes(out / TRANSFORMERS, render(draw_rows, rows, titles))
    _write_text(out / METRICS, _json(_metrics(out, summary, classifier, device)))


def _metrics(out: Path, summary: Summary, classifier: Classifier, device: str) -> dict[str, Any]:
    options, parts, outcome = summary.options, summary.parts, summary.outcome
    counts = {part: len(getattr(parts, part)) for part in ("train", "validation", "test")}
    return {
        "command": options.command(out, device),
        "test_error": outcome.test_error,
        "validation_error": outcome.validation_error,
        "best_epoch": outcome.best_epoch,
        "epochs": len(outcome.history),
        "parameters": summary.parameters,
        "seconds": round(sum(outcome.history.seconds), 2),
        "classes": list(parts.classes),
        "confusion": outcome.confusion.tolist(),
        "history": outcome.history.as_dict(),
        "network": classifier.design.as_dict(),
        "recipe": asdict(options.recipe),
        "data": {"name": parts.name, "pictures": counts, "sha256": parts.digests()},
        "versions": {
            "refwarp": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
            "blas": [
                {name: library[name] for name in ("internal_api", "version", "num_threads")}
                for library in threadpool_info()
                if library["user_api"] == "blas"
            ],
        },
    }


def _json(content: Mapping[str, Any]) -> str:
    """Return JSON with an entry to a line, and with lists of numbers in one."""

    def in_one_line(numbers: re.Match[str]) -> str:
        return "[" + " ".join(numbers[0][1:-1].split()) + "]"

    text = json.dumps(content, indent=1, allow_nan=False)
    return re.sub(r"\[[\s\d.,e+-]*\]", in_one_line, text) + "\n"


def _write_text(path: Path, text: str) -> None:
    _write_bytes(path, text.encode())


def _write_bytes(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
