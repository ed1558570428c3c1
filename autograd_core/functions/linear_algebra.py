"""Products of matrices and linear systems, with NumPy's broadcasting over leading axes (the batch)."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arrays import Array, array_module
from autograd_core.function import Context, Function
from autograd_core.functions.conversion import astype, widened
from autograd_core.functions.operands import operands
from autograd_core.functions.shaping import expand_dims, matrix_transpose, squeeze, sum_to
from autograd_core.tensor import Tensor

Gradients = tuple[Tensor | None, ...]


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Tell whether NumPy's broadcasting makes one shape of two."""
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


class _MatMul(Function):
    @staticmethod
    def forward(ctx: Context, a: Array, b: Array) -> Array:
        return a @ b

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        a, b = ctx.inputs
        return (
            sum_to(gout @ matrix_transpose(b), a.shape) if ctx.needs[0] else None,
            sum_to(matrix_transpose(a) @ gout, b.shape) if ctx.needs[1] else None,
        )


def matmul(a: Any, b: Any) -> Tensor:
    """Return the matrix product a b.

    Parameters
    ----------
    a : Tensor, (..., m, k) or (k,)
        The left factor.
    b : Tensor, (..., k, n) or (k,)
        The right factor. A vector on either side is a row or a column, whose axis the product drops.

    Returns
    -------
    Tensor, (..., m, n)
        The product, with the leading axes broadcast.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    left, right = operands("matmul", a, b)
    row, column = left.ndim == 1, right.ndim == 1
    if (
        not (left.ndim and right.ndim)
        or left.shape[-1] != right.shape[-1 if column else -2]
        or not _broadcast(left.shape[:-2], right.shape[:-2])
    ):
        raise ValueError(
            f"matmul: given shapes {left.shape} and {right.shape}, "
            "expected (..., m, k) or (k,) and (..., k, n) or (k,) with one k, and leading axes that broadcast"
        )
    left = expand_dims(left, 0) if row else left
    right = expand_dims(right, 1) if column else right
    product = _MatMul.apply(left, right)
    dropped = (-2,) * row + (-1,) * column
    return squeeze(product, dropped) if dropped else product


class _Solve(Function):
    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, a: Array, b: Array) -> Array:
        xp, leading = array_module(a, b), np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        # CuPy's does not broadcast.
        a, b = (xp.broadcast_to(matrix, (*leading, *matrix.shape[-2:])) for matrix in (a, b))
        return xp.linalg.solve(a, b)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        # A X = B, so dX = A^-1 (dB - dA X), hence gB = A^-T gX and gA = -gB X^T.
        a, b = ctx.inputs
        gb = _Solve.apply(matrix_transpose(a), gout)
        ga = -sum_to(gb @ matrix_transpose(ctx.outputs[0]), a.shape) if ctx.needs[0] else None
        return ga, sum_to(gb, b.shape)


def solve(a: Any, b: Any) -> Tensor:
    """Return X with a X = b, from a factorisation of a.

    Parameters
    ----------
    a : Tensor, (..., n, n)
        The matrices.
    b : Tensor, (..., n, k) or (n,)
        The right-hand sides.

    Returns
    -------
    Tensor, (..., n, k) or (..., n)
        The solutions, with the leading axes broadcast.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    numpy.linalg.LinAlgError
        If a matrix is singular to working precision. (CuPy's solver raises nothing, and its result is not finite.)
    """
    dtype, (matrix, right) = widened(*operands("solve", a, b))
    column = right.ndim == 1
    if (
        not (matrix.ndim > 1 and right.ndim)
        or not matrix.shape[-2] == matrix.shape[-1] == right.shape[-1 if column else -2]
        or not _broadcast(matrix.shape[:-2], right.shape[:-2])
    ):
        raise ValueError(
            f"solve: given shapes {matrix.shape} and {right.shape}, "
            "expected (..., n, n) and (..., n, k) or (n,) with one n, and leading axes that broadcast"
        )
    solution = _Solve.apply(matrix, expand_dims(right, 1) if column else right)
    return astype(squeeze(solution, -1) if column else solution, dtype)
