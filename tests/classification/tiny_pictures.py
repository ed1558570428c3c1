"""Pictures by class, small enough that a network learns them in a second."""

import numpy as np

from refwarp.classification.parts import Parts
from refwarp.data import Examples
from tests.data.tiny_sets import save

CLASSES = ("bars", "columns", "dots")


def patterns(label, count, rng, side=12):
    """Return pictures (count, side, side) of bytes: a bar, a column or a dot, anywhere."""
    found = np.zeros((count, side, side), np.uint8)
    for picture, (row, column) in zip(found, rng.integers(1, side - 2, (count, 2)), strict=True):
        rows, columns = ((row, slice(None)), (slice(None), column), (slice(row, row + 2), slice(column, column + 2)))[
            label
        ]
        picture[rows, columns] = rng.integers(150, 256)
    return found


def write_pictures(folder, count=10, side=12, colour=False, classes=CLASSES):
    """Write pictures into a folder for each class."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        for k, picture in enumerate(patterns(label, count, rng, side)):
            values = np.stack([picture, picture // 2, 255 - picture], axis=-1) if colour else picture
            save(folder / name / f"{k:02}.png", values, "PNG")
    return folder


def parts(count=20, side=12, channels=1):
    """Return the same in memory, each part of its own."""

    def part(seed):
        rng = np.random.default_rng(seed)
        images = np.concatenate([patterns(label, count, rng, side) for label in range(3)])
        images = (images[:, None].repeat(channels, axis=1) / np.float32(255)).astype(np.float32)
        return Examples(images, np.repeat(np.arange(3), count))

    return Parts("patterns", CLASSES, part(1), part(2), part(3))
