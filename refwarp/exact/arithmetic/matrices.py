"""Vectors and matrices of numbers of any type, as nested lists."""

from __future__ import annotations

from typing import Any

from refwarp.exact.arithmetic.numbers import Number

Matrix = list[list[Number]]


def dot(a: list[Number], b: list[Number]) -> Number:
    """Return the inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def absolute(nested: Any) -> Any:
    """Return the absolute values of nested numbers."""
    return [absolute(part) for part in nested] if isinstance(nested, list) else abs(nested)


def add(a: list[Number], b: list[Number]) -> list[Number]:
    """Return the sum of two vectors."""
    return [x + y for x, y in zip(a, b, strict=True)]


def product(a: Matrix, b: Matrix) -> Matrix:
    """Return the product of two matrices."""
    return [[dot(row, column) for column in transpose(b)] for row in a]


def norm(p: list[Number]) -> Number:
    """Return the Euclidean length of a vector of balls."""
    return (p[0] * p[0] + p[1] * p[1]).sqrt()


def solve(matrix: Matrix, right: Matrix) -> Matrix:
    """Solve a linear system by Gauss's elimination, with the largest pivot of each column.

    Raises
    ------
    ZeroDivisionError
        If the matrix is singular (or, with balls, not certainly regular).
    """
    rows = [[*a, *b] for a, b in zip(matrix, right, strict=True)]
    count = len(rows)
    for k in range(count):
        sizes = [float(abs(_value(row[k]))) for row in rows[k:]]
        pivot = k + sizes.index(max(sizes))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        if not abs(rows[k][k]) > 0:
            raise ZeroDivisionError("singular matrix")
        for i in range(k + 1, count):
            factor = rows[i][k] / rows[k][k]
            rows[i][k:] = [a - factor * b for a, b in zip(rows[i][k:], rows[k][k:], strict=True)]
    for k in reversed(range(count)):
        for column in range(count, len(rows[k])):
            known = sum(rows[k][i] * rows[i][column] for i in range(k + 1, count))
            rows[k][column] = (rows[k][column] - known) / rows[k][k]
    return [row[count:] for row in rows]


def _value(number: Number) -> Number:
    while hasattr(number, "value"):
        number = number.value
    return number


def transpose(matrix: Matrix) -> Matrix:
    """Return the transposed matrix."""
    return [list(column) for column in zip(*matrix, strict=True)]
