"""Pictures in folders by class: DIR/CLASS/PICTURE, or DIR/PART/CLASS/PICTURE with the parts train, val and test.

Which parts are not there is drawn from the others, class by class: of each class a tenth to validate with, and a tenth
for the test.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refwarp.data.own_pictures import pictures_below
from refwarp.data.reading import check_input_folder

Array = np.ndarray[Any, Any]

# How the folders of the parts are called.
_NAMES = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test", "testing")}

# Of each class, the share of the pictures that are held out for a part.
HELD_OUT = 0.1


class Labelled(NamedTuple):
    """Pictures of a part.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    labels : ndarray, shape (N,)
        The class of each, int64.
    """

    paths: tuple[Path, ...]
    labels: Array

    def select(self, which: Array) -> Labelled:
        """Return some of them, by their indices."""
        return Labelled(tuple(self.paths[k] for k in which), self.labels[which])


@dataclass(frozen=True)
class ClassFolders:
    """Pictures in folders by class, in three parts.

    Attributes
    ----------
    folder : Path
        The folder that holds all.
    classes : tuple of str
        What the classes are called: the names of their folders, in the order of the labels.
    train, validation, test : Labelled
        The parts.
    """

    folder: Path
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled
    test: Labelled

    def files(self) -> dict[str, list[str]]:
        """Return the files of each part, by their names in the folder."""
        return {
            part: [path.relative_to(self.folder).as_posix() for path in getattr(self, part).paths] for part in _NAMES
        }


def find_class_folders(folder: str | os.PathLike[str], rng: np.random.Generator) -> ClassFolders:
    """Return the pictures in folders by class.

    Parameters
    ----------
    folder : path
        It holds a folder for each class; or folders train (training), val (valid, validation) and test (testing), or
        the first of these alone, with a folder for each class in each.
    rng : numpy.random.Generator
        Draws the parts that have no folder of their own.

    Returns
    -------
    ClassFolders

    Raises
    ------
    ValueError
        If there are not at least two classes, one has no picture or too few for all parts, a part has a class that is
        not there to learn from, or nothing is there to train on.
    FileNotFoundError
        If there is no such folder.
    """
    root = check_input_folder(folder, "data", "a folder of pictures by class")
    places = {part: _part_folder(root, part) for part in _NAMES}
    if places["train"] is None and any(places.values()):
        raise ValueError(f"data: given {str(root)!r} with a folder for another part and none to train on; add train")
    learnt = places["train"] or root
    classes = tuple(path.name for path in _folders_in(learnt))
    if len(classes) < 2:
        found = f"the one class {classes[0]!r}" if classes else "no folders"
        raise ValueError(
            f"data: given {str(learnt)!r} with {found} in it, expected at least two classes: a folder of pictures for "
            "each"
        )
    given = {part: _labelled(place, classes) for part, place in places.items() if place is not None}
    for part, own in given.items():
        if not own.paths:
            raise ValueError(f"data: {places[part]} holds no pictures; put some into it, or remove it")
    whole = given.get("train") or _labelled(root, classes)
    for label, name in enumerate(classes):
        if not (whole.labels == label).any():
            raise ValueError(f"data: {learnt / name} holds no pictures; put some into it, or remove it")
    missing = [part for part in ("validation", "test") if part not in given]
    *held, rest = split_by_class(whole.labels, len(missing), rng, classes)
    given |= {part: whole.select(which) for part, which in zip(missing, held, strict=True)}
    return ClassFolders(root, classes, whole.select(rest), given["validation"], given["test"])


def split_by_class(
    labels: Array, count: int, rng: np.random.Generator, classes: tuple[str, ...] | None = None
) -> list[Array]:
    """Draw parts that each hold the same share of each class.

    Parameters
    ----------
    labels : ndarray, shape (N,)
        The class of each example.
    count : int
        How many parts are drawn; each takes `HELD_OUT` of each class, rounded, and at least one example.
    rng : numpy.random.Generator
        Draws them.
    classes : tuple of str, optional
        What the classes are called, for messages.

    Returns
    -------
    list of ndarray
        The indices of each part, and at last those of all the others; each in ascending order.

    Raises
    ------
    ValueError
        If a class has too few examples for all of them.
    """
    parts: list[list[Array]] = [[] for _ in range(count + 1)]
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        if len(own) <= count:
            name = classes[label] if classes else int(label)
            raise ValueError(
                f"data: the class {name!r} has too few pictures, {len(own)}, expected at least {count + 1}: one for "
                "each part"
            )
        held = max(1, round(HELD_OUT * len(own)))
        held = min(held, (len(own) - 1) // count) if count else 0
        for part, indices in zip(parts, np.split(own, [held * (k + 1) for k in range(count)]), strict=True):
            part.append(indices)
    return [np.sort(np.concatenate(part)) for part in parts]


def _part_folder(root: Path, part: str) -> Path | None:
    """Return the folder of a part, which holds folders; one that holds pictures is a class of that name."""
    for path in _folders_in(root):
        if path.name.lower() in _NAMES[part] and _folders_in(path):
            return path
    return None


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise type(error)(f"data: the folder {folder} cannot be read ({error.strerror})") from error


def _labelled(folder: Path, classes: tuple[str, ...]) -> Labelled:
    """Return the pictures in the folders of the classes."""
    unknown = [path.name for path in _folders_in(folder) if path.name not in classes]
    if unknown:
        raise ValueError(
            f"data: {folder / unknown[0]} is of a class that is not there to learn from; expected {', '.join(classes)}"
        )
    paths = [pictures_below(folder / name) for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(own) for own in paths])
    return Labelled(tuple(path for own in paths for path in own), labels.astype(np.int64))
