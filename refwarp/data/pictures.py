"""Pictures in files, read with Pillow: 8 bits a channel, and of a size that is checked before they are decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from refwarp.data.examples import Examples
from refwarp.data.reading import damaged, reads_as, unit_range

Array = np.ndarray[Any, Any]

# Most pixels of a picture. None of the sets comes near; a file of some kilobytes may claim a billion.
MOST_PIXELS = 2**26


@contextmanager
def _open(path: Path, format: str, modes: Sequence[str]) -> Iterator[Image.Image]:
    """Open a picture of this format and one of these modes of Pillow."""
    with reads_as(path, f"a {format} picture"):
        with Image.open(path, formats=(format,)) as head:
            if math.prod(head.size) > MOST_PIXELS:
                raise damaged(path, f"the picture claims {head.width}x{head.height} pixels, more than any data set's")
            if head.mode not in modes:
                raise damaged(path, f"the picture has Pillow's mode {head.mode}, expected {' or '.join(modes)}")
            head.verify()  # the checksums that the format has; what is verified cannot be decoded
        with Image.open(path, formats=(format,)) as image:
            image.load()
            yield image


def read_rgb(path: Path, format: str, size: tuple[int, int] | None = None) -> Array:
    """Return a picture in colour; a grey one has three equal channels.

    Parameters
    ----------
    path : Path
        The file.
    format : str
        Pillow's name of it: "JPEG", "PNG", "PPM".
    size : tuple of int, optional
        Height and width to resize it to, bilinearly and with antialiasing (`PIL.Image.Image.resize`).

    Returns
    -------
    ndarray, shape (3, H, W)
        float32 in [0, 1].

    Raises
    ------
    DamagedFileError
        If it is no such picture, or a damaged one.
    OSError
        If it is missing or cannot be read.
    """
    with _open(path, format, ("RGB", "L")) as image:
        colours = image.convert("RGB")
        if size is not None and size != (image.height, image.width):
            colours = colours.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return np.ascontiguousarray(np.moveaxis(unit_range(np.asarray(colours)), -1, 0))


def read_grey(path: Path, format: str) -> Array:
    """Return a grey picture, shape (1, H, W), float32 in [0, 1]; the rest as `read_rgb`."""
    with _open(path, format, ("L",)) as image:
        return unit_range(np.asarray(image))[None]


def read_mask(path: Path, format: str) -> Array:
    """Return a picture of black and white, shape (H, W), as bool: True is white; errors as those of `read_rgb`."""
    with _open(path, format, ("1", "L")) as image:
        values = np.asarray(image)
    if values.dtype == np.uint8 and not np.isin(values, (0, 255)).all():
        raise damaged(path, "the picture has shades of grey, expected black and white")
    white: Array = values != 0
    return white


def read_indices(path: Path, format: str) -> Array:
    """Return the indices of a palette picture, or the values of a grey one, shape (H, W), uint8."""
    with _open(path, format, ("P", "L")) as image:
        return np.array(image)


@dataclass(frozen=True)
class PictureFiles:
    """Labelled pictures in colour that stay in their files until they are asked for.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    labels : ndarray, shape (N,)
        The class of each, int64.
    format : str
        Pillow's name of their format.
    """

    paths: tuple[Path, ...]
    labels: Array
    format: str = "JPEG"

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int, size: tuple[int, int] | None = None) -> Array:
        """Return one picture as `read_rgb` does."""
        return read_rgb(self.paths[index], self.format, size)

    def examples(self, indices: Sequence[int] | Array | None = None, size: tuple[int, int] | None = None) -> Examples:
        """Return pictures and labels in memory, such as those of a minibatch.

        Parameters
        ----------
        indices : sequence of int, optional
            Which; else all.
        size : tuple of int, optional
            Height and width to resize them to; else they have to have one size.

        Raises
        ------
        ValueError
            If there are no indices, sizes differ, or a file is damaged.
        OSError
            If a file is missing or cannot be read.
        """
        which = np.arange(len(self)) if indices is None else np.asarray(indices)
        if not which.size:
            raise ValueError("indices: given none, expected those of the pictures to read")
        first = self.image(which[0], size)
        images = np.empty((len(which), *first.shape), np.float32)
        images[0] = first
        for row, index in enumerate(which[1:], 1):
            image = self.image(index, size)
            if image.shape != first.shape:
                raise ValueError(
                    f"size: {self.paths[index]} has {image.shape[1]}x{image.shape[2]} pixels, and "
                    f"{self.paths[which[0]]} {first.shape[1]}x{first.shape[2]}; give a size to resize them to"
                )
            images[row] = image
        return Examples(images, self.labels[which])
