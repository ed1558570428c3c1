"""Cluttered MNIST: digits on 40x40 pixels, shifted at random, with parts of other digits as clutter.

The file was made for recurrent spatial transformers (Sønderby et al. 2015) and published with implementations of
spatial transformer networks: a sample that is ready-made, unlike the 60x60 clutter of STN, which `refwarp.data` makes
from MNIST.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from refwarp.data.arrays import Layout, read_npz
from refwarp.data.dataset import Dataset
from refwarp.data.digits import Digits
from refwarp.data.examples import Examples
from refwarp.data.reading import class_labels, damaged

_FILE = "mnist_sequence1_sample_5distortions5x5.npz"
_SIDE = 40


def load_cluttered_mnist(folder: str | os.PathLike[str]) -> Digits:
    """Return cluttered MNIST.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or the one with the file `mnist_sequence1_sample_5distortions5x5.npz`.

    Returns
    -------
    Digits
        10,000 digits to train on, 1,000 to validate with and 1,000 for the test; pictures of shape (N, 1, 40, 40),
        float32 in [0, 1], with labels 0 to 9.

    Raises
    ------
    ValueError
        If the file is damaged, or of another kind.
    OSError
        If the folder or the file is missing or cannot be read.
    """
    return _read(DATASET.find(folder) / _FILE)


def _read(path: Path) -> Digits:
    layouts = {}
    for part in ("train", "valid", "test"):
        layouts[f"X_{part}"] = Layout(np.float32, (None, _SIDE**2))
        layouts[f"y_{part}"] = Layout(np.integer, (None, 1))
    arrays = read_npz(path, layouts)
    parts = []
    for part in ("train", "valid", "test"):
        images, labels = arrays[f"X_{part}"], arrays[f"y_{part}"][:, 0]
        if len(images) != len(labels):
            raise damaged(path, f"there are {len(labels):,} labels y_{part}, and {len(images):,} pictures X_{part}")
        if not ((images >= 0) & (images <= 1)).all():
            raise damaged(path, f"there is a pixel in X_{part} that is not in [0, 1]")
        parts.append(Examples(images.reshape(-1, 1, _SIDE, _SIDE), class_labels(path, labels, 10)))
    return Digits(*parts)


DATASET = Dataset(
    name="cluttered_mnist",
    title="cluttered MNIST, shifted digits with clutter",
    size="10,000 + 1,000 + 1,000 digits, 40x40",
    folders=("cluttered_mnist",),
    files=(_FILE,),
    origin="https://github.com/skaae/recurrent-spatial-transformer-code",
    citation='S. K. Sønderby, C. K. Sønderby, L. Maaløe and O. Winther, "Recurrent spatial transformer networks", '
    "arXiv:1509.05329, 2015",
    licence="CC BY-SA 3.0, as MNIST",
    samples_may_be_published=True,
    contents={"d91e0ceb34bc3bbf18088f732fa631c8dcef810c6984344a0ff64fb1a880d480": "as published"},
    steps=lambda folder: [partial(_read, folder / _FILE)],
    load_classified=load_cluttered_mnist,
)
