"""STN, Sect. 4.1, in small: CNN and ST-CNN learn distorted digits under the same budget.

STN distorts MNIST: 60,000 digits of 28x28 pixels to learn from. Here it is scikit-learn's 8x8 digits, 1,157 of them,
each with a new distortion every time, and seconds in place of hours. The budget is small enough to tell the networks
apart; with three times the epochs both get better, and nearer to each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from rich.progress import Progress

from autograd_core.layers import Module
from autograd_core.optimizers import Adam
from autograd_core.schedules import StepSchedule
from refwarp.arguments import check_count, check_option
from refwarp.data import DISTORTIONS, Digits, Examples, distort, load_digits
from refwarp.networks import (
    CNN,
    Convolution,
    SpatialTransformer,
    Transformed,
    convolutional_classifier,
    convolutional_localisation,
)
from refwarp.training.device import check_device
from refwarp.training.loop import Checkpoint, Passes, Run, train
from refwarp.training.metrics import History, error_rate

# Channels, height and width of the distorted digits; what both classifiers read is half as high and half as wide.
SHAPE, REDUCED = (1, 40, 40), (1, 20, 20)


def cnn(rng: np.random.Generator) -> CNN:
    """Return the plain network, untrained. It has more channels, and so about as many parameters as the other."""
    return CNN(SHAPE, 2, _classifier((20, 36), rng))


def st_cnn(rng: np.random.Generator) -> Transformed:
    """Return the network with a spatial transformer, untrained."""
    convolutions = (Convolution(8, 5, 2), Convolution(16, 5))
    localisation = convolutional_localisation(SHAPE, convolutions=convolutions, hidden=(32,), reduction=2, rng=rng)
    return Transformed(SpatialTransformer(localisation, size=REDUCED[1:]), _classifier((12, 24), rng))


def _classifier(features: tuple[int, int], rng: np.random.Generator) -> Module:
    convolutions = [Convolution(count, 5, 2) for count in features]
    return convolutional_classifier(REDUCED, convolutions=convolutions, classes=10, rng=rng)


MODELS: Mapping[str, Callable[[np.random.Generator], Module]] = {"CNN": cnn, "ST-CNN": st_cnn}

# The pictures that runs are judged by are the same for all of them, whatever their seed.
VALIDATION_SEED, TEST_SEED = 100, 101
VALIDATION_REPEATS, TEST_REPEATS = 2, 4


@dataclass(frozen=True)
class Budget:
    """How a run is trained; the same for every model.

    Attributes
    ----------
    epochs : int
        Passes over the training digits.
    batch_size : int
        Digits in a minibatch.
    learning_rate : float
        Adam's, at the start.
    localisation_rate : float
        The localisation's learning rate, as a share of `learning_rate`: theta steers every pixel, so it takes
        smaller steps.
    full_rate : float
        For which share of the epochs, at least half, the learning rate stays as it is; then comes `factor`.
    factor : float
        What the learning rate is multiplied by after that.
    """

    epochs: int = 22
    batch_size: int = 32
    learning_rate: float = 4e-3
    localisation_rate: float = 0.3
    full_rate: float = 0.6
    factor: float = 0.1

    def __post_init__(self) -> None:
        """Refuse counts below one, rates below zero, and a share that is none."""
        for name in ("epochs", "batch_size"):
            check_count(name, getattr(self, name))
        for name in ("learning_rate", "localisation_rate", "factor"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: given {getattr(self, name)}, expected a finite number >= 0")
        if not 0.5 <= self.full_rate <= 1:
            raise ValueError(f"full_rate: given {self.full_rate}, expected a share from 0.5 to 1")


@dataclass(frozen=True)
class Outcome:
    """A trained model and how well it does.

    Attributes
    ----------
    model : Module
        The classifier.
    history : History
        Its training.
    test_error : float
        Its error rate on the test pictures, in [0, 1].
    """

    model: Module
    history: History
    test_error: float


def digits_task(distortion: str = "RTS") -> Digits:
    """Return the digits to learn from as they are, and fixed distorted pictures for validation and test.

    Parameters
    ----------
    distortion : {"R", "RTS"}
        Rotation, or rotation, translation and scale.

    Returns
    -------
    Digits
        The training digits (N, 1, 8, 8), to be distorted afresh in each epoch; of each validation digit two, and
        of each test digit four pictures (N, 1, 40, 40). The same in every call.

    Raises
    ------
    ImportError
        If scikit-learn is missing.
    ValueError
        If there is no such distortion.
    """
    check_option("distortion", distortion, tuple(DISTORTIONS))
    digits = load_digits()

    def fixed(examples: Examples, repeats: int, seed: int) -> Examples:
        examples = examples.repeat(repeats)
        images, _ = distort(examples.images, DISTORTIONS[distortion], np.random.default_rng(seed))
        return Examples(images, examples.labels)

    return Digits(
        digits.train,
        fixed(digits.validation, VALIDATION_REPEATS, VALIDATION_SEED),
        fixed(digits.test, TEST_REPEATS, TEST_SEED),
    )


def _generators(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return one Generator for the weights, and one for all that training draws."""
    check_count("seed", seed, least=0)
    weights, draws = np.random.SeedSequence(seed).spawn(2)
    return np.random.default_rng(weights), np.random.default_rng(draws)


def untrained(model: str, seed: int) -> Module:
    """Return the classifier that a run with this seed starts from; ValueError if there is no such model or seed."""
    check_option("model", model, tuple(MODELS))
    weights, _ = _generators(seed)
    return MODELS[model](weights)


def train_on_distorted_digits(
    model: str = "ST-CNN",
    distortion: str = "RTS",
    seed: int = 0,
    *,
    budget: Budget | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    device: str = "cpu",
) -> Outcome:
    """Train a classifier on distorted digits, and test it, with one thread of the BLAS library.

    A second thread gains nothing on matrices this small, loses much where the cores are shared, and may round
    differently.

    Parameters
    ----------
    model : {"CNN", "ST-CNN"}
        Which classifier.
    distortion : {"R", "RTS"}
        Rotation, or rotation, translation and scale.
    seed : int
        Of the weights, the order of the digits and their distortions. The split, the validation and the test
        pictures do not depend on it.
    budget : Budget, optional
        How to train; `Budget()` by default.
    checkpoint : Checkpoint, optional
        Where the run is saved after each epoch. Resumed from there, it ends with the same bits as without interruption.
    progress : rich.progress.Progress, optional
        A started display for the run's progress.
    device : {"cpu", "cuda"}
        Where the network is trained. On CUDA it and its minibatches are CuPy's arrays; a step never leaves the GPU.

    Returns
    -------
    Outcome
        The trained model, its history and its test error.

    Raises
    ------
    ImportError
        If scikit-learn is missing, or CuPy where it is needed.
    ValueError
        If an argument is none of the options, there is no GPU, or the checkpoint cannot be resumed or written.
    OSError
        If the checkpoint cannot be had, as `Checkpoint` says.
    """
    check_device(device)
    budget = budget or Budget()
    digits = digits_task(distortion)
    classifier = untrained(model, seed).to(device)
    _, draws = _generators(seed)

    localisation = classifier.transformer.parameters() if isinstance(classifier, Transformed) else []
    slow = {id(parameter) for parameter in localisation}
    others = [parameter for parameter in classifier.parameters() if id(parameter) not in slow]
    optimizers = [Adam(others, budget.learning_rate)]
    if localisation:
        optimizers.append(Adam(localisation, budget.learning_rate * budget.localisation_rate))
    full_rate = max(1, round(budget.full_rate * budget.epochs))
    schedules = [StepSchedule(optimizer, full_rate, budget.factor) for optimizer in optimizers]

    settings = {"model": model, "distortion": repr(DISTORTIONS[distortion]), "seed": seed, **asdict(budget)}
    from threadpoolctl import threadpool_limits  # comes with scikit-learn, as the digits do

    with threadpool_limits(1):
        history = train(
            Run(classifier, optimizers, schedules, draws, settings),
            digits.train,
            digits.validation,
            Passes(budget.epochs, budget.batch_size, distortion=DISTORTIONS[distortion]),
            checkpoint=checkpoint,
            progress=progress,
            label=f"{model} on {distortion}, seed {seed}",
        )
        return Outcome(classifier, history, error_rate(classifier, digits.test))
