"""Activations and reshaping as layers, for `Sequential`."""

from __future__ import annotations

from autograd_core.functions import flatten, leaky_relu, relu, sigmoid, tanh
from autograd_core.layers.module import Module
from autograd_core.tensor import Tensor


class ReLU(Module):
    """max(x, 0); the derivative at 0 is taken as 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Map an input of any shape to the same shape."""
        return relu(input)


class LeakyReLU(Module):
    """x where it is positive and negative_slope x elsewhere; the derivative at 0 is taken as negative_slope."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        leaky_relu(0.0, negative_slope)  # which refuses what is none
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Map an input of any shape to the same shape."""
        return leaky_relu(input, self.negative_slope)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Map an input of any shape to the same shape."""
        return sigmoid(input)


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
