"""Dropout: N. Srivastava et al., "Dropout", JMLR 15 (2014), with the scale in training ("inverted")."""

from __future__ import annotations

import numpy as np

from autograd_core.arrays import array_module
from autograd_core.functions.conversion import floating
from autograd_core.functions.elementwise import masked
from autograd_core.layers.module import Module
from autograd_core.tensor import Tensor


class Dropout(Module):
    """Set each element to zero with probability p, and divide the others by 1 - p; in evaluation, do nothing.

    Parameters
    ----------
    p : float
        The probability, 0 <= p < 1.
    rng : numpy.random.Generator
        Draws which elements; its state is the caller's to keep.
    """

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"p: given {p}, expected a probability, 0 <= p < 1")
        self.p, self.rng = float(p), rng

    def forward(self, input: Tensor) -> Tensor:
        """Map an input of any shape to the same shape."""
        input = floating(input)
        if not self.training or self.p == 0:
            return input
        kept = array_module(input.data).asarray(self.rng.random(input.shape) >= self.p)
        return masked(input * (1 / (1 - self.p)), kept)
