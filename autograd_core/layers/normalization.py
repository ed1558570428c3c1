"""Batch normalisation: S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import fraction, integer, not_negative
from autograd_core.arrays import Array, mean_over, working_dtype
from autograd_core.function import Context, Function
from autograd_core.functions.conversion import astype, widened
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
        mean = mean_over(x, axes, keepdims=True)
        centred = x - mean
        variance = mean_over(centred * centred, axes, keepdims=True)
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
        Added to the variance; not negative.
    momentum : float
        The weight of the newest batch in the running statistics, from 0 to 1.
    dtype : dtype
        Of parameters and buffers, and so of the layer. (A layer in float16 has its buffers in float32, in which
        it also computes.)

    Attributes
    ----------
    weight, bias : Tensor, (num_features,)
        Scale and shift; they start at 1 and 0.
    buffers : dict
        `running_mean` and `running_var`, (num_features,) each; they start at 0 and 1.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1, dtype: Any = np.float32) -> None:
        num_features = integer("num_features", num_features, least=1)
        self.eps, self.momentum = not_negative("eps", eps), fraction("momentum", momentum)
        self.weight = Tensor(np.ones(num_features, dtype), requires_grad=True)
        self.bias = Tensor(np.zeros(num_features, dtype), requires_grad=True)
        kept = working_dtype(self.weight.dtype)
        self.buffers = {"running_mean": np.zeros(num_features, kept), "running_var": np.ones(num_features, kept)}

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C) or (N, C, H, W) to the same shape.

        Raises
        ------
        ValueError
            If the channels do not fit, or in training a channel has fewer than two values. The running statistics are
            as before then, as after any error.
        TypeError
            If the input has another precision than the layer.
        """
        input = as_tensor(input)
        if input.ndim < 2 or input.shape[1] != self.weight.size:
            raise ValueError(f"input: given shape {input.shape}, expected (N, {self.weight.size}, ...)")
        dtype, (maps, weight, bias) = widened(*operands("BatchNorm", input, self.weight, self.bias))
        channels = (-1,) + (1,) * (maps.ndim - 2)  # a shape that puts (C,) along axis 1
        buffers = self.buffers
        if self.training:
            normalized, buffers = self._normalize_by_batch(maps)
        else:
            r = (buffers["running_var"] + self.eps) ** -0.5
            normalized = (maps - buffers["running_mean"].reshape(channels)) * r.reshape(channels)
        out = astype(normalized * weight.reshape(channels) + bias.reshape(channels), dtype)
        self.buffers = buffers  # only now, when nothing can fail any more
        return out

    def _normalize_by_batch(self, maps: Tensor) -> tuple[Tensor, dict[str, Array]]:
        """Return the maps normalised by their own statistics, and the new running ones."""
        m = maps.size // maps.shape[1]
        if m < 2:
            raise ValueError(
                f"input: given shape {maps.shape}, expected two or more values in each channel; "
                "leave a last minibatch of one example out, or call eval() first"
            )
        axes = (0, *range(2, maps.ndim))
        normalized, _, mean, variance = _Normalize.call(maps, axes=axes, epsilon=self.eps)
        batch = {"running_mean": mean.data, "running_var": variance.data * (m / (m - 1))}
        return normalized, {
            name: (1 - self.momentum) * running + self.momentum * batch[name].ravel()
            for name, running in self.buffers.items()
        }
