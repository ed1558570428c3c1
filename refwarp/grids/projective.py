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

where r_s is x_s or y_s. Computed with

    b' = s_x s_y b,  s = W - 1 or W                                                    (projective.8)

whose entries are integers, N, D and a change alike, and their quotients do not. They are sums of three products, good
to the last bit however much cancels near the horizon, and so is the quotient: each coordinate is within 4 u of itself,
everywhere.

Axes: H (N, 3, 3) with rows N_x, N_y and D; grid (N, H, W, 2), x first, in [-1, 1]. All is computed in float64.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import astype, concatenate, reshape
from refwarp.arguments import apply_as_given, check_array, check_option, check_size, public
from refwarp.backend.arithmetic import EMPTY, Sum, add_to, sum_of_products
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.backend.launch import argument, run
from refwarp.backend.reductions import add_rows
from refwarp.conventions import Size, coordinate_scale
from refwarp.grids.rows import stretch_length, stretch_of


class Vector(NamedTuple):
    """Homogeneous coordinates."""

    x: float
    y: float
    w: float


class Point(NamedTuple):
    """A pixel's point of the grid, and its cotangent."""

    x: float
    y: float
    gx: float
    gy: float


class Column(NamedTuple):
    """One column of gh."""

    x: Sum
    y: Sum
    d: Sum


NOTHING = Column(EMPTY, EMPTY, EMPTY)


class Warp(NamedTuple):
    """Homographies h (N, 3, 3) and the grids (N, H, W, 2) that they make."""

    h: Any
    grid: Any
    align_corners: bool


@scalar
def integer_point(i: int, j: int, size: Size, align_corners: bool) -> Vector:
    """Return b', the homogeneous coordinates of a pixel's centre times s_x s_y."""
    height, width = size.height, size.width
    sx = coordinate_scale(width, align_corners) if width > 1 else 1.0
    sy = coordinate_scale(height, align_corners) if height > 1 else 1.0
    return Vector((2.0 * j + 1.0 - width) * sy, (2.0 * i + 1.0 - height) * sx, sx * sy)  # (projective.8)


@scalar
def project(nx: float, ny: float, d: float) -> tuple[float, float]:
    """Return x_s and y_s, also on the horizon."""
    if d != 0.0:
        return nx / d, ny / d  # (projective.1)
    if nx == 0.0 and ny == 0.0:
        return math.nan, math.nan  # (projective.2)
    return nx * math.inf if nx != 0.0 else 0.0, ny * math.inf if ny != 0.0 else 0.0  # (projective.2)


@scalar
def add_point(column: Column, ratio: float, at: Point) -> Column:
    """Add what a pixel adds to one column of gh, for `ratio` = b_k / D; nothing for a cotangent of 0.

    (A coordinate whose cotangent is 0 may be beyond the largest float.)
    """
    x, y, d = column.x, column.y, column.d
    if at.gx != 0.0:
        x = add_to(x, at.gx * ratio)  # (projective.3)
        d = add_to(d, -(at.gx * ratio) * at.x)  # (projective.4)
    if at.gy != 0.0:
        y = add_to(y, at.gy * ratio)  # (projective.3)
        d = add_to(d, -(at.gy * ratio) * at.y)  # (projective.4)
    return Column(x, y, d)


@scalar
def add_point_twice(column: Column, ratio: float, at: Point, a: Vector) -> Column:
    """Add what a pixel adds to one column of gh in the second derivative, for `ratio` = b_k / D and a / D."""
    x, y, d = column.x, column.y, column.d
    if at.gx != 0.0:
        x = add_to(x, -(at.gx * ratio) * a.w)  # (projective.6)
        d = add_to(d, 2.0 * (at.gx * ratio) * at.x * a.w)  # (projective.7)
        d = add_to(d, -(at.gx * ratio) * a.x)  # (projective.7)
    if at.gy != 0.0:
        y = add_to(y, -(at.gy * ratio) * a.w)  # (projective.6)
        d = add_to(d, 2.0 * (at.gy * ratio) * at.y * a.w)  # (projective.7)
        d = add_to(d, -(at.gy * ratio) * a.y)  # (projective.7)
    return Column(x, y, d)


@part
def row_times(h: Any, n: int, r: int, b: Vector) -> float:
    """Return the r-th row of the n-th matrix times b."""
    return sum_of_products(h[n, r, 0], b.x, h[n, r, 1], b.y, h[n, r, 2], b.w)


@part
def write_column(sums: Any, n: int, i: int, k: int, column: Column) -> None:
    """Write the three sums of a row of pixels for the k-th column of gh."""
    sums[n, i, k, 0], sums[n, i, k, 1] = column.x.total, column.x.lost
    sums[n, i, 3 + k, 0], sums[n, i, 3 + k, 1] = column.y.total, column.y.lost
    sums[n, i, 6 + k, 0], sums[n, i, 6 + k, 1] = column.d.total, column.d.lost


@kernel
def _forward(start: int, stop: int, h: Any, align_corners: bool, length: int, grid: Any) -> None:
    """Compute the grid for stretches of `length` points."""
    _, height, width, _ = grid.shape
    size = Size(height, width)
    for item in items(start, stop):
        n, i, first, last = stretch_of(item, height, width, length)
        for j in range(first, last):
            b = integer_point(i, j, size, align_corners)
            x, y = project(row_times(h, n, 0, b), row_times(h, n, 1, b), row_times(h, n, 2, b))  # (projective.1)
            grid[n, i, j, 0], grid[n, i, j, 1] = x, y


@kernel
def _backward(start: int, stop: int, ggrid: Any, warp: Warp, sums: Any) -> None:
    """Compute (projective.3) and (projective.4) for rows of all images: sums (N, H, 9, 2), with what they left out."""
    h, grid, align_corners = warp.h, warp.grid, warp.align_corners
    _, height, width, _ = ggrid.shape
    size = Size(height, width)
    for row in items(start, stop):
        n, i = row // height, row % height
        column0, column1, column2 = NOTHING, NOTHING, NOTHING
        for j in range(width):
            b = integer_point(i, j, size, align_corners)
            d = row_times(h, n, 2, b)
            if d == 0.0:
                continue
            at = Point(grid[n, i, j, 0], grid[n, i, j, 1], ggrid[n, i, j, 0], ggrid[n, i, j, 1])
            column0 = add_point(column0, b.x / d, at)
            column1 = add_point(column1, b.y / d, at)
            column2 = add_point(column2, b.w / d, at)
        write_column(sums, n, i, 0, column0)
        write_column(sums, n, i, 1, column1)
        write_column(sums, n, i, 2, column2)


@kernel
def _second(start: int, stop: int, a: Any, ggrid: Any, warp: Warp, gggrid: Any, sums: Any) -> None:
    """Compute (projective.5), and (projective.6) and (projective.7) as `_backward` does, for rows of all images."""
    h, grid, align_corners = warp.h, warp.grid, warp.align_corners
    _, height, width, _ = ggrid.shape
    size = Size(height, width)
    for row in items(start, stop):
        n, i = row // height, row % height
        column0, column1, column2 = NOTHING, NOTHING, NOTHING
        for j in range(width):
            b = integer_point(i, j, size, align_corners)
            d = row_times(h, n, 2, b)
            gggrid[n, i, j, 0], gggrid[n, i, j, 1] = 0.0, 0.0
            if d == 0.0:
                continue
            by = Vector(row_times(a, n, 0, b) / d, row_times(a, n, 1, b) / d, row_times(a, n, 2, b) / d)
            at = Point(grid[n, i, j, 0], grid[n, i, j, 1], ggrid[n, i, j, 0], ggrid[n, i, j, 1])
            gggrid[n, i, j, 0], gggrid[n, i, j, 1] = by.x - at.x * by.w, by.y - at.y * by.w  # (projective.5)
            column0 = add_point_twice(column0, b.x / d, at, by)
            column1 = add_point_twice(column1, b.y / d, at, by)
            column2 = add_point_twice(column2, b.w / d, at, by)
        write_column(sums, n, i, 0, column0)
        write_column(sums, n, i, 1, column1)
        write_column(sums, n, i, 2, column2)


class ProjectiveGrid(Function):
    """H (N, 3, 3) -> grid (N, H, W, 2)."""

    @staticmethod
    def forward(ctx: Context, h: Any, *, height: int, width: int, align_corners: bool) -> Any:
        """Compute (projective.1)."""
        grid = array_module(h).empty((h.shape[0], height, width, 2))
        length = stretch_length(width, h)
        run(_forward, grid.size // (2 * length), grid.size, argument(h), align_corners, length, grid)
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
        xp, (batch, height, _, _) = array_module(ggrid), ggrid.shape
        sums = xp.empty((batch, height, 9, 2))
        warp = Warp(argument(h), argument(grid), align_corners)
        run(_backward, batch * height, ggrid.size, argument(ggrid), warp, sums)
        return add_rows(sums).reshape(h.shape)

    @staticmethod
    def backward(ctx: Context, a: Tensor) -> tuple[Tensor, ...]:
        """Compute (projective.5) to (projective.7)."""
        return ProjectiveGridSecondGradient.call(a, *ctx.inputs, **ctx.parameters)


class ProjectiveGridSecondGradient(Function):
    """(A, ggrid, H) -> (gggrid, gh). It has no derivative here."""

    @staticmethod
    def forward(ctx: Context, a: Any, ggrid: Any, h: Any, *, grid: Any, align_corners: bool) -> Any:
        """Compute (projective.5) to (projective.7)."""
        xp, (batch, height, _, _) = array_module(ggrid), ggrid.shape
        gggrid, sums = xp.empty(ggrid.shape), xp.empty((batch, height, 9, 2))
        warp = Warp(argument(h), argument(grid), align_corners)
        run(_second, batch * height, ggrid.size, argument(a), argument(ggrid), warp, gggrid, sums)
        return gggrid, add_rows(sums).reshape(h.shape)


def _homography(theta: Tensor) -> Tensor:
    ones = Tensor(array_module(theta.data).ones((theta.shape[0], 1), theta.dtype))
    return reshape(concatenate([theta, ones], axis=1), (-1, 3, 3))


@public
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


@public
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
