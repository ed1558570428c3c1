"""Motion fields: the grid that a flow leads to, and the motion of an affine transformation (HSTN Eq. 5).

    g_x = (2 j + 1 - W)/s + u p,   p = 2/s in pixels, 1 in normalised units            (flow.1)
    gu  = p ggrid_x                                                                    (flow.2)

for the motion (u, v) of the output pixel in row i and column j, s = W - 1 (align_corners) or W, and y likewise. Pixels
are those of a map of the flow's size. On an axis of one pixel with align_corners s is 0 and every coordinate is that
pixel: there g is 0 in pixels, whatever the motion. In pixels the numerator 2 j + 1 - W + 2 u is summed first: one
rounding, and one for the quotient. The motion of an affine transformation is

    [u; v] = [a - 1, b, c; d, e - 1, f] [x; y; 1],  in pixels times s/2                (HSTN 5)

the affine grid of the matrix less the identity's, so that its gradients are the affine grid's. A sum of motions,
x + H x + w (HSTN Eq. 3), is the grid of the sum of their fields. It is not the warp by H of the warp by w: that is
`compose`, for parameters.

Axes: flow (N, 2, H, W), u along x before v along y; theta (N, 2, 3) in normalised units; grid (N, H, W, 2), x first,
in [-1, 1]. All is computed in float64; a result of another dtype is rounded once.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.arrays import array_module
from autograd_core.functions import astype, transpose
from refwarp.arguments import apply_as_given, check_array, check_option, public
from refwarp.conventions import Size, coordinate_scale
from refwarp.grids.affine import affine_grid

UNITS = ("pixels", "normalised")


def _scales(size: Size, align_corners: bool) -> list[float]:
    """Return s of x and of y of a map."""
    return [coordinate_scale(length, align_corners) for length in (size.width, size.height)]


def _numerators(xp: ModuleType, size: Size) -> Any:
    """Return 2 j + 1 - W and 2 i + 1 - H of each pixel, (H, W, 2)."""
    y, x = xp.indices(size, dtype=float)
    return xp.stack([2 * x + 1 - size.width, 2 * y + 1 - size.height], axis=-1)


@public
def flow_grid(flow: Any, align_corners: bool = False, unit: str = "pixels") -> Any:
    """Return the sampling grid of a flow: each output pixel's own place, and its motion from there.

    Parameters
    ----------
    flow : ndarray or Tensor, shape (N, 2, H, W)
        For each output pixel the motion (u, v) to the point to sample at, u along x (columns) and v along y (rows);
        float16, float32 or float64. The identity is 0.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    unit : {"pixels", "normalised"}
        What a motion of 1 is: a pixel of a map of H x W pixels, or half of the interval [-1, 1].

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of the flow's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    HSTN Eqs. (1) and (3). Values and gradients are within (4 + log2 k) u M of the exact ones, M the sum of the absolute
    values of a pixel's place and its motion. In pixels each coordinate is within 2 u of itself.

    Examples
    --------
    >>> right = np.zeros((1, 2, 1, 4))
    >>> right[:, 0] = 1.0
    >>> flow_grid(right)[..., 0].tolist()
    [[[-0.25, 0.25, 0.75, 1.25]]]
    """
    check_array("flow", flow, "(N, 2, H, W)", (None, 2, None, None))
    check_option("align_corners", align_corners, (False, True))
    check_option("unit", unit, UNITS)
    size = Size(*flow.shape[2:])
    scales = _scales(size, align_corners)

    def grid(flow: Tensor) -> Tensor:
        xp = array_module(flow.data)
        numerators = _numerators(xp, size)
        divisors = xp.asarray([max(s, 1.0) for s in scales])  # where s is 0 the numerator is 0 too
        motion = astype(transpose(flow, (0, 2, 3, 1)), np.float64)
        points: Tensor = motion + numerators / divisors  # (flow.1): (HSTN 1) and (HSTN 3); back, (flow.2)
        if unit == "pixels":  # of halves, for twice a motion may be beyond the largest float
            moves = xp.asarray([1.0 if s > 0 else 0.0 for s in scales])
            points = (motion * moves + 0.5 * numerators) / (0.5 * divisors)  # (flow.1); back, (flow.2)
        return points

    return apply_as_given(grid, flow)


@public
def affine_motion(theta: Any, size: Any, align_corners: bool = False, unit: str = "pixels") -> Any:
    """Return the motion field of an affine transformation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 2, 3)
        For each image the matrix [[a, b, c], [d, e, f]] of the transformation, in normalised units, as `affine_grid`
        takes it; float16, float32 or float64. The identity has no motion.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    unit : {"pixels", "normalised"}
        What a motion of 1 is, see `flow_grid`.

    Returns
    -------
    ndarray or Tensor, shape (N, 2, H, W)
        The motion (u, v) of each output pixel, of theta's dtype and kind. `flow_grid` of it is the affine grid.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    HSTN Eq. (5). Values and gradients are within (6 + log2 k) u M of the exact ones, M the sum of the absolute values
    of the printed terms, (a - 1) x, b y and c; and where theta is near the identity, a - 1 and e - 1 are exact.

    Examples
    --------
    >>> affine_motion(np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 4)).tolist()
    [[[[1.0, 1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0]]]]
    """
    check_array("theta", theta, "(N, 2, 3)", (None, 2, 3))
    check_option("unit", unit, UNITS)

    def motion(theta: Tensor) -> Tensor:
        xp = array_module(theta.data)
        grid = affine_grid(astype(theta, np.float64) - xp.eye(2, 3), size, align_corners)  # (HSTN 5): H x of (HSTN 3)
        if unit == "pixels":
            grid = grid * xp.asarray([0.5 * s for s in _scales(Size(*grid.shape[1:3]), align_corners)])
        return transpose(grid, (0, 3, 1, 2))

    return apply_as_given(motion, theta)
