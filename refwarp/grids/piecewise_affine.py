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

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from refwarp.arithmetic import compensated, two_sum
from refwarp.compilation import argument, kernel, run, scalar
from refwarp.conventions import apply_as_given, check_array, check_option, check_size


@scalar
def mesh_cell(j: int, size: int, cells: int, align_corners: bool) -> tuple[int, int, int]:
    """Return the cell of pixel `j` of an axis, and the numerator and denominator of f in it (piecewise_affine.1)."""
    scale = size - 1 if align_corners and size > 1 else size
    position, whole = (2 * j + 1 - size + scale) * cells, 2 * scale
    cell = min(position // whole, cells - 1)
    return cell, position - cell * whole, whole


@scalar
def barycentric(a: int, whole_x: int, b: int, whole_y: int) -> tuple[float, float, float, float]:
    """Return w00, w01, w10 and w11 for fx = a / whole_x and fy = b / whole_y; one of w01 and w10 is 0."""
    above = a * whole_y - b * whole_x
    if above >= 0:
        return (whole_x - a) / whole_x, above / (whole_x * whole_y), 0.0, b / whole_y  # (piecewise_affine.2)
    return (whole_y - b) / whole_y, 0.0, -above / (whole_x * whole_y), a / whole_x  # (piecewise_affine.3)


@scalar
def weighted(weight: float, value: float) -> float:
    """Return the product, 0 for a vertex across an edge, whatever it is."""
    return weight * value if weight != 0.0 else 0.0


@kernel
def _forward(start: int, stop: int, vertices: Any, align_corners: bool, grid: Any) -> None:
    _, rows, columns, _ = vertices.shape
    _, height, width, _ = grid.shape
    for row in range(start, stop):
        image, i = row // height, row % height
        n, b, whole_y = mesh_cell(i, height, rows - 1, align_corners)
        for j in range(width):
            m, a, whole_x = mesh_cell(j, width, columns - 1, align_corners)
            w00, w01, w10, w11 = barycentric(a, whole_x, b, whole_y)
            for r in range(2):
                ends = weighted(w00, vertices[image, n, m, r]) + weighted(w11, vertices[image, n + 1, m + 1, r])
                corner = weighted(w01, vertices[image, n, m + 1, r]) + weighted(w10, vertices[image, n + 1, m, r])
                grid[image, i, j, r] = ends + corner  # (piecewise_affine.4)


@kernel
def _backward(start: int, stop: int, ggrid: Any, align_corners: bool, gvertices: Any) -> None:
    _, rows, columns, _ = gvertices.shape
    _, height, width, _ = ggrid.shape
    total, lost = np.empty((rows, columns)), np.empty((rows, columns))
    for plane in range(start, stop):
        image, r = plane // 2, plane % 2
        total[:], lost[:] = 0.0, 0.0
        for i in range(height):
            n, b, whole_y = mesh_cell(i, height, rows - 1, align_corners)
            for j in range(width):
                m, a, whole_x = mesh_cell(j, width, columns - 1, align_corners)
                weights = barycentric(a, whole_x, b, whole_y)
                for corner in range(4):
                    p, q = n + corner // 2, m + corner % 2
                    term = weighted(weights[corner], np.float64(ggrid[image, i, j, r]))
                    total[p, q], remainder = two_sum(total[p, q], term)  # (piecewise_affine.5)
                    lost[p, q] += remainder
        for p in range(rows):
            for q in range(columns):
                gvertices[image, p, q, r] = compensated(total[p, q], lost[p, q])


class PiecewiseAffineGrid(Function):
    """vertices (N, rows, columns, 2) -> grid (N, H, W, 2)."""

    @staticmethod
    def forward(ctx: Context, vertices: Any, *, height: int, width: int, align_corners: bool) -> Any:
        """Compute (piecewise_affine.4)."""
        grid = np.empty((vertices.shape[0], height, width, 2), vertices.dtype)
        run(_forward, vertices.shape[0] * height, grid.size, argument(vertices), align_corners, grid)
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
        gvertices = np.empty((ggrid.shape[0], rows, columns, 2), ggrid.dtype)
        run(_backward, 2 * ggrid.shape[0], ggrid.size, argument(ggrid), align_corners, gvertices)
        return gvertices

    @staticmethod
    def backward(ctx: Context, ggvertices: Tensor) -> Tensor:
        """Compute (piecewise_affine.4): the transpose of the transpose."""
        _, height, width, _ = ctx.inputs[0].shape
        align_corners = ctx.parameters["align_corners"]
        return PiecewiseAffineGrid.apply(ggvertices, height=height, width=width, align_corners=align_corners)


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
