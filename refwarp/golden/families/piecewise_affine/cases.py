"""Cases for piecewise_affine_grid."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import both, case, refused


def _case(
    name: str,
    comment: str,
    flags: str,
    vertices: npt.ArrayLike,
    size: tuple[int, int],
    dtype: str = "",
    align_corners: bool = False,
    **given: Floats,
) -> Case:
    """Return one case; `given` are cotangents."""
    batch = len(np.asarray(vertices))
    options = {"size": [batch, 1, *size], "align_corners": align_corners}
    inputs = {"vertices": vertices, **given}
    return case(f"piecewise_affine_grid/{name}", comment, flags, inputs, (batch, *size, 2), dtype, **options)


def _both(name: str, comment: str, flags: str, vertices: Floats, size: tuple[int, int]) -> list[Case]:
    """Return the case for both values of align_corners."""
    batch = len(vertices)
    inputs, shape = {"vertices": vertices}, (batch, *size, 2)
    return both(f"piecewise_affine_grid/{name}", comment, flags, inputs, shape, size=[batch, 1, *size])


def _mesh(rows: int, columns: int) -> Floats:
    """Return a mesh at rest: the identity."""
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return np.stack([x, y], axis=-1)[None]


def _ordinary() -> list[Case]:
    cases = []
    for (rows, columns), size, what in (
        ((2, 2), (3, 4), "One cell, two triangles."),
        ((3, 3), (4, 5), "Four cells."),
        ((2, 5), (4, 6), "A row of cells."),
        ((4, 2), (5, 3), "A column of cells."),
    ):
        name = f"mesh_{rows}x{columns}"
        cases += _both(name, what, "Interior Shape", draw.dyadics(name, 1, rows, columns, 2), size)
    for dtype, align_corners in (("float32", False), ("float64", False), ("float32", True), ("float64", True)):
        name = f"{dtype}_corners" if align_corners else dtype
        vertices = draw.full(f"mesh {name}", 1, 3, 4, 2, dtype=dtype)
        comment = f"Every bit of {dtype} is used, in vertices and cotangents; the weights are rounded."
        cases.append(_case(name, comment, "FullPrecision", vertices, (4, 5), dtype, align_corners))
    return [
        *cases,
        *_both("batch_3x3x3", "Three meshes.", "Shape", draw.dyadics("meshes", 3, 3, 3, 2), (2, 4)),
        *_both("rest_3x3", "A mesh at rest: the identity.", "Interior", _mesh(3, 3), (4, 4)),
        *_both(
            "fine_5x5",
            "More vertices than pixels: those that no pixel is near to have the gradient 0.",
            "Shape",
            draw.dyadics("fine", 1, 5, 5, 2),
            (2, 3),
        ),
        _case(
            "one_pixel_1x1", "One pixel, in the middle of the mesh.", "OnePixel", draw.dyadics("1", 1, 3, 4, 2), (1, 1)
        ),
        _case("one_row_1x5", "One row.", "OnePixel", draw.dyadics("2", 1, 2, 3, 2), (1, 5), align_corners=True),
        _case("one_column_5x1", "One column.", "OnePixel", draw.dyadics("3", 1, 3, 2, 2), (5, 1), align_corners=True),
        _case("empty_batch", "No image.", "Empty", np.zeros((0, 3, 3, 2)), (2, 3)),
        _case("empty_output", "Images without rows.", "Empty", draw.dyadics("4", 1, 3, 3, 2), (0, 3)),
    ]


def _edges() -> list[Case]:
    """Pixels on edges are there exactly: sizes and meshes are powers of two, or one more with align_corners."""
    last, across = np.zeros((1, 2, 2, 2)), np.zeros((1, 2, 2, 2))
    last[0, 1, 1], across[0, 0, 1] = (1.0, 0.5), (1.0, 0.5)
    turned = _mesh(3, 3)[..., ::-1]
    return [
        *(
            _case(
                f"diagonal_{size}x{size}",
                "Pixels on the diagonal of the one cell, where both triangles agree.",
                "MeshEdge",
                draw.dyadics("diagonal", 1, 2, 2, 2),
                (size, size),
                align_corners=align_corners,
            )
            for size, align_corners in ((4, False), (5, True))
        ),
        _case(
            "on_vertices_3x3",
            "Every pixel is a vertex: the grid is the mesh.",
            "MeshEdge",
            draw.dyadics("vertices", 1, 3, 3, 2),
            (3, 3),
            align_corners=True,
        ),
        _case(
            "on_edges_5x5",
            "Pixels on vertices, on edges and on diagonals.",
            "MeshEdge",
            draw.dyadics("edges", 1, 3, 3, 2),
            (5, 5),
            align_corners=True,
        ),
        _case(
            "last_vertex_4x4",
            "The last vertex alone moves, and the cell's diagonal with it: tells the diagonals apart.",
            "MeshEdge Order",
            last,
            (4, 4),
        ),
        _case(
            "right_vertex_4x4",
            "The vertex on the right alone moves, and the triangle above the diagonal with it.",
            "MeshEdge Order",
            across,
            (4, 4),
        ),
        _case("turned_2x4", "x and y change places.", "AxisOrder", turned, (2, 4)),
        _case(
            "order_4x8",
            "Powers of two: each vertex has its place, row by row, x first.",
            "AxisOrder Order",
            2.0 ** np.arange(-6, 6).reshape(1, 2, 3, 2),
            (4, 8),
        ),
        _case(
            "nan_vertex_2x5",
            "A vertex that is NaN spoils the pixels of its triangles only.",
            "NonFinite",
            _with(draw.dyadics("nan vertex", 1, 3, 4, 2), (0, 0, 1), math.nan),
            (2, 5),
        ),
        _case(
            "nan_across_4x4",
            "A vertex that is NaN, across from the diagonal: pixels on the diagonal do not see it.",
            "NonFinite MeshEdge",
            _with(draw.dyadics("nan across", 1, 2, 2, 2), (0, 1, 0), math.nan),
            (4, 4),
        ),
        _case(
            "infinite_vertex_2x5",
            "An infinite vertex is infinitely far away for the pixels of its triangles only.",
            "NonFinite",
            _with(draw.dyadics("infinite vertex", 1, 3, 4, 2), (0, 2, 2), -math.inf),
            (2, 5),
        ),
    ]


def _with(vertices: Floats, place: tuple[int, int, int], value: float) -> Floats:
    vertices[place] = value
    return vertices


def _extremes() -> list[Case]:
    cell = draw.dyadics("cell", 1, 2, 2, 2)
    cases = [
        _case("wide_1x200", "A long row across four cells.", "Wide", draw.dyadics("row", 1, 2, 5, 2), (1, 200)),
        _case("huge_3x4", "Vertices of 2^100.", "Huge", cell * 2.0**100, (3, 4)),
    ]
    for dtype, scale in (("float32", 2.0**-141), ("float64", 2.0**-1066)):
        cases += [
            _case(
                f"subnormal_{dtype}",
                f"Vertices and cotangents that are subnormal numbers of {dtype}.",
                "Subnormal",
                cell * scale,
                (3, 4),
                ggrid=draw.dyadics(f"tiny {dtype}", 1, 3, 4, 2) * scale,
            ),
            _case(
                f"creeping_{dtype}",
                f"One large cotangent and 63 small ones: a plain {dtype} sum rounds each of them up.",
                "LongSum",
                cell,
                (8, 8),
                ggrid=draw.creeping(dtype, 64).reshape(1, 8, 8, 1).repeat(2, axis=3),
            ),
            _case(
                f"cancelling_{dtype}",
                f"Vertices of both signs that cancel in the middle, but for the last bit of {dtype}.",
                "Cancellation",
                np.array([[[3.0, -1.0], [0.5, 2.0]], [[0.25, 1.0], [-3.0, 1.0 + np.finfo(dtype).eps]]])[None],
                (3, 3),
            ),
        ]
    return cases


def _refusals() -> list[Case]:
    def one(name: str, comment: str, shape: tuple[int, ...], size: list[int], align_corners: object = False) -> Case:
        path = f"piecewise_affine_grid/refused_{name}"
        return refused(path, comment, {"vertices": shape}, size=size, align_corners=align_corners)

    return [
        one("one_row", "A mesh of one row of vertices.", (1, 1, 3, 2), [1, 1, 2, 2]),
        one("three_coordinates", "Vertices in space.", (1, 2, 2, 3), [1, 1, 2, 2]),
        one("batch", "A size for two images and one mesh.", (1, 2, 2, 2), [2, 1, 2, 2]),
        one("flat", "Vertices without rows.", (1, 4, 2), [1, 1, 2, 2]),
        one("align_corners", "An align_corners that is a word.", (1, 2, 2, 2), [1, 1, 2, 2], "corners"),
    ]


def cases() -> list[Case]:
    """Return the cases for piecewise affine grids."""
    return [*_ordinary(), *_edges(), *_extremes(), *_refusals()]
