"""Stacks of layers that localisation networks and classifiers are made of, and what they make of a map's shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_core import Tensor
from autograd_core.layers import Conv2d, Dense, Dropout, Flatten, MaxPool2d, Module, ReLU
from refwarp.arguments import check_array

# Channels, height and width of one map.
Shape = tuple[int, int, int]


class Convolution(NamedTuple):
    """A convolution with ReLU, and max-pooling after it.

    Attributes
    ----------
    features : int
        Channels of its output.
    kernel_size : int
        Side of its kernels.
    pooling : int
        Side of the squares of which the largest value is kept; 1 for no pooling.
    padding : {"valid", "same"}
        Whether the convolution has results only where its kernels lie in the map, or as many as the map has pixels.
    dropout : float
        The share of results that are dropped at random in training, after the pooling.
    """

    features: int
    kernel_size: int
    pooling: int = 1
    padding: str = "valid"
    dropout: float = 0.0


def check_maps(input: Tensor, shape: Shape) -> None:
    """Raise ValueError unless `input` is maps of the shape that a network is made for."""
    channels, height, width = shape
    check_array("input", input, f"(N, {channels}, {height}, {width})", (None, *shape))


def convolutional_layers(
    shape: Shape, convolutions: Sequence[Convolution], *, rng: np.random.Generator, dtype: Any
) -> tuple[list[Module], Shape]:
    """Return the layers of convolutions, and the shape of what they leave of a map of `shape`.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    layers: list[Module] = []
    channels, height, width = shape
    for place, (features, kernel_size, pooling, padding, dropout) in enumerate(convolutions):
        layers.append(Conv2d(channels, features, kernel_size, padding=padding, rng=rng, dtype=dtype))
        if pooling > 1:
            layers.append(MaxPool2d(pooling))
        layers.append(ReLU())  # of the largest value, which is the largest of those after ReLU, and of fewer values
        if dropout:
            layers.append(Dropout(dropout, rng.spawn(1)[0]))
        channels, lost = features, kernel_size - 1 if padding == "valid" else 0
        height, width = ((length - lost) // pooling for length in (height, width))
        if min(height, width) < 1:
            raise ValueError(
                f"shape: given {shape}, of which the convolutions leave nothing from the one at index {place} on "
                f"({kernel_size} pixels, pooling by {pooling}); give a larger map or smaller kernels"
            )
    return layers, (channels, height, width)


def dense_layers(
    shape: Shape, widths: Sequence[int], *, rng: np.random.Generator, dtype: Any
) -> tuple[list[Module], int]:
    """Return `Flatten` and layers of these widths, each with ReLU, and how many features there are after them."""
    layers: list[Module] = [Flatten()]
    features = math.prod(shape)
    for width in widths:
        layers += [Dense(features, width, rng=rng, dtype=dtype), ReLU()]
        features = width
    return layers, features
