"""The thin plate spline grid: DTN Eqs. (1) to (3), and its gradients to the fiducial and the control points.

The spline sends each control point c_k to the fiducial point f_k, and bends as little as it can in between:

    T = (D^-1 [F^T; 0])^T                                                              (DTN 1)
    D = [1 C^T R; 0 0 1; 0 0 C],  R_jk = d^2 ln d^2,  d = |c_j - c_k|                  (DTN 2)
    p_i = T q_i,  q = [1, x, y, d^2 ln d^2 to each control point]                      (DTN 3)

Order the unknowns as [w; a], the weights of the control points and the affine part, and the equations likewise: then

    A t = [F; 0],  A = [R + sI, H^T; H, 0],  t = [w; a],  H the rows x, y, 1 at the control points  (spline.1)

is the same system, symmetric; s is a smoothing weight (0: the spline interpolates). With z the first K columns of
A^-1, the spline in cardinal form is a linear basis whose functions depend on the control points only:

    grid_i = sum over k of f_k b_k(p_i),  b_k(p) = sum over j of z_jk q_j(p)           (spline.2)

The sum over k goes first: z and q are kept from call to call, and b itself is not formed. The gradient to the fiducial
points is the transposed product, with the sum over pixels first, and so is that one's to its cotangent G:

    gf_k = sum over i of G_i b_k(p_i)                                                  (spline.3)

To the control points, with l = A^-1 sum_i q(p_i) G_i, both q and A depend on c:

    gc_j = sum over i of (w_j . G_i) f'(c_j - p_i) - h_j                               (spline.4)
    h_j = sum over k of S_jk f'(c_j - c_k) + sum over x, y of S_ja,  S = l t^T + t l^T (spline.5)

with f' the radial function's gradient; h is the gradient of l^T A t to c. The second derivatives follow from these by
the same rules, each made of differentiable pieces.

A is solved to the last bit, see `system`, unless its condition number tells that control points (nearly)
coincide or lie on a line: these are refused. All is computed in float64. On a GPU everything but the solution of A,
which is small, and stays with the CPU.

Axes: points (N, K, 2), control (K, 2) or (N, K, 2), grid (N, H, W, 2); x first, in [-1, 1].
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module, is_array, read_only
from autograd_core.function import Context
from autograd_core.functions import astype, concatenate, matrix_transpose, pad, reshape, transpose
from autograd_core.tensor import as_tensor
from refwarp.arguments import apply_as_given, check_array, check_option, check_same_dtype, check_size, number, public
from refwarp.backend.launch import runs_on_cuda
from refwarp.grids.linear_basis import Array, affine_basis
from refwarp.grids.matrix_product import MatrixProduct, matrix_product
from refwarp.grids.thin_plate_spline.radial import RadialGradient, RadialMatrix, radial_matrix
from refwarp.grids.thin_plate_spline.system import LARGEST_COUNT, spline_system

# To solve for so many control points takes more than a second or two.
_MANY = 800


class Lattice(NamedTuple):
    """The output's pixels, at which a spline is evaluated."""

    height: int
    width: int
    align_corners: bool

    def homogeneous(self, xp: ModuleType) -> Any:
        """Return the rows x, y, 1 at each pixel, (3, H W), as an array of the library `xp`."""
        return xp.asarray(affine_basis((1, 1, self.height, self.width), self.align_corners).reshape(3, -1))


def _told(count: int) -> AbstractContextManager[Any]:
    """Show on a terminal, within a `with` block, that so many control points take a while."""
    if count < _MANY:
        return nullcontext()
    from refwarp.terminal.console import TextConsole  # which takes time to import

    return TextConsole(stderr=True).status(f"Solving a thin plate spline of {count:,} control points, once ...")


@lru_cache(maxsize=4)
def _factors(control: bytes, smoothing: float, lattice: Lattice, xp: ModuleType, on_cuda: bool) -> tuple[Any, Any]:
    """Return z (K + 3, K) and q (K + 3, H W) of (spline.2), read-only, as arrays of the library `xp`.

    What CUDA computes may differ in the last bits, so calls that run on the CPU do not get it: hence `on_cuda`.
    """
    centres = np.frombuffer(control).reshape(-1, 2)
    count, points = len(centres), lattice.homogeneous(xp)
    with _told(count):
        z = xp.asarray(spline_system(control, smoothing).solve(np.eye(count + 3, count)))  # (spline.2): z
    q = xp.empty((count + 3, points.shape[1]))
    q[:count] = radial_matrix(xp.asarray(centres)[None], points[None, :2].swapaxes(1, 2))[0]  # (DTN 3): q
    q[count:] = points
    return read_only(z), read_only(q)


def _factors_of(control: Any, smoothing: float, lattice: Lattice) -> tuple[Any, Any]:
    """Return z and q for each set of control points (B, K, 2): (B, K + 3, K) and (B, K + 3, H W)."""
    xp, count = array_module(control), control.shape[1]
    kept = [_factors(c.tobytes(), smoothing, lattice, xp, runs_on_cuda(control)) for c in control]
    if len(kept) == 1:
        return kept[0][0][None], kept[0][1][None]
    pixels = lattice.height * lattice.width
    z, q = xp.empty((len(kept), count + 3, count)), xp.empty((len(kept), count + 3, pixels))
    for b, factors in enumerate(kept):
        z[b], q[b] = factors
    return z, q


# ---- the Functions: one set of control points for m columns of coordinates ----


class Solution(Function):
    """(right (B, K + 3, m), control (B, K, 2)) -> A^-1 right."""

    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, right: Any, control: Any, *, smoothing: float) -> Any:
        """Solve the equations of the spline; with [F; 0] on the right that gives its coefficients."""
        out, rights = np.empty(right.shape), Tensor(right).numpy()
        for b, centres in enumerate(control):
            out[b] = spline_system(centres.tobytes(), smoothing).solve(rights[b])  # (DTN 1), (spline.1)
        return array_module(right).asarray(out)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Solve (spline.1) again, for A is symmetric, and compute (spline.5)."""
        control = ctx.inputs[1]
        gright = Solution.apply(gout, control, **ctx.parameters)  # (spline.1)
        return gright, -_system_gradient(control, gright, ctx.outputs[0]) if ctx.needs[1] else None


class Spline(Function):
    """(f (B, m, K), control (B, K, 2)) -> f b (B, m, H W)."""

    @staticmethod
    def forward(ctx: Context, f: Any, control: Any, *, smoothing: float, lattice: Lattice) -> Any:
        """Compute (spline.2), that is (DTN 3)."""
        z, q = _factors_of(control, smoothing, lattice)
        return matrix_product(matrix_product(f, z.swapaxes(1, 2)), q)  # (DTN 3), (spline.2)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (spline.3) and (spline.4)."""
        f, control = ctx.inputs
        return (
            SplineTranspose.apply(gout, control, **ctx.parameters) if ctx.needs[0] else None,
            _control_gradient(f, gout, control, **ctx.parameters) if ctx.needs[1] else None,
        )


class SplineTranspose(Function):
    """(g (B, m, H W), control (B, K, 2)) -> g b^T (B, m, K)."""

    @staticmethod
    def forward(ctx: Context, g: Any, control: Any, *, smoothing: float, lattice: Lattice) -> Any:
        """Compute (spline.3)."""
        z, q = _factors_of(control, smoothing, lattice)
        return matrix_product(matrix_product(g, q.swapaxes(1, 2)), z)  # (spline.3)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (spline.2) and (spline.4), which is symmetric in f and g."""
        g, control = ctx.inputs
        return (
            Spline.apply(gout, control, **ctx.parameters) if ctx.needs[0] else None,
            _control_gradient(gout, g, control, **ctx.parameters) if ctx.needs[1] else None,
        )


def _control_gradient(f: Tensor, g: Tensor, control: Tensor, smoothing: float, lattice: Lattice) -> Tensor:
    """Return the gradient of g . (f b) to the control points (spline.4)."""
    xp, (batch, count, _) = array_module(control.data), control.shape
    points = xp.broadcast_to(lattice.homogeneous(xp), (batch, 3, lattice.height * lattice.width))
    centres = Tensor(points[:, :2].swapaxes(1, 2))
    moments = MatrixProduct.apply(
        concatenate([RadialMatrix.apply(control, centres), Tensor(points)], axis=1), matrix_transpose(g)
    )
    right = pad(matrix_transpose(f), ((0, 0), (0, 3), (0, 0)))
    t = Solution.apply(right, control, smoothing=smoothing)
    adjoint = Solution.apply(moments, control, smoothing=smoothing)
    direct = RadialGradient.apply(control, centres, MatrixProduct.apply(t[:, :count], g), same=False)
    return direct - _system_gradient(control, adjoint, t)  # (spline.4)


def _system_gradient(control: Tensor, adjoint: Tensor, t: Tensor) -> Tensor:
    """Return the gradient of adjoint^T A t to the control points (spline.5)."""
    count = control.shape[1]
    outer = MatrixProduct.apply(adjoint, matrix_transpose(t))
    s = outer + matrix_transpose(outer)
    bent = RadialGradient.apply(control, control, s[:, :count, :count], same=True)
    return bent + s[:, :count, count : count + 2]  # (spline.5)


# ---- the public functions ----


@public
def tps_grid(points: Any, size: Any, control: Any = None, align_corners: bool = False, smoothing: float = 0.0) -> Any:
    """Return the sampling grid of a thin plate spline.

    Parameters
    ----------
    points : ndarray or Tensor, shape (N, K, 2)
        For each image the fiducial points (x, y) in the input, K from 3 to 2048; float16, float32 or float64.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    control : ndarray or Tensor, shape (K, 2) or (N, K, 2), optional
        The points of the output that go to the fiducial points, for all images or for each; of the dtype of `points`.
        They must be distinct and not on one line. Without it they are a regular grid with corners at -1 and 1, row
        after row, x running fastest, and K must be a square. (Only with align_corners=True, and with H - 1 and W - 1
        multiples of sqrt(K) - 1, are these a subset of the output's pixels, as DTN has it.)
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    smoothing : float
        Added to the diagonal of R: above 0 the spline bends less and passes by the fiducial points. It is twice
        SciPy's, whose R is d^2 ln d. No gradient flows to it.

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of the dtype of `points`; a Tensor if one of the arguments is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value, or if the control points coincide or lie on a line,
        or nearly: the message gives the condition number of the spline's equations, which may reach 10^12.

    Notes
    -----
    DTN Eqs. (1) to (3). Values and gradients are computed in float64 and rounded once; they are within
    (12 + log2 k) u M + k eta of the exact value, k the number of fiducial points or pixels that contribute, M in
    docs/thin_plate_spline.md; second derivatives have 24 for 12. Gradients flow to `points` and to `control`. The
    second derivative to `control` diverges, and is NaN, where a control point is an output pixel.

    The factorisations of the last 64 sets of control points are kept, and what the last four make of their pixels. The
    first call for a set takes time that grows with K^3: on two cores a second for some 600 points, and some 20 for
    1,600; a terminal shows that it is under way.

    Examples
    --------
    >>> corners = np.array([[[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]])
    >>> tps_grid(corners / 2, (1, 1, 2, 2)).tolist()
    [[[[-0.25, -0.25], [0.25, -0.25]], [[-0.25, 0.25], [0.25, 0.25]]]]
    """
    check_array("points", points, "(N, K, 2)", (None, None, 2))
    batch, count, _ = points.shape
    lattice = _lattice(size, align_corners)
    if size[0] != batch:
        raise ValueError(f"size: given N = {size[0]} while points has N = {batch}, expected the same")
    smoothing = number("smoothing", smoothing, "a finite number >= 0")
    if control is None:
        control = array_module(as_tensor(points).data).asarray(_regular_control(count))
        _check_count("points", count)
    else:
        _check_control(control)
        check_same_dtype("control", control, "points", points)
    if control.shape not in ((count, 2), (batch, count, 2)):
        expected = f"({count}, 2) or ({batch}, {count}, 2)"
        raise ValueError(f"control: given shape {tuple(control.shape)}, expected {expected}, as points has")

    def grid(points: Tensor, control: Tensor) -> Tensor:
        # Images that share their control points are more columns of one spline.
        sets, columns = (1, 2 * batch) if control.ndim == 2 else (batch, 2)
        f = reshape(matrix_transpose(astype(points, np.float64)), (sets, columns, count))
        centres = reshape(astype(control, np.float64), (sets, count, 2))
        rows = Spline.apply(f, centres, smoothing=smoothing, lattice=lattice)
        pixels = reshape(rows, (batch, 2, lattice.height, lattice.width))
        return astype(transpose(pixels, (0, 2, 3, 1)), points.dtype)

    return apply_as_given(grid, points, control)


@public
def thin_plate_spline_basis(control: Any, size: Any, align_corners: bool = False, smoothing: float = 0.0) -> Any:
    """Return the cardinal functions of a thin plate spline, a basis for `linear_basis_grid`.

    Parameters
    ----------
    control : ndarray, shape (K, 2)
        The control points (x, y) in the output, K from 3 to 2048; float16, float32 or float64.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled; N and C are not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    smoothing : float
        As in `tps_grid`.

    Returns
    -------
    ndarray, shape (K, H, W)
        For each control point the spline that is 1 there and 0 at the others, float64. The coefficients in
        `linear_basis_grid` are the fiducial points.

    Raises
    ------
    TypeError, ValueError
        As `tps_grid` does.

    Examples
    --------
    >>> thin_plate_spline_basis(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), (1, 1, 1, 2)).tolist()
    [[[0.75, 0.25]], [[0.25, 0.75]], [[0.0, 0.0]]]
    """
    if not is_array(control):
        raise TypeError(f"control: given {type(control).__name__}, expected a NumPy array")
    check_array("control", control, "(K, 2)", (None, 2))
    _check_control(control)
    lattice = _lattice(size, align_corners)
    smoothing = number("smoothing", smoothing, "a finite number >= 0")
    z, q = _factors_of(control.astype(np.float64)[None], smoothing, lattice)
    return matrix_product(z.swapaxes(1, 2), q).reshape(len(control), lattice.height, lattice.width)


def _regular_control(count: int) -> Array:
    """Return a square grid of control points from corner to corner (count, 2), row after row."""
    side = math.isqrt(count)
    if side * side != count or side < 2:
        raise ValueError(
            f"points: given K = {count} points for each image without control points, expected a square number from 4 "
            "on; pass control, the points of the output that go there"
        )
    corners = affine_basis((1, 1, side, side), align_corners=True)
    return np.ascontiguousarray(corners[:2].reshape(2, count).T)


def _check_control(control: Any) -> None:
    """Raise unless control points have a shape and a dtype that fit, and are at least three."""
    axes: tuple[int | None, ...] = (None, 2) if getattr(control, "ndim", 2) == 2 else (None, None, 2)
    check_array("control", control, "(K, 2) or (N, K, 2)", axes)
    _check_count("control", control.shape[-2])


def _check_count(name: str, count: int) -> None:
    """Raise unless there are at least three points, and no more than can be solved for in reasonable time."""
    if not 3 <= count <= LARGEST_COUNT:
        raise ValueError(f"{name}: given K = {count} points, expected at least 3 and at most {LARGEST_COUNT:,}")


def _lattice(size: Any, align_corners: bool) -> Lattice:
    """Return the output's pixels."""
    check_option("align_corners", align_corners, (False, True))
    _, _, height, width = check_size(size)
    return Lattice(height, width, align_corners)
