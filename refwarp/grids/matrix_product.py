"""Products of matrices, their sums carried to twice the digits: what the grids that are linear in a basis are made of.

    out_ij = sum over k of a_ik b_kj                                                   (product.1)
    ga = gout b^T,  gb = a^T gout                                                      (product.2)

On the CPU long sums add four terms at a time pairwise, and the sum of these sums keeps what its roundings leave out:
an element is within 4 u M, of less than eight terms within 2 u M, M the sum of its terms' absolute values. Wide
products go through tiles of columns, narrow ones with long sums through pieces of both factors' rows: each time the
innermost loop runs along memory. On CUDA a thread adds up one element, or every so-many-th term of one whose sum is
long.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import matrix_transpose
from refwarp.backend.arithmetic import compensated, two_sum
from refwarp.backend.jit import items, kernel
from refwarp.backend.launch import argument, run, runs_on_cuda
from refwarp.backend.reductions import add_rows

# Columns of a product that are summed together: their sums stay in the nearest cache.
_TILE = 512
# Partial sums that run side by side along the rows of both factors, and the piece of the rows that they go through.
_PARTIAL, _PIECE = 64, 2048
# From so many terms on, four are added pairwise: the two roundings are within the log2 k of the budget.
_MANY = 8


@kernel
def _tiles(start: int, stop: int, a: Any, b: Any, out: Any) -> None:
    """Compute tiles of rows of a b, on the CPU."""
    _, rows, columns = out.shape
    length, tiles = a.shape[2], (columns + _TILE - 1) // _TILE
    total, lost = np.empty(_TILE), np.empty(_TILE)
    for item in range(start, stop):
        n, first, i = item // (tiles * rows), item // rows % tiles * _TILE, item % rows
        width = min(_TILE, columns - first)
        total[:width], lost[:width] = 0.0, 0.0
        factors, last = a[n, i], first + width
        k = 0
        while length >= _MANY and k + 4 <= length:
            f0, f1, f2, f3 = (
                np.float64(factors[k]),
                np.float64(factors[k + 1]),
                np.float64(factors[k + 2]),
                np.float64(factors[k + 3]),
            )
            b0, b1 = b[n, k, first:last], b[n, k + 1, first:last]
            b2, b3 = b[n, k + 2, first:last], b[n, k + 3, first:last]
            for j in range(width):
                term = (f0 * b0[j] + f1 * b1[j]) + (f2 * b2[j] + f3 * b3[j])  # (product.1)
                total[j], remainder = two_sum(total[j], term)
                lost[j] += remainder
            k += 4
        while k < length:
            f0, b0 = np.float64(factors[k]), b[n, k, first:last]
            for j in range(width):
                total[j], remainder = two_sum(total[j], f0 * b0[j])  # (product.1)
                lost[j] += remainder
            k += 1
        done = out[n, i, first:last]
        for j in range(width):
            done[j] = compensated(total[j], lost[j])


@kernel
def _pieces(start: int, stop: int, a: Any, b: Any, sums: Any) -> None:
    """Compute pieces of the sums of a b^T, on the CPU: sums (B, pieces, n m, 2), with what they left out."""
    _, pieces, count, _ = sums.shape
    length, columns = a.shape[2], b.shape[1]
    partial = np.empty((2, _PARTIAL))
    total, lost = partial[0], partial[1]
    for item in range(start, stop):
        n, piece, q = item // (pieces * count), item // count % pieces, item % count
        first = piece * _PIECE
        width = min(_PIECE, length - first)
        left, right = a[n, q // columns, first : first + width], b[n, q % columns, first : first + width]
        partial[:] = 0.0
        p = 0
        while p + 4 * _PARTIAL <= width:
            a0, b0 = left[p : p + _PARTIAL], right[p : p + _PARTIAL]
            a1, b1 = left[p + _PARTIAL : p + 2 * _PARTIAL], right[p + _PARTIAL : p + 2 * _PARTIAL]
            a2, b2 = left[p + 2 * _PARTIAL : p + 3 * _PARTIAL], right[p + 2 * _PARTIAL : p + 3 * _PARTIAL]
            a3, b3 = left[p + 3 * _PARTIAL : p + 4 * _PARTIAL], right[p + 3 * _PARTIAL : p + 4 * _PARTIAL]
            for j in range(_PARTIAL):
                first_two = np.float64(a0[j]) * b0[j] + np.float64(a1[j]) * b1[j]
                term = first_two + (np.float64(a2[j]) * b2[j] + np.float64(a3[j]) * b3[j])  # (product.1)
                total[j], remainder = two_sum(total[j], term)
                lost[j] += remainder
            p += 4 * _PARTIAL
        while p < width:
            a0, b0 = left[p : p + _PARTIAL], right[p : p + _PARTIAL]
            for j in range(len(a0)):
                total[j], remainder = two_sum(total[j], np.float64(a0[j]) * b0[j])  # (product.1)
                lost[j] += remainder
            p += _PARTIAL
        whole, rest = 0.0, 0.0
        for j in range(_PARTIAL):
            whole, remainder = two_sum(whole, total[j])
            rest += remainder + lost[j]
        sums[n, piece, q, 0], sums[n, piece, q, 1] = whole, rest


@kernel
def _elements(start: int, stop: int, a: Any, b: Any, parts: int, sums: Any, out: Any) -> None:
    """Compute elements of a b, on CUDA; of more parts than one, each every so-many-th term, to sums (B n, parts, m, 2).

    Neighbouring items are neighbouring columns of b.
    """
    _, rows, columns = out.shape
    for item in items(start, stop):
        row, part, j = item // (parts * columns), item // columns % parts, item % columns
        n, i = row // rows, row % rows
        total, lost = 0.0, 0.0
        for k in range(part, a.shape[2], parts):
            total, remainder = two_sum(total, np.float64(a[n, i, k]) * np.float64(b[n, k, j]))  # (product.1)
            lost += remainder
        if parts == 1:
            out[n, i, j] = compensated(total, lost)
        else:
            sums[row, part, j, 0], sums[row, part, j, 1] = total, lost


def matrix_product(a: Any, b: Any) -> Any:
    """Return the matrix products of a (B, n, k) and b (B, k, m), their sums carried to twice the digits."""
    xp, (batch, rows, length), columns = array_module(a, b), a.shape, b.shape[2]
    shape, work = (batch, rows, columns), batch * rows * columns * length
    if runs_on_cuda(a, b):
        parts = math.isqrt(length) if length > _PARTIAL else 1
        sums, out = xp.empty((batch * rows, parts if parts > 1 else 0, columns, 2)), xp.empty(shape, a.dtype)
        run(_elements, out.size * parts, work, argument(a), argument(b), parts, sums, out)
        return add_rows(sums, a.dtype).reshape(shape) if parts > 1 else out
    if length > columns:
        pieces = math.ceil(length / _PIECE)
        sums = np.empty((batch, pieces, rows * columns, 2))
        run(_pieces, sums.size // 2, work, argument(a), argument(b.swapaxes(1, 2)), sums)
        return add_rows(sums, a.dtype).reshape(shape)
    out = np.empty(shape, a.dtype)
    run(_tiles, batch * rows * math.ceil(columns / _TILE), work, argument(a), argument(b), out)
    return out


class MatrixProduct(Function):
    """(a (B, n, k), b (B, k, m)) -> a b (B, n, m)."""

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Any:
        """Return a b."""
        return matrix_product(a, b)  # (product.1)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> tuple[Tensor | None, ...]:
        """Compute (product.2)."""
        a, b = ctx.inputs
        return (
            MatrixProduct.apply(gout, matrix_transpose(b)) if ctx.needs[0] else None,  # (product.2)
            MatrixProduct.apply(matrix_transpose(a), gout) if ctx.needs[1] else None,  # (product.2)
        )
