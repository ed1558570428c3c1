"""The projective grid: a homography of the plane (STN, section 3.2).

    x_s = N_x / D,  y_s = N_y / D,  [N_x; N_y; D] = H b,  b = (x_t, y_t, 1)            (projective.1)

with H a 3 x 3 matrix, or made of eight parameters and a 1. Both sides of the horizon, where D = 0, are the plane: H and
-H are one homography, so the sign of D means nothing. On it, as if D were a tiny positive number,

    x_s = infinity with the sign of N_x, 0 where N_x = 0;  NaN where N_x = N_y = D = 0  (projective.2)

and y_s likewise: outside of a map with zeros padding, at its border with border padding. A pixel there adds nothing to
any derivative. The gradient, and the gradients of sum A_rk gh_rk for a cotangent A of gh, with a = A b, are

    gh_rk = sum over pixels of g_r b_k / D,  r = 1, 2                                  (projective.3)
    gh_3k = -sum over pixels and r of g_r r_s b_k / D                                  (projective.4)
    gg_r  = (a_r - r_s a_3) / D                                                        (projective.5)
    gh_rk = -sum over pixels of g_r a_3 b_k / D^2,  r = 1, 2                           (projective.6)
    gh_3k = sum over pixels and r of g_r (2 r_s a_3 - a_r) b_k / D^2                   (projective.7)

where r_s is x_s or y_s. Times s_x s_y (s = W - 1 or W) the vector b has integers for entries, b' = s_x s_y b, and N, D
and a change alike, so quotients do not change (projective.8). They are sums of three products, good to the last bit
however much cancels near the horizon, and so is the quotient: each coordinate is within 4 u of itself, everywhere.

Axes: H (N, 3, 3) with rows N_x, N_y and D; grid (N, H, W, 2), x first, in [-1, 1]. All is computed in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from autograd_core.functions import astype, concatenate, reshape
from refwarp.arithmetic import compensated, sum_of_products, two_sum
from refwarp.compilation import argument, kernel, run, scalar
from refwarp.conventions import apply_as_given, check_array, check_option, check_size, coordinate_scale

Vector = tuple[float, float, float]


@scalar
def integer_point(i: int, j: int, height: int, width: int, align_corners: bool) -> Vector:
    """Return b', the homogeneous coordinates of a pixel's centre times s_x s_y (projective.8)."""
    sx = coordinate_scale(width, align_corners) if width > 1 else 1.0
    sy = coordinate_scale(height, align_corners) if height > 1 else 1.0
    return (2.0 * j + 1.0 - width) * sy, (2.0 * i + 1.0 - height) * sx, sx * sy


@scalar
def project(nx: float, ny: float, d: float) -> tuple[float, float]:
    """Return x_s and y_s (projective.1), also on the horizon (projective.2)."""
    if d != 0.0:
        return nx / d, ny / d
    if nx == 0.0 and ny == 0.0:
        return math.nan, math.nan
    return nx * math.inf if nx != 0.0 else 0.0, ny * math.inf if ny != 0.0 else 0.0


@kernel
def _forward(start: int, stop: int, h: Any, align_corners: bool, grid: Any) -> None:
    _, height, width, _ = grid.shape
    for row in range(start, stop):
        n, i = row // height, row % height
        for j in range(width):
            x, y, z = integer_point(i, j, height, width, align_corners)
            nx = sum_of_products(h[n, 0, 0], x, h[n, 0, 1], y, h[n, 0, 2], z)
            ny = sum_of_products(h[n, 1, 0], x, h[n, 1, 1], y, h[n, 1, 2], z)
            d = sum_of_products(h[n, 2, 0], x, h[n, 2, 1], y, h[n, 2, 2], z)
            grid[n, i, j, 0], grid[n, i, j, 1] = project(nx, ny, d)


@kernel
def _backward(start: int, stop: int, ggrid: Any, grid: Any, h: Any, align_corners: bool, gh: Any) -> None:
    _, height, width, _ = ggrid.shape
    for n in range(start, stop):
        total = np.zeros((3, 3, 2))  # for each entry, the sum and what its roundings left out
        for i in range(height):
            for j in range(width):
                b = integer_point(i, j, height, width, align_corners)
                d = sum_of_products(h[n, 2, 0], b[0], h[n, 2, 1], b[1], h[n, 2, 2], b[2])
                if d == 0.0:
                    continue
                for r in range(2):
                    g = ggrid[n, i, j, r]
                    if g == 0.0:  # also where the coordinate is beyond the largest float
                        continue
                    for k in range(3):
                        term = g * (b[k] / d)  # (projective.3)
                        total[r, k, 0], lost = two_sum(total[r, k, 0], term)
                        total[r, k, 1] += lost
                        total[2, k, 0], lost = two_sum(total[2, k, 0], -term * grid[n, i, j, r])  # (projective.4)
                        total[2, k, 1] += lost
        for r in range(3):
            for k in range(3):
                gh[n, r, k] = compensated(total[r, k, 0], total[r, k, 1])


@kernel
def _second(
    start: int, stop: int, a: Any, ggrid: Any, grid: Any, h: Any, align_corners: bool, gggrid: Any, gh: Any
) -> None:
    _, height, width, _ = ggrid.shape
    for n in range(start, stop):
        total = np.zeros((3, 3, 2))
        for i in range(height):
            for j in range(width):
                b = integer_point(i, j, height, width, align_corners)
                d = sum_of_products(h[n, 2, 0], b[0], h[n, 2, 1], b[1], h[n, 2, 2], b[2])
                gggrid[n, i, j, 0], gggrid[n, i, j, 1] = 0.0, 0.0
                if d == 0.0:
                    continue
                a3 = sum_of_products(a[n, 2, 0], b[0], a[n, 2, 1], b[1], a[n, 2, 2], b[2]) / d
                for r in range(2):
                    ar = sum_of_products(a[n, r, 0], b[0], a[n, r, 1], b[1], a[n, r, 2], b[2]) / d
                    s = grid[n, i, j, r]
                    gggrid[n, i, j, r] = ar - s * a3  # (projective.5)
                    g = ggrid[n, i, j, r]
                    if g == 0.0:
                        continue
                    for k in range(3):
                        term = g * (b[k] / d)
                        total[r, k, 0], lost = two_sum(total[r, k, 0], -term * a3)  # (projective.6)
                        total[r, k, 1] += lost
                        total[2, k, 0], lost = two_sum(total[2, k, 0], 2.0 * term * s * a3)  # (projective.7)
                        total[2, k, 1] += lost
                        total[2, k, 0], lost = two_sum(total[2, k, 0], -term * ar)
                        total[2, k, 1] += lost
        for r in range(3):
            for k in range(3):
                gh[n, r, k] = compensated(total[r, k, 0], total[r, k, 1])


class ProjectiveGrid(Function):
    """H (N, 3, 3) -> grid (N, H, W, 2)."""

    @staticmethod
    def forward(ctx: Context, h: Any, *, height: int, width: int, align_corners: bool) -> Any:
        """Compute (projective.1)."""
        grid = np.empty((h.shape[0], height, width, 2))
        run(_forward, h.shape[0] * height, grid.size, argument(h), align_corners, grid)
        ctx.save(grid)
        return grid

    @staticmethod
    def backward(ctx: Context, ggrid: Tensor) -> Tensor:
        """Compute (projective.3) and (projective.4)."""
        align_corners = ctx.parameters["align_corners"]
        return ProjectiveGridGradient.apply(ggrid, ctx.inputs[0], grid=ctx.saved[0], align_corners=align_corners)


class ProjectiveGridGradient(Function):
    """(ggrid, H) -> gh (N, 3, 3); the grid of H is passed on, not differentiated."""

    @staticmethod
    def forward(ctx: Context, ggrid: Any, h: Any, *, grid: Any, align_corners: bool) -> Any:
        """Compute (projective.3) and (projective.4)."""
        gh = np.empty(h.shape)
        run(_backward, h.shape[0], ggrid.size, argument(ggrid), argument(grid), argument(h), align_corners, gh)
        return gh

    @staticmethod
    def backward(ctx: Context, a: Tensor) -> tuple[Tensor, ...]:
        """Compute (projective.5) to (projective.7)."""
        return ProjectiveGridSecondGradient.call(a, *ctx.inputs, **ctx.parameters)


class ProjectiveGridSecondGradient(Function):
    """(A, ggrid, H) -> (gggrid, gh). It has no derivative here."""

    @staticmethod
    def forward(ctx: Context, a: Any, ggrid: Any, h: Any, *, grid: Any, align_corners: bool) -> Any:
        """Compute (projective.5) to (projective.7)."""
        gggrid, gh = np.empty(ggrid.shape), np.empty(h.shape)
        arrays = [argument(array) for array in (a, ggrid, grid, h)]
        run(_second, h.shape[0], ggrid.size, *arrays, align_corners, gggrid, gh)
        return gggrid, gh


def _homography(theta: Tensor) -> Tensor:
    ones = Tensor(np.ones((theta.shape[0], 1), theta.dtype))
    return reshape(concatenate([theta, ones], axis=1), (-1, 3, 3))


def homography_matrix(theta: Any) -> Any:
    """Return the 3 x 3 matrices of homographies with eight parameters.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 8)
        The entries of each matrix row by row, without the last, which is 1; float16, float32 or float64. The identity
        is (1, 0, 0, 0, 1, 0, 0, 0).

    Returns
    -------
    ndarray or Tensor, shape (N, 3, 3)
        The matrices, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If theta has the wrong type, dtype or shape.
    """
    check_array("theta", theta, "(N, 8)", (None, 8))
    return apply_as_given(_homography, theta)


def projective_grid(theta: Any, size: Any, align_corners: bool = False) -> Any:
    """Return the sampling grid of a homography.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 8) or (N, 3, 3)
        For each image the matrix that takes (x, y, 1) of the output to homogeneous coordinates in the input, in
        normalised units; or its first eight entries, row by row, when the last is 1. float16, float32 or float64.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of theta's dtype and kind. On the horizon they are infinite (0 along an axis
        in which the point does not move off), beyond it the formula goes on; points on it add nothing to gradients.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    STN, section 3.2. Each coordinate is within 4 u of itself, however near the horizon; gradients are within
    (8 + log2 k) u M of the exact ones, second derivatives within (12 + log2 k) u M, k and M the number of their
    non-zero terms and the sum of their absolute values. That holds while the entries that are not 0 are between
    2^-900 and 2^900 in size.

    Examples
    --------
    >>> projective_grid(np.array([[1.0, 0, 0, 0, 1, 0, 1, 0]]), (1, 1, 1, 3), align_corners=True).tolist()
    [[[[-inf, 0.0], [0.0, 0.0], [0.5, 0.0]]]]
    """
    eight = getattr(theta, "ndim", 0) == 2
    check_array("theta", theta, "(N, 8) or (N, 3, 3)", (None, 8) if eight else (None, 3, 3))
    check_option("align_corners", align_corners, (False, True))
    batch, _, height, width = check_size(size)
    if theta.shape[0] != batch:
        raise ValueError(f"size: given N = {batch} while theta has {theta.shape[0]} homographies, expected the same")

    def grid(theta: Tensor) -> Tensor:
        h = astype(_homography(theta) if eight else theta, np.float64)
        return ProjectiveGrid.apply(h, height=height, width=width, align_corners=align_corners)

    with np.errstate(over="ignore"):  # near the horizon a point may lie beyond the largest float16 or float32
        return apply_as_given(grid, theta)
