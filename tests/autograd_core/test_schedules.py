"""Schedules against rates written out by hand."""

import math

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.optimizers import SGD
from autograd_core.schedules import CosineSchedule, MilestoneSchedule, ReduceOnPlateau, StepSchedule, WarmUpSchedule

EPS = np.finfo(np.float64).eps


def sgd(rate=1.0):
    return SGD([Tensor([1.0], requires_grad=True)], rate)


def rates(optimizer, schedules, steps):
    """Return the learning rates with which so many steps are made."""
    found = []
    for _ in range(steps):
        found.append(optimizer.learning_rate)
        for schedule in schedules:
            schedule.step()
    return found


# For each schedule, one over four steps, and the shares of the first six.
SHARES = {
    "step": (lambda optimizer: StepSchedule(optimizer, 2, 0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
    # (1 + cos(pi/4)) / 2 and so on
    "cosine": (
        lambda optimizer: CosineSchedule(optimizer, 4),
        [1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0, 0],
    ),
    "cosine to a fifth": (
        lambda optimizer: CosineSchedule(optimizer, 4, 0.2),
        [1, 0.6 + 0.8 * math.sqrt(0.125), 0.6, 0.6 - 0.8 * math.sqrt(0.125), 0.2, 0.2],
    ),
    "warm-up": (lambda optimizer: WarmUpSchedule(optimizer, 4), [0.25, 0.5, 0.75, 1, 1, 1]),
    "no warm-up": (lambda optimizer: WarmUpSchedule(optimizer, 1), [1, 1, 1, 1, 1, 1]),
    "milestones": (lambda optimizer: MilestoneSchedule(optimizer, {4: 0.1, 2: 0.3}), [1, 1, 0.3, 0.3, 0.1, 0.1]),
    "a milestone at the start": (lambda optimizer: MilestoneSchedule(optimizer, {0: 2.0, 5: 1}), [2, 2, 2, 2, 2, 1]),
    "no milestone": (lambda optimizer: MilestoneSchedule(optimizer, {}), [1, 1, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("name", SHARES)
def test_a_schedule_gives_its_shares_of_the_rate(name):
    make, shares = SHARES[name]
    optimizer = sgd(0.3)
    # Each change of the rate is three roundings, of numbers that cancel not at all or by a factor of four.
    np.testing.assert_allclose(
        rates(optimizer, [make(optimizer)], 6), 0.3 * np.array(shares), rtol=6 * 12 * EPS, atol=0
    )


@pytest.mark.parametrize("first", SHARES)
@pytest.mark.parametrize("second", SHARES)
def test_schedules_of_one_optimizer_multiply(first, second):
    optimizer = sgd(0.3)
    found = rates(optimizer, [SHARES[first][0](optimizer), SHARES[second][0](optimizer)], 6)
    expected = 0.3 * np.array(SHARES[first][1]) * SHARES[second][1]
    np.testing.assert_allclose(found, expected, rtol=6 * 24 * EPS, atol=0)


def test_a_rate_that_is_set_between_steps_is_what_the_schedule_goes_on_from():
    optimizer = sgd()
    schedule = MilestoneSchedule(optimizer, {2: 0.5})
    schedule.step()
    optimizer.learning_rate = 8.0
    assert rates(optimizer, [schedule], 3) == [8.0, 4.0, 4.0]


LOSSES = [3.0, 2.0, 2.5, 1.999, 2.5, 2.5, 2.5, 1.0, 1.0, math.nan, 1.0, 0.5]


def plateaus(optimizer, **options):
    schedule = ReduceOnPlateau(optimizer, 0.5, patience=1, **options)
    found = []
    for loss in LOSSES:
        schedule.step(loss)
        found.append(optimizer.learning_rate)
    return found


# 2 is better than 3; 2.5 is no better; 1.999 is, but not by a hundredth; 2.5 is the second or third that is no better.
PLATEAUS = {
    "by anything": ({"threshold": 0.0}, [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]),
    "by a hundredth": ({"threshold": 0.01}, [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125]),
    "by one": (
        {"threshold": 1.0, "threshold_mode": "abs"},
        # 2 is not better than 3 by more than 1; 1.999 is, and after it only 0.5
        [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.0625],
    ),
    "upwards": (
        {"threshold": 0.0, "mode": "max"},
        [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.03125, 0.03125],
    ),
    "resting": (
        {"threshold": 0.0, "mode": "max", "cooldown": 2},
        [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125],
    ),
    "no lower": ({"threshold": 0.0, "least": 0.375}, [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.375, 0.375, 0.375]),
}


@pytest.mark.parametrize("name", PLATEAUS)
def test_the_rate_is_reduced_on_a_plateau(name):
    options, expected = PLATEAUS[name]
    assert plateaus(sgd(), **options) == expected


def test_a_rate_below_the_least_one_is_not_raised_to_it():
    assert set(plateaus(sgd(0.125), least=0.25)) == {0.125}


ALL = {name: make for name, (make, _) in SHARES.items()} | {
    "plateau": lambda optimizer: ReduceOnPlateau(optimizer, 0.7, patience=1, cooldown=1)
}


def take(schedule, measure):
    schedule.step(measure) if isinstance(schedule, ReduceOnPlateau) else schedule.step()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("done", range(12))
def test_a_schedule_goes_on_from_its_state_with_the_same_bits(name, done):
    optimizer = sgd(0.1)
    schedules = [ALL[name](optimizer), ALL["cosine to a fifth"](optimizer)]
    for loss in LOSSES[:done]:
        for schedule in schedules:
            take(schedule, loss)
    resumed = sgd(0.1)
    again = [ALL[name](resumed), ALL["cosine to a fifth"](resumed)]
    resumed.load_state_dict(optimizer.state_dict())
    for schedule, other in zip(again, schedules, strict=True):
        schedule.load_state_dict(other.state_dict())
    for loss in LOSSES[done:]:
        for schedule in (*schedules, *again):
            take(schedule, loss)
        assert resumed.learning_rate == optimizer.learning_rate
    assert [schedule.state_dict() for schedule in again] == [schedule.state_dict() for schedule in schedules]


ERRORS = {
    "step size": (lambda: StepSchedule(sgd(), 0, 0.5), "step_size: given 0"),
    "broken step size": (lambda: StepSchedule(sgd(), 1.5, 0.5), "step_size: given 1.5, expected an integer"),
    "factor": (lambda: StepSchedule(sgd(), 1, -0.5), "factor: given -0.5"),
    "steps of a cosine": (lambda: CosineSchedule(sgd(), 0), "steps: given 0, expected an integer >= 1"),
    "least share": (lambda: CosineSchedule(sgd(), 5, 1.5), "least: given 1.5, expected a number from 0 to 1"),
    "steps of a warm-up": (lambda: WarmUpSchedule(sgd(), 0), "steps: given 0, expected an integer >= 1"),
    "count": (lambda: MilestoneSchedule(sgd(), {0.5: 0.1}), "shares: given the count 0.5, expected integers >= 0"),
    "share": (lambda: MilestoneSchedule(sgd(), {5: 0.0}), r"shares\[5\]: given 0.0, expected a number > 0"),
    "negative share": (lambda: MilestoneSchedule(sgd(), {5: -1}), r"shares\[5\]: given -1, expected a number >"),
    "factor on a plateau": (lambda: ReduceOnPlateau(sgd(), 2.0), "factor: given 2.0, expected a number from 0 to 1"),
    "patience": (lambda: ReduceOnPlateau(sgd(), patience=-1), "patience: given -1, expected an integer >= 0"),
    "threshold": (lambda: ReduceOnPlateau(sgd(), threshold=-1.0), "threshold: given -1.0, expected a number >= 0"),
    "mode": (lambda: ReduceOnPlateau(sgd(), mode="lower"), "mode: given 'lower', expected 'min' or 'max'"),
    "threshold mode": (lambda: ReduceOnPlateau(sgd(), threshold_mode="x"), "threshold_mode: given 'x', expected 'rel'"),
    "cooldown": (lambda: ReduceOnPlateau(sgd(), cooldown=0.5), "cooldown: given 0.5, expected an integer >= 0"),
    "least rate": (lambda: ReduceOnPlateau(sgd(), least=-1.0), "least: given -1.0, expected a number >= 0"),
    "another state": (
        lambda: StepSchedule(sgd(), 1, 0.5).load_state_dict(ReduceOnPlateau(sgd()).state_dict()),
        r"missing entries \['count'\], unexpected entries \['best', 'resting', 'waited'\]",
    ),
    "a misshapen state": (
        lambda: StepSchedule(sgd(), 1, 0.5).load_state_dict({"count": np.zeros(2, int)}),
        r"state\['count'\]: given int64\(2,\), expected int64\(\)",
    ),
    "a plateau's state": (
        lambda: ReduceOnPlateau(sgd()).load_state_dict({"best": 0.0, "waited": 0, "resting": 0.5}),
        r"state\['resting'\]: given float64\(\), expected int64\(\)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_arguments_end_in_one_clear_sentence(name):
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_refused_schedule_leaves_the_rate_as_it_is():
    optimizer = sgd()
    with pytest.raises(ValueError, match="steps"):
        WarmUpSchedule(optimizer, 2.5)
    with pytest.raises(ValueError, match="shares"):
        MilestoneSchedule(optimizer, {0: 0.5, 1: -1.0})
    assert optimizer.learning_rate == 1.0
