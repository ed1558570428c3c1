"""Pictures in files, as an experimenter has them: of several formats and sizes, grey or in colour.

Colours are as they show on white paper where a picture is transparent, and upright where a camera noted how it was
held. Of several frames the first is read. Grey pictures may have 16 bits.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from refwarp.data.pictures import MOST_PIXELS
from refwarp.data.reading import unit_range

Array = np.ndarray[Any, Any]

# As Pillow calls them.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

_GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")


class Head(NamedTuple):
    """What a picture is like, before it is decoded."""

    height: int
    width: int
    is_grey: bool


@cache
def suffixes() -> frozenset[str]:
    """Return the suffixes of files that are taken for pictures, in small letters."""
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)


def pictures_below(folder: Path) -> list[Path]:
    """Return the pictures in a folder and the folders in it, told by their suffixes, in the order of their names.

    Files and folders whose name begins with a point are left alone.
    """
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in suffixes())


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture, and turn whatever its reader raises in this block into one sentence that names the file."""
    try:
        with warnings.catch_warnings():  # of what is odd in a file, and can be read all the same
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                if math.prod(image.size) > MOST_PIXELS:
                    raise ValueError(f"it claims {image.width:,} x {image.height:,} pixels")
                yield image
    except Exception as error:  # as varied as the damage
        if isinstance(error, OSError) and error.strerror:
            raise type(error)(f"{path}: the picture cannot be read ({error.strerror})") from error
        reason = "it is of another format" if isinstance(error, UnidentifiedImageError) else str(error)
        reason = " ".join(reason.split())[:200] or type(error).__name__
        raise ValueError(f"{path}: the picture cannot be read ({reason}); replace it, or remove it") from error


def read_head(path: Path) -> Head:
    """Return the size of a picture, and whether it is grey.

    Raises
    ------
    ValueError
        If it is damaged, of another format, or too large.
    OSError
        If it is missing, or the system cannot read it.
    """
    with _opened(path) as image:
        return Head(image.height, image.width, image.mode in _GREY)


def read_picture(path: Path, channels: int, size: tuple[int, int] | None = None) -> Array:
    """Return a picture.

    Parameters
    ----------
    path : Path
        The file.
    channels : {1, 3}
        Grey or in colour.
    size : (int, int), optional
        Height and width to resize it to.

    Returns
    -------
    ndarray, shape (C, H, W)
        float32 in [0, 1].

    Raises
    ------
    ValueError
        If it is damaged, of another format, or too large.
    OSError
        If it is missing, or the system cannot read it.
    """
    with _opened(path) as image:
        values = _values(ImageOps.exif_transpose(image), is_grey=channels == 1)
    height, width = values.shape[1:]
    picture: Array = resized(np.broadcast_to(values, (1, channels, height, width)), size or (height, width))[0]
    return picture


def _values(image: Image.Image, is_grey: bool) -> Array:
    """Return the values of an open picture, (1, H, W) or (3, H, W)."""
    if image.mode in ("I", "F"):
        raise ValueError("it has values of 32 bits; those of 8 or 16 can be read")
    if image.mode.startswith("I;16"):
        return (np.asarray(image) / np.float32(2**16 - 1))[None]
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    values = unit_range(np.asarray(image.convert("L" if is_grey else "RGB")))
    return values[None] if is_grey else np.moveaxis(values, -1, 0)


def resized(images: Array, size: tuple[int, int]) -> Array:
    """Return pictures of another height and width, interpolated linearly, and averaged where they become smaller.

    Parameters
    ----------
    images : ndarray, shape (N, C, h, w)
        float32.
    size : (int, int)
        Height and width.

    Returns
    -------
    ndarray, shape (N, C, *size)
    """
    count, channels, *given = images.shape
    if tuple(given) == size:
        return np.ascontiguousarray(images)
    found = np.empty((count, channels, *size), np.float32)
    for index in np.ndindex(count, channels):
        plane = Image.fromarray(np.ascontiguousarray(images[index], np.float32))
        found[index] = np.asarray(plane.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return found
