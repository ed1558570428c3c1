"""Classifiers for one picture, fully connected or convolutional, without and with a spatial transformer (STN, Sect. 4).

A classifier maps (N, C, H, W) to scores (N, classes). `Transformed` puts a transformer before it. How wide the layers
are, an experiment says; `width_for` finds the width at which a model has a wanted number of parameters, as nearly as
can be, for "all networks have approximately the same number of parameters" (STN, Sect. 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.functions import concatenate
from autograd_core.layers import AveragePool2d, Dense, Module, Sequential
from refwarp.arguments import check_count
from refwarp.networks.spatial_transformer import SpatialTransformer
from refwarp.networks.stacks import Convolution, Shape, check_maps, convolutional_layers, dense_layers


def convolutional_classifier(
    shape: Shape,
    *,
    convolutions: Sequence[Convolution],
    hidden: Sequence[int] = (),
    classes: int,
    rng: np.random.Generator,
    dtype: Any = np.float32,
) -> Sequential:
    """Return a network of convolutions and dense layers that maps (N, *shape) to scores (N, classes).

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the maps.
    convolutions : sequence of Convolution
        The convolutions, one after the other.
    hidden : sequence of int
        Widths of dense layers between them and the scores.
    classes : int
        How many classes there are.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.

    Raises
    ------
    ValueError
        If the layers leave nothing of a map of this shape.
    """
    layers, left = convolutional_layers(shape, convolutions, rng=rng, dtype=dtype)
    dense, features = dense_layers(left, hidden, rng=rng, dtype=dtype)
    return Sequential(*layers, *dense, Dense(features, classes, rng=rng, dtype=dtype))


def fully_connected_classifier(
    shape: Shape, *, hidden: Sequence[int], classes: int, rng: np.random.Generator, dtype: Any = np.float32
) -> Sequential:
    """Return a network of dense layers that maps (N, *shape) to scores (N, classes).

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the maps.
    hidden : sequence of int
        Widths of the layers before the scores.
    classes : int
        How many classes there are.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.
    """
    return convolutional_classifier(shape, convolutions=(), hidden=hidden, classes=classes, rng=rng, dtype=dtype)


class CNN(Module):
    """A picture, averaged over squares of `reduction` pixels, and classified.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the pictures.
    reduction : int
        Side of the squares that are averaged.
    classifier : Module
        Maps what is left of the pictures to scores.

    Raises
    ------
    ValueError
        If `reduction` is not a positive integer.
    """

    def __init__(self, shape: Shape, reduction: int, classifier: Module) -> None:
        check_count("reduction", reduction)
        self.shape = shape
        self.reduce = AveragePool2d(reduction)
        self.classifier = classifier

    def forward(self, input: Tensor) -> Tensor:
        """Map pictures (N, C, H, W) to scores (N, classes); ValueError if they have another shape."""
        check_maps(input, self.shape)
        scores: Tensor = self.classifier(self.reduce(input))
        return scores


class Transformed(Module):
    """A picture, warped by a spatial transformer, and classified.

    Parameters
    ----------
    transformer : Module
        Maps pictures (N, C, H, W) to warped ones (N, C', H', W'): a `SpatialTransformer`, whose `transform` shows what
        it does to a picture, or several of them.
    classifier : Module
        Maps these to scores.
    """

    def __init__(self, transformer: Module, classifier: Module) -> None:
        self.transformer, self.classifier = transformer, classifier

    def forward(self, input: Tensor) -> Tensor:
        """Map pictures (N, C, H, W) to scores (N, classes)."""
        scores: Tensor = self.classifier(self.transformer(input))
        return scores


class TransformedWithTheta(Module):
    """A picture, warped by a spatial transformer, and classified with theta fed forward (STN, Sect. 3.4).

    What comes out of the transformer is made to features; these and theta, in a row, are classified. Theta says where
    the transformer looked, which its output does not show.

    Parameters
    ----------
    transformer : SpatialTransformer
        Maps pictures (N, C, H, W) to warped ones.
    features : Module
        Maps these to features (N, F).
    classifier : Module
        Maps (N, F + count) to scores (N, classes), count being the number of parameters of the transformation.
    """

    def __init__(self, transformer: SpatialTransformer, features: Module, classifier: Module) -> None:
        self.transformer, self.features, self.classifier = transformer, features, classifier

    def forward(self, input: Tensor) -> Tensor:
        """Map pictures (N, C, H, W) to scores (N, classes)."""
        output, theta, _ = self.transformer.transform(input)
        scores: Tensor = self.classifier(concatenate([self.features(output), theta], axis=1))
        return scores


def count_parameters(model: Module) -> int:
    """Return how many numbers a model learns."""
    return sum(parameter.size for parameter in model.parameters())


def width_for(target: int, build: Callable[[int], Module]) -> int:
    """Return the width at which a model comes closest to a wanted number of parameters.

    Parameters
    ----------
    target : int
        How many parameters the model should have.
    build : callable
        Makes the model of a width, a positive integer; the wider, the more parameters. Only these are counted.

    Returns
    -------
    int
        The width, at least 1; of two that are equally close the smaller.

    Raises
    ------
    ValueError
        If `target` is not a positive integer, or the model does not grow with its width.
    """
    check_count("target", target)
    below, above = 0, 1
    counts = {1: count_parameters(build(1))}
    while counts[above] < target:
        below, above = above, 2 * above
        counts[above] = count_parameters(build(above))
        if counts[above] <= counts[below]:
            raise ValueError(
                f"build: given a function whose model has {counts[below]:,} parameters at width {below} and "
                f"{counts[above]:,} at {above}, expected more of them the wider it is"
            )
    while above - below > 1:
        middle = (below + above) // 2
        counts[middle] = count_parameters(build(middle))
        below, above = (middle, above) if counts[middle] < target else (below, middle)
    return min(counts, key=lambda width: (abs(counts[width] - target), width))


def parameter_table(model: Module) -> str:
    """Return a model's parameters as text: name, shape and count of each, and their total, one to a line."""
    rows = [(name, str(parameter.shape), f"{parameter.size:,}") for name, parameter in model.named_parameters()]
    rows.append((f"{type(model).__name__} in total", "", f"{count_parameters(model):,}"))
    names, shapes, counts = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(f"{name:{names}}  {shape:{shapes}}  {count:>{counts}}" for name, shape, count in rows)
