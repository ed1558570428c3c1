"""Pictures of a run: which rows there are, of which pictures, and that all can be drawn."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from autograd_core.layers import Dense, Flatten, Sequential
from refwarp.classification.drawings import draw_curves, transformer_rows
from refwarp.data import Examples
from refwarp.drawing.style import render
from refwarp.networks import SpatialTransformer, fully_connected_localisation
from refwarp.networks.pictures import draw_rows
from refwarp.training import History

RNG = np.random.default_rng(0)


def transformer(side=6):
    return SpatialTransformer(fully_connected_localisation((1, side, side), rng=RNG))


def test_of_every_transformer_the_first_picture_of_each_class_and_the_means():
    labels = np.array([2, 0, 2, 0, 5])
    examples = Examples(RNG.random((5, 1, 6, 6), np.float32), labels)
    network = Sequential(transformer(), transformer(), Flatten(), Dense(36, 6, rng=RNG))
    rows, titles = transformer_rows(network, examples, ["zero", "one", "a very long name", "3", "4", "five"])
    assert titles == ["zero", "a very long ", "five"]
    assert len(rows) == 8 and rows[0].label.startswith("layers.0") and rows[4].label.startswith("layers.1")
    assert (rows[0].maps == examples.images[[1, 0, 4]]).all()
    means = np.stack([examples.images[labels == label].astype(np.float64).mean(axis=0) for label in (0, 2, 5)])
    np.testing.assert_allclose(rows[2].maps, means, rtol=1e-15)
    np.testing.assert_allclose(rows[3].maps, means, rtol=0, atol=1e-6)  # the identity, rounded to float32
    assert imread(io.BytesIO(render(draw_rows, rows, titles))).ndim == 3


def test_no_transformer_no_rows():
    examples = Examples(RNG.random((2, 1, 6, 6), np.float32), np.array([0, 1]))
    rows, _ = transformer_rows(Sequential(Flatten(), Dense(36, 2, rng=RNG)), examples, "ab")
    assert rows == []


@pytest.mark.parametrize("epochs", [1, 5])
def test_curves_show_every_epoch_and_mark_the_one_that_is_kept(epochs):
    history = History(
        [2.0, 1.0, 0.5, 0.4, 0.3][:epochs], [0.5, 0.2, 0.3, 0.2, 0.4][:epochs], [1.0] * epochs, [1.0] * epochs
    )
    figure = draw_curves(history, min(2, epochs))
    loss, error = figure.axes
    assert loss.lines[0].get_ydata().tolist() == history.loss
    assert error.lines[0].get_ydata().tolist() == [100 * value for value in history.validation_error]
    assert error.lines[1].get_xdata() == [min(2, epochs)] * 2
    assert imread(io.BytesIO(render(draw_curves, history, 1))).ndim == 3
