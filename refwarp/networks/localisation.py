"""Localisation networks: from a feature map to the parameters of its transformation (STN, Sect. 3.1).

They start at the identity, as in STN, Sect. 4.2: the last layer, the regression, has zero weights, and its bias is
the identity's parameters. So theta is exactly the identity (rounded to the dtype) at first, whatever the transformation
is and whatever the layers before it say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.layers import AveragePool2d, Dense, Module, Sequential
from refwarp.arguments import check_count
from refwarp.networks.stacks import Convolution, Shape, check_maps, convolutional_layers, dense_layers
from refwarp.networks.transformations import AFFINE, Transformation


def regression(
    in_features: int,
    transformation: Transformation = AFFINE,
    *,
    rng: np.random.Generator,
    dtype: Any = np.float32,
) -> Dense:
    """Return the last layer of a localisation network, which says the identity at first.

    Parameters
    ----------
    in_features : int
        How many features it reads.
    transformation : Transformation
        What its output means.
    rng : numpy.random.Generator
        Given to the layer, whose weights are replaced by zeros.
    dtype : dtype
        Of the parameters.

    Returns
    -------
    Dense
        (N, in_features) -> theta (N, count).
    """
    layer = Dense(in_features, transformation.count, rng=rng, dtype=dtype)
    layer.weight = Tensor(np.zeros((transformation.count, in_features), dtype), requires_grad=True)
    layer.bias = Tensor(transformation.identity.astype(dtype), requires_grad=True)
    return layer


class Localisation(Module):
    """A network that reads features from a map, and the regression of a transformation's parameters from these.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of a map.
    hidden : Module
        Maps (N, C, H, W) to features (N, F).
    regression : Module
        Maps the features to theta (N, count); see `regression`.
    """

    def __init__(self, shape: Shape, hidden: Module, regression: Module) -> None:
        self.shape, self.hidden, self.regression = shape, hidden, regression

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to theta (N, count); ValueError if the maps have another shape."""
        check_maps(input, self.shape)
        theta: Tensor = self.regression(self.hidden(input))
        return theta


def convolutional_localisation(
    shape: Shape,
    transformation: Transformation = AFFINE,
    *,
    convolutions: Sequence[Convolution],
    hidden: Sequence[int] = (32,),
    reduction: int = 1,
    rng: np.random.Generator,
    dtype: Any = np.float32,
) -> Localisation:
    """Return a localisation network of convolutions and dense layers, at the identity.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of a map.
    transformation : Transformation
        What is predicted.
    convolutions : sequence of Convolution
        The convolutions, one after the other.
    hidden : sequence of int
        Widths of the dense layers between them and the regression.
    reduction : int
        Side of the squares over which a map is averaged first, since a pose shows at a low resolution too.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.

    Raises
    ------
    ValueError
        If `reduction` is not a positive integer, or the layers leave nothing of a map of this shape.
    """
    check_count("reduction", reduction)
    channels, height, width = shape
    reduced = channels, height // reduction, width // reduction
    layers, left = convolutional_layers(reduced, convolutions, rng=rng, dtype=dtype)
    dense, features = dense_layers(left, hidden, rng=rng, dtype=dtype)
    first = [AveragePool2d(reduction)] if reduction > 1 else []
    last = regression(features, transformation, rng=rng, dtype=dtype)
    return Localisation(shape, Sequential(*first, *layers, *dense), last)


def fully_connected_localisation(
    shape: Shape,
    transformation: Transformation = AFFINE,
    *,
    hidden: Sequence[int] = (32, 32),
    rng: np.random.Generator,
    dtype: Any = np.float32,
) -> Localisation:
    """Return a localisation network of dense layers, at the identity.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of a map.
    transformation : Transformation
        What is predicted.
    hidden : sequence of int
        Widths of the layers before the regression.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.
    """
    dense, features = dense_layers(shape, hidden, rng=rng, dtype=dtype)
    return Localisation(shape, Sequential(*dense), regression(features, transformation, rng=rng, dtype=dtype))
