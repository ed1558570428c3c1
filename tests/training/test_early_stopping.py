"""Early stopping: when it stops, and that a resumed run stops at the same epoch."""

import pytest

from refwarp.training import load_state, save_state
from refwarp.training.early_stopping import EarlyStopping

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
