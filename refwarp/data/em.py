"""Sections of neural tissue under the electron microscope, with their membranes (Gerhard et al. 2013).

Stack 1: 20 sections of 1024x1024 pixels (4.6 nm) from the ventral nerve cord of a Drosophila larva, some 50 nm apart.
Sections that lie side by side are alike, so parts are contiguous blocks of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from refwarp.data.arrays import Array
from refwarp.data.dataset import Dataset
from refwarp.data.pictures import read_grey, read_mask
from refwarp.data.reading import damaged, find_file

_FILES = ("raw/*.tif", "membranes/*.png")


@dataclass(frozen=True)
class Sections:
    """Sections and what is membrane in them.

    Attributes
    ----------
    images : ndarray, shape (N, 1, H, W)
        The sections in their order, float32 in [0, 1].
    membranes : ndarray, shape (N, H, W)
        True where a pixel is of a membrane.
    """

    images: Array
    membranes: Array

    def __len__(self) -> int:
        return len(self.images)

    def split(self, *counts: int) -> tuple[Sections, ...]:
        """Divide the sections into contiguous blocks, so that neighbours in two of them are as few as can be.

        Parameters
        ----------
        *counts : int
            How many sections are in each block; they add up to all.

        Raises
        ------
        ValueError
            If they do not.
        """
        if sum(counts) != len(self) or min(counts, default=0) < 1:
            raise ValueError(
                f"counts: given {counts}, expected positive numbers of sections that add up to {len(self)}"
            )
        cuts = np.cumsum(counts)[:-1]
        parts = zip(np.split(self.images, cuts), np.split(self.membranes, cuts), strict=True)
        return tuple(Sections(*part) for part in parts)


def load_em(folder: str | os.PathLike[str]) -> Sections:
    """Return the sections of stack 1.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or `stack1`, with `raw/NN.tif` and `membranes/NN.png`.

    Returns
    -------
    Sections
        20 sections of 1024x1024 pixels; 105 MB.

    Raises
    ------
    ValueError
        If a file is damaged, or of another kind.
    OSError
        If the folder or a file is missing or cannot be read.
    """
    found = DATASET.find(folder)
    images: list[Array] = []
    membranes: list[Array] = []
    for name in _names(found):
        image, membrane = _read_section(found, name)
        if images and image.shape != images[0].shape:
            shapes = f"the section has the shape {image.shape[1:]}, and the first {images[0].shape[1:]}"
            raise damaged(found / "raw" / f"{name}.tif", shapes)
        images.append(image)
        membranes.append(membrane)
    return Sections(np.stack(images), np.stack(membranes))


def _names(folder: Path) -> list[str]:
    """Return the names of the sections of which there is a picture or the membranes."""
    return sorted({path.stem for pattern in _FILES for path in folder.glob(pattern)})


def _read_section(folder: Path, name: str) -> tuple[Array, Array]:
    """Return a section and its membranes."""
    path, mask_path = (find_file([folder / pattern.replace("*", name)]) for pattern in _FILES)
    image, membrane = read_grey(path, "TIFF"), read_mask(mask_path, "PNG")
    if image.shape[1:] != membrane.shape:
        raise damaged(mask_path, f"the membranes have the shape {membrane.shape}, and their section {image.shape[1:]}")
    return image, membrane


DATASET = Dataset(
    name="em",
    title="ssTEM stack of neural tissue, with membranes",
    size="20 sections, 1024x1024",
    folders=("em_vnc/stack1", "stack1"),
    files=_FILES,
    origin="https://doi.org/10.6084/m9.figshare.856713",
    citation='S. Gerhard, J. Funke, J. Martel, A. Cardona and R. Fetter, "Segmented anisotropic ssTEM dataset of '
    'neural tissue", figshare, 2013',
    licence="CC BY-NC-SA 3.0",
    samples_may_be_published=True,
    contents={"5df3c5324b5821a405f1082247ab9ce9235ff463d43c5c72fc12e6718d9b1d3b": "stack 1 as published"},
    steps=lambda folder: [partial(_read_section, folder, name) for name in _names(folder)],
)
