"""Runs on distorted digits: what their arguments fix, and that they go on where they were cut off."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from refwarp.networks import CNN, Transformed, count_parameters
from refwarp.tour import distorted_digits as module
from refwarp.tour.distorted_digits import Budget, digits_task, train_on_distorted_digits, untrained
from refwarp.training import Checkpoint, error_rate, load_state, loop
from tests.tour.few_digits import few_digits

SHORT = Budget(epochs=2)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_digits", few_digits)
        yield


@pytest.mark.parametrize("distortion", ["R", "RTS"])
def test_validation_and_test_pictures_are_fixed(distortion):
    first, again = digits_task(distortion), digits_task(distortion)
    assert (first.train.images == few_digits().train.images).all()
    for part, repeats in (("validation", 2), ("test", 4)):
        one, other, plain = getattr(first, part), getattr(again, part), getattr(few_digits(), part)
        assert one.images.shape == (repeats * len(plain), 1, 40, 40)
        assert (one.images == other.images).all()
        assert (one.labels == np.repeat(plain.labels, repeats)).all()
        assert (one.images[0] != one.images[1]).any()  # one digit, two distortions


@pytest.mark.parametrize(("name", "kind"), [("CNN", CNN), ("ST-CNN", Transformed)])
def test_a_run(name, kind):
    outcome = train_on_distorted_digits(name, "RTS", seed=3, budget=SHORT)
    assert type(outcome.model) is kind and len(outcome.history) == 2
    assert outcome.test_error == error_rate(outcome.model, digits_task("RTS").test)
    again, other = (train_on_distorted_digits(name, "RTS", seed, budget=SHORT) for seed in (3, 4))
    state = outcome.model.state_dict()
    assert all((value == state[name]).all() for name, value in again.model.state_dict().items())
    assert any((value != state[name]).any() for name, value in other.model.state_dict().items())


def test_both_learn_about_as_many_numbers():
    counts = [count_parameters(model(np.random.default_rng(0))) for model in module.MODELS.values()]
    assert abs(counts[0] - counts[1]) <= 0.03 * max(counts)
    # By hand: conv 5x5 1-20, 20-36, dense 144-10; localisation conv 1-8, 8-16, dense 256-32-6, conv 1-12, 12-24,
    # dense 96-10; each with its biases.
    assert counts == [520 + 18036 + 1450, 208 + 3216 + 8224 + 198 + 312 + 7224 + 970]


@pytest.mark.parametrize("name", ["CNN", "ST-CNN"])
def test_what_a_run_starts_from(tmp_path, name):
    """The checkpoint before the first epoch holds the untrained model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refwarp.training.loop.train_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_on_distorted_digits(name, "R", seed=5, budget=SHORT, checkpoint=Checkpoint(tmp_path / "a.h5"))
    saved = load_state(tmp_path / "a.h5")["model"]
    assert all((saved[key] == value).all() for key, value in untrained(name, 5).state_dict().items())


def test_the_localisation_takes_smaller_steps(tmp_path):
    train_on_distorted_digits("ST-CNN", "R", budget=SHORT, checkpoint=Checkpoint(tmp_path / "a.h5"))
    optimizers = load_state(tmp_path / "a.h5")["optimizers"]
    fast, slow = (float(optimizers[k]["learning_rate"]) for k in "01")
    # Of two epochs one is at the full rate, and after the second the schedule steps again.
    assert fast == Budget.learning_rate * Budget.factor * Budget.factor
    assert slow == Budget.learning_rate * Budget.localisation_rate * Budget.factor * Budget.factor


def test_the_schedule():
    outcome = train_on_distorted_digits("CNN", "R", budget=Budget(epochs=5))
    assert outcome.history.learning_rate == [Budget.learning_rate] * 3 + [Budget.learning_rate * Budget.factor] * 2


def test_resume(tmp_path: Path):
    checkpoint = tmp_path / "a.h5"
    whole = train_on_distorted_digits("ST-CNN", "RTS", budget=SHORT, checkpoint=Checkpoint(checkpoint))
    state = load_state(checkpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "error_rate", interrupt)
        patch.setattr("refwarp.training.loop.error_rate", interrupt_second())
        with pytest.raises(KeyboardInterrupt):
            train_on_distorted_digits("ST-CNN", "RTS", budget=SHORT, checkpoint=Checkpoint(checkpoint))
    assert load_state(checkpoint)["epoch"] == 1
    resumed = train_on_distorted_digits("ST-CNN", "RTS", budget=SHORT, checkpoint=Checkpoint(checkpoint, resume=True))
    assert resumed.test_error == whole.test_error
    assert all((value == state["model"][name]).all() for name, value in resumed.model.state_dict().items())


def interrupt(*arguments):
    raise KeyboardInterrupt


def interrupt_second():
    """Return an error rate that is interrupted when it is asked for the second time."""
    calls = iter([error_rate, interrupt])
    return lambda *arguments: next(calls)(*arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "its seed is 0, and that of this run 1"),
        ({"model": "CNN"}, "its model is 'ST-CNN', and that of this run 'CNN'"),
        ({"distortion": "R"}, "its distortion is 'AffineDistortion"),
        ({"budget": dataclasses.replace(SHORT, epochs=3)}, "its epochs is 2, and that of this run 3"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, changed, message):
    checkpoint = Checkpoint(tmp_path / "a.h5")
    given = {"model": "ST-CNN", "distortion": "RTS", "seed": 0, "budget": SHORT, "checkpoint": checkpoint}
    train_on_distorted_digits(**given)
    with pytest.raises(ValueError, match=message):
        train_on_distorted_digits(**{**given, **changed, "checkpoint": Checkpoint(checkpoint.path, resume=True)})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "a positive integer"),
        ("epochs", 1.5, "a positive integer"),
        ("batch_size", 0, "a positive integer"),
        ("learning_rate", -1, "a finite number >= 0"),
        ("localisation_rate", math.nan, "a finite number >= 0"),
        ("factor", math.inf, "a finite number >= 0"),
        ("full_rate", 0, "a share from 0.5 to 1"),
    ],
)
def test_impossible_budgets_are_refused(name, value, expected):
    with pytest.raises(ValueError, match=f"{name}: given {value}, expected {expected}"):
        Budget(**{name: value})


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_an_impossible_seed_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed: given {seed}, expected an integer of at least 0"):
        train_on_distorted_digits("CNN", "R", seed, budget=SHORT)


def test_one_blas_thread_trains_and_tests(monkeypatch):
    threads = []

    def count():
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    def counted(function):
        return lambda *arguments: (count(), function(*arguments))[1]

    monkeypatch.setattr("refwarp.training.loop.train_step", counted(loop.train_step))
    monkeypatch.setattr(module, "error_rate", counted(error_rate))
    with threadpool_limits(2, "blas"):
        train_on_distorted_digits("CNN", "R", budget=Budget(epochs=1))
        assert set(threads) <= {1}
        seen = len(threads)
        count()
        assert set(threads[seen:]) <= {2}
    # Two minibatches and one test, for each BLAS library that tells.
    assert seen == 3 * (len(threads) - seen)


@pytest.mark.parametrize(("name", "value"), [("model", "FCN"), ("distortion", "TC")])
def test_unknown_options_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: given '{value}', expected one of '"):
        train_on_distorted_digits(**{name: value}, budget=SHORT)
