"""The affine grid: STN Eq. (1), and its gradient.

    x_s = theta_11 x_t + theta_12 y_t + theta_13
    y_s = theta_21 x_t + theta_22 y_t + theta_23                                        (STN 1)

    x_t(j) = (2 j + 1 - W) / s,   s = W - 1 (align_corners) or W                        (affine.1)

The same in both, for any W > 1: measured from the centre of the map the numerator is an exact integer, and x_t
costs one rounding. An axis of one pixel has x_t = 0. The gradient is one sum for each parameter:

    gtheta_rk = sum over i, j of ggrid_ijr (x_t(j), y_t(i), 1)_k                        (affine.2)

The operation is linear, so its second derivative is the operation itself. Axes: theta (N, 2, 3), rows x and y;
grid (N, H, W, 2), x first, in [-1, 1].
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
from refwarp.conventions import coordinate_scale
from refwarp.grids.rows import stretch_length, stretch_of


@scalar
def target_coordinate(j: int, size: int, align_corners: bool) -> float:
    """Return x_t, the normalised coordinate of pixel `j` of an axis of `size` pixels."""
    if size == 1:
        return 0.0
    return (2.0 * j + 1.0 - size) / coordinate_scale(size, align_corners)  # (affine.1)


@kernel
def _forward(start: int, stop: int, theta: Any, align_corners: bool, length: int, grid: Any) -> None:
    """Compute (STN 1) for stretches of `length` points."""
    _, height, width, _ = grid.shape
    for item in items(start, stop):
        b, i, first, last = stretch_of(item, height, width, length)
        y = target_coordinate(i, height, align_corners)
        for j in range(first, last):
            x = target_coordinate(j, width, align_corners)
            for r in range(2):
                a, c, d = np.float64(theta[b, r, 0]), np.float64(theta[b, r, 1]), np.float64(theta[b, r, 2])
                grid[b, i, j, r] = a * x + c * y + d  # (STN 1)


@kernel
def _backward(start: int, stop: int, ggrid: Any, align_corners: bool, sums: Any) -> None:
    """Compute (affine.2) for the rows start to stop of all images: sums (N, H, 6, 2), with what they left out."""
    _, height, width, _ = ggrid.shape
    for row in items(start, stop):
        b, i = row // height, row % height
        y = target_coordinate(i, height, align_corners)
        for r in range(2):
            total_x, lost_x, total_y, lost_y, total, lost = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for j in range(width):
                g = np.float64(ggrid[b, i, j, r])
                total_x, remainder = two_sum(total_x, g * target_coordinate(j, width, align_corners))  # (affine.2)
                lost_x += remainder
                total_y, remainder = two_sum(total_y, g * y)  # (affine.2)
                lost_y += remainder
                total, remainder = two_sum(total, g)  # (affine.2)
                lost += remainder
            sums[b, i, 3 * r, 0], sums[b, i, 3 * r, 1] = total_x, lost_x
            sums[b, i, 3 * r + 1, 0], sums[b, i, 3 * r + 1, 1] = total_y, lost_y
            sums[b, i, 3 * r + 2, 0], sums[b, i, 3 * r + 2, 1] = total, lost


class AffineGrid(Function):
    """theta (N, 2, 3) -> grid (N, H, W, 2)."""

    @staticmethod
    def forward(ctx: Context, theta: Any, *, height: int, width: int, align_corners: bool) -> Any:
        """Compute (STN 1)."""
        grid = array_module(theta).empty((theta.shape[0], height, width, 2), theta.dtype)
        length = stretch_length(width, theta)
        run(_forward, grid.size // (2 * length), grid.size, argument(theta), align_corners, length, grid)
        return grid

    @staticmethod
    def backward(ctx: Context, ggrid: Tensor) -> Tensor:
        """Compute (affine.2)."""
        return AffineGridGradient.apply(ggrid, align_corners=ctx.parameters["align_corners"])


class AffineGridGradient(Function):
    """ggrid (N, H, W, 2) -> gtheta (N, 2, 3)."""

    @staticmethod
    def forward(ctx: Context, ggrid: Any, *, align_corners: bool) -> Any:
        """Compute (affine.2)."""
        xp, (batch, height, _, _) = array_module(ggrid), ggrid.shape
        sums = xp.empty((batch, height, 6, 2))
        run(_backward, batch * height, ggrid.size, argument(ggrid), align_corners, sums)
        return add_rows(sums, ggrid.dtype).reshape(batch, 2, 3)

    @staticmethod
    def backward(ctx: Context, ggtheta: Tensor) -> Tensor:
        """Compute (STN 1): the transpose of the transpose."""
        _, height, width, _ = ctx.inputs[0].shape
        return AffineGrid.apply(ggtheta, height=height, width=width, **ctx.parameters)


@public
def affine_grid(theta: Any, size: Any, align_corners: bool = False) -> Any:
    """Return the sampling grid of an affine transformation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 2, 3)
        For each image the matrix [[theta_11, theta_12, theta_13], [theta_21, theta_22, theta_23]], in normalised
        units; float16, float32 or float64. The identity is [[1, 0, 0], [0, 1, 0]].
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) in the input at which each output pixel samples, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    STN Eq. (1). Every element is within (4 + log2 k) u M of its exact value, k and M the number of its terms and
    the sum of their absolute values; so is the gradient.

    Examples
    --------
    >>> affine_grid(np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2)).tolist()
    [[[[0.0, 0.0], [1.0, 0.0]]]]
    """
    check_array("theta", theta, "(N, 2, 3)", (None, 2, 3))
    check_option("align_corners", align_corners, (False, True))
    batch, _, height, width = check_size(size)
    if theta.shape[0] != batch:
        raise ValueError(f"size: given N = {batch} while theta has {theta.shape[0]} matrices, expected the same")
    return apply_as_given(
        lambda theta: AffineGrid.apply(theta, height=height, width=width, align_corners=align_corners), theta
    )
