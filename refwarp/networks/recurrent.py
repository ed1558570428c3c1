"""A localisation with a state, which says step by step where to look (STN, Sect. 5: "powerful in recurrent models").

    c = context(U),  h_0 learnt,  h_t = cell(c, h_(t-1)),  theta_t = regression(h_t)

STN does not say more. This is the form of Sonderby et al., "Recurrent Spatial Transformer Networks" (2015): the state
counts off what has been looked at, and does not see the glimpses themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.functions import broadcast_to, sigmoid, stack, tanh
from autograd_core.layers import Dense, Module
from refwarp.arguments import check_count


class GRUCell(Module):
    """A gated recurrent unit, as PyTorch's `GRUCell` has it.

        r = sigmoid(W_r x + U_r h),  z = sigmoid(W_z x + U_z h)
        n = tanh(W_n x + r (U_n h)),  h' = (1 - z) n + z h

    each product with a bias.

    Parameters
    ----------
    in_features : int
        Length of x.
    features : int
        Length of the state h.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.

    Attributes
    ----------
    of_input, of_state : Dense
        The products with W and with U: the rows for r, then z, then n.
    """

    def __init__(self, in_features: int, features: int, *, rng: np.random.Generator, dtype: Any = np.float32) -> None:
        self.features = features
        self.of_input = Dense(in_features, 3 * features, rng=rng, dtype=dtype)
        self.of_state = Dense(features, 3 * features, rng=rng, dtype=dtype)

    def forward(self, input: Tensor, state: Tensor) -> Tensor:
        """Return the state (N, features) after an input (N, in_features)."""
        x, h, width = self.of_input(input), self.of_state(state), self.features
        gates = sigmoid(x[:, : 2 * width] + h[:, : 2 * width])
        r, z = gates[:, :width], gates[:, width:]
        n = tanh(x[:, 2 * width :] + r * h[:, 2 * width :])
        return n + z * (state - n)


class RecurrentLocalisation(Module):
    """A localisation of several steps, for `GlimpseTransformer`.

    Parameters
    ----------
    context : Module
        Maps (N, C, H, W) to features (N, F).
    cell : GRUCell
        Maps these and the state (N, S) to the next state.
    regression : Dense
        Maps the state to theta (N, count); see `regression`.
    steps : int
        How often the cell is applied.

    Attributes
    ----------
    start : Tensor, shape (S,)
        The first state, zeros before training.

    Raises
    ------
    ValueError
        If `steps` is not a positive integer.
    """

    def __init__(self, context: Module, cell: GRUCell, regression: Dense, steps: int) -> None:
        check_count("steps", steps)
        self.context, self.cell, self.regression, self.steps = context, cell, regression, steps
        self.start = Tensor(np.zeros(cell.features, regression.weight.dtype), requires_grad=True)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to theta (N, steps, count)."""
        context = self.context(input)
        state = broadcast_to(self.start, (input.shape[0], *self.start.shape))
        thetas = []
        for _ in range(self.steps):
            state = self.cell(context, state)
            thetas.append(self.regression(state))
        return stack(thetas, axis=1)
