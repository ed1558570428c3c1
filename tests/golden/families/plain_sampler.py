"""A sampler written as programs usually are: coordinates rounded, textbook weights, sums in order.

It is right, and no better than its arithmetic. On arrays of a floating-point dtype every operation is one of that
dtype; on arrays of rational numbers (dtype object) it is exact. Kinks are right, ties are even. It shares no formula
with `refwarp.exact`: the mirror is a remainder, indices are folded as integers, terms are grouped differently.
"""

import math
from fractions import Fraction

import numpy as np


def pixel(g, size, align_corners):
    """Return ((g + 1) s - 1)/2."""
    scale = size - align_corners
    return ((g + 1) * scale + (size - 1 - scale)) / 2


def mirrored(x, size, align_corners):
    """Return the mirror image of x between the ends, and the sign of its slope."""
    kind = type(x)
    low, span = (kind(0), kind(size - 1)) if align_corners else (kind(-0.5), kind(size))
    if span == 0:
        return kind(0), 1
    away, sign = abs(x - low), 1 if x >= low else -1
    rest, turns = away % span, math.floor(away / span)
    return (rest + low, sign) if turns % 2 == 0 else (span - rest + low, -sign)


def cubic(d):
    """Return Keys' polynomials, their derivatives and second derivatives at d, the last from the right."""
    a, r, side = type(d)(-0.75), abs(d), -1 if d < 0 else 1
    if r < 1 or d == -1:
        slope = 3 * (a + 2) * r * r - 2 * (a + 3) * r
        return (a + 2) * r * r * r - (a + 3) * r * r + 1, side * slope, 6 * (a + 2) * r - 2 * (a + 3)
    weight = a * r * r * r - 5 * a * r * r + 8 * a * r - 4 * a
    return weight, side * (3 * a * r * r - 10 * a * r + 8 * a), 6 * a * r - 10 * a


def padded(n, size, align_corners, padding):
    """Return the pixel at index n, or None."""
    if padding == "border":
        return min(max(n, 0), size - 1)
    if padding == "reflection":
        period = max(2 * (size - 1), 1) if align_corners else 2 * size
        n %= period
        return n if n < size else period - n - (not align_corners)
    return n if 0 <= n < size else None


def taps(g, size, mode, padding, align_corners):
    """Return the pixels that a coordinate reads: index, weight, slope and curvature in x."""
    kind = Fraction if type(g) is float else type(g)  # among rational numbers, only infinities are floats
    if padding == "reflection" and abs(g) > 1024:
        g = g % kind(4)  # before it overflows
    x, sign = g if abs(g) == math.inf else pixel(g, size, align_corners), 1
    if mode == "bicubic":
        if padding != "reflection":
            x = min(max(x, kind(-3)), kind(size + 2))
        cell = math.floor(x)
        found = [(padded(n, size, align_corners, padding), *cubic(x - kind(n))) for n in range(cell - 1, cell + 3)]
        return [tap for tap in found if tap[0] is not None]
    if padding == "reflection":
        x, sign = mirrored(x, size, align_corners)
    if padding == "zeros":
        x = min(max(x, kind(-2)), kind(size + 1))
    else:
        sign = 0 if x <= 0 or x >= size - 1 else sign
        x = min(max(x, kind(0)), kind(size - 1))
    cell, zero = math.floor(x), kind(0)
    if mode == "nearest":
        found = [(round(x), zero + 1, zero, zero)]
    else:
        found = [(cell, cell + 1 - x, zero - sign, zero), (cell + 1, x - cell, zero + sign, zero)]
    return [tap for tap in found if 0 <= tap[0] < size]


def samples(grid, shape, mode, padding, align_corners):
    """Yield each sample's place, and its taps in x and in y; None for one that is undefined."""
    for b, i, j in np.ndindex(grid.shape[:3]):
        point, sizes = grid[b, i, j], shape[:1:-1]
        if any(g != g or (padding == "reflection" and abs(g) == math.inf) for g in point):
            yield b, i, j, None
        else:
            yield b, i, j, [taps(g, size, mode, padding, align_corners) for g, size in zip(point, sizes, strict=True)]


def grid_sample(input, grid, *, mode, padding_mode, align_corners):
    """Return the samples."""
    output = np.zeros((*input.shape[:2], *grid.shape[1:3]), input.dtype)
    for b, i, j, read in samples(grid, input.shape, mode, padding_mode, align_corners):
        if read is None:
            output[b, :, i, j] = math.nan
            continue
        for n, wy, _, _ in read[1]:
            for m, wx, _, _ in read[0]:
                output[b, :, i, j] += input[b, :, n, m] * (wx * wy)
    return output


def grid_sample_vjp(gout, input, grid, *, mode, padding_mode, align_corners):
    """Return the gradients with respect to input and grid."""
    ginput, ggrid = np.zeros_like(input), np.zeros_like(grid)
    for b, i, j, read in samples(grid, input.shape, mode, padding_mode, align_corners):
        if read is None:
            ggrid[b, i, j] = math.nan
            continue
        for n, wy, dy, _ in read[1]:
            for m, wx, dx, _ in read[0]:
                for c, g in enumerate(gout[b, :, i, j]):
                    u = input[b, c, n, m]
                    ginput[b, c, n, m] += g * (wx * wy)
                    ggrid[b, i, j, 0] += u * g * (dx * wy)
                    ggrid[b, i, j, 1] += u * g * (wx * dy)
        for axis, size in enumerate(input.shape[:1:-1]):
            ggrid[b, i, j, axis] = ggrid[b, i, j, axis] * (size - align_corners) / 2
    return ginput, ggrid


def grid_sample_second_vjp(cotangent_input, cotangent_grid, gout, input, grid, *, mode, padding_mode, align_corners):
    """Return the gradients of the gradients with respect to gout, input and grid."""
    ggout, ginput, ggrid = np.zeros_like(gout), np.zeros_like(input), np.zeros_like(grid)
    scales = [size - align_corners for size in input.shape[:1:-1]]
    for b, i, j, read in samples(grid, input.shape, mode, padding_mode, align_corners):
        if read is None:
            ggout[b, :, i, j], ggrid[b, i, j] = math.nan, math.nan
            continue
        bx, by = (g * scale / 2 for g, scale in zip(cotangent_grid[b, i, j], scales, strict=True))
        for n, wy, dy, ey in read[1]:
            for m, wx, dx, ex in read[0]:
                for c, g in enumerate(gout[b, :, i, j]):
                    u, a = input[b, c, n, m], cotangent_input[b, c, n, m]
                    ggout[b, c, i, j] += a * (wx * wy) + u * (bx * (dx * wy) + by * (wx * dy))
                    ginput[b, c, n, m] += g * (bx * (dx * wy) + by * (wx * dy))
                    ggrid[b, i, j, 0] += g * (a * (dx * wy) + u * (bx * (ex * wy) + by * (dx * dy)))
                    ggrid[b, i, j, 1] += g * (a * (wx * dy) + u * (by * (wx * ey) + bx * (dx * dy)))
        for axis, scale in enumerate(scales):
            ggrid[b, i, j, axis] = ggrid[b, i, j, axis] * scale / 2
    return ggout, ginput, ggrid
