"""The decoder on four channels at once, in vector instructions of the CPU; the equations are in `kernels`.

Sums are stored in a map of vectors, with a border of one pixel: for each pixel the sums of four channels and, for
float64 data, their rounding errors. One channel of ones, before the first, has the sum S.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from refwarp.backend.vectors import LANES, Vectors
from refwarp.samplers.vector_maps import corners, pixel


class Weights(NamedTuple):
    """The weights of a source along each axis: of the cell's first column (or row) h = 1 - f, of its second f."""

    hx: float
    fx: float
    hy: float
    fy: float


def _factors(vectors: Vectors, weights: Any) -> list[tuple[Any, Any]]:
    """Return for each of the four pixels of a cell its weights along x and y, as vectors."""
    hx, fx, hy, fy = (vectors.broadcast(weight) for weight in cgutils.unpack_tuple(vectors.builder, weights))
    return [(hx, hy), (fx, hy), (hx, fy), (fx, fy)]


@intrinsic
def add_source(typing: Any, map: Any, cell: Any, weights: Any, values: Any, channels: Any, i: Any) -> Any:
    """Add the weights of source i, times four channels of its values, to its cell."""
    wide = values.dtype == types.float64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, cell_, weights_, values_, channels_, i_ = arguments
        vectors = Vectors(context, builder)
        channel, first, last = cgutils.unpack_tuple(builder, channels_)
        numbers = vectors.load_each(vectors.column(values, values_, vectors.rows_between(channel, first, last), i_))
        ones = builder.icmp_signed("<", channel, first)
        numbers[0] = builder.select(ones, numbers[0].type(1.0), numbers[0])
        v = vectors.of(numbers)
        for (wx, wy), corner in zip(_factors(vectors, weights_), corners(vectors, map, map_, cell_, wide), strict=True):
            w = builder.fmul(wx, wy)
            vectors.add_product(w, v, corner, wide, exact=True)  # (DTN 6) of ones, of the others S U of (DTN 7)
        return context.get_dummy_value()

    return types.void(map, cell, weights, values, channels, i), emit


@intrinsic
def divide_pixel(typing: Any, map: Any, place: Any, sum: Any, out: Any, channels: Any, p: Any) -> Any:
    """Divide a pixel's four sums by the sum of weights, to element p of four planes of `out`; 0 where that is 0."""
    wide = out.dtype == types.float64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, place_, sum_, out_, channels_, p_ = arguments
        vectors = Vectors(context, builder)
        at, s = pixel(vectors, map, map_, place_, wide), vectors.broadcast(sum_)
        total = vectors.load(at)
        u = builder.fdiv(total, s)  # (DTN 7)
        if wide:  # again for the remainder, so that the quotient is almost always correctly rounded
            rest = builder.fadd(vectors.multiply_add(builder.fneg(u), s, total), vectors.load(at, 1))
            u = builder.fadd(u, builder.fdiv(rest, s))
        planes = vectors.rows_between(*cgutils.unpack_tuple(builder, channels_))
        # The channel of ones is written to the first, which is overwritten later.
        vectors.store_each(vectors.where_positive(sum_, u), vectors.column(out, out_, planes, p_), range(LANES))
        return context.get_dummy_value()

    return types.void(map, place, sum, out, channels, p), emit


@intrinsic
def prepare_pixel(typing: Any, map: Any, place: Any, sum: Any, gout: Any, out: Any, channels: Any, p: Any) -> Any:
    """Write gU/S and U, of element p of four planes, to a pixel; gU/S is 0 where S is 0, or there is no channel."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, place_, sum_, gout_, out_, channels_, p_ = arguments
        vectors = Vectors(context, builder)
        channel, first, last = cgutils.unpack_tuple(builder, channels_)
        planes = vectors.rows_between(channel, first, last)
        numbers = vectors.load_each(vectors.column(gout, gout_, planes, p_))
        for lane in range(LANES):
            inside = builder.icmp_signed("<", builder.add(channel, ir.Constant(channel.type, lane)), last)
            numbers[lane] = builder.select(inside, numbers[lane], numbers[lane].type(0.0))
        g = builder.fdiv(vectors.of(numbers), vectors.broadcast(sum_))
        at = pixel(vectors, map, map_, place_, wide=True)
        vectors.store(vectors.where_positive(sum_, g), at)
        vectors.store(vectors.of(vectors.load_each(vectors.column(out, out_, planes, p_))), at, 1)
        return context.get_dummy_value()

    return types.void(map, place, sum, gout, out, channels, p), emit


@intrinsic
def pull_source(
    typing: Any, map: Any, cell: Any, weights: Any, values: Any, gvalues: Any, channels: Any, i: Any
) -> Any:
    """Compute the gradients of source i from its cell's four pixels, which `prepare_pixel` wrote.

    Writes those of four channels of its values, and returns that of its point, x and y in pixels, summed over the four.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map_, cell_, weights_, values_, gvalues_, channels_, i_ = arguments
        vectors = Vectors(context, builder)
        planes = vectors.rows_between(*cgutils.unpack_tuple(builder, channels_))
        v = vectors.of(vectors.load_each(vectors.column(values, values_, planes, i_)))
        pixels = [(vectors.load(at), vectors.load(at, 1)) for at in corners(vectors, map, map_, cell_, wide=True)]
        factors = _factors(vectors, weights_)
        (hx, hy), (fx, fy) = factors[0], factors[3]
        w = [builder.fmul(builder.fmul(wx, wy), g) for (wx, wy), (g, _) in zip(factors, pixels, strict=True)]
        gv = builder.fadd(builder.fadd(w[0], w[1]), builder.fadd(w[2], w[3]))  # (DTN 8), (decoder.3)
        e = [builder.fmul(g, builder.fsub(v, u)) for g, u in pixels]  # gU/S V + gS (DTN 9)
        gx = [builder.fmul(builder.fsub(e[1], e[0]), hy), builder.fmul(builder.fsub(e[3], e[2]), fy)]  # (DTN 10)
        gy = [builder.fmul(builder.fsub(e[2], e[0]), hx), builder.fmul(builder.fsub(e[3], e[1]), fx)]  # (DTN 10), in y
        # Channels beyond the last are written to it, which is overwritten later.
        vectors.store_each(gv, vectors.column(gvalues, gvalues_, planes, i_), range(LANES)[::-1])
        sums = vectors.sums(builder.fadd(*gx), builder.fadd(*gy))  # (decoder.4), but for s/2
        return context.make_tuple(builder, signature.return_type, sums)

    point = types.UniTuple(types.float64, 2)
    return point(map, cell, weights, values, gvalues, channels, i), emit
