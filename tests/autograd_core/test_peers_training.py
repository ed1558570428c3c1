"""Training beside PyTorch, at float64: twenty steps with each layer, optimizer and schedule, then the evaluation."""

import numpy as np
import pytest

from autograd_core import Tensor, layers
from autograd_core.optimizers import SGD, Adam, clip_gradient_norm
from autograd_core.schedules import CosineSchedule, MilestoneSchedule, ReduceOnPlateau, StepSchedule, WarmUpSchedule

pytestmark = pytest.mark.peers

STEPS = 20
# What is promised, 4,500 eps: each step sums up to 2,000 terms, and the next ones carry on and amplify the roundings.
AGREEMENT = 1e-12


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)  # the maps are small
    yield module
    module.set_num_threads(threads)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def masked_dropout(torch, p, seed):
    """Return PyTorch's dropout with the masks that a Generator of this seed draws here."""

    class Masked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rng = np.random.default_rng(seed)

        def forward(self, x):
            if not self.training:
                return x
            return x * torch.tensor(self.rng.random(tuple(x.shape)) >= p) / (1 - p)

    return Masked()


def interpolation(torch, **options):
    class Interpolation(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.interpolate(x, **options)

    return Interpolation()


# name: (our layer, theirs, which takes the module torch); both map (N, 4, 6, 6) to maps.
LAYERS = {
    "transposed convolution": (
        lambda draw: layers.ConvTranspose2d(4, 3, 4, 2, 1, **draw),
        lambda torch: torch.nn.ConvTranspose2d(4, 3, 4, 2, 1),
    ),
    "transposed convolution with a padded output": (
        lambda draw: layers.ConvTranspose2d(4, 3, (3, 2), (2, 3), (1, 0), (1, 2), **draw),
        lambda torch: torch.nn.ConvTranspose2d(4, 3, (3, 2), (2, 3), (1, 0), (1, 2)),
    ),
    "convolution that keeps the size": (
        lambda draw: layers.Conv2d(4, 3, (3, 2), padding="same", **draw),
        # PyTorch's own "same" warns that it copies maps for an even kernel.
        lambda torch: torch.nn.Sequential(torch.nn.ZeroPad2d((0, 1, 1, 1)), torch.nn.Conv2d(4, 3, (3, 2))),
    ),
    "convolution with a stride in a frame": (
        lambda draw: layers.Conv2d(4, 3, 3, (2, 3), (1, 2), **draw),
        lambda torch: torch.nn.Conv2d(4, 3, 3, (2, 3), (1, 2)),
    ),
    "bilinear resizing": (
        lambda draw: layers.Resize2d((9, 4)),
        lambda torch: interpolation(torch, size=(9, 4), mode="bilinear"),
    ),
    "bilinear resizing between corners": (
        lambda draw: layers.Resize2d((9, 4), align_corners=True),
        lambda torch: interpolation(torch, size=(9, 4), mode="bilinear", align_corners=True),
    ),
    "nearest resizing": (
        lambda draw: layers.Resize2d((12, 5), "nearest"),
        lambda torch: interpolation(torch, size=(12, 5), mode="nearest"),
    ),
    "leaky rectifier": (lambda draw: layers.LeakyReLU(0.2), lambda torch: torch.nn.LeakyReLU(0.2)),
    "logistic function": (lambda draw: layers.Sigmoid(), lambda torch: torch.nn.Sigmoid()),
    "hyperbolic tangent": (lambda draw: layers.Tanh(), lambda torch: torch.nn.Tanh()),
    "dropout": (
        lambda draw: layers.Dropout(0.3, np.random.default_rng(5)),
        lambda torch: masked_dropout(torch, 0.3, 5),
    ),
}

POOLS = {
    "average": (layers.GlobalAveragePool2d, lambda torch: torch.nn.AdaptiveAvgPool2d(1)),
    "maximum": (layers.GlobalMaxPool2d, lambda torch: torch.nn.AdaptiveMaxPool2d(1)),
}

OPTIMIZERS = {
    "SGD": (
        lambda p: SGD(p, 0.02, 0.9, weight_decay=0.01),
        lambda torch, p: torch.optim.SGD(p, 0.02, 0.9, weight_decay=0.01),
    ),
    "Nesterov": (
        lambda p: SGD(p, 0.02, 0.9, nesterov=True, weight_decay=0.01),
        lambda torch, p: torch.optim.SGD(p, 0.02, 0.9, nesterov=True, weight_decay=0.01),
    ),
    "Adam": (
        lambda p: Adam(p, 0.005, weight_decay=0.01),
        lambda torch, p: torch.optim.AdamW(p, 0.005, weight_decay=0.01),
    ),
}


class Pair:
    """The same network here and there, with its optimizers."""

    def __init__(self, torch, ours, theirs, optimizer):
        self.torch, self.ours, self.theirs = torch, ours, theirs.double()
        for parameter, mine in zip(theirs.parameters(), ours.parameters(), strict=True):
            parameter.data = torch.tensor(mine.data)
        make, make_theirs = OPTIMIZERS[optimizer]
        self.optimizer, self.their_optimizer = make(ours.parameters()), make_theirs(torch, theirs.parameters())

    def step(self, seed, labels, clipped_to=None, **options):
        """Train on one batch, and return both losses."""
        x = normal(8, 1, 6, 6, seed=seed)
        self.optimizer.zero_grad()
        self.their_optimizer.zero_grad()
        loss = layers.softmax_cross_entropy(self.ours(Tensor(x)), labels, **options)
        theirs = {name.replace("label", "index"): value for name, value in options.items()}
        if "weight" in theirs:
            theirs["weight"] = self.torch.tensor(np.array(theirs["weight"]))
        scores = self.theirs(self.torch.tensor(x))
        their_loss = self.torch.nn.functional.cross_entropy(scores, self.torch.tensor(labels), **theirs)
        loss.backward()
        their_loss.backward()
        if clipped_to is not None:
            norm = clip_gradient_norm(self.ours.parameters(), clipped_to)
            their_norm = self.torch.nn.utils.clip_grad_norm_(self.theirs.parameters(), clipped_to)
            assert norm > clipped_to and abs(norm - their_norm.item()) <= AGREEMENT
        self.optimizer.step()
        self.their_optimizer.step()
        assert abs(loss.item() - their_loss.item()) <= AGREEMENT
        return loss.item(), their_loss.item()

    def agree(self):
        """Compare the parameters, the running statistics, and what both networks say when they are evaluated."""
        for parameter, mine in zip(self.theirs.parameters(), self.ours.parameters(), strict=True):
            np.testing.assert_allclose(mine.data, parameter.detach().numpy(), rtol=0, atol=AGREEMENT)
        self.ours.eval()
        self.theirs.eval()
        x = normal(5, 1, 6, 6, seed=100)
        expected = self.theirs(self.torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(self.ours(Tensor(x)).data, expected, rtol=0, atol=AGREEMENT)


def classifiers(torch, layer, pool, optimizer):
    """Return a small network of both with the layer in it. No bias stands before a batch's mean, which cancels it."""
    draw = {"rng": np.random.default_rng(0), "dtype": np.float64}
    make, make_theirs = LAYERS[layer]
    made, made_theirs = make(draw), make_theirs(torch)
    channels = 3 if "convolution" in layer else 4
    pooling, their_pooling = POOLS[pool]
    nn = torch.nn
    ours = layers.Sequential(
        layers.Conv2d(1, 4, 3, padding=1, **draw),
        layers.ReLU(),
        layers.BatchNorm(4, dtype=np.float64),
        made,
        pooling(),
        layers.Dense(channels, 3, **draw),
    )
    theirs = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(4),
        made_theirs,
        their_pooling(torch),
        nn.Flatten(),
        nn.Linear(channels, 3),
    )
    return Pair(torch, ours, theirs, optimizer)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_with_the_layer_trains_alike(torch, layer, pool, optimizer):
    pair = classifiers(torch, layer, pool, optimizer)
    for step in range(STEPS):
        pair.step(step, np.arange(8) % 3)
    pair.agree()


@pytest.mark.parametrize("options", [{}, {"ignore_label": 9}, {"ignore_label": 9, "weight": [0.5, 2.0, 1.25]}])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_that_labels_pixels_trains_alike(torch, options, optimizer):
    draw = {"rng": np.random.default_rng(0), "dtype": np.float64}
    nn = torch.nn
    ours = layers.Sequential(
        layers.Conv2d(1, 4, 3, 2, 1, **draw),
        layers.ReLU(),
        layers.BatchNorm(4, dtype=np.float64),
        layers.ConvTranspose2d(4, 3, 4, 2, 1, **draw),
    )
    theirs = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 3, 4, 2, 1))
    pair = Pair(torch, ours, theirs, optimizer)
    for step in range(STEPS):
        labels = np.random.default_rng(step).integers(0, 3, (8, 6, 6))
        if options:
            labels[:, ::2, 1] = 9
        pair.step(step, labels, **options)
    pair.agree()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_with_clipped_gradients_is_alike(torch, optimizer):
    pair = classifiers(torch, "leaky rectifier", "average", optimizer)
    for step in range(STEPS):
        pair.step(step, np.arange(8) % 3, clipped_to=0.05)
    pair.agree()


# name: (our schedules of an optimizer, theirs of theirs)
SCHEDULES = {
    "step": (
        lambda o: [StepSchedule(o, 4, 0.5)],
        lambda s, o: [s.StepLR(o, 4, 0.5)],
    ),
    "cosine": (
        lambda o: [CosineSchedule(o, 18)],
        # After T steps theirs would rise again, so it is told to stop there.
        lambda s, o: [s.LambdaLR(o, lambda t: (1 + np.cos(np.pi * min(t, 18) / 18)) / 2)],
    ),
    "cosine to a tenth": (
        lambda o: [CosineSchedule(o, STEPS, 0.1)],
        lambda s, o: [s.CosineAnnealingLR(o, STEPS, eta_min=0.1 * o.param_groups[0]["lr"])],
    ),
    "warm-up": (
        lambda o: [WarmUpSchedule(o, 5)],
        lambda s, o: [s.LinearLR(o, 1 / 5, total_iters=4)],
    ),
    "milestones": (
        lambda o: [MilestoneSchedule(o, {6: 0.3, 13: 0.09})],
        lambda s, o: [s.MultiStepLR(o, [6, 13], 0.3)],
    ),
    "milestones of their own shares": (
        lambda o: [MilestoneSchedule(o, {10: 0.3, 15: 0.1, 18: 0.03})],
        lambda s, o: [s.LambdaLR(o, lambda t: [1, 0.3, 0.1, 0.03][(t >= 10) + (t >= 15) + (t >= 18)])],
    ),
    "warm-up, then cosine": (
        lambda o: [WarmUpSchedule(o, 4), CosineSchedule(o, STEPS)],
        lambda s, o: [s.LinearLR(o, 1 / 4, total_iters=3), s.CosineAnnealingLR(o, STEPS)],
    ),
    "warm-up, then milestones": (
        lambda o: [WarmUpSchedule(o, 4), MilestoneSchedule(o, {10: 0.3, 15: 0.09})],
        lambda s, o: [s.LinearLR(o, 1 / 4, total_iters=3), s.MultiStepLR(o, [10, 15], 0.3)],
    ),
    "plateau": (
        lambda o: [ReduceOnPlateau(o, 0.5, patience=1, threshold=0.01, cooldown=1, least=0.0004)],
        lambda s, o: [s.ReduceLROnPlateau(o, factor=0.5, patience=1, threshold=0.01, cooldown=1, min_lr=0.0004, eps=0)],
    ),
    "plateau of what shall rise, by a difference": (
        lambda o: [ReduceOnPlateau(o, 0.5, 0, 0.1, "max", "abs")],
        lambda s, o: [s.ReduceLROnPlateau(o, "max", 0.5, 0, 0.1, "abs", eps=0)],
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_with_the_schedule_is_alike(torch, schedule, optimizer):
    pair = classifiers(torch, "leaky rectifier", "average", optimizer)
    make, make_theirs = SCHEDULES[schedule]
    schedules = make(pair.optimizer), make_theirs(torch.optim.lr_scheduler, pair.their_optimizer)
    rates = set()
    for step in range(STEPS):
        rate, their_rate = pair.optimizer.learning_rate, pair.their_optimizer.param_groups[0]["lr"]
        assert abs(rate - their_rate) <= AGREEMENT * rate
        rates.add(rate)
        losses = pair.step(step, np.arange(8) % 3)
        for own, loss in zip(schedules, losses, strict=True):
            for each in own:
                each.step(loss) if "plateau" in schedule else each.step()
    pair.agree()
    assert len(rates) > 2
