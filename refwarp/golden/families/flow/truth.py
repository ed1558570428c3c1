"""The truth about flow_grid and affine_motion.

In flow_grid a pixel's place x_t moves as an affine grid's points do (`target_move`), and its motion stays: it is given.
c = 4. In affine_motion the point that theta acts on moves, times the matrix of (HSTN 5) and times s/2 in pixels. The
usual program also subtracts the identity's grid from that of theta, which rounds theta's coordinates, sums of numbers
up to |a x| + |b y| + |c|, and |x| itself: three roundings of those, 3 u of e = 6 u. The gradient moves with the
points. c = 6 (docs/flow.md).
"""

from __future__ import annotations

import numpy as np

from refwarp.exact import flow as exact
from refwarp.exact.affine import target_coordinate
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.pixels import target_move


def flow_grid(case: Case, convention: str) -> Answers:
    """Return the answers of flow_grid."""
    align_corners, unit = case.options["align_corners"], case.options["unit"]
    flow, ggrid = case.inputs["flow"], case.inputs["ggrid"]
    grids = [exact.flow_grid(field, align_corners, unit) for field in numbers(flow) if flow.size]
    gradients = [exact.flow_gradient(field, align_corners, unit) for field in numbers(ggrid) if flow.size]
    moves = np.zeros(ggrid.shape, object)
    for axis, size in enumerate((flow.shape[3], flow.shape[2])):
        moves[..., axis] = target_move(size, align_corners)
    return {
        "forward/grid": Answer.of(4.0, ggrid.shape, grids, moves),
        "vjp/gflow": Answer.of(4.0, flow.shape, gradients),
    }


def affine_motion(case: Case, convention: str) -> Answers:
    """Return the answers of affine_motion."""
    align_corners, unit = case.options["align_corners"], case.options["unit"]
    (_, _, height, width), sizes = case.options["size"], case.options["size"][:1:-1]
    factors = [exact.pixels(size, align_corners, unit) for size in sizes]
    steps = [target_move(size, align_corners) for size in sizes]
    xs, ys = ([abs(target_coordinate(j, size, align_corners)) for j in range(size)] for size in sizes)
    motions, gradients, motion_moves, gradient_moves = [], [], [], []
    for theta, gflow in zip(numbers(case.inputs["theta"]), numbers(case.inputs["gflow"]), strict=True):
        motions.append(exact.affine_motion(theta, height, width, align_corners, unit))
        gradients.append(exact.affine_motion_gradient(gflow, align_corners, unit))
        moves = np.zeros((2, height, width), object)
        for r, (factor, row, linear) in enumerate(zip(factors, theta, exact.converter(theta), strict=True)):
            a, b, c = (abs(entry) for entry in row)
            step = abs(linear[0]) * steps[0] + abs(linear[1]) * steps[1]
            for i, j in np.ndindex(height, width):
                moves[r, i, j] = factor * (step + a * xs[j] + b * ys[i] + c + (xs[j], ys[i])[r])
            total = factor * sum(abs(g) for line in gflow[r] for g in line)
            gradient_moves.append([total * steps[0], total * steps[1], 0])
        motion_moves.append(moves)
    return {
        "forward/flow": Answer.of(6.0, case.inputs["gflow"].shape, motions, motion_moves),
        "vjp/gtheta": Answer.of(6.0, case.inputs["theta"].shape, gradients, gradient_moves),
    }


JUDGES = {"flow_grid": Judge(flow_grid), "affine_motion": Judge(affine_motion)}
