"""Classifiers for one picture, without and with a spatial transformer in front (STN, Sect. 4.1).

Both end in the same kind of network (`convolutional_classifier`): two convolutions with 2x2 max-pooling after each, and
a dense layer. The CNN reads the picture reduced by averaging, the ST-CNN what its transformer takes from the picture at
full resolution. How many channels the layers have, an experiment says: with more of them the CNN has as many parameters
as the other (`count_parameters`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.layers import AveragePool2d, Conv2d, Dense, Flatten, MaxPool2d, Module, ReLU, Sequential
from refwarp.arguments import check_count
from refwarp.networks.localisation import check_maps, features_after
from refwarp.networks.spatial_transformer import SpatialTransformer


def convolutional_classifier(
    size: tuple[int, int],
    *,
    channels: int,
    features: tuple[int, int],
    kernel_size: int,
    classes: int,
    rng: np.random.Generator,
    dtype: Any = np.float32,
) -> Sequential:
    """Return a network of three weight layers that maps (N, channels, *size) to scores (N, classes).

    Parameters
    ----------
    size : (int, int)
        Height and width of the maps.
    channels : int
        Channels of the maps.
    features : (int, int)
        Channels after each convolution, which 2x2 max-pooling follows.
    kernel_size : int
        Side of the convolution kernels.
    classes : int
        How many classes there are.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.

    Raises
    ------
    ValueError
        If the layers leave nothing of a map of this size.
    """
    height, width = features_after(size, kernel_size=kernel_size, poolings=(2, 2))
    first, second = features
    return Sequential(
        Conv2d(channels, first, kernel_size, rng=rng, dtype=dtype),
        ReLU(),
        MaxPool2d(2),
        Conv2d(first, second, kernel_size, rng=rng, dtype=dtype),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Dense(second * height * width, classes, rng=rng, dtype=dtype),
    )


class CNN(Module):
    """A picture, averaged over squares of `reduction` pixels, and classified.

    Parameters
    ----------
    size : (int, int)
        Height and width of the pictures.
    channels : int
        Channels of the pictures.
    reduction : int
        Side of the squares that are averaged.
    classifier : Module
        Maps what is left of the pictures to scores.

    Raises
    ------
    ValueError
        If `reduction` is not a positive integer.
    """

    def __init__(self, size: tuple[int, int], channels: int, reduction: int, classifier: Module) -> None:
        check_count("reduction", reduction)
        self.size, self.channels = size, channels
        self.reduce = AveragePool2d(reduction)
        self.classifier = classifier

    def forward(self, input: Tensor) -> Tensor:
        """Map pictures (N, channels, H, W) to scores (N, classes); ValueError if they have another size."""
        check_maps(input, self.channels, self.size)
        scores: Tensor = self.classifier(self.reduce(input))
        return scores


class STCNN(Module):
    """A picture, warped by a spatial transformer to a smaller one, and classified.

    Parameters
    ----------
    localisation : Module
        Maps pictures to their transformations, as for `SpatialTransformer`.
    size : (int, int)
        Height and width of what the transformer takes from a picture.
    classifier : Module
        Maps that to scores.

    Attributes
    ----------
    transformer : SpatialTransformer
        Its `transform` shows what it does to a picture.
    """

    def __init__(self, localisation: Module, size: tuple[int, int], classifier: Module) -> None:
        self.transformer = SpatialTransformer(localisation, size)
        self.classifier = classifier

    def forward(self, input: Tensor) -> Tensor:
        """Map pictures (N, channels, H, W) to scores (N, classes)."""
        scores: Tensor = self.classifier(self.transformer(input))
        return scores


def count_parameters(model: Module) -> int:
    """Return how many numbers a model learns."""
    return sum(parameter.size for parameter in model.parameters())


def parameter_table(model: Module) -> str:
    """Return a model's parameters as text: name, shape and count of each, and their total, one to a line."""
    rows = [(name, str(parameter.shape), f"{parameter.size:,}") for name, parameter in model.named_parameters()]
    rows.append((f"{type(model).__name__} in total", "", f"{count_parameters(model):,}"))
    names, shapes, counts = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(f"{name:{names}}  {shape:{shapes}}  {count:>{counts}}" for name, shape, count in rows)
