"""separable_sample and multiscale_sample written as programs usually are: each step rounded, textbook formulas.

They are right, and no better than the arithmetic of the arrays that they are given. A sampler lays out, for each axis,
matrices (samples, pixels) of its weights and their derivatives; all else is products of these.
"""

import math
from typing import NamedTuple

import numpy as np

from tests.golden.families.plain_sampler import padded, pixel, taps

# ---- kernels: d -> k, k', k'', from the right where they have corners ----


def tent(d):
    one = d.dtype.type(1)
    if not -1 <= d < 1:
        return 0 * one, 0 * one, 0 * one
    return one - abs(d), one if d < 0 else -one, 0 * one


def integer(d):
    return d.dtype.type(-0.5 <= d < 0.5), 0 * d, 0 * d


def piecewise(inner, outer):
    """Return a cubic kernel from its coefficients in |d|, of the highest power first."""

    def kernel(d):
        coefficients = inner if -1 <= d < 1 else outer if -2 <= d < 2 else (0, 0, 0, 0)
        a, b, c, e = (d.dtype.type(number) for number in coefficients)
        r, side = abs(d), -1 if d < 0 else 1
        return ((a * r + b) * r + c) * r + e, side * ((3 * a * r + 2 * b) * r + c), 6 * a * r + 2 * b

    return kernel


def keys(a):
    return piecewise((a + 2, -(a + 3), 0, 1), (a, -5 * a, 8 * a, -4 * a))


def cubic_b_spline():
    return piecewise((3 / 6, -1, 0, 4 / 6), (-1 / 6, 1, -2, 8 / 6))


def sinc(d):
    """Return sin(pi d)/(pi d) and its first two derivatives."""
    pi = d.dtype.type(math.pi)
    if d == 0:
        return d.dtype.type(1), 0 * d, -pi * pi / 3
    value = np.sin(pi * d) / (pi * d)
    slope = (np.cos(pi * d) - value) / d
    return value, slope, -pi * pi * value - 2 * slope / d


def lanczos(lobes):
    def kernel(d):
        a = d.dtype.type(lobes)
        if not -a <= d < a:
            return 0 * d, 0 * d, 0 * d
        f, df, ddf = sinc(d)
        g, dg, ddg = sinc(d / a)
        return f * g, df * g + f * dg / a, ddf * g + 2 * df * dg / a + f * ddg / (a * a)

    return kernel


def gaussian(deviation):
    def kernel(d):
        s = d.dtype.type(deviation)
        if not -4 * s <= d < 4 * s:
            return 0 * d, 0 * d, 0 * d
        k = np.exp(-d * d / (2 * s * s)) / (s * d.dtype.type(math.sqrt(2 * math.pi)))
        return k, -d / (s * s) * k, (d * d / (s * s) - 1) / (s * s) * k

    return kernel


# By name: how many pixels they see on each side, and they themselves.
KERNELS = {
    "tent": lambda: (1, tent),
    "integer": lambda: (1, integer),
    "keys": lambda a: (2, keys(a)),
    "cubic_b_spline": lambda: (2, cubic_b_spline()),
    "lanczos": lambda lobes: (lobes, lanczos(lobes)),
    "gaussian": lambda deviation: (math.ceil(4 * deviation), gaussian(deviation)),
}


def kernel_taps(g, size, kernel, padding, align_corners):
    """Return what a coordinate reads: pixel, weight, slope and curvature."""
    support, k = kernel
    if math.isinf(g) and padding == "zeros":
        return []
    x = pixel(g, size, align_corners) if math.isfinite(g) else math.copysign(1e6, g)
    if padding != "reflection":
        x = min(max(x, g.dtype.type(-support - 1)), g.dtype.type(size + support))
    found = []
    for n in range(math.floor(x) - support + 1, math.floor(x) + support + 1):
        place = padded(n, size, align_corners, padding)
        if place is not None:
            found.append((place, *k(g.dtype.type(x - n))))
    return found


# ---- samplers ----


class Image(NamedTuple):
    """The arrays of one image: the cotangents of the gradients of map and grid, that of the output, map and grid."""

    a: np.ndarray
    b: np.ndarray
    gout: np.ndarray
    u: np.ndarray
    grid: np.ndarray


class Sampler:
    """The samples of one image: matrices (samples, pixels) of weights and their derivatives for each axis."""

    def __init__(self, grid, size, align_corners, padding, read):
        points = grid.reshape(-1, 2)
        infinite = np.isinf(points) if padding == "reflection" else False
        self.undefined, self.shape = (np.isnan(points) | infinite).any(axis=1), grid.shape[:2]
        self.axes = []
        for axis, length in enumerate(reversed(size)):
            matrices = np.zeros((3, len(points), length), grid.dtype)
            for i in np.flatnonzero(~self.undefined):
                for place, *weights in read(points[i, axis], length):
                    matrices[:, i, place] += np.array(weights, grid.dtype)
            self.axes.append(matrices)
        self.scales = [grid.dtype.type((length - align_corners) / 2) for length in reversed(size)]

    def gathered(self, u, p, q):
        return np.einsum("cnm,sn,sm->cs", u, self.axes[1][q], self.axes[0][p])

    def scattered(self, g, p, q):
        return np.einsum("cs,sn,sm->cnm", g, self.axes[1][q], self.axes[0][p])

    def outputs(self, image):
        """Return the output, both gradients, and the three second gradients."""
        a, b, gout, u, _ = image
        gout, b = gout.reshape(len(gout), len(self.undefined)), b.reshape(-1, 2)
        (sx, sy), mixed = self.scales, self.gathered(u, 1, 1)
        bx, by = b[:, 0] * sx, b[:, 1] * sy
        gx, gy = self.gathered(u, 1, 0), self.gathered(u, 0, 1)
        turned_x = self.gathered(a, 1, 0) + bx * self.gathered(u, 2, 0) + by * mixed
        turned_y = self.gathered(a, 0, 1) + by * self.gathered(u, 0, 2) + bx * mixed
        return (
            self.samples(self.gathered(u, 0, 0)),
            self.scattered(gout, 0, 0),
            self.points((gout * gx).sum(0) * sx, (gout * gy).sum(0) * sy),
            self.samples(self.gathered(a, 0, 0) + bx * gx + by * gy),
            self.scattered(gout * bx, 1, 0) + self.scattered(gout * by, 0, 1),
            self.points((gout * turned_x).sum(0) * sx, (gout * turned_y).sum(0) * sy),
        )

    def samples(self, flat):
        return np.where(self.undefined, flat.dtype.type(math.nan), flat).reshape(len(flat), *self.shape)

    def points(self, x, y):
        return np.moveaxis(self.samples(np.stack([x, y])), 0, -1)


def separable(image, *, kernel, padding_mode, align_corners):
    """Return all outputs of separable_sample for one image."""
    k = KERNELS[kernel["name"]](**{name: value for name, value in kernel.items() if name != "name"})

    def read(g, length):
        return kernel_taps(g, length, k, padding_mode, align_corners)

    return Sampler(image.grid, image.u.shape[1:], align_corners, padding_mode, read).outputs(image)


def blur_matrix(size, deviation, truncate, dtype):
    """Return a Gaussian's weights, cut off and normalised over the axis."""
    t = np.arange(size)[:, None] - np.arange(size)
    arguments = t.astype(dtype) / dtype.type(deviation or 1)
    weights = np.where(abs(t) <= truncate * deviation + 0.5, np.exp(-arguments * arguments / 2), 0).astype(dtype)
    return weights / weights.sum(1, keepdims=True, dtype=dtype)


def multiscale(image, *, deviations, aggregate, truncate, padding_mode, align_corners):
    """Return all outputs of multiscale_sample for one image; on kinks, from the right."""

    def read(g, length):
        return taps(g, length, "bilinear", padding_mode, align_corners)

    a, _, gout, u, grid = image
    sampler, levels = Sampler(grid, u.shape[1:], align_corners, padding_mode, read), []
    for number, deviation in enumerate(deviations):
        rows, columns = (blur_matrix(size, deviation, truncate, u.dtype) for size in u.shape[1:])
        level = gout[number] if aggregate == "stack" else gout
        blurred = image._replace(a=rows @ a @ columns.T, gout=level, u=rows @ u @ columns.T)
        found = list(sampler.outputs(blurred))
        for place in (1, 4):  # the gradients with respect to the map
            found[place] = rows.T @ found[place] @ columns
        levels.append(found)
    totals = [sum(parts) / (len(levels) if aggregate == "mean" else 1) for parts in zip(*levels, strict=True)]
    if aggregate == "stack":
        for place in (0, 3):
            totals[place] = np.stack([level[place] for level in levels])
    return totals


class Plain:
    """A target: one of these functions under the names of an operation."""

    DTYPES = ("float16", "float32", "float64")

    def __init__(self, operation, function):
        self.function = function
        for part, places in (("", [0]), ("_vjp", [1, 2]), ("_second_vjp", [3, 4, 5])):
            setattr(self, operation + part, self._call(part, places))

    def _call(self, part, places):
        def call(*arrays, **options):
            # What is not given has no say in the outputs that are asked for.
            input, grid = arrays[-2:]
            gout = arrays[-3] if part else None
            a, b = arrays[:2] if part == "_second_vjp" else (np.zeros_like(input), np.zeros_like(grid))
            if gout is None:
                stacked = [len(options["deviations"])] if options.get("aggregate") == "stack" else []
                gout = np.zeros((len(input), *stacked, input.shape[1], *grid.shape[1:3]), input.dtype)
            with np.errstate(all="ignore"):
                images = [Image(*arrays) for arrays in zip(a, b, gout, input, grid, strict=True)]
                found = [self.function(image, **options) for image in images]
            like = {0: gout, 3: gout, 1: input, 4: input, 2: grid, 5: grid}
            results = [
                np.array([image[place] for image in found], input.dtype).reshape(like[place].shape) for place in places
            ]
            return tuple(results)

        return call
