"""Bilinear and nearest sampling, forward, against SciPy's map_coordinates.

python benchmarks/map_coordinates_scipy.py [--quick] [--only nearest] [--out FOLDER]

map_coordinates takes points in pixels, and one plane: the points are made before, untimed. It runs on one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "map_coordinates_scipy", *sys.argv[1:]]))

import numpy as np
import scipy
from scipy.ndimage import map_coordinates

import refwarp
from refwarp.benchmarking import Entry, Pair, labelled
from refwarp.benchmarking.inputs import GRIDS, rounding, sampling, to_pixels

VERSIONS = {"SciPy": scipy.__version__}
ROWS = ("shape", "mode")

SHAPES = [(32, 1, 40, 40), (8, 64, 32, 32), (8, 3, 256, 256), (1, 3, 1024, 1024)]
ORDERS = {"nearest": 0, "bilinear": 1}
BORDERS = {"zeros": "grid-constant", "border": "nearest"}


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or float32 and zeros."""
    for shape, dtype, mode, padding, kind in product(SHAPES, ("float32", "float64"), ORDERS, BORDERS, GRIDS):
        if 1 not in threads or (quick and (dtype, padding) != ("float32", "zeros")):
            continue
        yield Entry(
            labelled("grid_sample", "forward", shape, dtype, 1, mode=mode, padding=padding, grid=kind),
            peer="SciPy",
            elements=shape[0] * shape[1] * shape[2] * shape[3],
            prepare=partial(prepare, shape, dtype, mode, padding, kind),
            tolerance=rounding(dtype, shape[2:]),
        )


def prepare(shape, dtype, mode, padding, kind) -> Pair:
    """Sample."""
    input, grid, _ = sampling(shape, dtype, kind)
    points = np.ascontiguousarray(to_pixels(grid, shape[2:])[..., ::-1].transpose(0, 3, 1, 2))  # (N, 2, H, W): y, x

    def run_theirs():
        out = np.empty_like(input)
        for planes, warped, (y, x) in zip(input, out, points, strict=True):
            for plane, result in zip(planes, warped, strict=True):
                map_coordinates(plane, (y, x), output=result, order=ORDERS[mode], mode=BORDERS[padding])
        return out

    return Pair(lambda: refwarp.grid_sample(input, grid, mode=mode, padding_mode=padding), run_theirs)
