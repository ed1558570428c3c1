"""Activations and reshaping as layers, for `Sequential`."""

from __future__ import annotations

from autograd_core.functions import flatten, relu, tanh
from autograd_core.layers.module import Module
from autograd_core.tensor import Tensor


class ReLU(Module):
    """max(x, 0); the derivative at 0 is taken as 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Map an input of any shape to the same shape."""
        return relu(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Map an input of any shape to the same shape."""
        return tanh(input)


class Flatten(Module):
    """Join all axes but the first."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, ...) to (N, product of the other lengths)."""
        return flatten(input)
