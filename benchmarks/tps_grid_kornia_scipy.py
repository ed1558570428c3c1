"""tps_grid against kornia's spline and SciPy's RBFInterpolator.

python benchmarks/tps_grid_kornia_scipy.py [--quick] [--only kornia] [--threads 1] [--out FOLDER]

Control points that are kept from call to call, as in a network, are solved for once by refwarp, and by the others in
every call; new ones every time are the fair comparison of the solvers. kornia's spline is another surface (its kernel
mixes control and fiducial points), so only its time is compared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle, product

if __name__ == "__main__":  # before the peer is imported, which may be missing
    from refwarp.cli import run

    sys.exit(run(["bench", "tps_grid_kornia_scipy", *sys.argv[1:]]))

import kornia
import numpy as np
import scipy
import torch
from kornia.geometry.transform import get_tps_transform, warp_points_tps
from scipy.interpolate import RBFInterpolator

import refwarp
from refwarp.benchmarking import Entry, Pair, labelled

VERSIONS = {"kornia": kornia.__version__, "PyTorch": torch.__version__, "SciPy": scipy.__version__}
ROWS = ("shape", "control")

# Images, fiducial points, height and width.
SIZES = [(32, 9, 40, 40), (16, 16, 64, 64), (1, 64, 256, 256)]
# More sets of control points than refwarp keeps bases or factorisations of.
SETS = 65


def entries(quick: bool, threads: Sequence[int]) -> Iterator[Entry]:
    """Yield all; or one thread and float32. SciPy computes in float64, on one thread."""
    choices = product(threads, ("kornia", "SciPy"), ("float32", "float64"), SIZES, ("kept", "new"))
    for count, peer, dtype, size, control in choices:
        usual = (count, dtype) == (threads[0], "float64" if peer == "SciPy" else "float32")
        if (quick and not usual) or (peer == "SciPy" and (count, dtype) != (1, "float64")):
            continue
        batch, points, height, width = size
        yield Entry(
            labelled("tps_grid", "forward", size, dtype, count, control=control),
            peer=peer,
            elements=batch * height * width * 2,
            prepare=partial(prepare, peer, size, dtype, control),
            # The spline's equations have a condition of some 1e3 to 1e5 here.
            tolerance=1e-9 if peer == "SciPy" else None,
            threads=count,
        )


def prepare(peer, size, dtype, kept) -> Pair:
    """Make the grid of splines."""
    batch, count, height, width = size
    rng = np.random.default_rng(count)
    side = int(count**0.5)
    axis = np.linspace(-1.0, 1.0, side)
    regular = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(count, 2)
    sets = [(regular + rng.uniform(-0.1, 0.1, (count, 2)) / side).astype(dtype) for _ in range(SETS)]
    points = (regular + rng.uniform(-0.3, 0.3, (batch, count, 2)) / side).astype(dtype)
    shape = (batch, 1, height, width)
    ours, theirs = (cycle(sets[:1] if kept == "kept" else sets) for _ in range(2))
    lattice = refwarp.affine_grid(np.eye(2, 3)[None], (1, 1, height, width)).reshape(-1, 2)
    if peer == "SciPy":
        values = points.swapaxes(0, 1).reshape(count, -1)

        def run_theirs():
            grid = RBFInterpolator(next(theirs), values, kernel="thin_plate_spline")(lattice)
            return grid.reshape(height, width, batch, 2).transpose(2, 0, 1, 3)
    else:
        fiducial = torch.from_numpy(points)
        pixels = torch.from_numpy(lattice.astype(dtype)).expand(batch, -1, -1)

        def run_theirs():
            control = torch.from_numpy(next(theirs)).expand(batch, -1, -1)
            weights = get_tps_transform(control, fiducial)
            return warp_points_tps(pixels, fiducial, *weights).reshape(batch, height, width, 2)

    return Pair(lambda: refwarp.tps_grid(points, shape, next(ours)), run_theirs)
