"""The positions of the auxiliary samples of linearized multi-sampling: LMS Eqs. (3), (8), (9).

Output pixel x_i gets K samples x_i^k, k = 1 ... K, displaced by noise in the target image, so that the transformation
T spreads them as it does the pixels; and displaced again after it, so that zooming in cannot make them collapse:

    x_i^k = x_i + sigma n^k,   then (u^k, v^k) = T(x_i^k)                                    (LMS 3)
    u^k <- u^k + delta_u n'^k                                                                (LMS 8)
    v^k <- v^k + delta_v n''^k                                                               (LMS 9)

The n are standard normal, sigma and delta are standard deviations: one pixel of the output, and one of the map.
T(x_i^k) needs T: either an affine one (`theta`), or its grid, interpolated between its points:

    T(j + f) = (1 - f) T(j) + f T(j + 1),   j the nearest cell, also for f outside [0, 1]    (auxiliary.1)

in x and y, which an affine T satisfies exactly. Positions are constants: nothing is differentiated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from autograd_core.arguments import is_integer
from autograd_core.arrays import array_module, is_array
from autograd_core.tensor import Tensor, as_tensor
from refwarp.arguments import (
    check_array,
    check_option,
    check_same_dtype,
    check_same_library,
    lengths,
    numbers,
    public,
    shown,
)
from refwarp.conventions import Size, coordinate_scale
from refwarp.grids.affine import target_coordinate

# The maximum number of samples around a point.
LARGEST_COUNT = 65_536


def _pitch(xp: ModuleType, size: Size, align_corners: bool) -> Any:
    """Return the distance of neighbouring pixels, x first, in normalised units; on an axis of one pixel its width."""
    return xp.array([2.0 / (coordinate_scale(n, align_corners) or 1.0) for n in (size.width, size.height)])


def _displaced_affine(theta: Any, displacement: Any, align_corners: bool) -> Any:
    """Return T(x_i + displacement) for T = A_theta."""
    xp, (_, rows, columns, _, _) = array_module(theta), displacement.shape
    x, y = (xp.array([target_coordinate(j, n, align_corners) for j in range(n)]) for n in (columns, rows))
    points = displacement * _pitch(xp, Size(rows, columns), align_corners)
    points += xp.stack(xp.meshgrid(x, y), axis=-1)[:, :, None]  # (LMS 3)
    theta = theta[:, None, None, None]  # (N, 1, 1, 1, 2, 3)
    return points[..., :1] * theta[..., 0] + points[..., 1:] * theta[..., 1] + theta[..., 2]


def _displaced(grid: Any, displacement: Any) -> Any:
    """Return T(x_i + displacement) for T given at the points of a grid."""
    xp, (batch, rows, columns, _, _) = array_module(grid), displacement.shape
    image, i, j = (xp.arange(n).reshape(-1, *[1] * after) for n, after in ((batch, 3), (rows, 2), (columns, 1)))
    y0, y1, fy = _cell(i, displacement[..., 1], rows)
    x0, x1, fx = _cell(j, displacement[..., 0], columns)
    with np.errstate(invalid="ignore"):  # a grid with infinite points
        upper = grid[image, y0, x0] * (1.0 - fx) + grid[image, y0, x1] * fx  # (auxiliary.1), in x
        lower = grid[image, y1, x0] * (1.0 - fx) + grid[image, y1, x1] * fx  # (auxiliary.1), in x
        return upper * (1.0 - fy) + lower * fy  # (auxiliary.1), in y


def _cell(index: Any, displacement: Any, size: int) -> tuple[Any, Any, Any]:
    """Return the nearest cell of positions on an axis of `size` points, its two ends, and the fraction f in it.

    f is computed from the displacement and integers: a position j + displacement would lose digits as j grows.
    """
    xp = array_module(displacement)
    whole = xp.clip(xp.floor(xp.nan_to_num(displacement)), -size, size)
    left = xp.clip(index + whole, 0, max(size - 2, 0)).astype(np.intp)
    right = xp.minimum(left + 1, size - 1)
    return left, right, (displacement - (left - index))[..., None] * (right - left)[..., None]


@public
def auxiliary_grid(  # noqa: PLR0913 - public: its options are keyword-only
    grid: Any,
    map_size: Sequence[int],
    noise: Any,
    *,
    count: int | None = None,
    deviation: float | tuple[float, float] = 1.0,
    collapse_deviation: float | tuple[float, float] = 1.0,
    displaced_in: str = "target",
    theta: Any = None,
    align_corners: bool = False,
) -> Any:
    """Scatter auxiliary samples around each point of a grid, for `linearized_sample`.

    Parameters
    ----------
    grid : ndarray or Tensor, shape (N, H_out, W_out, 2)
        The sampling grid, T(x_i).
    map_size : (int, int)
        Height and width of the map that will be sampled.
    noise : numpy.random.Generator or ndarray, shape (2, N, H_out, W_out, K, 2)
        Standard normal numbers, x first: the first half displaces the samples (LMS 3), the second keeps them apart
        after the transformation (LMS 8, 9); or a generator to draw them from.
    count : int, optional
        K, the number of samples besides the centre, where noise is drawn; 8 if not given, and at most 65,536.
    deviation : float or (float, float)
        The standard deviation of the displacement, in output pixels; a pair is (x, y).
    collapse_deviation : float or (float, float)
        The standard deviation of the second noise, in pixels of the map.
    displaced_in : {"target", "source"}
        Whether the displacement comes before the transformation (the paper), or is added after it, as if the
        transformation were the identity (the released code, with deviation 1/4 and a count of 7, and with
        align_corners the collapse_deviation ((W - 1)/W, (H - 1)/H) for a map of H x W; an output pixel is then
        2 / W_out wide, whatever `align_corners`).
    theta : ndarray or Tensor, shape (N, 2, 3), optional
        The affine transformation that made the grid. Without it, displaced points are transformed by interpolating
        the grid between its points, and extrapolating it beyond them; along an axis of one output pixel, not at all.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, H_out, W_out, K, 2)
        The points, x first, of the dtype of `grid`; a Tensor if one of the arguments is. They have no history.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    LMS Eqs. (3), (8), (9). For affine transformations interpolation and `theta` agree up to rounding.

    Examples
    --------
    >>> grid = np.array([[[[-0.5, 0.0], [0.5, 0.0]]]])  # one row of two pixels: neighbours are 1 apart
    >>> noise = np.zeros((2, 1, 1, 2, 1, 2))
    >>> noise[0, ..., 0], noise[1, ..., 0] = 0.5, -1.0
    >>> auxiliary_grid(grid, (8, 8), noise)[0, 0, :, 0].tolist()
    [[-0.25, 0.0], [0.75, 0.0]]
    """
    check_array("grid", grid, "(N, H_out, W_out, 2)", (None, None, None, 2))
    check_option("displaced_in", displaced_in, ("target", "source"))
    check_option("align_corners", align_corners, (False, True))
    points = as_tensor(grid).data.astype(np.float64)
    xp = array_module(points)
    size = Size(*lengths("map_size", map_size, 2, 1, "two integers (height, width), each at least 1"))
    if count is not None and not (is_integer(count, least=0) and count <= LARGEST_COUNT):
        raise ValueError(f"count: given {shown(count)}, expected a non-negative integer of at most {LARGEST_COUNT:,}")
    if isinstance(noise, np.random.Generator):
        noise = noise.standard_normal((2, *points.shape[:3], 8 if count is None else count, 2))
        noise = xp.asarray(noise)
    if not (is_array(noise) or isinstance(noise, Tensor)):
        raise TypeError(f"noise: given {type(noise).__name__}, expected a numpy.random.Generator or an array of noise")
    check_array("noise", noise, "(2, N, H_out, W_out, K, 2)", (2, *points.shape[:3], count, 2))
    check_same_library("noise", noise, "grid", grid)
    displacement, scatter = as_tensor(noise).data.astype(np.float64)
    displacement *= xp.asarray(numbers("deviation", deviation, 2))  # (LMS 3)
    scatter *= xp.asarray(numbers("collapse_deviation", collapse_deviation, 2))
    if displaced_in == "source":
        if theta is not None:
            raise ValueError("theta: given while displaced_in is 'source', where nothing is transformed; leave it out")
        displaced = points[..., None, :] + displacement * _pitch(xp, Size(*points.shape[1:3]), False)
    elif theta is None:
        displaced = _displaced(points, displacement)
    else:
        check_array("theta", theta, "(N, 2, 3)", (points.shape[0], 2, 3))
        check_same_dtype("theta", theta, "grid", grid)
        check_same_library("theta", theta, "grid", grid)
        displaced = _displaced_affine(as_tensor(theta).data.astype(np.float64), displacement, align_corners)
    return (displaced + scatter * _pitch(xp, size, align_corners)).astype(grid.dtype)  # (LMS 8), (LMS 9)
