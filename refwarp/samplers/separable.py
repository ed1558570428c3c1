"""Sampling with any separable kernel: STN Eq. (3).

    V_c(i) = sum over n, m of U_c(n, m) k(x_i - m) k(y_i - n)                                (STN 3)

Of the sum only pixels within the kernel's support r differ from zero: with x_i = m + f they are m - ceil(r) + 1 to
m + ceil(r). Their distances f + 0, f + 1, ... and -(h + 0), -(h + 1), ... come from `conventions.cell`; one that
rounding would lift to the integer above stays below it, so that a kernel's pieces, half-open in d, are told apart
exactly.

Let S^pq be the sampling with the p-th derivative of k in x and the q-th in y, and T^pq its transpose,

    S^pq U (i) = sum over n, m of U(n, m) k^(p)(x_i - m) k^(q)(y_i - n)                       (separable.1)
    T^pq g (n, m) = the sum over i of g(i) times the same weights                            (separable.2)

Then V = S^00 U, and each gradient is again of this kind, so that derivatives of every order that k has come out:

    of S^pq U:   gU = T^pq gV,   gg_x = s_x/2 sum over c of gV S^(p+1,q) U,   gg_y alike     (separable.3)
    of T^pq g:   gg = S^pq A,    gg_x = s_x/2 sum over c of g S^(p+1,q) A,    gg_y alike     (separable.4)

Padding acts on each pixel of the window, as in bicubic sampling. Everything is computed in float64 and rounded once.
The kernels are in `kernel_functions.py`. docs/separable.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import astype, multiply, stack, sum
from refwarp.arguments import public
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.conventions import (
    PADDINGS,
    REFLECTION,
    ZEROS,
    Rules,
    apply_as_given,
    cell,
    check_maps_and_grid,
    check_option,
    coordinate_scale,
    remainder_of_four,
)
from refwarp.samplers.bicubic.kernels import padded_index
from refwarp.samplers.gathering import gather_taps, total
from refwarp.samplers.kernel_functions import INTEGER, Kernel
from refwarp.samplers.nearest.function import Nearest
from refwarp.samplers.nearest.kernels import UP

# Samples are worked on in blocks of at most so many, so that their tables stay small; on CUDA also of so many pixels
# that samples read, of each of which `gathering` keeps some 24 bytes.
_BLOCK, _TAPS = 1 << 15, 1 << 22


@kernel
def _tabulate(
    start: int,
    stop: int,
    points: Any,
    below: Any,
    size: int,
    align_corners: bool,
    padding: int,
    index: Any,
    distance: Any,
) -> None:
    """Fill for the coordinates start to stop the padded pixels of their windows (-1: none), and the distances x - m.

    `below` has for each pixel of a window the largest number that its distance can be.
    """
    taps = index.shape[1]
    scale = coordinate_scale(size, align_corners)
    for p in items(start, stop):
        g = float(points[p])
        for k in range(taps):
            index[p, k], distance[p, k] = -1, 0.0
        if math.isnan(g) or (padding == REFLECTION and math.isinf(g)):
            continue
        if padding == REFLECTION:
            g = remainder_of_four(g)  # the mirrored map has the period 4
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
def _gather(start: int, stop: int, planes: Any, xs: Any, wx: Any, ys: Any, wy: Any, out: Any) -> None:
    """Compute (separable.1) for the samples start to stop of all planes."""
    for p in items(start, stop):
        for c in range(planes.shape[0]):
            total, lost = 0.0, 0.0
            for q in range(ys.shape[1]):
                if ys[p, q] >= 0:
                    for r in range(xs.shape[1]):
                        if xs[p, r] >= 0:
                            total, remainder = two_sum(total, planes[c, ys[p, q], xs[p, r]] * wx[p, r] * wy[p, q])
                            lost += remainder
            out[c, p] = compensated(total, lost)


@kernel
def _scatter(
    start: int, stop: int, gout: Any, xs: Any, wx: Any, ys: Any, wy: Any, defined: Any, width: int, sums: Any, lost: Any
) -> None:
    """Add (separable.2) of a block of samples to the sums start to stop, and to `lost` what roundings left out.

    For the CPU; on CUDA pixels gather what samples would scatter.
    """
    for c in range(start, stop):
        for p in range(gout.shape[1]):
            if not defined[p]:
                continue
            for q in range(ys.shape[1]):
                if ys[p, q] >= 0:
                    for r in range(xs.shape[1]):
                        if xs[p, r] >= 0:
                            pixel = ys[p, q] * width + xs[p, r]
                            term = gout[c, p] * wx[p, r] * wy[p, q]
                            sums[0, c, pixel], remainder = two_sum(sums[0, c, pixel], term)
                            lost[0, c, pixel] += remainder


@kernel
def _join(
    start: int,
    stop: int,
    xs: Any,
    wx: Any,
    ys: Any,
    wy: Any,
    defined: Any,
    height: int,
    width: int,
    pixels: Any,
    weights: Any,
) -> None:
    """Write for the samples start to stop of a block what they read and with what weights, as `gathering` has it."""
    columns = xs.shape[1]
    for p in items(start, stop):
        for q in range(ys.shape[1]):
            for r in range(columns):
                reads = defined[p] and ys[p, q] >= 0 and xs[p, r] >= 0
                pixels[0, p, q * columns + r] = ys[p, q] * width + xs[p, r] if reads else height * width
                weights[0, p, q * columns + r] = wx[p, r] * wy[p, q]


class _Block:
    """A block of the samples of one image: which pixels each reads in x and in y, and with what weights."""

    def __init__(
        self, points: Any, size: tuple[int, int], k: Kernel, orders: tuple[int, int], align_corners: bool, padding: int
    ) -> None:
        xp, (height, width) = array_module(points), size
        undefined = ~xp.isfinite(points) if padding == REFLECTION else xp.isnan(points)
        self.defined = ~undefined.any(axis=1)
        self.xs, self.wx = self._axis(points[:, 0], width, k, orders[0], align_corners, padding)
        self.ys, self.wy = self._axis(points[:, 1], height, k, orders[1], align_corners, padding)

    @staticmethod
    def _axis(points: Any, size: int, k: Kernel, order: int, align_corners: bool, padding: int) -> tuple[Any, Any]:
        xp, taps = array_module(points), 2 * math.ceil(k.support)
        index, distance = xp.empty((len(points), taps), np.int64), xp.empty((len(points), taps))
        below = xp.asarray(np.nextafter(taps // 2 - np.arange(float(taps)), -np.inf))
        options = argument(below), size, align_corners, padding
        run(_tabulate, len(points), index.size, argument(points), *options, index, distance)
        weights = xp.asarray(k.derivative(order)(distance), float)
        if weights.shape != distance.shape:
            raise ValueError(f"kernel: {k.name} returned shape {weights.shape} for {distance.shape}, expected the same")
        return argument(index), argument(weights)


def _blocks(grid: Any, image: int, size: tuple[int, int], k: Kernel, *options: Any) -> Any:
    """Yield slices of the samples of one image, and their blocks."""
    points = grid[image].reshape(-1, 2)
    length = min(_BLOCK, max(1, _TAPS // (2 * math.ceil(k.support)) ** 2)) if runs_on_cuda(grid) else _BLOCK
    for start in range(0, len(points), length):
        part = slice(start, start + length)
        yield part, _Block(points[part], size, k, *options)


def _transpose(gout: Any, block: _Block, size: tuple[int, int], sums: Any, lost: Any) -> None:
    """Add (separable.2) of a block of samples to the planes of an image, (1, C, H W)."""
    tables = block.xs, block.wx, block.ys, block.wy, argument(block.defined)
    if not runs_on_cuda(gout):
        run(_scatter, len(gout), gout.size, gout, *tables, size[1], sums, lost)
        return
    xp = array_module(gout)
    shape = 1, gout.shape[1], block.xs.shape[1] * block.ys.shape[1]
    pixels, weights = xp.empty(shape, np.int64), xp.empty(shape)
    run(_join, shape[1], pixels.size, *tables, *size, pixels, weights)
    gather_taps(gout[None], pixels, weights, sums, lost)


class Separable(Function):
    """(map (N, C, H, W), grid (N, H_out, W_out, 2)) -> S^pq map (N, C, H_out, W_out), all float64; S^00 is (STN 3)."""

    @staticmethod
    def forward(
        ctx: Context, map: Any, grid: Any, *, k: Kernel, orders: tuple[int, int], align_corners: bool, padding: int
    ) -> Any:
        """Compute (separable.1)."""
        batch, channels, height, width = map.shape
        xp = array_module(map)
        out = xp.empty((batch, channels, grid.shape[1] * grid.shape[2]))
        for image in range(batch):
            planes = argument(map[image])
            for part, block in _blocks(grid, image, (height, width), k, orders, align_corners, padding):
                result = xp.empty((channels, len(block.defined)))
                run(_gather, result.shape[1], result.size, planes, block.xs, block.wx, block.ys, block.wy, result)
                result[:, ~block.defined] = np.nan
                out[image, :, part] = result
        return out.reshape(batch, channels, *grid.shape[1:3])

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (separable.3)."""
        map, grid = ctx.inputs
        size = map.shape[2:]
        gmap = SeparableTransposed.apply(gout, grid, size=size, **ctx.parameters) if ctx.needs[0] else None
        return gmap, _grid_gradient(ctx, gout, map) if ctx.needs[1] else None


class SeparableTransposed(Function):
    """(gout (N, C, H_out, W_out), grid) -> T^pq gout (N, C, H, W), all float64."""

    @staticmethod
    def forward(
        ctx: Context,
        gout: Any,
        grid: Any,
        *,
        size: tuple[int, int],
        k: Kernel,
        orders: tuple[int, int],
        align_corners: bool,
        padding: int,
    ) -> Any:
        """Compute (separable.2)."""
        xp, (batch, channels) = array_module(gout), gout.shape[:2]
        gmap = xp.empty((batch, channels, *size))
        for image in range(batch):
            sums, lost = (xp.zeros((1, channels, math.prod(size))) for _ in range(2))
            samples = gout[image].reshape(channels, grid.shape[1] * grid.shape[2])
            for part, block in _blocks(grid, image, size, k, orders, align_corners, padding):
                _transpose(argument(samples[:, part]), block, size, sums, lost)
            gmap[image] = total(sums, lost).reshape(channels, *size)
        return gmap

    @staticmethod
    def backward(ctx: Context, cotangent_map: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (separable.4)."""
        gout, grid = ctx.inputs
        options = {name: value for name, value in ctx.parameters.items() if name != "size"}
        ggout = Separable.apply(cotangent_map, grid, **options) if ctx.needs[0] else None
        return ggout, _grid_gradient(ctx, gout, cotangent_map) if ctx.needs[1] else None


def _grid_gradient(ctx: Context, cotangent: Tensor, map: Tensor) -> Tensor:
    """Return the sums over channels in (separable.3) and (separable.4)."""
    p, q = ctx.parameters["orders"]
    options = {name: value for name, value in ctx.parameters.items() if name not in ("size", "orders")}
    axes = []
    for orders, size in (((p + 1, q), map.shape[3]), ((p, q + 1), map.shape[2])):
        slopes = Separable.apply(map, ctx.inputs[1], orders=orders, **options)
        total = sum(multiply(cotangent, slopes), axis=1)
        axes.append(multiply(total, 0.5 * coordinate_scale(size, options["align_corners"])))
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
    kernel : Kernel
        The kernel k, its support and its derivatives: of `refwarp.sampling_kernels` TENT, INTEGER, CUBIC_B_SPLINE,
        keys(a), lanczos(lobes) or gaussian(deviation), or a `refwarp.Kernel` of your own.
    padding_mode : {"zeros", "border", "reflection"}
        What stands at the pixels of a window that lie outside the map.
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
        derivative that the kernel does not have is refused when the gradient is asked for.

    Notes
    -----
    STN Eq. (3): nothing is normalised, so a kernel whose weights do not sum to 1 (Lanczos, Gaussian) changes the
    level. Where the kernel has a corner, the derivative is the one it was given. docs/separable.md.

    Examples
    --------
    >>> from refwarp.samplers.kernel_functions import keys
    >>> row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    >>> separable_sample(row, np.zeros((1, 1, 1, 2)), keys(-0.5)).tolist()
    [[[[3.3125]]]]
    """
    check_maps_and_grid(input, grid)
    if not isinstance(kernel, Kernel):
        given = type(kernel).__name__
        raise TypeError(f"kernel: given {given}, expected a refwarp.Kernel such as refwarp.sampling_kernels.TENT")
    check_option("padding_mode", padding_mode, PADDINGS)
    check_option("align_corners", align_corners, (False, True))
    options = {"align_corners": align_corners, "padding": PADDINGS.index(padding_mode)}

    def sample(input: Tensor, grid: Tensor) -> Tensor:
        if kernel is INTEGER:
            return Nearest.apply(input, grid, rules=Rules(align_corners, options["padding"]), ties=UP)
        double = [astype(tensor, np.float64) for tensor in (input, grid)]
        return astype(Separable.apply(*double, k=kernel, orders=(0, 0), **options), input.dtype)

    return apply_as_given(sample, input, grid)
