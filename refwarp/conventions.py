"""The rules that the papers do not specify: coordinates, padding, kinks, non-finite values, dtypes.

Axes. Maps are (N, C, H, W), grids (N, H_out, W_out, 2) with x first, in [-1, 1].

Coordinates. On an axis of W pixels, g in [-1, 1] is the pixel coordinate

    x = (g s + W - 1) / 2,   s = W      align_corners=False: -1 and 1 are the outer edges of the map
                             s = W - 1  align_corners=True:  -1 and 1 are the centres of the corner pixels

    W = 4        |  0  |  1  |  2  |  3  |        pixels
    False   g = -1          0           1
    True    g =   -1        0         1

On an axis of one pixel with align_corners=True, s is 0: x = 0 for every g, and the gradient with respect to g is 0.

The formula loses the digits of a small g. With t = g s and o = (W - 1) mod 2, x is computed from the centre of the map:

    t = g s                                                                                 (coordinates.1)
    m = floor((t + o)/2), so that x lies in the cell n = (W - 1 - o)/2 + m                    (coordinates.2)
    f = x - n = (t - (2 m - o))/2                                                           (coordinates.3)
    h = 1 - f = ((2 (m + 1) - o) - t)/2                                                     (coordinates.4)

where g s - (2 m - o) is one fused multiply-add: t need not be rounded before its digits cancel.

Kinks. Bilinear sampling has no derivative where x is an integer (the lattice). The gradient there is `right` (the
derivative from the right, as floor gives it), `left`, `central` (their mean) or `literal` (STN's Eq. (7) as printed,
for study). Whether a sample is on the lattice is decided exactly, from the given floats.

Padding extends the map, of W pixels:

    zeros        nothing: a pixel outside the map adds nothing to a sample and receives no gradient
    border       the pixel at the border: the coordinate is clamped to [0, W - 1]
    reflection   the map mirrored at g = -1 and 1 and so on; between g and the outermost centre, the border

    W = 4, align_corners=False
    zeros          . . . . | a b c d | . . . .
    border         a a a a | a b c d | d d d d
    reflection     d c b a | a b c d | d c b a        with align_corners=True:  . d c b | a b c d | c b a .

The mirrored map has period 4 in g, with and without align_corners, so folding is exact (`fold`). Bicubic sampling
clamps or mirrors each pixel of its 4 x 4 window instead of the point.

With border and reflection, "right" and "literal" apply to the clamped or mirrored coordinate, the sign of the
reflection multiplies the slope, and the gradient is 0 where that coordinate is <= 0 or >= W - 1, as in PyTorch,
although this is not the derivative from the right. "left" and "central" are one-sided in the original coordinate.

Non-finite coordinates. NaN: the sample and its grid gradient are NaN, and nothing else is affected. An infinite one is
outside with zeros, at the border with border, and NaN with reflection, which has no limit. A huge finite one likewise,
but reflection folds it exactly; no float is cast to an integer before it is in range.

Non-finite pixels and cotangents follow the arithmetic of the equations: a weight or a slope of 0 times infinity is NaN,
as at a clamped coordinate, whose slope is 0. A pixel that a sample does not read does not affect it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from refwarp.backend.intrinsics import fused_multiply_add
from refwarp.backend.jit import scalar

KINKS = ("right", "left", "central", "literal")
RIGHT, LEFT, CENTRAL, LITERAL = range(4)

PADDINGS = ("zeros", "border", "reflection")
ZEROS, BORDER, REFLECTION = range(3)


class Rules(NamedTuple):
    """The conventions that kernels need: how coordinates map to pixels, and the slope at kinks."""

    align_corners: bool
    padding: int = ZEROS
    kink: int = RIGHT


class Size(NamedTuple):
    """The size of a map, in pixels."""

    height: int
    width: int


# What `locate` returns for a coordinate with no pixel of the map in reach.
OUTSIDE = -(1 << 30)

# Below TINY, products may lose digits to underflow, and above HUGE they may overflow; kernels then scale the factors.
TINY = 2.0**-900
HUGE = 2.0**900


@scalar
def pixel_of(p: int, height: int, width: int) -> tuple[int, int, int]:
    """Return image, row and column of the p-th pixel of a batch of images."""
    return p // (height * width), p // width % height, p % width


@scalar
def coordinate_scale(size: int, align_corners: bool) -> float:
    """Return s, twice the derivative of the pixel coordinate with respect to g."""
    return float(size - 1) if align_corners else float(size)


@scalar
def half_difference(g: float, s: float, edge: float) -> float:
    """Return (g s - edge)/2, rounded once."""
    difference: float = fused_multiply_add(g, s, -edge)
    return 0.5 * difference


@scalar
def cell(g: float, size: int, align_corners: bool) -> tuple[int, float, float]:
    """Return the cell of a coordinate with |g s| < 2^52: its left pixel n, and the weights h and f of n and n + 1.

    f = x - n and h = 1 - f each have a relative error of at most 2^-53, and f = 0 if and only if x is an integer.
    Where |t| < 2^-900 the weight of the farther pixel is positive but may have lost digits; see `split_weight`.
    """
    s = coordinate_scale(size, align_corners)
    odd = (size - 1) % 2
    t = g * s  # (coordinates.1)
    centre = (size - 1 - odd) // 2
    if 0.0 < abs(t) < TINY and odd == 0:
        if t > 0.0:
            return centre, 1.0, max(0.5 * t, 5e-324)
        return centre - 1, max(-0.5 * t, 5e-324), 1.0
    m = math.floor(0.5 * (t + odd))  # (coordinates.2), up to a rounding, which the next lines correct
    f = half_difference(g, s, 2.0 * m - odd)  # (coordinates.3)
    if f < 0.0:
        m -= 1
        f = half_difference(g, s, 2.0 * m - odd)
    h = -half_difference(g, s, 2.0 * (m + 1) - odd)  # (coordinates.4)
    if h <= 0.0:
        m += 1
        f = half_difference(g, s, 2.0 * m - odd)
        h = -half_difference(g, s, 2.0 * (m + 1) - odd)
    return centre + int(m), h, f


@scalar
def cell_without_branches(g: float, s: float, odd: float, size: float, narrow: bool) -> tuple[float, float, float]:
    """Return what `cell` does unless 0 < |t| < TINY, without a branch; if `narrow`, g is a float32 and t is exact."""
    t = g * s  # (coordinates.1)
    m = np.floor(0.5 * (t + odd))  # (coordinates.2)
    if narrow:
        edge = 2.0 * m - odd
        f, h = 0.5 * (t - edge), 0.5 * ((edge + 2.0) - t)  # (coordinates.3), (coordinates.4)
    else:
        m -= 1.0 if half_difference(g, s, 2.0 * m - odd) < 0.0 else 0.0  # (coordinates.2)
        f = half_difference(g, s, 2.0 * m - odd)  # (coordinates.3)
        h = -half_difference(g, s, 2.0 * (m + 1.0) - odd)  # (coordinates.4)
    return m + 0.5 * (size - 1.0 - odd), h, f  # (coordinates.2)


@scalar
def locate(g: float, size: int, align_corners: bool) -> tuple[int, float, float]:
    """Return the `cell` of any coordinate but NaN, with zeros outside the map.

    A coordinate out of reach (x < -1 or x > W, where no side of a kink reads the map) has n = OUTSIDE.
    """
    if math.isinf(g) or abs(g * coordinate_scale(size, align_corners)) > size + 1:
        return OUTSIDE, 1.0, 0.0
    return cell(g, size, align_corners)


@scalar
def remainder_of_four(g: float) -> float:
    """Return g - 4 trunc(g/4) of a finite g. Exact for every float."""
    size = abs(g)
    if size >= 2.0**55:  # a multiple of 8
        return 0.0
    return math.copysign(size - 4.0 * math.floor(0.25 * size), g)


@scalar
def fold(g: float) -> tuple[float, float]:
    """Return the mirror image of a finite g in [-1, 1], and the sign of its slope. Exact for every float."""
    r = remainder_of_four(g)
    if r > 3.0:
        return r - 4.0, 1.0
    if r < -3.0:
        return r + 4.0, 1.0
    if r > 1.0:
        return 2.0 - r, -1.0
    if r < -1.0:
        return -2.0 - r, -1.0
    return r, 1.0


@scalar
def padded_index(n: int, size: int, align_corners: bool, padding: int) -> int:
    """Return the pixel that stands at index n of the padded map, -1 where there is none."""
    if padding == BORDER:
        return min(max(n, 0), size - 1)
    if padding == REFLECTION:
        if align_corners:
            if size == 1:
                return 0
            n = n % (2 * size - 2)
            return n if n < size else 2 * size - 2 - n
        n = n % (2 * size)
        return n if n < size else 2 * size - 1 - n
    return n if 0 <= n < size else -1


@scalar
def is_undefined(gx: float, gy: float, padding: int) -> bool:
    """Return whether a sample is NaN because of its coordinates."""
    if math.isnan(gx) or math.isnan(gy):
        return True
    return padding == REFLECTION and (math.isinf(gx) or math.isinf(gy))


@scalar
def place(g: float, size: int, align_corners: bool, padding: int) -> tuple[int, float, float, float]:
    """Return the cell n, h, f of a padded coordinate, and the slope of the padding: 1, -1 (mirrored) or 0 (clamped)."""
    if padding == ZEROS:
        n, h, f = locate(g, size, align_corners)
        return n, h, f, 1.0
    sign = 1.0
    if padding == REFLECTION:
        g, sign = fold(g)
    if math.isinf(g) or abs(g * coordinate_scale(size, align_corners)) > size + 1:
        return (size - 1 if g > 0.0 else 0), 1.0, 0.0, 0.0
    n, h, f = cell(g, size, align_corners)
    if n < 0:
        return 0, 1.0, 0.0, 0.0
    if n > size - 1 or (n == size - 1 and f > 0.0):
        return size - 1, 1.0, 0.0, 0.0
    return n, h, f, sign


@scalar
def split_weight(w: float, g: float, s: float) -> tuple[float, float]:
    """Return a weight as a product of two numbers that keep all its digits, even if the weight underflows.

    Neither is larger than 1, so that a number times one of them, or both, is not larger than the number.
    """
    if 0.0 < w < TINY:  # there it is |g| s/2
        fraction, power = math.frexp(0.5 * s)
        return math.ldexp(abs(g), int(power)), fraction
    return w, 1.0


@scalar
def choose_side(n: int, h: float, f: float, kink: int) -> tuple[int, float, float, float, float, float]:
    """Apply the rule `kink` to a cell: return n, the weights of pixels n and n + 1, and the slopes of n to n + 2.

    Off the lattice, and on it with "right", that is the cell itself with the slopes -1, 1, 0. On the lattice
    "left" gives the cell to the left, where f = 1; "central" the mean of both, which reads three pixels.
    """
    if f != 0.0 or kink == RIGHT:
        return n, h, f, -1.0, 1.0, 0.0
    if kink == LEFT:
        return n - 1, 0.0, 1.0, -1.0, 1.0, 0.0
    if kink == CENTRAL:
        return n - 1, 0.0, 1.0, -0.5, 0.0, 0.5
    return n, 1.0, 0.0, 1.0, 0.0, 0.0


@scalar
def choose_padded_side(
    n: int, h: float, f: float, sign: float, size: int, align_corners: bool, padding: int, kink: int
) -> tuple[int, float, float, float, float, float]:
    """Do the same as `choose_side`, for a coordinate from `place`."""
    if padding == ZEROS:
        return choose_side(n, h, f, kink)
    if sign == 0.0 or size == 1:
        return n, h, f, 0.0, 0.0, 0.0
    if f == 0.0 and (n == 0 or n == size - 1):
        return _choose_edge_side(n, sign, size, align_corners and padding == REFLECTION, kink)
    if kink == LEFT and sign < 0.0:  # the left of the original coordinate is the right of the mirrored one
        kink = RIGHT
    n, h, f, d0, d1, d2 = choose_side(n, h, f, kink)
    return n, h, f, sign * d0, sign * d1, sign * d2


@scalar
def _choose_edge_side(
    n: int, sign: float, size: int, seam: bool, kink: int
) -> tuple[int, float, float, float, float, float]:
    """Do the same for the first or the last pixel: the slope of the cell inside, times a factor for the rule.

    At a seam (a mirror through the pixel's centre) the map is symmetric; otherwise it is constant outside.
    """
    first = n == 0
    share = 0.0
    if kink == CENTRAL and not seam:
        share = 0.5 * sign
    elif kink == LEFT and seam:
        share = -1.0 if first else 1.0
    elif kink == LEFT and first == (sign < 0.0):
        share = sign
    if first:
        return 0, 1.0, 0.0, -share, share, 0.0
    return size - 2, 0.0, 1.0, -share, share, 0.0
