r"""The piecewise affine grid: a mesh of vertices, moved, and affine in each of its triangles (STN, section 3.2).

Vertex (n, m) of a mesh of rows x columns rests at the output point x = 2 m/(columns - 1) - 1, y = 2 n/(rows - 1) - 1,
and is sent to v_nm. Each cell is split by its diagonal from vertex (n, m) to (n + 1, m + 1):

    v00 ---- v01      x right, y down
     |  \  1  |        triangle 1, above the diagonal:  fx >= fy
     |  2  \  |        triangle 2, below it:            fx <= fy
    v10 ---- v11

Output pixel j of W is at t = (2 j + 1 - W + s) / (2 s) of the mesh's width, s = W - 1 (align_corners) or W: in cell

    m = floor(t (columns - 1)),  fx = t (columns - 1) - m                              (piecewise_affine.1)

(the last one at t = 1; an axis of one pixel has t = 1/2), and y likewise. The barycentric coordinates in a triangle are

    1:  w00 = 1 - fx,  w01 = fx - fy,  w11 = fy                                        (piecewise_affine.2)
    2:  w00 = 1 - fy,  w10 = fy - fx,  w11 = fx                                        (piecewise_affine.3)

    grid_ij = sum of the triangle's vertices, each times its weight                    (piecewise_affine.4)
    gv_nm   = sum over i, j of ggrid_ij times the weight of (n, m) there               (piecewise_affine.5)

On an edge the vertex across has weight 0, so the triangles agree there. fx and fy are quotients of integers, and so
are all weights: each is rounded once, and which triangle a pixel is in is decided exactly. The operation is linear,
so its second derivative is the operation itself. Axes: vertices (N, rows, columns, 2), x first, in [-1, 1].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from refwarp.arguments import apply_as_given, check_array, check_option, check_size, public
from refwarp.backend.arithmetic import EMPTY, Sum, add_to, compensated, two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.backend.launch import argument, run
from refwarp.conventions import pixel_of
from refwarp.grids.rows import stretch_length, stretch_of

# About so many rows of pixels of a cell are one thread's, in the backward pass.
_ROWS = 4


class Weights(NamedTuple):
    """The weights of a pixel at the corners of its cell."""

    w00: float
    w01: float
    w10: float
    w11: float


class Corners(NamedTuple):
    """The sums at the corners of a cell."""

    v00: Sum
    v01: Sum
    v10: Sum
    v11: Sum


NOTHING = Corners(EMPTY, EMPTY, EMPTY, EMPTY)


@scalar
def axis_scale(size: int, align_corners: bool) -> int:
    """Return s of an axis, whole for one pixel with align_corners too: 2 s t is an integer."""
    return size - 1 if align_corners and size > 1 else size


@scalar
def offset(j: int, size: int, cell: int, cells: int, align_corners: bool) -> int:
    """Return 2 s times f, the place of pixel `j` of an axis in a cell."""
    scale = axis_scale(size, align_corners)
    return (2 * j + 1 - size + scale) * cells - 2 * scale * cell  # (piecewise_affine.1)


@scalar
def mesh_cell(j: int, size: int, cells: int, align_corners: bool) -> tuple[int, int, int]:
    """Return the cell of pixel `j` of an axis, and the numerator and denominator of f in it."""
    whole = 2 * axis_scale(size, align_corners)
    cell = min(offset(j, size, 0, cells, align_corners) // whole, cells - 1)  # (piecewise_affine.1)
    return cell, offset(j, size, cell, cells, align_corners), whole


@scalar
def barycentric(a: int, whole_x: int, b: int, whole_y: int) -> Weights:
    """Return the weights for fx = a / whole_x and fy = b / whole_y; one of w01 and w10 is 0."""
    above = a * whole_y - b * whole_x
    if above >= 0:
        return Weights((whole_x - a) / whole_x, above / (whole_x * whole_y), 0.0, b / whole_y)  # (piecewise_affine.2)
    return Weights((whole_y - b) / whole_y, 0.0, -above / (whole_x * whole_y), a / whole_x)  # (piecewise_affine.3)


@scalar
def weighted(weight: float, value: float) -> float:
    """Return the product, 0 for a vertex across an edge, whatever it is."""
    return weight * value if weight != 0.0 else 0.0


@scalar
def first_pixel(cell: int, size: int, cells: int, align_corners: bool) -> int:
    """Return the first pixel of an axis that lies in a cell or beyond; its size for the cell after the last one."""
    if cell == cells:
        return size
    scale = axis_scale(size, align_corners)
    # The least j with (2 j + 1 - size + scale) cells >= 2 scale cell: two quotients, rounded up.
    return max(0, (-(-2 * scale * cell // cells) + size - scale) // 2)


@scalar
def add_pixel(sums: Corners, at: Weights, g: float) -> Corners:
    """Add what a pixel adds to the corners of its cell."""
    return Corners(
        add_to(sums.v00, weighted(at.w00, g)),  # (piecewise_affine.5)
        add_to(sums.v01, weighted(at.w01, g)),  # (piecewise_affine.5)
        add_to(sums.v10, weighted(at.w10, g)),  # (piecewise_affine.5)
        add_to(sums.v11, weighted(at.w11, g)),  # (piecewise_affine.5)
    )


@part
def write_corners(sums: Any, r: int, corners: Corners) -> None:
    """Write the sums of a cell for one coordinate: sums (4, 2, 2)."""
    sums[0, r, 0], sums[0, r, 1] = corners.v00.total, corners.v00.lost
    sums[1, r, 0], sums[1, r, 1] = corners.v01.total, corners.v01.lost
    sums[2, r, 0], sums[2, r, 1] = corners.v10.total, corners.v10.lost
    sums[3, r, 0], sums[3, r, 1] = corners.v11.total, corners.v11.lost


@kernel
def _forward(start: int, stop: int, vertices: Any, align_corners: bool, length: int, grid: Any) -> None:
    """Compute (piecewise_affine.4) for stretches of `length` points."""
    _, rows, columns, _ = vertices.shape
    _, height, width, _ = grid.shape
    for item in items(start, stop):
        image, i, first, last = stretch_of(item, height, width, length)
        n, b, whole_y = mesh_cell(i, height, rows - 1, align_corners)
        m, a, whole_x = mesh_cell(first, width, columns - 1, align_corners)
        upper, lower = vertices[image, n], vertices[image, n + 1]
        for j in range(first, last):
            while a >= whole_x and m < columns - 2:
                m, a = m + 1, a - whole_x  # (piecewise_affine.1)
            at = barycentric(a, whole_x, b, whole_y)
            for r in range(2):
                ends = weighted(at.w00, upper[m, r]) + weighted(at.w11, lower[m + 1, r])  # (piecewise_affine.4)
                corner = weighted(at.w01, upper[m + 1, r]) + weighted(at.w10, lower[m, r])  # (piecewise_affine.4)
                grid[image, i, j, r] = ends + corner  # (piecewise_affine.4)
            a += 2 * (columns - 1)  # (piecewise_affine.1)


@kernel
def _backward(start: int, stop: int, ggrid: Any, align_corners: bool, sums: Any) -> None:
    """Add up the terms of (piecewise_affine.5) in each cell: sums (N, rows - 1, shares, columns - 1, 4, 2, 2).

    There is one for each share of the cell's rows of pixels, each corner and coordinate, with what it left out.
    """
    _, height, width, _ = ggrid.shape
    _, cells_y, shares, cells_x, _, _, _ = sums.shape
    whole_y, whole_x = 2 * axis_scale(height, align_corners), 2 * axis_scale(width, align_corners)
    for item in items(start, stop):
        image, n, share = pixel_of(item, cells_y, shares)
        top = first_pixel(n, height, cells_y, align_corners) + share
        bottom = first_pixel(n + 1, height, cells_y, align_corners)
        left = 0
        for m in range(cells_x):
            right = first_pixel(m + 1, width, cells_x, align_corners)
            sums_x, sums_y = NOTHING, NOTHING
            for i in range(top, bottom, shares):
                b = offset(i, height, n, cells_y, align_corners)
                for j in range(left, right):
                    a = offset(j, width, m, cells_x, align_corners)
                    at = barycentric(a, whole_x, b, whole_y)
                    sums_x = add_pixel(sums_x, at, np.float64(ggrid[image, i, j, 0]))
                    sums_y = add_pixel(sums_y, at, np.float64(ggrid[image, i, j, 1]))
            write_corners(sums[image, n, share, m], 0, sums_x)
            write_corners(sums[image, n, share, m], 1, sums_y)
            left = right


@kernel
def _gather(start: int, stop: int, sums: Any, gvertices: Any) -> None:
    """Add up for each coordinate of each vertex the sums of the cells around it."""
    _, rows, columns, _ = gvertices.shape
    shares = sums.shape[2]
    for item in items(start, stop):
        vertex, r = item // 2, item % 2
        image, p, q = pixel_of(vertex, rows, columns)
        total, lost = 0.0, 0.0
        for n in range(max(p - 1, 0), min(p + 1, rows - 1)):
            for share in range(shares):
                for m in range(max(q - 1, 0), min(q + 1, columns - 1)):
                    corner = 2 * (p - n) + q - m
                    total, remainder = two_sum(total, sums[image, n, share, m, corner, r, 0])  # (piecewise_affine.5)
                    lost += remainder + sums[image, n, share, m, corner, r, 1]  # (piecewise_affine.5)
        gvertices[image, p, q, r] = compensated(total, lost)


class PiecewiseAffineGrid(Function):
    """vertices (N, rows, columns, 2) -> grid (N, H, W, 2)."""

    @staticmethod
    def forward(ctx: Context, vertices: Any, *, height: int, width: int, align_corners: bool) -> Any:
        """Compute (piecewise_affine.4)."""
        grid = array_module(vertices).empty((vertices.shape[0], height, width, 2), vertices.dtype)
        length = stretch_length(width, vertices)
        run(_forward, grid.size // (2 * length), grid.size, argument(vertices), align_corners, length, grid)
        return grid

    @staticmethod
    def backward(ctx: Context, ggrid: Tensor) -> Tensor:
        """Compute (piecewise_affine.5)."""
        _, rows, columns, _ = ctx.inputs[0].shape
        align_corners = ctx.parameters["align_corners"]
        return PiecewiseAffineGridGradient.apply(ggrid, rows=rows, columns=columns, align_corners=align_corners)


class PiecewiseAffineGridGradient(Function):
    """ggrid (N, H, W, 2) -> gvertices (N, rows, columns, 2)."""

    @staticmethod
    def forward(ctx: Context, ggrid: Any, *, rows: int, columns: int, align_corners: bool) -> Any:
        """Compute (piecewise_affine.5)."""
        xp, (batch, height, _, _) = array_module(ggrid), ggrid.shape
        shares = max(height // (_ROWS * (rows - 1)), 1)
        sums = xp.empty((batch, rows - 1, shares, columns - 1, 4, 2, 2))
        gvertices = xp.empty((batch, rows, columns, 2), ggrid.dtype)
        run(_backward, batch * (rows - 1) * shares, ggrid.size, argument(ggrid), align_corners, sums)
        run(_gather, gvertices.size, sums.size, argument(sums), gvertices)
        return gvertices

    @staticmethod
    def backward(ctx: Context, ggvertices: Tensor) -> Tensor:
        """Compute (piecewise_affine.4): the transpose of the transpose."""
        _, height, width, _ = ctx.inputs[0].shape
        align_corners = ctx.parameters["align_corners"]
        return PiecewiseAffineGrid.apply(ggvertices, height=height, width=width, align_corners=align_corners)


@public
def piecewise_affine_grid(vertices: Any, size: Any, align_corners: bool = False) -> Any:
    """Return the sampling grid of a moved mesh, affine in each of its triangles.

    Parameters
    ----------
    vertices : ndarray or Tensor, shape (N, rows, columns, 2)
        For each image the points (x, y) in the input to which the vertices of a regular mesh over the output go, at
        least two rows and two columns; float16, float32 or float64. The mesh reaches from -1 to 1 in x and y, and the
        identity is the mesh itself. Each cell is split from its first vertex (small x, small y) to its last.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of the dtype and kind of `vertices`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    Every element is within (4 + log2 k) u M + k eta of its exact value, k <= 3 the number of its non-zero terms and M
    the sum of their absolute values; so is the gradient. A vertex that is NaN touches its triangles only.

    Examples
    --------
    >>> corners = np.array([[[[-1.0, -1.0], [1.0, -1.0]], [[-1.0, 1.0], [1.0, 3.0]]]])
    >>> piecewise_affine_grid(corners, (1, 1, 2, 2)).tolist()
    [[[[-0.5, 0.0], [0.5, 0.0]], [[-0.5, 1.0], [0.5, 2.0]]]]
    """
    check_array("vertices", vertices, "(N, rows, columns, 2)", (None, None, None, 2))
    check_option("align_corners", align_corners, (False, True))
    batch, _, height, width = check_size(size)
    if min(vertices.shape[1:3]) < 2:
        raise ValueError(f"vertices: given shape {tuple(vertices.shape)}, expected at least two rows and two columns")
    if vertices.shape[0] != batch:
        raise ValueError(f"size: given N = {batch} while vertices has N = {vertices.shape[0]}, expected the same")
    return apply_as_given(
        lambda v: PiecewiseAffineGrid.apply(v, height=height, width=width, align_corners=align_corners), vertices
    )
