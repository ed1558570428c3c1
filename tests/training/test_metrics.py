"""Error rate and history."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import Dropout, Flatten, Sequential
from refwarp.data import Examples
from refwarp.training import History, error_rate, predict, scores


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


def test_scores_are_the_network_s_whatever_the_batches():
    given = np.random.default_rng(0).random((9, 1, 1, 4), np.float32)
    for batch_size in (1, 4, 9, 100):
        found = scores(Flatten(), given, batch_size)
        assert found.shape == (9, 4) and (found == given[:, 0, 0]).all()
    assert scores(Flatten(), given[:0]).shape == (0, 0)
    assert predict(Flatten(), given).dtype == predict(Flatten(), given[:0]).dtype == np.int64


def test_prediction_is_that_of_evaluation_and_leaves_the_mode():
    classes = np.arange(10).repeat(20)
    model = Sequential(Flatten(), Dropout(0.9, np.random.default_rng(0)))
    for training in (True, False):
        model.train(training)
        assert (predict(model, told_scores(classes)) == classes).all()
        assert model.training == model.layers[1].training == training


def test_prediction_leaves_the_mode_of_every_part():
    model = Sequential(Flatten(), Dropout(0.9, np.random.default_rng(0)), Dropout(0.9, np.random.default_rng(0)))
    model.layers[1].eval()
    predict(model, told_scores(np.arange(10)))
    assert [module.training for _, module in model.named_modules()] == [True, True, False, True]


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


@pytest.mark.parametrize("batch_size", [0, -1, 2.5])
def test_an_impossible_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size: given {batch_size}, expected a positive integer"):
        predict(Flatten(), told_scores(np.arange(3)), batch_size)


def test_a_history_is_lists_of_numbers_of_one_length():
    history = History()
    history.append(loss=0.3, validation_error=1 / 3, learning_rate=0.1, seconds=1.0)
    copy = history.as_dict()
    copy["loss"].append(0.2)
    assert len(history) == 1
    with pytest.raises(ValueError, match="validation_error: given 1 epochs, expected as many as of loss, 2"):
        History(**copy)
    with pytest.raises(ValueError, match="loss: given 3, expected a list of numbers"):
        History(loss=3)
    with pytest.raises(ValueError, match=r"seconds: given \['a'\], expected a list of numbers"):
        History([0.3], [0.5], [0.1], ["a"])
