"""One training step of networks against the same in PyTorch: forward, backward, and the optimizer.

The ST-CNN of the tour takes steps of Adam; the networks of experiments/stn_table1.py take the steps that make up its
cells: a minibatch of 128 digits is distorted and learnt from by SGD with momentum, the localisation's gradient clipped.

python benchmarks/training_step_torch.py [--quick] [--threads 1] [--out FOLDER]

Both start from the same parameters and see the same pictures, and go on training while they are timed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from functools import partial

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "training_step_torch", *sys.argv[1:]]))

import numpy as np
import threadpoolctl
import torch
from torch import nn

from autograd_core.layers import AveragePool2d, Conv2d, Dense, Flatten, MaxPool2d, ReLU
from autograd_core.optimizers import SGD, Adam
from refwarp import thin_plate_spline_basis
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.data import distort, stn_distortions
from refwarp.networks import Affine, Projective, ThinPlateSpline, Transformed, width_for
from refwarp.sweeps import load_experiment
from refwarp.tour.distorted_digits import st_cnn
from refwarp.training import Run
from refwarp.training.loop import train_step

VERSIONS = {"PyTorch": torch.__version__, "threadpoolctl": threadpoolctl.__version__}
ROWS = ("operation", "shape", "threads")

RATE, LOCALISATION_RATE = 1e-3, 3e-4
# The networks of Table 1 that differ in what they compute, and how long they take.
CELLS = (
    ("FCN", "R"),
    ("CNN", "R"),
    ("CNN", "RTS"),
    ("CNN", "TC"),
    ("ST-FCN Aff", "R"),
    ("ST-CNN Aff", "R"),
    ("ST-CNN Proj", "R"),
    ("ST-CNN TPS", "R"),
    ("ST-CNN TPS", "RTS"),
    ("ST-CNN Aff", "TC"),
)


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or one thread."""
    for count in threads[:1] if quick else threads:
        for batch in (32, 64, 256):
            shape = (batch, 1, 40, 40)
            yield entry("ST-CNN step", shape, count, partial(prepare_tour, shape))
        for model, distortion in CELLS:
            side = table1().SIDES[distortion]
            shape = (128, 1, side, side)
            yield entry(f"{model} on {distortion}", shape, count, partial(prepare_cell, model, distortion, shape))


def entry(operation, shape, threads, prepare) -> Entry:
    """Return one entry."""
    return Entry(
        labelled(operation, "both", shape, "float32", threads),
        peer="PyTorch",
        elements=shape[0] * shape[2] * shape[3],
        prepare=prepare,
        # The loss in float32, after a dozen layers of sums of up to 784 terms.
        tolerance=1e-4,
        threads=threads,
    )


def table1():
    """Return the experiment's module."""
    return load_experiment("stn_table1").module


class Peer(nn.Module):
    """A classifier of refwarp.networks, with a transformer before it or not, with its parameters."""

    def __init__(self, model) -> None:
        super().__init__()
        self.localisation = None
        layers = model
        if isinstance(model, Transformed):
            localisation = model.transformer.localisation
            self.localisation = nn.Sequential(*map(translated, [*localisation.hidden.layers, localisation.regression]))
            self.size, layers = model.transformer.size, model.classifier
            self.transformation = model.transformer.transformation
            self.basis = spline_basis(self.transformation, self.size)
        self.classifier = nn.Sequential(*map(translated, layers.layers))

    def forward(self, input):
        """Map pictures to scores."""
        if self.localisation is not None:
            grid = self.grid(self.localisation(input), len(input))
            input = nn.functional.grid_sample(input, grid, align_corners=False)
        return self.classifier(input)

    def grid(self, theta, batch):
        """Return the sampling grid, as an experienced user would make it."""
        height, width = self.size
        match self.transformation:
            case Affine():
                return nn.functional.affine_grid(
                    theta.reshape(-1, 2, 3), [batch, 1, height, width], align_corners=False
                )
            case Projective(bound=bound):
                half = bound / 2
                last = torch.tanh(theta[:, 6:] / half) * half
                matrix = torch.cat([theta[:, :6], last, torch.ones_like(theta[:, :1])], 1).reshape(-1, 3, 3)
                points = self.basis @ matrix.transpose(1, 2)
                return (points[..., :2] / points[..., 2:]).reshape(batch, height, width, 2)
            case ThinPlateSpline():
                return (self.basis @ theta.reshape(batch, -1, 2)).reshape(batch, height, width, 2)
        raise TypeError(f"transformation: given {self.transformation!r}, which has no translation")


def spline_basis(transformation, size):
    """Return the matrix from parameters to grid points that need not be computed again in each step."""
    height, width = size
    y, x = torch.meshgrid(*((2 * torch.arange(n) + 1) / n - 1 for n in (height, width)), indexing="ij")
    if isinstance(transformation, Projective):
        return torch.stack([x, y, torch.ones_like(x)], -1).reshape(-1, 3)
    if isinstance(transformation, ThinPlateSpline):
        basis = thin_plate_spline_basis(transformation.identity.reshape(-1, 2), (1, 1, height, width))
        return torch.tensor(basis.reshape(len(basis), -1).T.astype(np.float32))
    return None


def translated(layer) -> nn.Module:
    """Return PyTorch's layer for one of the engine's, with a copy of its parameters."""
    match layer:
        case Conv2d():
            outs, ins, *size = layer.weight.shape
            return parametrised(nn.Conv2d(ins, outs, size, layer.stride, layer.padding), layer)
        case Dense():
            return parametrised(nn.Linear(*layer.weight.shape[::-1]), layer)
        case AveragePool2d():
            return nn.AvgPool2d(layer.sizes["size"], layer.sizes["stride"])
        case MaxPool2d():
            return nn.MaxPool2d(layer.sizes["size"], layer.sizes["stride"])
        case ReLU():
            return nn.ReLU()
        case Flatten():
            return nn.Flatten()
    raise TypeError(f"layer: given {type(layer).__name__}, which has no translation")


def parametrised(module: nn.Module, layer) -> nn.Module:
    """Give a layer the parameters of another."""
    module.load_state_dict({name: torch.tensor(value) for name, value in layer.state_dict().items()})
    return module


def prepare_tour(shape) -> Pair:
    """Train the tour's ST-CNN on one batch."""
    rng = np.random.default_rng(0)
    model = st_cnn(rng)
    own, others = split(model)
    run = Run(model, [Adam(others, RATE), Adam(own, LOCALISATION_RATE)], [], rng)
    peer = Peer(model)
    groups = [
        {"params": peer.classifier.parameters()},
        {"params": peer.localisation.parameters(), "lr": LOCALISATION_RATE},
    ]
    return pair(run, peer, torch.optim.Adam(groups, lr=RATE), shape)


def prepare_cell(model, distortion, shape) -> Pair:
    """Train a network of Table 1 on one batch."""
    module = table1()
    cell = next(
        cell
        for cell in module.cells(module.SCALES["small"], [0])
        if (cell.model, cell.distortion) == (model, distortion)
    )
    rng = np.random.default_rng(0)
    width = width_for(cell.parameters, lambda width: module.build(cell, width, np.random.default_rng(0)))
    network = module.build(cell, width, rng)
    own, others = split(network)
    optimizers = [SGD(others, RATE, momentum=0.9)]
    peer = Peer(network)
    groups = [{"params": peer.classifier.parameters()}]
    if own:
        optimizers.append(SGD(own, LOCALISATION_RATE, momentum=0.9))
        groups.append({"params": peer.localisation.parameters(), "lr": LOCALISATION_RATE})
    run = Run(network, optimizers, [], rng, largest_norms=[math.inf, cell.largest_norm][: len(optimizers)])
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=0.9)
    distortions = distortions_of(distortion, np.random.default_rng(1).random((shape[0], 1, 28, 28), np.float32))
    return pair(run, peer, optimizer, shape, distortions, cell.largest_norm if own else None)


def distortions_of(name, digits):
    """Return a step's distortion of digits by each side, with the same parameters."""
    distortion = stn_distortions(digits)[name]
    ours, theirs = np.random.default_rng(2), np.random.default_rng(2)
    given = torch.from_numpy(digits)

    def distort_theirs():
        if name == "TC":  # a few lines of NumPy for both
            return torch.from_numpy(distort(digits, distortion, theirs)[0])
        theta = torch.from_numpy(distortion.draw(len(digits), theirs))
        size = [len(digits), 1, distortion.canvas, distortion.canvas]
        grid = nn.functional.affine_grid(theta, size, align_corners=False)
        return nn.functional.grid_sample(given, grid, align_corners=False)

    return lambda: distort(digits, distortion, ours)[0], distort_theirs


def split(model):
    """Return the parameters of the localisation, if there is one, and all others."""
    own = model.transformer.localisation.parameters() if isinstance(model, Transformed) else []
    ids = {id(parameter) for parameter in own}
    return own, [parameter for parameter in model.parameters() if id(parameter) not in ids]


def pair(run, peer, optimizer, shape, distortions=None, largest_norm=None) -> Pair:
    """Return a step of each, on the same pictures, or on the same digits distorted afresh in the same way."""
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, shape).astype(np.float32)
    labels = rng.integers(0, 10, shape[0])
    targets = torch.from_numpy(labels)
    see_ours, see_theirs = distortions or (lambda: images, lambda: torch.from_numpy(images))

    def run_theirs():
        loss = nn.functional.cross_entropy(peer(see_theirs()), targets)
        optimizer.zero_grad()
        loss.backward()
        if largest_norm is not None:
            nn.utils.clip_grad_norm_(peer.localisation.parameters(), largest_norm)
        optimizer.step()
        return loss.item()

    return Pair(lambda: train_step(run, see_ours(), labels), run_theirs)
