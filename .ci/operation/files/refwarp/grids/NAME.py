"""The WORDS, and its gradient: each axis is scaled by a parameter of its own.

    x_s = theta_1 x_t(j)
    y_s = theta_2 y_t(i)    (NAME.1)

(x_t, y_t) are the centres of the output pixels (affine.1). The gradient is one sum for each parameter:

    gtheta_1 = sum over i, j of ggrid_ij1 x_t(j)
    gtheta_2 = sum over i, j of ggrid_ij2 y_t(i)    (NAME.2)

The operation is linear, so its second derivative is the operation itself. Axes: theta (N, 2), x before y; grid
(N, H, W, 2), x first, in [-1, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.arguments import apply_as_given, check_array, check_option, check_size, public
from refwarp.backend.arithmetic import two_sum
from refwarp.backend.jit import items, kernel, scalar
from refwarp.backend.launch import argument, run
from refwarp.backend.reductions import add_rows
from refwarp.grids.affine import target_coordinate
from refwarp.grids.rows import stretch_length, stretch_of


@scalar
def _scaled(factor: float, j: int, size: int, align_corners: bool) -> float:
    """Return what pixel `j` of an axis of `size` pixels contributes: its coordinate, times a parameter or cotangent."""
    return factor * target_coordinate(j, size, align_corners)


@kernel
def _forward(start: int, stop: int, theta: Any, align_corners: bool, length: int, grid: Any) -> None:
    """Compute (NAME.1) for stretches of `length` points."""
    _, height, width, _ = grid.shape
    for item in items(start, stop):
        b, i, first, last = stretch_of(item, height, width, length)
        p, q = np.float64(theta[b, 0]), np.float64(theta[b, 1])
        for j in range(first, last):
            grid[b, i, j, 0] = _scaled(p, j, width, align_corners)  # (NAME.1)
            grid[b, i, j, 1] = _scaled(q, i, height, align_corners)  # (NAME.1)


@kernel
def _backward(start: int, stop: int, ggrid: Any, align_corners: bool, sums: Any) -> None:
    """Compute (NAME.2) for rows: sums (N, H, 2, 2), with what they left out."""
    _, height, width, _ = ggrid.shape
    for row in items(start, stop):
        b, i = row // height, row % height
        total_x, lost_x, total_y, lost_y = 0.0, 0.0, 0.0, 0.0
        for j in range(width):
            gx, gy = np.float64(ggrid[b, i, j, 0]), np.float64(ggrid[b, i, j, 1])
            term = _scaled(gx, j, width, align_corners)  # (NAME.2)
            total_x, remainder = two_sum(total_x, term)
            lost_x += remainder
            term = _scaled(gy, i, height, align_corners)  # (NAME.2)
            total_y, remainder = two_sum(total_y, term)
            lost_y += remainder
        sums[b, i, 0, 0], sums[b, i, 0, 1] = total_x, lost_x
        sums[b, i, 1, 0], sums[b, i, 1, 1] = total_y, lost_y


class CLASS(Function):
    """theta (N, 2) -> grid (N, H, W, 2)."""

    @staticmethod
    def forward(ctx: Context, theta: Any, *, height: int, width: int, align_corners: bool) -> Any:
        """Compute (NAME.1)."""
        batch, length = theta.shape[0], stretch_length(width, theta)
        grid = array_module(theta).empty((batch, height, width, 2), theta.dtype)
        stretches = grid.size // (2 * length)
        run(_forward, stretches, grid.size, argument(theta), align_corners, length, grid)
        return grid

    @staticmethod
    def backward(ctx: Context, ggrid: Tensor) -> Tensor:
        """Compute (NAME.2)."""
        return CLASSGradient.apply(ggrid, align_corners=ctx.parameters["align_corners"])


class CLASSGradient(Function):
    """ggrid (N, H, W, 2) -> gtheta (N, 2)."""

    @staticmethod
    def forward(ctx: Context, ggrid: Any, *, align_corners: bool) -> Any:
        """Compute (NAME.2)."""
        batch, height, _, _ = ggrid.shape
        sums = array_module(ggrid).empty((batch, height, 2, 2))
        run(_backward, batch * height, ggrid.size, argument(ggrid), align_corners, sums)
        return add_rows(sums, ggrid.dtype)

    @staticmethod
    def backward(ctx: Context, ggtheta: Tensor) -> Tensor:
        """Compute (NAME.1): the transpose of the transpose."""
        _, height, width, _ = ctx.inputs[0].shape
        return CLASS.apply(ggtheta, height=height, width=width, **ctx.parameters)


@public
def NAME(theta: Any, size: Any, align_corners: bool = False) -> Any:
    """Return the sampling grid that scales each axis by a parameter of its own.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 2)
        For each image the factors of x and y; float16, float32 or float64. The identity is [1, 1].
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        True: -1 and 1 are the centres of the corner pixels; False: they are the outer edges of the map.

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    Every element of the grid and of the gradient is within (4 + log2 k) u M of its exact value, k and M the number of
    its terms and the sum of their absolute values.

    Examples
    --------
    >>> NAME(np.array([[0.5, 1.0]]), (1, 1, 1, 2)).tolist()
    [[[[-0.25, 0.0], [0.25, 0.0]]]]
    """
    check_array("theta", theta, "(N, 2)", (None, 2))
    check_option("align_corners", align_corners, (False, True))
    batch, _, height, width = check_size(size)
    if theta.shape[0] != batch:
        raise ValueError(f"size: given N = {batch} while theta has N = {theta.shape[0]}, expected the same")
    return apply_as_given(
        lambda theta: CLASS.apply(theta, height=height, width=width, align_corners=align_corners), theta
    )
