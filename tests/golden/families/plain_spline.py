"""Thin plate splines written as programs usually are: solved once, everything rounded to the arrays' dtype."""

import math

import numpy as np


def lattice(height, width, align_corners, dtype):
    """Return the output's pixels (P, 2)."""
    axes = []
    for size in (width, height):
        ends = 1 if align_corners or size == 0 else 1 - 1 / size
        axes.append(np.linspace(-ends, ends, size) if size > 1 else np.zeros(size))
    x, y = np.meshgrid(*axes)
    return np.stack([x, y], -1).reshape(height * width, 2).astype(dtype)


def differences(x, c):
    return x[:, None] - c[None]


def logarithm(v):
    """Return r^2 and its logarithm; 0 at r = 0, where factors of it vanish."""
    r2 = (v * v).sum(-1)
    return r2, np.log(np.where(r2 > 0, r2, 1))


def radial(v):
    r2, log = logarithm(v)
    return r2 * log


def slope(v):
    return 2 * (logarithm(v)[1] + 1)[..., None] * v


def curvature(v, d):
    r2, log = logarithm(v)
    along = (v * d).sum(-1) / np.where(r2 > 0, r2, 1)
    return 2 * (log + 1)[..., None] * d + 4 * v * along[..., None]


def outputs(a, b, ggrid, f, c, size, align_corners, smoothing):
    """Return the grid, both gradients, and the three second gradients, for one image."""
    (count, _), dtype, (height, width) = f.shape, f.dtype, size
    p, none = lattice(height, width, align_corners, dtype), np.zeros((3, 2), dtype)
    ggrid = ggrid.reshape(len(p), 2)
    between, towards = differences(c, c), differences(p, c)
    affine = np.concatenate([np.ones((count, 1), dtype), c], 1)
    matrix = np.zeros((count + 3, count + 3), dtype)
    matrix[:count, :count] = radial(between) + dtype.type(smoothing) * np.eye(count, dtype=dtype)
    matrix[:count, count:], matrix[count:, :count] = affine, affine.T
    q = np.concatenate([radial(towards), np.ones((len(p), 1), dtype), p], 1)
    t = np.linalg.solve(matrix, np.concatenate([f, none]))
    adjoint = np.linalg.solve(matrix, q.T @ ggrid)
    weights, pairs = ggrid @ t[:count].T, adjoint @ t.T + t @ adjoint.T
    slopes, inner = -slope(towards), slope(between)
    gcontrol = (weights[..., None] * slopes).sum(0) - (pairs[:count, :count, None] * inner).sum(1) - pairs[:count, -2:]

    changed = np.zeros_like(matrix)
    apart = differences(b, b)
    changed[:count, :count] = (inner * apart).sum(-1)
    changed[:count, -2:], changed[-2:, :count] = b, b.T
    dt = np.linalg.solve(matrix, np.concatenate([a, none]) - changed @ t)
    dq = np.zeros_like(q)
    dq[:, :count] = (slopes * b).sum(-1)
    dadjoint = np.linalg.solve(matrix, dq.T @ ggrid - changed @ adjoint)
    dweights = ggrid @ dt[:count].T
    dpairs = dadjoint @ t.T + adjoint @ dt.T + dt @ adjoint.T + t @ dadjoint.T
    turned = curvature(-towards, np.broadcast_to(b, towards.shape))
    second = (dweights[..., None] * slopes + weights[..., None] * turned).sum(0) - dpairs[:count, -2:]
    second -= (dpairs[:count, :count, None] * inner + pairs[:count, :count, None] * curvature(between, apart)).sum(1)
    second[(logarithm(towards)[0] == 0).any(0)] = math.nan
    return q @ t, adjoint[:count], gcontrol, dq @ t + q @ dt, dadjoint[:count], second


def _call(arrays, options, places):
    *cotangents, points, control = arrays
    count, size = points.shape[1], options["size"][2:]
    ggrid = cotangents.pop() if cotangents else np.zeros((len(points), *size, 2), points.dtype)
    if control is None:
        axis = np.linspace(-1, 1, math.isqrt(count))
        centres = np.stack(np.meshgrid(axis, axis), -1).reshape(count, 2).astype(points.dtype)
    else:
        centres = control
    a, b = cotangents or (None, None)
    a, b = np.zeros_like(points) if a is None else a, np.zeros_like(centres) if b is None else b
    centres, b = (np.broadcast_to(array, points.shape) for array in (centres, b))
    with np.errstate(all="ignore"):
        images = [
            outputs(*image, size, options["align_corners"], options["smoothing"])
            for image in zip(a, b, ggrid, points, centres, strict=True)
        ]
    results = []
    for place in places:
        parts = np.array([image[place] for image in images], points.dtype)
        if place in (2, 5):
            shared = control is not None and control.ndim == 2
            parts = None if control is None else parts.reshape(points.shape).sum(0) if shared else parts
        else:
            parts = parts.reshape(ggrid.shape if place in (0, 3) else points.shape)
        results.append(parts)
    return tuple(results)


DTYPES = ("float32", "float64")


def tps_grid(*arrays, **options):
    return _call(arrays, options, [0])


def tps_grid_vjp(*arrays, **options):
    return _call(arrays, options, [1, 2])


def tps_grid_second_vjp(*arrays, **options):
    return _call(arrays, options, [3, 4, 5])


def thin_plate_spline_basis(control, *, size, **options):
    """Return the x of grids whose points are (1, 0) at one control point and (0, 0) at the others."""
    points = np.zeros((len(control), len(control), 2), control.dtype)
    points[..., 0] = np.eye(len(control))
    return tps_grid(points, control, size=[len(control), *size[1:]], **options)[0][..., 0]
