"""The affine grid, transcribed literally: STN Eq. (1).

    x_s = theta_11 x_t + theta_12 y_t + theta_13
    y_s = theta_21 x_t + theta_22 y_t + theta_23                                        (STN 1)

(x_t, y_t) are the centres of the output pixels in [-1, 1]; the paper does not specify where in the pixel -1 is:

    x_t(j) = (2 j + 1) / W - 1        align_corners=False: -1 is the outer edge of the first pixel
    x_t(j) = 2 j / (W - 1) - 1        align_corners=True:  -1 is its centre             (affine.1)

On an axis of one pixel the centre is 0 in both. The gradient is one sum for each parameter:

    gtheta_rk = sum over i, j of ggrid_ijr (x_t(j), y_t(i), 1)_k                        (affine.2)
"""

from __future__ import annotations

from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation

Grid = list[list[list[Sum]]]


def target_coordinate(j: int, size: int, align_corners: bool) -> Fraction:
    """Return the normalised coordinate of output pixel `j` of `size` (affine.1)."""
    if size == 1:
        return Fraction(0)
    if align_corners:
        return Fraction(2 * j, size - 1) - 1  # (affine.1)
    return Fraction(2 * j + 1, size) - 1  # (affine.1)


def affine_grid(theta: list[list[Number]], height: int, width: int, align_corners: bool) -> Grid:
    """Return the sampling grid of one image, (height, width, 2) with x first (STN 1).

    Parameters
    ----------
    theta : 2 x 3 nested list of numbers
        The rows of A_theta.
    height, width : int
        The size of the output.
    align_corners : bool
        Which points of the corner pixels lie at -1 and 1 (affine.1).

    Returns
    -------
    nested list of Sum
    """
    grid = []
    for i in range(height):
        row = []
        for j in range(width):
            x = target_coordinate(j, width, align_corners)
            y = target_coordinate(i, height, align_corners)
            row.append([Sum((a * x, b * y, t)) for a, b, t in theta])  # (STN 1)
        grid.append(row)
    return grid


def affine_grid_gradient(ggrid: list[list[list[Number]]], align_corners: bool) -> list[list[Sum]]:
    """Return the gradient with respect to theta of one image, 2 x 3 (affine.2)."""
    height, width = len(ggrid), len(ggrid[0]) if ggrid else 0
    gtheta = [[Sum() for _ in range(3)] for _ in range(2)]
    for i in range(height):
        for j in range(width):
            x = target_coordinate(j, width, align_corners)
            y = target_coordinate(i, height, align_corners)
            for r in range(2):
                gtheta[r][0].add(ggrid[i][j][r] * x)  # (affine.2)
                gtheta[r][1].add(ggrid[i][j][r] * y)
                gtheta[r][2].add(ggrid[i][j][r])
    return gtheta


LEDGER = (
    Equation(
        "STN",
        "1",
        "affine grid",
        "holds",
        "the position of -1 and 1 within the corner pixels is not specified: align_corners",
        ("refwarp.exact.affine.affine_grid", "refwarp.grids.affine._forward"),
        (
            "tests/exact/test_bilinear.py::test_the_affine_gradient_is_the_transpose_of_the_grid",
            "tests/exact/test_bilinear.py::test_the_identity_reaches_every_pixel_centre",
        ),
    ),
    Equation(
        "STN",
        "contraction (section 3.2)",
        '"a contraction (i.e. the determinant of the left 2 x 2 sub-matrix has magnitude less than unity)"',
        "wrong",
        "a contraction brings all points closer together, so its singular values are below 1; a determinant below 1 "
        "only reduces the area of the grid, as the text says: diag(4, 0.1) has 0.4, and leads out of the map",
        ("refwarp.exact.affine.affine_grid", "refwarp.grids.affine.affine_grid"),
        ("tests/exact/test_remarks.py::test_a_determinant_below_one_is_no_contraction",),
    ),
)
