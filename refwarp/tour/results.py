"""What a tour finds out, as plain data: the report, the pictures and metrics.json are made from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.tour.kink import KinkStudy

CNN, ST_CNN = "CNN", "ST-CNN"
MODELS = (CNN, ST_CNN)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Run:
    """One training run, and its error on the test digits.

    Attributes
    ----------
    distortion, model, seed
        Which run: a key of `refwarp.data.DISTORTIONS`, one of `MODELS`, the seed of everything random in it.
    parameters : int
        How many numbers the network learns.
    test_error : float
        Share of the test digits that the trained network gets wrong.
    training_loss, validation_error : tuple of float
        After each epoch: mean cross-entropy in nats, and share of wrong digits.
    seconds : float
        Of training.
    """

    distortion: str
    model: str
    seed: int
    parameters: int
    test_error: float
    training_loss: tuple[float, ...]
    validation_error: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Check:
    """What the golden file says of one operation.

    Attributes
    ----------
    operation : str
    cases : int
    worst : float
        The largest error, as a share of its budget.
    passed : bool
    """

    operation: str
    cases: int
    worst: float
    passed: bool


@dataclass(frozen=True)
class View:
    """What a spatial transformer makes of some pictures, at one moment of its training.

    Attributes
    ----------
    grid : ndarray, shape (N, h, w, 2)
        Where it samples.
    output : ndarray, shape (N, h, w)
        What it passes on.
    predicted : ndarray, shape (N,)
        What the network takes each for.
    """

    grid: Array
    output: Array
    predicted: Array


@dataclass(frozen=True)
class Gallery:
    """Test digits and how a transformer sees them, before and after training.

    Attributes
    ----------
    images : ndarray, shape (N, H, W)
    labels : ndarray, shape (N,)
    before, after : View
    """

    images: Array
    labels: Array
    before: View
    after: View


@dataclass(frozen=True)
class Poses:
    """Test digits, each in many poses, and how a trained transformer sees them.

    Attributes
    ----------
    images : ndarray, shape (digits, poses, H, W)
    labels : ndarray, shape (digits,)
    outputs : ndarray, shape (digits, poses, h, w)
    """

    images: Array
    labels: Array
    outputs: Array


@dataclass(frozen=True)
class Results:
    """Everything that a tour found out.

    Attributes
    ----------
    versions, settings, timings : dict
        Of the software; of the training, each with its unit in words; seconds of each stage.
    checks : tuple of Check
        The verdict of the golden file, one for each operation.
    runs : tuple of Run
    gallery, poses
        Of the first ST-CNN run on rotation, translation and scale.
    kink : KinkStudy
    """

    versions: dict[str, str]
    settings: dict[str, Any]
    timings: dict[str, float]
    checks: tuple[Check, ...]
    runs: tuple[Run, ...]
    gallery: Gallery
    poses: Poses
    kink: KinkStudy

    @property
    def verified(self) -> bool:
        """Whether every check passed, and there was one."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def distortions(self) -> tuple[str, ...]:
        """The distortions that were trained on, in the order of the runs."""
        return tuple(dict.fromkeys(run.distortion for run in self.runs))

    def of(self, distortion: str, model: str) -> list[Run]:
        """Return the runs of one model on one distortion, one for each seed."""
        return [run for run in self.runs if (run.distortion, run.model) == (distortion, model)]


def mean_test_error(runs: Iterable[Run]) -> float:
    """Return the mean of the runs' test errors."""
    return float(np.mean([run.test_error for run in runs]))


def verdict(cnn: Sequence[Run], st_cnn: Sequence[Run]) -> str:
    """Say in one sentence which of the two ends with the lower test error, by how much, and on which seeds.

    Examples
    --------
    >>> def run(model, seed, error):
    ...     return Run("RTS", model, seed, 1, error, (), (), 0.0)
    >>> verdict([run(CNN, 0, 0.2), run(CNN, 1, 0.1)], [run(ST_CNN, 0, 0.1), run(ST_CNN, 1, 0.1)])
    'ST-CNN ends with the lower test error: 10.0 % against 15.0 % for CNN (mean of 2 seeds), 5.0 points lower; it is
    lower on 1 of 2 seeds.'
    """
    mean_cnn, mean_st = mean_test_error(cnn), mean_test_error(st_cnn)
    by_seed = {run.seed: run.test_error for run in cnn}
    lower = sum(run.test_error < by_seed[run.seed] for run in st_cnn)
    seeds = f"{len(st_cnn)} seeds" if len(st_cnn) > 1 else "one seed"
    of_seeds = f"{'each' if lower == len(st_cnn) else lower} of {seeds}" if len(st_cnn) > 1 else ""
    numbers = f"{mean_st:.1%} against {mean_cnn:.1%} for {CNN} (mean of {seeds})".replace("%", " %")
    points = f"{100 * abs(mean_cnn - mean_st):.1f} points"
    tail = f"; it is lower on {of_seeds}." if of_seeds else "."
    if mean_st < mean_cnn:
        return f"{ST_CNN} ends with the lower test error: {numbers}, {points} lower{tail}"
    if mean_st > mean_cnn:
        return f"{ST_CNN} does not end with the lower test error: {numbers}, {points} higher{tail}"
    return f"{ST_CNN} and {CNN} end with the same test error: {numbers}{tail}"


def metrics(results: Results) -> dict[str, Any]:
    """Return what metrics.json holds: all the numbers, none of the pictures."""
    return {
        "versions": results.versions,
        "settings": results.settings,
        "timings_seconds": results.timings,
        "verify": {"passed": results.verified, "operations": [asdict(check) for check in results.checks]},
        "runs": [asdict(run) for run in results.runs],
        "mean_test_error": {
            distortion: {model: mean_test_error(results.of(distortion, model)) for model in MODELS}
            for distortion in results.distortions
        },
        "verdict": {
            distortion: verdict(results.of(distortion, CNN), results.of(distortion, ST_CNN))
            for distortion in results.distortions
        },
        "kink": {
            "agrees": results.kink.agrees,
            "rules": [
                {"x": rule.x, "rule": rule.rule, "kernel": rule.kernel, "exact": str(rule.exact)}
                for rule in results.kink.rules
            ],
        },
    }
