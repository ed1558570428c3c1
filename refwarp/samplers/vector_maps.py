"""Maps of vectors: with four channels to a pixel, so that one instruction reads or writes those of all four.

Such a map is a flat array of doubles: its pixels one after the other, each with the sums of four channels, and with
what their roundings left out if it is `wide`, as for float64 data. Indices are not tested.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

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
