"""Batch normalisation: S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core.arguments import integer
from autograd_core.arrays import Array, sum_over
from autograd_core.function import Context, Function
from autograd_core.functions.operands import operands
from autograd_core.layers.module import Module
from autograd_core.tensor import Tensor, as_tensor


class _Normalize(Function):
    """x -> y = (x - mean) r, r = (variance + epsilon)^(-1/2), mean and variance of x along `axes`.

    The gradients of y and r are passed on; mean and variance are there to be looked at only.
    """

    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, axes: tuple[int, ...], epsilon: float) -> tuple[Array, ...]:
        m = math.prod(x.shape[k] for k in axes)
        mean = sum_over(x, axes, keepdims=True) / m
        centred = x - mean
        variance = sum_over(centred * centred, axes, keepdims=True) / m
        r = (variance + epsilon) ** -0.5
        return centred * r, r, mean, variance

    @staticmethod
    def backward(ctx: Context, gy: Tensor, gr: Tensor, gmean: Tensor, gvariance: Tensor) -> Tensor:
        # With m elements in each mean, dr/dx = -r^2 y / m, and dy/dx takes g to r (g - mean(g) - y mean(g y)).
        y, r, _, _ = ctx.outputs
        axes = ctx.parameters["axes"]
        along = r * (gy * y).mean(axes, keepdims=True) + r * r * gr * (r.size / y.size)
        return r * (gy - gy.mean(axes, keepdims=True)) - y * along


class BatchNorm(Module):
    """Normalise each channel to mean 0 and variance 1, then scale and shift it.

    In training the statistics are those of the batch, over all axes but the channel's; in evaluation they are
    the running ones, which training updates as

        running = (1 - momentum) running + momentum batch,

    where the batch's variance is the unbiased estimate (divided by m - 1), while normalising divides by m.
    These are PyTorch's definitions and defaults.

    Parameters
    ----------
    num_features : int
        Channels, the length of axis 1.
    eps : float
        Added to the variance.
    momentum : float
        The weight of the newest batch in the running statistics.
    dtype : dtype
        Of parameters and buffers, and so of the layer.

    Attributes
    ----------
    weight, bias : Tensor, (num_features,)
        Scale and shift; they start at 1 and 0.
    buffers : dict
        `running_mean` and `running_var`, (num_features,) each; they start at 0 and 1.
    """

    def __init__(
        self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1, dtype: Any = np.float32
    ) -> None:
        num_features = integer("num_features", num_features, least=1)
        self.eps, self.momentum = float(eps), float(momentum)
        self.weight = Tensor(np.ones(num_features, dtype), requires_grad=True)
        self.bias = Tensor(np.zeros(num_features, dtype), requires_grad=True)
        zeros, ones = np.zeros(num_features, dtype), np.ones(num_features, dtype)
        self.buffers = {"running_mean": zeros, "running_var": ones}

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C) or (N, C, H, W) to the same shape.

        Raises
        ------
        ValueError
            If the channels do not fit, or in training a channel has fewer than two values.
        TypeError
            If the input has another precision than the layer.
        """
        input = as_tensor(input)
        if input.ndim < 2 or input.shape[1] != self.weight.size:
            raise ValueError(f"input: given shape {input.shape}, expected (N, {self.weight.size}, ...)")
        input, weight = operands("BatchNorm", input, self.weight)
        channels = (-1,) + (1,) * (input.ndim - 2)  # a shape that puts (C,) along axis 1
        if self.training:
            normalized = self._normalize_by_batch(input)
        else:
            mean, variance = self.buffers["running_mean"], self.buffers["running_var"]
            r = (variance + self.eps) ** -0.5
            normalized = (input - mean.reshape(channels)) * r.reshape(channels)
        return normalized * weight.reshape(channels) + self.bias.reshape(channels)

    def _normalize_by_batch(self, input: Tensor) -> Tensor:
        axes = (0, *range(2, input.ndim))
        m = input.size // input.shape[1]
        if m < 2:
            raise ValueError(f"input: given shape {input.shape}, expected two or more values in each channel")
        normalized, _, mean, variance = _Normalize.call(input, axes=axes, epsilon=self.eps)
        batch = {"running_mean": mean.data, "running_var": variance.data * (m / (m - 1))}
        self.buffers = {
            name: (1 - self.momentum) * running + self.momentum * batch[name].ravel()
            for name, running in self.buffers.items()
        }
        return normalized
