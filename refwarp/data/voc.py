"""PASCAL VOC 2012, segmentation: photographs, and for each pixel one of 20 classes or the background.

Pictures stay in their files until they are asked for, and have several sizes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from refwarp.data.arrays import Array
from refwarp.data.dataset import Dataset, Steps
from refwarp.data.pictures import read_indices, read_rgb
from refwarp.data.reading import damaged, find_file, read_lines

# The label of pixels that do not count, on borders of objects and on what is too difficult.
IGNORED = 255

CLASS_NAMES = tuple(
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor".split()
)

_LISTS = "ImageSets/Segmentation"


@dataclass(frozen=True)
class SegmentedPictures:
    """Photographs and their segmentations, in their files until they are asked for.

    Attributes
    ----------
    names : tuple of str
        The name of each, such as 2007_000033.
    folder : Path
        The one with `JPEGImages` and `SegmentationClass`.
    """

    names: tuple[str, ...]
    folder: Path

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> Array:
        """Return a photograph, shape (3, H, W), float32 in [0, 1]."""
        return read_rgb(_photograph(self.folder, self.names[index]), "JPEG")

    def mask(self, index: int) -> Array:
        """Return the classes of its pixels, shape (H, W), int64: indices into `CLASS_NAMES`, or `IGNORED`."""
        path = _segmentation(self.folder, self.names[index])
        classes = read_indices(path, "PNG")
        wrong = (classes >= len(CLASS_NAMES)) & (classes != IGNORED)
        if wrong.any():
            raise damaged(path, f"there is a class {classes[wrong][0]}, expected 0 to 20, or {IGNORED}")
        return classes.astype(np.int64)

    def pair(self, index: int) -> tuple[Array, Array]:
        """Return a photograph and the classes of its pixels, which have one size."""
        image, mask = self.image(index), self.mask(index)
        if image.shape[1:] != mask.shape:
            raise damaged(
                _segmentation(self.folder, self.names[index]),
                f"the segmentation has {mask.shape[0]}x{mask.shape[1]} pixels, and its photograph "
                f"{image.shape[1]}x{image.shape[2]}",
            )
        return image, mask


def voc_splits(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the lists in `ImageSets/Segmentation`; argument and errors are those of `load_voc`."""
    return tuple(sorted(path.stem for path in (DATASET.find(folder) / _LISTS).glob("*.txt")))


def load_voc(folder: str | os.PathLike[str], split: str) -> SegmentedPictures:
    """Return the photographs of a list, with their segmentations.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or the one with `ImageSets`, `JPEGImages` and `SegmentationClass`: `VOC2012`.
    split : str
        The name of a list in `ImageSets/Segmentation`, such as "train" or "val".

    Returns
    -------
    SegmentedPictures
        In the order of the list. Every file is there; whether it is whole is seen when it is read.

    Raises
    ------
    ValueError
        If there is no such list, or it is damaged.
    OSError
        If the folder, the list or a picture is missing or cannot be read.
    """
    found = DATASET.find(folder)
    splits = voc_splits(found)
    if split not in splits:
        raise ValueError(f"split: given {split!r}, expected one of {', '.join(map(repr, splits)) or 'no list at all'}")
    path = found / _LISTS / f"{split}.txt"
    names = [line.strip() for line in read_lines(path)]
    for name in names:
        if not re.fullmatch(r"\w+", name, re.ASCII):
            raise damaged(path, f"there is a line {name[:40]!r}, expected the name of a picture")
        _photograph(found, name), _segmentation(found, name)
    if not names:
        raise damaged(path, "the list is empty")
    return SegmentedPictures(tuple(names), found)


def _photograph(folder: Path, name: str) -> Path:
    return find_file([folder / "JPEGImages" / f"{name}.jpg"])


def _segmentation(folder: Path, name: str) -> Path:
    return find_file([folder / "SegmentationClass" / f"{name}.png"])


def _steps(folder: Path) -> Steps:
    """Return a call for each list, and for each photograph that has a segmentation."""
    names = tuple(sorted(path.stem for path in (folder / "SegmentationClass").glob("*.png")))
    pictures = SegmentedPictures(names, folder)
    lists = [partial(load_voc, folder, split) for split in voc_splits(folder)]
    return [*lists, *(partial(pictures.pair, index) for index in range(len(names)))]


DATASET = Dataset(
    name="voc",
    title="PASCAL VOC 2012, segmented photographs",
    size="1,464 + 1,449 photographs, 20 classes; subset: 382",
    folders=("voc2012_subset", "VOCdevkit/VOC2012", "VOC2012"),
    files=(f"{_LISTS}/*.txt", "JPEGImages/*.jpg", "SegmentationClass/*.png"),
    origin="http://host.robots.ox.ac.uk/pascal/VOC/voc2012",
    citation='M. Everingham, S. M. A. Eslami, L. Van Gool, C. K. I. Williams, J. Winn and A. Zisserman, "The PASCAL '
    'visual object classes challenge: a retrospective", IJCV 111(1), 2015',
    licence="none; photographs from Flickr, under its terms of use",
    samples_may_be_published=False,
    contents={"08b36ea40ee923821f47a01885ea1da7237ee9b1fe27b8bce2d2b5f1ce9828fb": "the subset of 382 photographs"},
    steps=_steps,
)
