"""Affine grids with fewer parameters, or with parameters in another order: each makes a matrix A for the affine grid.

    attention           A = [s 0 t_x; 0 s t_y]                                         (STN 2)
    translation         A = [1 0 t_x; 0 1 t_y]                                         (affine_parameters.1)
    similarity          A = [s cos a, -s sin a, t_x; s sin a, s cos a, t_y]            (affine_parameters.2)
    rotation, log-scales, translation: with p = 2^l_x and q = 2^l_y,
                        A = [p cos a, -q sin a, t_x; p sin a, q cos a, t_y]            (affine_parameters.3)
      translated first  t_x and t_y replaced by p cos a t_x - q sin a t_y and p sin a t_x + q cos a t_y
                                                                                       (affine_parameters.4)
    Kurbiel's order     A = [h_1 h_2 h_5; h_3 h_4 h_6]                                 (affine_parameters.5)

Angles are in radians and turn x towards y: clockwise where y points down. All act on normalised coordinates, so on a
map that is not square a similarity stretches pixels. The matrices are made of differentiable functions, which gives
the gradients and theirs. All is computed in float64; a result of another dtype is rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import astype, cos, reshape, sin, stack
from refwarp.arguments import apply_as_given, check_array, check_option, public
from refwarp.grids.affine import affine_grid

# Makes a Tensor (N, 2, 3) of one (N, P), both in float64.
MakeMatrix = Callable[[Tensor], Tensor]


class PowerOfTwo(Function):
    """x -> 2^x; exact for integers, unlike the exponential of x ln 2."""

    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, x: Any) -> Any:
        """Compute 2^x."""
        return array_module(x).exp2(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Multiply by ln 2 times 2^x."""
        return gout * ctx.outputs[0] * math.log(2.0)


def columns(theta: Tensor) -> list[Tensor]:
    """Return each parameter as a Tensor (N,)."""
    return [theta[:, p] for p in range(theta.shape[1])]


def _matrix(*entries: Tensor) -> Tensor:
    """Return the matrices (N, 2, 3) of six entries (N,), row by row."""
    return reshape(stack(entries, axis=1), (-1, 2, 3))


def _constant(value: float, like: Tensor) -> Tensor:
    return Tensor(array_module(like.data).full(like.shape, value))


def _attention(theta: Tensor) -> Tensor:
    s, tx, ty = columns(theta)
    zero = _constant(0.0, s)
    return _matrix(s, zero, tx, zero, s, ty)  # (STN 2)


def _translation(theta: Tensor) -> Tensor:
    tx, ty = columns(theta)
    zero, one = _constant(0.0, tx), _constant(1.0, tx)
    return _matrix(one, zero, tx, zero, one, ty)  # (affine_parameters.1)


def _similarity(theta: Tensor) -> Tensor:
    s, a, tx, ty = columns(theta)
    along, across = s * cos(a), s * sin(a)
    return _matrix(along, -across, tx, across, along, ty)  # (affine_parameters.2)


def _rotation_scale_translation(theta: Tensor, translate_first: bool) -> Tensor:
    a, lx, ly, tx, ty = columns(theta)
    p, q = PowerOfTwo.apply(lx), PowerOfTwo.apply(ly)
    xx, xy, yx, yy = p * cos(a), -q * sin(a), p * sin(a), q * cos(a)  # (affine_parameters.3)
    if translate_first:
        tx, ty = xx * tx + xy * ty, yx * tx + yy * ty  # (affine_parameters.4)
    return _matrix(xx, xy, tx, yx, yy, ty)


def _kurbiel(theta: Tensor) -> Tensor:
    h1, h2, h3, h4, h5, h6 = columns(theta)
    return _matrix(h1, h2, h5, h3, h4, h6)  # (affine_parameters.5)


def _check(theta: Any, count: int, names: str) -> None:
    check_array("theta", theta, f"(N, {count}), the parameters {names}", (None, count))


def _as_matrix(theta: Any, matrix: MakeMatrix) -> Any:
    return apply_as_given(lambda theta: matrix(astype(theta, np.float64)), theta)


def _as_grid(theta: Any, matrix: MakeMatrix, size: Any, align_corners: bool) -> Any:
    return apply_as_given(lambda theta: affine_grid(matrix(astype(theta, np.float64)), size, align_corners), theta)


# ---- matrices ----


@public
def attention_matrix(theta: Any) -> Any:
    """Return the affine matrices of STN's attention, an isotropic scale and a translation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 3)
        s, t_x, t_y of each image; float16, float32 or float64. The identity is (1, 0, 0).

    Returns
    -------
    ndarray or Tensor, shape (N, 2, 3)
        [[s, 0, t_x], [0, s, t_y]], STN Eq. (2), of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If theta has the wrong type, dtype or shape.
    """
    _check(theta, 3, "s, t_x, t_y")
    return _as_matrix(theta, _attention)


@public
def translation_matrix(theta: Any) -> Any:
    """Return the affine matrices of translations.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 2)
        t_x, t_y of each image, in normalised units; float16, float32 or float64. The identity is (0, 0).

    Returns
    -------
    ndarray or Tensor, shape (N, 2, 3)
        [[1, 0, t_x], [0, 1, t_y]], of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If theta has the wrong type, dtype or shape.
    """
    _check(theta, 2, "t_x, t_y")
    return _as_matrix(theta, _translation)


@public
def similarity_matrix(theta: Any) -> Any:
    """Return the affine matrices of similarities: an isotropic scale, a rotation and a translation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 4)
        s, a, t_x, t_y of each image, a in radians, from x towards y; float16, float32 or float64. The identity is
        (1, 0, 0, 0).

    Returns
    -------
    ndarray or Tensor, shape (N, 2, 3)
        [[s cos a, -s sin a, t_x], [s sin a, s cos a, t_y]], of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If theta has the wrong type, dtype or shape.
    """
    _check(theta, 4, "s, a, t_x, t_y")
    return _as_matrix(theta, _similarity)


@public
def rotation_scale_translation_matrix(theta: Any, translate_first: bool = False) -> Any:
    """Return the affine matrices of a rotation, scales given by their logarithms, and a translation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 5)
        a, l_x, l_y, t_x, t_y of each image: the angle in radians, from x towards y; the logarithms to the base 2 of the
        scales (-1 is the scale 1/2); the translation. float16, float32 or float64. The identity is (0, 0, 0, 0, 0).
    translate_first : bool
        Whether a point is translated, scaled and then rotated, as in LMS's released program, or scaled, rotated and
        then translated (the default).

    Returns
    -------
    ndarray or Tensor, shape (N, 2, 3)
        R(a) diag(2^l_x, 2^l_y) and the translation, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape.

    Notes
    -----
    LMS, section 6.4; the program's similarities have l_x = l_y.
    """
    _check(theta, 5, "a, l_x, l_y, t_x, t_y")
    check_option("translate_first", translate_first, (False, True))
    return _as_matrix(theta, lambda theta: _rotation_scale_translation(theta, translate_first))


@public
def kurbiel_matrix(theta: Any) -> Any:
    """Return STN's affine matrices from Kurbiel's order of the six parameters.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 6)
        theta_1 to theta_6 of each image: the matrix row by row, then the shift; float16, float32 or float64. The
        identity is (1, 0, 0, 1, 0, 0).

    Returns
    -------
    ndarray or Tensor, shape (N, 2, 3)
        [[theta_1, theta_2, theta_5], [theta_3, theta_4, theta_6]], of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If theta has the wrong type, dtype or shape.
    """
    _check(theta, 6, "theta_1 to theta_6")
    return _as_matrix(theta, _kurbiel)


# ---- grids ----


@public
def attention_grid(theta: Any, size: Any, align_corners: bool = False) -> Any:
    """Return the sampling grid of STN's attention, an isotropic scale and a translation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 3)
        s, t_x, t_y of each image, as `attention_matrix` takes them.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    STN Eq. (2). Values and gradients are within (4 + log2 k) u M of the exact ones, as for `affine_grid`.

    Examples
    --------
    >>> attention_grid(np.array([[0.5, 0.25, 0.0]]), (1, 1, 1, 2)).tolist()
    [[[[0.0, 0.0], [0.5, 0.0]]]]
    """
    _check(theta, 3, "s, t_x, t_y")
    return _as_grid(theta, _attention, size, align_corners)


@public
def translation_grid(theta: Any, size: Any, align_corners: bool = False) -> Any:
    """Return the sampling grid of a translation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 2)
        t_x, t_y of each image, as `translation_matrix` takes them.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    Values and gradients are within (4 + log2 k) u M of the exact ones, as for `affine_grid`.
    """
    _check(theta, 2, "t_x, t_y")
    return _as_grid(theta, _translation, size, align_corners)


@public
def similarity_grid(theta: Any, size: Any, align_corners: bool = False) -> Any:
    """Return the sampling grid of a similarity: an isotropic scale, a rotation and a translation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 4)
        s, a, t_x, t_y of each image, as `similarity_matrix` takes them.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    Values and gradients are within (12 + log2 k) u M of the exact ones, if the library's sine and cosine are good to
    one unit in the last place.
    """
    _check(theta, 4, "s, a, t_x, t_y")
    return _as_grid(theta, _similarity, size, align_corners)


@public
def rotation_scale_translation_grid(
    theta: Any, size: Any, align_corners: bool = False, translate_first: bool = False
) -> Any:
    """Return the sampling grid of a rotation, scales given by their logarithms, and a translation.

    Parameters
    ----------
    theta : ndarray or Tensor, shape (N, 5)
        a, l_x, l_y, t_x, t_y of each image, as `rotation_scale_translation_matrix` takes them.
    size : sequence of four int
        (N, C, H, W) of the map that will be sampled at this grid; C is not used.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    translate_first : bool
        The order of the three, see `rotation_scale_translation_matrix`.

    Returns
    -------
    ndarray or Tensor, shape (N, H, W, 2)
        The points (x, y) to sample at, of theta's dtype and kind.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape; the message says which, and what is expected.

    Notes
    -----
    Values and gradients are within (12 + log2 k) u M of the exact ones, if the library's sine, cosine and power of two
    are good to one unit in the last place.
    """
    _check(theta, 5, "a, l_x, l_y, t_x, t_y")
    check_option("translate_first", translate_first, (False, True))
    return _as_grid(theta, lambda theta: _rotation_scale_translation(theta, translate_first), size, align_corners)
