"""The error budget of the thin plate spline grid and its gradients: k and M of each element.

M is that of the sums in `spline`, with each coefficient replaced by the sum of the absolute values of its terms, and
each q and f' by its absolute value plus the effect of one rounding of the points. For the second derivatives it is the
sum of the effects of the change of each factor.
"""

from __future__ import annotations

from typing import Any

from refwarp.exact.arithmetic.functions import log
from refwarp.exact.arithmetic.matrices import Matrix, absolute, add, dot, norm, product, solve, transpose
from refwarp.exact.arithmetic.numbers import Dual, Number, Sum
from refwarp.exact.thin_plate_spline.spline import (
    Grid,
    Points,
    duals,
    radial,
    slope,
    squared_distance,
    system_matrix,
)


class Magnitudes:
    """The sums of absolute values behind a spline's grid and gradients, for one set of control points.

    q is bounded by |q| + sigma, sigma = r^2 + 2 r (|ln r^2| + 1) (|p| + |c|) for the control points: what one rounding
    of the points, of their differences and of the logarithm does to it. Likewise f' by its absolute value and
    2 |v| + 2 (|ln r^2| + 3) (|p| + |c|), and f'' d by
    2 (|ln r^2| + 3) |d| + 4 |v| (|v| . |d|)/r^2 + 12 |d| (|p| + |c|)/r, without the terms in |p| + |c| where both are
    control points, which are given exactly.

    With `directions`, all are dual numbers, whose derivatives bound in the same way how the sums change when the
    control points move by as much; the points are then given as dual numbers, too. For a product (a b)' it is
    |a'| |b| + |a| |b'|, and so on; A^-1 changes by A^-1 A' A^-1.
    """

    def __init__(self, control: Points, targets: Grid, smoothing: Number = 0, directions: Points | None = None) -> None:
        self.control, self.targets = control, targets
        self.directions = None if directions is None else absolute(directions)
        self.inverse = self._inverse(system_matrix(control, smoothing))
        if self.directions is not None:
            matrix = self._matrix_change()
            changes = product(product(self.inverse, matrix), self.inverse)
            self.inverse = duals(self.inverse, changes)
        self.q = [[self._extended(p) for p in line] for line in targets]
        count = len(control)
        self.basis = [
            [[sum(q[j] * self.inverse[j][k] for j in range(count + 3)) for k in range(count)] for q in line]
            for line in self.q
        ]

    # What these five return is a matter of the sums' purpose.

    def _inverse(self, matrix: Matrix) -> Matrix:
        found: Matrix = absolute(solve(matrix, [[int(i == k) for k in range(len(matrix))] for i in range(len(matrix))]))
        return found

    def _coordinates(self, p: list[Number]) -> list[Number]:
        return [abs(x) for x in p]

    def _radial(self, p: list[Number], c: list[Number]) -> Number:
        r2 = squared_distance(p, c)
        if not r2 > 0:
            return r2
        return abs(radial(r2)) + r2 + 2 * r2.sqrt() * (abs(log(r2)) + 1) * (norm(p) + norm(c))

    def _slope(self, c: list[Number], p: list[Number], given: bool) -> list[Number]:
        r2 = squared_distance(c, p)
        if not r2 > 0:
            return [r2, r2]
        more = 0 if given else 2 * (abs(log(r2)) + 3) * (norm(p) + norm(c))
        return [abs(s) + 2 * abs(x - y) + more for s, x, y in zip(slope(c, p), c, p, strict=True)]

    def _curvature(self, c: list[Number], p: list[Number], d: list[Number], given: bool) -> list[Number]:
        r2 = squared_distance(c, p)
        if not r2 > 0:
            return [r2, r2]
        v = [abs(x - y) for x, y in zip(c, p, strict=True)]
        more = 0 if given else 12 * norm(d) * (norm(p) + norm(c)) / r2.sqrt()
        return [2 * (abs(log(r2)) + 3) * b + 4 * a * dot(v, d) / r2 + more for a, b in zip(v, d, strict=True)]

    def _matrix_change(self) -> Matrix:
        """Return the change of the system's matrix, its rows and columns in the order of `system_matrix`."""
        control, moves = self.control, self.directions or []
        rows = [
            [0, *b, *(dot(self._slope(c, d, True), add(b, e)) for d, e in zip(control, moves, strict=True))]
            for c, b in zip(control, moves, strict=True)
        ]
        zeros = [0, 0, 0]
        return [*rows, zeros + [0] * len(control), *(zeros + [b[r] for b in moves] for r in range(2))]

    def _extended(self, p: list[Number]) -> list[Number]:
        radials = [self._radial(p, c) for c in self.control]
        if self.directions is None:
            return [1, *self._coordinates(p), *radials]
        moves = zip(self.control, self.directions, strict=True)
        changes = [dot(self._slope(c, p, False), b) for c, b in moves]
        return [1, *(Dual(x) for x in self._coordinates(p)), *map(Dual, radials, changes)]

    def _slope_at(self, j: int, p: list[Number]) -> list[Number]:
        """Return f' from a target to a control point."""
        found = self._slope(self.control[j], p, False)
        if self.directions is None:
            return found
        return [*map(Dual, found, self._curvature(self.control[j], p, self.directions[j], False))]

    def _slope_between(self, j: int, k: int) -> list[Number]:
        """Return f' between two control points."""
        found = self._slope(self.control[j], self.control[k], True)
        if self.directions is None:
            return found
        both = add(self.directions[j], self.directions[k])
        return [*map(Dual, found, self._curvature(self.control[j], self.control[k], both, True))]

    def grid(self, points: Points) -> list[list[list[Sum]]]:
        """Return k and M of each element of the grid."""
        return [
            [[_sum(abs(f[r]) * b for f, b in zip(points, bs, strict=True)) for r in range(2)] for bs in line]
            for line in self.basis
        ]

    def gpoints(self, ggrid: Grid) -> list[list[Sum]]:
        """Return k and M of each element of the gradient to the fiducial points."""
        pairs = [(b, g) for bs, gs in zip(self.basis, ggrid, strict=True) for b, g in zip(bs, gs, strict=True)]
        return [[_sum(abs(g[r]) * b[k] for b, g in pairs) for r in range(2)] for k in range(len(self.control))]

    def gcontrol(self, ggrid: Grid, points: Points) -> list[list[Sum]]:
        """Return k and M of each element of the gradient to the control points."""
        count = len(self.control)
        t = [[sum(z * abs(f[r]) for z, f in zip(row, points, strict=False)) for r in range(2)] for row in self.inverse]
        a, w = t[:3], t[3:]
        flat = [
            (p, q, [abs(x) for x in g])
            for line, qs, gs in zip(self.targets, self.q, ggrid, strict=True)
            for p, q, g in zip(line, qs, gs, strict=True)
        ]
        moments = [[sum(q[j] * g[r] for _, q, g in flat) for r in range(2)] for j in range(count + 3)]
        mu = product(transpose(self.inverse), moments)
        sums = []
        for j in range(count):
            terms = [[dot(w[j], g) * s for s in self._slope_at(j, p)] for p, _, g in flat]
            terms += [
                [(dot(mu[j], w[k]) + dot(mu[k], w[j])) * s for s in self._slope_between(j, k)] for k in range(count)
            ]
            terms += [[dot(mu[j], a[1 + d]) + dot(w[j], mu[count + 1 + d]) for d in range(2)]]
            sums.append([_sum(column) for column in zip(*terms, strict=True)])
        return sums


def _sum(magnitudes: Any) -> Sum:
    """Return a Sum that has k and M, and no value."""
    result = Sum()
    for magnitude in magnitudes:
        result.add(magnitude, magnitude)
    return result
