"""GTSRB: German traffic signs, cropped, of 43 classes.

The training part is made of tracks: pictures of one physical sign, taken while a car approaches it, which are much
alike. What is held out for validation has to be whole tracks.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from refwarp.data.arrays import Array, Layout, read_npz
from refwarp.data.dataset import Dataset, Steps
from refwarp.data.examples import Examples
from refwarp.data.pictures import read_rgb
from refwarp.data.reading import class_labels, damaged, find_file, is_count, read_lines, reads_as, unit_range

CLASSES = 43

_SUBSET, _SUBSET_SIDE = "gtsrb32_subset.npz", 32
_TRAINING = ("Final_Training/Images", "Training")  # of the archive of the final round, and of the corrected one
_TEST = "Final_Test/Images"
_TEST_LISTS = ("GT-final_test.csv", f"{_TEST}/GT-final_test.csv")
_COLUMNS = ("Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId")


@dataclass(frozen=True)
class TrafficSigns:
    """The signs in the two parts that they are published in.

    Attributes
    ----------
    train, test : Examples
        Pictures (N, 3, side, side) and the classes, 0 to 42.
    tracks : ndarray, shape (N,)
        For each picture of `train` the number of its track, int64: which physical sign it shows.
    frames : ndarray, shape (N,)
        Its place in the track, int64: the car comes nearer.
    train_regions, test_regions : ndarray, shape (N, 6)
        Of the original picture, in pixels: width, height, and the sign's left, top, right and bottom; int64.
    """

    train: Examples
    test: Examples
    tracks: Array
    frames: Array
    train_regions: Array
    test_regions: Array

    def hold_out(self, share: float, rng: np.random.Generator) -> tuple[Examples, Examples]:
        """Divide the training part into one to train on and one to validate with, which share no track.

        Parameters
        ----------
        share : float
            Of the tracks of each class, rounded, which share is held out; at least one, where there are two.
        rng : numpy.random.Generator
            Draws them.

        Returns
        -------
        train, validation : Examples

        Raises
        ------
        ValueError
            If the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise ValueError(f"share: given {share!r}, expected a number between 0 and 1")
        held = np.zeros(len(self.train), bool)
        for label in np.unique(self.train.labels):
            tracks = np.unique(self.tracks[self.train.labels == label])
            count = min(max(round(share * len(tracks)), 1), len(tracks) - 1)
            held |= np.isin(self.tracks, rng.permutation(tracks)[:count])
        return self.train.select(~held), self.train.select(held)


def load_gtsrb(folder: str | os.PathLike[str], side: int = _SUBSET_SIDE) -> TrafficSigns:
    """Return the traffic signs.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or the one with `Final_Training/Images`, `Final_Test/Images` and
        `GT-final_test.csv`, as published, or with `gtsrb32_subset.npz`, a part of them that is resized already.
    side : int
        Height and width that the pictures are resized to, bilinearly and with antialiasing; of the subset only 32.

    Returns
    -------
    TrafficSigns
        39,209 pictures to train on and 12,630 for the test; of the subset 3,921 and 4,210.

    Raises
    ------
    ValueError
        If a file is damaged, or of another kind; or for a side that cannot be had.
    OSError
        If the folder or a file is missing or cannot be read.
    """
    found = DATASET.find(folder)
    if (found / _SUBSET).is_file():
        if side != _SUBSET_SIDE:
            raise ValueError(f"side: given {side!r}, expected {_SUBSET_SIDE}; the subset has no others")
        return _read_subset(found / _SUBSET)
    if not isinstance(side, int | np.integer) or side < 1:
        raise ValueError(f"side: given {side!r}, expected a positive integer")
    train = [sign for path in _training_lists(found) for sign in _read_list(path)]
    test = _read_list(_test_list(found), found / _TEST)
    track_frames = np.array([_track_frame(sign.path) for sign in train])
    train_part, test_part = _read_signs(train, side), _read_signs(test, side)
    return TrafficSigns(
        train_part,
        test_part,
        *_tracks(train_part.labels, track_frames),
        *(np.array([sign.region for sign in signs], np.int64) for signs in (train, test)),
    )


def _read_subset(path: Path) -> TrafficSigns:
    layouts = {"track_frame_train": Layout(np.integer, (None, 2))}
    for part in ("train", "test"):
        layouts[f"x_{part}"] = Layout(np.uint8, (None, _SUBSET_SIDE, _SUBSET_SIDE, 3))
        layouts[f"y_{part}"] = Layout(np.integer, (None,))
        layouts[f"roi_{part}"] = Layout(np.integer, (None, 6))
    arrays = read_npz(path, layouts)
    for name, array in arrays.items():
        pictures = f"x_{name.rpartition('_')[2]}"
        if len(array) != len(arrays[pictures]):
            raise damaged(
                path, f"there are {len(arrays[pictures]):,} pictures {pictures}, and {len(array):,} of {name}"
            )
    train, test = (
        Examples(
            unit_range(np.ascontiguousarray(arrays[f"x_{part}"].transpose(0, 3, 1, 2))),
            class_labels(path, arrays[f"y_{part}"], CLASSES),
        )
        for part in ("train", "test")
    )
    tracks, frames = _tracks(train.labels, arrays["track_frame_train"])
    regions = (arrays[f"roi_{part}"].astype(np.int64) for part in ("train", "test"))
    return TrafficSigns(train, test, tracks, frames, *regions)


def _tracks(labels: Array, track_frames: Array) -> tuple[Array, Array]:
    """Return tracks, which are published as numbers within a class, as numbers of all, and frames."""
    pairs = np.column_stack([labels, track_frames[:, 0]])
    _, tracks = np.unique(pairs, axis=0, return_inverse=True)
    return tracks.reshape(-1).astype(np.int64), track_frames[:, 1].astype(np.int64)


class _Sign(NamedTuple):
    """A line of a list."""

    path: Path
    region: tuple[int, ...]
    label: int


def _training_lists(folder: Path) -> list[Path]:
    """Return the lists of the classes, one in each class's folder."""
    training = next((folder / name for name in _TRAINING if (folder / name).is_dir()), folder / _TRAINING[0])
    return [find_file([training / f"{label:05}" / f"GT-{label:05}.csv"]) for label in range(CLASSES)]


def _test_list(folder: Path) -> Path:
    return find_file([folder / name for name in _TEST_LISTS])


def _read_list(path: Path, pictures: Path | None = None) -> list[_Sign]:
    """Return what a list says of the pictures in a folder, its own if none is given."""
    with reads_as(path, "a list with semicolons"):
        rows = list(csv.reader(read_lines(path), delimiter=";"))
    if rows[:1] != [list(_COLUMNS)]:
        raise damaged(path, f"the first line is not {';'.join(_COLUMNS)}")
    signs = []
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(_COLUMNS) or not all(map(is_count, row[1:])):
            raise damaged(path, f"line {line} is none of {', '.join(_COLUMNS)}")
        name, *numbers = row[0], *map(int, row[1:])
        if not re.fullmatch(r"\w+\.ppm", name, re.ASCII):
            raise damaged(path, f"line {line} names {name[:40]!r}, expected a file such as 00000.ppm")
        class_labels(path, np.array(numbers[-1:]), CLASSES)
        signs.append(_Sign((pictures or path.parent) / name, tuple(numbers[:-1]), numbers[-1]))
    if not signs:
        raise damaged(path, "the list is empty")
    return signs


def _track_frame(path: Path) -> tuple[int, int]:
    """Return track and frame of a training picture, TTTTT_FFFFF.ppm."""
    track, _, frame = path.stem.partition("_")
    if not (is_count(track) and is_count(frame)):
        raise damaged(path, "the name is none of track and frame, as 00000_00000.ppm")
    return int(track), int(frame)


def _read_signs(signs: list[_Sign], side: int) -> Examples:
    images = np.empty((len(signs), 3, side, side), np.float32)
    for image, sign in zip(images, signs, strict=True):
        image[:] = read_rgb(sign.path, "PPM", (side, side))
    return Examples(images, np.array([sign.label for sign in signs], np.int64))


def _steps(folder: Path) -> Steps:
    if (folder / _SUBSET).is_file():
        return [partial(_read_subset, folder / _SUBSET)]
    lists = [(path, None) for path in _training_lists(folder)] + [(_test_list(folder), folder / _TEST)]
    return [partial(read_rgb, sign.path, "PPM") for path, pictures in lists for sign in _read_list(path, pictures)]


DATASET = Dataset(
    name="gtsrb",
    title="GTSRB, German traffic signs",
    size="39,209 + 12,630 signs of 43 classes, 15 to 250 pixels wide; subset: 3,921 + 4,210, 32x32",
    folders=("gtsrb32", "GTSRB"),
    files=(
        _SUBSET,
        *(f"{name}/*/{kind}" for name in _TRAINING for kind in ("*.csv", "*.ppm")),
        f"{_TEST}/*.ppm",
        *_TEST_LISTS,
    ),
    origin="https://benchmark.ini.rub.de/gtsrb_dataset.html",
    citation='J. Stallkamp, M. Schlipsing, J. Salmen and C. Igel, "Man vs. computer: benchmarking machine learning '
    'algorithms for traffic sign recognition", Neural Networks 32, 2012',
    licence="none stated",
    samples_may_be_published=False,
    contents={"a37a663c05e7d31091b12ff19e95030deaf7c0ab9e0f76135727ddc158843493": "the subset of 32x32 pixels"},
    steps=_steps,
    load_classified=load_gtsrb,
)
