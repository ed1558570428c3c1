"""Multi-scale sampling: the baseline of LMS Sect. 6, bilinear samples of a map blurred at several scales.

For each deviation sigma, in pixels, the weights and the blurred map are

    w(t) = exp(-t^2 / (2 sigma^2)),   |t| <= R = floor(truncate sigma + 1/2)                 (multiscale.1)
    U_sigma(n, m) = sum over n', m' in the map of w(n - n') w(m - m') U(n', m') / (Z(n) Z(m))
    Z(m) = sum over m' in the map of w(m - m')                                               (multiscale.2)

so a constant map is unchanged, up to its border. Its samples are bilinear, and L levels are aggregated to

    V = 1/L sum over l of V_l   (or their sum, or all of them)                               (multiscale.3)

which the paper does not specify. Along one axis the blur is D^-1 S, with S symmetric and D diagonal; its transpose is S
D^-1, so the gradient with respect to the map is the same smoothing in the other order:

    gU(n', m') = sum over n, m of w(n - n') w(m - m') gU_sigma(n, m) / (Z(n) Z(m))           (multiscale.4)

and the gradient with respect to the grid is that of bilinear sampling in the blurred maps. Computed in float64 and
rounded once to the dtype of the data; docs/multiscale.md derives the error bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module, mean_of_sum
from autograd_core.function import Context
from autograd_core.functions import astype, concatenate, mean, reshape
from refwarp.arguments import apply_as_given, check_maps_and_grid, check_option, number, numbers, public
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run
from refwarp.samplers.grid_sample import grid_sample

AGGREGATES = ("mean", "sum", "stack")


def gaussian_weights(deviation: float, radius: int) -> Any:
    """Return w(0) ... w(radius), each correctly rounded."""
    if radius == 0:
        return np.ones(1)
    with localcontext() as context:
        context.prec = 40
        divisor = 2 * Decimal(deviation) ** 2
        return np.array([float((-Decimal(t * t) / divisor).exp()) for t in range(radius + 1)])  # (multiscale.1)


@kernel
def _smooth(start: int, stop: int, rows: Any, weights: Any, out: Any) -> None:
    """Compute the elements start to stop of S of each row, the sums of (multiscale.2) along one axis.

    The sums before and after an element run in parallel, which is faster than one after the other.
    """
    width, reach = rows.shape[1], weights.shape[0]
    for p in items(start, stop):
        row, m = p // width, p % width
        before, lost_before, after, lost_after = weights[0] * rows[row, m], 0.0, 0.0, 0.0  # (multiscale.2)
        for t in range(1, reach):
            if m >= t:
                before, remainder = two_sum(before, weights[t] * rows[row, m - t])  # (multiscale.2)
                lost_before += remainder
            if m + t < width:
                after, remainder = two_sum(after, weights[t] * rows[row, m + t])  # (multiscale.2)
                lost_after += remainder
        total, remainder = two_sum(before, after)
        out[row, m] = compensated(total, (lost_before + lost_after) + remainder)


def smoothed(x: Any, weights: Any, axis: int) -> Any:
    """Return S x along an axis, S being the symmetric matrix of the weights."""
    xp = array_module(x)
    moved = xp.moveaxis(x, axis, -1)
    rows = argument(moved).reshape(math.prod(moved.shape[:-1]), moved.shape[-1])
    out = xp.empty(rows.shape)
    run(_smooth, out.size, out.size * len(weights), rows, argument(xp.asarray(weights)), out)
    return xp.ascontiguousarray(xp.moveaxis(out.reshape(moved.shape), -1, axis))


class Blur(Function):
    """Multiply by D^-1 S along an axis, or `transposed` by S D^-1: each is the other's backward."""

    @staticmethod
    def forward(ctx: Context, x: Any, *, weights: Any, norm: Any, axis: int, transposed: bool) -> Any:
        """Compute (multiscale.2), or (multiscale.4), along one axis; `norm` is the diagonal of D."""
        if transposed:
            return smoothed(x / norm, weights, axis)  # (multiscale.4)
        return mean_of_sum(x, norm, lambda x: smoothed(x, weights, axis))  # (multiscale.2)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Multiply by the transpose."""
        return Blur.apply(gout, **{**ctx.parameters, "transposed": not ctx.parameters["transposed"]})


def gaussian_blur(input: Tensor, deviation: float, truncate: float) -> Tensor:
    """Return the maps (N, C, H, W), in float64, blurred."""
    for axis in (2, 3):
        size = input.shape[axis]
        radius = math.floor(min(truncate * deviation + 0.5, size - 1))  # (multiscale.1)
        weights = gaussian_weights(deviation, radius)
        norm = smoothed(array_module(input.data).ones((1, size)), weights, axis=1)  # (multiscale.2): Z
        norm = norm.reshape((size, 1) if axis == 2 else (size,))
        input = Blur.apply(input, weights=weights, norm=norm, axis=axis, transposed=False)
    return input


@public
def multiscale_sample(
    input: Any,
    grid: Any,
    deviations: Sequence[float] = (1.0, 5.0, 10.0),
    *,
    aggregate: str = "mean",
    truncate: float = 4.0,
    padding_mode: str = "zeros",
    align_corners: bool = False,
    kink: str = "right",
) -> Any:
    """Sample a map, blurred at several scales, at the points of a grid.

    Parameters
    ----------
    input : ndarray or Tensor, shape (N, C, H, W)
        The map; float16, float32 or float64. H and W are at least 1.
    grid : ndarray or Tensor, shape (N, H_out, W_out, 2)
        For each output pixel the point (x, y) to sample at, in [-1, 1]; of the dtype of `input`.
    deviations : sequence of float
        The standard deviation of the Gaussian of each level, in pixels of the map; 0 is the map itself.
    aggregate : {"mean", "sum", "stack"}
        How the samples of the levels are combined.
    truncate : float
        Where each Gaussian is cut off, in deviations (rounded to whole pixels, as SciPy does). Near the border of
        the map the weights of the pixels inside are divided by their sum.
    padding_mode : {"zeros", "border", "reflection"}
        What is outside the map, and outside the blurred maps, where the grid leaves them; see `grid_sample`.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    kink : {"right", "left", "central", "literal"}
        The gradient with respect to the grid where a sample is exactly on the lattice.

    Returns
    -------
    ndarray or Tensor, shape (N, C, H_out, W_out), or (N, L, C, H_out, W_out) for "stack"
        The samples, of the dtype of `input`; a Tensor if one of the arguments is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    LMS Sect. 6, where deviations of 1, 5 and 10 are compared with linearized sampling. Values and gradients are within
    (22 + log2 k) u M + k eta of the exact value for the given floats; docs/multiscale.md defines k and M. Can be
    differentiated twice.

    Examples
    --------
    >>> spike = np.array([[[[0.0, 0.0, 1.0, 0.0, 0.0]]]])
    >>> center = np.zeros((1, 1, 1, 2))
    >>> multiscale_sample(spike, center, (0.0, 1.0), aggregate="stack").ravel().round(4).tolist()
    [1.0, 0.4026]
    """
    check_maps_and_grid(input, grid)
    widths = numbers("deviations", deviations)
    check_option("aggregate", aggregate, AGGREGATES)
    reach = number("truncate", truncate, "a finite number that is not negative")
    batch, channels = input.shape[:2]

    def operation(input: Tensor, grid: Tensor) -> Tensor:
        wide = astype(input, np.float64)
        blurred = concatenate([gaussian_blur(wide, sigma, reach) for sigma in widths], 1)
        points = astype(grid, np.float64)
        samples = grid_sample(blurred, points, "bilinear", padding_mode, align_corners, kink)
        levels = reshape(samples, (batch, len(widths), channels, *grid.shape[1:3]))
        if aggregate != "stack":
            levels = mean(levels, 1) if aggregate == "mean" else levels.sum(1)  # (multiscale.3)
        return astype(levels, input.dtype)

    return apply_as_given(operation, input, grid)
