"""Pictures of one object that are not aligned, and where alignment starts: those of RASL, which HSTN aligns too.

`Dummy_59_59` is 100 pictures of a dummy's head, partly covered, `Al_Gore` 140 frames of a video, `Digits_3` 100 threes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from refwarp.data.arrays import Array, Layout
from refwarp.data.dataset import Dataset
from refwarp.data.matlab import read_mat
from refwarp.data.pictures import read_grey
from refwarp.data.reading import damaged, find_file

_ENDS = (".bmp", "-points.mat")


@dataclass(frozen=True)
class LandmarkedPictures:
    """Pictures, and where two landmarks are thought to be in each.

    Landmarks are where an alignment starts, not where it should end. They are level with each other in every picture;
    those of `Dummy_59_59` and `Digits_3` are the same in all pictures, those of `Al_Gore` a face detector's.

    Attributes
    ----------
    names : tuple of str
        The name of each picture's file, without its end.
    images : tuple of ndarray, shape (1, H, W)
        The pictures, float32 in [0, 1]; sizes may differ.
    landmarks : ndarray, shape (N, 2, 2)
        x and y of the first and of the second landmark (of a face, the outer corners of its left and right eye as
        seen), float64, in pixels: (0, 0) is the centre of the first pixel, y points down.
    """

    names: tuple[str, ...]
    images: tuple[Array, ...]
    landmarks: Array

    def __len__(self) -> int:
        return len(self.images)


def rasl_sets(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the sets of pictures there are; argument and errors are those of `load_rasl`."""
    return tuple(sorted({stem.parent.name for stem in _stems(DATASET.find(folder), "*")}))


def load_rasl(folder: str | os.PathLike[str], name: str) -> LandmarkedPictures:
    """Return a set of pictures with landmarks.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or one with a folder for each set of RASL, with `NNN.bmp` and `NNN-points.mat`
        (an array `points`, 2x2: x of the two landmarks, then y, counted from 1).
    name : str
        The set: "Dummy_59_59", "Al_Gore" or "Digits_3".

    Returns
    -------
    LandmarkedPictures
        In the order of the names of their files.

    Raises
    ------
    ValueError
        If there is no such set, or a file is damaged.
    OSError
        If the folder or a file is missing or cannot be read.
    """
    found = DATASET.find(folder)
    names = rasl_sets(found)
    if name not in names:
        raise ValueError(f"name: given {name!r}, expected one of {', '.join(map(repr, names))}")
    stems = _stems(found, name)
    images, landmarks = zip(*(_read_picture(stem) for stem in stems), strict=True)
    return LandmarkedPictures(tuple(stem.name for stem in stems), images, np.stack(landmarks))


def _stems(folder: Path, name: str) -> list[Path]:
    """Return the files of which there is a picture or the landmarks, without their ends."""
    found = {path.with_name(path.name.removesuffix(end)) for end in _ENDS for path in folder.glob(f"{name}/*{end}")}
    return sorted(found)


def _read_picture(stem: Path) -> tuple[Array, Array]:
    """Return a picture and its landmarks."""
    image_path, points_path = (find_file([stem.with_name(f"{stem.name}{end}")]) for end in _ENDS)
    image = read_grey(image_path, "BMP")
    points = read_mat(points_path, {"points": Layout(np.number, (2, 2))})["points"]
    landmarks = points.T.astype(np.float64) - 1  # MATLAB counts from 1
    if not np.isfinite(landmarks).all():
        raise damaged(points_path, "there is a landmark that is no number")
    return image, landmarks


DATASET = Dataset(
    name="rasl",
    title="RASL, pictures to align, with landmarks",
    size="100 pictures of a head, 140 frames of a face, 100 digits; 37 to 111 pixels",
    folders=("rasl/data", "rasl"),
    files=tuple(f"*/*{end}" for end in _ENDS),
    origin="https://github.com/welch/rasl",
    citation='Y. Peng, A. Ganesh, J. Wright, W. Xu and Y. Ma, "RASL: robust alignment by sparse and low-rank '
    'decomposition for linearly correlated images", PAMI 34(11), 2012',
    licence="MIT",
    samples_may_be_published=True,
    contents={"88835073f9ba9869204d477ed277f221176a2193efafca16cd8e50355cfcbb43": "three sets as published"},
    steps=lambda folder: [partial(_read_picture, stem) for stem in _stems(folder, "*")],
)
