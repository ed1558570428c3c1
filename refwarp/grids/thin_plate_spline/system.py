"""The equations of a thin plate spline, solved to the last bit of a double.

    A = [R + sI, H^T; H, 0],  R_jk = r^2 ln r^2,  r = |c_j - c_k|                      (system.1)

with the control points c, H their rows x, y, 1, and a smoothing weight s >= 0 (DTN's Delta, Eq. (2), in another order,
which makes it symmetric). A depends on the control points by logarithms, and its inverse on A by the condition number.
So its elements are held to twice the digits of a double, and a factorisation of the leading ones is refined with
residuals to as many:

    x <- x + A^-1 (right - A x)                                                        (system.2)

Each step gains some 53 - log2(condition number) bits, until the last bit is good or what is left is the residual's own
roundings. Before, rows and columns are scaled by powers of two, so that units and smoothing drop out of the condition
number: what is left is how close control points are to one another, to one line, or to one point seen from the origin.
The result stays good to the last bit or two until that reaches some 10^13; control points are refused beyond 10^12.

All this runs on the CPU, for a GPU too: a system is solved once for a set of control points, and has few equations. Its
cost grows with their cube.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from refwarp.backend import double_double
from refwarp.backend.arithmetic import two_product, two_sum
from refwarp.backend.jit import kernel
from refwarp.backend.launch import argument, run_on_cpu

Array = np.ndarray[Any, Any]

LARGEST_CONDITION_NUMBER = 1e12
# The most control points: half a minute on two cores, for all their cardinal functions.
LARGEST_COUNT = 2048
_STEPS = 12
_CONVERGED = 2.0**-80
_NO_GAIN = 2.0**-4  # of a correction to the one before: it is made of the residual's own roundings
_COLUMNS = 256


@kernel
def _fill(start: int, stop: int, control: Any, smoothing: float, high: Any, low: Any) -> None:
    """Compute A, as sums of two doubles: for points start to stop, their distances to those before."""
    count = control.shape[0]
    for j in range(start, stop):
        for k in range(j):
            x = two_sum(control[j, 0], -control[k, 0])
            y = two_sum(control[j, 1], -control[k, 1])
            r2 = double_double.add(double_double.multiply(x, x), double_double.multiply(y, y))
            if r2[0] > 0.0:
                high[j, k], low[j, k] = double_double.multiply(r2, double_double.log(r2))  # (DTN 2), (system.1)
                high[k, j], low[k, j] = high[j, k], low[j, k]
        high[j, j] = smoothing  # (system.1)
        high[j, count], high[j, count + 1], high[j, count + 2] = control[j, 0], control[j, 1], 1.0  # (system.1): H^T
        high[count, j], high[count + 1, j], high[count + 2, j] = control[j, 0], control[j, 1], 1.0  # (system.1): H


@kernel
def _correct(start: int, stop: int, correction: Any, solution: Any) -> None:
    """Add a correction to rows of the solution (2, K + 3, m), a sum of two doubles."""
    for j in range(start, stop):
        x, rest, added = solution[0, j], solution[1, j], correction[j]
        for column in range(len(x)):
            x[column], lost = two_sum(x[column], added[column])  # (system.2)
            x[column], rest[column] = two_sum(x[column], rest[column] + lost)


@kernel
def _subtract_product(
    start: int, stop: int, first: int, high: Any, low: Any, right: Any, solution: Any, residual: Any
) -> None:
    """Compute the residual, right - A x, of columns of the solution, from `first` on.

    The solution is a sum of two doubles. What the roundings of residual[0] leave out is added up in residual[1].
    """
    count, width = high.shape[0], stop - start
    start, stop = first + start, first + stop
    for j in range(count):
        missing, lowest, wanted = residual[0, j, start:stop], residual[1, j, start:stop], right[j, start:stop]
        for column in range(width):
            missing[column], lowest[column] = wanted[column], 0.0
        for k in range(count):
            a, b, x, rest = high[j, k], low[j, k], solution[0, k, start:stop], solution[1, k, start:stop]
            for column in range(width):
                term, lost = two_product(a, -x[column])  # (system.2)
                lost -= a * rest[column] + b * x[column]
                missing[column], remainder = two_sum(missing[column], term)
                lowest[column] += remainder + lost
        for column in range(width):
            missing[column] += lowest[column]


class System(NamedTuple):
    """A with its rows and columns scaled, as a sum of two doubles, and the factorisation of the high one."""

    scale: Array
    high: Array
    low: Array
    factors: tuple[Array, Array]

    def solve(self, right: Array) -> Array:
        """Return A^-1 right, refined until it is good to the last bit."""
        from scipy.linalg import lu_solve

        right = argument(self.scale * right)
        solution, residual = np.zeros((2, 2, *right.shape))
        correction = lu_solve(self.factors, right, check_finite=False)
        size = np.full(right.shape[1], np.inf)
        for _ in range(_STEPS):
            run_on_cpu(_correct, len(right), right.size, argument(correction), solution)
            former, size = size, abs(correction).max(axis=0)
            if ((size <= _CONVERGED * abs(solution[0]).max(axis=0)) | (size > _NO_GAIN * former)).all():
                break
            self._find_residual(right, solution, residual)
            correction = lu_solve(self.factors, residual[0], check_finite=False)  # (system.2)
        x: Array = self.scale * solution[0]
        return x

    def _find_residual(self, right: Array, solution: Array, residual: Array) -> None:
        """Compute the residual, so many columns at a time that an interrupt is heard in between."""
        count, columns = right.shape
        for first in range(0, columns, _COLUMNS):
            some = min(_COLUMNS, columns - first)
            work = count * count * some
            run_on_cpu(_subtract_product, some, work, first, self.high, self.low, right, solution, residual)


@lru_cache(maxsize=64)
def spline_system(control: bytes, smoothing: float) -> System:
    """Return the system of control points, which are given as the bytes of a float64 array (K, 2)."""
    from scipy.linalg import lu_factor

    centres = np.frombuffer(control).reshape(-1, 2)
    if not np.isfinite(centres).all():
        raise ValueError("control: given points that are not finite, expected finite ones")
    span = float(np.ptp(centres, axis=0).max())
    if not 2.0**-300 < span < 2.0**300 and span > 0.0:  # their squares would under- or overflow
        raise ValueError(
            f"control: given points that span {span:.1e}, expected a span between 1e-90 and 1e90; grids are in [-1, 1]"
        )
    high, low = np.zeros((2, len(centres) + 3, len(centres) + 3))
    run_on_cpu(_fill, len(centres), len(centres) ** 2, argument(centres), smoothing, high, low)
    scale = _equilibrium(high)
    high, low = scale * high * scale.T, scale * low * scale.T
    condition = _condition_number(high) if np.isfinite(high).all() else math.inf
    if not condition <= LARGEST_CONDITION_NUMBER:
        raise ValueError(
            f"control: given points whose spline has the condition number {condition:.1e}, expected at most "
            f"{LARGEST_CONDITION_NUMBER:.0e}; move apart points that (nearly) coincide or lie on one line"
        )
    factors, pivots = lu_factor(high, check_finite=False)
    for array in (scale, high, low, factors, pivots):
        array.flags.writeable = False
    return System(scale, high, low, (factors, pivots))


def _condition_number(matrix: Array) -> float:
    """Return the largest singular value over the smallest: of a symmetric matrix the absolute eigenvalues."""
    values = abs(np.linalg.eigvalsh(matrix))
    least = float(values.min())
    return float(values.max()) / least if least > 0.0 else math.inf


def _equilibrium(matrix: Array) -> Array:
    """Return powers of two by which to scale rows and columns of A, so that only its geometry makes it singular.

    They bring R + sI, and each row of H, to elements of about 1: the units of the control points and the smoothing
    weight drop out of the condition number.
    """
    weights = np.frexp(abs(matrix[:-3, :-3]).max())[1] // 2
    affine = np.frexp(abs(matrix[-3:, :-3]).max(axis=1))[1] - weights
    exponents = np.concatenate([np.full(len(matrix) - 3, weights), affine])
    scale: Array = np.ldexp(1.0, -exponents)[:, None]
    return scale
