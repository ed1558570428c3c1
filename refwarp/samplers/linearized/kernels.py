"""Planes fitted to scattered samples, one output pixel at a time: what `linearized_sample` is made of.

The equations are those of `function`. Of one pixel the fit is seven numbers (`fit`), with which each
sample's part in the plane follows from its offset (`part_of`). So nothing is kept for each sample: its offset is
computed again where it is needed. The text runs on the CPU and on CUDA; on the CPU, where most pixels ask for no care,
`refwarp.samplers.linearized.cpu` does the same for many pixels at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel, part, scalar
from refwarp.conventions import OUTSIDE, RIGHT, TINY, Rules, is_undefined
from refwarp.samplers.bilinear.kernels import cell_value, read_axis

# A sample farther away than this, in pixels, takes no part under any mask: its square would overflow.
FAR = 2.0**500

# A column this close to the others (the square of a sine) is taken to be a combination of them.
DEPENDENT = 2.0**-52

# Which samples a fit uses; `GIVEN` is an array of flags.
MASKS = ("position", "offset", "none")
POSITION, OFFSET, NONE, GIVEN = range(4)

# What the numbers of a fit say: there is one, there is none (A = 0), or a NaN makes all of the pixel NaN.
FITTED, UNFITTED, UNKNOWN = range(3)

# (n + e_1, c_x, c_y, C_xx, r, z, D)
Fit = tuple[float, float, float, float, float, float, float]


# ---- scalars ----


@scalar
def is_kept(rule: int, ax: float, ay: float, gx: float, gy: float) -> bool:
    """Tell whether a mask, if it is not given, keeps a sample. A NaN is neither in nor out: it is kept, and shows."""
    x, y = (ax - gx, ay - gy) if rule == OFFSET else (ax, ay)
    return rule == NONE or rule == GIVEN or not (abs(x) > 1.0 or abs(y) > 1.0)


@scalar
def is_near(dx: float, dy: float) -> bool:
    """Tell whether an offset in pixels is one that can take part."""
    return abs(dx) <= FAR and abs(dy) <= FAR


@scalar
def is_determined(cxx: float, cyy: float, d: float) -> bool:
    """Tell whether the sums of squares (linearized.2), (linearized.4) are those of samples that determine a plane."""
    return cxx > TINY and d > max(TINY, DEPENDENT * cyy)


@scalar
def part_of(dx: float, dy: float, fit: Fit) -> tuple[float, float, float]:
    """Return (w^x, w^y, w^b) of a sample."""
    m, cx, cy, cxx, r, z, d = fit
    p = dx - cx
    wy = ((dy - cy) - r * p) / d
    return p / cxx - r * wy, wy, 1.0 / m - cx * (p / cxx) - z * wy  # (linearized.5), (linearized.6)


# ---- parts: what one pixel needs ----


@part
def sample(input: Any, b: int, c: int, gx: float, gy: float, align_corners: bool, padding: int) -> float:
    """Return the bilinear sample (bilinear.2) at a point."""
    if is_undefined(gx, gy, padding):
        return np.nan
    rules = Rules(align_corners, padding, RIGHT)
    x, y = read_axis(gx, input.shape[3], rules), read_axis(gy, input.shape[2], rules)
    return 0.0 if x.first == OUTSIDE or y.first == OUTSIDE else cell_value(input, b, c, x, y)


@part
def point_of(grid: Any, b: int, p: int) -> tuple[float, float]:
    """Return the point of the grid of pixel p."""
    return np.float64(grid[b, p, 0]), np.float64(grid[b, p, 1])


@part
def offset_of(
    auxiliary: Any, given: Any, rule: int, b: int, p: int, k: int, gx: float, gy: float, half_x: float, half_y: float
) -> tuple[float, float, int]:
    """Return the offset of sample k from (gx, gy) in pixels (LMS 6), and 1 if it takes part, 0 if not, 2 at NaN."""
    ax, ay = np.float64(auxiliary[b, p, k, 0]), np.float64(auxiliary[b, p, k, 1])
    dx, dy = (ax - gx) * half_x, (ay - gy) * half_y
    kept = (rule != GIVEN or given[b, p, k]) and is_kept(rule, ax, ay, gx, gy)
    if kept and (math.isnan(ax) or math.isnan(ay)):
        return dx, dy, 2
    return dx, dy, 1 if kept and is_near(dx, dy) else 0


@part
def fit(
    grid: Any,
    auxiliary: Any,
    given: Any,
    rule: int,
    b: int,
    p: int,
    half_x: float,
    half_y: float,
    ex: float,
    ey: float,
    e1: float,
    padding: int,
) -> tuple[int, Fit]:
    """Compute (linearized.1) to (linearized.4) of a pixel, the sums with their rounding errors carried along."""
    nothing = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0)
    gx, gy = point_of(grid, b, p)
    if is_undefined(gx, gy, padding):
        return UNKNOWN, nothing
    if math.isinf(gx) or math.isinf(gy):
        return UNFITTED, nothing
    count = auxiliary.shape[2]
    m, cx, lost_x, cy, lost_y = e1, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        dx, dy, takes_part = offset_of(auxiliary, given, rule, b, p, k, gx, gy, half_x, half_y)
        if takes_part == 2:
            return UNKNOWN, nothing
        if takes_part:
            m += 1.0
            cx, remainder = two_sum(cx, dx)
            lost_x += remainder
            cy, remainder = two_sum(cy, dy)
            lost_y += remainder
    if m == 0.0:
        return UNFITTED, nothing
    cx, cy = compensated(cx, lost_x) / m, compensated(cy, lost_y) / m  # (linearized.1)
    if math.isinf(e1):
        e1 = 0.0  # (linearized.13): m is infinite, and what is divided by it 0
    cxx, lost_xx, cyy, cxy, lost_xy = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        dx, dy, takes_part = offset_of(auxiliary, given, rule, b, p, k, gx, gy, half_x, half_y)
        if takes_part:
            dx, dy = dx - cx, dy - cy
            cxx, remainder = two_sum(cxx, dx * dx)
            lost_xx += remainder
            cxy, remainder = two_sum(cxy, dx * dy)
            lost_xy += remainder
            cyy += dy * dy  # for a comparison only
    cxx = compensated(cxx, lost_xx) + (e1 * cx * cx + ex)  # (linearized.2)
    cxy = compensated(cxy, lost_xy) + e1 * cx * cy
    cyy += e1 * cy * cy + ey
    r = cxy / cxx if cxx > TINY else 0.0  # (linearized.3)
    z = cy - r * cx
    d, lost = 0.0, 0.0
    for k in range(count):
        dx, dy, takes_part = offset_of(auxiliary, given, rule, b, p, k, gx, gy, half_x, half_y)
        if takes_part:
            t = (dy - cy) - r * (dx - cx)
            d, remainder = two_sum(d, t * t)
            lost += remainder
    d = compensated(d, lost) + (e1 * z * z + r * r * ex + ey)  # (linearized.4)
    if not is_determined(cxx, cyy, d):
        return UNFITTED, nothing
    return FITTED, (m, cx, cy, cxx, r, z, d)


@part
def plane_of_pixel(
    input: Any,
    grid: Any,
    auxiliary: Any,
    given: Any,
    rule: int,
    b: int,
    p: int,
    half_x: float,
    half_y: float,
    ex: float,
    ey: float,
    e1: float,
    intercept: bool,
    align_corners: bool,
    padding: int,
    value: Any,
    slopes: Any,
) -> None:
    """Compute value and slopes of all channels of a pixel (LMS 7)."""
    state, found = fit(grid, auxiliary, given, rule, b, p, half_x, half_y, ex, ey, e1, padding)
    gx, gy = point_of(grid, b, p)
    for c in range(value.shape[1]):
        centre = sample(input, b, c, gx, gy, align_corners, padding) if state != UNKNOWN else np.nan
        x, lost_x, y, lost_y, shift, lost = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(auxiliary.shape[2] if state == FITTED else 0):
            dx, dy, takes_part = offset_of(auxiliary, given, rule, b, p, k, gx, gy, half_x, half_y)
            if takes_part:
                ax, ay = np.float64(auxiliary[b, p, k, 0]), np.float64(auxiliary[b, p, k, 1])
                difference = sample(input, b, c, ax, ay, align_corners, padding) - centre  # (LMS 5)
                wx, wy, wb = part_of(dx, dy, found)
                x, remainder = two_sum(x, wx * difference)
                lost_x += remainder
                y, remainder = two_sum(y, wy * difference)
                lost_y += remainder
                shift, remainder = two_sum(shift, wb * difference)
                lost += remainder
        value[b, c, p] = centre + compensated(shift, lost) if intercept else centre
        if slopes.shape[1]:
            slopes[b, 0, c, p] = compensated(x, lost_x) * half_x if state != UNKNOWN else np.nan
            slopes[b, 1, c, p] = compensated(y, lost_y) * half_y if state != UNKNOWN else np.nan


# ---- kernels: one text for the CPU and CUDA ----


@kernel
def planes(
    start: int,
    stop: int,
    input: Any,
    grid: Any,
    auxiliary: Any,
    given: Any,
    rule: int,
    half_x: float,
    half_y: float,
    ex: float,
    ey: float,
    e1: float,
    intercept: bool,
    align_corners: bool,
    padding: int,
    value: Any,
    slopes: Any,
) -> None:
    """Compute value (N, C, pixels) and slopes (N, 2 or 0, C, pixels) of the pixels start to stop of all images."""
    _, _, pixels = value.shape
    for q in items(start, stop):
        plane_of_pixel(
            input, grid, auxiliary, given, rule, q // pixels, q % pixels, half_x, half_y, ex, ey, e1, intercept,
            align_corners, padding, value, slopes,
        )  # fmt: skip


@kernel
def spread(
    start: int,
    stop: int,
    gvalue: Any,
    gslopes: Any,
    grid: Any,
    auxiliary: Any,
    given: Any,
    rule: int,
    half_x: float,
    half_y: float,
    ex: float,
    ey: float,
    e1: float,
    intercept: bool,
    padding: int,
    points: Any,
    gsamples: Any,
) -> None:
    """Compute the samples' gradients (linearized.8) from those of value and slopes, laid out as `planes` does.

    Points (N, pixels, 1 + K, 2) and gsamples (N, C, pixels, 1 + K) hold the centre first. A sample that takes no part
    is moved there, with the gradient 0; where a NaN is in, so are all.
    """
    _, channels, pixels = gvalue.shape
    count = auxiliary.shape[2]
    for q in items(start, stop):
        b, p = q // pixels, q % pixels
        state, found = fit(grid, auxiliary, given, rule, b, p, half_x, half_y, ex, ey, e1, padding)
        gx, gy = point_of(grid, b, p)
        if state == UNKNOWN:
            gx, gy = np.nan, np.nan
        points[b, p, 0, 0], points[b, p, 0, 1] = gx, gy
        for c in range(channels):
            gsamples[b, c, p, 0] = gvalue[b, c, p]
        for k in range(count):
            dx, dy, takes_part = offset_of(auxiliary, given, rule, b, p, k, gx, gy, half_x, half_y)
            fitted = takes_part == 1 and state == FITTED
            points[b, p, 1 + k, 0] = np.float64(auxiliary[b, p, k, 0]) if fitted else gx
            points[b, p, 1 + k, 1] = np.float64(auxiliary[b, p, k, 1]) if fitted else gy
            wx, wy, wb = part_of(dx, dy, found) if fitted else (0.0, 0.0, 0.0)
            for c in range(channels):
                g = gvalue[b, c, p] * wb if intercept else 0.0
                if gslopes.shape[1]:
                    g += gslopes[b, 0, c, p] * (wx * half_x) + gslopes[b, 1, c, p] * (wy * half_y)
                gsamples[b, c, p, 1 + k] = g
                gsamples[b, c, p, 0] -= g


@kernel
def contract(start: int, stop: int, gout: Any, slopes: Any, block: int, lost: Any, ggrid: Any) -> None:
    """Compute (linearized.9) for the blocks start to stop of all images, so many pixels each: ggrid (N, 2, pixels).

    `lost` is scratch of that shape, for what the sums' roundings leave out.
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
                    term = np.float64(gout[b, c, p]) * slopes[b, axis, c, p]
                    ggrid[b, axis, p], remainder = two_sum(ggrid[b, axis, p], term)
                    lost[b, axis, p] += remainder
            for p in range(first, last):
                ggrid[b, axis, p] = compensated(ggrid[b, axis, p], lost[b, axis, p])
