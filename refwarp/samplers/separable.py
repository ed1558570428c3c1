"""Sampling with any separable kernel: STN Eq. (3).

    V_c(i) = sum over n, m of U_c(n, m) k(x_i - m) k(y_i - n)                                (STN 3)

Only pixels within the kernel's support r contribute: with x_i = m + f these are m - ceil(r) + 1 to m + ceil(r). Their
distances f + 0, f + 1, ... and -(h + 0), -(h + 1), ... are computed from `conventions.cell`; a distance is never
rounded up to the next integer, so that the pieces of a kernel, half-open in d, are distinguished exactly.

Let S^pq be the sampling with the p-th derivative of k in x and the q-th in y, and T^pq its transpose,

    S^pq U (i) = sum over n, m of U(n, m) k^(p)(x_i - m) k^(q)(y_i - n)                       (separable.1)
    T^pq g (n, m) = the sum over i of g(i) times the same weights                            (separable.2)

Then V = S^00 U, and each gradient has the same form, so derivatives exist to every order that k has:

    of S^pq U:   gU = T^pq gV,   gg_x = s_x/2 sum over c of gV S^(p+1,q) U,   likewise gg_y  (separable.3)
    of T^pq g:   gg = S^pq A,    gg_x = s_x/2 sum over c of g S^(p+1,q) A,    likewise gg_y  (separable.4)

Padding applies to each pixel of the window, as in bicubic sampling. Everything is computed in float64 and rounded once.
The kernels are in `kernel_functions.py`. docs/separable.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import astype, multiply, stack, sum
from refwarp.arguments import apply_as_given, check_maps_and_grid, check_option, public
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.conventions import (
    PADDINGS,
    REFLECTION,
    ZEROS,
    Rules,
    Size,
    cell,
    coordinate_scale,
    padded_index,
    remainder_of_four,
)
from refwarp.samplers.gathering import gather_taps, total
from refwarp.samplers.kernel_functions import INTEGER, KernelFunction
from refwarp.samplers.nearest.function import Nearest
from refwarp.samplers.nearest.kernels import UP

# Samples are processed in blocks of at most this many, to keep their tables small; on CUDA also of at most this many
# pixels that samples read, for each of which `gather_taps` stores about 24 bytes.
_BLOCK, _TAPS = 1 << 15, 1 << 22


class Windows(NamedTuple):
    """Which pixels the samples of a block read in x and in y, and with what weights.

    Attributes
    ----------
    xs, ys : array of int64, shape (samples, taps)
        Columns and rows; -1 where there is none.
    wx, wy : array of float64, shape (samples, taps)
        Their weights.
    defined : array of bool, shape (samples,)
        Whether both coordinates are defined under the padding.
    """

    xs: Any
    wx: Any
    ys: Any
    wy: Any
    defined: Any


class Weighting(NamedTuple):
    """The parameters of S^pq: the kernel function, and p and q."""

    kernel: KernelFunction
    orders: tuple[int, int]


@kernel
def _tabulate(
    start: int, stop: int, points: Any, below: Any, size: int, rules: Rules, index: Any, distance: Any
) -> None:
    """Fill for the coordinates start to stop the padded pixels of their windows (-1: none), and the distances x - m.

    `below` contains for each pixel of a window the largest possible distance.
    """
    taps = index.shape[1]
    align_corners, padding = rules.align_corners, rules.padding
    scale = coordinate_scale(size, align_corners)
    for p in items(start, stop):
        g = float(points[p])
        for k in range(taps):
            index[p, k], distance[p, k] = -1, 0.0
        if math.isnan(g) or (padding == REFLECTION and math.isinf(g)):
            continue
        if padding == REFLECTION:
            g = remainder_of_four(g)  # the mirrored map has period 4
        far = math.isinf(g) or abs(g * scale) > 2.0**50
        if far and padding == ZEROS:
            continue
        n, h, f = (0, 1.0, 0.0) if far else cell(g, size, align_corners)
        for k in range(taps):
            offset = k - taps // 2 + 1
            if far:
                index[p, k] = size - 1 if g > 0.0 else 0
            else:
                index[p, k] = padded_index(n + offset, size, align_corners, padding)
            d = f - offset if offset <= 0 else -(h + (offset - 1))
            distance[p, k] = min(d, below[k])


@kernel
def _gather(start: int, stop: int, planes: Any, windows: Windows, out: Any) -> None:
    """Compute (separable.1) for the samples start to stop of all planes."""
    xs, wx, ys, wy = windows.xs, windows.wx, windows.ys, windows.wy
    for p in items(start, stop):
        for c in range(planes.shape[0]):
            total, lost = 0.0, 0.0
            for q in range(ys.shape[1]):
                if ys[p, q] >= 0:
                    for r in range(xs.shape[1]):
                        if xs[p, r] >= 0:
                            term = planes[c, ys[p, q], xs[p, r]] * wx[p, r] * wy[p, q]  # (STN 3), (separable.1)
                            total, remainder = two_sum(total, term)
                            lost += remainder
            out[c, p] = compensated(total, lost)


@kernel
def _scatter(start: int, stop: int, gout: Any, windows: Windows, width: int, sums: Any, lost: Any) -> None:
    """Add (separable.2) of a block of samples to the sums start to stop, and the rounding errors to `lost`.

    For the CPU; on CUDA pixels gather what samples would scatter.
    """
    xs, wx, ys, wy, defined = windows.xs, windows.wx, windows.ys, windows.wy, windows.defined
    for c in range(start, stop):
        for p in range(gout.shape[1]):
            if not defined[p]:
                continue
            for q in range(ys.shape[1]):
                if ys[p, q] >= 0:
                    for r in range(xs.shape[1]):
                        if xs[p, r] >= 0:
                            pixel = ys[p, q] * width + xs[p, r]
                            term = gout[c, p] * wx[p, r] * wy[p, q]  # (separable.2)
                            sums[0, c, pixel], remainder = two_sum(sums[0, c, pixel], term)
                            lost[0, c, pixel] += remainder


@kernel
def _join(start: int, stop: int, windows: Windows, size: Size, pixels: Any, weights: Any) -> None:
    """Write for the samples start to stop of a block what they read and with what weights, as `gather_taps` has it."""
    xs, wx, ys, wy, defined = windows.xs, windows.wx, windows.ys, windows.wy, windows.defined
    columns, nothing = xs.shape[1], size.height * size.width
    for p in items(start, stop):
        for q in range(ys.shape[1]):
            for r in range(columns):
                reads = defined[p] and ys[p, q] >= 0 and xs[p, r] >= 0
                pixels[0, p, q * columns + r] = ys[p, q] * size.width + xs[p, r] if reads else nothing
                weights[0, p, q * columns + r] = wx[p, r] * wy[p, q]  # (separable.2)


def _axis_windows(points: Any, size: int, k: KernelFunction, order: int, rules: Rules) -> tuple[Any, Any]:
    """Return the pixels that samples read along an axis, and their weights."""
    xp, taps = array_module(points), 2 * math.ceil(k.support)
    index, distance = xp.empty((len(points), taps), np.int64), xp.empty((len(points), taps))
    below = argument(xp.asarray(np.nextafter(taps // 2 - np.arange(float(taps)), -np.inf)))
    run(_tabulate, len(points), index.size, argument(points), below, size, rules, index, distance)
    weights = xp.asarray(k.derivative(order)(distance), float)
    if weights.shape != distance.shape:
        raise ValueError(f"kernel: {k.name} returned shape {weights.shape} for {distance.shape}, expected the same")
    return argument(index), argument(weights)


def _windows(points: Any, size: Size, weighting: Weighting, rules: Rules) -> Windows:
    """Return the windows of a block of the samples of one image."""
    xp, (p, q) = array_module(points), weighting.orders
    undefined = ~xp.isfinite(points) if rules.padding == REFLECTION else xp.isnan(points)
    xs, wx = _axis_windows(points[:, 0], size.width, weighting.kernel, p, rules)
    ys, wy = _axis_windows(points[:, 1], size.height, weighting.kernel, q, rules)
    return Windows(xs, wx, ys, wy, argument(~undefined.any(axis=1)))


def _blocks(grid: Any, image: int, size: Size, weighting: Weighting, rules: Rules) -> Iterator[tuple[slice, Windows]]:
    """Yield slices of the samples of one image, and their windows."""
    points = grid[image].reshape(-1, 2)
    taps = 2 * math.ceil(weighting.kernel.support)
    length = min(_BLOCK, max(1, _TAPS // taps**2)) if runs_on_cuda(grid) else _BLOCK
    for start in range(0, len(points), length):
        part = slice(start, start + length)
        yield part, _windows(points[part], size, weighting, rules)


def _transpose(gout: Any, windows: Windows, size: Size, sums: Any, lost: Any) -> None:
    """Add (separable.2) of a block of samples to the planes of an image, (1, C, H W)."""
    if not runs_on_cuda(gout):
        run(_scatter, len(gout), gout.size, gout, windows, size.width, sums, lost)
        return
    xp = array_module(gout)
    shape = 1, gout.shape[1], windows.xs.shape[1] * windows.ys.shape[1]
    pixels, weights = xp.empty(shape, np.int64), xp.empty(shape)
    run(_join, shape[1], pixels.size, windows, size, pixels, weights)
    gather_taps(gout[None], pixels, weights, sums, lost)


class Separable(Function):
    """(map (N, C, H, W), grid (N, H_out, W_out, 2)) -> S^pq map (N, C, H_out, W_out), all float64; S^00 is (STN 3)."""

    @staticmethod
    def forward(ctx: Context, map: Any, grid: Any, *, weighting: Weighting, rules: Rules) -> Any:
        """Compute (separable.1)."""
        xp, (batch, channels), size = array_module(map), map.shape[:2], Size(*map.shape[2:])
        out = xp.empty((batch, channels, grid.shape[1] * grid.shape[2]))
        for image in range(batch):
            planes = argument(map[image])
            for part, windows in _blocks(grid, image, size, weighting, rules):
                result = xp.empty((channels, len(windows.defined)))
                run(_gather, result.shape[1], result.size, planes, windows, result)
                result[:, ~windows.defined] = np.nan
                out[image, :, part] = result
        return out.reshape(batch, channels, *grid.shape[1:3])

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (separable.3)."""
        map, grid = ctx.inputs
        gmap = None
        if ctx.needs[0]:
            size = Size(*map.shape[2:])
            gmap = SeparableTransposed.apply(gout, grid, size=size, **ctx.parameters)  # (separable.3)
        return gmap, _grid_gradient(ctx, gout, map) if ctx.needs[1] else None


class SeparableTransposed(Function):
    """(gout (N, C, H_out, W_out), grid) -> T^pq gout (N, C, H, W), all float64."""

    @staticmethod
    def forward(ctx: Context, gout: Any, grid: Any, *, size: Size, weighting: Weighting, rules: Rules) -> Any:
        """Compute (separable.2)."""
        xp, (batch, channels) = array_module(gout), gout.shape[:2]
        gmap = xp.empty((batch, channels, *size))
        for image in range(batch):
            sums, lost = (xp.zeros((1, channels, math.prod(size))) for _ in range(2))
            samples = gout[image].reshape(channels, grid.shape[1] * grid.shape[2])
            for part, windows in _blocks(grid, image, size, weighting, rules):
                _transpose(argument(samples[:, part]), windows, size, sums, lost)
            gmap[image] = total(sums, lost).reshape(channels, *size)
        return gmap

    @staticmethod
    def backward(ctx: Context, cotangent_map: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (separable.4)."""
        gout, grid = ctx.inputs
        weighting, rules = ctx.parameters["weighting"], ctx.parameters["rules"]
        ggout = None
        if ctx.needs[0]:
            ggout = Separable.apply(cotangent_map, grid, weighting=weighting, rules=rules)  # (separable.4)
        return ggout, _grid_gradient(ctx, gout, cotangent_map) if ctx.needs[1] else None


def _grid_gradient(ctx: Context, cotangent: Tensor, map: Tensor) -> Tensor:
    """Return the sums over channels in (separable.3) and (separable.4)."""
    weighting, rules = ctx.parameters["weighting"], ctx.parameters["rules"]
    p, q = weighting.orders
    axes = []
    for orders, size in (((p + 1, q), map.shape[3]), ((p, q + 1), map.shape[2])):
        slopes = Separable.apply(map, ctx.inputs[1], weighting=weighting._replace(orders=orders), rules=rules)
        half = 0.5 * coordinate_scale(size, rules.align_corners)
        axes.append(multiply(sum(multiply(cotangent, slopes), axis=1), half))  # (separable.3), (separable.4)
    return stack(axes, axis=3)


@public
def separable_sample(
    input: Any, grid: Any, kernel: Any, padding_mode: str = "zeros", align_corners: bool = False
) -> Any:
    """Sample a map at the points of a grid with any separable kernel.

    Parameters
    ----------
    input : ndarray or Tensor, shape (N, C, H, W)
        The map; float16, float32 or float64.
    grid : ndarray or Tensor, shape (N, H_out, W_out, 2)
        For each output pixel the point (x, y) to sample at, in [-1, 1] from one end of the map to the other.
    kernel : KernelFunction
        The kernel k, its support and its derivatives: of `refwarp.kernel_functions` TENT, INTEGER, CUBIC_B_SPLINE,
        keys(a), lanczos(lobes) or gaussian(deviation), or a `refwarp.KernelFunction` of your own.
    padding_mode : {"zeros", "border", "reflection"}
        The value of the pixels of a window that are outside the map.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, C, H_out, W_out)
        The samples, of the dtype of `input`; a Tensor if one of the arguments is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected. A
        missing derivative of the kernel raises when the gradient is computed.

    Notes
    -----
    STN Eq. (3): nothing is normalised, so a kernel whose weights do not sum to 1 (Lanczos, Gaussian) changes the
    level. Where the kernel has a corner, the derivative is the one it defines. docs/separable.md.

    Examples
    --------
    >>> from refwarp.samplers.kernel_functions import keys
    >>> row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    >>> separable_sample(row, np.zeros((1, 1, 1, 2)), keys(-0.5)).tolist()
    [[[[3.3125]]]]
    """
    check_maps_and_grid(input, grid)
    if not isinstance(kernel, KernelFunction):
        given = type(kernel).__name__
        expected = "a refwarp.KernelFunction such as refwarp.kernel_functions.TENT"
        raise TypeError(f"kernel: given {given}, expected {expected}")
    check_option("padding_mode", padding_mode, PADDINGS)
    check_option("align_corners", align_corners, (False, True))
    rules = Rules(align_corners, PADDINGS.index(padding_mode))

    def sample(input: Tensor, grid: Tensor) -> Tensor:
        if kernel is INTEGER:
            return Nearest.apply(input, grid, rules=rules, ties=UP)
        double = [astype(tensor, np.float64) for tensor in (input, grid)]
        return astype(Separable.apply(*double, weighting=Weighting(kernel, (0, 0)), rules=rules), input.dtype)

    return apply_as_given(sample, input, grid)
