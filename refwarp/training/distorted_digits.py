"""STN, Sect. 4.1, in small: CNN and ST-CNN learn distorted digits under the same budget.

STN distorts MNIST (28x28, 60,000 digits) and trains for 150,000 iterations. Here it is scikit-learn's 8x8 digits,
1,200 of them to learn from, each drawn with a new distortion every time, and a minute in place of hours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from autograd_core.layers import Module
from autograd_core.optimizers import Adam, StepSchedule
from refwarp.conventions import check_option
from refwarp.data import DISTORTIONS, Digits, Examples, distort, load_digits
from refwarp.networks import CNN, STCNN
from refwarp.training.loop import Run, train
from refwarp.training.metrics import History, error_rate

MODELS: dict[str, Callable[..., Module]] = {"CNN": CNN, "ST-CNN": STCNN}

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
    stages : int
        Into how many equal parts the schedule divides the epochs.
    factor : float
        What the learning rate is multiplied by from one stage to the next.
    """

    epochs: int = 42
    batch_size: int = 64
    learning_rate: float = 4e-3
    localisation_rate: float = 0.3
    stages: int = 3
    factor: float = 0.3


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
        1,200 training digits (N, 1, 8, 8), to be distorted afresh in each epoch; of the 200 validation digits two,
        and of the 397 test digits four pictures each, (N, 1, 40, 40). The same in every call.

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


def train_on_distorted_digits(
    model: str = "ST-CNN",
    distortion: str = "RTS",
    seed: int = 0,
    *,
    budget: Budget | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Train a classifier on distorted digits, and test it.

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
    checkpoint : path, optional
        Where the run is saved after each epoch.
    resume : bool
        Go on from the checkpoint, to the same bits as without interruption.
    progress : rich.progress.Progress, optional
        A started display for the run's progress.

    Returns
    -------
    Outcome
        The trained model, its history and its test error.

    Raises
    ------
    ImportError
        If scikit-learn is missing.
    ValueError
        If an argument is none of the options, or the checkpoint cannot be resumed.
    FileNotFoundError
        If there is no checkpoint to resume.
    """
    check_option("model", model, tuple(MODELS))
    budget = budget or Budget()
    digits = digits_task(distortion)
    weights, draws = (np.random.default_rng(branch) for branch in np.random.SeedSequence(seed).spawn(2))
    classifier = MODELS[model](rng=weights)

    localisation = classifier.transformer.localisation.parameters() if isinstance(classifier, STCNN) else []
    slow = {id(parameter) for parameter in localisation}
    others = [parameter for parameter in classifier.parameters() if id(parameter) not in slow]
    optimizers = [Adam(others, budget.learning_rate)]
    if localisation:
        optimizers.append(Adam(localisation, budget.learning_rate * budget.localisation_rate))
    stage = -(-budget.epochs // budget.stages)
    schedules = [StepSchedule(optimizer, stage, budget.factor) for optimizer in optimizers]

    settings = {"model": model, "distortion": repr(DISTORTIONS[distortion]), "seed": seed, **asdict(budget)}
    history = train(
        Run(classifier, optimizers, schedules, draws, settings),
        digits.train,
        digits.validation,
        epochs=budget.epochs,
        batch_size=budget.batch_size,
        distortion=DISTORTIONS[distortion],
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
        label=f"{model} on {distortion}, seed {seed}",
    )
    return Outcome(classifier, history, error_rate(classifier, digits.test))
