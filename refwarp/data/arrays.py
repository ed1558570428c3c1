"""Arrays in NumPy's `.npz` files: of numbers only, each of an expected kind and shape; pickled objects are refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from zipfile import ZipFile

import numpy as np

from refwarp.data.reading import MOST_BYTES, damaged, read_exactly, reads_as

Array = np.ndarray[Any, Any]

# How numpy.save writes the header of an array of numbers.
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Layout(NamedTuple):
    """What an array of a file has to be.

    Attributes
    ----------
    kind : type
        `numpy.uint8`, `numpy.integer`, `numpy.floating` or `numpy.number`, for instance.
    shape : tuple of (int or None)
        Its lengths; None for any but 0.
    """

    kind: type[Any]
    shape: tuple[int | None, ...]

    def check(self, path: Path, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        """Refuse an array of another kind or shape."""
        fits = len(shape) == len(self.shape) and all(
            length == expected or (expected is None and length > 0)
            for length, expected in zip(shape, self.shape, strict=True)
        )
        if not fits or not np.issubdtype(dtype, self.kind):
            expected = "x".join("N" if length is None else str(length) for length in self.shape)
            raise damaged(
                path, f"{name!r} is an array {shape} of {dtype}, expected one of {self.kind.__name__}, {expected}"
            )
        if math.prod(shape) * dtype.itemsize > MOST_BYTES:
            raise damaged(path, f"{name!r} claims to be an array {shape} of {dtype}, which is larger than any data set")


def read_npz(path: Path, layouts: Mapping[str, Layout]) -> dict[str, Array]:
    """Return arrays of a `.npz` file.

    Parameters
    ----------
    path : Path
        The file.
    layouts : mapping of str to Layout
        The arrays to read. What else is in the file is left alone.

    Returns
    -------
    dict of str to ndarray
        Of this machine's byte order.

    Raises
    ------
    DamagedFileError
        If it is no such file, is damaged, lacks an array, or has one of another kind or shape.
    OSError
        If it is missing or cannot be read.
    """
    with reads_as(path, "NumPy's .npz"), ZipFile(path) as file:
        names = file.namelist()
        missing = [name for name in layouts if f"{name}.npy" not in names]
        if missing:
            raise damaged(path, f"the file lacks the array {missing[0]!r}; it has {', '.join(names[:8]) or 'none'}")
        arrays = {}
        for name, layout in layouts.items():
            with file.open(f"{name}.npy") as member:
                arrays[name] = _read_npy(path, cast(BinaryIO, member), name, layout)
        return arrays


def _read_npy(path: Path, file: BinaryIO, name: str, layout: Layout) -> Array:
    """Return an array of an open member of a `.npz` file."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise damaged(path, f"{name!r} has a header of version {version}, which no array of numbers has")
    shape, fortran, dtype = _HEADERS[version](file)
    layout.check(path, name, dtype, shape)
    # Not NumPy's read_array: it allocates what the header claims.
    content = read_exactly(file, path, math.prod(shape) * dtype.itemsize)
    if file.read(1):  # which also has the checksum verified
        raise damaged(path, f"{name!r} is longer than its header says")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))
