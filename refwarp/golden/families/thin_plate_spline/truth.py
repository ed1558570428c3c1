"""The truth about tps_grid and thin_plate_spline_basis, in balls.

What moves with the coordinates are the points p of the output's pixels: x and y by `target_move`, m = (m_x, m_y) for
each e, and so, for e up to that of float16 (E), at a distance r of more than 4 E |m| from a control point,

    q = f(p - c)    by |f'| . m + E |m|^2 (2 |ln r^2| + 9)/2
    f'(c - p)       by |f''| m + 8 E |m|^2 / r
    f''(c - p) d    by 16 |m| |d| / r                                                       (spline.6)

the derivative and a bound of the next one. Nearer, f is at most as steep as 5 E |m| away, and f' moves by at most
2 |m| (|ln r^2| + 1), where r is no smaller than the rounding of a double: 150 |m|.

Nor will an implementation in working precision solve the system to its last digit. Elimination with pivots finds the
solution for a matrix A whose elements are a few u of themselves away (Skeel, Math. Comp. 35, 1980), and so far are they
from being rounded: e is granted, which moves an element of A^-1 by |A^-1| |A| |A^-1|.

G is the sum of what this does to the products that `magnitudes` lists, to first order in e, each factor moving
by itself.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.functions import log
from refwarp.exact.arithmetic.matrices import Matrix, absolute, dot, norm, product
from refwarp.exact.arithmetic.numbers import Dual, Number, Sum
from refwarp.exact.thin_plate_spline import spline as exact
from refwarp.exact.thin_plate_spline.magnitudes import Magnitudes
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import BITS, Answer, defined
from refwarp.golden.judging.judge import Answers, Judge, options
from refwarp.golden.judging.pixels import target_move
from refwarp.golden.judging.running import Displaced, elements
from refwarp.golden.judging.seams import MOVE
from refwarp.golden.operations import outputs

# The constants of the budgets: docs/thin_plate_spline.md derives them.
FIRST, SECOND = 12.0, 24.0

# Each output, and the argument whose shape it has.
OUTPUTS = outputs("tps_grid")


class Displacements(Magnitudes):
    """Magnitudes that know how far what they stand for moves (spline.6)."""

    def __init__(self, moves: list[Number], *arguments: Any) -> None:
        self.moves, self.reach, self.E = moves, norm(moves), moves[0] * 0 + MOVE.numerator
        self.E /= MOVE.denominator
        super().__init__(*arguments)

    def _inverse(self, matrix: Matrix) -> Matrix:
        inverse = super()._inverse(matrix)
        moves = product(product(inverse, absolute(matrix)), inverse)
        return [[*map(Displaced, *rows)] for rows in zip(inverse, moves, strict=True)]

    def _coordinates(self, p: list[Number]) -> list[Number]:
        return [Displaced(abs(x), move) for x, move in zip(p, self.moves, strict=True)]

    def _is_near(self, r2: Number) -> bool:
        return not r2 > (4 * self.E * self.reach) * (4 * self.E * self.reach)

    def _radial(self, p: list[Number], c: list[Number]) -> Number:
        r2, near = exact.squared_distance(p, c), 5 * self.E * self.reach
        if not self._is_near(r2):
            move = dot(absolute(exact.slope(p, c)), self.moves)
            move += self.E * self.reach * self.reach * (2 * abs(log(r2)) + 9) / 2
        else:
            move = self.reach * 2 * (abs(log(near * near)) + 1) * near if near > 0 else near
        return Displaced(abs(exact.radial(r2)), move)

    def _slope(self, c: list[Number], p: list[Number], given: bool) -> list[Number]:
        slope, r2 = absolute(exact.slope(c, p)), exact.squared_distance(c, p)
        if given:
            return [Displaced(s) for s in slope]
        if self._is_near(r2):
            return [Displaced(s, 150 * self.reach) for s in slope]
        units = [self.moves[0], r2 * 0], [r2 * 0, self.moves[1]]
        moves = [sum(axis) for axis in zip(*(absolute(exact.curvature(c, p, unit)) for unit in units), strict=True)]
        more = 8 * self.E * self.reach * self.reach / r2.sqrt()
        return [Displaced(s, move + more) for s, move in zip(slope, moves, strict=True)]

    def _curvature(self, c: list[Number], p: list[Number], d: list[Number], given: bool) -> list[Number]:
        r2 = exact.squared_distance(c, p)
        if not r2 > 0:
            return [Displaced(r2), Displaced(r2)]
        reach = 0 if given else self.reach
        v = [abs(x - y) for x, y in zip(c, p, strict=True)]
        sizes = [2 * (abs(log(r2)) + 1) * b + 4 * a * dot(v, d) / r2 for a, b in zip(v, d, strict=True)]
        return [Displaced(size, 16 * reach * norm(d) / r2.sqrt()) for size in sizes]


class Elements:
    """The elements of one output: a sum, its M and its G for each; those of several images are added if they share."""

    def __init__(self) -> None:
        self.sums: list[Sum] = []
        self.moves: list[Number] = []

    def extend(self, values: Any, sizes: Any, moves: Any, shared: bool = False) -> None:
        """Add the elements of one image."""
        parts = zip(elements(values), elements(sizes), elements(moves), strict=True)
        found = [(value, size.k, derivative(size.M), derivative(move.M)) for value, size, move in parts]
        if not shared or not self.sums:
            self.sums += [Sum() for _ in found]
            self.moves += [0 for _ in found]
        start = len(self.sums) - len(found)
        for at, (value, k, size, move) in enumerate(found, start):
            total = self.sums[at]
            total.value = defined(total.value + value)
            if size != 0:
                total.k, total.M = total.k + k, total.M + size
            self.moves[at] = self.moves[at] + (move.M if isinstance(move, Displaced) else 0)

    def answer(self, c: float, shape: tuple[int, ...]) -> Answer:
        """Return them as the answer of a shape; where nothing was added they are 0."""
        count = math.prod(shape)
        return Answer.of(c, shape, self.sums or [Sum() for _ in range(count)], self.moves or [0] * count)


def derivative(number: Number) -> Number:
    """Return the derivative of a dual number, and any other number itself."""
    return number.derivative if isinstance(number, Dual) else number


class Setting:
    """The output's pixels, as balls, and how far they move."""

    def __init__(self, case: Case, balls: Balls) -> None:
        size, align_corners, smoothing = options(case, "size", "align_corners", "smoothing")
        self.height, self.width = size[2:]
        self.targets = exact.target_points(self.height, self.width, align_corners, balls)
        self.moves = [balls(target_move(length, align_corners)) for length in (self.width, self.height)]
        self.smoothing = balls(smoothing)


def tps_grid(case: Case, convention: str) -> Answers:
    """Return the answers of tps_grid."""
    inputs = case.inputs
    batch, count, _ = inputs["points"].shape
    shared = "control" in inputs and inputs["control"].ndim == 2
    found = {path: Elements() for path in OUTPUTS}
    with Balls(BITS) as balls:
        setting = Setting(case, balls)
        for n in range(batch):

            def given(name: str, n: int = n) -> Any:
                array = inputs.get(name, np.zeros((count, 2)))
                return balls(array if array.ndim == 2 else array[n])

            undefined = np.isnan(inputs["points"][n]).any(axis=0).tolist()
            f, g = balls(np.nan_to_num(inputs["points"][n])), given("ggrid")
            c = given("control") if "control" in inputs else balls(regular_control(count))
            where = setting.targets, setting.smoothing
            sizes, moves = Magnitudes(c, *where), Displacements(setting.moves, c, *where)
            values = exact.spline_gradient(g, f, c, *where)
            grid = [[marked(point, undefined) for point in line] for line in exact.spline_grid(f, c, *where)]
            found["forward/grid"].extend(grid, sizes.grid(f), moves.grid(f))
            found["vjp/gpoints"].extend(values.gpoints, sizes.gpoints(g), moves.gpoints(g))
            found["vjp/gcontrol"].extend(values.gcontrol, sizes.gcontrol(g, f), moves.gcontrol(g, f), shared)
            if "cotangent_points" not in inputs:
                continue
            a, b = given("cotangent_points"), given("cotangent_control")
            second = exact.spline_second_gradient(a, b, g, f, c, *where)
            varied = exact.duals(absolute(f), absolute(a))
            sizes, moves = Magnitudes(c, *where, b), Displacements(setting.moves, c, *where, b)
            found["second_vjp/gggrid"].extend(second.gggrid, sizes.grid(varied), moves.grid(varied))
            found["second_vjp/gpoints"].extend(second.gpoints, sizes.gpoints(g), moves.gpoints(g))
            gcontrol = sizes.gcontrol(g, varied), moves.gcontrol(g, varied)
            found["second_vjp/gcontrol"].extend(second.gcontrol, *gcontrol, shared)
        shapes = {path: OUTPUTS[path] for path in OUTPUTS if has(case, path)}
        return {
            path: found[path].answer(SECOND if path.startswith("second") else FIRST, inputs[name].shape)
            for path, name in shapes.items()
        }


def marked(point: list[Number], undefined: list[bool]) -> list[Number]:
    """Return a point with NaN for coordinates that are undefined."""
    return [math.nan if missing else x for x, missing in zip(point, undefined, strict=True)]


def has(case: Case, path: str) -> bool:
    """Tell whether a case asks for an output."""
    return OUTPUTS[path] in case.inputs and (not path.startswith("second") or "cotangent_points" in case.inputs)


def regular_control(count: int) -> list[list[Fraction]]:
    """Return a square of control points with corners at -1 and 1, row after row."""
    side = math.isqrt(count)
    axis = [target_coordinate(k, side, True) for k in range(side)]
    return [[x, y] for y in axis for x in axis]


def thin_plate_spline_basis(case: Case, convention: str) -> Answers:
    """Return the answer of thin_plate_spline_basis: the grids of points that are 1 at one control point, else 0."""
    count = len(case.inputs["control"])
    found = Elements()
    with Balls(BITS) as balls:
        setting, c = Setting(case, balls), balls(case.inputs["control"])
        where = setting.targets, setting.smoothing
        sizes, moves = Magnitudes(c, *where), Displacements(setting.moves, c, *where)
        for k in range(count):
            f = balls([[int(k == j)] * 2 for j in range(count)])
            grids = exact.spline_grid(f, c, *where), sizes.grid(f), moves.grid(f)
            values, ks, gs = ([[point[0] for point in line] for line in grid] for grid in grids)
            found.extend(values, ks, gs)
        return {"forward/basis": found.answer(FIRST, (count, setting.height, setting.width))}


JUDGES = {"tps_grid": Judge(tps_grid), "thin_plate_spline_basis": Judge(thin_plate_spline_basis)}
