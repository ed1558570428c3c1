"""The decoder of dense transformer networks, transcribed literally: DTN Eqs. (4) to (10), and what they omit.

DTN counts pixels from 1, rows n first; x and y are in pixels, k(d) = max(0, 1 - |d|). The encoder samples a map U
at points (x_i, y_i), the decoder distributes values V_i at these points over a map, and normalises:

    V_i = sum over n, m of U_nm k(x_i - m) k(y_i - n)                                         (DTN 4)
    U'(p) = Sampling{U(Tp)},  U''(Tp) = V(p),  U''(p) = Sampling{U''(Tp)}                      (DTN 5)
    S_nm = sum over i of k(x_i - m) k(y_i - n)                                                (DTN 6)
    U_nm = 1/S_nm sum over i of V_i k(x_i - m) k(y_i - n)                                     (DTN 7)

with the gradients, for a cotangent dU,

    dV_i = sum over n, m of 1/S_nm dU_nm k(x_i - m) k(y_i - n)                                (DTN 8)
    dS_nm = -dU_nm / S_nm^2 sum over i of V_i k(x_i - m) k(y_i - n)                           (DTN 9)
    dx_i = sum over n, m of (dU_nm/S_nm V_i + dS_nm) k(y_i - n)
           {0 if |m - x_i| >= 1; 1 if m >= x_i; -1 if m <= x_i}                               (DTN 10)

The text calls the ranges N and M instead of H and W, and dV_i dV_nm. Two of the cases include m = x_i, and neither is a
derivative there. A pixel with S = 0 is a hole, where (DTN 7) is undefined; sums over n, m exclude it.

The following is not printed. The operation has grids in [-1, 1], pixels counted from 0 and channels c:

    x = (g s + W - 1) / 2,  s = W - 1 (align_corners) or W: the paper's x minus 1              (decoder.1)
    w_i(n, m) = k(x_i - m) k(y_i - n);  (n, m) is a hole if no w_i(n, m) differs from 0        (decoder.2)
    gV_c(i) = sum over n, m of gU_c / S w_i                                                   (decoder.3)
    gg_x(i) = s_x/2 sum over c, n, m of gU_c / S (V_c(i) - U_c) k'(x_i - m) k(y_i - n)         (decoder.4)

and likewise gg_y, with k' on the lattice given by `kink` (exact/bilinear.py). The filling of holes is in `holes`, the
second derivatives in `second`, and the code released by the authors in `released`.

The error bounds of quotients include the terms of numerator and denominator: a `Sum` of the values has M = sum |V_i|
w_i/S + |U|; one of gV twice the sum of absolute terms; one of gg the terms of U written out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bilinear import HALF, Window, coordinate_scale, finite_samples, support, tent, tent_derivative
from refwarp.exact.ledger import Equation
from refwarp.exact.sampling import Plane

Points = Sequence[tuple[Number, Number]]
Maps = list[list[list[Sum]]]
Pixel = tuple[int, int]

# ---- as printed: one map, pixels from 1, points (x, y) in pixels ----


def encoded_value(plane: Plane, x: Number, y: Number) -> Number:
    """Return V_i, the encoder's sample at (x, y) (DTN 4)."""
    total: Number = 0
    for n in range(1, len(plane) + 1):
        for m in range(1, len(plane[0]) + 1):
            total = total + plane[n - 1][m - 1] * max(0, 1 - abs(x - m)) * max(0, 1 - abs(y - n))  # (DTN 4)
    return total


def printed_weight(points: Points, i: int, n: int, m: int) -> Number:
    """Return the product of tents of point i and pixel (n, m)."""
    x, y = points[i]
    return max(0, 1 - abs(x - m)) * max(0, 1 - abs(y - n))


def printed_normalisation(points: Points, n: int, m: int) -> Number:
    """Return S_nm (DTN 6)."""
    total: Number = 0
    for i in range(len(points)):
        total = total + printed_weight(points, i, n, m)  # (DTN 6)
    return total


def printed_value(values: Sequence[Number], points: Points, n: int, m: int) -> Number:
    """Return U_nm (DTN 7). In a hole that is a division by zero."""
    total: Number = 0
    for i, value in enumerate(values):
        total = total + value * printed_weight(points, i, n, m)
    return total / printed_normalisation(points, n, m)  # (DTN 7)


def covered_pixels(points: Points, height: int, width: int) -> list[Pixel]:
    """Return the pixels (n, m) with S_nm > 0, counted from 1: those for which the equations say something."""
    pixels = [(n, m) for n in range(1, height + 1) for m in range(1, width + 1)]
    return [(n, m) for n, m in pixels if printed_normalisation(points, n, m) > 0]


def printed_value_gradient(gout: Plane, points: Points, i: int) -> Number:
    """Return dV_i (DTN 8)."""
    total: Number = 0
    for n, m in covered_pixels(points, len(gout), len(gout[0])):
        weight = printed_weight(points, i, n, m)
        total = total + gout[n - 1][m - 1] * weight / printed_normalisation(points, n, m)  # (DTN 8)
    return total


def printed_normalisation_gradient(gout: Plane, values: Sequence[Number], points: Points, n: int, m: int) -> Number:
    """Return dS_nm (DTN 9)."""
    total: Number = 0
    for i, value in enumerate(values):
        total = total + value * printed_weight(points, i, n, m)
    square = printed_normalisation(points, n, m) * printed_normalisation(points, n, m)
    return -gout[n - 1][m - 1] * total / square  # (DTN 9)


def printed_x_gradient(gout: Plane, values: Sequence[Number], points: Points, i: int, equal: int = 1) -> Number:
    """Return dx_i (DTN 10). Two of its cases include m = x_i: `equal` (1 or -1) selects one."""
    total: Number = 0
    x, y = points[i]
    for n, m in covered_pixels(points, len(gout), len(gout[0])):
        ds = printed_normalisation_gradient(gout, values, points, n, m)
        inner = gout[n - 1][m - 1] / printed_normalisation(points, n, m) * values[i] + ds
        case = 0 if abs(m - x) >= 1 else equal if not (m > x or m < x) else 1 if m > x else -1
        total = total + inner * max(0, 1 - abs(y - n)) * case  # (DTN 10)
    return total


def printed_y_gradient(gout: Plane, values: Sequence[Number], points: Points, i: int, equal: int = 1) -> Number:
    """Return dy_i, "a similar gradient": that of x_i of the transposed map."""
    turned = [list(column) for column in zip(*gout, strict=True)]
    return printed_x_gradient(turned, values, [(y, x) for x, y in points], i, equal)


def encode_decode(plane: Plane, points: Points) -> list[list[Number | None]]:
    """Return a map encoded and decoded with the same points Tp, counted from 1 (DTN 5); None in holes."""
    height, width = len(plane), len(plane[0])
    values = [encoded_value(plane, x, y) for x, y in points]
    covered = set(covered_pixels(points, height, width))
    return [
        [printed_value(values, points, n, m) if (n, m) in covered else None for m in range(1, width + 1)]  # (DTN 5)
        for n in range(1, height + 1)
    ]


# ---- the operation: grids in [-1, 1], pixels from 0, channels ----


class Decoded(NamedTuple):
    """The decoder's output for one image: S of the pixels that are not holes, and U (C, H, W), 0 in holes."""

    normalisation: dict[Pixel, Sum]
    maps: Maps


def empty_maps(channels: int, height: int, width: int) -> Maps:
    """Return maps of sums without a term."""
    return [[[Sum() for _ in range(width)] for _ in range(height)] for _ in range(channels)]


def add_product(total: Sum, factor: Number, *parts: Sum) -> None:
    """Add factor times a product of sums, all its terms multiplied out."""
    value, k, size = factor, int(factor != 0), abs(factor)
    for part in parts:
        value, k, size = value * part.value, k * part.k, size * part.M
    total.value = total.value + value
    total.k += k
    total.M = total.M + size


class Source(NamedTuple):
    """A source at finite coordinates: its place in the grid, and in pixels, and the window of pixels it may reach."""

    i: int
    j: int
    x: Number
    y: Number
    window: Window

    def reached(self) -> Iterator[tuple[Pixel, Number, Number]]:
        """Yield the pixels in the window, with x - m and y - n."""
        for n in self.window.rows:
            for m in self.window.columns:
                yield (n, m), self.x - m, self.y - n


def finite_sources(grid: Sequence[Plane], height: int, width: int, align_corners: bool, literal: bool) -> list[Source]:
    """Return the sources at finite coordinates (decoder.1); with `literal` their windows are the whole map."""
    whole = Window(range(height), range(width))
    return [
        Source(i, j, x, y, whole if literal else support(x, y, height, width))
        for i, j, x, y in finite_samples(grid, height, width, align_corners)  # (decoder.1)
    ]


def weighted_mean(values: Sequence[Plane], sources: Sequence[Source], height: int, width: int) -> Decoded:
    """Return S and U, whose M is the sum of |V_i| w_i / S alone (decoder.2)."""
    weights: dict[Pixel, Sum] = {}
    maps = empty_maps(len(values), height, width)
    for source in sources:
        for pixel, dx, dy in source.reached():
            if tent(dx) * tent(dy) > 0:  # (decoder.2)
                weights.setdefault(pixel, Sum()).add(tent(dx) * tent(dy))  # (DTN 6)
    for source in sources:
        for pixel, dx, dy in source.reached():
            if tent(dx) * tent(dy) > 0:
                share = tent(dx) * tent(dy) / weights[pixel].value  # (decoder.2): w / S
                for plane, map in zip(values, maps, strict=True):
                    map[pixel[0]][pixel[1]].add(plane[source.i][source.j] * share)  # (DTN 7)
    return Decoded(weights, maps)


def decode(
    values: Sequence[Plane],
    grid: Sequence[Plane],
    height: int,
    width: int,
    align_corners: bool,
    literal: bool = False,
) -> Decoded:
    """Return the decoded map of one image (DTN 6), (DTN 7).

    Parameters
    ----------
    values : nested list (C, H', W') of numbers
    grid : nested list (H', W', 2) of numbers
        Normalised coordinates in the decoded map, x first; NaN and infinite ones as Python floats.
    height, width : int
        The size of the decoded map.
    align_corners : bool
        See (decoder.1).
    literal : bool
        Whether the sums run over the whole map, as they are printed.
    """
    decoded = weighted_mean(values, finite_sources(grid, height, width, align_corners, literal), height, width)
    for map in decoded.maps:
        for row in map:
            for value in row:
                value.M = value.M + abs(value.value)
    return decoded


class Gradients(NamedTuple):
    """The gradients with respect to values (C, H', W') and a grid (H', W', 2), of one image."""

    gvalues: Maps
    ggrid: Maps


def empty_grid_gradient(grid: Sequence[Plane]) -> Maps:
    """Return empty sums, NaN where a coordinate is."""
    return [[[Sum((math.nan,) if any(g != g for g in point) else ()) for _ in point] for point in row] for row in grid]


def decode_gradient(
    gout: Sequence[Plane],
    values: Sequence[Plane],
    grid: Sequence[Plane],
    align_corners: bool,
    kink: str = "right",
    literal: bool = False,
) -> Gradients:
    """Return the gradients of `decode` for the cotangent `gout` (C, H, W) (decoder.3), (decoder.4).

    A source at NaN has the grid gradient NaN, and lies nowhere.
    """
    height, width = len(gout[0]), len(gout[0][0])
    sources = finite_sources(grid, height, width, align_corners, literal)
    decoded = weighted_mean(values, sources, height, width)
    scales = coordinate_scale(width, align_corners) * HALF, coordinate_scale(height, align_corners) * HALF
    gvalues = empty_maps(len(values), len(grid), len(grid[0]))
    ggrid = empty_grid_gradient(grid)
    for source in sources:
        i, j = source.i, source.j
        for pixel, dx, dy in source.reached():
            if pixel not in decoded.normalisation:
                continue
            slope_x = scales[0] * tent_derivative(dx, kink) * tent(dy)
            slope_y = scales[1] * tent(dx) * tent_derivative(dy, kink)
            for c, plane in enumerate(values):
                u = decoded.maps[c][pixel[0]][pixel[1]]
                g = gout[c][pixel[0]][pixel[1]] / decoded.normalisation[pixel].value
                add_product(gvalues[c][i][j], g * tent(dx) * tent(dy))  # (decoder.3)
                for total, slope in zip(ggrid[i][j], (slope_x, slope_y), strict=True):
                    if slope != 0:  # else not even a NaN in V or U is seen
                        add_product(total, g * slope * plane[i][j])  # (decoder.4)
                        add_product(total, -g * slope, u)
    for map in gvalues:
        for row in map:
            for value in row:
                value.M = 2 * value.M
    return Gradients(gvalues, ggrid)


_TESTS = "tests/exact/dense_decode/test_decode.py::"
_HOME = "refwarp.exact.dense_decode.decode."
_KERNELS = "refwarp.samplers.dense_decode.kernels."
_VECTORS = "refwarp.samplers.dense_decode.vectors."

LEDGER = (
    Equation(
        "DTN",
        "4",
        "bilinear encoder sampler",
        "holds",
        "sums count pixels from 1: STN's Eq. (5), shifted",
        (_HOME + "encoded_value", "refwarp.samplers.bilinear.kernels.blend"),
        (_TESTS + "test_equation_4_is_the_bilinear_sampler_counted_from_one",),
    ),
    Equation(
        "DTN",
        "5",
        "encoder and decoder share T",
        "definition",
        "",
        (_HOME + "encode_decode", _KERNELS + "forward"),
        (_TESTS + "test_equation_5_restores_a_map_whose_pixels_were_permuted",),
    ),
    Equation(
        "DTN",
        "6",
        "S_nm, the weights that a pixel receives",
        "holds",
        "the text after Eq. (7) calls the ranges N and M instead of H and W",
        (_HOME + "printed_normalisation", _KERNELS + "weigh", _VECTORS + "add_source"),
        (_TESTS + "test_the_operation_is_the_printed_one_counted_from_zero",),
    ),
    Equation(
        "DTN",
        "7",
        "U_nm, the decoded map",
        "ambiguous",
        "holds where S > 0, is undefined in holes, where S = 0, and jumps in between: `fill` selects zeros, the "
        "previous map at the same position, or the mean of its neighbours",
        (_HOME + "printed_value", _KERNELS + "forward", _VECTORS + "add_source", _VECTORS + "divide_pixel"),
        (
            _TESTS + "test_the_operation_is_the_printed_one_counted_from_zero",
            _TESTS + "test_a_pixel_that_becomes_covered_jumps",
            _TESTS + "test_holes_are_filled_as_said",
        ),
    ),
    Equation(
        "DTN",
        "8",
        "dV_i",
        "holds",
        "where S > 0; the text calls it dV_nm",
        (_HOME + "printed_value_gradient", _KERNELS + "backward", _VECTORS + "pull_source"),
        (_TESTS + "test_the_printed_gradients_are_derivatives_off_the_lattice",),
    ),
    Equation(
        "DTN",
        "9",
        "dS_nm",
        "holds",
        "where S > 0; equal to -dU_nm U_nm / S_nm, which is better conditioned",
        (_HOME + "printed_normalisation_gradient", _KERNELS + "backward", _VECTORS + "pull_source"),
        (_TESTS + "test_equation_9_is_the_derivative_and_has_a_shorter_form",),
    ),
    Equation(
        "DTN",
        "10",
        "dx_i",
        "wrong",
        "on the lattice, where two of its cases include m = x, and neither value need lie between the one-sided "
        "derivatives; it holds off the lattice. dU/S (V_i - U) is its stable form",
        (_HOME + "printed_x_gradient", _KERNELS + "backward", _VECTORS + "pull_source"),
        (
            _TESTS + "test_equation_10_fails_on_the_lattice_whichever_case_is_taken",
            _TESTS + "test_the_printed_gradients_are_derivatives_off_the_lattice",
        ),
    ),
    Equation(
        "DTN",
        "dy_i",
        '"a similar gradient"',
        "holds",
        "derived: Eq. (10) with x and y exchanged",
        (_HOME + "printed_y_gradient", _KERNELS + "backward", _VECTORS + "pull_source"),
        (_TESTS + "test_the_printed_gradients_are_derivatives_off_the_lattice",),
    ),
)
