"""What a network learns from: one's own pictures by class, or a published set, in three parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from refwarp.data import Examples, PictureFiles, data_folder, distort, load_digits, stn_distortions
from refwarp.data.class_folders import HELD_OUT, Labelled, find_class_folders, split_by_class
from refwarp.data.distortions import Distortion
from refwarp.data.own_pictures import read_head, read_picture, resized
from refwarp.data.reading import check_input_folder
from refwarp.data.registry import datasets

Array = np.ndarray[Any, Any]
Size = tuple[int, int]

# scikit-learn's, and the size that they are magnified to: that of MNIST.
DIGITS, _DIGITS_SIZE = "digits", (28, 28)
# Pictures of one size up to this one keep it; others are resized to it.
LARGEST_SIDE = 64
# Draw the distortions that networks are validated and tested with.
_FIXED_SEEDS = {"validation": 30_001, "test": 30_002}


@dataclass(frozen=True)
class Parts:
    """Labelled pictures to learn from, to validate with and to test.

    Attributes
    ----------
    name : str
        Where they come from: a set's name, or a folder.
    classes : tuple of str
        What the classes are called, in the order of the labels.
    train, validation, test : Examples
        The parts; all pictures have one shape.
    files : mapping of str to sequence of str
        For pictures of one's own, the files of each part, by their names in the folder.
    distortion : Distortion, optional
        What the pictures of `validation` and `test` are distorted by, and each minibatch of `train` is to be, afresh.
    """

    name: str
    classes: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    distortion: Distortion | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what a network sees."""
        channels, height, width = self.test.images.shape[1:]
        return channels, height, width

    @property
    def size(self) -> Size:
        """Height and width of a picture before it is distorted."""
        height, width = self.train.images.shape[2:]
        return height, width

    def digests(self) -> dict[str, str]:
        """Return the digest of each part (`Examples.digest`)."""
        return {name: getattr(self, name).digest() for name in ("train", "validation", "test")}

    def distorted(self, name: str) -> Parts:
        """Return the parts with a distortion of STN, Sect. 4.1: R, RTS, P, E or TC; the same in every call.

        Raises
        ------
        ValueError
            If there is no such distortion, or the pictures are not square.
        """
        if self.size[0] != self.size[1]:
            raise ValueError(
                f"distortion: given {name!r} with pictures of {self.size[0]}x{self.size[1]} pixels, expected square "
                "ones; give --size, or leave the distortion out"
            )
        known = {part: stn_distortions(getattr(self, part).images) for part in ("train", *_FIXED_SEEDS)}
        if name not in known["train"]:
            raise ValueError(f"distortion: given {name!r}, expected one of {', '.join(known['train'])}, none")
        fixed = {}
        for part, seed in _FIXED_SEEDS.items():
            examples: Examples = getattr(self, part)
            images, _ = distort(examples.images, known[part][name], np.random.default_rng(seed))
            fixed[part] = Examples(images, examples.labels)
        return replace(self, validation=fixed["validation"], test=fixed["test"], distortion=known["train"][name])


def known_sets() -> list[str]:
    """Return the names of the sets that `load_parts` knows."""
    return [DIGITS, *(name for name, known in datasets().items() if known.load_classified)]


def load_parts(data: str, rng: np.random.Generator, size: Size | None = None) -> Parts:
    """Return the pictures of a folder or of a published set.

    Parameters
    ----------
    data : str
        A folder of pictures by class (`refwarp.data.class_folders`); a folder with a published set; or the name of a
        set, "digits" for those of scikit-learn, or one of the folder that the environment's REFWARP_DATA names.
    rng : numpy.random.Generator
        Draws the parts that are not given.
    size : (int, int), optional
        Height and width to resize the pictures to; else their own if it is one and at most 64x64, or 64x64.

    Returns
    -------
    Parts

    Raises
    ------
    ValueError, OSError
        If there are no such pictures, or some are damaged; in one sentence.
    """
    if data == DIGITS:
        digits = load_digits()
        found = {part: getattr(digits, part) for part in ("train", "validation", "test")}
        return _of_examples(DIGITS, found, size or _DIGITS_SIZE)
    known = {name: known for name, known in datasets().items() if known.load_classified}
    if data in known and not Path(data).is_dir():
        return _of_set(data, known[data].find(data_folder()), rng, size)
    folder = check_input_folder(data, "data", f"a folder of pictures by class, or one of {', '.join(known_sets())}")
    there = [name for name, one in known.items() if one.is_in(folder)] or [
        name for name, one in known.items() if one.locate(folder)
    ]
    if len(there) > 1:
        raise ValueError(
            f"data: given {data!r}, which holds {', '.join(there)}; give the folder of one, or its name with "
            f"REFWARP_DATA={data}"
        )
    if there:
        return _of_set(there[0], known[there[0]].find(folder), rng, size)
    own = find_class_folders(folder, rng)
    parts = {"train": own.train, "validation": own.validation, "test": own.test}
    return _of_files(str(data), own.classes, parts, size, own.files())


def _of_set(name: str, folder: Path, rng: np.random.Generator, size: Size | None) -> Parts:
    """Return a published set that is in this folder, with a tenth of what is to train on for validation."""
    load = datasets()[name].load_classified
    assert load is not None
    found = load(folder)
    if isinstance(found.train, PictureFiles):
        train, test = (Labelled(part.paths, part.labels) for part in (found.train, found.test))
        held, rest = split_by_class(train.labels, 1, rng, found.class_names)
        parts = {"train": train.select(rest), "validation": train.select(held), "test": test}
        return _of_files(name, found.class_names, parts, size)
    examples = {"train": found.train, "test": found.test}
    if hasattr(found, "validation"):
        examples["validation"] = found.validation
    elif hasattr(found, "hold_out"):
        examples["train"], examples["validation"] = found.hold_out(HELD_OUT, rng)
    else:  # not drawn: neighbours may be of one hand, or of one house
        cut = min(round((1 - HELD_OUT) * len(found.train)), len(found.train) - 1)
        examples["train"], examples["validation"] = found.train.select(slice(cut)), found.train.select(slice(cut, None))
    return _of_examples(name, examples, size)


def _of_examples(name: str, parts: Mapping[str, Examples], size: Size | None) -> Parts:
    count = 1 + max(int(part.labels.max()) for part in parts.values())
    if size is not None:
        parts = {key: Examples(resized(part.images, size), part.labels) for key, part in parts.items()}
    return Parts(name, tuple(map(str, range(count))), parts["train"], parts["validation"], parts["test"])


def _of_files(
    name: str,
    classes: tuple[str, ...],
    parts: Mapping[str, Labelled],
    size: Size | None,
    files: Mapping[str, Sequence[str]] | None = None,
) -> Parts:
    """Return the pictures of files: in colour if one of them is."""
    heads = [read_head(path) for part in parts.values() for path in part.paths]
    channels = 1 if all(head.is_grey for head in heads) else 3
    if size is None:
        height, width = heads[0][:2]
        alike = all(head[:2] == (height, width) for head in heads) and max(height, width) <= LARGEST_SIDE
        size = (height, width) if alike else (LARGEST_SIDE, LARGEST_SIDE)
    read = {}
    for key, part in parts.items():
        try:
            images = np.empty((len(part.paths), channels, *size), np.float32)
        except MemoryError as error:
            raise ValueError(
                f"size: {len(part.paths):,} pictures of {size[0]}x{size[1]} pixels do not fit into memory; give a "
                "smaller --size"
            ) from error
        for image, path in zip(images, part.paths, strict=True):
            image[:] = read_picture(path, channels, size)
        read[key] = Examples(images, part.labels)
    return Parts(name, classes, read["train"], read["validation"], read["test"], files or {})
