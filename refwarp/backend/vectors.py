"""Four channels side by side as one vector: what the CPU scatters and gathers by.

A map of lanes is a flat array of doubles: its pixels one after the other, each with four channels, or with two times
four. LLVM finds such vectors by itself only with an option that Numba leaves off; so they are emitted as LLVM's own
instructions into the kernel that calls them. Indices are not tested.

`channel` is the first of the four. Where it and its followers leave the range from `first` to `last`, the nearest
channel inside is read and written instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 4

_DOUBLE, _INDEX, _LANE = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, LANES)


class _Lanes:
    """Emits instructions for vectors of four doubles."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def broadcast(self, number: Any) -> Any:
        """Return a vector that holds a number four times."""
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        single = self.builder.insert_element(undefined, number, _LANE(0))
        return self.builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(_LANE, LANES), [0] * LANES))

    def vector(self, numbers: Sequence[Any]) -> Any:
        """Return a vector of four numbers, as doubles."""
        narrow = ir.VectorType(numbers[0].type, LANES)
        found = ir.Constant(narrow, ir.Undefined)
        for lane, number in enumerate(numbers):
            found = self.builder.insert_element(found, number, _LANE(lane))
        return found if narrow.element == _DOUBLE else self.builder.fpext(found, _VECTOR)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a b + c, rounded once."""
        function = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        return self.builder.call(self.builder.module.declare_intrinsic("llvm.fma.v4f64", (), function), [a, b, c])

    def channels(self, channel: Any, first: Any, last: Any) -> list[Any]:
        """Return the four channels, held between the first and the last."""
        found, final = [], self.builder.sub(last, _INDEX(1))
        for lane in range(LANES):
            c = self.builder.add(channel, _INDEX(lane))
            c = self.builder.select(self.builder.icmp_signed("<", c, first), first, c)
            found.append(self.builder.select(self.builder.icmp_signed("<", c, last), c, final))
        return found

    def pointers(self, kind: Any, planes: Any, channels: Sequence[Any], i: Any) -> list[Any]:
        """Return where the elements i of channels lie, of planes (channels, elements)."""
        array = self.context.make_array(kind)(self.context, self.builder, planes)
        length = self.builder.extract_value(array.shape, 1)
        places = [self.builder.add(self.builder.mul(c, length), i) for c in channels]
        return [self.builder.gep(array.data, [place]) for place in places]

    def numbers(self, kind: Any, planes: Any, channels: Sequence[Any], i: Any) -> list[Any]:
        """Load them."""
        return [self.builder.load(pointer) for pointer in self.pointers(kind, planes, channels, i)]

    def store(self, vector: Any, pointers: Sequence[Any], order: Sequence[int]) -> None:
        """Store a vector's lanes in an order: of those that share a place the last one stays."""
        kind = pointers[0].type.pointee
        if kind != _DOUBLE:
            vector = self.builder.fptrunc(vector, ir.VectorType(kind, LANES))
        for lane in order:
            self.builder.store(self.builder.extract_element(vector, _LANE(lane)), pointers[lane])

    def pixel(self, kind: Any, map: Any, place: Any, size: int) -> Any:
        """Return where a pixel of `size` vectors lies in a map of lanes."""
        data = self.context.make_array(kind)(self.context, self.builder, map).data
        at = self.builder.gep(data, [self.builder.mul(place, _INDEX(size * LANES))])
        return self.builder.bitcast(at, _VECTOR.as_pointer())

    def corners(self, kind: Any, map: Any, place: Any, row: Any, size: int) -> list[Any]:
        """Return where the four pixels of a cell lie."""
        below = self.builder.add(place, row)
        places = place, self.builder.add(place, _INDEX(1)), below, self.builder.add(below, _INDEX(1))
        return [self.pixel(kind, map, corner, size) for corner in places]

    def load(self, pointer: Any, position: int = 0) -> Any:
        """Load a vector of a pixel."""
        return self.builder.load(self.builder.gep(pointer, [_INDEX(position)]), align=8)

    def save(self, vector: Any, pointer: Any, position: int = 0) -> None:
        """Store a vector of a pixel."""
        self.builder.store(vector, self.builder.gep(pointer, [_INDEX(position)]), align=8)

    def add_product(self, a: Any, b: Any, at: Any, wide: bool, exact: bool = False) -> None:
        """Add a b to a pixel; if wide, and to its second vector what the sum leaves out, if exact the product, too."""
        builder, total = self.builder, self.load(at)
        if not wide:
            self.save(self.multiply_add(a, b, total), at)
            return
        term = builder.fmul(a, b)
        new = builder.fadd(total, term)  # and what that leaves out (Knuth)
        shadow = builder.fsub(new, total)
        lost = builder.fadd(builder.fsub(total, builder.fsub(new, shadow)), builder.fsub(term, shadow))
        if exact:
            lost = builder.fadd(lost, self.multiply_add(a, b, builder.fneg(term)))
        self.save(new, at)
        self.save(builder.fadd(self.load(at, 1), lost), at, 1)

    def where_positive(self, number: Any, vector: Any) -> Any:
        """Return a vector, or zeros unless a number is positive."""
        positive = self.builder.fcmp_ordered(">", number, _DOUBLE(0.0))
        return self.builder.select(positive, vector, ir.Constant(_VECTOR, None))

    def sums(self, a: Any, b: Any) -> list[Any]:
        """Return the sum of the lanes of each of two vectors."""

        def pick(x: Any, y: Any, lanes: list[int]) -> Any:
            return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_LANE, len(lanes)), lanes))

        pairs = self.builder.fadd(pick(a, b, [0, 4, 2, 6]), pick(a, b, [1, 5, 3, 7]))
        both = self.builder.fadd(pick(pairs, pairs, [0, 1]), pick(pairs, pairs, [2, 3]))
        return [self.builder.extract_element(both, _LANE(k)) for k in range(2)]


_int, _float = types.int64, types.float64


@intrinsic
def _spread(
    typing: Any,
    map: Any,
    place: Any,
    row: Any,
    hx: Any,
    fx: Any,
    hy: Any,
    fy: Any,
    values: Any,
    channel: Any,
    first: Any,
    last: Any,
    i: Any,
) -> Any:
    wide = values.dtype == types.float64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map, place, row, *weights, values, channel, first, last, i = arguments
        kinds, lanes = signature.args, _Lanes(context, builder)
        numbers = lanes.numbers(kinds[7], values, lanes.channels(channel, first, last), i)
        one = numbers[0].type(1.0)
        numbers[0] = builder.select(builder.icmp_signed("<", channel, first), one, numbers[0])
        v = lanes.vector(numbers)
        hx, fx, hy, fy = (lanes.broadcast(weight) for weight in weights)
        corners = lanes.corners(kinds[0], map, place, row, 2 if wide else 1)
        factors = (hx, hy), (fx, hy), (hx, fy), (fx, fy)
        for at, (wx, wy) in zip(corners, factors, strict=True):
            lanes.add_product(builder.fmul(wx, wy), v, at, wide, exact=True)
        return context.get_dummy_value()

    given = map, _int, _int, _float, _float, _float, _float, values, _int, _int, _int, _int
    return types.void(*given), emit


@intrinsic
def _scatter(
    typing: Any,
    map: Any,
    place: Any,
    row: Any,
    weights: Any,
    size: Any,
    j: Any,
    values: Any,
    channel: Any,
    last: Any,
    i: Any,
) -> Any:
    wide = values.dtype == types.float64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map, place, row, weights, size, j, values, channel, last, i = arguments
        kinds, lanes = signature.args, _Lanes(context, builder)
        v = lanes.vector(lanes.numbers(kinds[6], values, lanes.channels(channel, channel, last), i))
        corners = lanes.corners(kinds[0], map, place, row, 2 if wide else 1)
        data = context.make_array(kinds[3])(context, builder, weights).data
        for corner, at in enumerate(corners):
            w = builder.load(builder.gep(data, [builder.add(builder.mul(size, _INDEX(corner)), j)]))
            lanes.add_product(lanes.broadcast(w if wide else builder.fpext(w, _DOUBLE)), v, at, wide)
        return context.get_dummy_value()

    return types.void(map, _int, _int, weights, _int, _int, values, _int, _int, _int), emit


@intrinsic
def _settle(typing: Any, map: Any, place: Any, sum: Any, out: Any, channel: Any, first: Any, last: Any, p: Any) -> Any:
    wide = out.dtype == types.float64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map, place, sum, out, channel, first, last, p = arguments
        kinds, lanes = signature.args, _Lanes(context, builder)
        at, s = lanes.pixel(kinds[0], map, place, 2 if wide else 1), lanes.broadcast(sum)
        total = lanes.load(at)
        u = builder.fdiv(total, s)
        if wide:  # once more for what is left, so that the quotient is correct to its last bit, nearly always
            rest = builder.fadd(lanes.multiply_add(builder.fneg(u), s, total), lanes.load(at, 1))
            u = builder.fadd(u, builder.fdiv(rest, s))
        pointers = lanes.pointers(kinds[3], out, lanes.channels(channel, first, last), p)
        # The channel of ones would lie before the first, which is written after it.
        lanes.store(lanes.where_positive(sum, u), pointers, range(LANES))
        return context.get_dummy_value()

    return types.void(map, _int, _float, out, _int, _int, _int, _int), emit


@intrinsic
def _prepare(typing: Any, map: Any, place: Any, sum: Any, gout: Any, out: Any, channel: Any, last: Any, p: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map, place, sum, gout, out, channel, last, p = arguments
        kinds, lanes = signature.args, _Lanes(context, builder)
        channels = lanes.channels(channel, _INDEX(0), last)
        numbers = lanes.numbers(kinds[3], gout, channels, p)
        for lane in range(LANES):
            inside = builder.icmp_signed("<", builder.add(channel, _INDEX(lane)), last)
            numbers[lane] = builder.select(inside, numbers[lane], numbers[lane].type(0.0))
        g = builder.fdiv(lanes.vector(numbers), lanes.broadcast(sum))
        at = lanes.pixel(kinds[0], map, place, 2)
        lanes.save(lanes.where_positive(sum, g), at)
        lanes.save(lanes.vector(lanes.numbers(kinds[4], out, channels, p)), at, 1)
        return context.get_dummy_value()

    return types.void(map, _int, _float, gout, out, _int, _int, _int), emit


@intrinsic
def _pull(
    typing: Any,
    map: Any,
    place: Any,
    row: Any,
    hx: Any,
    fx: Any,
    hy: Any,
    fy: Any,
    values: Any,
    gvalues: Any,
    channel: Any,
    last: Any,
    i: Any,
) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        map, place, row, *weights, values, gvalues, channel, last, i = arguments
        kinds, lanes = signature.args, _Lanes(context, builder)
        channels = lanes.channels(channel, _INDEX(0), last)
        v = lanes.vector(lanes.numbers(kinds[7], values, channels, i))
        hx, fx, hy, fy = (lanes.broadcast(weight) for weight in weights)
        pixels = [(lanes.load(at), lanes.load(at, 1)) for at in lanes.corners(kinds[0], map, place, row, 2)]
        factors = (hx, hy), (fx, hy), (hx, fy), (fx, fy)
        w = [builder.fmul(builder.fmul(wx, wy), g) for (wx, wy), (g, _) in zip(factors, pixels, strict=True)]
        gv = builder.fadd(builder.fadd(w[0], w[1]), builder.fadd(w[2], w[3]))
        e = [builder.fmul(g, builder.fsub(v, u)) for g, u in pixels]
        gx = [builder.fmul(builder.fsub(e[1], e[0]), hy), builder.fmul(builder.fsub(e[3], e[2]), fy)]
        gy = [builder.fmul(builder.fsub(e[2], e[0]), hx), builder.fmul(builder.fsub(e[3], e[1]), fx)]
        # Channels beyond the last would lie on it, which is written after them.
        lanes.store(gv, lanes.pointers(kinds[8], gvalues, channels, i), range(LANES)[::-1])
        return context.make_tuple(builder, signature.return_type, lanes.sums(builder.fadd(*gx), builder.fadd(*gy)))

    given = map, _int, _int, _float, _float, _float, _float, values, gvalues, _int, _int, _int
    return types.UniTuple(_float, 2)(*given), emit


# (map, place, row, hx, fx, hy, fy, values, channel, first, last, i): adds to the cell that begins at the pixel `place`,
# in a map with rows of `row` pixels, its weights times four channels of source i. A channel before the first is one of
# ones. If the values are float64, a pixel has four sums, and four of what their roundings left out.
spread: Callable[..., None] = _spread
# (map, place, row, weights, size, j, values, channel, last, i): alike, with the weights of the four pixels from a flat
# array, at j, size + j, ...
scatter: Callable[..., None] = _scatter
# (map, place, sum, out, channel, first, last, p): divides a pixel's four sums by `sum`, to element p of four planes; 0
# where the sum is 0.
settle: Callable[..., None] = _settle
# (map, place, sum, gout, out, channel, last, p): writes gout/sum (0 where the sum is 0, or there is no channel), and
# out, of element p of four planes to a pixel.
prepare: Callable[..., None] = _prepare
# (map, place, row, hx, fx, hy, fy, values, gvalues, channel, last, i): from the cell's four pixels, with g and u of
# `prepare`, the sums of w g, to four channels of gvalues; returns the sums of g (v - u) dw by x and by y over the four.
pull: Callable[..., tuple[float, float]] = _pull
