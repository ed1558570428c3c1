"""Linearized multi-sampling: the planes of `kernels` as Functions, and `linearized_sample`.

Planes are linear in the map (`PlaneFit`), and values are linear in the grid (`Linearization`), so that derivatives of
every order come out. All is computed in float64 and rounded once to the dtype of the data.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module, is_array
from autograd_core.function import Context
from autograd_core.functions import astype, expand_dims, reshape, transpose
from autograd_core.tensor import as_tensor
from refwarp.arguments import (
    apply_as_given,
    check_array,
    check_maps_and_grid,
    check_option,
    check_same_dtype,
    check_same_library,
    numbers,
    public,
    shown,
)
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.conventions import PADDINGS, Rules, Size, coordinate_scale
from refwarp.samplers.bilinear.function import BilinearGradient
from refwarp.samplers.linearized import cpu, kernels
from refwarp.samplers.linearized.auxiliary import auxiliary_grid
from refwarp.samplers.linearized.kernels import GIVEN, MASKS, LeastSquares

# The number of neighbouring pixels that a thread on the CPU computes together.
BLOCK = 256

INPUT_GRADIENTS = ("none", "center", "fit")

# A plane with its intercept; the same, with the intercept left out of the value; one that is fitted without it.
BIAS_FREE = "bias-free"
INTERCEPTS = (False, True, BIAS_FREE)


class PlaneFit(Function):
    """input (N, C, H, W) -> value (N, C, pixels) and slopes (N, 2 or 0, C, pixels), of the planes at their centres.

    Linear in the input. `gradient` is the fit for its gradient.
    """

    @staticmethod
    def forward(
        ctx: Context, input: Any, *, squares: LeastSquares, gradient: LeastSquares, slopes: bool, dtype: Any
    ) -> Any:
        """Compute (LMS 5) to (LMS 7); slopes in float64."""
        xp, (batch, channels, height, width) = array_module(input), input.shape
        pixels, count = squares.auxiliary.shape[1:3]
        value = xp.empty((batch, channels, pixels), dtype)
        slope = xp.empty((batch, 2 if slopes else 0, channels, pixels))
        source, work = argument(input), value.size * (1 + count)
        if runs_on_cuda(source, squares) or not cpu.fits_chunks(Size(height, width), count, squares.rules):
            run(kernels.planes, batch * pixels, work, source, squares, value, slope)
            return value, slope
        surrounded = xp.empty(cpu.surrounded_shape(input.shape))
        run(cpu.surround, batch * surrounded.shape[1], surrounded.size, source, surrounded)
        chunks = batch * -(-pixels // cpu.CHUNK)
        run(cpu.planes_of_chunks, chunks, work, source, argument(surrounded), squares, value, slope)
        return value, slope

    @staticmethod
    def backward(ctx: Context, gvalue: Tensor, gslopes: Tensor) -> Tensor:
        """Compute (linearized.8) and (linearized.11)."""
        (input,) = ctx.inputs
        options = {"squares": ctx.parameters["gradient"], "size": input.shape, "dtype": input.dtype}
        return PlaneFitTransposed.apply(gvalue, gslopes, **options)


class PlaneFitTransposed(Function):
    """gvalue (N, C, pixels), gslopes (N, 2 or 0, C, pixels) -> ginput (N, C, H, W)."""

    @staticmethod
    def forward(ctx: Context, gvalue: Any, gslopes: Any, *, squares: LeastSquares, size: Any, dtype: Any) -> Any:
        """Compute the gradients of the samples, and scatter them as bilinear sampling does."""
        xp, (batch, channels, pixels), count = array_module(gvalue), gvalue.shape, squares.auxiliary.shape[2]
        points = xp.empty((batch, pixels, 1 + count, 2))
        gsamples = xp.empty((batch, channels, pixels, 1 + count))
        gout = argument(gvalue), argument(gslopes)
        run(kernels.spread, batch * pixels, gsamples.size, *gout, squares, points, gsamples)
        arrays, options = (gsamples, xp.zeros(size), points), {"needs": (True, False), "rules": squares.rules}
        ginput = BilinearGradient.call(*arrays, **options)[0]  # (linearized.8), (linearized.11)
        return ginput.data.astype(dtype)

    @staticmethod
    def backward(ctx: Context, ginput: Tensor) -> tuple[Tensor, ...]:
        """Compute (linearized.10) and (linearized.12): the transpose of the transpose."""
        squares, slopes = ctx.parameters["squares"], bool(ctx.inputs[1].shape[1])
        options = {"squares": squares, "gradient": squares, "slopes": slopes, "dtype": np.float64}
        return PlaneFit.call(ginput, **options)  # (linearized.10), (linearized.12)


# ---- the linearised value as a function of the grid ----


class Displacement(Function):
    """grid -> T(x) - T(x_i) at x = x_i: zero, with derivative one."""

    @staticmethod
    def forward(ctx: Context, grid: Any) -> Any:
        """Return zeros."""
        return array_module(grid).zeros(grid.shape, grid.dtype)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Return gout."""
        return gout


class Contraction(Function):
    """gout (N, C, pixels), slopes (N, 2, C, pixels) -> ggrid (N, pixels, 2)."""

    @staticmethod
    def forward(ctx: Context, gout: Any, slopes: Any) -> Any:
        """Compute (linearized.9)."""
        xp, (batch, _, pixels) = array_module(gout), gout.shape
        ggrid, lost = xp.empty((batch, 2, pixels)), xp.empty((batch, 2, pixels))
        block = 1 if runs_on_cuda(gout) else BLOCK
        blocks = batch * -(-pixels // block)
        run(kernels.contract, blocks, gout.size, argument(gout), argument(slopes), block, lost, ggrid)
        return xp.ascontiguousarray(ggrid.transpose(0, 2, 1))

    @staticmethod
    def backward(ctx: Context, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the terms of the slopes in (linearized.10), and gout times the cotangent."""
        gout, slopes = ctx.inputs
        along = expand_dims(transpose(cotangent, (0, 2, 1)), 2)  # (N, 2, 1, pixels)
        ggout = (along * slopes).sum(1)  # (linearized.10)
        return ggout, along * expand_dims(gout, 1) if ctx.needs[1] else None


class Linearization(Function):
    """value (N, C, pixels), slopes (N, 2, C, pixels), grid (N, pixels, 2) -> value + slopes . displacement: value."""

    @staticmethod
    def forward(ctx: Context, value: Any, slopes: Any, grid: Any) -> Any:
        """Return the value."""
        return value  # (LMS 2), where T(x) - T(x_i) is 0

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (linearized.9), and the slopes' gradients: zero, but with a derivative with respect to the grid."""
        _, slopes, grid = ctx.inputs
        wide = astype(gout, np.float64)
        ggrid = astype(Contraction.apply(wide, slopes), grid.dtype) if ctx.needs[2] else None  # (linearized.9)
        if not ctx.needs[1]:
            return gout, None, ggrid
        displacement = Displacement.apply(astype(grid, np.float64))
        return gout, expand_dims(transpose(displacement, (0, 2, 1)), 2) * expand_dims(wide, 1), ggrid


def _linearized(input: Tensor, grid: Tensor, squares: LeastSquares, input_gradient: str) -> Tensor:
    """Return (LMS 2)."""
    batch, rows, columns, _ = grid.shape
    source = input.detach() if input_gradient == "none" else input
    gradient = squares if input_gradient == "fit" else squares.at_centres
    # What is differentiated is rounded last, after all additions.
    options = {"slopes": grid.requires_grad, "dtype": np.float64 if source.requires_grad else input.dtype}
    value, slopes = PlaneFit.call(source, squares=squares, gradient=gradient, **options)
    if grid.requires_grad:
        slopes = slopes if input_gradient == "fit" else slopes.detach()
        value = Linearization.apply(value, slopes, reshape(grid, (batch, rows * columns, 2)))
    return reshape(value, (*input.shape[:2], rows, columns))


@public
def linearized_sample(  # noqa: PLR0913 - public: its options are keyword-only
    input: Any,
    grid: Any,
    auxiliary: Any,
    *,
    mask: Any = "position",
    tikhonov: float | tuple[float, float, float] = 1e-6,
    intercept: bool | str = True,
    input_gradient: str = "none",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Any:
    """Sample a map at the points of a grid, with the slope of a plane fitted to samples around each point.

    The derivative of the value with respect to the grid is the slope of that plane, not that of the map in one cell:
    its range is that of the auxiliary samples.

    Parameters
    ----------
    input : ndarray or Tensor, shape (N, C, H, W)
        The map; float16, float32 or float64. H and W are at least 1.
    grid : ndarray or Tensor, shape (N, H_out, W_out, 2)
        For each output pixel the point (x, y) to sample at, in [-1, 1]; of the dtype of `input`.
    auxiliary : ndarray or Tensor, shape (N, H_out, W_out, K, 2), or numpy.random.Generator
        K points around each point of the grid, as returned by `auxiliary_grid`; a Generator is equivalent to
        `auxiliary_grid(grid, (H, W), generator)`. They are constants, without a gradient.
    mask : {"position", "offset", "none"} or ndarray of bool, shape (N, H_out, W_out, K)
        Which auxiliary samples the fit uses: those inside the map, |x| <= 1 and |y| <= 1 (the paper); those whose
        offset from the grid point is in [-1, 1] (the released code); all; or those that are True.
    tikhonov : float or three floats, not negative
        The weights e_x, e_y, e_1 of (LMS 7) for slopes in units per pixel and the intercept. One number
        is used for all three. With 0, a fit that is not determined gives slope and intercept 0.
    intercept : {True, False, "bias-free"}
        The value is that of the plane (True), or the bilinear sample, as LMS (2) is printed: with a plane fitted in the
        same way, whose intercept is left out of the value (False), or with one fitted without an intercept, through
        the bilinear sample ("bias-free": LMS Sect. 7; e_1 then has no effect).
    input_gradient : {"none", "center", "fit"}
        What the gradient with respect to `input` passes through: nothing (the paper); the bilinear sample at the
        grid point (the released code); or all samples, with the derivative of the value and of the slopes.
    padding_mode : {"zeros", "border", "reflection"}
        What is outside the map; see `grid_sample`.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, C, H_out, W_out)
        The samples, of the dtype of `input`; a Tensor if one of the arguments is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    LMS Eqs. (2), (5) to (7). Value and gradients are those of a function that is linear in the grid and linear
    in the map, so derivatives of every order exist. A NaN among the samples of a pixel makes its value and
    slope NaN; a point of the grid at infinity has the slope 0.
    The error bound includes the condition of the fit: docs/linearized.md.

    Examples
    --------
    >>> ramp = np.arange(8.0).reshape(1, 1, 1, 8).repeat(8, 2)
    >>> grid = Tensor(np.zeros((1, 1, 1, 2)), requires_grad=True)
    >>> auxiliary = np.array([[0.25, 0.25], [-0.25, 0.25], [0.0, -0.5]]).reshape(1, 1, 1, 3, 2)
    >>> out = linearized_sample(ramp, grid, auxiliary, tikhonov=0.0)
    >>> out.backward()
    >>> out.item(), grid.grad.data.tolist()
    (3.5, [[[[4.0, 0.0]]]])
    """
    check_maps_and_grid(input, grid)
    check_option("align_corners", align_corners, (False, True))
    if isinstance(auxiliary, np.random.Generator):
        auxiliary = auxiliary_grid(grid, input.shape[2:], auxiliary, align_corners=align_corners)
    if not (is_array(auxiliary) or isinstance(auxiliary, Tensor)):
        given = type(auxiliary).__name__
        raise TypeError(f"auxiliary: given {given}, expected an array, as auxiliary_grid makes it, or a Generator")
    check_array("auxiliary", auxiliary, "(N, H_out, W_out, K, 2)", (*grid.shape[:3], None, 2))
    check_same_dtype("auxiliary", auxiliary, "grid", grid)
    check_same_library("auxiliary", auxiliary, "grid", grid)
    if is_array(mask):
        check_same_library("mask", mask, "grid", grid)
        if mask.dtype != bool or mask.shape != auxiliary.shape[:4]:
            raise ValueError(f"mask: given {mask.dtype}{mask.shape}, expected bool{auxiliary.shape[:4]}")
    elif not isinstance(mask, str) or mask not in MASKS:
        expected = ", ".join(repr(option) for option in MASKS)
        raise ValueError(f"mask: given {shown(mask)}, expected one of {expected}, or an array of bool")
    check_option("intercept", intercept, INTERCEPTS)
    check_option("input_gradient", input_gradient, INPUT_GRADIENTS)
    check_option("padding_mode", padding_mode, PADDINGS)
    weights = numbers("tikhonov", tikhonov, 3)
    if intercept == BIAS_FREE:
        weights = (*weights[:2], math.inf)  # (linearized.13)

    rules = Rules(align_corners, PADDINGS.index(padding_mode))

    def operation(input: Tensor, grid: Tensor) -> Tensor:
        xp, (batch, rows, columns, count, _) = array_module(grid.data), auxiliary.shape
        size = batch, rows * columns, count
        squares = LeastSquares(
            grid=argument(grid.data.reshape(*size[:2], 2)),
            auxiliary=argument(as_tensor(auxiliary).data.astype(grid.dtype, copy=False).reshape(*size, 2)),
            given=argument(mask.reshape(size) if is_array(mask) else xp.empty((0, 0, 0), bool)),
            mask=GIVEN if is_array(mask) else MASKS.index(mask),
            half_x=0.5 * coordinate_scale(input.shape[3], align_corners),
            half_y=0.5 * coordinate_scale(input.shape[2], align_corners),
            ex=weights[0],
            ey=weights[1],
            e1=weights[2],
            intercept=intercept is True,
            rules=rules,
        )
        return _linearized(input, grid, squares, input_gradient)

    return apply_as_given(operation, input, grid)
