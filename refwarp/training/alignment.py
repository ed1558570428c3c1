"""Alignment: the transformation, or the flow, of one picture that makes it look like another, by gradient descent.

No network is involved, so what comes out shows the sampler's gradient alone (LMS, Sect. 6.4):

    loss(theta) = mean over channels and pixels of (sampler(picture, grid(theta)) - target)^2          (alignment.1)

and for a flow w that is free at each pixel (HSTN Eq. 1), with a penalty on it such as that of HSTN Eq. 7:

    loss(w) = mean over channels and pixels of (sampler(picture, flow_grid(w)) - target)^2 + penalty(w)  (alignment.2)

Pictures of a batch are aligned at the same time, each by its own loss, parameters and steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.functions import mean, square
from autograd_core.functions import sum as total
from autograd_core.layers import average_pool2d, resize2d
from autograd_core.optimizers import Adam
from refwarp.arguments import check_array, check_count
from refwarp.grids.flow import flow_grid
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
    start = np.tile(transformation.identity, (len(images), 1)).astype(images.dtype)

    def loss(theta: Tensor) -> Tensor:
        return total(alignment_loss(theta, images, targets, transformation, sampler))

    path = [start]
    for theta in _descend(start, loss, steps, rate):
        path.append(theta)
        if on_step is not None:
            on_step(len(path) - 1)
    return np.stack(path)


def _descend(start: Array, loss: Callable[[Tensor], Tensor], steps: int, rate: float) -> Iterator[Array]:
    """Yield parameters after each step of Adam; where a gradient is not finite, it counts as 0."""
    parameters = Tensor(start, requires_grad=True)
    optimizer = Adam([parameters], rate)
    for step in range(steps):
        optimizer.learning_rate = rate * (1 - 0.9 * step / steps)
        optimizer.zero_grad()
        loss(parameters).backward()
        assert parameters.grad is not None
        parameters.grad = Tensor(np.where(np.isfinite(parameters.grad.data), parameters.grad.data, 0))
        optimizer.step()
        yield parameters.data


def align_flow(
    images: Array,
    targets: Array,
    sampler: Sampler,
    *,
    penalty: Callable[[Tensor], Tensor] | None = None,
    levels: int = 1,
    steps: int = 300,
    rate: float = 0.1,
    on_step: Callable[[int], None] | None = None,
) -> Array:
    """Find the flows that align pictures with targets (alignment.2), from 0, with Adam as in `align`.

    Where a motion is larger than what is seen, the gradient does not lead there. With several levels it is found first
    in pictures that are averaged over squares of 2^(levels - 1) pixels, and on the next level starts from there.

    Parameters
    ----------
    images, targets : ndarray, shape (N, C, H, W)
        The pictures, and what they should look like; float32 or float64, both the same.
    sampler : Sampler
        Samples the pictures.
    penalty : callable, optional
        Of a flow (N, 2, H, W) in pixels of its level, the mean over the pictures: such as
        `refwarp.networks.FlowPenalty`.
    levels : int
        How many there are. H and W are multiples of 2^(levels - 1).
    steps : int
        How many steps are made on each level.
    rate : float
        The learning rate at first, in pixels of each level.
    on_step : callable, optional
        Is called with the number of steps that are done on all levels, after each.

    Returns
    -------
    ndarray, shape (N, 2, H, W)
        The flows, u before v, in pixels, as `refwarp.flow_grid` takes them.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    check_array("images", images, "(N, C, H, W)", (None, None, None, None))
    check_array("targets", targets, f"{images.shape}, that of images", images.shape)
    check_count("levels", levels)
    check_count("steps", steps, least=0)
    largest = 2 ** (levels - 1)
    if any(length % largest or not length for length in images.shape[2:]):
        raise ValueError(
            f"levels: given {levels} for pictures of {images.shape[2]} x {images.shape[3]} pixels, expected both to be "
            f"multiples of {largest}; cut the pictures, or give fewer levels"
        )
    batch, done = len(images), 0
    flow = np.zeros((batch, 2, images.shape[2] // largest, images.shape[3] // largest), images.dtype)
    for level in reversed(range(levels)):
        sources, aims = (average_pool2d(Tensor(maps), 2**level).data for maps in (images, targets))
        if flow.shape[2:] != sources.shape[2:]:
            flow = 2 * resize2d(Tensor(flow), sources.shape[2:]).data  # pixels are half as large here

        def loss(flow: Tensor, sources: Array = sources, aims: Array = aims) -> Tensor:
            samples = sampler(Tensor(sources), flow_grid(flow), align_corners=False)
            data = total(mean(square(samples - aims), axis=(1, 2, 3)))  # (alignment.2)
            return data if penalty is None else data + batch * penalty(flow)

        for found in _descend(flow, loss, steps, rate):
            flow, done = found, done + 1
            if on_step is not None:
                on_step(done)
    return flow
