"""Grids as one writes them without a thought for rounding: every step in the dtype of the arguments.

Coordinates come from (2 j + 1)/W - 1, scales from exp, powers by multiplying; sums and products are NumPy's, inverses
LAPACK's. Gradients are the engine's, of these.
"""

import math
from types import SimpleNamespace

import numpy as np

from autograd_core import Tensor, grad
from autograd_core.functions import concatenate, cos, exp, matmul, reshape, sin, solve, stack, transpose
from refwarp.golden.operations import OPERATIONS


def axis(size, align_corners, dtype):
    """Return the coordinates of the pixels of an axis."""
    j, one = np.arange(size).astype(dtype), np.dtype(dtype).type(1)
    if align_corners:
        return j * (2 * one / max(size - 1, 1)) - one if size > 1 else 0 * j
    return (2 * j + one) / np.dtype(dtype).type(size) - one


def lattice(height, width, align_corners, dtype):
    """Return x, y, 1 of each pixel, (H W, 3)."""
    x, y = np.meshgrid(axis(width, align_corners, dtype), axis(height, align_corners, dtype))
    return np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)


def affine_grid(theta, size, align_corners):
    n, _, height, width = size
    points = Tensor(lattice(height, width, align_corners, theta.dtype))
    return reshape(matmul(points, transpose(theta, (0, 2, 1))), (n, height, width, 2))


# ---- parameters ----


def columns(theta):
    return [theta[:, p] for p in range(theta.shape[1])]


def matrix(*entries):
    like = next(entry for entry in entries if isinstance(entry, Tensor))
    full = [e if isinstance(e, Tensor) else Tensor(np.full(like.shape, e, like.dtype)) for e in entries]
    return reshape(stack(full, axis=1), (like.shape[0], len(full) // 3, 3))


def attention_matrix(theta):
    s, tx, ty = columns(theta)
    return matrix(s, 0, tx, 0, s, ty)


def translation_matrix(theta):
    tx, ty = columns(theta)
    return matrix(1, 0, tx, 0, 1, ty)


def similarity_matrix(theta):
    s, a, tx, ty = columns(theta)
    return matrix(s * cos(a), -s * sin(a), tx, s * sin(a), s * cos(a), ty)


def rotation_scale_translation_matrix(theta, translate_first=False):
    a, lx, ly, tx, ty = columns(theta)
    ln2 = np.log(theta.dtype.type(2))
    p, q = exp(lx * ln2), exp(ly * ln2)
    m = [p * cos(a), -q * sin(a), p * sin(a), q * cos(a)]
    if translate_first:
        tx, ty = m[0] * tx + m[1] * ty, m[2] * tx + m[3] * ty
    return matrix(m[0], m[1], tx, m[2], m[3], ty)


def kurbiel_matrix(theta):
    h1, h2, h3, h4, h5, h6 = columns(theta)
    return matrix(h1, h2, h5, h3, h4, h6)


def homography_matrix(theta):
    return matrix(*columns(theta), 1)


def grid_of(make):
    return lambda theta, size, align_corners, **options: affine_grid(make(theta, **options), size, align_corners)


# ---- grids ----


def projective_grid(theta, size, align_corners):
    n, _, height, width = size
    h = homography_matrix(theta) if theta.ndim == 2 else theta
    points = matmul(Tensor(lattice(height, width, align_corners, h.dtype)), transpose(h, (0, 2, 1)))
    numerators, d = points[..., :2], points[..., 2:]
    horizon = d.data == 0
    infinite = np.where(numerators.data == 0, numerators.data, np.copysign(h.dtype.type(np.inf), numerators.data))
    infinite[horizon[..., 0] & (numerators.data == 0).all(axis=-1)] = np.nan
    grid = numerators * (1 - horizon).astype(h.dtype) / (d + horizon.astype(h.dtype))
    return reshape(grid + np.where(horizon, infinite, h.dtype.type(0)), (n, height, width, 2))


def piecewise_affine_grid(vertices, size, align_corners):
    n, _, height, width = size
    _, rows, columns, _ = vertices.shape
    half = vertices.dtype.type(0.5)
    y, x = np.meshgrid(
        *((axis(s, align_corners, vertices.dtype) + 1) * half * (k - 1) for s, k in ((height, rows), (width, columns))),
        indexing="ij",
    )
    i, j = (np.clip(np.floor(a), 0, k - 2).astype(int) for a, k in ((y, rows), (x, columns)))
    f, g = x - j.astype(x.dtype), y - i.astype(x.dtype)
    above = f >= g
    u, v = np.maximum(f, g)[..., None], np.minimum(f, g)[..., None]
    corner = vertices[:, np.where(above, i, i + 1), np.where(above, j + 1, j)]
    return vertices[:, i, j] * (1 - u) + corner * (u - v) + vertices[:, i + 1, j + 1] * v


def linear_basis_grid(M, B):
    count, height, width = B.shape
    grid = matmul(M, reshape(B, (count, height * width)))
    return transpose(reshape(grid, (M.shape[0], 2, height, width)), (0, 2, 3, 1))


def bases(kind, size, align_corners, dtype, degree=1):
    """Return a basis, computed in a dtype."""
    _, _, height, width = size
    x, y, one = lattice(height, width, align_corners, dtype).T.reshape(3, height, width)
    if kind == "affine":
        return Tensor(np.stack([x, y, one]))
    b = [
        [math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)]
        for t in ((y + 1) / 2, (x + 1) / 2)
    ]
    return Tensor(np.stack([c * a for c in b[0] for a in b[1]]))


def pixels(height, width, align_corners, unit, dtype):
    """Return what a motion of 1 in normalised units is in the unit, for u and v."""
    half = [(s - align_corners) / 2 if unit == "pixels" else 1 for s in (width, height)]
    return np.array(half).astype(dtype)


def flow_grid(flow, align_corners, unit):
    n, _, height, width = flow.shape
    scale = pixels(height, width, align_corners, unit, flow.dtype)
    step = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0).astype(flow.dtype)
    places = lattice(height, width, align_corners, flow.dtype)[:, :2].reshape(height, width, 2)
    return transpose(flow, (0, 2, 3, 1)) * step + places


def affine_motion(theta, size, align_corners, unit):
    n, _, height, width = size
    identity = lattice(height, width, align_corners, theta.dtype)[:, :2].reshape(height, width, 2)
    motion = affine_grid(theta, size, align_corners) - identity
    return transpose(motion * pixels(height, width, align_corners, unit, theta.dtype), (0, 3, 1, 2))


# ---- composition ----


def with_last_row(theta):
    last = np.broadcast_to(np.array([0, 0, 1], theta.dtype), (theta.shape[0], 1, 3))
    return concatenate([theta, Tensor(last)], axis=1) if theta.shape[1:] == (2, 3) else theta


def compose(outer, inner):
    if outer.ndim == 3:
        return matmul(outer, with_last_row(inner))
    if outer.shape[1] == 2:
        return outer + inner
    (so, ao, xo, yo), (si, ai, xi, yi) = columns(outer), columns(inner)
    c, d = so * cos(ao), so * sin(ao)
    return stack([so * si, ao + ai, c * xi - d * yi + xo, d * xi + c * yi + yo], axis=1)


def invert(theta):
    if theta.ndim == 3:
        if theta.dtype == np.float16:
            raise NotImplementedError("LAPACK has no float16")
        identity = np.broadcast_to(np.eye(3, dtype=theta.dtype), (theta.shape[0], 3, 3))
        return solve(with_last_row(theta), Tensor(identity))[:, : theta.shape[1]]
    if theta.shape[1] == 2:
        return -theta
    s, a, x, y = columns(theta)
    c, d = cos(-a) / s, sin(-a) / s
    return stack([1 / s, -a, -(c * x - d * y), -(d * x + c * y)], axis=1)


def inverse_compositional_update(theta, delta):
    return compose(theta, invert(delta))


# ---- as a target ----

FORWARD = {
    "affine_grid": affine_grid,
    "attention_matrix": attention_matrix,
    "translation_matrix": translation_matrix,
    "similarity_matrix": similarity_matrix,
    "rotation_scale_translation_matrix": rotation_scale_translation_matrix,
    "kurbiel_matrix": kurbiel_matrix,
    "attention_grid": grid_of(attention_matrix),
    "translation_grid": grid_of(translation_matrix),
    "similarity_grid": grid_of(similarity_matrix),
    "rotation_scale_translation_grid": grid_of(rotation_scale_translation_matrix),
    "homography_matrix": homography_matrix,
    "projective_grid": projective_grid,
    "piecewise_affine_grid": piecewise_affine_grid,
    "linear_basis_grid": linear_basis_grid,
    "affine_basis": lambda **options: bases("affine", **options),
    "bernstein_basis": lambda **options: bases("bernstein", **options),
    "flow_grid": flow_grid,
    "affine_motion": affine_motion,
    "compose": compose,
    "invert": invert,
    "inverse_compositional_update": inverse_compositional_update,
}


def function(operation, call):
    """Return a function of arrays for one call of an operation."""
    forward = OPERATIONS[operation][0].arguments

    def run(*arrays, **options):
        given = {name: Tensor(array, True) for name, array in zip(call.arguments, arrays, strict=True)}
        result = FORWARD[operation](**{name: given[name] for name in forward}, **options)
        inputs = [given[name] for name in forward]
        if call.part == "forward":
            return result.data
        cotangent = given[OPERATIONS[operation][1].arguments[0]]
        first = grad(result, inputs, cotangent, create_graph=call.part == "second_vjp")
        if call.part == "vjp":
            return tuple(g.data for g in first)
        cotangents = [given[f"cotangent_{name}"] for name in forward]
        return tuple(g.data for g in grad(first, [cotangent, *inputs], cotangents))

    return run


PLAIN = SimpleNamespace(
    DTYPES=("float16", "float32", "float64"),
    **{call.function(name): function(name, call) for name in FORWARD for call in OPERATIONS[name]},
)
