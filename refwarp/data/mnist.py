"""MNIST: 60,000 + 10,000 handwritten digits, 28x28 pixels (Y. LeCun, C. Cortes and C. J. C. Burges, 1998).

The format is IDX: a magic number 0, 0, type (8: unsigned bytes), number of dimensions; the dimensions as big-endian
32-bit integers; the values, row by row.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from refwarp.data.examples import Examples, Splits
from refwarp.data.reading import (
    MOST_BYTES,
    check_input_folder,
    damaged,
    find_file,
    open_plain_or_gzip,
    read_exactly,
)

Array = np.ndarray[Any, Any]

_UNSIGNED_BYTES = 8
_CLASSES = 10


def read_idx(path: Path, ndim: int) -> Array:
    """Return the array of an IDX file of unsigned bytes, plain or compressed with gzip.

    Parameters
    ----------
    path : Path
        The file.
    ndim : int
        How many dimensions the array has.

    Returns
    -------
    ndarray
        uint8.

    Raises
    ------
    ValueError
        If the file is truncated, longer than it says, or of another kind.
    OSError
        If it is missing or cannot be read.
    """
    with open_plain_or_gzip(path) as file:
        magic = read_exactly(file, path, 4)
        if magic != bytes([0, 0, _UNSIGNED_BYTES, ndim]):
            raise damaged(path, f"the file is no IDX file of unsigned bytes in {ndim} dimensions")
        shape = struct.unpack(f">{ndim}I", read_exactly(file, path, 4 * ndim))
        size = math.prod(shape)
        if not 0 < size <= MOST_BYTES:
            raise damaged(path, f"the file claims to hold an array of shape {shape}, which is no set of pictures")
        values = np.frombuffer(read_exactly(file, path, size), np.uint8)
        if file.read(1):
            raise damaged(path, f"the file is longer than its array of shape {shape}")
    return values.reshape(shape)


def _read_part(folders: list[Path], part: str) -> Examples:
    """Return one part, "train" or "t10k"."""

    def find(kind: str, ndim: int) -> Path:
        # As published, and as some programs unpack it.
        names = [f"{part}-{kind}{mark}idx{ndim}-ubyte{end}" for end in (".gz", "") for mark in "-."]
        return find_file(folders, names, "the four files of MNIST, there or in a folder mnist")

    image_path, label_path = find("images", 3), find("labels", 1)
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if images.shape[1:] != (28, 28):
        raise damaged(image_path, f"the pictures have {images.shape[1]}x{images.shape[2]} pixels, expected 28x28")
    if len(labels) != len(images):
        raise damaged(
            label_path, f"there are {len(labels):,} labels, and {len(images):,} pictures in {image_path.name}"
        )
    if labels.max() >= _CLASSES:
        raise damaged(label_path, f"there is a label {labels.max()}, expected 0 to {_CLASSES - 1}")
    return Examples((images / np.float32(255))[:, None], labels.astype(np.int64))


def load_mnist(folder: str | os.PathLike[str]) -> Splits:
    """Return MNIST.

    Parameters
    ----------
    folder : path
        The folder with the four files, or one with a folder `mnist` of them. Each may be compressed with gzip; names
        are as published (`train-images-idx3-ubyte.gz`), or with a point (`train-images.idx3-ubyte`).

    Returns
    -------
    Splits
        60,000 digits to train on and 10,000 for the test; pictures of shape (N, 1, 28, 28), float32 in [0, 1], with
        labels 0 to 9.

    Raises
    ------
    ValueError
        If a file is damaged, or of another kind.
    OSError
        If the folder or a file is missing or cannot be read.
    """
    root = check_input_folder(folder, "folder", "the one with MNIST's four files")
    folders = [root / "mnist", root]
    return Splits(train=_read_part(folders, "train"), test=_read_part(folders, "t10k"))
