"""The truth about NAME.

As in an affine grid, the centres of pixels are what rounding moves (`target_move`). c = 4.
"""

from __future__ import annotations

from refwarp.exact import NAME as exact
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.pixels import target_move


def NAME(case: Case, convention: str) -> Answers:
    """Return the answers of NAME."""
    align_corners, (_, _, height, width) = case.options["align_corners"], case.options["size"]
    moves = [target_move(size, align_corners) for size in (width, height)]
    grids, gradients, grid_moves, gradient_moves = [], [], [], []
    for theta, ggrid in zip(numbers(case.inputs["theta"]), numbers(case.inputs["ggrid"]), strict=True):
        grids.append(exact.NAME(theta, height, width, align_corners))
        gradients.append(exact.NAME_gradient(ggrid, align_corners))
        point_moves = [abs(factor) * move for factor, move in zip(theta, moves, strict=True)]  # (NAME.1)
        grid_moves.append([[point_moves] * width] * height)
        totals = [sum(abs(point[r]) for row in ggrid for point in row) for r in range(2)]
        gradient_moves.append([total * move for total, move in zip(totals, moves, strict=True)])  # (NAME.2)
    return {
        "forward/grid": Answer.of(4.0, case.inputs["ggrid"].shape, grids, grid_moves),
        "vjp/gtheta": Answer.of(4.0, case.inputs["theta"].shape, gradients, gradient_moves),
    }


JUDGES = {"NAME": Judge(NAME)}
