"""Localisation networks: from a feature map to the parameters of its transformation (STN, Sect. 3.1).

They start at the identity, as in STN, Sect. 4.2: the last layer, the regression, has zero weights, and its bias is
the identity's parameters. So theta is exactly the identity at first, whatever the layers before it say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.layers import AveragePool2d, Conv2d, Dense, Flatten, MaxPool2d, Module, ReLU, Sequential
from refwarp.arguments import check_array, check_count

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def affine_regression(in_features: int, *, rng: np.random.Generator, dtype: Any = np.float32) -> Dense:
    """Return the last layer of a localisation network: (N, in_features) -> theta (N, 6), the identity at first."""
    layer = Dense(in_features, 6, rng=rng, dtype=dtype)
    layer.weight = Tensor(np.zeros((6, in_features), dtype), requires_grad=True)
    layer.bias = Tensor(np.array(IDENTITY, dtype), requires_grad=True)
    return layer


def check_maps(input: Tensor, channels: int, size: tuple[int, int]) -> None:
    """Raise ValueError unless `input` is maps of the channels and the size that a network is made for."""
    height, width = size
    check_array("input", input, f"(N, {channels}, {height}, {width})", (None, channels, height, width))


def features_after(size: tuple[int, int], *, kernel_size: int, poolings: tuple[int, ...]) -> tuple[int, int]:
    """Return what convolutions, each followed by a pooling, leave of a map of `size`.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    height, width = size
    for pooling in poolings:
        height, width = ((length - kernel_size + 1) // pooling for length in (height, width))
    if min(height, width) < 1:
        raise ValueError(
            f"size: given {size}, of which {len(poolings)} convolutions of {kernel_size} pixels and poolings of "
            f"{poolings} leave nothing; give a larger map or a smaller kernel_size"
        )
    return height, width


class AffineLocalisation(Module):
    """Two convolutions, one hidden layer, and the regression of six affine parameters.

    The map is first averaged over squares of `reduction` pixels, since a pose shows at a low resolution too.

    Parameters
    ----------
    size : (int, int)
        Height and width of the map.
    channels : int
        Channels of the map.
    features : (int, int)
        Channels after each convolution; the first is followed by 2x2 max-pooling.
    hidden : int
        Width of the hidden layer.
    kernel_size : int
        Side of the convolution kernels.
    reduction : int
        Side of the squares that are averaged.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        channels: int,
        features: tuple[int, int],
        hidden: int,
        kernel_size: int,
        reduction: int,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        self.channels, self.size = channels, size
        check_count("reduction", reduction)
        reduced = size[0] // reduction, size[1] // reduction
        height, width = features_after(reduced, kernel_size=kernel_size, poolings=(2, 1))
        first, second = features
        self.hidden = Sequential(
            AveragePool2d(reduction),
            Conv2d(channels, first, kernel_size, rng=rng, dtype=dtype),
            ReLU(),
            MaxPool2d(2),
            Conv2d(first, second, kernel_size, rng=rng, dtype=dtype),
            ReLU(),
            Flatten(),
            Dense(second * height * width, hidden, rng=rng, dtype=dtype),
            ReLU(),
        )
        self.regression = affine_regression(hidden, rng=rng, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, channels, H, W) to theta (N, 6); ValueError if the maps have another size."""
        check_maps(input, self.channels, self.size)
        theta: Tensor = self.regression(self.hidden(input))
        return theta
