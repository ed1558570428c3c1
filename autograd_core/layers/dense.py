"""Dense: a fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import integer
from autograd_core.functions import matrix_transpose
from autograd_core.functions.operands import operands
from autograd_core.layers.initialization import he_normal
from autograd_core.layers.module import Module
from autograd_core.tensor import Tensor, as_tensor


class Dense(Module):
    """out = input weight^T + bias.

    Parameters
    ----------
    in_features, out_features : int
        Lengths of the last axis before and after.
    rng : numpy.random.Generator
        Draws the weights (`he_normal`); the bias starts at zero.
    dtype : dtype
        Of the parameters, and so of the layer.

    Attributes
    ----------
    weight : Tensor, (out_features, in_features)
        The weights.
    bias : Tensor, (out_features,)
        The offsets.
    """

    def __init__(
        self, in_features: int, out_features: int, *, rng: np.random.Generator, dtype: Any = np.float32
    ) -> None:
        in_features = integer("in_features", in_features, least=1)
        out_features = integer("out_features", out_features, least=1)
        self.weight = he_normal(rng, (out_features, in_features), in_features, dtype)
        self.bias = Tensor(np.zeros(out_features, dtype), requires_grad=True)

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features).

        Raises
        ------
        ValueError
            If the last axis has another length.
        TypeError
            If the input has another precision than the layer.
        """
        input = as_tensor(input)
        if not input.ndim or input.shape[-1] != self.weight.shape[1]:
            raise ValueError(f"input: given shape {input.shape}, expected (..., {self.weight.shape[1]})")
        input, weight = operands("Dense", input, self.weight)
        return input @ matrix_transpose(weight) + self.bias
