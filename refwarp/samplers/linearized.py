"""Linearized multi-sampling: LMS Eqs. (2), (5) to (7), a plane fitted to samples scattered around each output pixel.

With I^k the map's value at the auxiliary samples T(x_i^k) (`refwarp.samplers.auxiliary`), k = 1 ... K, and I^0 that at
the grid's point T(x_i), the rows of the least squares are, for the samples that are not masked,

    y_k = I^k - I^0                                                                          (LMS 5)
    x_k = (dx_k, dy_k, 1),   dx_k = (g_x^k - g_x^0) s_x/2 in pixels of the map, dy_k alike   (LMS 6)
    A = (X^T X + diag(e_x, e_y, e_1))^-1 X^T Y,   A = (a_x, a_y, b)                          (LMS 7)

(printed without the transpose, and with one e for all three). The plane is the result, read as a function of T(x):

    I~ = I^0 + b + (a_x, a_y) (T(x) - T(x_i))                                                (LMS 2)

whose printed form lacks b. At x = x_i the value is I^0 + b and its derivative with respect to T(x) is (a_x, a_y);
all else is a constant: positions, masks, weights, and (by choice) the sampled values.

A depends on the sampled values linearly, A = sum of w_k y_k, with weights that all channels share. The columns are
orthogonalised one after the other, 1, x, y. A diagonal e acts as three more rows, (sqrt e_x, 0, 0) and so on, with
y = 0; so the sums of squares are sums of positive terms. With n samples that take part,

    c_x = sum of dx_k / (n + e_1),   p_k = dx_k - c_x,   and c_y, q_k alike                  (linearized.1)
    C_xx = sum of p_k^2 + e_1 c_x^2 + e_x,   C_xy = sum of p_k q_k + e_1 c_x c_y             (linearized.2)
    r = C_xy / C_xx,   t_k = q_k - r p_k,   z = c_y - r c_x                                  (linearized.3)
    D = sum of t_k^2 + e_1 z^2 + r^2 e_x + e_y                                               (linearized.4)
    w^y_k = t_k / D,   w^x_k = p_k / C_xx - r w^y_k                                          (linearized.5)
    w^b_k = 1 / (n + e_1) - c_x p_k / C_xx - z w^y_k                                         (linearized.6)

A fit that is not determined (no sample, all on one line; only where e = 0) is no fit: A = 0. For a cotangent gV,

    gI^k_c(i) = gV_c(i) w^b_k,   gI^0_c(i) = gV_c(i) (1 - sum of w^b_k)                      (linearized.8)
    gg_x(i) = s_x/2 sum over c of gV_c(i) a_x,c(i),   gg_y alike                             (linearized.9)

the former scattered to the map as by bilinear sampling. docs/linearized.md derives each line and the error bound.
All is computed in float64 and rounded once to the dtype of the data.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.function import Context
from autograd_core.functions import astype, expand_dims, reshape, stack
from autograd_core.tensor import as_tensor
from refwarp.arithmetic import compensated, two_sum
from refwarp.compilation import argument, kernel, run, scalar
from refwarp.conventions import (
    TINY,
    apply_as_given,
    check_array,
    check_maps_and_grid,
    check_option,
    check_same_dtype,
    coordinate_scale,
)
from refwarp.samplers.auxiliary import auxiliary_grid, numbers
from refwarp.samplers.modes import grid_sample

# A sample farther away than this, in pixels, takes no part under any mask: its square would overflow.
FAR = 2.0**500

# A column this close to the others (the square of a sine) is taken to be a combination of them.
DEPENDENT = 2.0**-52

MASKS = ("position", "offset", "none")
INPUT_GRADIENTS = ("none", "center", "fit")


# ---- the fit's weights ----


@scalar
def _total(a: Any, n: int) -> float:
    """Return the sum of the first n elements, with the rounding errors carried along."""
    total, lost = 0.0, 0.0
    for k in range(n):
        total, remainder = two_sum(total, a[k])
        lost += remainder
    return compensated(total, lost)


@scalar
def _dot(a: Any, b: Any, n: int) -> float:
    """Return the sum of the first n products, with the rounding errors of the sum carried along."""
    total, lost = 0.0, 0.0
    for k in range(n):
        total, remainder = two_sum(total, a[k] * b[k])
        lost += remainder
    return compensated(total, lost)


@kernel
def _fit(
    start: int,
    stop: int,
    grid: Any,
    auxiliary: Any,
    kept: Any,
    half_x: float,
    half_y: float,
    tikhonov: Any,
    points: Any,
    weights: Any,
) -> None:
    """Compute (linearized.1) to (linearized.6) for the rows start to stop of the outputs of all images.

    `points` receives where to sample, centre first. A sample that takes no part is moved onto the centre, where its
    y is 0; a NaN makes all points of its pixel NaN. `weights` are those of a_x s_x/2, a_y s_y/2 and b.
    """
    _, rows, columns, count, _ = auxiliary.shape
    ex, ey, e1 = tikhonov
    dx, dy = np.empty(count), np.empty(count)
    index = np.empty(count, np.int64)
    for row in range(start, stop):
        b, i = row // rows, row % rows
        for j in range(columns):
            gx, gy = grid[b, i, j, 0], grid[b, i, j, 1]
            weights[b, i, j] = 0.0
            points[b, i, j, :, 0], points[b, i, j, :, 1] = gx, gy
            if math.isinf(gx) or math.isinf(gy):
                continue
            unknown = math.isnan(gx) or math.isnan(gy)
            n = 0
            for k in range(count):
                ax, ay = auxiliary[b, i, j, k, 0], auxiliary[b, i, j, k, 1]
                dx[n], dy[n] = (ax - gx) * half_x, (ay - gy) * half_y  # (LMS 6)
                if kept[b, i, j, k]:
                    unknown |= math.isnan(ax) or math.isnan(ay)
                    if abs(dx[n]) <= FAR and abs(dy[n]) <= FAR:
                        points[b, i, j, 1 + k, 0], points[b, i, j, 1 + k, 1] = ax, ay
                        index[n] = k
                        n += 1
            if unknown:
                points[b, i, j] = np.nan
                continue
            m = n + e1
            if m == 0.0:
                continue
            cx, cy = _total(dx, n) / m, _total(dy, n) / m  # (linearized.1)
            for k in range(n):
                dx[k] -= cx
                dy[k] -= cy
            cxx = _dot(dx, dx, n) + (e1 * cx * cx + ex)  # (linearized.2)
            cyy = _dot(dy, dy, n) + (e1 * cy * cy + ey)
            cxy = _dot(dx, dy, n) + e1 * cx * cy
            if not cxx > TINY:
                continue
            r = cxy / cxx  # (linearized.3)
            z = cy - r * cx
            for k in range(n):
                dy[k] -= r * dx[k]
            d = _dot(dy, dy, n) + (e1 * z * z + r * r * ex + ey)  # (linearized.4)
            if not d > max(TINY, DEPENDENT * cyy):
                continue
            for k in range(n):
                wx, wy = dx[k] / cxx, dy[k] / d
                weights[b, i, j, 0, index[k]] = (wx - r * wy) * half_x  # (linearized.5)
                weights[b, i, j, 1, index[k]] = wy * half_y
                weights[b, i, j, 2, index[k]] = 1.0 / m - cx * wx - z * wy  # (linearized.6)


def _mask(rule: Any, grid: Any, auxiliary: Any) -> Any:
    """Return which samples are kept, (N, H_out, W_out, K). A NaN is neither in nor out: it is kept, and shows."""
    if not isinstance(rule, str):
        return rule
    if rule == "none":
        return np.ones(auxiliary.shape[:-1], bool)
    with np.errstate(invalid="ignore"):  # inf - inf
        measured = auxiliary - grid[..., None, :] if rule == "offset" else auxiliary
    return ~(abs(measured) > 1.0).any(axis=-1)


# ---- the linearised value as a function of the grid ----


class Displacement(Function):
    """grid -> T(x) - T(x_i) at x = x_i: zero, with derivative one."""

    @staticmethod
    def forward(ctx: Context, grid: Any) -> Any:
        """Return zeros."""
        return np.zeros_like(grid)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Return gout."""
        return gout


class Linearization(Function):
    """(value, slope_x, slope_y, each (N, C, H_out, W_out); grid) -> value + slope . displacement, which is value."""

    @staticmethod
    def forward(ctx: Context, value: Any, slope_x: Any, slope_y: Any, grid: Any) -> Any:
        """Return the value (LMS 2)."""
        return value

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (linearized.9), and the slopes' gradients: zero, but with a derivative with respect to the grid."""
        slopes, grid = ctx.inputs[1:3], ctx.inputs[3]
        ggrid = stack([(gout * slope).sum(1) for slope in slopes], -1) if ctx.needs[3] else None
        gslopes: list[Tensor | None] = [None, None]
        if ctx.needs[1]:
            displacement = Displacement.apply(grid)
            gslopes = [gout * expand_dims(displacement[..., axis], 1) for axis in range(2)]
        return gout, *gslopes, ggrid


def _linearized(
    input: Tensor,
    grid: Tensor,
    auxiliary: Any,
    *,
    mask: Any,
    tikhonov: tuple[float, ...],
    intercept: bool,
    input_gradient: str,
    padding_mode: str,
    align_corners: bool,
) -> Tensor:
    """Return (LMS 2), all in float64."""
    batch, channels, height, width = input.shape
    _, rows, columns, count, _ = auxiliary.shape
    points = np.empty((batch, rows, columns, 1 + count, 2))
    weights = np.empty((batch, rows, columns, 3, count))
    kept = _mask(mask, grid.data, auxiliary)
    half_x, half_y = (0.5 * coordinate_scale(size, align_corners) for size in (width, height))
    arrays = argument(grid.data), argument(auxiliary), argument(kept)
    run(_fit, batch * rows, kept.size, *arrays, half_x, half_y, tikhonov, points, weights)

    source = input.detach() if input_gradient == "none" else input
    places = Tensor(points.reshape(batch, rows, columns * (1 + count), 2))
    samples = grid_sample(source, places, padding_mode=padding_mode, align_corners=align_corners)
    samples = reshape(samples, (batch, channels, rows, columns, 1 + count))
    value = samples[..., 0]
    y = samples[..., 1:] - samples[..., :1]  # (LMS 5)
    if input_gradient == "center":
        y = y.detach()
    # The backward of these sums is (linearized.8).
    slope_x, slope_y, b = ((y * Tensor(weights[:, None, :, :, part])).sum(-1) for part in range(3))  # (LMS 7)
    return Linearization.apply(value + b if intercept else value, slope_x, slope_y, grid)


def linearized_sample(
    input: Any,
    grid: Any,
    auxiliary: Any,
    *,
    mask: Any = "position",
    tikhonov: float | tuple[float, float, float] = 1e-6,
    intercept: bool = True,
    input_gradient: str = "none",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Any:
    """Sample a map at the points of a grid, with the slope of a plane fitted to samples around each point.

    The value's derivative with respect to the grid is the slope of that plane, and not that of the map in one cell:
    it sees as far as the auxiliary samples are scattered.

    Parameters
    ----------
    input : ndarray or Tensor, shape (N, C, H, W)
        The map; float16, float32 or float64. H and W are at least 1.
    grid : ndarray or Tensor, shape (N, H_out, W_out, 2)
        For each output pixel the point (x, y) to sample at, in [-1, 1]; of the dtype of `input`.
    auxiliary : ndarray or Tensor, shape (N, H_out, W_out, K, 2), or numpy.random.Generator
        Around each point of the grid K others, as `auxiliary_grid` makes them; a Generator stands for
        `auxiliary_grid(grid, (H, W), generator)`. They are constants: no gradient reaches them.
    mask : {"position", "offset", "none"} or ndarray of bool, shape (N, H_out, W_out, K)
        Which auxiliary samples the fit uses: those inside the map, |x| <= 1 and |y| <= 1 (the paper); those whose
        offset from the grid's point lies in [-1, 1] (the released program); all; or those that are True.
    tikhonov : float or three floats, not negative
        The weights e_x, e_y, e_1 of (LMS 7) for slopes in units per pixel and the intercept. One number stands
        for three. With 0, a fit that is not determined gives slope and intercept 0.
    intercept : bool
        Whether the value is that of the plane (True) or the bilinear sample alone, as LMS (2) is printed (False).
    input_gradient : {"none", "center", "fit"}
        What the gradient with respect to `input` goes through: nothing (the paper); the bilinear sample at the
        grid's point (the released program); or all samples, with the derivative of the value and of the slopes.
    padding_mode : {"zeros", "border", "reflection"}
        What lies outside the map; see `grid_sample`.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, C, H_out, W_out)
        The samples, of the dtype of `input`; a Tensor if `input` or `grid` is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    LMS Eqs. (2), (5) to (7). Value and gradients are those of a function that is linear in the grid and linear
    in the map, so derivatives of every order exist. A NaN among the samples of a pixel makes its value and
    slope NaN; a point of the grid at infinity has the slope 0.
    The error bound has the condition of the fit in it: docs/linearized.md.

    Examples
    --------
    >>> ramp = np.arange(8.0).reshape(1, 1, 1, 8).repeat(8, 2)
    >>> grid = Tensor(np.zeros((1, 1, 1, 2)), requires_grad=True)
    >>> auxiliary = np.array([[0.25, 0.25], [-0.25, 0.25], [0.0, -0.5]]).reshape(1, 1, 1, 3, 2)
    >>> out = linearized_sample(ramp, grid, auxiliary, tikhonov=0.0)
    >>> out.backward()
    >>> out.item(), grid.grad.data.tolist()
    (3.5, [[[[4.0, 0.0]]]])
    """
    check_maps_and_grid(input, grid)
    check_option("align_corners", align_corners, (False, True))
    if isinstance(auxiliary, np.random.Generator):
        auxiliary = auxiliary_grid(grid, input.shape[2:], auxiliary, align_corners=align_corners)
    if not isinstance(auxiliary, np.ndarray | Tensor):
        given = type(auxiliary).__name__
        raise TypeError(f"auxiliary: given {given}, expected an array, as auxiliary_grid makes it, or a Generator")
    check_array("auxiliary", auxiliary, "(N, H_out, W_out, K, 2)", (*grid.shape[:3], None, 2))
    check_same_dtype("auxiliary", auxiliary, "grid", grid)
    if isinstance(mask, np.ndarray):
        if mask.dtype != bool or mask.shape != auxiliary.shape[:4]:
            raise ValueError(f"mask: given {mask.dtype}{mask.shape}, expected bool{auxiliary.shape[:4]}")
    else:
        if not isinstance(mask, str) or mask not in MASKS:
            expected = ", ".join(repr(option) for option in MASKS)
            raise ValueError(f"mask: given {mask!r}, expected one of {expected}, or a NumPy array of bool")
    check_option("intercept", intercept, (False, True))
    check_option("input_gradient", input_gradient, INPUT_GRADIENTS)
    options = {
        "mask": mask,
        "tikhonov": numbers("tikhonov", tikhonov, 3),
        "intercept": intercept,
        "input_gradient": input_gradient,
        "padding_mode": padding_mode,
        "align_corners": align_corners,
    }
    constants = as_tensor(auxiliary).data.astype(np.float64)

    def operation(input: Tensor, grid: Tensor) -> Tensor:
        result = _linearized(astype(input, np.float64), astype(grid, np.float64), constants, **options)
        return astype(result, input.dtype)

    return apply_as_given(operation, input, grid)
