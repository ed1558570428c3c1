"""Linearized multi-sampling: LMS Eqs. (2), (5) to (7), a plane fitted to samples scattered around each output pixel.

With I^k the map's value at the auxiliary samples T(x_i^k) (`auxiliary`), k = 1 ... K, and I^0 that at
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

Without the ones in (6) the plane goes through I^0, and only slopes are fitted: the limit of an infinite weight e_1,

    c_x = c_y = z = 0,   p_k = dx_k,   q_k = dy_k,   w^b_k = 0,   and no term of e_1        (linearized.13)

A fit that is not determined (no sample, all on one line; only where e = 0) is no fit: A = 0. For a cotangent gV,

    gI^k_c(i) = gV_c(i) w^b_k,   gI^0_c(i) = gV_c(i) (1 - sum of w^b_k)                      (linearized.8)
    gg_x(i) = s_x/2 sum over c of gV_c(i) a_x,c(i),   gg_y alike                             (linearized.9)

the former scattered to the map as by bilinear sampling. Value and slopes are linear in the map: with V_i(U), a_x,i(U)
those of a map U, and beta' = beta s/2, the second gradients for cotangents A of gU and beta of gg are

    with respect to gV_c(i):   V_i(A_c) + beta'_x a_x,i(U_c) + beta'_y a_y,i(U_c)              (linearized.10)
    with respect to U_c:       sum over i of gV_c(i) d(beta'_x a_x,i + beta'_y a_y,i)/dU_c      (linearized.11)
    with respect to g_x(i):    s_x/2 sum over c of gV_c(i) a_x,i(A_c),   g_y alike              (linearized.12)

docs/linearized.md derives each line and the error bound.

Of one pixel the fit is seven numbers (`fit`), with which each sample's part in the plane follows from its offset
(`part_of`). So nothing is kept for each sample: its offset is computed again where it is needed. The text runs on the
CPU and on CUDA; on the CPU `cpu` computes the same for many pixels at once, and leaves those to this slow path that it
cannot.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.conventions import OUTSIDE, TINY, Rules, is_undefined
from refwarp.samplers.bilinear.kernels import cell_value, read_axis

# A sample farther away than this, in pixels, is ignored under any mask: its square would overflow.
FAR = 2.0**500

# A column this close to the others (the square of a sine) is taken to be a combination of them.
DEPENDENT = 2.0**-52

# Which samples a fit uses; `GIVEN` is an array of flags.
MASKS = ("position", "offset", "none")
POSITION, OFFSET, NONE, GIVEN = range(4)

# The state of a fit: determined, not determined (A = 0), or a NaN makes the whole pixel NaN.
FITTED, UNFITTED, UNKNOWN = range(3)

# What becomes of a sample: the fit leaves it out, uses it, or is NaN for a NaN in its point.
LEFT_OUT, USED, UNDEFINED = range(3)


class LeastSquares(NamedTuple):
    """The constants of a call: the points, which of them are used, and how planes are fitted to them (LMS 7).

    Attributes
    ----------
    grid, auxiliary, given : array, shape (N, pixels, 2), (N, pixels, K, 2), and (N, pixels, K) or empty
        Points, and flags for the mask `GIVEN`.
    mask : int
        Which samples the fit uses.
    half_x, half_y : float
        s_x/2 and s_y/2, which convert normalised units to pixels of the map.
    ex, ey, e1 : float
        The weights of (LMS 7); the last is infinite for a fit without a bias (linearized.13).
    intercept : bool
        Whether the value is that of the plane.
    rules : Rules
        How the map is sampled.
    """

    grid: Any
    auxiliary: Any
    given: Any
    mask: int
    half_x: float
    half_y: float
    ex: float
    ey: float
    e1: float
    intercept: bool
    rules: Rules

    @property
    def at_centres(self) -> LeastSquares:
        """The same without auxiliary samples: there every plane is I^0."""
        return self._replace(auxiliary=self.auxiliary[:, :, :0], given=self.given[:, :, :0])


class Fit(NamedTuple):
    """The fit of one pixel: the numbers of (linearized.1) to (linearized.4), with m for n + e_1."""

    m: float
    cx: float
    cy: float
    cxx: float
    r: float
    z: float
    d: float


NOTHING = Fit(1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0)


# ---- scalars ----


@scalar
def is_kept(mask: int, ax: float, ay: float, gx: float, gy: float) -> bool:
    """Return whether a mask that is not `GIVEN` keeps a sample. NaN is kept, and affects the result."""
    x, y = (ax - gx, ay - gy) if mask == OFFSET else (ax, ay)
    return mask == NONE or mask == GIVEN or not (abs(x) > 1.0 or abs(y) > 1.0)


@scalar
def is_near(dx: float, dy: float) -> bool:
    """Return whether an offset in pixels is small enough for the fit."""
    return abs(dx) <= FAR and abs(dy) <= FAR


@scalar
def is_determined(cxx: float, cyy: float, d: float) -> bool:
    """Return whether the sums of squares (linearized.2), (linearized.4) are those of samples that determine a plane."""
    return cxx > TINY and d > max(TINY, DEPENDENT * cyy)


@scalar
def part_of(dx: float, dy: float, fit: Fit) -> tuple[float, float, float]:
    """Return (w^x, w^y, w^b) of a sample."""
    p = dx - fit.cx
    wy = ((dy - fit.cy) - fit.r * p) / fit.d  # (linearized.5)
    wx = p / fit.cxx - fit.r * wy  # (linearized.5)
    return wx, wy, 1.0 / fit.m - fit.cx * (p / fit.cxx) - fit.z * wy  # (linearized.6)


# ---- parts: one pixel ----


@part
def sample(input: Any, b: int, c: int, gx: float, gy: float, rules: Rules) -> float:
    """Return the bilinear sample (bilinear.2) at a point."""
    if is_undefined(gx, gy, rules.padding):
        return np.nan
    x, y = read_axis(gx, input.shape[3], rules), read_axis(gy, input.shape[2], rules)
    return 0.0 if x.first == OUTSIDE or y.first == OUTSIDE else cell_value(input, b, c, x, y)  # (bilinear.2)


@part
def point_of(grid: Any, b: int, p: int) -> tuple[float, float]:
    """Return the point of the grid of pixel p."""
    return np.float64(grid[b, p, 0]), np.float64(grid[b, p, 1])


@part
def offset_of(squares: LeastSquares, b: int, p: int, k: int, gx: float, gy: float) -> tuple[float, float, int]:
    """Return the offset of sample k from (gx, gy) in pixels, and what becomes of it."""
    ax, ay = np.float64(squares.auxiliary[b, p, k, 0]), np.float64(squares.auxiliary[b, p, k, 1])
    dx, dy = (ax - gx) * squares.half_x, (ay - gy) * squares.half_y  # (LMS 6)
    kept = (squares.mask != GIVEN or squares.given[b, p, k]) and is_kept(squares.mask, ax, ay, gx, gy)
    if kept and (math.isnan(ax) or math.isnan(ay)):
        return dx, dy, UNDEFINED
    return dx, dy, USED if kept and is_near(dx, dy) else LEFT_OUT


@part
def fit(squares: LeastSquares, b: int, p: int) -> tuple[int, Fit]:
    """Compute (linearized.1) to (linearized.4) of a pixel, with compensated sums."""
    gx, gy = point_of(squares.grid, b, p)
    if is_undefined(gx, gy, squares.rules.padding):
        return UNKNOWN, NOTHING
    if math.isinf(gx) or math.isinf(gy):
        return UNFITTED, NOTHING
    count, ex, ey, e1 = squares.auxiliary.shape[2], squares.ex, squares.ey, squares.e1
    m, cx, lost_x, cy, lost_y = e1, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        dx, dy, use = offset_of(squares, b, p, k, gx, gy)
        if use == UNDEFINED:
            return UNKNOWN, NOTHING
        if use == USED:
            m += 1.0
            cx, remainder = two_sum(cx, dx)  # (linearized.1)
            lost_x += remainder
            cy, remainder = two_sum(cy, dy)  # (linearized.1)
            lost_y += remainder
    if m == 0.0:
        return UNFITTED, NOTHING
    cx, cy = compensated(cx, lost_x) / m, compensated(cy, lost_y) / m  # (linearized.1)
    if math.isinf(e1):
        e1 = 0.0  # (linearized.13): m is infinite, and quotients by it are 0
    cxx, lost_xx, cyy, cxy, lost_xy = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        dx, dy, use = offset_of(squares, b, p, k, gx, gy)
        if use == USED:
            dx, dy = dx - cx, dy - cy  # (linearized.1): p and q
            cxx, remainder = two_sum(cxx, dx * dx)  # (linearized.2)
            lost_xx += remainder
            cxy, remainder = two_sum(cxy, dx * dy)  # (linearized.2)
            lost_xy += remainder
            cyy += dy * dy  # for a comparison only
    cxx = compensated(cxx, lost_xx) + (e1 * cx * cx + ex)  # (linearized.2)
    cxy = compensated(cxy, lost_xy) + e1 * cx * cy  # (linearized.2)
    cyy += e1 * cy * cy + ey
    r = cxy / cxx if cxx > TINY else 0.0  # (linearized.3)
    z = cy - r * cx  # (linearized.3)
    d, lost = 0.0, 0.0
    for k in range(count):
        dx, dy, use = offset_of(squares, b, p, k, gx, gy)
        if use == USED:
            t = (dy - cy) - r * (dx - cx)  # (linearized.3)
            d, remainder = two_sum(d, t * t)  # (linearized.4)
            lost += remainder
    d = compensated(d, lost) + (e1 * z * z + r * r * ex + ey)  # (linearized.4), the last pivot of (LMS 7)
    if not is_determined(cxx, cyy, d):
        return UNFITTED, NOTHING
    return FITTED, Fit(m, cx, cy, cxx, r, z, d)


@part
def plane_of_pixel(input: Any, squares: LeastSquares, b: int, p: int, value: Any, slopes: Any) -> None:
    """Compute value and slopes of all channels of a pixel (LMS 7)."""
    state, found = fit(squares, b, p)
    gx, gy = point_of(squares.grid, b, p)
    for c in range(value.shape[1]):
        centre = sample(input, b, c, gx, gy, squares.rules) if state != UNKNOWN else np.nan
        x, lost_x, y, lost_y, shift, lost = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(squares.auxiliary.shape[2] if state == FITTED else 0):
            dx, dy, use = offset_of(squares, b, p, k, gx, gy)
            if use == USED:
                ax, ay = np.float64(squares.auxiliary[b, p, k, 0]), np.float64(squares.auxiliary[b, p, k, 1])
                difference = sample(input, b, c, ax, ay, squares.rules) - centre  # (LMS 5)
                wx, wy, wb = part_of(dx, dy, found)
                x, remainder = two_sum(x, wx * difference)  # (LMS 7)
                lost_x += remainder
                y, remainder = two_sum(y, wy * difference)  # (LMS 7)
                lost_y += remainder
                shift, remainder = two_sum(shift, wb * difference)  # (LMS 7)
                lost += remainder
        value[b, c, p] = centre + compensated(shift, lost) if squares.intercept else centre  # (LMS 2), at x = x_i
        if slopes.shape[1]:
            slopes[b, 0, c, p] = compensated(x, lost_x) * squares.half_x if state != UNKNOWN else np.nan
            slopes[b, 1, c, p] = compensated(y, lost_y) * squares.half_y if state != UNKNOWN else np.nan


# ---- kernels, for the CPU and CUDA ----


@kernel
def planes(start: int, stop: int, input: Any, squares: LeastSquares, value: Any, slopes: Any) -> None:
    """Compute value (N, C, pixels) and slopes (N, 2 or 0, C, pixels) of the pixels start to stop of all images."""
    _, _, pixels = value.shape
    for q in items(start, stop):
        plane_of_pixel(input, squares, q // pixels, q % pixels, value, slopes)


@kernel
def spread(start: int, stop: int, gvalue: Any, gslopes: Any, squares: LeastSquares, points: Any, gsamples: Any) -> None:
    """Compute the samples' gradients from those of value and slopes, laid out as `planes` does.

    Points (N, pixels, 1 + K, 2) and gsamples (N, C, pixels, 1 + K) hold the centre first. A sample that the fit
    does not use is moved there, with the gradient 0; where one is NaN, so are all.
    """
    _, channels, pixels = gvalue.shape
    auxiliary = squares.auxiliary
    for q in items(start, stop):
        b, p = q // pixels, q % pixels
        state, found = fit(squares, b, p)
        gx, gy = point_of(squares.grid, b, p)
        if state == UNKNOWN:
            gx, gy = np.nan, np.nan
        points[b, p, 0, 0], points[b, p, 0, 1] = gx, gy
        for c in range(channels):
            gsamples[b, c, p, 0] = gvalue[b, c, p]
        for k in range(auxiliary.shape[2]):
            dx, dy, use = offset_of(squares, b, p, k, gx, gy)
            fitted = use == USED and state == FITTED
            points[b, p, 1 + k, 0] = np.float64(auxiliary[b, p, k, 0]) if fitted else gx
            points[b, p, 1 + k, 1] = np.float64(auxiliary[b, p, k, 1]) if fitted else gy
            wx, wy, wb = part_of(dx, dy, found) if fitted else (0.0, 0.0, 0.0)
            for c in range(channels):
                g = gvalue[b, c, p] * wb if squares.intercept else 0.0  # (linearized.8)
                if gslopes.shape[1]:  # (linearized.11)
                    g += gslopes[b, 0, c, p] * (wx * squares.half_x) + gslopes[b, 1, c, p] * (wy * squares.half_y)
                gsamples[b, c, p, 1 + k] = g
                gsamples[b, c, p, 0] -= g  # (linearized.8): I^0


@kernel
def contract(start: int, stop: int, gout: Any, slopes: Any, block: int, lost: Any, ggrid: Any) -> None:
    """Compute (linearized.9) for the blocks start to stop of all images, of pixels: ggrid (N, 2, pixels).

    `lost` is scratch of that shape, for the rounding errors of the sums.
    """
    _, channels, pixels = gout.shape
    blocks = (pixels + block - 1) // block
    for q in items(start, stop):
        b, first = q // blocks, q % blocks * block
        last = min(first + block, pixels)
        for axis in range(2):
            for p in range(first, last):
                ggrid[b, axis, p], lost[b, axis, p] = 0.0, 0.0
            for c in range(channels):
                for p in range(first, last):
                    term = np.float64(gout[b, c, p]) * slopes[b, axis, c, p]  # (linearized.9)
                    ggrid[b, axis, p], remainder = two_sum(ggrid[b, axis, p], term)
                    lost[b, axis, p] += remainder
            for p in range(first, last):
                ggrid[b, axis, p] = compensated(ggrid[b, axis, p], lost[b, axis, p])
