"""MNIST: 60,000 + 10,000 handwritten digits, 28x28 pixels, cut from forms of NIST by LeCun, Cortes and Burges.

The format is IDX: a magic number 0, 0, type (8: unsigned bytes), number of dimensions; the dimensions as big-endian
32-bit integers; the values, row by row.
"""

from __future__ import annotations

import math
import os
import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from refwarp.data.dataset import Dataset
from refwarp.data.examples import Examples, Splits
from refwarp.data.reading import (
    MOST_BYTES,
    class_labels,
    damaged,
    find_file,
    open_plain_or_gzip,
    read_exactly,
    unit_range,
)

Array = np.ndarray[Any, Any]

_UNSIGNED_BYTES = 8
# The file of pictures and that of labels, with the number of their dimensions. Some programs unpack them with a point.
_KINDS = {"images": 3, "labels": 1}
_ENDS = ("", ".gz")


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
    with open_plain_or_gzip(path, "an IDX file") as file:
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


def _read_part(folder: Path, part: str) -> Examples:
    """Return one part, "train" or "t10k"."""
    image_path, label_path = (
        find_file([folder / f"{part}-{kind}{mark}idx{ndim}-ubyte{end}" for mark in "-." for end in _ENDS])
        for kind, ndim in _KINDS.items()
    )
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if images.shape[1:] != (28, 28):
        raise damaged(image_path, f"the pictures have {images.shape[1]}x{images.shape[2]} pixels, expected 28x28")
    if len(labels) != len(images):
        counts = f"{len(labels):,} labels, and {len(images):,} pictures in {image_path.name}"
        raise damaged(label_path, f"there are {counts}")
    return Examples(unit_range(images)[:, None], class_labels(label_path, labels, 10))


def load_mnist(folder: str | os.PathLike[str]) -> Splits:
    """Return MNIST.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or the one with MNIST's four files. Each may be compressed with gzip; names are
        as published (`train-images-idx3-ubyte.gz`), or with a point (`train-images.idx3-ubyte`).

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
    found = DATASET.find(folder)
    return Splits(train=_read_part(found, "train"), test=_read_part(found, "t10k"))


DATASET = Dataset(
    name="mnist",
    title="MNIST, handwritten digits",
    size="60,000 + 10,000 digits, 28x28",
    folders=("mnist", "MNIST/raw"),
    files=tuple(
        f"{part}-{kind}[-.]idx{ndim}-ubyte{end}"
        for part in ("train", "t10k")
        for kind, ndim in _KINDS.items()
        for end in _ENDS
    ),
    origin="http://yann.lecun.com/exdb/mnist",
    citation='Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document '
    'recognition", Proceedings of the IEEE 86(11), 1998',
    licence="CC BY-SA 3.0",
    samples_may_be_published=True,
    contents={"474311efcf1fd213e64768801dc6195673bffb8385179d6c55cd8748b9e2e8ca": "as published"},
    steps=lambda folder: [partial(_read_part, folder, part) for part in ("train", "t10k")],
    published_name=lambda name: name.replace(".idx", "-idx"),
    load_classified=load_mnist,
)
