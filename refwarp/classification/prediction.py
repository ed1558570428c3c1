"""Pictures, classified by a trained network."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.special import softmax

from refwarp.classification.design import NO_WARP
from refwarp.classification.kept import Classifier
from refwarp.data.own_pictures import pictures_below, read_picture, resized
from refwarp.drawing.levels import eight_bits
from refwarp.files import atomic_write, check_input_file, make_output_folder
from refwarp.networks.pictures import views
from refwarp.training import scores

Array = np.ndarray[Any, Any]

# How many pictures are read at once.
_BATCH = 256


class Picture(NamedTuple):
    """A picture to classify.

    Attributes
    ----------
    path : Path
        The file.
    name : Path
        What its warped version is called, without the suffix: the file's name, with the folders in which it was found.
    """

    path: Path
    name: Path


class Prediction(NamedTuple):
    """What a picture is taken for.

    Attributes
    ----------
    path : Path
        The file.
    probabilities : ndarray, shape (K,)
        Of each class; they sum to 1.
    """

    path: Path
    probabilities: Array

    @property
    def label(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        """Its probability."""
        return float(self.probabilities.max())


def find_pictures(given: Sequence[Path]) -> list[Picture]:
    """Return the pictures of files and folders.

    Raises
    ------
    FileNotFoundError
        If there is nothing of a name.
    ValueError
        If there is something that is neither a file nor a folder, or a folder has no pictures.
    """
    found: list[Picture] = []
    for path in given:
        if path.is_dir():
            inside = pictures_below(path)
            if not inside:
                raise ValueError(f"pictures: given {str(path)!r}, a folder without pictures; expected some in it")
            found += [Picture(one, one.relative_to(path).with_suffix("")) for one in inside]
        else:
            check_input_file(path, "pictures", "a picture, or a folder of pictures")
            found.append(Picture(path, Path(path.stem)))
    return found


def classify(classifier: Classifier, pictures: Sequence[Picture], warped: Path | None = None) -> list[Prediction]:
    """Return what a network takes pictures for, and write what its transformer makes of them.

    A picture of the size of the network's input is taken as it is. Any other is resized to that of the pictures that it
    learnt from, and where these were distorted on a larger canvas, laid in the middle of one.

    Parameters
    ----------
    classifier : Classifier
        The network.
    pictures : sequence of Picture
        Which pictures.
    warped : Path, optional
        The folder to write warped pictures to, as PNG.

    Raises
    ------
    ValueError
        If a picture is damaged; or if the network has no transformer, or a warped picture would take the place of a
        file.
    OSError
        If a picture cannot be read, or a file cannot be written.
    """
    if warped is not None and classifier.design.warp == NO_WARP:
        raise ValueError(f"warped: given with a network {classifier.design.model}, which does not warp; leave it out")
    targets = _targets(pictures, warped) if warped is not None else []
    found: list[Prediction] = []
    for start in range(0, len(pictures), _BATCH):
        some = pictures[start : start + _BATCH]
        images = np.stack([_input(classifier, picture.path) for picture in some])
        probabilities = softmax(scores(classifier.network, images).astype(np.float64), axis=1)
        found += [Prediction(one.path, row) for one, row in zip(some, probabilities, strict=True)]
        if warped is not None:
            (view,) = views(classifier.network, images).values()
            for target, output in zip(targets[start:], view.outputs, strict=False):
                _write(target, output)
    return found


def _input(classifier: Classifier, path: Path) -> Array:
    """Return a picture as the network takes it."""
    channels, *canvas = classifier.design.shape
    height, width = classifier.size
    picture = read_picture(path, channels)
    if list(picture.shape[1:]) == canvas:
        return picture
    image = np.zeros((channels, *canvas), np.float32)
    top, left = (canvas[0] - height) // 2, (canvas[1] - width) // 2
    image[:, top : top + height, left : left + width] = resized(picture[None], (height, width))[0]
    return image


def _targets(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Return the file of each warped picture; ValueError if something is there."""
    targets: dict[Path, None] = {}
    for picture in pictures:
        target, number = folder / f"{picture.name}.png", 2
        while target in targets:
            target, number = folder / f"{picture.name}-{number}.png", number + 1
        targets[target] = None
    there = next((target for target in targets if target.exists()), None)
    if there is not None:
        raise ValueError(f"warped: {there} is there already; give another folder, or remove it")
    return list(targets)


def _write(path: Path, output: Array) -> None:
    """Write a map (C, H, W) as a picture."""
    values = eight_bits(output)
    packed = io.BytesIO()
    Image.fromarray(values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)).save(packed, "PNG")
    make_output_folder(path.parent, "warped")
    with atomic_write(path) as temporary:
        temporary.write_bytes(packed.getvalue())
