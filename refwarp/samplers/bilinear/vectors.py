"""The four pixels of a cell in vector instructions: of four cells at once, or in a map with four channels to a pixel.

A map of vectors is a flat array of doubles: its pixels one after the other, each with the sums of four channels, and
with what their roundings left out if the data are float64. Indices are not tested.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from refwarp.backend.intrinsics import emitted
from refwarp.backend.vectors import LANES, Vectors


class Cell(NamedTuple):
    """A cell of a map."""

    place: Any  # its first pixel
    row: Any  # how many pixels a row of the map has


class Channels(NamedTuple):
    """Four channels; in the place of those outside first to last - 1 the nearest one inside is read and written."""

    channel: int  # the first of the four
    first: int
    last: int


def pixel(vectors: Vectors, kind: Any, map: Any, place: Any, wide: bool) -> Any:
    """Return where a pixel lies in a map of vectors; if wide, it has two."""
    size = ir.Constant(place.type, 2 * LANES if wide else LANES)
    return vectors.pointer(kind, map, vectors.builder.mul(place, size))


def corners(vectors: Vectors, kind: Any, map: Any, cell: Any, wide: bool) -> list[Any]:
    """Return where the four pixels of a cell lie in a map of vectors."""
    (place, row), builder = cgutils.unpack_tuple(vectors.builder, cell), vectors.builder
    below, one = builder.add(place, row), ir.Constant(place.type, 1)
    places = place, builder.add(place, one), below, builder.add(below, one)
    return [pixel(vectors, kind, map, corner, wide) for corner in places]


@intrinsic
def scatter_four(typing: Any, map: Any, cell: Any, weights: Any, at: Any, values: Any, channels: Any, i: Any) -> Any:
    """Add element i of four channels, times the weights of a cell's pixels, to these pixels (bilinear.5).

    Of the weights, `at` is the place of the first and how far the next ones lie apart. With float64 data, what the
    sums' roundings leave out is added up beside them.
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
