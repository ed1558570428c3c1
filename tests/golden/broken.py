"""Deliberately broken samplers, one for each defect of grid_sample in the museum.

`Sampler` is sound, and as naive as can be: plain loops in float64, with the pixel coordinate rounded. Each defect is
a class named after its flag, and differs in the step where the library that had it went wrong. They are written
from the bugs' descriptions; none is anybody's code.
"""

import math
from typing import NamedTuple

import numpy as np


class Tap(NamedTuple):
    """A pixel that a sample reads along one axis: its index, its weight, and that one's derivative."""

    index: int
    weight: float
    slope: float


def keys(d, a):
    """Return Keys' kernel and its derivative."""
    if abs(d) < 1:
        return ((a + 2) * abs(d) - (a + 3)) * d * d + 1, (3 * (a + 2) * abs(d) - 2 * (a + 3)) * d
    sign = math.copysign(1.0, d)
    return a * (((abs(d) - 5) * abs(d) + 8) * abs(d) - 4), sign * a * ((3 * abs(d) - 10) * abs(d) + 8)


class Sampler:
    """A sound sampler: mode and padding as in `grid_sample`, ties to even."""

    CHOICES = {"ties": ("even",)}
    A = -0.75

    def grid_sample(self, input, grid, **options):
        output = np.zeros((*input.shape[:2], *grid.shape[1:3]))
        kind, input, grid = input.dtype, *self.read(input, grid)
        for b, i, j in np.ndindex(grid.shape[:3]):
            columns, rows, _ = self.window(grid[b, i, j], input.shape, **options)
            if columns is None:
                output[b, :, i, j] = np.nan
                continue
            for m, wx, _ in columns:
                for n, wy, _ in rows:
                    output[b, :, i, j] = self.add(output[b, :, i, j], input[b, :, n, m] * wx * wy)
        return output.astype(kind)

    def grid_sample_vjp(self, gout, input, grid, **options):
        kind, input, grid = input.dtype, *self.read(input, grid)
        ginput, ggrid = np.zeros(input.shape), np.zeros(grid.shape)
        for b, i, j in np.ndindex(grid.shape[:3]):
            columns, rows, slopes = self.window(grid[b, i, j], input.shape, **options)
            if columns is None:
                ggrid[b, i, j] = np.nan
                continue
            for m, wx, dx in columns:
                for n, wy, dy in rows:
                    g = gout[b, :, i, j].astype(float)
                    ginput[b, :, n, m] += g * wx * wy * self.reaches_pixels(slopes)
                    moved = (g * input[b, :, n, m]).sum()
                    ggrid[b, i, j] += moved * np.array([dx * wy, wx * dy]) * slopes
        return ginput.astype(kind), ggrid.astype(kind)

    def window(self, point, shape, *, mode, padding_mode, align_corners, ties=""):
        """Return the taps along x and along y, and d(tap's coordinate)/dg of both; Nones where the sample is NaN."""
        kernel = self.kernel(mode)
        sizes = shape[3], shape[2]
        places, slopes = [], []
        for g, size in zip(point.tolist(), sizes, strict=True):
            if math.isinf(g) and padding_mode == "reflection":
                return None, None, None
            x = self.coordinate(self.turned(g) if padding_mode == "reflection" else g, size, align_corners)
            x, slope = (x, 0.0) if math.isnan(x) else self.place(x, size, kernel, padding_mode, align_corners)
            if math.isnan(x):
                return None, None, None
            places.append(x)
            slopes.append(slope * self.scale(size, align_corners))
        taps = [
            [
                tap._replace(index=index)
                for tap in kernel(x, n, size)
                if (index := self.index(tap.index, size, kernel, padding_mode, align_corners)) is not None
            ]
            for x, n, size in zip(places, self.cells(*places), sizes, strict=True)
        ]
        return *taps, slopes

    # ---- the steps ----

    def read(self, input, grid):
        return input.astype(float), grid.astype(float)

    def turned(self, g):
        """Return a coordinate without whole turns from one mirror to the other and back."""
        return math.fmod(g, 4.0)

    def coordinate(self, g, size, align_corners):
        if math.isinf(g):
            return g
        return (g + 1) * (size - 1) / 2 if align_corners else ((g + 1) * size - 1) / 2

    def scale(self, size, align_corners):
        return (size - 1 if align_corners else size) / 2

    def place(self, x, size, kernel, padding, align_corners):
        """Return the padded coordinate, and its derivative."""
        sign = 1.0
        if padding == "reflection":
            x, sign = self.mirror(x, size, align_corners)
        if padding == "zeros" or kernel == self.bicubic:
            return min(max(x, -3.0), size + 2.0), sign  # no window reaches farther
        return min(max(x, 0.0), size - 1.0), 0.0 if self.is_beyond(x, size) else sign

    def is_beyond(self, x, size):
        return x <= 0 or x >= size - 1

    def mirror(self, x, size, align_corners):
        low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        if low == high:
            return low, 1.0
        x -= 2 * (high - low) * self.folds((x - low) / (2 * (high - low)))
        return (2 * high - x, -1.0) if x > high else (x, 1.0)

    def folds(self, periods):
        return math.floor(periods)

    def cells(self, x, y):
        return math.floor(x), math.floor(y)

    def index(self, n, size, kernel, padding, align_corners):
        """Return the pixel that stands at index n; None for none."""
        if kernel == self.bicubic and padding == "border":
            n = min(max(n, 0), size - 1)
        elif kernel == self.bicubic and padding == "reflection":
            n = int(self.mirror(float(n), size, align_corners)[0])
        return n if 0 <= n < size else None

    def kernel(self, mode):
        return {"bilinear": self.bilinear, "nearest": self.nearest, "bicubic": self.bicubic}[self.known(mode)]

    def known(self, mode):
        if mode not in ("bilinear", "nearest", "bicubic"):
            raise ValueError(f"mode: {mode}")
        return mode

    def bilinear(self, x, n, size):
        return [Tap(n, n + 1 - x, -1.0), Tap(self.upper(x, n), x - n, 1.0)] if -1 < x < size else []

    def upper(self, x, n):
        return n + 1

    def nearest(self, x, n, size):
        return [Tap(round(x), 1.0, 0.0)] if -1 < x < size else []

    def bicubic(self, x, n, size):
        return [Tap(m, *keys(x - m, self.A)) for m in range(n - 1, n + 3)]

    def add(self, total, term):
        return total + term

    def reaches_pixels(self, slopes):
        return True


# ---- coordinates ----


class IntegerCast(Sampler):
    def coordinate(self, g, size, align_corners):
        x = super().coordinate(g, size, align_corners)
        return x if abs(x) < 2**31 else -(2.0**31)  # what a cast to 32 bits makes of all that it cannot hold


class HugeGivesNaN(Sampler):
    def read(self, input, grid):
        self.dtype = grid.dtype.type
        return super().read(input, grid)

    def coordinate(self, g, size, align_corners):
        with np.errstate(over="ignore"):
            x = float((self.dtype(g) + 1) * self.dtype(size))
        return math.nan if math.isinf(x) and math.isfinite(g) else super().coordinate(g, size, align_corners)


class NaNIsAPixel(Sampler):
    def coordinate(self, g, size, align_corners):
        return super().coordinate(-1.0 if math.isnan(g) else g, size, align_corners)


class HalfPixelMissing(Sampler):
    def coordinate(self, g, size, align_corners):
        return (g + 1) * size / 2


class AlignCornersMixed(Sampler):
    def coordinate(self, g, size, align_corners):
        return super().coordinate(g, size, not align_corners)


class SwappedAxes(Sampler):
    def read(self, input, grid):
        return super().read(input, grid[..., ::-1])


class CopiedAxis(Sampler):
    def cells(self, x, y):
        return super().cells(x, x)


class OnePixelCorners(Sampler):
    def coordinate(self, g, size, align_corners):
        return super().coordinate(g if abs(g) <= 1 else math.inf, size, align_corners)


class Float32Coordinates(Sampler):
    def read(self, input, grid):
        return super().read(input, grid.astype(np.float32))


class HalfCoordinates(Sampler):
    def coordinate(self, g, size, align_corners):
        return float(super().coordinate(np.float16(g), np.float16(size), align_corners))


class WritesIntoGrid(Sampler):
    def read(self, input, grid):
        points = grid.copy()
        grid += 1
        return super().read(input, points)


# ---- samples ----


class LastPixelDropped(Sampler):
    def bilinear(self, x, n, size):
        low, high = (min(max(m, 0), size - 1) for m in (n, n + 1))
        return [Tap(low, high - x, -1.0), Tap(high, x - low, 1.0)]


class TruncatedCell(Sampler):
    def cells(self, x, y):
        return math.trunc(x), math.trunc(y)


class IdentityNotExact(HalfPixelMissing, LastPixelDropped):
    """Both at once, as in the ports of the spatial transformer that fail the identity."""


class BorderSmears(Sampler):
    def place(self, x, size, kernel, padding, align_corners):
        return super().place(x, size, kernel, "border", align_corners)


class NoFadeOut(Sampler):
    def bilinear(self, x, n, size):
        return super().bilinear(x, n, size) if 0 <= x <= size - 1 else []


class QuantisedWeights(Sampler):
    def coordinate(self, g, size, align_corners):
        return round(super().coordinate(g, size, align_corners) * 32) / 32


class HalfAccumulation(Sampler):
    def add(self, total, term):
        return np.float16(total) + np.float16(term)


class ChannelsLast(Sampler):
    def read(self, input, grid):
        n, c, h, w = input.shape
        return super().read(input.reshape(n, h, w, c).transpose(0, 3, 1, 2), grid)


class ModesSwapped(Sampler):
    def known(self, mode):
        return {"bilinear": "nearest", "nearest": "bilinear"}.get(mode, mode)


class UnknownModeIsNearest(Sampler):
    def known(self, mode):
        return mode if mode in ("bilinear", "bicubic") else "nearest"


class NearestInverted(Sampler):
    def nearest(self, x, n, size):
        return super().nearest(n + 1.0 if x - n < 0.5 else float(n), n, size)


class BoundsBeforeRounding(Sampler):
    def nearest(self, x, n, size):
        return super().nearest(x, n, size) if 0 <= x <= size - 1 else []


class TiesAway(Sampler):
    def grid_sample_vjp(self, gout, input, grid, **options):
        return _AwayFromZero().grid_sample_vjp(gout, input, grid, **options)


class _AwayFromZero(Sampler):
    def nearest(self, x, n, size):
        return super().nearest(math.copysign(math.floor(abs(x) + 0.5), x), n, size)


class BicubicKernel(Sampler):
    A = -0.5


class BicubicBorderPoint(Sampler):
    def place(self, x, size, kernel, padding, align_corners):
        return super().place(x, size, self.bilinear, padding, align_corners)


class ReflectedAfterWeights(Sampler):
    def place(self, x, size, kernel, padding, align_corners):
        x, slope = super().place(x, size, kernel, padding, align_corners)
        return x if slope > 0 else 2 * math.floor(x) + 1 - x, slope  # the cell from after, the fraction from before


class MirrorAxis(Sampler):
    def mirror(self, x, size, align_corners):
        return super().mirror(x, size, False)


class FoldCount(Sampler):
    def turned(self, g):
        return g

    def folds(self, periods):
        return (super().folds(periods) + 2**31) % 2**32 - 2**31


class OnePixelReflection(Sampler):
    def mirror(self, x, size, align_corners):
        return super().mirror(x, size, align_corners) if size > 1 else (math.nan, 1.0)


# ---- gradients ----


class FloorMeetsCeil(Sampler):
    def upper(self, x, n):
        return math.ceil(x)


class BorderGradient(Sampler):
    def is_beyond(self, x, size):
        return x < 0 or x > size - 1


class ReflectionGradient(BorderGradient):
    def mirror(self, x, size, align_corners):
        x, sign = super().mirror(x, size, align_corners)
        return x, -1.0 if x == size - 1 else sign


class BorderScatterDropped(Sampler):
    def reaches_pixels(self, slopes):
        return 0.0 not in slopes


class GradientUnits(Sampler):
    def scale(self, size, align_corners):
        return 1.0
