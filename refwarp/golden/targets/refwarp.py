"""refwarp's own kernels as a target."""

from __future__ import annotations

from typing import Any

import refwarp
from autograd_core import Tensor, grad
from refwarp.golden.operations import KINKS as KINKS


def affine_grid(theta: Any, *, size: Any, align_corners: Any) -> Any:
    """Return the grid of theta."""
    return refwarp.affine_grid(theta, size, align_corners)


def affine_grid_vjp(ggrid: Any, theta: Any, *, size: Any, align_corners: Any) -> Any:
    """Return the gradient with respect to theta."""
    parameters = Tensor(theta, requires_grad=True)
    return grad(refwarp.affine_grid(parameters, size, align_corners), parameters, ggrid)[0].data


def grid_sample(input: Any, grid: Any, **options: Any) -> Any:
    """Return the samples."""
    return refwarp.grid_sample(input, grid, **options)


def grid_sample_vjp(gout: Any, input: Any, grid: Any, **options: Any) -> Any:
    """Return the gradients with respect to input and grid."""
    input, grid = (Tensor(array, requires_grad=True) for array in (input, grid))
    return tuple(g.data for g in grad(refwarp.grid_sample(input, grid, **options), (input, grid), gout))


def grid_sample_second_vjp(
    cotangent_input: Any, cotangent_grid: Any, gout: Any, input: Any, grid: Any, **options: Any
) -> Any:
    """Return the gradients of the gradients with respect to gout, input and grid."""
    gout, input, grid = (Tensor(array, requires_grad=True) for array in (gout, input, grid))
    gradients = grad(refwarp.grid_sample(input, grid, **options), (input, grid), gout, create_graph=True)
    return tuple(g.data for g in grad(gradients, (gout, input, grid), (cotangent_input, cotangent_grid)))
