"""Error rate and history."""

import math

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import Dropout, Flatten, Sequential
from refwarp.data import Examples
from refwarp.training import History, error_rate, predict


def told_scores(classes, count=10):
    """Pictures (N, 1, 1, count) whose pixels are the scores of the classes, the largest where told."""
    return np.eye(count, dtype=np.float32)[classes][:, None, None, :]


def test_error_rate_counts_what_is_wrong():
    truth = np.random.default_rng(0).integers(10, size=600)
    said = truth.copy()
    said[::4] = (said[::4] + 1) % 10
    examples = Examples(told_scores(said), truth)
    assert error_rate(Flatten(), examples) == 150 / 600
    for batch_size in (1, 7, 600, 1000):
        assert (predict(Flatten(), examples.images, batch_size) == said).all()


def test_prediction_is_that_of_evaluation_and_leaves_the_mode():
    classes = np.arange(10).repeat(20)
    model = Sequential(Flatten(), Dropout(0.9, np.random.default_rng(0)))
    for training in (True, False):
        model.train(training)
        assert (predict(model, told_scores(classes)) == classes).all()
        assert model.training == model.layers[1].training == training


def test_a_failing_prediction_leaves_the_mode_too():
    def fail(input: Tensor) -> Tensor:
        raise RuntimeError("no")

    model = Sequential(fail)
    with pytest.raises(RuntimeError):
        predict(model, told_scores(np.arange(3)))
    assert model.training


def test_no_examples():
    assert predict(Flatten(), told_scores(np.zeros(0, int))).shape == (0,)
    with pytest.raises(ValueError, match="examples: given none"):
        error_rate(Flatten(), Examples(told_scores(np.zeros(0, int)), np.zeros(0, int)))


def test_json_gives_every_bit_back():
    history = History()
    history.append(loss=0.1 + 0.2, validation_error=1 / 3, learning_rate=5e-324, seconds=1e300 * math.pi)
    history.append(loss=math.inf, validation_error=0.0, learning_rate=-0.0, seconds=1.0)
    assert repr(History.from_json(history.to_json())) == repr(history)
    assert len(history) == 2
