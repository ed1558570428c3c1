"""The WORDS once more, literally.

    x_s = theta_1 x_t(j)
    y_s = theta_2 y_t(i)    (NAME.1)

(x_t, y_t) are the centres of the output pixels (affine.1). The gradient is one sum for each parameter:

    gtheta_1 = sum over i, j of ggrid_ij1 x_t(j)
    gtheta_2 = sum over i, j of ggrid_ij2 y_t(i)    (NAME.2)
"""

from __future__ import annotations

from refwarp.exact.affine import Grid, target_coordinate
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation


def NAME(theta: list[Number], height: int, width: int, align_corners: bool) -> Grid:
    """Return the sampling grid of one image, (height, width, 2), x first (NAME.1)."""
    grid = []
    for i in range(height):
        row = []
        for j in range(width):
            x, y = target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)
            row.append([Sum((theta[0] * x,)), Sum((theta[1] * y,))])  # (NAME.1)
        grid.append(row)
    return grid


def NAME_gradient(ggrid: list[list[list[Number]]], align_corners: bool) -> list[Sum]:
    """Return the gradient with respect to theta of one image (NAME.2)."""
    height, width = len(ggrid), len(ggrid[0]) if ggrid else 0
    gtheta = [Sum(), Sum()]
    for i in range(height):
        for j in range(width):
            x, y = target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)
            gtheta[0].add(ggrid[i][j][0] * x)  # (NAME.2)
            gtheta[1].add(ggrid[i][j][1] * y)  # (NAME.2)
    return gtheta


# A line for each equation that a paper prints.
LEDGER: tuple[Equation, ...] = ()
