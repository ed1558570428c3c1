"""SciPy as a target: `ndimage.map_coordinates` and `interpolate.RBFInterpolator`.

Both compute in float64, whatever they are given; the latter returns it, and is rounded here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates

from refwarp.golden.targets import pixels

VERSION = scipy.__version__
DTYPES = ("float32", "float64")


def grid_sample(input: Any, grid: Any, *, mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """Return the samples. Of SciPy's borders "grid-constant" fades out over a pixel; "constant" does not."""
    order = pixels.option("mode", mode, {"nearest": 0, "bilinear": 1})
    borders = {"zeros": "grid-constant", "border": "nearest", "reflection": "mirror" if align_corners else "reflect"}
    border = pixels.option("padding_mode", padding_mode, borders)

    def sample(plane: Any, x: Any, y: Any) -> Any:
        return map_coordinates(plane, [y, x], output=plane.dtype, order=order, mode=border)

    return pixels.sample_planes(sample, input, grid, align_corners, np.float64)


def tps_grid(points: Any, control: Any, *, size: Any, align_corners: Any = False, smoothing: Any = 0.0) -> Any:
    """Return the grid."""
    lattice = pixels.lattice(*pixels.output_size(size, len(points)), align_corners)
    control = pixels.regular_control(points) if control is None else control
    controls = control if control.ndim == 3 else [control] * len(points)
    grids = [_spline(*one, lattice, smoothing) for one in zip(controls, points, strict=True)]
    return np.array(grids).reshape(-1, *lattice.shape).astype(points.dtype)


def thin_plate_spline_basis(control: Any, *, size: Any, align_corners: Any = False, smoothing: Any = 0.0) -> Any:
    """Return the splines that are 1 at one control point and 0 at the others."""
    lattice = pixels.lattice(*pixels.output_size(size, size[0]), align_corners)
    basis = _spline(control, np.eye(len(control)), lattice, smoothing)
    return np.moveaxis(basis, -1, 0).astype(control.dtype)


def _spline(control: Any, values: Any, lattice: Any, smoothing: Any) -> Any:
    """Return the spline through values at the control points, at each point of a lattice."""
    # SciPy's r^2 ln r is half of r^2 ln r^2, and so is its smoothing.
    spline = RBFInterpolator(control, values, kernel="thin_plate_spline", smoothing=smoothing / 2)
    return spline(lattice.reshape(-1, 2)).reshape(*lattice.shape[:2], -1)
