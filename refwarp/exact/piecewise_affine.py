"""The piecewise affine grid, in exact arithmetic: triangles, and barycentric coordinates in them.

STN, section 3.2, only mentions the transformation. Vertex (n, m) of a regular mesh is at rest at

    c_nm = (2 m / (columns - 1) - 1, 2 n / (rows - 1) - 1)                             (piecewise_affine.1)

and each cell is the two triangles on either side of its diagonal from c_nm to c_(n+1, m+1). A point p in the triangle
c_0 c_1 c_2 is the mean of its corners, weighted by the areas of the opposite triangles,

    w_k = |p, c_(k+1), c_(k+2)| / |c_0, c_1, c_2|,  all of them >= 0                   (piecewise_affine.2)

and is mapped to the same mean of the vertices v to which the corners are mapped. The gradient is the transpose:

    grid_ij = sum over k of w_k v_k                                                    (piecewise_affine.3)
    gv_nm   = sum over i, j of ggrid_ij times the weight of (n, m) there               (piecewise_affine.4)
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation

Point = tuple[Fraction, Fraction]
Vertex = tuple[int, int]
Weights = dict[Vertex, Fraction]


def rest(vertex: Vertex, rows: int, columns: int) -> Point:
    """Return where a vertex rests (piecewise_affine.1)."""
    n, m = vertex
    return Fraction(2 * m, columns - 1) - 1, Fraction(2 * n, rows - 1) - 1  # (piecewise_affine.1)


def area(a: Point, b: Point, c: Point) -> Fraction:
    """Return twice the signed area of a triangle."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])


def triangles(rows: int, columns: int) -> Iterator[tuple[Vertex, Vertex, Vertex]]:
    """List the triangles of a mesh."""
    for n in range(rows - 1):
        for m in range(columns - 1):
            first, last = (n, m), (n + 1, m + 1)
            yield first, (n, m + 1), last
            yield first, (n + 1, m), last


def weights_in(p: Point, rows: int, columns: int) -> list[Weights]:
    """Return the barycentric coordinates of a point in each triangle that holds it (piecewise_affine.2)."""
    found = []
    for corners in triangles(rows, columns):
        c = [rest(vertex, rows, columns) for vertex in corners]
        w = [area(p, c[(k + 1) % 3], c[(k + 2) % 3]) / area(*c) for k in range(3)]  # (piecewise_affine.2)
        if min(w) >= 0:
            found.append(dict(zip(corners, w, strict=True)))
    return found


def piecewise_affine_grid(
    vertices: list[list[list[Number]]], height: int, width: int, align_corners: bool
) -> list[list[list[Sum]]]:
    """Return the sampling grid of one image, (height, width, 2) with x first (piecewise_affine.3)."""
    grid = []
    for i in range(height):
        row = []
        for j in range(width):
            weights = _weights(i, j, height, width, len(vertices), len(vertices[0]), align_corners)
            pairs = [(w, vertices[n][m]) for (n, m), w in weights.items() if w != 0]
            row.append([Sum(w * v[r] for w, v in pairs) for r in range(2)])  # (piecewise_affine.3)
        grid.append(row)
    return grid


def piecewise_affine_gradient(
    ggrid: list[list[list[Number]]], rows: int, columns: int, align_corners: bool
) -> list[list[list[Sum]]]:
    """Return the gradient to the vertices of one image, (rows, columns, 2) (piecewise_affine.4)."""
    height, width = len(ggrid), len(ggrid[0]) if ggrid else 0
    gvertices = [[[Sum(), Sum()] for _ in range(columns)] for _ in range(rows)]
    for i in range(height):
        for j in range(width):
            for (n, m), w in _weights(i, j, height, width, rows, columns, align_corners).items():
                for r in range(2):
                    gvertices[n][m][r].add(ggrid[i][j][r] * w)  # (piecewise_affine.4)
    return gvertices


def _weights(i: int, j: int, height: int, width: int, rows: int, columns: int, align_corners: bool) -> Weights:
    p = target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)
    return weights_in(p, rows, columns)[0]


_TESTS = "tests/exact/test_piecewise_affine.py::"

LEDGER = (
    Equation(
        "STN",
        "piecewise affine",
        "one of the transformations mentioned in section 3.2",
        "ambiguous",
        "the pieces are not specified: here triangles, the halves of the cells of a regular mesh, split from first to "
        "last vertex; the other diagonal gives a different grid",
        (
            "refwarp.exact.piecewise_affine.piecewise_affine_grid",
            "refwarp.grids.piecewise_affine.piecewise_affine_grid",
        ),
        (
            _TESTS + "test_triangles_agree_on_the_edges_they_share",
            _TESTS + "test_the_other_diagonal_gives_another_grid",
            _TESTS + "test_the_gradient_is_the_derivative_of_the_grid",
        ),
    ),
)
