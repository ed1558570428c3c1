"""The error of an output as pictures: one for each map in it, one pixel for each element."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.grades import Shares

# From good to bad; each is told from its neighbours by its lightness alone. The first bound that holds counts.
CLASSES = (
    ("exact", "#eef1f4"),
    ("faithful", "#9fc8e3"),
    ("working precision", "#f6cf65"),
    ("up to 10 times working precision", "#ee8a3c"),
    ("up to 1,000 times", "#cc3a22"),
    ("beyond", "#7d1020"),
    ("beyond any bound", "#000000"),
)

# A larger map is drawn in blocks, each as bad as its worst element; and of many maps only the worst are drawn.
_MOST_PIXELS = 96
_MOST_MAPS = 4

_Classes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A map of the error: where in the output it is, as "0, 1, :, :", its size in pixels, and the PNG file."""

    where: str
    height: int
    width: int
    png: bytes


def pictures(output: str, shares: Shares) -> tuple[list[Picture], int]:
    """Return pictures of the maps of an output that hold the worst errors, and how many maps there are."""
    worst = classes(shares)
    maps = list(_maps(output, worst)) if worst.size else []
    chosen = sorted(maps, key=lambda found: -int(found[1].max()))[:_MOST_MAPS]
    return [_picture(where, found) for where, found in chosen], len(maps)


def classes(shares: Shares) -> _Classes:
    """Return each element's class, an index of `CLASSES`."""
    faithful, working = shares.faithful, shares.working
    conditions = [faithful == 0.0, faithful <= 1.0, working <= 1.0, working <= 10.0, working <= 1000.0]
    found: Any = np.select([*conditions, np.isfinite(working)], range(6), 6)
    return np.asarray(found, np.uint8)


def _maps(output: str, array: _Classes) -> Iterator[tuple[str, _Classes]]:
    """Yield the maps in an array, of rows and columns: its last two axes, those before x and y for grids."""
    array = array.reshape((1,) * (2 - array.ndim) + array.shape)
    last = array.ndim > 2 and array.shape[-1] == 2 and output.endswith(("grid", "auxiliary"))
    if last:
        array = np.moveaxis(array, -1, -3)
    for index in np.ndindex(array.shape[:-2]):
        before, after = (index[:-1], index[-1:]) if last else (index, ())
        yield ", ".join([*map(str, before), ":", ":", *map(str, after)]), array[index]


def _picture(where: str, found: _Classes) -> Picture:
    from matplotlib.image import imsave

    for axis in (0, 1):
        if found.shape[axis] > _MOST_PIXELS:
            edges = np.linspace(0, found.shape[axis], _MOST_PIXELS, endpoint=False).astype(int)
            found = np.maximum.reduceat(found, edges, axis)
    colours = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _, colour in CLASSES], np.uint8)
    file = io.BytesIO()
    imsave(file, colours[found], format="png")
    height, width = found.shape
    return Picture(where, height, width, file.getvalue())
