"""The truth about affine_grid."""

from __future__ import annotations

import numpy as np

from refwarp.exact import affine
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.pixels import target_move


def affine_grid(case: Case, convention: str) -> Answers:
    """Return the answers of affine_grid; here the coordinates that may move are those of the output's pixels."""
    align_corners, (_, _, height, width) = case.options["align_corners"], case.options["size"]
    thetas, ggrids = numbers(case.inputs["theta"]), numbers(case.inputs["ggrid"])
    move = [target_move(size, align_corners) for size in (width, height)]
    grids, gradients, grid_moves, gradient_moves = [], [], [], []
    for theta, ggrid in zip(thetas, ggrids, strict=True):
        grids.append(affine.affine_grid(theta, height, width, align_corners))
        gradients.append(affine.affine_grid_gradient(ggrid, align_corners))
        sensitivity = np.zeros((height, width, 2), object)
        for r in range(2):
            sensitivity[..., r] = abs(theta[r][0]) * move[0] + abs(theta[r][1]) * move[1]  # (STN 1)
            total = sum(abs(point[r]) for row in ggrid for point in row)
            gradient_moves.append([total * move[0], total * move[1], 0])  # (affine.2)
        grid_moves.append(sensitivity)
    return {
        "forward/grid": Answer.of(4.0, case.inputs["ggrid"].shape, grids, grid_moves),
        "vjp/gtheta": Answer.of(4.0, case.inputs["theta"].shape, gradients, gradient_moves),
    }


JUDGES = {"affine_grid": Judge(affine_grid)}
