"""Bilinear sampling, forward, against OpenCV's remap.

python benchmarks/remap_opencv.py [--quick] [--only border] [--threads 1] [--out FOLDER]

remap takes points in pixels, and up to four channels of one image side by side: points and images are brought into
that form before, untimed. refwarp takes the grid as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "remap_opencv", *sys.argv[1:]]))

import cv2
import numpy as np

import refwarp
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.benchmarking.inputs import GRIDS, rounding, sampling, to_pixels

VERSIONS = {"OpenCV": cv2.__version__}
ROWS = ("shape", "grid")

SHAPES = [(32, 1, 40, 40), (1, 1, 256, 256), (8, 3, 256, 256), (1, 3, 1024, 1024), (1, 1, 2048, 2048)]
BORDERS = {"zeros": cv2.BORDER_CONSTANT, "border": cv2.BORDER_REPLICATE}
# Before version 5 points were rounded to 1/32 of a pixel; random pixels differ by up to some six of theirs.
ROUNDS_POINTS = int(cv2.__version__.partition(".")[0]) < 5


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or one thread and zeros."""
    for count, shape, padding, kind in product(threads, SHAPES, BORDERS, GRIDS):
        if quick and (count != threads[0] or padding != "zeros"):
            continue
        yield Entry(
            labelled("grid_sample", "forward", shape, "float32", count, padding=padding, grid=kind),
            peer="OpenCV",
            elements=shape[0] * shape[1] * shape[2] * shape[3],
            prepare=partial(prepare, shape, padding, kind),
            tolerance=1 / 16 if ROUNDS_POINTS else rounding("float32", shape[2:]),
            threads=count,
        )


def prepare(shape, padding, kind) -> Pair:
    """Sample."""
    input, grid, _ = sampling(shape, "float32", kind)
    pixels = to_pixels(grid, shape[2:]).astype(np.float32)
    images = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in input]
    points = [(np.ascontiguousarray(each[..., 0]), np.ascontiguousarray(each[..., 1])) for each in pixels]
    border = BORDERS[padding]

    def run_theirs():
        warped = [
            cv2.remap(image, x, y, cv2.INTER_LINEAR, None, border, 0)
            for image, (x, y) in zip(images, points, strict=True)
        ]
        return [image.reshape(*shape[2:], -1).transpose(2, 0, 1) for image in warped]  # views

    return Pair(lambda: list(refwarp.grid_sample(input, grid, padding_mode=padding)), run_theirs)
