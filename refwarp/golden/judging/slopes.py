"""G: how far an element can move when an implementation rounds its coordinates.

If each pixel coordinate moves by at most e times its reach - the size of the axis times max(1, |g|) -, an element moves
by at most e G. So an implementation whose coordinates are off by that much has the budget of a faithful one, and e G
on top; and whoever grades it needs no geometry. For an implementation of unit roundoff u, e is 6 u: three roundings to
un-normalise, ((g + 1) s - 1)/2, two to reflect, one to spare.

All outputs are made of sums over the padded map, which interpolates as one without ends does, whatever the padding:

    S(p, q) = sum over n, m of U(n, m) k^(p)(x - m) k^(q)(y - n)                             (slopes.1)

with derivatives k^(p) of the kernel. The weights of a kernel sum to 1, so those of its derivatives sum to 0, and S is
a sum over differences of neighbouring pixels, too, in x if p > 0 and in y if q > 0. So |S(p, q)| is at most
C_p C_q max |difference|, C being the largest sum of the absolute values of the differences' weights. By the mean value
theorem a gathered sum moves by at most e times

    reach_x C_(p+1) C_q max |difference| + reach_y C_p C_(q+1) max |difference|              (slopes.2)

and what is scattered to a pixel by e times the same with L_p, the largest sum of |k^(p)|. The largest difference is
that among the pixels which a move of a pixel can reach, or, where a reflected coordinate lies far outside (|g| > 2),
of the whole map: then it holds for any move.

The derivative of the tent is constant within a cell (C_2 = 0) and jumps on the lattice, as the second one of the
bicubic kernel does: no multiple of e bounds a jump, and for that see `refwarp.golden.judging.seams`.

Bicubic weights are usually computed as polynomials in |d| < 2, whose terms cancel: R_p bounds the sum over the four
weights of their errors, in units of e. For a |d|^3 - 5 a |d|^2 + 8 a |d| - 4 a and its inner twin, each product and sum
rounded once, those are 104 u (18 e) for the weights, 70 u (12 e) for their slopes and 33 u (6 e) for their curvatures.
They cost a gathered sum (R_p L_q + L_p R_q) max |U|. The tent's weights have no such errors, but where its slopes jump,
an element that is exactly 0, or nearly, may have the terms of the next cell, and their rounding with them: (c + k) u M,
with M up to 2 max |U|; R_1 = 8 holds that for c + k up to 24.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.bicubic import padded_index
from refwarp.golden.judging.sampler import OUTPUTS, Call, Image

# The sensitivities of one output of one image.
Objects = npt.NDArray[np.object_]

# As good as infinite: 2^-53 of this is more than any move within the map.
_FAR_AWAY = 2**60


class KernelFunction(NamedTuple):
    """The bounds of an interpolation kernel and its derivatives, by order p.

    Attributes
    ----------
    margin : int
        The pixels that a sample sees beyond the two next to it, on each side.
    differences : tuple of int
        1 where the bound is one on differences of pixels, 0 where it is on pixels.
    C, L, R : tuples of numbers
        See the module; C and L have one order more than is sampled.
    """

    margin: int
    differences: tuple[int, ...]
    C: tuple[Number, ...]
    L: tuple[Number, ...]
    R: tuple[Number, ...] = (0, 0, 0)


TENT = KernelFunction(0, (0, 1, 1, 1), (1, 1, 0, 0), (1, 2, 0, 0), (0, 8, 0))
# The rule "literal" takes pixels, on the lattice, for differences of pixels.
LITERAL_TENT = KernelFunction(0, (0, 0, 0, 0), (1, 2, 0, 0), (1, 2, 0, 0), (0, 8, 0))
BICUBIC = KernelFunction(
    1, (0, 1, 1, 1), (Fraction(11, 8), Fraction(3, 2), 6, 12), (Fraction(11, 8), 3, 12, 24), (18, 12, 6)
)
NEAREST = KernelFunction(0, (0, 0, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0))
KERNELS = {"bilinear": TENT, "bicubic": BICUBIC, "nearest": NEAREST}


def reach(g: Number, size: int, scale: Number) -> Number:
    """Return by how much, for each e, a pixel coordinate may be off; 0 on an axis that has one pixel for all g."""
    return 0 if scale == 0 else size * max(1, abs(g))


class Neighbourhood:
    """The pixels that a sample may see, and how far it may move.

    Parameters
    ----------
    position : pair of numbers
        Pixel coordinates x and y.
    reaches : pair of numbers
        See `reach`, in x and in y.
    far : pair of bool
        Whether any pixel may be seen, in x and in y.
    """

    def __init__(
        self,
        position: tuple[Number, Number],
        call: Call,
        reaches: tuple[Number, Number],
        far: tuple[bool, bool],
        kernel: KernelFunction,
    ) -> None:
        self.reaches, self.kernel = reaches, kernel

        def pixels(x: Number, size: int, anywhere: bool) -> list[int | None]:
            cell, more = math.floor(x), 1 + kernel.margin
            seen = range(size) if anywhere else range(cell - more, cell + more + 2)
            return [padded_index(n, size, call.align_corners, call.padding) for n in seen]

        self.columns, self.rows = (pixels(*axis) for axis in zip(position, call.sizes, far, strict=True))

    def gathered(self, plane: Any, p: int, q: int) -> Number:
        """Return G of S(p, q) over a plane (slopes.2)."""
        block = [[0 if n is None or m is None else plane[n][m] for m in self.columns] for n in self.rows]
        largest = max(abs(u) for row in block for u in row)
        if largest == 0:
            return 0
        moves = zip(self.reaches, ((p + 1, q), (p, q + 1)), strict=True)
        return sum(move * self._bound(block, *orders) for move, orders in moves) + largest * self._rounded(p, q)

    def scatter(self, plane: Any, weight: Number, p: int, q: int) -> None:
        """Add, to each pixel of a plane in reach, G of weight k^(p) k^(q)."""
        (move_x, move_y), L = self.reaches, self.kernel.L
        bound = abs(weight) * (move_x * L[p + 1] * L[q] + move_y * L[p] * L[q + 1] + self._rounded(p, q))
        if bound != 0:
            here = np.ix_(*(sorted({n for n in axis if n is not None}) for axis in (self.rows, self.columns)))
            plane[here] += bound

    def _bound(self, block: list[list[Number]], p: int, q: int) -> Number:
        """Return the bound of |S(p, q)|."""
        factor = self.kernel.C[p] * self.kernel.C[q]
        if factor == 0:
            return 0
        if self.kernel.differences[p]:
            block = [[b - a for a, b in pairwise(row)] for row in block]
        if self.kernel.differences[q]:
            block = [[b - a for a, b in zip(*rows, strict=True)] for rows in pairwise(block)]
        return factor * max((abs(u) for row in block for u in row), default=0)

    def _rounded(self, p: int, q: int) -> Number:
        L, R = self.kernel.L, self.kernel.R
        return R[p] * L[q] + L[p] * R[q]


def neighbourhood(call: Call, point: tuple[Number, ...], kink: str) -> Neighbourhood:
    """Return what a sample at a finite point may see."""
    x, y = (call.coordinate(g, size) for g, size in zip(point, call.sizes, strict=True))
    along_x, along_y = (reach(*axis) for axis in zip(point, call.sizes, call.scales, strict=True))
    far_x, far_y = (call.padding == "reflection" and abs(g) > 2 for g in point)
    kernel = LITERAL_TENT if kink == "literal" else KERNELS[call.mode]
    return Neighbourhood((x, y), call, (along_x, along_y), (far_x, far_y), kernel)


def sensitivities(call: Call, image: Image, kink: str) -> dict[str, Objects]:
    """Return G for each element of each output of one image, by "part/output"."""
    channels, rows, columns = len(image.gout), len(image.grid), len(image.grid[0]) if image.grid else 0
    output, ggout = (np.zeros((channels, rows, columns), object) for _ in range(2))
    ginput, second_ginput = (np.zeros((channels, call.height, call.width), object) for _ in range(2))
    ggrid, second_ggrid = (np.zeros((rows, columns, 2), object) for _ in range(2))
    scale_x, scale_y = call.scales
    for i, j in np.ndindex(rows, columns):
        point = image.grid[i][j]
        if not all(isinstance(g, Fraction) or (math.isinf(g) and call.padding == "border") for g in point):
            continue  # rounding moves no sample that is NaN, or outside at infinity
        near = neighbourhood(call, tuple(max(-_FAR_AWAY, min(g, _FAR_AWAY)) for g in point), kink)
        bx, by = image.cotangent_grid[i][j][0] * scale_x, image.cotangent_grid[i][j][1] * scale_y
        for c in range(channels):
            g, u, a = image.gout[c][i][j], image.input[c], image.cotangent_input[c]
            along_x, along_y, mixed = near.gathered(u, 1, 0), near.gathered(u, 0, 1), near.gathered(u, 1, 1)
            output[c, i, j] = near.gathered(u, 0, 0)  # (sampling.1)
            near.scatter(ginput[c], g, 0, 0)  # (sampling.2)
            ggrid[i, j, 0] += abs(scale_x * g) * along_x  # (sampling.3)
            ggrid[i, j, 1] += abs(scale_y * g) * along_y
            ggout[c, i, j] = near.gathered(a, 0, 0) + abs(bx) * along_x + abs(by) * along_y  # (sampling.4)
            near.scatter(second_ginput[c], g * bx, 1, 0)  # (sampling.5)
            near.scatter(second_ginput[c], g * by, 0, 1)
            curved_x = near.gathered(a, 1, 0) + abs(bx) * near.gathered(u, 2, 0) + abs(by) * mixed
            curved_y = near.gathered(a, 0, 1) + abs(by) * near.gathered(u, 0, 2) + abs(bx) * mixed
            second_ggrid[i, j, 0] += abs(scale_x * g) * curved_x  # (sampling.6)
            second_ggrid[i, j, 1] += abs(scale_y * g) * curved_y
    return dict(zip(OUTPUTS, (output, ginput, ggrid, ggout, second_ginput, second_ggrid), strict=True))
