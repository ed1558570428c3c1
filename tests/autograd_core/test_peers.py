"""The engine beside PyTorch, at float64: layers, their gradients, and training over several steps."""

import numpy as np
import pytest

from autograd_core import Tensor, grad
from autograd_core.functions import leaky_relu
from autograd_core.layers import (
    AveragePool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    average_pool2d,
    conv2d,
    conv_transpose2d,
    global_average_pool2d,
    global_max_pool2d,
    max_pool2d,
    resize2d,
    softmax_cross_entropy,
)
from autograd_core.optimizers import SGD, Adam
from autograd_core.schedules import StepSchedule

pytestmark = pytest.mark.peers

EPS = np.finfo(np.float64).eps


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def compare(torch, ours, theirs, arrays, terms):
    """Hold a function's values and gradients against PyTorch's; `terms` is the length of its longest sums."""
    mine = [Tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    out, expected = ours(*mine), theirs(*other)
    w = normal(*out.shape, seed=9)
    pairs = [(out, expected)]
    pairs += zip(grad(out, mine, w), torch.autograd.grad(expected, other, torch.tensor(w)), strict=True)
    for got, peer in pairs:
        # Either side rounds each of its terms, of size 1 to 10, in its own order.
        np.testing.assert_allclose(got.data, peer.detach().numpy(), rtol=0, atol=10 * terms * EPS)


@pytest.mark.parametrize("stride", [1, 2, (2, 3)])
@pytest.mark.parametrize("padding", [0, 2, (0, 1)])
def test_conv2d(torch, stride, padding):
    arrays = [normal(3, 4, 9, 10), normal(5, 4, 3, 4, seed=1), normal(5, seed=2)]
    compare(
        torch,
        lambda *t: conv2d(*t, stride, padding),
        lambda *t: torch.nn.functional.conv2d(*t, stride=stride, padding=padding),
        arrays,
        terms=300,
    )


@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 2), ((2, 3), (1, 2))])
def test_pooling(torch, size, stride):
    x = [normal(2, 3, 8, 9)]
    functional = torch.nn.functional
    ties = [np.random.default_rng(0).integers(0, 3, (2, 3, 8, 9)).astype(float)]
    for arrays in (x, ties):
        compare(
            torch, lambda t: max_pool2d(t, size, stride), lambda t: functional.max_pool2d(t, size, stride), arrays, 9
        )
        compare(
            torch,
            lambda t: average_pool2d(t, size, stride),
            lambda t: functional.avg_pool2d(t, size, stride),
            arrays,
            9,
        )


@pytest.mark.parametrize(
    ("stride", "padding", "output_padding"), [(1, 0, 0), (2, 1, 1), ((3, 2), (0, 1), (2, 0)), (4, 2, 3)]
)
@pytest.mark.parametrize("size", [(3, 4), (1, 2), (5, 4)])
def test_conv_transpose2d(torch, stride, padding, output_padding, size):
    arrays = [normal(3, 5, 4, 6), normal(5, 4, *size, seed=1), normal(4, seed=2)]
    compare(
        torch,
        lambda *t: conv_transpose2d(*t, stride, padding, output_padding),
        lambda *t: torch.nn.functional.conv_transpose2d(
            *t, stride=stride, padding=padding, output_padding=output_padding
        ),
        arrays,
        terms=300,
    )


@pytest.mark.parametrize("size", [(4, 6), (8, 12), (3, 2), (11, 13), (1, 1), (2, 64)])
@pytest.mark.parametrize("options", [("nearest",), ("bilinear", False), ("bilinear", True)])
def test_resize2d(torch, size, options):
    mode, *align = options
    compare(
        torch,
        lambda t: resize2d(t, size, *options),
        lambda t: torch.nn.functional.interpolate(t, size, mode=mode, align_corners=align[0] if align else None),
        [normal(2, 3, 4, 6)],
        # PyTorch's places, up to 6, are rounded several times, and as many of them meet in one pixel as it grows.
        terms=64,
    )


def test_pooling_of_whole_maps(torch):
    functional = torch.nn.functional
    ties = np.random.default_rng(0).integers(0, 3, (2, 3, 4, 5)).astype(float)
    for array in (normal(2, 3, 4, 5), ties):
        compare(torch, global_max_pool2d, lambda t: functional.adaptive_max_pool2d(t, 1)[:, :, 0, 0], [array], 1)
        compare(torch, global_average_pool2d, lambda t: functional.adaptive_avg_pool2d(t, 1)[:, :, 0, 0], [array], 20)


def test_leaky_relu(torch):
    arrays = [np.array([-2.0, -0.5, 0.0, 0.5, 2.0])]
    compare(torch, lambda t: leaky_relu(t, 0.3), lambda t: torch.nn.functional.leaky_relu(t, 0.3), arrays, 1)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 2)])
def test_batch_norm_and_its_running_statistics(torch, shape):
    ours = BatchNorm(3, dtype=np.float64)
    theirs = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(3, dtype=torch.float64)
    for seed in range(3):
        compare(torch, ours, theirs, [normal(*shape, seed=seed)], terms=40)
    for name, value in ours.buffers.items():
        np.testing.assert_allclose(value, getattr(theirs, name).numpy(), rtol=32 * EPS)
    ours.eval()
    theirs.eval()
    compare(torch, ours, theirs, [normal(*shape)], terms=4)


def test_cross_entropy(torch):
    labels = np.array([0, 3, 1, 1, 2])
    compare(
        torch,
        lambda t: softmax_cross_entropy(t, labels),
        lambda t: torch.nn.functional.cross_entropy(t, torch.tensor(labels)),
        [5 * normal(5, 4)],
        terms=20,
    )


@pytest.mark.parametrize("ignored", [None, 255, 1])
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0]])
@pytest.mark.parametrize("shape", [(7, 3), (2, 3, 4, 5)])
def test_cross_entropy_of_pixels(torch, ignored, weight, shape):
    labels = np.random.default_rng(1).integers(0, 3, (shape[0], *shape[2:]))
    labels.flat[1::3] = 0 if ignored is None else ignored
    their_weight = None if weight is None else torch.tensor(np.array(weight))
    compare(
        torch,
        lambda t: softmax_cross_entropy(t, labels, ignored, weight),
        lambda t: torch.nn.functional.cross_entropy(
            t, torch.tensor(labels), their_weight, ignore_index=-100 if ignored is None else ignored
        ),
        [5 * normal(*shape)],
        terms=40,
    )


@pytest.mark.parametrize(
    "name", ["sgd", "sgd with momentum", "nesterov", "sgd with decay", "adam", "adam with decoupled decay"]
)
def test_optimizers_over_many_steps(torch, name):
    make = {
        "sgd": (lambda p: SGD(p, 0.1), lambda p: torch.optim.SGD(p, 0.1)),
        "sgd with momentum": (lambda p: SGD(p, 0.1, 0.9), lambda p: torch.optim.SGD(p, 0.1, 0.9)),
        "nesterov": (
            lambda p: SGD(p, 0.1, 0.9, nesterov=True),
            lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True),
        ),
        "sgd with decay": (
            lambda p: SGD(p, 0.1, 0.9, weight_decay=0.01),
            lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01),
        ),
        "adam": (lambda p: Adam(p, 0.05), lambda p: torch.optim.Adam(p, 0.05)),
        "adam with decoupled decay": (
            lambda p: Adam(p, 0.05, weight_decay=0.01),
            lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.01),
        ),
    }
    ours_of, theirs_of = make[name]
    p = Tensor(normal(3, 4), requires_grad=True)
    q = torch.tensor(p.data, requires_grad=True)
    ours, theirs = ours_of([p]), theirs_of([q])
    schedule, their_schedule = StepSchedule(ours, 4, 0.5), torch.optim.lr_scheduler.StepLR(theirs, 4, 0.5)
    for step in range(20):
        gradient = normal(3, 4, seed=step)
        p.grad, q.grad = Tensor(gradient), torch.tensor(gradient)
        ours.step()
        theirs.step()
        schedule.step()
        their_schedule.step()
    # Twenty steps of at most some 1 each, a dozen roundings in each.
    np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=0, atol=20 * 12 * EPS)


def test_a_network_trains_alike(torch):
    generator = np.random.default_rng(0)
    options = {"rng": generator, "dtype": np.float64}
    ours = Sequential(
        Conv2d(1, 4, 3, padding=1, **options),
        BatchNorm(4, dtype=np.float64),
        ReLU(),
        MaxPool2d(2),
        Conv2d(4, 6, 3, stride=2, **options),
        AveragePool2d(2, 1),
        Flatten(),
        Dense(24, 3, **options),
    )
    nn = torch.nn
    theirs = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.AvgPool2d(2, 1),
        nn.Flatten(),
        nn.Linear(24, 3),
    ).double()
    for parameter, (_, mine) in zip(theirs.parameters(), ours.named_parameters(), strict=True):
        parameter.data = torch.tensor(mine.data)
    optimizer, their_optimizer = SGD(ours.parameters(), 0.05, 0.9), torch.optim.SGD(theirs.parameters(), 0.05, 0.9)
    for step in range(5):
        x, labels = normal(8, 1, 16, 16, seed=step), np.arange(8) % 3
        optimizer.zero_grad()
        their_optimizer.zero_grad()
        loss = softmax_cross_entropy(ours(Tensor(x)), labels)
        their_loss = nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
        loss.backward()
        their_loss.backward()
        optimizer.step()
        their_optimizer.step()
        # Sums of up to 2,000 terms, whose differences five steps of training carry on and amplify.
        assert abs(loss.item() - their_loss.item()) <= 2e5 * EPS
    for parameter, (_, mine) in zip(theirs.parameters(), ours.named_parameters(), strict=True):
        np.testing.assert_allclose(mine.data, parameter.detach().numpy(), rtol=0, atol=2e5 * EPS)
