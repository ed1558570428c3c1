"""SVHN: digits of house numbers, cropped to 32x32 pixels in colour.

Neighbours in a file often come from one house, so parts are contiguous blocks of it, never drawn at random.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from refwarp.data.arrays import Array, Layout, read_npz
from refwarp.data.dataset import Dataset, Steps
from refwarp.data.examples import Examples, Splits
from refwarp.data.matlab import read_mat
from refwarp.data.reading import class_labels, damaged, find_file, unit_range

_TRAIN, _TEST = "train_32x32.mat", "test_32x32.mat"
_SUBSET = "svhn_test_first6000_32x32.npz"


def load_svhn(folder: str | os.PathLike[str]) -> Splits:
    """Return SVHN's cropped digits.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or the one with `train_32x32.mat` and `test_32x32.mat`, as published, or with
        `svhn_test_first6000_32x32.npz`, the first 6,000 digits of the test part (arrays `x` (N, 32, 32, 3) and `y`
        (N,)).

    Returns
    -------
    Splits
        73,257 digits to train on and 26,032 for the test; of the subset the first five sixths, 5,000, and the last
        1,000. Pictures of shape (N, 3, 32, 32), float32 in [0, 1], with labels 0 to 9, in the order of the file:
        `examples.select(slice(start, stop))` is a contiguous block.

    Raises
    ------
    ValueError
        If a file is damaged, or of another kind.
    OSError
        If the folder or a file is missing or cannot be read.
    """
    found = DATASET.find(folder)
    if (found / _SUBSET).is_file():
        digits = _read_subset(found / _SUBSET)
        cut = len(digits) * 5 // 6
        return Splits(train=digits.select(slice(cut)), test=digits.select(slice(cut, None)))
    return Splits(*(_read_published(find_file([found / name])) for name in (_TRAIN, _TEST)))


def _read_published(path: Path) -> Examples:
    arrays = read_mat(path, {"X": Layout(np.uint8, (32, 32, 3, None)), "y": Layout(np.number, (None, 1))})
    labels = arrays["y"][:, 0]
    wrong = ~np.isin(labels, np.arange(1, 11))
    if wrong.any():
        raise damaged(path, f"there is a label {labels[wrong][0]}, expected 1 to 10, which is the digit 0")
    return _examples(path, np.moveaxis(arrays["X"], -1, 0), labels.astype(np.int64) % 10)


def _read_subset(path: Path) -> Examples:
    arrays = read_npz(path, {"x": Layout(np.uint8, (None, 32, 32, 3)), "y": Layout(np.integer, (None,))})
    return _examples(path, arrays["x"], arrays["y"])


def _examples(path: Path, pictures: Array, labels: Array) -> Examples:
    """Return examples of pictures (N, 32, 32, 3) of bytes."""
    if len(pictures) != len(labels):
        raise damaged(path, f"there are {len(labels):,} labels, and {len(pictures):,} pictures")
    return Examples(unit_range(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))), class_labels(path, labels, 10))


def _steps(folder: Path) -> Steps:
    if (folder / _SUBSET).is_file():
        return [partial(_read_subset, folder / _SUBSET)]
    return [partial(_read_published, folder / name) for name in (_TRAIN, _TEST)]


DATASET = Dataset(
    name="svhn",
    title="SVHN, cropped digits of house numbers",
    size="73,257 + 26,032 digits, 32x32 in colour; subset: 6,000",
    folders=("svhn32", "svhn"),
    files=(_SUBSET, _TRAIN, _TEST),
    origin="http://ufldl.stanford.edu/housenumbers",
    citation='Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu and A. Y. Ng, "Reading digits in natural images with '
    'unsupervised feature learning", NIPS workshop on deep learning and unsupervised feature learning, 2011',
    licence="none; for non-commercial use only",
    samples_may_be_published=False,
    contents={
        "7132cdf83015d425712cd4c93242eee898a1402ca9c29de9f01db1e9c30216e6": "the first 6,000 digits of the test part"
    },
    steps=_steps,
    load_classified=load_svhn,
)
