"""Samplers of a spatial transformer: which functions can be one, and linearized sampling with its noise.

A sampler is called as ``sampler(input, grid, align_corners=...)``. `refwarp.grid_sample` is one as it is; with other
options, or another function, `functools.partial` makes it:

    partial(grid_sample, mode="bicubic", padding_mode="border")
    partial(separable_sample, kernel=keys(-0.5))
    partial(multiscale_sample, deviations=(0.0, 2.0))

`LinearizedSampler` is a module, since it draws noise in training and, unless asked to, none in evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from autograd_core import Tensor
from autograd_core.layers import Module
from refwarp.arguments import check_option
from refwarp.samplers.grid_sample import grid_sample
from refwarp.samplers.linearized.auxiliary import auxiliary_grid
from refwarp.samplers.linearized.function import linearized_sample


class Sampler(Protocol):
    """What a spatial transformer asks of a sampler."""

    def __call__(self, input: Any, grid: Any, *, align_corners: bool) -> Any:
        """Sample maps (N, C, H, W) at a grid (N, H', W', 2) of their dtype: (N, C, H', W')."""
        ...


class LinearizedSampler(Module):
    """Linearized multi-sampling (LMS): the gradient with respect to the grid is the slope of a plane around each point.

    In training the auxiliary samples are drawn afresh in each call. In evaluation nothing is drawn, and the value is
    the bilinear sample, as LMS, Sect. 7, proposes for inference; with the intercept "bias-free", the default here, that
    is the value in training too. The paper's tables have the linearized value in evaluation: `evaluation="linearized"`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the noise; its state is part of a training run's, as that of dropout is.
    noise : mapping
        Options of `auxiliary_grid`: count, deviation, collapse_deviation, displaced_in.
    intercept : {"bias-free", True, False}
        As `linearized_sample` takes it; True is the paper's.
    input_gradient : {"center", "fit", "none"}
        As `linearized_sample` takes it; "none" is the paper's, with which layers before the transformer get no gradient
        through the pixels.
    evaluation : {"bilinear", "linearized"}
        What evaluation computes: the bilinear sample, or the same as training, with fresh noise.
    **options : Any
        Other options of `linearized_sample`: mask, tikhonov, padding_mode.

    Raises
    ------
    ValueError
        If `evaluation` is neither.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        noise: Mapping[str, Any] | None = None,
        intercept: bool | str = "bias-free",
        input_gradient: str = "center",
        evaluation: str = "bilinear",
        **options: Any,
    ) -> None:
        check_option("evaluation", evaluation, ("bilinear", "linearized"))
        self.evaluates = evaluation
        self.rng, self.noise = rng, dict(noise or {})
        self.options = {"intercept": intercept, "input_gradient": input_gradient, **options}

    def forward(self, input: Tensor, grid: Tensor, *, align_corners: bool = False) -> Tensor:
        """Sample maps (N, C, H, W) at a grid (N, H', W', 2): (N, C, H', W')."""
        if self.training or self.evaluates == "linearized":
            size = input.shape[2:]
            around = auxiliary_grid(grid, size, self.rng, align_corners=align_corners, **self.noise)
            samples: Tensor = linearized_sample(input, grid, around, align_corners=align_corners, **self.options)
        else:
            padding = self.options.get("padding_mode", "zeros")
            samples = grid_sample(input, grid, padding_mode=padding, align_corners=align_corners)
        return samples
