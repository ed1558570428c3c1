"""The four pixels of a cell in vector instructions: of four cells at once, or in a map of vectors (`vector_maps`).

Indices are not tested.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from refwarp.backend.intrinsics import emitted
from refwarp.backend.vectors import LANES, Vectors
from refwarp.samplers.vector_maps import corners


@intrinsic
def scatter_four(typing: Any, map: Any, cell: Any, weights: Any, at: Any, values: Any, channels: Any, i: Any) -> Any:
    """Add element i of four channels, times the weights of a cell's pixels, to these pixels (bilinear.5).

    `at` is the position of the first weight and the distance of the next ones. With float64 data, the rounding errors
    of the sums are summed as well.
    """
    wide = values.dtype == types.float64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, cell_, weights_, at_, values_, channels_, i_ = arguments
        vectors, (j, apart) = Vectors(context, builder), cgutils.unpack_tuple(builder, at_)
        rows = vectors.rows_between(*cgutils.unpack_tuple(builder, channels_))
        v = vectors.of(vectors.load_each(vectors.column(values, values_, rows, i_)))
        for corner in corners(vectors, map, map_, cell_, wide):
            w = vectors.broadcast(builder.load(vectors.pointer(weights, weights_, j)))
            vectors.add_product(w, v, corner, wide)  # (bilinear.5)
            j = builder.add(j, apart)
        return context.get_dummy_value()

    return types.void(map, cell, weights, at, values, channels, i), emit


def _gather_four(map: Any, plane: Any, row: Any, cells: Any, at: Any, pixels: Any, size: Any) -> None:
    for j in range(at, at + 4):
        first = plane + cells[j]
        for corner, index in enumerate((first, first + 1, first + row, first + row + 1)):
            pixels[corner * size + j] = map[index]


@emitted(plain=_gather_four)
def gather_four(typing: Any, map: Any, plane: Any, row: Any, cells: Any, at: Any, pixels: Any, size: Any) -> Any:
    """Copy the four pixels plane + cells[j] + (0, 1, row, row + 1) of a flat map, for j = at to at + 3.

    They go to pixels[j], pixels[size + j], ...; plane, row, at and size are unsigned.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, plane_, row_, cells_, j, pixels_, size_ = arguments
        vectors, found = Vectors(context, builder, context.get_data_type(map.dtype)), []
        for k in range(LANES):
            cell = builder.load(vectors.pointer(cells, cells_, builder.add(j, ir.Constant(j.type, k))))
            first = builder.add(plane_, builder.zext(cell, plane_.type))
            above, below = (
                vectors.load(vectors.pointer(map, map_, index), length=2) for index in (first, builder.add(first, row_))
            )
            found.append(vectors.shuffle(above, below, [0, 1, 2, 3]))
        # Four cells of four pixels each become four vectors of one corner each.
        for half in (0, 2):
            pairs = [half, half + 4, half + 1, half + 5]
            low, high = (vectors.shuffle(found[k], found[k + 1], pairs) for k in (0, 2))
            for corner, lanes in ((half, [0, 1, 4, 5]), (half + 1, [2, 3, 6, 7])):
                index = builder.add(builder.mul(size_, ir.Constant(size_.type, corner)), j)
                vectors.store(vectors.shuffle(low, high, lanes), vectors.pointer(pixels, pixels_, index))
        return context.get_dummy_value()

    return types.none(map, plane, row, cells, at, pixels, size), emit
