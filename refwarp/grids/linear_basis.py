"""The linear basis grid: STN's T = M_theta B, with B learnable, and ready-made B.

    grid_nijr = sum over k of M_nrk B_kij                                              (linear_basis.1)

M (N, 2, K) has one row for x and one for y, B (K, H, W) holds K basis functions at the output's points: a product of
matrices (`matrix_product`). The gradients are products too, and so are theirs, to any order:

    gM_nrk = sum over i, j of ggrid_nijr B_kij                                         (linear_basis.2)
    gB_kij = sum over n, r of M_nrk ggrid_nijr                                         (linear_basis.3)

Ready-made bases, at the output's points x_j = (2 j + 1 - W) / s, s = W - 1 (align_corners) or W, and y_i likewise
(an axis of one pixel has its point at 0):

    affine      B = (x, y, 1)                                                          (linear_basis.4)
    Bernstein   B_(k, m) = b_k(t(y)) b_m(t(x)),  b_k(t) = C(n, k) t^k (1 - t)^(n - k)  (linear_basis.5)
                t(x) = (x + 1)/2 = (2 j + 1 - W + s) / (2 s)                           (linear_basis.6)

and `thin_plate_spline_basis`. Axes: grid (N, H, W, 2), x first, in [-1, 1].
"""

from __future__ import annotations

import math
from itertools import accumulate, repeat
from operator import mul
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.arguments import is_integer
from autograd_core.functions import reshape, transpose
from refwarp.arguments import (
    LARGEST_POINTS,
    apply_as_given,
    check_array,
    check_option,
    check_same_dtype,
    check_size,
    public,
    shown,
)
from refwarp.grids.matrix_product import MatrixProduct

Array = np.ndarray[Any, Any]

# A basis of this degree has a million functions.
LARGEST_DEGREE = 1024


@public
def linear_basis_grid(M: Any, B: Any) -> Any:
    """Return the sampling grid M B: a linear combination of basis functions for each coordinate.

    Parameters
    ----------
    M : ndarray or Tensor, shape (N, 2, K)
        For each image the coefficients of x and of y; float16, float32 or float64.
    B : ndarray or Tensor, shape (K, H, W)
        The basis functions at the output's points, of the dtype of `M`; shared by all images.

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of the dtype of `M`; a Tensor if one of the arguments is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    STN, section 3.2. Every element is within (4 + log2 k) u M + k eta of its exact value, k and M the number of its
    non-zero terms and the sum of their absolute values; so is every derivative, of any order.

    STN calls this a superset of the projective transformations. With two rows it is not, unless the basis is as large
    as the grid: a homography divides by a third row.

    Examples
    --------
    >>> M = np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    >>> linear_basis_grid(M, affine_basis((1, 1, 1, 2))).tolist()
    [[[[0.0, 0.0], [1.0, 0.0]]]]
    """
    check_array("M", M, "(N, 2, K)", (None, 2, None))
    check_array("B", B, "(K, H, W)", (None, None, None))
    check_same_dtype("B", B, "M", M)
    batch, _, count = M.shape
    if B.shape[0] != count:
        raise ValueError(f"B: given {B.shape[0]} basis functions while M has {count} columns, expected the same")
    _, height, width = B.shape

    def grid(M: Tensor, B: Tensor) -> Tensor:
        m, b = reshape(M, (1, 2 * batch, count)), reshape(B, (1, count, height * width))
        rows = MatrixProduct.apply(m, b)  # (linear_basis.1); going back, (linear_basis.2) and (linear_basis.3)
        return transpose(reshape(rows, (batch, 2, height, width)), (0, 2, 3, 1))

    return apply_as_given(grid, M, B)


# ---- ready-made bases ----


@public
def affine_basis(size: Any, align_corners: bool = False) -> Array:
    """Return the basis of affine transformations, the points in homogeneous coordinates (x, y, 1).

    Parameters
    ----------
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled; N and C are not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray, shape (3, H, W)
        x, y and 1 at each output pixel, float64.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Examples
    --------
    >>> affine_basis((1, 1, 1, 2)).tolist()
    [[[-0.5, 0.5]], [[0.0, 0.0]], [[1.0, 1.0]]]
    """
    check_option("align_corners", align_corners, (False, True))
    _, _, height, width = check_size(size)
    basis = np.ones((3, height, width))  # (linear_basis.4)
    basis[0] = _points(width, align_corners)  # (linear_basis.4)
    basis[1] = _points(height, align_corners)[:, None]  # (linear_basis.4)
    return basis


@public
def bernstein_basis(degree: int, size: Any, align_corners: bool = False) -> Array:
    """Return products of Bernstein polynomials in x and in y: free-form deformation, or a Bezier patch.

    Parameters
    ----------
    degree : int
        The degree n in each direction, from 0 to 1024.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled; N and C are not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray, shape ((degree + 1)^2, H, W)
        The basis functions, float64, that of x running fastest. Coefficients that lie on a regular grid with corners
        at -1 and 1, in this order, give the identity (from degree 1 on).

    Raises
    ------
    TypeError, ValueError
        If an argument is none of the above.

    Notes
    -----
    HSTN's related work calls these a B-spline; they are one without interior knots. Each factor is rounded once.

    Examples
    --------
    >>> bernstein_basis(1, (1, 1, 1, 2)).reshape(4, 2).tolist()
    [[0.375, 0.125], [0.125, 0.375], [0.375, 0.125], [0.125, 0.375]]
    """
    if not (is_integer(degree, least=0) and degree <= LARGEST_DEGREE):
        raise ValueError(
            f"degree: given {shown(degree)}, expected a non-negative integer of at most {LARGEST_DEGREE:,}"
        )
    check_option("align_corners", align_corners, (False, True))
    _, _, height, width = check_size(size)
    if (degree + 1) ** 2 * height * width > LARGEST_POINTS:
        raise ValueError(
            f"degree: given {degree}, whose basis has {(degree + 1) ** 2:,} functions, expected at most "
            f"{LARGEST_POINTS:,} values with size {shown(size)}"
        )
    products = np.empty((degree + 1, degree + 1, height, width))  # first, for there may be no room
    x, y = (_bernstein_polynomials(degree, length, align_corners) for length in (width, height))
    np.multiply(y[:, None, :, None], x[None, :, None, :], out=products)  # (linear_basis.5)
    return products.reshape((degree + 1) ** 2, height, width)


def _points(length: int, align_corners: bool) -> Array:
    """Return the coordinates of the pixels of an axis, each rounded once."""
    points: Array = (2.0 * np.arange(length) + 1.0 - length) / max(length - align_corners, 1)
    return points


def _bernstein_polynomials(degree: int, length: int, align_corners: bool) -> Array:
    """Return b_0 to b_n at the pixels of an axis, (n + 1, length), each a quotient of integers rounded once."""
    scale = max(length - align_corners, 1)
    table = np.empty((degree + 1, length))
    binomials = [math.comb(degree, k) for k in range(degree + 1)]
    for j in range(length):
        t, whole = 2 * j + 1 - length + scale, 2 * scale  # (linear_basis.6)
        rising, falling = (list(accumulate(repeat(base, degree), mul, initial=1)) for base in (t, whole - t))
        divisor = whole**degree
        factors = zip(binomials, rising, reversed(falling), strict=True)
        table[:, j] = [c * a * b / divisor for c, a, b in factors]  # (linear_basis.5)
    return table
