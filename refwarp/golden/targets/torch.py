"""PyTorch on the CPU as a target: its functions of the same names, and their gradients by its autograd."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from refwarp.golden.targets import autograd

VERSION = torch.__version__
DTYPES = ("float16", "bfloat16", "float32", "float64")
SELECTS_GRADIENTS = True


def affine_grid(theta: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the grid of theta."""
    return autograd.forward(_affine_grid(**options), (theta,), dtype)


def affine_grid_vjp(ggrid: Any, theta: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the gradient with respect to theta."""
    return autograd.vjp(_affine_grid(**options), ggrid, (theta,), dtype)


def _affine_grid(*, size: Any, **options: Any) -> Callable[..., Any]:
    if 0 in size:
        raise NotImplementedError("an output without pixels")
    return partial(functional.affine_grid, size=size, **options)


def grid_sample(input: Any, grid: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the samples."""
    return autograd.forward(partial(functional.grid_sample, **options), (input, grid), dtype)


def grid_sample_vjp(
    gout: Any, input: Any, grid: Any, *, dtype: str = "", gradients: Any = ("ginput", "ggrid"), **options: Any
) -> Any:
    """Return the gradients with respect to input and grid, as far as they are asked for."""
    asked = [name in gradients for name in ("ginput", "ggrid")]
    return autograd.vjp(partial(functional.grid_sample, **options), gout, (input, grid), dtype, asked)


def grid_sample_second_vjp(
    *arrays: Any, dtype: str = "", gradients: Any = ("ggout", "ginput", "ggrid"), **options: Any
) -> Any:
    """Return the gradients of the gradients with respect to gout, input and grid, as far as they are asked for."""
    cotangents, gout, inputs = arrays[:2], arrays[2], arrays[3:]
    asked = [name in gradients for name in ("ggout", "ginput", "ggrid")]
    return autograd.second_vjp(partial(functional.grid_sample, **options), cotangents, gout, inputs, dtype, asked)
