"""Composition and inversion of warps as parameters.

A warp takes a point of the output to a point of the input; the composition of two is one after the other,

    (outer o inner)(p) = outer(inner(p))                                               (composition.1)

Homographies, and affine warps with the row (0, 0, 1) below, are multiplied and inverted as matrices; translations t and
similarities p -> s R(a) p + t as parameters:

    H = H_o H_i                                                                        (composition.2)
    H^-1 = adj(H) / det(H)                                                             (composition.3)
    t = t_o + t_i;  -t                                                                 (composition.4)
    s = s_o s_i,  a = a_o + a_i,  t = s_o R(a_o) t_i + t_o                             (composition.5)
    1/s,  -a,  -R(-a) t / s                                                            (composition.6)
    gH = -J^T G J^T,  J = H^-1, for the cotangent G of J                               (composition.7)
    theta o delta^-1, the inverse compositional update                                 (composition.8)

The adjugate and the determinant are formed to twice the digits of a double, so that an inverse is good to the last bit
or two unless half of them cancel; where more than 96 bits of the determinant cancel the matrix is called singular.
All is computed in float64; a result of another dtype is rounded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import astype, concatenate, cos, matrix_transpose, sin, stack
from refwarp.arguments import apply_as_given, check_array, check_same_dtype, public
from refwarp.backend import double_double
from refwarp.backend.jit import items, kernel, part
from refwarp.backend.launch import argument, run
from refwarp.grids.affine_parameters import columns
from refwarp.grids.matrix_product import MatrixProduct

# The determinant is known to some 2^-102 of its terms.
_SINGULAR = 2.0**-96

_KINDS = "(N, 2) translations, (N, 4) similarities, (N, 2, 3) affine matrices or (N, 3, 3) homographies"
_SHAPES = ((2,), (4,), (2, 3), (3, 3))


@part
def cofactor(h: Any, n: int, j: int, k: int) -> tuple[double_double.Pair, float]:
    """Return the entry in row j and column k of the n-th matrix's adjugate, and the sum of its absolute terms."""
    p, q, r, s = (k + 1) % 3, (k + 2) % 3, (j + 1) % 3, (j + 2) % 3
    one = double_double.multiply((h[n, p, r], 0.0), (h[n, q, s], 0.0))  # (composition.3): adj(H)
    other = double_double.multiply((-h[n, p, s], 0.0), (h[n, q, r], 0.0))  # (composition.3): adj(H)
    return double_double.add(one, other), abs(one[0]) + abs(other[0])


@kernel
def invert_matrices(start: int, stop: int, h: Any, inverse: Any, determinant: Any) -> None:
    """Compute (composition.3), the determinant, and the sum of its absolute terms."""
    for n in items(start, stop):
        det, size = (0.0, 0.0), 0.0
        for j in range(3):
            entry, terms = cofactor(h, n, j, 0)
            det = double_double.add(det, double_double.multiply((h[n, 0, j], 0.0), entry))  # (composition.3): det(H)
            size += abs(h[n, 0, j]) * terms
        determinant[n, 0], determinant[n, 1] = det[0], size
        if abs(det[0]) <= _SINGULAR * size:
            continue
        for j in range(3):
            for k in range(3):
                entry, _ = cofactor(h, n, j, k)
                inverse[n, j, k] = double_double.divide(entry, det)[0]  # (composition.3)


class Inverse(Function):
    """H (N, 3, 3) -> H^-1."""

    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, h: Any, *, name: str) -> Any:
        """Compute (composition.3). `name` is what an error calls H."""
        xp = array_module(h)
        inverse, determinant = xp.empty(h.shape), xp.empty((h.shape[0], 2))
        run(invert_matrices, h.shape[0], h.size, argument(h), inverse, determinant)
        singular = abs(determinant[:, 0]) <= _SINGULAR * determinant[:, 1]
        if singular.any():
            worst = int(singular.argmax())
            det, size = determinant[worst].tolist()
            raise ValueError(
                f"{name}: given a singular matrix at index {worst} (determinant {det:.3g}, the absolute values of its "
                f"terms sum to {size:.3g}), expected one that has an inverse"
            )
        return inverse

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Compute (composition.7)."""
        transposed = matrix_transpose(ctx.outputs[0])
        return -MatrixProduct.apply(MatrixProduct.apply(transposed, gout), transposed)  # (composition.7)


def _with_last_row(theta: Tensor) -> Tensor:
    """Return the 3 x 3 matrices of affine warps."""
    xp = array_module(theta.data)
    row = xp.broadcast_to(xp.asarray([0.0, 0.0, 1.0]), (theta.shape[0], 1, 3))
    return concatenate([theta, Tensor(row)], axis=1)


def _rotated(s: Tensor, a: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return s R(a) (x, y)."""
    along, across = s * cos(a), s * sin(a)
    return along * x - across * y, across * x + along * y


def compose_parameters(outer: Tensor, inner: Tensor) -> Tensor:
    """Return outer o inner (composition.1)."""
    shape = outer.shape[1:]
    if shape == (2,):
        return outer + inner  # (composition.4)
    if shape == (4,):
        (so, ao, xo, yo), (si, ai, xi, yi) = columns(outer), columns(inner)
        x, y = _rotated(so, ao, xi, yi)
        return stack([so * si, ao + ai, x + xo, y + yo], axis=1)  # (composition.5)
    return MatrixProduct.apply(outer, _with_last_row(inner) if shape == (2, 3) else inner)  # (composition.2)


def invert_parameters(name: str, theta: Tensor) -> Tensor:
    """Return the inverse of theta, which an error calls by its name."""
    shape = theta.shape[1:]
    if shape == (2,):
        return -theta  # (composition.4)
    if shape == (4,):
        s, a, x, y = columns(theta)
        if not s.data.all():
            raise ValueError(
                f"{name}: given a similarity of scale 0 at index {int((s.data == 0).argmax())}, "
                "expected one that has an inverse"
            )
        x, y = _rotated(-1.0 / s, -a, x, y)
        return stack([1.0 / s, -a, x, y], axis=1)  # (composition.6)
    if shape == (2, 3):
        return Inverse.apply(_with_last_row(theta), name=name)[:, :2]
    return Inverse.apply(theta, name=name)


def _check(name: str, theta: Any) -> None:
    shape = tuple(theta.shape) if hasattr(theta, "shape") else ()
    check_array(name, theta, _KINDS, (None, *shape[1:]) if shape[1:] in _SHAPES else (None, 2))


def _check_alike(name: str, theta: Any, other_name: str, other: Any) -> None:
    _check(name, theta)
    check_same_dtype(name, theta, other_name, other)
    if tuple(theta.shape) != tuple(other.shape):
        raise ValueError(
            f"{name}: given shape {tuple(theta.shape)} while {other_name} has {tuple(other.shape)}, expected the same"
        )


def _wide(theta: Tensor) -> Tensor:
    return astype(theta, np.float64)


@public
def compose(outer: Any, inner: Any) -> Any:
    """Return the parameters of one warp after another: of the map p -> outer(inner(p)).

    The grid of the result is the outer warp of the inner warp's grid. A map that is sampled at it is the one that is
    first sampled at the outer warp's grid, then the result at the inner's, without being interpolated twice.

    Parameters
    ----------
    outer : ndarray or Tensor
        The warp that is applied last to a point. What it is shows in its shape: translations (N, 2), similarities
        (N, 4) as `similarity_matrix` takes them, affine matrices (N, 2, 3), homographies (N, 3, 3). float16, float32
        or float64.
    inner : ndarray or Tensor
        The warp that is applied first, of the same shape and dtype.

    Returns
    -------
    ndarray or Tensor
        The parameters of the composition, of the same shape, dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    Matrices are within (4 + log2 k) u M of the exact ones, and so are their gradients; similarities within
    (12 + log2 k) u M. Homographies in eight parameters are no group: use `homography_matrix`.

    Examples
    --------
    >>> shrink, shift = np.array([[[0.5, 0, 0], [0, 0.5, 0]]]), np.array([[[1.0, 0, 1], [0, 1, 0]]])
    >>> compose(shrink, shift).tolist()
    [[[0.5, 0.0, 0.5], [0.0, 0.5, 0.0]]]
    """
    _check("outer", outer)
    _check_alike("inner", inner, "outer", outer)
    return apply_as_given(
        lambda outer, inner: compose_parameters(_wide(outer), _wide(inner)),  # (composition.1)
        outer,
        inner,
    )


@public
def invert(theta: Any) -> Any:
    """Return the parameters of the inverse warp.

    Parameters
    ----------
    theta : ndarray or Tensor
        Translations (N, 2), similarities (N, 4), affine matrices (N, 2, 3) or homographies (N, 3, 3); float16, float32
        or float64.

    Returns
    -------
    ndarray or Tensor
        The parameters of the inverses, of theta's shape, dtype and kind. That of a homography is the matrix's inverse.

    Raises
    ------
    ValueError
        If a warp has no inverse (the message names the first one), or theta has the wrong shape.
    TypeError
        If theta has the wrong type or dtype.

    Notes
    -----
    An entry C/D of an inverse matrix, D the determinant, is within (4 + log2 k) u M + k eta of the exact one,
    M = Cbar/|D| + |C/D| Dbar/|D| with bars for sums of absolute terms; its gradient within (8 + log2 k) u M, a
    similarity within (12 + log2 k) u M. That holds while the entries that are not 0 are between 2^-300 and 2^300 in
    size.
    """
    _check("theta", theta)
    return apply_as_given(lambda theta: invert_parameters("theta", _wide(theta)), theta)


@public
def inverse_compositional_update(theta: Any, delta: Any) -> Any:
    """Return theta after the inverse of delta: the update of Lucas and Kanade's inverse compositional method.

    There an increment delta is found that would warp the template onto the image, so its inverse is what the image's
    warp lacks. The update of the compositional method is `compose(theta, delta)`. That of the program released as
    IC-STN is `compose(delta, theta)`: the increment last, and without an inverse.

    Parameters
    ----------
    theta : ndarray or Tensor
        The warps so far: translations (N, 2), similarities (N, 4), affine matrices (N, 2, 3) or homographies (N, 3, 3).
    delta : ndarray or Tensor
        The increments, of the same shape and dtype.

    Returns
    -------
    ndarray or Tensor
        The parameters of p -> theta(delta^-1(p)), of the same shape, dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape, or an increment has no inverse.
    """
    _check("theta", theta)
    _check_alike("delta", delta, "theta", theta)
    return apply_as_given(
        lambda theta, delta: compose_parameters(
            _wide(theta), invert_parameters("delta", _wide(delta))
        ),  # (composition.8)
        theta,
        delta,
    )
