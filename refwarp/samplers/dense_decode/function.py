"""dense_decode, and the decoder as Functions: each one's backward is the next.

The equations are in `kernels`, second derivatives in `second`, the code released by the authors in `released`. On the
CPU numbers `within_exponents` are decoded in vectors (`cpu`); all others, and on CUDA everything, by `kernels`. A
pixel, or a source, is summed by one thread in one order.

Holes are filled with zeros, with the previous map at the same position, or with the mean of the previous map over those
of the eight pixels around it that are inside the map; 0 if there are none (a map of one pixel). DTN only says "an
interpolation strategy over its neighboring pixels on previous feature maps"                              (decoder.8)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import astype, where
from refwarp.arguments import apply_as_given, check_array, check_option, check_same_dtype, check_size, public
from refwarp.conventions import HUGE, KINKS, RIGHT, Rules, Size
from refwarp.samplers.dense_decode import cpu, kernels
from refwarp.samplers.dense_decode.kernels import HOLE, SMALL, DecoderGradients, DecoderInputs, find_reach
from refwarp.samplers.dense_decode.released import released_decode
from refwarp.samplers.dense_decode.second import decode_second_gradient
from refwarp.samplers.dense_decode.within_exponents import within_exponents
from refwarp.samplers.pieces import second_gradient

FILLS = ("zeros", "previous", "neighbours")
VARIANTS = ("paper", "released", "first_release")


@public
def dense_decode(
    values: Any,
    grid: Any,
    size: tuple[int, int, int, int],
    align_corners: bool = False,
    fill: str = "zeros",
    previous: Any = None,
    kink: str = "right",
    variant: str = "paper",
) -> Any:
    """Distribute values at the points of a grid over a map, normalised: the reverse of `grid_sample`.

    Parameters
    ----------
    values : ndarray or Tensor, shape (N, C, H', W')
        The values of the sources; float16, float32 or float64.
    grid : ndarray or Tensor, shape (N, H', W', 2)
        For each source its point (x, y) in the decoded map, in [-1, 1] from one end to the other; of the dtype of
        `values`.
    size : tuple of four int
        (N, C, H, W) of the decoded map.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    fill : {"zeros", "previous", "neighbours"}
        The value of a hole, a pixel that no source reaches: 0, the previous map's pixel at the same position, or the
        mean of that pixel's neighbours (those of the eight around it that are inside the map).
    previous : ndarray or Tensor, shape (N, C, H, W)
        The previous map, of the dtype of `values`; required if, and only if, `fill` is not "zeros".
    kink : {"right", "left", "central", "literal"}
        The gradient with respect to the grid where a source is exactly on the lattice. Two cases of DTN's Eq. (10)
        include the lattice; "literal" takes the first. Holes are excluded, whatever the rule: where a source starts to
        reach one, the map jumps.
    variant : {"paper", "released", "first_release"}
        "released" computes what the authors' code has computed since June 2017, which is not DTN's Eq. (7), with its
        gradients; "first_release" what it computed in May 2017, with other weights beyond the centres of the outermost
        pixels. Their pixels are at (g + 1) W/2, so `align_corners` must be False, and they define their slopes at
        kinks, so `kink` must be "right", the default. They add `previous` where the sum of weights is at most 1e-5
        (`fill` "previous"), or nothing ("zeros").

    Returns
    -------
    ndarray or Tensor, shape (N, C, H, W)
        The decoded map, of the dtype of `values`; a Tensor if one of the arguments is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    DTN Eqs. (6) to (10). Values are within (c + log2 k) u M + k eta of the exact value for the given floats (k: number
    of non-zero terms; u: unit roundoff; eta: smallest subnormal) with c = 4, M = sum |V| w / S + |U|; the gradient with
    respect to the grid with c = 12, M = sum |gU| / S |w_x| (|V| + sum |V| w / S). See docs/dense_decode.md, and
    `refwarp.conventions`. Can be differentiated twice. No bound is given for the released variants.

    Examples
    --------
    >>> values, grid = np.array([[[[3.0, 7.0]]]]), np.array([[[[-0.25, -0.25], [0.0, 0.0]]]])
    >>> dense_decode(values, grid, (1, 1, 2, 2))[0, 0, 0, 0] == 55 / 13
    np.True_
    >>> dense_decode(values, grid - 0.5, (1, 1, 2, 2), variant="released")[0, 0, 0, 0]
    np.float64(10.0)
    """
    check_array("values", values, "(N, C, H', W')", (None, None, None, None))
    check_array("grid", grid, "(N, H', W', 2)", (None, None, None, 2))
    check_same_dtype("grid", grid, "values", values)
    check_option("variant", variant, VARIANTS)
    released = variant != "paper"
    batch, channels, height, width = check_size(size)
    check_option("align_corners", align_corners, (False,) if released else (False, True))
    check_option("fill", fill, ("zeros", "previous") if released else FILLS)
    check_option("kink", kink, ("right",) if released else KINKS)
    if tuple(values.shape[:2]) != (batch, channels):
        raise ValueError(f"size: given {tuple(size)} while values is {tuple(values.shape)}, expected the same N and C")
    if tuple(grid.shape[:3]) != (batch, *values.shape[2:]):
        expected = (batch, *values.shape[2:], 2)
        raise ValueError(f"grid: given shape {tuple(grid.shape)}, expected {expected}, one point for each of values")
    if released and 0 in (height, width):
        raise ValueError(f"size: given {tuple(size)}, expected H and W of at least 1 with variant={variant!r}")
    if fill == "zeros" and previous is not None:
        raise ValueError("previous: given with fill='zeros', which does not use it, expected None")
    if fill != "zeros":
        check_array("previous", previous, f"(N, C, H, W) = {tuple(size)}", (batch, channels, height, width))
        check_same_dtype("previous", previous, "values", values)

    def decode(values: Tensor, grid: Tensor, previous: Tensor | None = None) -> Tensor:
        if released:
            behind = None if previous is None else astype(previous, np.float64)
            given = astype(values, np.float64), astype(grid, np.float64), behind
            return astype(released_decode(*given, height, width, variant == "first_release"), values.dtype)
        rules = Rules(align_corners, kink=KINKS.index(kink))
        decoded, covered = Decode.call(values, grid, size=Size(height, width), rules=rules)
        return fill_holes(decoded, covered, fill, previous)

    return apply_as_given(decode, values, grid, *(() if previous is None else (previous,)))


# ---- the Functions ----


def _lift(values: Any) -> int:
    """Return the power of two to scale float64 values by: tiny ones to near 1, huge ones to leave room for differences.

    There may be tiny values besides huge ones, which must not be lost: so the scaling is small then.
    """
    if values.size == 0 or values.dtype != np.float64:
        return 0
    xp = array_module(values)
    largest = float(xp.max(xp.where(xp.isfinite(values), xp.abs(values), 0.0)))
    if largest == 0.0 or SMALL <= largest <= HUGE:
        return 0
    return -2 if largest > HUGE else min(-math.frexp(largest)[1], 1000)


def _rounded(array: Any, dtype: Any) -> Any:
    with np.errstate(over="ignore"):  # a gradient may exceed the range of float32: infinite
        return array.astype(dtype)


class Decode(Function):
    """(values (N, C, H', W'), grid (N, H', W', 2)) -> map (N, C, H, W), 0 in holes; and where it has none."""

    @staticmethod
    def forward(ctx: Context, values: Any, grid: Any, *, size: Size, rules: Rules) -> Any:
        """Compute (DTN 6), (DTN 7)."""
        if values.size and within_exponents(values) and within_exponents(grid, bounded=False):
            out, sums = cpu.decode(values, grid, size, rules)
            ctx.save(out, sums)
            return out, (sums != 0.0)[:, None]
        lift = _lift(values)
        decoded = kernels.decode(values, find_reach(grid, size, rules), size, lift)
        return _rounded(decoded.map / 2.0**lift, values.dtype), (decoded.powers != HOLE)[:, None]

    @staticmethod
    def backward(ctx: Context, gout: Tensor, gcovered: Tensor) -> tuple[Tensor, ...]:
        """Compute (decoder.3), (decoder.4)."""
        return DecodeGradient.call(gout, *ctx.inputs, decoded=ctx.saved, rules=ctx.parameters["rules"])


class DecodeGradient(Function):
    """(gout, values, grid) -> (gvalues, ggrid); `decoded` is the map, with S, if vectors computed it."""

    @staticmethod
    def forward(ctx: Context, gout: Any, values: Any, grid: Any, *, decoded: tuple[Any, ...], rules: Rules) -> Any:
        """Compute (decoder.3), (decoder.4)."""
        given = DecoderInputs(gout, values, grid)
        if decoded and rules.kink == RIGHT and within_exponents(gout):
            out, sums = decoded
            return cpu.decode_gradient(given, out, sums, rules)
        found = kernels.decode_gradient(given, rules, _lift(values))
        return tuple(_rounded(array, values.dtype) for array in found)

    @staticmethod
    def backward(ctx: Context, cotangent_values: Tensor, cotangent_grid: Tensor) -> tuple[Tensor, ...]:
        """Compute (decoder.5), (decoder.6), (decoder.7)."""
        cotangents = cotangent_values, cotangent_grid
        return DecodeSecondGradient.call(*cotangents, *ctx.inputs, rules=ctx.parameters["rules"])


class DecodeSecondGradient(Function):
    """(cotangents of gvalues and ggrid, gout, values, grid) -> (ggout, gvalues, ggrid). It has no derivative here."""

    @staticmethod
    def forward(
        ctx: Context, cotangent_values: Any, cotangent_grid: Any, gout: Any, values: Any, grid: Any, *, rules: Rules
    ) -> Any:
        """Compute (decoder.5), (decoder.6), (decoder.7)."""
        found = second_gradient(
            lambda a, b, g, v: decode_second_gradient(DecoderGradients(a, b), DecoderInputs(g, v, grid), rules),
            (cotangent_values, cotangent_grid, gout, values),
            grid,
            weights=2,
        )
        return tuple(_rounded(array, values.dtype) for array in found)


# ---- holes ----


class NeighbourMean(Function):
    """Map (N, C, H, W) -> at each pixel the mean of its neighbours; or its transpose."""

    @staticmethod
    def forward(ctx: Context, map: Any, *, transposed: bool) -> Any:
        """Compute (decoder.8)."""
        xp = array_module(map)
        counts = xp.maximum(_balanced_sum(_neighbours(xp.ones((1, 1, *map.shape[2:])))), 1.0)
        if transposed:
            return _balanced_sum(_neighbours(map / counts)).astype(map.dtype)
        means = _balanced_sum([neighbour / counts for neighbour in _neighbours(map)])  # (decoder.8)
        return means.astype(map.dtype)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Compute the transpose; its own is the mean again."""
        return NeighbourMean.apply(gout, transposed=not ctx.parameters["transposed"])


def _neighbours(map: Any) -> list[Any]:
    """Return eight maps: one neighbour of each pixel, 0 where that is outside."""
    height, width = map.shape[2:]
    padded = array_module(map).pad(map, ((0, 0), (0, 0), (1, 1), (1, 1)))
    steps = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return [padded[:, :, i : i + height, j : j + width] for i, j in steps]


def _balanced_sum(terms: list[Any]) -> Any:
    """Return the sum of eight terms in three levels of additions: three roundings."""
    a, b, c, d, e, f, g, h = terms
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


def fill_holes(decoded: Tensor, covered: Tensor, fill: str, previous: Tensor | None) -> Tensor:
    """Return the decoded map with `fill` where it is not covered (decoder.8)."""
    if previous is None:
        return decoded
    filling = previous if fill == "previous" else NeighbourMean.apply(previous, transposed=False)
    return where(covered.detach(), decoded, filling)  # (decoder.8)
