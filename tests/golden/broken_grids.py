"""Deliberately broken grids, splines, decoders, fits and penalties, one for each of their defects in the museum.

As in `broken`: a sound and naive implementation of each operation, and defects as classes named after their flags.
"""

import math
from itertools import product

import numpy as np

from tests.golden.broken import Sampler


class Grids:
    """Sound grids, forward."""

    # ---- operations ----

    def affine_grid(self, theta, *, size, align_corners):
        return (self.lattice(size, align_corners) @ self.columns(theta.astype(float))).astype(theta.dtype)

    def projective_grid(self, theta, *, size, align_corners):
        point = self.lattice(size, align_corners) @ theta.astype(float).swapaxes(1, 2)[:, None]
        return self.divide(point[..., :2], point[..., 2:]).astype(theta.dtype)

    def compose(self, outer, inner):
        last = np.tile([[[0.0, 0.0, 1.0]]], (len(outer), 1, 1))
        first, second = self.in_order(*(np.concatenate([a, last], axis=1) for a in (inner, outer)))
        return (second @ first)[:, :2].astype(outer.dtype)

    def flow_grid(self, flow, *, align_corners, unit):
        motion = self.motion(flow.astype(float).transpose(0, 2, 3, 1)) * self.pitch(flow.shape, align_corners)
        return (self.lattice(flow.shape, align_corners)[..., :2] + motion).astype(flow.dtype)

    def tps_grid(self, points, control, *, size, align_corners, smoothing):
        c, f = control.astype(float), points.astype(float)
        lattice = self.lattice(size, align_corners)
        h = np.concatenate([c, np.ones((len(c), 1))], axis=1)
        grids = []
        for fiducial in f:
            r = self.radial(self.distances(c, c, fiducial)) + self.smoothed(smoothing) * np.eye(len(c))
            a = np.block([[r, h], [h.T, np.zeros((3, 3))]])
            t = np.linalg.solve(a, np.concatenate([fiducial, np.zeros((3, 2))]))
            q = self.radial(((lattice[0, :, :, None, :2] - c) ** 2).sum(axis=-1))
            grids.append(q @ t[:-3] + lattice[0] @ t[-3:])
        return np.stack(grids).astype(points.dtype)

    # ---- the steps ----

    def axis(self, n, align_corners):
        """Return where the pixels of an axis are."""
        return (2 * np.arange(n) + 1 - n) / self.steps(n, align_corners)

    def steps(self, n, align_corners):
        return max(n - 1, 1) if align_corners else n

    def lattice(self, size, align_corners):
        """Return x, y, 1 of each pixel, (1, H, W, 3)."""
        x, y = np.meshgrid(self.axis(size[3], align_corners), self.axis(size[2], align_corners))
        return np.stack([x, y, np.ones_like(x)], axis=-1)[None]

    def columns(self, theta):
        """Return the matrix that a row vector is multiplied by, with axes for rows and columns of pixels."""
        return theta.swapaxes(1, 2)[:, None]

    def divide(self, numerators, denominator):
        with np.errstate(divide="ignore"):
            return np.where(numerators == 0, 0.0, numerators / denominator)

    def in_order(self, inner, outer):
        return inner, outer

    def motion(self, flow):
        return flow

    def pitch(self, size, align_corners):
        return np.array([2 / self.steps(n, align_corners) for n in (size[3], size[2])])

    def distances(self, control, other, fiducial):
        """Return the squared distances of the control points from the others."""
        return ((control[:, None] - other) ** 2).sum(axis=-1)

    def radial(self, squared):
        """Return d^2 ln d^2."""
        return squared * np.log(np.where(squared == 0, 1.0, squared))

    def smoothed(self, smoothing):
        return smoothing


class SwappedAxes(Grids):
    def motion(self, flow):
        return flow[..., ::-1]


class AlignCornersIgnored(Grids):
    def lattice(self, size, align_corners):
        return super().lattice(size, True)


class CoarseGrid(Grids):
    def axis(self, n, align_corners):
        return super().axis(n, align_corners).astype(np.float16).astype(float)


class TransposedMatrix(Grids):
    def columns(self, theta):
        return super().columns(np.concatenate([theta[..., :2].swapaxes(1, 2), theta[..., 2:]], axis=2))


class OnePixelDivision(Grids):
    def axis(self, n, align_corners):
        with np.errstate(invalid="ignore"):
            return (2 * np.arange(n) + 1 - n) / np.float64(n - 1 if align_corners else n)


class CompositionOrder(Grids):
    def in_order(self, inner, outer):
        return outer, inner


class HomogeneousEpsilon(Grids):
    def divide(self, numerators, denominator):
        return super().divide(numerators, denominator + 1e-8)


class HomogeneousClamp(Grids):
    def divide(self, numerators, denominator):
        return super().divide(numerators, np.maximum(denominator, 1e-8))


class HorizonIsZero(Grids):
    def divide(self, numerators, denominator):
        return np.where(denominator == 0, 0.0, super().divide(numerators, denominator))


class FlowSign(Grids):
    def motion(self, flow):
        return -flow


class FlowUnits(Grids):
    def pitch(self, size, align_corners):
        return 1.0


class SplineLattice(AlignCornersIgnored):
    """The same for splines."""


class KernelOfTwoPointSets(Grids):
    def distances(self, control, other, fiducial):
        return super().distances(control, fiducial, fiducial)


class KernelFactor(Grids):
    def radial(self, squared):
        return super().radial(squared) / 2


class LogOfEpsilon(Grids):
    def radial(self, squared):
        return squared * np.log(squared + 1e-8)


class SmoothingSign(Grids):
    def smoothed(self, smoothing):
        return -smoothing


class Decoder:
    """A sound decoder, with the slopes of sources that do not lie on the lattice."""

    def dense_decode(self, values, grid, previous=None, **options):
        _, total, weight = self.sums(values, grid, **options)
        return self.divided(total, weight).astype(values.dtype)

    def dense_decode_vjp(self, gout, values, grid, previous=None, **options):
        taps, total, weight = self.sums(values, grid, **options)
        decoded = self.divided(total, weight)
        gvalues, ggrid = np.zeros(values.shape), np.zeros(grid.shape)
        for (b, i, j), n, m, _, w, slopes in taps:
            share = gout[b, :, n, m] / weight[b, 0, n, m]
            gvalues[b, :, i, j] += share * w
            ggrid[b, i, j] += (share * (values[b, :, i, j] - decoded[b, :, n, m])).sum() * slopes
        return gvalues.astype(values.dtype), ggrid.astype(values.dtype), None

    def sums(self, values, grid, *, size, align_corners, fill, variant):
        """Return the contributions, and the sums of weighted values and of weights for each pixel."""
        taps = []
        for at in np.ndindex(grid.shape[:3]):
            x, y = ((float(g) + 1) * (n - align_corners) / 2 for g, n in zip(grid[at], size[:1:-1], strict=True))
            x, y = x - (not align_corners) / 2, y - (not align_corners) / 2
            for (a, n, wy, dy), (b, m, wx, dx) in product(self.pixels(y, size[2]), self.pixels(x, size[3])):
                if wx * wy:
                    slopes = np.array([dx * wy * size[3] / 2, wx * dy * size[2] / 2])
                    taps.append((at, n, m, (a, b), wx * wy, slopes))
        ones = np.ones((len(values), 1, *values.shape[2:]))
        return taps, self.total(taps, values.astype(float), size), self.total(taps, ones, size)

    def pixels(self, z, size):
        """Return the corners of a coordinate's cell on an axis: which, its pixel, its weight and that one's slope."""
        corners = ((a, math.floor(z) + a) for a in (0, 1))
        return [(a, n, 1 - abs(z - n), self.slope(z - n)) for a, n in corners if 0 <= n < size]

    def slope(self, d):
        return -1.0 if d >= 0 else 1.0

    def total(self, taps, values, size):
        total = np.zeros((values.shape[0], values.shape[1], *size[2:]))
        for (b, i, j), n, m, _, w, _ in taps:
            total[b, :, n, m] += w * values[b, :, i, j]
        return total

    def divided(self, total, weight):
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), 0.0)


class SumsMultiplied(Decoder):
    def total(self, taps, values, size):
        total = 0.0
        for corner in np.ndindex(2, 2):
            here = [tap for tap in taps if tap[3] == corner]
            weights = super().total(here, np.ones_like(values), size)
            total = total + weights * super().total([(*tap[:4], 1.0, tap[5]) for tap in here], values, size)
        return total


class CornersClamped(Decoder):
    def pixels(self, z, size):
        low, high = (min(max(math.floor(z) + a, 0), size - 1) for a in (0, 1))
        return [(0, low, high - z, -1.0), (1, high, z - low, 1.0)]


class SumNotAverage(Decoder):
    def divided(self, total, weight):
        return total


class WeightFloor(Decoder):
    def divided(self, total, weight):
        return total / (weight + 1e-7)


class SplatSign(Decoder):
    def slope(self, d):
        return -super().slope(d)


class Fit:
    """A sound linearized sampler, forward: the value of the plane at the point."""

    def linearized_sample(self, input, grid, auxiliary, *, mask, tikhonov, intercept, input_gradient, **options):
        sample = Sampler().grid_sample
        n, rows, columns, count, _ = auxiliary.shape
        places = auxiliary.reshape(n, rows, columns * count, 2)
        centre = sample(input, grid, mode="bilinear", **options).astype(float)
        others = sample(input, places, mode="bilinear", **options).astype(float)
        others = others.reshape(*others.shape[:3], columns, count)
        output = centre.copy()
        for b, i, j in np.ndindex(grid.shape[:3]):
            offsets = (auxiliary[b, i, j] - grid[b, i, j]).astype(float)
            used = self.mask(mask, auxiliary[b, i, j], offsets)
            x = np.concatenate([offsets, np.ones((count, 1))], axis=1)[used]
            y = (others[b, :, i, j] - centre[b, :, i, j, None]).T[used]
            plane = self.solved(np.linalg.solve(x.T @ x + tikhonov * np.eye(3), x.T @ y))
            output[b, :, i, j] += intercept * plane[2]
        return output.astype(input.dtype)

    def mask(self, mask, places, offsets):
        return ~(abs(places) > 1).any(axis=-1) if mask == "position" else np.ones(len(places), bool)

    def solved(self, plane):
        return plane


class MaskByOffset(Fit):
    def mask(self, mask, places, offsets):
        return super().mask(mask, offsets, offsets)


class NaNToZero(Fit):
    def solved(self, plane):
        return np.nan_to_num(plane)


class Penalties:
    """Sound penalties: squares summed over the pixels that have all neighbours."""

    def bending_energy(self, field, *, form, norm, boundary, reduction):
        w = field.astype(float)
        xx = w[..., 1:-1, 2:] - 2 * w[..., 1:-1, 1:-1] + w[..., 1:-1, :-2]
        yy = w[..., 2:, 1:-1] - 2 * w[..., 1:-1, 1:-1] + w[..., :-2, 1:-1]
        xy = (w[..., 2:, 2:] - w[..., 2:, :-2] - w[..., :-2, 2:] + w[..., :-2, :-2]) / 4
        return np.asarray((xx**2 + yy**2 + self.twice_squared(xy)).sum(), field.dtype)

    def smoothness(self, field, *, norm, boundary, reduction):
        w = field.astype(float)
        x, y = self.difference(w), self.difference(w.swapaxes(2, 3)).swapaxes(2, 3)
        return np.asarray((x[..., : y.shape[2], :] ** 2 + y[..., : x.shape[3]] ** 2).sum(), field.dtype)

    def twice_squared(self, mixed):
        return 2 * mixed**2

    def difference(self, w):
        """Return the differences along x."""
        return w[..., 1:] - w[..., :-1]


class BendingMixed(Penalties):
    def twice_squared(self, mixed):
        return (2 * mixed) ** 2


class Checkerboard(Penalties):
    def difference(self, w):
        return (w[..., 2:] - w[..., :-2]) / 2
