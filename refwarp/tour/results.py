"""What a tour finds out, as plain data: the report, the pictures and metrics.json are made from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.outcomes import Verification
from refwarp.golden.report import lines, summary
from refwarp.tour.kink import KinkStudy

CNN, ST_CNN = "CNN", "ST-CNN"
MODELS = (CNN, ST_CNN)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Trial:
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
    verification : Verification
        The kernels' verdict by the golden file.
    trials : tuple of Trial
    gallery, poses
        Of the first ST-CNN run on rotation, translation and scale.
    kink : KinkStudy
    """

    versions: dict[str, str]
    settings: dict[str, Any]
    timings: dict[str, float]
    verification: Verification
    trials: tuple[Trial, ...]
    gallery: Gallery
    poses: Poses
    kink: KinkStudy

    @property
    def distortions(self) -> tuple[str, ...]:
        """The distortions that were trained on, in the order of the runs."""
        return tuple(dict.fromkeys(run.distortion for run in self.trials))

    def of(self, distortion: str, model: str) -> list[Trial]:
        """Return the runs of one model on one distortion, one for each seed."""
        return [run for run in self.trials if (run.distortion, run.model) == (distortion, model)]


def mean_test_error(trials: Iterable[Trial]) -> float:
    """Return the mean of the trials' test errors."""
    return float(np.mean([trial.test_error for trial in trials]))


def verdict(cnn: Sequence[Trial], st_cnn: Sequence[Trial]) -> str:
    """Say which of the two ends with the lower test error, by how much, on how many seeds, and how sure that is.

    Examples
    --------
    >>> def trial(model, seed, error):
    ...     return Trial("RTS", model, seed, 1, error, (), (), 0.0)
    >>> verdict([trial(CNN, 0, 0.2), trial(CNN, 1, 0.1)], [trial(ST_CNN, 0, 0.1), trial(ST_CNN, 1, 0.1)])
    'ST-CNN ends with a lower test error than CNN: 10.0% against 15.0%, mean of 2 seeds, lower on 1 of 2. With so
    few seeds that may be luck.'
    """
    mean_cnn, mean_st = mean_test_error(cnn), mean_test_error(st_cnn)
    order = "a lower" if mean_st < mean_cnn else "no lower"
    means = f"{ST_CNN} ends with {order} test error than {CNN}: {mean_st:.1%} against {mean_cnn:.1%}"
    if len(st_cnn) == 1:
        return f"{means}, one seed."
    by_seed = {trial.seed: trial.test_error for trial in cnn}
    wins = sum(trial.test_error < by_seed[trial.seed] for trial in st_cnn)
    low, high = sorted(([trial.test_error for trial in trials] for trials in (cnn, st_cnn)), key=np.mean)
    if len(st_cnn) < 3:
        certainty = "With so few seeds that may be luck."
    elif max(low) < min(high):
        certainty = f"Each run of the {ST_CNN if mean_st < mean_cnn else CNN} is better than every run of the other."
    else:
        certainty = "The runs of the two overlap, so which is better may be luck."
    return f"{means}, mean of {len(st_cnn)} seeds, lower on {wins} of {len(st_cnn)}. {certainty}"


def collapsed(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials that learned nothing: as good as guessing one of ten classes, or nearly."""
    return [trial for trial in trials if trial.test_error > 0.8]


def metrics(results: Results) -> dict[str, Any]:
    """Return what metrics.json holds: all the numbers, none of the pictures."""
    return {
        "versions": results.versions,
        "settings": results.settings,
        "timings_seconds": results.timings,
        "verify": {
            "passed": results.verification.passed,
            "summary": summary(results.verification),
            "operations": [
                {
                    "operation": line.operation,
                    "output": line.output,
                    "dtype": line.dtype,
                    "cases": line.cases,
                    "worst_share_of_budget": line.worst if math.isfinite(line.worst) else None,
                    "verdict": line.grade.word,
                }
                for line in lines(results.verification)
            ],
        },
        "trials": [asdict(run) for run in results.trials],
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
