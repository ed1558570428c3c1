"""CUB-200-2011: 11,788 photographs of birds of 200 species (Caltech and UCSD).

Pictures stay in their files until they are asked for; there are too many for memory at the size of the papers.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from refwarp.data.arrays import Array
from refwarp.data.dataset import Dataset, Steps
from refwarp.data.pictures import PictureFiles
from refwarp.data.reading import damaged, find_file, is_count, read_lines, reads_as

_INDEX = "index.csv"
_COLUMNS = ["path", "label", "class", "split"]
_LISTS = ("images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt")


@dataclass(frozen=True)
class Birds:
    """The birds in the two parts that they are published in.

    Attributes
    ----------
    train, test : PictureFiles
        Photographs of several sizes, which are read when asked for, and their classes.
    class_names : tuple of str
        The species of each label.
    """

    train: PictureFiles
    test: PictureFiles
    class_names: tuple[str, ...]


class _Bird(NamedTuple):
    """What lists say of a photograph."""

    name: str
    label: int
    trains: bool


def load_cub(folder: str | os.PathLike[str]) -> Birds:
    """Return the birds.

    Parameters
    ----------
    folder : path
        The folder with all data sets, or the one with `images/` and either the lists that are published with them
        (`images.txt`, `image_class_labels.txt`, `classes.txt`, `train_test_split.txt`) or one list `index.csv` with
        the columns path, label, class and split.

    Returns
    -------
    Birds
        5,994 photographs to train on and 5,794 for the test, of 200 species; of the subset 600 and 555, of 20. Every
        file is there; whether it is whole is seen when it is read.

    Raises
    ------
    ValueError
        If a list is damaged, or of another kind.
    OSError
        If the folder, a list or a photograph is missing or cannot be read.
    """
    found = DATASET.find(folder)
    lists = find_file([found / _INDEX, found / _LISTS[0]])
    birds, class_names = _read_index(lists) if lists.name == _INDEX else _read_published(found)

    def part(trains: bool) -> PictureFiles:
        chosen = [bird for bird in birds if bird.trains is trains]
        labels: Array = np.array([bird.label for bird in chosen], np.int64)
        return PictureFiles(tuple(find_file([found / "images" / bird.name]) for bird in chosen), labels)

    return Birds(part(True), part(False), class_names)


def _read_index(path: Path) -> tuple[list[_Bird], tuple[str, ...]]:
    birds, names = [], dict[int, str]()
    with reads_as(path, "a list with commas"):
        rows = list(csv.reader(read_lines(path)))
    if rows[:1] != [_COLUMNS]:
        raise damaged(path, f"the first line is not {','.join(_COLUMNS)}")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(_COLUMNS) or not is_count(row[1]) or row[3] not in ("train", "test"):
            raise damaged(path, f"line {number} is none of {', '.join(_COLUMNS)} (train or test)")
        name, label = _checked_name(path, row[0]), int(row[1])
        if names.setdefault(label, row[2]) != row[2]:
            raise damaged(path, f"line {number} calls class {label} {row[2]!r}, and an earlier one {names[label]!r}")
        birds.append(_Bird(name, label, row[3] == "train"))
    if sorted(names) != list(range(len(names))) or not names:
        raise damaged(path, f"the labels are not 0 to {max(len(names) - 1, 0)}")
    return birds, tuple(names[label] for label in sorted(names))


def _read_published(folder: Path) -> tuple[list[_Bird], tuple[str, ...]]:
    images, classes, names, trains = (_read_pairs(find_file([folder / name])) for name in _LISTS)
    labels = {key: label for label, key in enumerate(sorted(names, key=int))}
    for name, pairs in zip((_LISTS[1], _LISTS[3]), (classes, trains), strict=True):
        if pairs.keys() != images.keys():
            raise damaged(folder / name, f"it is not about the photographs of {_LISTS[0]}")
    unknown = set(classes.values()) - labels.keys()
    if unknown:
        raise damaged(folder / _LISTS[1], f"class {min(unknown)} is not in {_LISTS[2]}")
    if not set(trains.values()) <= {"0", "1"}:
        raise damaged(folder / _LISTS[3], "there is something else than 0 and 1")
    return [
        _Bird(_checked_name(folder / _LISTS[0], name), labels[classes[key]], trains[key] == "1")
        for key, name in images.items()
    ], tuple(names[key] for key in labels)


def _read_pairs(path: Path) -> dict[str, str]:
    """Return a list of lines of a number, a space, and a text."""
    pairs = {}
    for number, line in enumerate(read_lines(path), 1):
        key, _, value = line.strip().partition(" ")
        if not (is_count(key) and value) or key in pairs:
            raise damaged(path, f"line {number} is not a new number and what belongs to it")
        pairs[key] = value
    return pairs


def _checked_name(path: Path, name: str) -> str:
    """Return the name of a file below `images`, and refuse one that leads elsewhere."""
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts or "\\" in name:
        raise damaged(path, f"it names {name!r}, expected a file in the folder images")
    return name


def _steps(folder: Path) -> Steps:
    birds = load_cub(folder)
    return [partial(part.image, index) for part in (birds.train, birds.test) for index in range(len(part))]


DATASET = Dataset(
    name="cub",
    title="CUB-200-2011, photographs of birds",
    size="5,994 + 5,794 photographs of 200 species; subset: 600 + 555 of 20, 227x227",
    folders=("cub20", "CUB_200_2011"),
    files=(_INDEX, *_LISTS, "images/*/*.jpg"),
    origin="https://www.vision.caltech.edu/datasets/cub_200_2011",
    citation='C. Wah, S. Branson, P. Welinder, P. Perona and S. Belongie, "The Caltech-UCSD Birds-200-2011 dataset", '
    "CNS-TR-2011-001, California Institute of Technology, 2011",
    licence="none; photographers' rights, for non-commercial research and education",
    samples_may_be_published=False,
    contents={"03ad624f9980adf2af149125f9f4f451d56f34f58dad91c97f753d2f04c2eade": "the subset of 20 classes"},
    steps=_steps,
    load_classified=load_cub,
)
