"""Transformations that a spatial transformer predicts: parameters, the identity, and the grid (STN, Sect. 3.2).

Each says how many parameters it has for a map (`count`), which of them are the identity (`identity`), and makes the
sampling grid from them (`grid`), by a function of `refwarp.grids`.

The horizon of a projective transformation. Where the denominator D of a homography is 0 at an output pixel, the grid is
infinite there. `projective_grid` says what follows: with zeros padding such a pixel is 0, with border padding one of
the border, and it sends nothing back, so neither the loss nor a gradient becomes NaN or infinite by it. (It does if all
three rows are 0 at a pixel, or with reflection padding, for infinity has no mirror image.) Beyond the horizon the
formula goes on. Near it gradients grow as 1/D, at the few pixels that still fall on the map: clip the gradients of the
localisation in training. Or keep the horizon off the output: with

    g = (b/2) tanh(2 theta_7 / b),  h = (b/2) tanh(2 theta_8 / b),  0 < b < 1

as the entries of the last row, D = g x + h y + 1 > 1 - b for every pixel, whatever theta is (`Projective(bound=b)`).
Close to the identity these are theta_7 and theta_8 themselves: the derivative of both at 0 is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autograd_core import Tensor
from autograd_core.arrays import array_module
from autograd_core.functions import concatenate, reshape, tanh
from autograd_core.layers import Module
from refwarp.arguments import check_array, check_count, check_option, number
from refwarp.grids.affine import affine_grid
from refwarp.grids.affine_parameters import (
    attention_grid,
    rotation_scale_translation_grid,
    similarity_grid,
    translation_grid,
)
from refwarp.grids.linear_basis import affine_basis, linear_basis_grid
from refwarp.grids.piecewise_affine import piecewise_affine_grid
from refwarp.grids.projective import projective_grid
from refwarp.grids.thin_plate_spline.function import tps_grid

Array = np.ndarray[Any, Any]
Size = tuple[int, int, int, int]


class Transformation(Protocol):
    """What a spatial transformer asks of a transformation.

    Attributes
    ----------
    count : int
        How many parameters it has for one map.
    identity : ndarray, shape (count,)
        The parameters that leave a map as it is, in float64.
    """

    @property
    def count(self) -> int: ...  # noqa: D102 - described above

    @property
    def identity(self) -> Array: ...  # noqa: D102 - described above

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map.

        Parameters
        ----------
        theta : Tensor, shape (N, count)
            The parameters.
        size : (int, int, int, int)
            (N, C, H, W) of the output.
        align_corners : bool
            Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

        Returns
        -------
        Tensor, shape (N, H, W, 2)
            The points (x, y) of the input, of theta's dtype.
        """
        ...


@dataclass(frozen=True)
class Translation:
    """A translation: t_x, t_y, as `translation_grid` takes them."""

    count = 2

    @property
    def identity(self) -> Array:
        """No shift."""
        return np.zeros(2)

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        grid: Tensor = translation_grid(theta, size, align_corners)
        return grid


@dataclass(frozen=True)
class Attention:
    """An isotropic scale and a translation: s, t_x, t_y (STN Eq. 2), as `attention_grid` takes them."""

    count = 3

    @property
    def identity(self) -> Array:
        """The scale 1 and no shift."""
        return np.array([1.0, 0.0, 0.0])

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        grid: Tensor = attention_grid(theta, size, align_corners)
        return grid


@dataclass(frozen=True)
class Similarity:
    """An isotropic scale, a rotation and a translation: s, a, t_x, t_y, as `similarity_grid` takes them."""

    count = 4

    @property
    def identity(self) -> Array:
        """The scale 1, no angle and no shift."""
        return np.array([1.0, 0.0, 0.0, 0.0])

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        grid: Tensor = similarity_grid(theta, size, align_corners)
        return grid


@dataclass(frozen=True)
class RotationScaleTranslation:
    """A rotation, scales given by their logarithms and a translation: a, l_x, l_y, t_x, t_y (LMS, Sect. 6.4).

    Parameters
    ----------
    translate_first : bool
        The order of the three, as `rotation_scale_translation_grid` takes it.
    """

    translate_first: bool = False
    count = 5

    def __post_init__(self) -> None:
        """Refuse an order that is none."""
        check_option("translate_first", self.translate_first, (False, True))

    @property
    def identity(self) -> Array:
        """No angle, the scales 2^0 and no shift."""
        return np.zeros(5)

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        grid: Tensor = rotation_scale_translation_grid(theta, size, align_corners, self.translate_first)
        return grid


@dataclass(frozen=True)
class Affine:
    """Any affine transformation, the six entries of its matrix row by row (STN Eq. 1)."""

    count = 6

    @property
    def identity(self) -> Array:
        """The entries of [1 0 0; 0 1 0]."""
        return np.eye(2, 3).reshape(-1)

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        grid: Tensor = affine_grid(reshape(theta, (-1, 2, 3)), size, align_corners)
        return grid


# What is predicted if nothing else is said; it cannot be changed.
AFFINE = Affine()


@dataclass(frozen=True)
class Projective:
    """A homography, the entries of its matrix row by row without the last, which is 1.

    Parameters
    ----------
    bound : float, optional
        Above 0 and below 1: the last row is made of theta_7 and theta_8 in such a way that the horizon stays off the
        output, see the module. Without it they are its entries.

    Raises
    ------
    ValueError
        If the bound is anything else.
    """

    bound: float | None = None
    count = 8

    def __post_init__(self) -> None:
        """Refuse an impossible bound."""
        if self.bound is not None:
            number("bound", self.bound, "a number above 0 and below 1, or None", lambda b: 0 < b < 1)

    @property
    def identity(self) -> Array:
        """The entries of the identity matrix, but for the last."""
        return np.eye(3).reshape(-1)[:8]

    def entries(self, theta: Tensor) -> Tensor:
        """Return the entries of the matrices without the last, (N, 8): theta, with the last row within its bound."""
        if self.bound is None:
            return theta
        half = self.bound / 2
        return concatenate([theta[:, :6], half * tanh(theta[:, 6:] / half)], axis=1)

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        grid: Tensor = projective_grid(self.entries(theta), size, align_corners)
        return grid


@dataclass(frozen=True)
class ThinPlateSpline:
    """A thin plate spline; the parameters are where its control points come from, x and y of one after the other.

    Parameters
    ----------
    points : (int, int)
        Rows and columns of the control points, which lie on a regular grid with corners at -1 and 1, row after row.
    smoothing : float
        As `tps_grid` takes it.

    Raises
    ------
    ValueError
        If there are not at least two rows and two columns.
    """

    points: tuple[int, int] = (4, 4)
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Refuse control points on a line."""
        for length in self.points:
            check_count("points", length, least=2)

    @property
    def count(self) -> int:
        """Two for each control point."""
        return 2 * self.points[0] * self.points[1]

    @property
    def identity(self) -> Array:
        """The control points themselves."""
        return regular_points(*self.points).reshape(-1)

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        # In theta's dtype, so that the identity in that dtype sends every control point to itself exactly.
        control = array_module(theta.data).asarray(regular_points(*self.points), theta.dtype)
        points = reshape(theta, (theta.shape[0], -1, 2))
        grid: Tensor = tps_grid(points, size, control, align_corners, self.smoothing)
        return grid


@dataclass(frozen=True)
class PiecewiseAffine:
    """A mesh of triangles; the parameters are where its vertices come from, x and y of one after the other.

    Parameters
    ----------
    vertices : (int, int)
        Rows and columns of the vertices, which lie on a regular grid with corners at -1 and 1, row after row.

    Raises
    ------
    ValueError
        If there are not at least two rows and two columns.
    """

    vertices: tuple[int, int] = (4, 4)

    def __post_init__(self) -> None:
        """Refuse a mesh without cells."""
        for length in self.vertices:
            check_count("vertices", length, least=2)

    @property
    def count(self) -> int:
        """Two for each vertex."""
        return 2 * self.vertices[0] * self.vertices[1]

    @property
    def identity(self) -> Array:
        """The vertices themselves."""
        return regular_points(*self.vertices).reshape(-1)

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`."""
        grid: Tensor = piecewise_affine_grid(reshape(theta, (-1, *self.vertices, 2)), size, align_corners)
        return grid


class LinearBasis(Module):
    """Any linear combination of basis functions, T = M_theta B (STN, Sect. 3.2), with B fixed or learnt.

    The parameters are the entries of M (2, K) row by row: the coefficients of x, then those of y. B is given at the
    pixels of the output, so it serves outputs of one size only, and belongs to the state of a network.

    Parameters
    ----------
    basis : ndarray, shape (K, H, W)
        The basis functions at the output's pixels: of `affine_basis`, `bernstein_basis`, `thin_plate_spline_basis`, or
        any others.
    identity : ndarray, shape (2, K)
        The coefficients of the identity: (1, 0, 0) and (0, 1, 0) for `affine_basis`; for `bernstein_basis` of degree n
        those of ``regular_points(n + 1, n + 1).T``, and for a thin plate spline its control points.
    learnable : bool
        Whether B is a parameter, from the given one on.
    dtype : dtype
        Of B, and so of theta.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape.
    """

    def __init__(self, basis: Array, identity: Array, learnable: bool = False, dtype: Any = np.float32) -> None:
        check_array("basis", basis, "(K, H, W)", (None, None, None))
        check_array("identity", identity, f"(2, {len(basis)}), as basis has {len(basis)} functions", (2, len(basis)))
        check_option("learnable", learnable, (False, True))
        self.count = 2 * len(basis)
        self.identity = identity.astype(np.float64).reshape(-1)
        if learnable:
            self.basis = Tensor(basis.astype(dtype), requires_grad=True)
        else:
            self.buffers = {"basis": basis.astype(dtype)}

    def grid(self, theta: Tensor, size: Size, align_corners: bool) -> Tensor:
        """Return the sampling grid of each map, see `Transformation`.

        Raises
        ------
        ValueError
            If the output has another size than the basis.
        """
        basis = Tensor(self.buffers["basis"]) if self.buffers else self.basis
        if size[2:] != basis.shape[1:]:
            raise ValueError(
                f"basis: given functions at {basis.shape[1]} x {basis.shape[2]} pixels for an output of {size[2]} x "
                f"{size[3]}, expected the same; the transformer's size is that of its output"
            )
        grid: Tensor = linear_basis_grid(reshape(theta, (theta.shape[0], 2, -1)), basis)
        return grid


def regular_points(rows: int, columns: int) -> Array:
    """Return a grid of points (x, y) with corners at -1 and 1, (rows columns, 2), row after row.

    Examples
    --------
    >>> regular_points(2, 3).tolist()
    [[-1.0, -1.0], [0.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    """
    basis = affine_basis((1, 1, rows, columns), align_corners=True)
    return np.ascontiguousarray(basis[:2].reshape(2, -1).T)
