"""Networks side by side on one input (STN, Sect. 3.4 and 4.3), and one network for each of several glimpses."""

from __future__ import annotations

from autograd_core import Tensor
from autograd_core.functions import concatenate, reshape
from autograd_core.layers import Module


class Parallel(Module):
    """Several modules on one input; their outputs joined along the channels, or features.

    Several spatial transformers give (N, k C, H', W'). Transformers that a network of its own follows each, the parts
    of STN, Sect. 4.3, give their features in a row: ``Parallel(Sequential(transformer, network), ...)``. A module that
    is given twice, or a part of two, is one with the same parameters.

    Parameters
    ----------
    *branches : Module
        Map the input to (N, C_b, ...), alike in all axes but the second.

    Raises
    ------
    ValueError
        If there are none.
    """

    def __init__(self, *branches: Module) -> None:
        if not branches:
            raise ValueError("branches: given none, expected at least one module")
        self.branches = list(branches)

    def forward(self, input: Tensor) -> Tensor:
        """Return the outputs of all branches, (N, sum of C_b, ...)."""
        return concatenate([branch(input) for branch in self.branches], axis=1)


class EachGlimpse(Module):
    """One module for each of several glimpses, as `GlimpseTransformer` takes them.

    Parameters
    ----------
    module : Module
        Maps (N, C, H, W) to (N, ...).
    """

    def __init__(self, module: Module) -> None:
        self.module = module

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, T, C, H, W) to (N, T, ...); ValueError if the input has not five axes."""
        if input.ndim != 5:
            raise ValueError(f"input: given shape {input.shape}, expected (N, T, C, H, W)")
        batch, steps, *shape = input.shape
        output: Tensor = self.module(reshape(input, (batch * steps, *shape)))
        return reshape(output, (batch, steps, *output.shape[1:]))
