"""Bending energy and smoothness, transcribed literally: HSTN Eq. (7).

    l = alpha |Laplacian w| + beta |grad w|                                                  (HSTN 7)

on pixels one unit apart, w(i, j) with the row i first:

    w_x = w(i, j+1) - w(i, j),   w_y = w(i+1, j) - w(i, j)                                   (penalties.1)
    w_xx = w(i, j-1) - 2 w(i, j) + w(i, j+1),   likewise w_yy                                (penalties.2)
    w_xy = (w(i+1, j+1) - w(i+1, j-1) - w(i-1, j+1) + w(i-1, j-1)) / 4                       (penalties.3)

For a sum of entries v_k, each a sum of weights s(q - p) times w(q) around its pixel p, the gradient is

    gw(q) = sum over p, k of s_k(q - p) (sign(v_k), 0 at 0; or 2 v_k)                         (penalties.4)

where the weights of pixels beyond the border are added to those of the outermost pixels, whose copies they are. For the
2-norm, v_k / |v| replaces the sign, and is 0 at v = 0. For a cotangent A of gw, with entries a_k of A corresponding to
v_k of w, the derivatives of A . g gw with respect to g and to w are

    sum over p, k of a_k (sign(v_k); v_k / |v|; or 2 v_k)                                     (penalties.5)
    g times the sum over p, k of s_k(q - p) (0; (a_k - v_k (v . a) / |v|^2) / |v|; or 2 a_k)  (penalties.6)

The 1-norm and the squared 2-norm are rational; the square root in the 2-norm is computed to about 400 bits. M bounds
what is rounded: the absolute terms of the differences, not the differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation

Plane = Sequence[Sequence[Number]]
QUARTER = Fraction(1, 4)


# One entry of the vector at a pixel: the weights of the neighbours (row, column) that it sums.
Stencil = dict[tuple[int, int], Number]

GRADIENT: tuple[Stencil, ...] = ({(0, 1): 1, (0, 0): -1}, {(1, 0): 1, (0, 0): -1})  # (penalties.1)
_XX: Stencil = {(0, -1): 1, (0, 0): -2, (0, 1): 1}  # (penalties.2)
_YY: Stencil = {(-1, 0): 1, (0, 0): -2, (1, 0): 1}
_XY: Stencil = {(1, 1): QUARTER, (1, -1): -QUARTER, (-1, 1): -QUARTER, (-1, -1): QUARTER}  # (penalties.3)
LAPLACIAN: tuple[Stencil, ...] = ({**_XX, **_YY, (0, 0): -4},)
HESSIAN: tuple[Stencil, ...] = (_XX, _XY, _XY, _YY)


def place(plane: Plane, i: int, j: int) -> tuple[int, int]:
    """Return the pixel of a plane that (i, j) is, or is a copy of."""
    return min(max(i, 0), len(plane) - 1), min(max(j, 0), len(plane[0]) - 1)


def entry(plane: Plane, stencil: Stencil, i: int, j: int) -> Sum:
    """Return what a stencil sums around pixel (i, j) of a plane continued by its outermost pixels."""
    total = Sum()
    for (di, dj), weight in stencil.items():
        row, column = place(plane, i + di, j + dj)
        total.add(weight * plane[row][column])
    return total


def centres(plane: Plane, stencils: Sequence[Stencil], boundary: str) -> list[tuple[int, int]]:
    """Return the pixels that `boundary` leaves: "valid" those with every stencil inside the map, "replicate" all."""
    offsets = [offset for stencil in stencils for offset in stencil]
    pixels = [(i, j) for i in range(len(plane)) for j in range(len(plane[0]))]
    if boundary == "replicate":
        return pixels
    return [(i, j) for i, j in pixels if all(place(plane, i + di, j + dj) == (i + di, j + dj) for di, dj in offsets)]


def vectors(field: Sequence[Plane], stencils: Sequence[Stencil], boundary: str) -> list[list[Sum]]:
    """Return for each pixel that `boundary` leaves the entries of all components."""
    return [
        [entry(plane, stencil, i, j) for stencil in stencils for plane in field]
        for i, j in centres(field[0], stencils, boundary)
    ]


def root(x: Number) -> Number:
    """Return the square root of a rational number, rounded to a rational one with an error below 2^-400 of itself.

    Examples
    --------
    >>> root(Fraction(9, 4))
    Fraction(3, 2)
    """
    if isinstance(x, float):
        return math.sqrt(x)  # NaN
    x = Fraction(x)
    return Fraction(math.isqrt(x.numerator * x.denominator << 800), x.denominator << 400)


def length(entries: Sequence[Number]) -> Number:
    """Return the 2-norm of a vector."""
    return root(sum((v * v for v in entries), Fraction(0)))


class Entries(NamedTuple):
    """Numbers, one for each entry of a vector, and their magnitudes."""

    values: list[Number]
    sizes: list[Number]

    @staticmethod
    def of(sums: Sequence[Sum]) -> Entries:
        """Return what stencils sum: M bounds the absolute terms."""
        return Entries([entry.value for entry in sums], [entry.M for entry in sums])


def norm_of(v: Entries, norm: str) -> Sum:
    """Return a norm of a vector: for "1" and "squared" a sum with one term for each entry."""
    if norm == "2":
        total = Sum()
        total.add(length(v.values), sum(v.sizes, Fraction(0)))
        return total
    total = Sum()
    for value, size in zip(*v, strict=True):
        total.add(*((abs(value), size) if norm == "1" else (value * value, size * size)))
    return total


def norm_slope(v: Entries, norm: str) -> Entries:
    """Return the derivatives of a norm with respect to the entries (penalties.4), 0 at its kink.

    An entry that is wrong by its magnitude m_k changes v_k / |v| by m_k / |v| + |v_k| |m| / |v|^2.
    """
    if norm == "1":
        return Entries([sign(value) for value in v.values], [1] * len(v.values))
    if norm == "squared":
        return Entries([2 * value for value in v.values], [2 * size for size in v.sizes])
    r, m = length(v.values), length(v.sizes)
    if r == 0:
        return Entries([0] * len(v.values), [0] * len(v.values))
    sizes = [(size + abs(value) * m / r) / r for value, size in zip(*v, strict=True)]
    return Entries([value / r for value in v.values], sizes)


def norm_curvature(v: Entries, a: Entries, norm: str) -> Entries:
    """Return the derivatives of `norm_slope` in the direction a (penalties.6), 0 at a kink.

    Of the 2-norm they are h_k = (a_k - v_k (v . a) / |v|^2) / |v|. What a magnitude m_k of v_k does to that is at most
    (m_k |a| + 3 |v_k| |a| |m| / |v| + |a_k| |m|) / |v|^2.
    """
    if norm == "squared":
        return Entries([2 * value for value in a.values], [2 * size for size in a.sizes])
    r = length(v.values) if norm == "2" else 0
    if r == 0:
        return Entries([0] * len(v.values), [0] * len(v.values))
    m, reach = length(v.sizes), length(a.sizes)
    along = sum(x * y for x, y in zip(v.values, a.values, strict=True)) / (r * r)
    along_size = sum(abs(x) * y for x, y in zip(v.values, a.sizes, strict=True)) / (r * r)
    values = [(y - x * along) / r for x, y in zip(v.values, a.values, strict=True)]
    sizes = [
        (y_size + abs(x) * along_size) / r + (x_size * reach + 3 * abs(x) * reach * m / r + y_size * m) / (r * r)
        for x, x_size, y_size in zip(v.values, v.sizes, a.sizes, strict=True)
    ]
    return Entries(values, sizes)


def sign(v: Number) -> Number:
    """Return the derivative of |v|, 0 at v = 0 (penalties.4); NaN of NaN."""
    return v if v != v else int(v > 0) - int(v < 0)


def share(fields: Sequence[Sequence[Plane]], stencils: Sequence[Stencil], boundary: str, reduction: str) -> Fraction:
    """Return by what the norm at each pixel is multiplied: 1, or for the mean 1 over the number of pixels."""
    count = sum(len(centres(field[0], stencils, boundary)) for field in fields)
    return Fraction(1, count) if reduction == "mean" else Fraction(1)


def penalty(
    fields: Sequence[Sequence[Plane]], stencils: Sequence[Stencil], norm: str, boundary: str, reduction: str
) -> Sum:
    """Return the penalty of a batch of fields (N, D, H, W) (HSTN 7); with the 2-norm k counts pixels, else entries."""
    scale = share(fields, stencils, boundary, reduction)
    total = Sum()
    for field in fields:
        for vector in vectors(field, stencils, boundary):
            part = norm_of(Entries.of(vector), norm)  # (HSTN 7): a norm of Laplacian w or grad w
            total.value, total.k, total.M = (
                total.value + scale * part.value,
                total.k + part.k,
                total.M + scale * part.M,
            )
    return total


Fields = list[list[list[list[Sum]]]]


class SecondGradients(NamedTuple):
    """The gradients of A . gfield with respect to the cotangent of the penalty, and to the fields."""

    ggpenalty: Sum
    gfield: Fields


def _empty(fields: Sequence[Sequence[Plane]]) -> Fields:
    return [[[[Sum() for _ in row] for row in plane] for plane in field] for field in fields]


def _scatter(
    gfield: Sequence[Sequence[Sequence[Sum]]],
    stencils: Sequence[Stencil],
    i: int,
    j: int,
    entries: Entries,
    factor: Number,
) -> None:
    """Add the transposed stencils of the entries at pixel (i, j), times a factor (penalties.4)."""
    places = [(stencil, plane) for stencil in stencils for plane in gfield]  # the order of `vectors`
    for (stencil, plane), value, size in zip(places, *entries, strict=True):
        for (di, dj), weight in stencil.items():
            row, column = place(plane, i + di, j + dj)
            plane[row][column].add(factor * weight * value, abs(factor * weight) * size)  # (penalties.4)


def gradient(
    fields: Sequence[Sequence[Plane]],
    stencils: Sequence[Stencil],
    norm: str,
    boundary: str,
    reduction: str,
    gpenalty: Number = 1,
) -> Fields:
    """Return the gradient (N, D, H, W) of `penalty` for the cotangent gpenalty (penalties.4)."""
    factor = gpenalty * share(fields, stencils, boundary, reduction)
    gfields = _empty(fields)
    for field, gfield in zip(fields, gfields, strict=True):
        pixels = centres(field[0], stencils, boundary)
        for (i, j), vector in zip(pixels, vectors(field, stencils, boundary), strict=True):
            _scatter(gfield, stencils, i, j, norm_slope(Entries.of(vector), norm), factor)  # (penalties.4) of (HSTN 7)
    return gfields


def second_gradient(
    cotangents: Sequence[Sequence[Plane]],
    gpenalty: Number,
    fields: Sequence[Sequence[Plane]],
    stencils: Sequence[Stencil],
    norm: str,
    boundary: str,
    reduction: str,
) -> SecondGradients:
    """Return the gradients of the sum of `gradient` times the cotangents (N, D, H, W) (penalties.5), (penalties.6)."""
    scale = share(fields, stencils, boundary, reduction)
    total, gfields = Sum(), _empty(fields)
    for cotangent, field, gfield in zip(cotangents, fields, gfields, strict=True):
        pixels = centres(field[0], stencils, boundary)
        pairs = zip(vectors(field, stencils, boundary), vectors(cotangent, stencils, boundary), strict=True)
        for (i, j), (vector, direction) in zip(pixels, pairs, strict=True):
            v, a = Entries.of(vector), Entries.of(direction)
            slope = norm_slope(v, norm)
            for values in zip(*a, *slope, strict=True):
                total.add(scale * values[0] * values[2], scale * values[1] * values[3])  # (penalties.5)
            _scatter(gfield, stencils, i, j, norm_curvature(v, a, norm), gpenalty * scale)  # (penalties.6)
    return SecondGradients(total, gfields)


_TESTS = "tests/test_penalties.py::"

LEDGER = (
    Equation(
        "HSTN",
        "7",
        "bending energy and smoothness of a motion field",
        "ambiguous",
        "norm, boundary and reduction are not specified: all are arguments. The Laplacian is not the bending energy "
        "(w = x y: 0 and 2): both are supported. At 0, where training starts, the 1-norm has a kink: the subgradient "
        "is 0",
        (
            "refwarp.exact.penalties.penalty",
            "refwarp.exact.penalties.gradient",
            "refwarp.penalties.bending_energy",
            "refwarp.penalties.smoothness",
        ),
        (
            _TESTS + "test_the_laplacian_is_not_the_bending_energy",
            _TESTS + "test_the_subgradient_at_zero_is_zero",
            _TESTS + "test_values_are_within_their_budget",
            _TESTS + "test_gradients_are_within_their_budget",
        ),
    ),
)
