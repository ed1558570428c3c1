"""The main job: check the kernels, train on distorted digits, and write down what came out."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numba
import numpy as np
from rich.console import Console
from rich.progress import Progress

import refwarp
from autograd_core import Tensor, no_grad, to_device
from autograd_core.layers import Module
from refwarp.arguments import check_count, check_option
from refwarp.backend.launch import use_backend
from refwarp.data import DISTORTIONS, Digits, Examples, distort, load_digits
from refwarp.drawing.style import render
from refwarp.files import atomic_write, make_output_folder
from refwarp.golden import SUITE
from refwarp.golden.format import read
from refwarp.golden.outcomes import Verification
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import USUAL_DTYPES, Selection, verify
from refwarp.networks import SpatialTransformer, Transformed, count_parameters
from refwarp.terminal.console import TextConsole
from refwarp.tour.distorted_digits import Budget, digits_task, train_on_distorted_digits, untrained
from refwarp.tour.kink import study_kink
from refwarp.tour.pictures import draw_gallery, draw_poses
from refwarp.tour.plots import draw_curves, draw_errors, draw_kink
from refwarp.tour.report import report
from refwarp.tour.results import MODELS, ST_CNN, Array, Gallery, Poses, Results, Trial, View, metrics
from refwarp.training import check_device, predict, training_progress
from refwarp.training.metrics import model_device

# What the pictures of the transformer show: the first test digit of each class, and these classes in many poses.
POSED_CLASSES = (2, 4, 7)
POSES = 9
POSES_SEED = 102


@dataclass(frozen=True)
class Plan:
    """What a tour trains.

    Attributes
    ----------
    trials : mapping of str to int
        For each distortion, how many seeds each network is trained with.
    budget : Budget
        How.

    Raises
    ------
    ValueError
        If there is nothing to train, or no such distortion.
    """

    trials: dict[str, int] = field(default_factory=lambda: {"RTS": 3, "R": 3})
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        """Refuse a plan without training runs."""
        if not self.trials:
            raise ValueError("trials: given none, expected a number of seeds for at least one distortion")
        for distortion, seeds in self.trials.items():
            check_option("trials", distortion, tuple(DISTORTIONS))
            check_count(f"trials[{distortion!r}]", seeds)

    @property
    def count(self) -> int:
        """How many training runs that is."""
        return len(MODELS) * sum(self.trials.values())

    def order(self, seed: int) -> Iterator[tuple[str, str, int]]:
        """Yield distortion, model and seed of each run."""
        for distortion, count in self.trials.items():
            for trial_seed in range(seed, seed + count):
                for model in MODELS:
                    yield distortion, model, trial_seed


@dataclass
class Stopwatch:
    """Seconds of wall time of each stage, in their order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a `with` block; blocks of one name add up."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def run_tour(
    out: str | Path, seed: int = 0, plan: Plan | None = None, console: Console | None = None, device: str = "cpu"
) -> Results:
    """Check the kernels, train CNN and ST-CNN on distorted digits, and write a report.

    Parameters
    ----------
    out : path
        The folder to write into: report.html, its pictures as PNG files, golden.h5 and metrics.json. Each appears
        whole or not at all, and replaces one of an earlier tour.
    seed : int
        The first seed of the training runs; the others follow it.
    plan : Plan, optional
        What to train; `Plan()` by default.
    console : rich.console.Console, optional
        Where the progress is shown; standard error by default.
    device : {"cpu", "cuda"}
        Where the kernels are checked and the networks trained.

    Returns
    -------
    Results

    Raises
    ------
    ImportError
        If scikit-learn is missing, or CuPy where it is needed; before any work is done.
    ValueError
        If `out` is a file, no file can be written in it, the seed is negative, or there is no GPU; before any work
        is done.
    """
    check_count("seed", seed, least=0)
    check_device(device)
    plan = plan or Plan()
    console = console or TextConsole(stderr=True)
    load_digits()  # raises if scikit-learn is missing
    folder = make_output_folder(out)
    watch = Stopwatch()
    with training_progress(console) as progress:
        whole = progress.add_task("tour", total=plan.count + 2, status="checking the kernels")
        with watch.stage("checking the kernels"):
            with use_backend(device):
                verification = _verify(folder / "golden.h5")
            kink = study_kink()
        progress.advance(whole)

        trials: list[Trial] = []
        networks: dict[str, Module] = {}
        for distortion, model, trial_seed in plan.order(seed):
            progress.update(whole, status=f"{len(trials)} of {plan.count} networks trained")
            with watch.stage(f"training {model}"):
                trial, network = _train(distortion, model, trial_seed, plan.budget, progress, device)
            trials.append(trial)
            networks.setdefault(model, network)
            progress.advance(whole)

        progress.update(whole, status="drawing")
        with watch.stage("drawing"):
            distortion = trials[0].distortion
            before = untrained(ST_CNN, seed).to(device)
            gallery = _gallery(before, networks[ST_CNN], digits_task(distortion))
            poses = _poses(networks[ST_CNN], distortion)
            results = Results(
                versions=_versions(),
                settings={**_settings(plan, seed), "device": device},
                timings=watch.seconds,
                verification=verification,
                trials=tuple(trials),
                gallery=gallery,
                poses=poses,
                kink=kink,
            )
            pictures = _draw(results)
        _write(folder, results, pictures)
        progress.update(whole, completed=plan.count + 2, status="done")
    return results


def _verify(path: Path) -> Verification:
    """Copy the golden file that comes with the package to `path`, and check the kernels against the copy."""
    with atomic_write(path) as temporary:
        shutil.copyfile(SUITE, temporary)
    return verify(read(path).cases, ModuleTarget(own, "refwarp"), Selection(dtypes=USUAL_DTYPES))


def _train(
    distortion: str, model: str, seed: int, budget: Budget, progress: Progress, device: str
) -> tuple[Trial, Module]:
    """Train and test one network."""
    terminal = progress.console.is_terminal
    shown = progress if terminal else None
    outcome = train_on_distorted_digits(model, distortion, seed, budget=budget, progress=shown, device=device)
    trial = Trial(
        distortion=distortion,
        model=model,
        seed=seed,
        parameters=count_parameters(outcome.model),
        test_error=outcome.test_error,
        training_loss=tuple(outcome.history.loss),
        validation_error=tuple(outcome.history.validation_error),
        seconds=sum(outcome.history.seconds),
    )
    if terminal:
        progress.remove_task(progress.task_ids[-1])  # the run's own bar
    progress.console.print(
        f"{model} on {distortion}, seed {seed}: {trial.test_error:.1%} of the test digits wrong "
        f"({trial.seconds:.0f} s of training)",
        markup=False,
    )
    return trial, outcome.model


@no_grad()
def _view(network: Module, images: Array) -> View:
    assert isinstance(network, Transformed) and isinstance(network.transformer, SpatialTransformer)
    output, _, grid = network.transformer.transform(Tensor(to_device(images, model_device(network))))
    return View(grid.numpy(), output.numpy()[:, 0], predict(network, images))


def _gallery(before: Module, after: Module, digits: Digits) -> Gallery:
    """Return what the transformer makes of the first test digit of each class, before and after training."""
    first = [int(np.flatnonzero(digits.test.labels == label)[0]) for label in np.unique(digits.test.labels)]
    images = digits.test.images[first]
    return Gallery(images[:, 0], digits.test.labels[first], _view(before, images), _view(after, images))


def _poses(network: Module, distortion: str) -> Poses:
    """Return what a trained transformer makes of single test digits in many poses."""
    test = load_digits().test
    first = [int(np.flatnonzero(test.labels == label)[0]) for label in POSED_CLASSES]
    digits = Examples(test.images[first], test.labels[first]).repeat(POSES)
    images, _ = distort(digits.images, DISTORTIONS[distortion], np.random.default_rng(POSES_SEED))
    output = _view(network, images).output
    shape = len(POSED_CLASSES), POSES
    return Poses(
        images.reshape(*shape, *images.shape[2:]), test.labels[first], output.reshape(*shape, *output.shape[1:])
    )


def _settings(plan: Plan, seed: int) -> dict[str, Any]:
    """Return how the networks were trained: names in words, and values."""
    digits = digits_task(next(iter(plan.trials)))
    return {
        "training digits": len(digits.train),
        "validation pictures": len(digits.validation),
        "test pictures": len(digits.test),
        "first seed": seed,
        **{name.replace("_", " "): value for name, value in vars(plan.budget).items()},
        **{f"distortion {name}": vars(DISTORTIONS[name]) for name in plan.trials},
    }


def _versions() -> dict[str, str]:
    return {
        "refwarp": refwarp.__version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "Numba": numba.__version__,
        "Matplotlib": matplotlib.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _draw(results: Results) -> dict[str, bytes]:
    """Return the pictures by name, as PNG files."""
    return {
        "tour": render(draw_gallery, results.gallery, dots_per_inch=120),
        "poses": render(draw_poses, results.poses),
        "errors": render(draw_errors, results),
        "curves": render(draw_curves, results),
        "kink": render(draw_kink, results.kink),
    }


def _write(folder: Path, results: Results, pictures: dict[str, bytes]) -> None:
    """Write everything but golden.h5, each file whole or not at all; the report, which speaks of the others, last."""
    files = {f"{name}.png": picture for name, picture in pictures.items()}
    files["metrics.json"] = (json.dumps(metrics(results), indent=1) + "\n").encode()
    files["report.html"] = report(results, pictures).encode()
    for name, content in files.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)
