"""Alignment: the transformation of one picture that makes it look like another, by gradient descent on its parameters.

No network is involved, so what comes out shows the sampler's gradient alone (LMS, Sect. 6.4):

    loss(theta) = mean over channels and pixels of (sampler(picture, grid(theta)) - target)^2          (alignment.1)

Pictures of a batch are aligned at the same time, each by its own loss, parameters and steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.functions import mean, square
from autograd_core.functions import sum as total
from autograd_core.optimizers import Adam
from refwarp.arguments import check_array, check_count
from refwarp.networks.samplers import Sampler
from refwarp.networks.transformations import Transformation

Array = np.ndarray[Any, Any]


def alignment_loss(
    theta: Tensor, images: Array, targets: Array, transformation: Transformation, sampler: Sampler
) -> Tensor:
    """Return the loss (alignment.1) of each picture, shape (N,), for parameters (N, count)."""
    batch, channels = images.shape[:2]
    grid = transformation.grid(theta, (batch, channels, *targets.shape[2:]), False)
    samples = sampler(Tensor(images), grid, align_corners=False)
    losses: Tensor = mean(square(samples - targets), axis=(1, 2, 3))  # (alignment.1)
    return losses


def align(
    images: Array,
    targets: Array,
    transformation: Transformation,
    sampler: Sampler,
    *,
    steps: int = 300,
    rate: float = 0.1,
    on_step: Callable[[int], None] | None = None,
) -> Array:
    """Align pictures with targets, from the identity, with Adam and a rate that falls to a tenth of it in equal steps.

    Parameters
    ----------
    images : ndarray, shape (N, C, H, W)
        The pictures; float32 or float64.
    targets : ndarray, shape (N, C, h, w)
        What the transformed pictures should look like, of the same dtype.
    transformation : Transformation
        Which transformations there are.
    sampler : Sampler
        Samples the pictures.
    steps : int
        How many steps are made.
    rate : float
        The learning rate at first.
    on_step : callable, optional
        Is called with the number of steps that are done, after each.

    Returns
    -------
    ndarray, shape (steps + 1, N, count)
        The parameters at the start and after each step. A step whose gradient is not finite for a picture leaves that
        picture's parameters to the momentum of earlier ones.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    check_array("images", images, "(N, C, H, W)", (None, None, None, None))
    check_array("targets", targets, "(N, C, h, w), N and C of images", (*images.shape[:2], None, None))
    check_count("steps", steps, least=0)
    theta = Tensor(np.tile(transformation.identity, (len(images), 1)).astype(images.dtype), requires_grad=True)
    optimizer = Adam([theta], rate)
    path = [theta.data]
    for step in range(steps):
        optimizer.learning_rate = rate * (1 - 0.9 * step / steps)
        optimizer.zero_grad()
        total(alignment_loss(theta, images, targets, transformation, sampler)).backward()
        assert theta.grad is not None
        theta.grad = Tensor(np.where(np.isfinite(theta.grad.data), theta.grad.data, 0))
        optimizer.step()
        path.append(theta.data)
        if on_step is not None:
            on_step(step + 1)
    return np.stack(path)
