"""The truth about homography_matrix and projective_grid.

A pixel's coordinate is N/D, and D falls to 0 on the horizon. So the moves are to first order in e, and do not hold for
points that are nearer to the horizon than rounding D takes them: with b = (x_t, y_t, 1) moving as an affine grid's
points do (`target_move`),

    N and D move by |h_k1| move_x + |h_k2| move_y, x_s by (move_N + |x_s| move_D) / |D|

for a coordinate, whose M has the roundings of N and D in it. The M of derivatives takes quotients as they are, so there
N, D and a = A b move by their roundings too, by Nbar, Dbar and abar: three roundings of their terms, 3 u of e = 6 u.
A pixel on the horizon has an infinite coordinate and adds nothing to derivatives; it does not move.

c is that of docs/projective.md: 4, 8 for the gradient, 12 for second derivatives; 4 for the matrix, a copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from refwarp.exact import projective as exact
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.moved import Moved, Numbers, moved
from refwarp.golden.judging.pixels import points
from refwarp.golden.operations import outputs

# Each output, and the argument whose shape it has; and the constant c of its budget.
OUTPUTS = outputs("projective_grid")
CONSTANTS = (4.0, 8.0, 12.0, 12.0)


class Pixel(NamedTuple):
    """An output pixel off the horizon: b, x_s and y_s, and D, as they move."""

    b: Numbers
    s: list[Moved]
    d: Moved


def _pixel(h: Numbers, b: Numbers) -> Pixel | None:
    """Return what a pixel's derivatives are made of; nothing on the horizon."""
    nx, ny, d = h @ b
    if d.value == 0:
        return None
    d = d.number()
    return Pixel(b, [Moved.of((n.number() / d).value, (n.number() / d).move) for n in (nx, ny)], d)


def grid_moves(h: Numbers, columns: Numbers) -> Iterator[list[Number]]:
    """Yield how far each coordinate moves."""
    for b in columns.T:
        nx, ny, d = h @ b
        if d.value == 0:
            yield [0, 0]
        else:
            yield [(n.move + abs(n.value / d.value) * d.move) / abs(d.value) for n in (nx, ny)]


def gradient(h: Numbers, columns: Numbers, ggrid: Numbers) -> Numbers:
    """Return the gradient to H (projective.5), (projective.6), 3 x 3; it is here for its moves."""
    gh = moved(np.zeros((3, 3), int))
    for b, g in zip(columns.T, ggrid, strict=True):
        if pixel := _pixel(h, b):
            for r in range(2):
                gh[r] += b * g[r] / pixel.d
                gh[2] -= b * (g[r] * pixel.s[r]) / pixel.d
    return gh


def second_gradients(a: Numbers, h: Numbers, columns: Numbers, ggrid: Numbers) -> tuple[Numbers, Numbers]:
    """Return the gradients of A . gh to ggrid and to H (projective.7) to (projective.9); for their moves."""
    gggrid, gh = moved(np.zeros(ggrid.shape, int)), moved(np.zeros((3, 3), int))
    for place, (b, g) in enumerate(zip(columns.T, ggrid, strict=True)):
        if pixel := _pixel(h, b):
            e = [part.number() / pixel.d for part in a @ b]
            for r in range(2):
                gggrid[place, r] = e[r] - pixel.s[r] * e[2]
                gh[r] -= b * (g[r] * e[2]) / pixel.d
                gh[2] += b * (g[r] * (2 * pixel.s[r] * e[2] - e[r])) / pixel.d
    return gggrid, gh


def projective_grid(case: Case, convention: str) -> Answers:
    """Return the answers of projective_grid."""
    align_corners, (_, _, height, width) = case.options["align_corners"], case.options["size"]
    eight = case.inputs["theta"].ndim == 2
    columns = points(height, width, align_corners, numbers)
    sums: dict[str, list[Any]] = {path: [] for path in OUTPUTS}
    moves: dict[str, list[Any]] = {path: [] for path in OUTPUTS}

    def add(path: str, exactly: Any, elements: Any) -> None:
        sums[path].append(exactly)
        moves[path].append(elements)

    def parameters(matrix: Any) -> Any:
        return np.array(matrix, object).ravel()[: 8 if eight else 9]

    for n, theta in enumerate(numbers(case.inputs["theta"])):
        h = exact.homography(theta) if eight else theta
        h = [[entry if math.isfinite(entry) else math.nan for entry in row] for row in h]
        ggrid, a = numbers(case.inputs["ggrid"][n]), numbers(case.inputs["cotangent_theta"][n])
        a = [a[:3], a[3:6], [*a[6:], 0]] if eight else a
        moving, flat = moved(h), moved(ggrid).reshape(-1, 2)
        grid = exact.projective_grid(h, height, width, align_corners)
        coordinates = [_on_the_horizon(part) for row in grid for p in row for part in p]
        add("forward/grid", coordinates, list(grid_moves(moving, columns)))
        gh = parameters(gradient(moving, columns, flat))
        first = exact.projective_grid_gradient(ggrid, h, align_corners)
        add("vjp/gtheta", parameters(first), [part.move for part in gh])
        gggrid, gh = second_gradients(moved(a), moving, columns, flat)
        second = exact.projective_grid_second_gradient(a, ggrid, h, align_corners)
        add("second_vjp/gggrid", second.gggrid, [part.move for part in gggrid.ravel()])
        add("second_vjp/gtheta", parameters(second.gh), [part.move for part in parameters(gh)])
    return {
        path: Answer.of(c, case.inputs[argument].shape, sums[path], moves[path])
        for (path, argument), c in zip(OUTPUTS.items(), CONSTANTS, strict=True)
    }


def _on_the_horizon(part: Sum) -> Sum:
    """Return a coordinate; the 0 of a point that does not move off along this axis is exact."""
    return Sum() if isinstance(part.value, float) and part.value == 0 else part


def homography_matrix(case: Case, convention: str) -> Answers:
    """Return the answers of homography_matrix."""
    matrices = [exact.homography(theta) for theta in numbers(case.inputs["theta"])]
    gradients = [np.array(g, object).ravel()[:8].tolist() for g in numbers(case.inputs["gmatrix"])]
    return {
        "forward/matrix": Answer.of(4.0, case.inputs["gmatrix"].shape, _copied(matrices)),
        "vjp/gtheta": Answer.of(4.0, case.inputs["theta"].shape, _copied(gradients)),
    }


def _copied(nested: Any) -> Any:
    return [_copied(part) for part in nested] if isinstance(nested, list) else Sum((nested,))


JUDGES = {"homography_matrix": Judge(homography_matrix), "projective_grid": Judge(projective_grid)}
