"""One training step of the ST-CNN against the same network in PyTorch: forward, backward and Adam.

python benchmarks/training_step_torch.py [--quick] [--threads 1] [--out FOLDER]

Both start from the same parameters and see the same pictures, and go on training while they are timed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "training_step_torch", *sys.argv[1:]]))

import numpy as np
import threadpoolctl
import torch
from torch import nn

from autograd_core.layers import AveragePool2d, Conv2d, Dense, Flatten, MaxPool2d, ReLU
from autograd_core.optimizers import Adam
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.networks import Transformed
from refwarp.tour.distorted_digits import st_cnn
from refwarp.training import Run
from refwarp.training.loop import train_step

VERSIONS = {"PyTorch": torch.__version__, "threadpoolctl": threadpoolctl.__version__}
ROWS = ("operation", "shape", "threads")

RATE, LOCALISATION_RATE = 1e-3, 3e-4


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or one thread."""
    for count, batch in product(threads, (32, 64, 256)):
        if quick and count != threads[0]:
            continue
        shape = (batch, 1, 40, 40)
        yield Entry(
            labelled("ST-CNN step", "both", shape, "float32", count),
            peer="PyTorch",
            elements=batch * 40 * 40,
            prepare=partial(prepare, shape),
            # The loss in float32, after a dozen layers of sums of up to 784 terms.
            tolerance=1e-4,
            threads=count,
        )


class Peer(nn.Module):
    """The ST-CNN of refwarp.networks, layer by layer, with its parameters."""

    def __init__(self, model: Transformed) -> None:
        super().__init__()
        localisation = model.transformer.localisation
        self.localisation = nn.Sequential(*map(translated, [*localisation.hidden.layers, localisation.regression]))
        self.classifier = nn.Sequential(*map(translated, model.classifier.layers))
        self.size = model.transformer.size

    def forward(self, input):
        """Map pictures to scores."""
        theta = self.localisation(input).reshape(-1, 2, 3)
        size = [*input.shape[:2], *self.size]
        grid = nn.functional.affine_grid(theta, size, align_corners=False)
        return self.classifier(nn.functional.grid_sample(input, grid, align_corners=False))


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


def prepare(shape) -> Pair:
    """Train both on one batch."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, shape).astype(np.float32)
    labels = rng.integers(0, 10, shape[0])
    model = st_cnn(rng)
    peer = Peer(model)
    localisation = model.transformer.localisation.parameters()
    own = {id(parameter) for parameter in localisation}
    others = [parameter for parameter in model.parameters() if id(parameter) not in own]
    training = Run(model, [Adam(others, RATE), Adam(localisation, LOCALISATION_RATE)], [], rng)
    optimizer = torch.optim.Adam(
        [{"params": peer.classifier.parameters()}, {"params": peer.localisation.parameters(), "lr": LOCALISATION_RATE}],
        lr=RATE,
    )
    inputs, targets = torch.from_numpy(images), torch.from_numpy(labels)

    def run_theirs():
        loss = nn.functional.cross_entropy(peer(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return Pair(lambda: train_step(training, images, labels), run_theirs)
