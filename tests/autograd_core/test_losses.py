"""Losses against their formulas written as loops, and their derivatives by gradcheck."""

import math

import numpy as np
import pytest

from autograd_core import Tensor, grad, gradcheck
from autograd_core.layers import mean_squared_error, softmax_cross_entropy
from tests.autograd_core.draws import integers, normal, rng

EPS = np.finfo(np.float64).eps


def test_cross_entropy_is_the_mean_negative_log_of_the_softmax():
    logits, labels = normal(5, 4), np.array([0, 3, 1, 1, 2])
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.log(probabilities[np.arange(5), labels]).mean()
    t = Tensor(logits, requires_grad=True)
    loss = softmax_cross_entropy(t, labels)
    assert abs(loss.item() - expected) <= 16 * EPS * abs(expected)
    (gradient,) = grad(loss, t)
    np.testing.assert_allclose(gradient.data, (probabilities - np.eye(4)[labels]) / 5, rtol=0, atol=8 * EPS)
    gradcheck(lambda x: softmax_cross_entropy(x, labels), [logits], rng=rng(), order=2)


def test_cross_entropy_neither_overflows_nor_cancels():
    # The label leads by 10, at 1e4: log(1 + e^-10), to a rounding of 1 + e^-10.
    loss = softmax_cross_entropy(Tensor([[1e4, 1e4 - 10]]), [0])
    assert abs(loss.item() - math.log1p(math.exp(-10))) <= 2 * EPS
    assert softmax_cross_entropy(Tensor([[0.0, 1e4]]), [0]).item() == 1e4
    single = softmax_cross_entropy(Tensor(np.array([[1e4, -1e4]], np.float32)), [1])
    assert single.dtype == np.float32 and single.item() == 2e4


def by_loops(logits, labels, ignore_label, weight):
    """Return the loss and its gradient, place by place."""
    total, loss, gradient = 0.0, 0.0, np.zeros(logits.shape)
    for n, *place in np.ndindex(labels.shape):
        label = labels[n, *place]
        if label == ignore_label:
            continue
        w = 1.0 if weight is None else weight[label]
        scores = logits[n, :, *place]
        p = np.exp(scores) / math.fsum(np.exp(scores))
        total, loss = total + w, loss - w * math.log(p[label])
        gradient[n, :, *place] = w * (p - (np.arange(len(p)) == label))
    return loss / total, gradient / total


SHAPES = [(6, 4), (2, 3, 5), (2, 4, 3, 5), (1, 2, 1, 1)]
WEIGHTS = [None, [0.5, 2.0, 0.0, 1.0]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ignored", [None, -1, 1, 255])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_cross_entropy_of_pixels_equals_the_loops(shape, ignored, weight):
    logits, labels = normal(*shape), np.random.default_rng(1).integers(0, shape[1], (shape[0], *shape[2:]))
    if weight is not None:
        weight = weight[: shape[1]]
    if ignored is not None:
        labels.flat[-2:] = ignored
        labels.flat[0] = 0
    t = Tensor(logits, requires_grad=True)
    loss = softmax_cross_entropy(t, labels, ignored, weight)
    expected, gradient = by_loops(logits, labels, ignored, weight)
    # Up to 30 losses of size 1 to 5, each of a few roundings.
    assert abs(loss.item() - expected) <= 64 * EPS
    np.testing.assert_allclose(grad(loss, t)[0].data, gradient, rtol=0, atol=16 * EPS)
    gradcheck(lambda x: softmax_cross_entropy(x, labels, ignored, weight), [logits], rng=rng(), order=2)


def test_what_is_ignored_may_be_anything():
    logits = normal(2, 3, 4)
    labels = np.array([[0, 255, 1, 2], [255, 0, 0, 1]], np.uint8)
    expected = softmax_cross_entropy(logits, labels, 255).item()
    logits[0, :, 1], logits[1, :, 0] = np.nan, [1e308, 0, 1]
    t = Tensor(logits, requires_grad=True)
    loss = softmax_cross_entropy(t, labels, ignore_label=255)
    (gradient,) = grad(loss, t, create_graph=True)
    assert loss.item() == expected
    np.testing.assert_array_equal(gradient.data[[0, 1], :, [1, 0]], 0)
    (second,) = grad(gradient, t, normal(2, 3, 4, seed=1))
    assert np.isfinite(second.data).all()


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        ([[7, 7]], {"ignore_label": 7}),
        ([[1, 1]], {"weight": [1, 0, 1]}),
        ([[1, 7]], {"ignore_label": 7, "weight": [1, 0, 1]}),
    ],
)
def test_without_a_label_that_counts_the_loss_is_zero_and_so_is_its_gradient(labels, options):
    t = Tensor(normal(1, 3, 2), requires_grad=True)
    loss = softmax_cross_entropy(t, labels, **options)
    assert loss.item() == 0
    np.testing.assert_array_equal(grad(loss, t)[0].data, np.zeros((1, 3, 2)))


def test_labels_of_zero_pixels_are_refused_as_those_of_no_examples():
    for shape in ((0, 3), (2, 3, 0)):
        with pytest.raises(ValueError, match="with one label at least"):
            softmax_cross_entropy(np.zeros(shape), np.zeros((shape[0], *shape[2:]), int))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "labels: given 0 ... 255, expected classes 0 ... 2"),
        ({"ignore_label": -1}, "labels: given 0 ... 255"),
        ({"ignore_label": 255.0}, "ignore_label: given 255.0, expected an integer or None"),
        ({"ignore_label": True}, "ignore_label: given True"),
        ({"ignore_label": 255, "weight": [1.0, 1.0]}, "weight: given .*, expected 3 finite numbers >= 0"),
        ({"ignore_label": 255, "weight": [1.0, -1.0, 1.0]}, "weight: given .*, expected 3 finite numbers >= 0"),
        ({"ignore_label": 255, "weight": [1.0, np.inf, 1.0]}, "weight: given .*, expected 3 finite numbers >= 0"),
        ({"ignore_label": 255, "weight": [1.0, np.nan, 1.0]}, "weight: given .*, expected 3 finite numbers >= 0"),
    ],
)
def test_what_counts_in_no_way_must_be_said_clearly(options, message):
    labels = np.array([[0, 255], [1, 0]])
    with pytest.raises(ValueError, match=message):
        softmax_cross_entropy(normal(2, 3, 2), labels, **options)


def test_labels_lie_where_the_pixels_do():
    with pytest.raises(
        ValueError, match=r"labels: given shape \(2, 5, 4\) for logits \(2, 3, 4, 5\), expected \(N, ...\)"
    ):
        softmax_cross_entropy(np.zeros((2, 3, 4, 5)), np.zeros((2, 5, 4), int))


def test_mean_squared_error():
    a, b = integers(2, 4), integers(2, 4, seed=1)
    assert mean_squared_error(Tensor(a), b).item() == ((a - b) ** 2).sum() / 8
    gradcheck(mean_squared_error, [a, b], rng=rng(), order=2)
