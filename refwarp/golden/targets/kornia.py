"""Kornia as a target: its homographies, thin plate splines and affine matrices, and their gradients by autograd.

Its samplers are PyTorch's.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import kornia
import torch
from kornia.geometry import create_meshgrid
from kornia.geometry.linalg import compose_transformations
from kornia.geometry.transform import get_tps_transform, invert_affine_transform, warp_grid, warp_points_tps

from refwarp.golden.targets import autograd, pixels

VERSION = kornia.__version__
DTYPES = ("float16", "bfloat16", "float32", "float64")

# ---- grids ----


def projective_grid(theta: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the grid of homographies."""
    return autograd.forward(partial(_projective_grid, **options), (theta,), dtype)


def projective_grid_vjp(ggrid: Any, theta: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the gradient with respect to theta."""
    return autograd.vjp(partial(_projective_grid, **options), ggrid, (theta,), dtype)


def projective_grid_second_vjp(cotangent_theta: Any, ggrid: Any, theta: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the gradients of the gradient with respect to ggrid and theta."""
    return autograd.second_vjp(partial(_projective_grid, **options), (cotangent_theta,), ggrid, (theta,), dtype)


def _projective_grid(theta: Any, *, size: Any, align_corners: Any = False) -> Any:
    if theta.ndim == 2:
        raise NotImplementedError("homographies in eight parameters")
    return warp_grid(_lattice(theta, size, align_corners), theta)


def tps_grid(points: Any, control: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the grid."""
    return autograd.forward(partial(_tps_grid, **options), (points, _given(control, points)), dtype)


def tps_grid_vjp(ggrid: Any, points: Any, control: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the gradients with respect to points and control."""
    return autograd.vjp(partial(_tps_grid, **options), ggrid, (points, _given(control, points)), dtype)


def tps_grid_second_vjp(
    cotangent_points: Any,
    cotangent_control: Any,
    ggrid: Any,
    points: Any,
    control: Any,
    *,
    dtype: str = "",
    **options: Any,
) -> Any:
    """Return the gradients of the gradients with respect to ggrid, points and control."""
    control = _given(control, points)
    cotangents = cotangent_points, control * 0 if cotangent_control is None else cotangent_control
    return autograd.second_vjp(partial(_tps_grid, **options), cotangents, ggrid, (points, control), dtype)


def _given(control: Any, points: Any) -> Any:
    """Return the control points, by default a regular grid."""
    return pixels.regular_control(points) if control is None else control


def _tps_grid(points: Any, control: Any, *, size: Any, align_corners: Any = False, smoothing: Any = 0.0) -> Any:
    if smoothing != 0:
        raise NotImplementedError("smoothing")
    controls = control if control.ndim == 3 else control.expand(len(points), -1, -1)
    lattice = _lattice(points, size, align_corners).reshape(1, -1, 2).expand(len(points), -1, -1)
    # The centres are the fiducial points: so says its documentation, whatever the spline's equations say.
    grid = warp_points_tps(lattice, points, *get_tps_transform(controls, points))
    return grid.reshape(-1, *size[2:], 2)


def _lattice(like: Any, size: Any, align_corners: Any) -> Any:
    height, width = pixels.output_size(size, len(like))
    return create_meshgrid(height, width, dtype=like.dtype, align_corners=align_corners)


# ---- affine matrices ----


def compose(outer: Any, inner: Any, *, dtype: str = "") -> Any:
    """Return the composition."""
    return autograd.forward(_compose, (outer, inner), dtype)


def compose_vjp(gtheta: Any, outer: Any, inner: Any, *, dtype: str = "") -> Any:
    """Return the gradients with respect to outer and inner."""
    return autograd.vjp(_compose, gtheta, (outer, inner), dtype)


def compose_second_vjp(
    cotangent_outer: Any, cotangent_inner: Any, gtheta: Any, outer: Any, inner: Any, *, dtype: str = ""
) -> Any:
    """Return the gradients of the gradients with respect to gtheta, outer and inner."""
    return autograd.second_vjp(_compose, (cotangent_outer, cotangent_inner), gtheta, (outer, inner), dtype)


def _compose(outer: Any, inner: Any) -> Any:
    return compose_transformations(_in_space(outer), _in_space(inner))[:, :2, [0, 1, 3]]


def _in_space(theta: Any) -> Any:
    """Return affine matrices of the plane as 4 x 4 matrices that leave z alone."""
    _check_affine(theta)
    matrices = torch.eye(4, dtype=theta.dtype).repeat(len(theta), 1, 1)
    matrices[:, :2, [0, 1, 3]] = theta
    return matrices


def invert(theta: Any, *, dtype: str = "") -> Any:
    """Return the inverses."""
    return autograd.forward(_invert, (theta,), dtype)


def invert_vjp(ginverse: Any, theta: Any, *, dtype: str = "") -> Any:
    """Return the gradient with respect to theta."""
    return autograd.vjp(_invert, ginverse, (theta,), dtype)


def invert_second_vjp(cotangent_theta: Any, ginverse: Any, theta: Any, *, dtype: str = "") -> Any:
    """Return the gradients of the gradient with respect to ginverse and theta."""
    return autograd.second_vjp(_invert, (cotangent_theta,), ginverse, (theta,), dtype)


def _invert(theta: Any) -> Any:
    _check_affine(theta)
    return invert_affine_transform(theta)


def _check_affine(theta: Any) -> None:
    if theta.shape[1:] in ((2,), (4,), (3, 3)):
        raise NotImplementedError("other warps than affine ones")
