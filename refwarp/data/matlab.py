"""Arrays of numbers in MATLAB's `.mat` files of version 5.

Not by way of SciPy, whose reader looks up the types that a file names in a table without a check, and crashes on a
damaged one. The format (MathWorks, "MAT-File Format", chapter 1): a header of 128 bytes, then elements, each a tag of
its type and its length in bytes, followed by its content, padded to eight bytes. A short one has up to four bytes in
its tag. An array is an element made of elements: its class and flags, its dimensions, its name, its values by columns,
in the class's type or in a smaller one. It may be compressed (zlib). Cells, structures, objects, text and sparse or
complex arrays are refused.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from refwarp.data.arrays import Array, Layout
from refwarp.data.reading import MOST_BYTES, Readable, damaged, read_exactly, reads_as

_MATRIX, _COMPRESSED = 14, 15
# The types of values, and the classes of arrays of numbers, by their codes.
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800

# Longer than any name or list of dimensions that MATLAB writes.
_LONGEST = 2**10

_PIECE = 2**16


class _Unpacking:
    """What an element that is compressed holds, of which no more is unpacked than is read."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left, self._unpacked = file, length, zlib.decompressobj()

    def read(self, count: int, /) -> bytes:
        """Return up to `count` bytes; none at the end."""
        while not self._unpacked.eof:
            packed = self._unpacked.unconsumed_tail
            if not packed:
                packed = self._file.read(min(_PIECE, self._left))
                self._left -= len(packed)
            found = self._unpacked.decompress(packed, count)
            if found:
                return found
            if not packed:
                raise zlib.error("the compressed array is truncated")
        return b""


class _Head(NamedTuple):
    """What stands before an array's values."""

    name: str
    code: int
    is_complex: bool
    shape: tuple[int, ...]


def read_mat(path: Path, layouts: Mapping[str, Layout]) -> dict[str, Array]:
    """Return arrays of a `.mat` file of MATLAB's version 5.

    Parameters
    ----------
    path : Path
        The file.
    layouts : mapping of str to Layout
        The arrays to read. What else is in the file is left alone.

    Returns
    -------
    dict of str to ndarray
        Of the class that MATLAB gives them, and of this machine's byte order.

    Raises
    ------
    DamagedFileError
        If it is no such file, is damaged, lacks an array, or has one of another kind or shape.
    OSError
        If it is missing or cannot be read.
    """
    arrays: dict[str, Array] = {}
    names: list[str] = []
    with reads_as(path, "a MATLAB file"), path.open("rb") as file:
        header = read_exactly(file, path, 128)
        order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(header[124:])
        if order is None:
            raise damaged(path, "the file is no MATLAB file of version 5")
        for source in _elements(file, path, order):
            reader = _Reader(source, path, order)
            head = reader.head()
            names.append(head.name)
            if head.name in layouts:
                arrays[head.name] = reader.values(head, layouts[head.name])
    missing = [name for name in layouts if name not in arrays]
    if missing:
        raise damaged(path, f"the file lacks the array {missing[0]!r}; it has {', '.join(names[:8]) or 'none'}")
    return arrays


def _elements(file: BinaryIO, path: Path, order: str) -> Iterator[Readable]:
    """Yield what the elements of the file hold that are arrays, compressed or not; each may be read in part."""
    end = os.fstat(file.fileno()).st_size
    while (start := file.tell()) < end:
        kind, length = struct.unpack(f"{order}2I", read_exactly(file, path, 8))
        if start + 8 + length > end:
            raise damaged(path, f"the file is truncated: {start + 8 + length - end:,} bytes are missing")
        if kind == _COMPRESSED:
            yield _Unpacking(file, length)
        elif kind == _MATRIX:
            file.seek(start)
            yield file
        file.seek(start + 8 + length)


class _Reader:
    """Reads an array, part by part, never more of it than it says it has."""

    def __init__(self, source: Readable, path: Path, order: str) -> None:
        self._source, self._path, self._order = source, path, order
        kind, self._left = struct.unpack(f"{order}2I", self._read(8))
        if kind != _MATRIX:
            raise damaged(path, f"there is an element of type {kind}, expected an array")

    def _read(self, count: int) -> bytes:
        return read_exactly(self._source, self._path, count)

    def _part(self, longest: int) -> tuple[int, bytes]:
        """Return type and content of the next part of the array."""
        first = self._read(4)
        kind, length = struct.unpack(f"{self._order}I", first)[0], 0
        if kind >> 16:
            kind, length = kind & 0xFFFF, kind >> 16
            room = 4
        else:
            (length,) = struct.unpack(f"{self._order}I", self._read(4))
            self._left -= 4
            room = -(-length // 8) * 8
        self._left -= 4 + room
        if length > min(longest, room) or self._left < 0:
            raise damaged(self._path, f"a part of an array claims {length:,} bytes, more than there can be")
        return kind, self._read(room)[:length]

    def head(self) -> _Head:
        """Return what stands before the values."""
        kind, flags = self._part(8)
        if kind != 6 or len(flags) != 8:
            raise damaged(self._path, "an array does not begin with its class")
        code = struct.unpack(f"{self._order}2I", flags)[0]
        kind, lengths = self._part(_LONGEST)
        if kind != 5 or len(lengths) % 4:
            raise damaged(self._path, "an array has no dimensions")
        shape = struct.unpack(f"{self._order}{len(lengths) // 4}i", lengths)
        kind, name = self._part(_LONGEST)
        if kind != 1:
            raise damaged(self._path, "an array has no name")
        return _Head(name.decode("latin-1"), code & 0xFF, bool(code & _COMPLEX), shape)

    def values(self, head: _Head, layout: Layout) -> Array:
        """Return the values."""
        if head.code not in _CLASSES or head.is_complex:
            raise damaged(self._path, f"{head.name!r} is no array of real numbers (class {head.code} of MATLAB)")
        dtype = np.dtype(_CLASSES[head.code])
        layout.check(self._path, head.name, dtype, head.shape)
        count = math.prod(head.shape)
        kind, content = self._part(min(count * 8, MOST_BYTES))
        stored = np.dtype(f"{self._order}{_TYPES.get(kind, 'V1')}")
        if not np.can_cast(stored, dtype, "same_kind") or len(content) != count * stored.itemsize:
            raise damaged(self._path, f"the values of {head.name!r} are {len(content):,} bytes of type {kind}")
        # At its end an unpacked array has its checksum verified.
        if self._left or (isinstance(self._source, _Unpacking) and self._source.read(1)):
            raise damaged(self._path, f"{head.name!r} is longer than it says")
        return np.frombuffer(content, stored).reshape(head.shape, order="F").astype(dtype)
