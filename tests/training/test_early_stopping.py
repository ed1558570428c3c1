"""Early stopping: when it stops, which parameters are left, and that a resumed run does the same."""

from dataclasses import replace

import numpy as np
import pytest

from autograd_core.schedules import ReduceOnPlateau
from refwarp.training import EarlyStopping, Run, load_state, loop, save_state
from tests.training.tiny_run import tiny_run, train_tiny

ERRORS = [9.0, 5.0, 5.5, 4.9, 4.95, 5.2, 5.1, 3.0]


def stops_after(stopping, measures):
    """Return how many measures it takes until it stops, or None."""
    return next((k for k, measure in enumerate(measures, 1) if stopping.step(measure)), None)


@pytest.mark.parametrize(
    ("options", "epoch", "best"),
    [
        ({"patience": 0}, 3, 5.0),
        ({"patience": 1}, 6, 4.9),
        ({"patience": 2}, 7, 4.9),
        ({"patience": 3}, None, 3.0),
        ({"patience": 2, "threshold": 0.25}, 5, 5.0),
        ({"patience": 2, "threshold": 0.25, "threshold_mode": "rel"}, 5, 5.0),
        ({"patience": 2, "mode": "max"}, 4, 9.0),
    ],
)
def test_it_stops_after_the_epochs_that_are_no_better(options, epoch, best):
    stopping = EarlyStopping(**options)
    assert stops_after(stopping, ERRORS) == epoch
    assert stopping.best == best and stopping.exhausted == (epoch is not None)


@pytest.mark.parametrize("done", range(8))
def test_a_resumed_run_stops_at_the_same_epoch(tmp_path, done):
    stopping = EarlyStopping(2)
    for measure in ERRORS[:done]:
        stopping.step(measure)
    save_state(tmp_path / "state.h5", {"stopping": stopping.state_dict()})
    resumed = EarlyStopping(2)
    resumed.load_state_dict(load_state(tmp_path / "state.h5")["stopping"])
    assert vars(resumed) == vars(stopping)
    assert stops_after(resumed, ERRORS[done:]) == stops_after(stopping, ERRORS[done:])


def test_bad_arguments_end_in_one_clear_sentence():
    with pytest.raises(ValueError, match="patience: given 1.5, expected an integer >= 0"):
        EarlyStopping(1.5)
    with pytest.raises(ValueError, match="threshold: given -1, expected a number >= 0"):
        EarlyStopping(1, -1)


# ---- in a run ----


@pytest.fixture
def told_errors(monkeypatch):
    """A run whose validation errors are those above, by the number of the epoch."""

    def run(patience: int = 1) -> Run:
        plain = tiny_run()
        plateaus = [ReduceOnPlateau(optimizer, 0.5, 0, 0.0) for optimizer in plain.optimizers]
        made = replace(plain, early_stopping=EarlyStopping(patience), plateaus=plateaus)
        monkeypatch.setattr(loop, "error_rate", lambda model, examples: ERRORS[len(made.history)])
        return made

    return run


def weights(state):
    return {name: array.tobytes() for name, array in state.items()}


def test_a_run_is_stopped_and_keeps_the_parameters_of_its_best_epoch(told_errors, tmp_path):
    run, states = told_errors(), []
    history = train_tiny(
        run, epochs=8, checkpoint=tmp_path / "a.h5", on_epoch=lambda _: states.append(run.model.state_dict())
    )
    assert history.validation_error == ERRORS[:6] and run.stopped  # the fourth was the best, and two after it are not
    assert weights(run.model.state_dict()) == weights(states[4]) != weights(states[6])
    saved = load_state(tmp_path / "a.h5")
    assert weights(saved["model"]) == weights(states[6]) and weights(saved["best"]) == weights(states[4])


def test_without_an_end_of_patience_all_epochs_are_done_and_the_best_is_kept(told_errors):
    run, states = told_errors(patience=8), []
    history = train_tiny(run, epochs=7, on_epoch=lambda _: states.append(run.model.state_dict()))
    assert len(history) == 7 and not run.stopped
    assert weights(run.model.state_dict()) == weights(states[4])


@pytest.mark.parametrize("epoch", range(7))
def test_resumed_after_any_epoch_it_stops_at_the_same_with_the_same_bits(told_errors, tmp_path, epoch):
    whole = told_errors()
    train_tiny(whole, epochs=8)
    cut, path = told_errors(), tmp_path / "a.h5"
    if epoch:
        train_tiny(cut, epochs=epoch, checkpoint=path)
    else:
        cut.save(path)
    resumed = told_errors()
    for optimizer in resumed.optimizers:
        optimizer.learning_rate = 7.0  # every bit of it is to come from the file
    history = train_tiny(resumed, epochs=8, checkpoint=path, resume=True)
    assert history.validation_error == ERRORS[:6]
    assert weights(resumed.model.state_dict()) == weights(whole.model.state_dict())
    assert vars(resumed.early_stopping) == vars(whole.early_stopping)
    assert [optimizer.learning_rate for optimizer in resumed.optimizers] == [
        optimizer.learning_rate for optimizer in whole.optimizers
    ]
    for schedule, other in zip(resumed.plateaus, whole.plateaus, strict=True):
        assert schedule.state_dict() == other.state_dict()


def test_a_plateau_lowers_the_rate_by_the_validation_error(told_errors):
    run = told_errors(patience=8)
    run.schedules = []
    train_tiny(run, epochs=7)
    # After the third epoch, the fifth, the sixth and the seventh, which are no better than those before.
    assert run.history.learning_rate == [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.00125]
    assert run.optimizers[0].learning_rate == 0.000625


def test_a_checkpoint_of_a_run_without_early_stopping_is_told(told_errors, tmp_path):
    train_tiny(tiny_run(), epochs=1, checkpoint=tmp_path / "a.h5")
    with pytest.raises(ValueError, match="state lacks 'early_stopping'"):
        replace(told_errors(), plateaus=[]).resume(tmp_path / "a.h5")


def test_the_best_parameters_before_the_first_epoch_are_those_of_the_start():
    started = tiny_run()
    run = Run(started.model, started.optimizers, [], np.random.default_rng(0), early_stopping=EarlyStopping(1))
    assert weights(run.best) == weights(started.model.state_dict())
