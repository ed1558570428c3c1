"""The truth about linear_basis_grid and the ready-made bases.

The grid is a sum of products of given numbers, and so are its derivatives: nothing in it moves, and c = 4 for all of
them. Its second derivatives are, for cotangents C of gM and E of gB,

    gggrid = C B + M E,   gM_rk = sum over p of ggrid_r(p) E_k(p),   gB_k(p) = sum over n, r of C_nrk ggrid_nr(p)

The bases have no input. Of the affine one x and y move as the points of an affine grid do (`target_move`), and c = 1:
each is a quotient, rounded once. A Bernstein polynomial of degree n has slopes of at most n in t = (x + 1)/2, which
moves half as far as x; its powers, multiplied out in working precision, have n roundings of their own, times u < e; and
the other factor is at most 1. c = 3: two factors and a product, rounded once each (docs/linear_basis.md).
"""

from __future__ import annotations

import numpy as np

from refwarp.exact import linear_basis as exact
from refwarp.golden.case import Case, Floats
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.moved import Numbers, answer, moved
from refwarp.golden.judging.pixels import target_move


def linear_basis_grid(case: Case, convention: str) -> Answers:
    """Return the answers of linear_basis_grid: products of M, B and G, with a row for each image and axis."""
    (batch, _, count), (_, height, width) = case.inputs["M"].shape, case.inputs["B"].shape

    def flat(array: Floats, *shape: int) -> Numbers:
        return moved(np.array(numbers(array), object).reshape(shape))

    m, c = (flat(case.inputs[name], 2 * batch, count) for name in ("M", "cotangent_M"))
    b, e = (flat(case.inputs[name], count, height * width) for name in ("B", "cotangent_B"))
    g = flat(case.inputs["ggrid"].transpose(0, 3, 1, 2), 2 * batch, height * width)

    def grid(rows: Numbers) -> Answer:
        points = rows.reshape(batch, 2, height, width).transpose(0, 2, 3, 1)
        return answer(4.0, points.shape, points)

    with np.errstate(invalid="ignore"):  # infinity times 0 is NaN, as it should be
        found = {
            "vjp/gM": g @ b.T,  # (linear_basis.2)
            "vjp/gB": m.T @ g,  # (linear_basis.3)
            "second_vjp/gM": g @ e.T,
            "second_vjp/gB": c.T @ g,
        }
        return {
            "forward/grid": grid(m @ b),  # (linear_basis.1)
            "second_vjp/gggrid": grid(c @ b + m @ e),
            **{path: answer(4.0, case.inputs[path[-1]].shape, rows) for path, rows in found.items()},
        }


def affine_basis(case: Case, convention: str) -> Answers:
    """Return the answer of affine_basis."""
    (_, _, height, width), align_corners = case.options["size"], case.options["align_corners"]
    basis = np.array(exact.affine_basis(height, width, align_corners), object).reshape(3, height, width)
    moves = np.zeros(basis.shape, object)
    moves[0], moves[1] = target_move(width, align_corners), target_move(height, align_corners)
    return {"forward/basis": answer(1.0, basis.shape, moved(basis, moves))}


def bernstein_basis(case: Case, convention: str) -> Answers:
    """Return the answer of bernstein_basis."""
    (_, _, height, width), align_corners = case.options["size"], case.options["align_corners"]
    degree = case.options["degree"]
    shape = (degree + 1) ** 2, height, width
    basis = np.array(exact.bernstein_basis(degree, height, width, align_corners), object).reshape(shape)
    slopes = sum(target_move(size, align_corners) for size in (height, width)) / 2
    moves = degree * slopes + 2 * degree * basis
    return {"forward/basis": answer(3.0, shape, moved(basis, moves))}


JUDGES = {
    "linear_basis_grid": Judge(linear_basis_grid),
    "affine_basis": Judge(affine_basis),
    "bernstein_basis": Judge(bernstein_basis),
}
