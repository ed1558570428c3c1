"""The equations of a thin plate spline, solved to the last bit of a double.

    A = [R + sI, H^T; H, 0],  R_jk = r^2 ln r^2,  r = |c_j - c_k|                      (system.1)

with the control points c, H their rows x, y, 1, and a smoothing weight s >= 0 (DTN's Delta, Eq. (2), in another order,
which makes it symmetric). A depends on the control points by logarithms, and its inverse on A by the condition number.
So its elements are held to twice the digits of a double, and a factorisation of the leading ones is refined with
residuals to as many:

    x <- x + A^-1 (right - A x)                                                        (system.2)

Each step gains some 53 - log2(condition number) bits. Before, rows and columns are scaled by powers of two, so that
units and smoothing drop out of the condition number: what is left is how close control points are to one another, to
one line, or to one point seen from the origin. The result stays good to the last bit or two until that reaches some
10^13; control points are refused beyond 10^12.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from refwarp import double_double
from refwarp.arithmetic import two_product, two_sum
from refwarp.compilation import argument, kernel

Array = np.ndarray[Any, Any]

LARGEST_CONDITION_NUMBER = 1e12
_STEPS = 12
_CONVERGED = 2.0**-80


@kernel
def _fill(start: int, stop: int, control: Any, smoothing: float, high: Any, low: Any) -> None:
    """Compute rows of A, as sums of two doubles (system.1)."""
    count = control.shape[0]
    high[start:stop], low[start:stop] = 0.0, 0.0
    for j in range(start, min(stop, count)):
        for k in range(count):
            x = two_sum(control[j, 0], -control[k, 0])
            y = two_sum(control[j, 1], -control[k, 1])
            r2 = double_double.add(double_double.multiply(x, x), double_double.multiply(y, y))
            if r2[0] > 0.0:
                high[j, k], low[j, k] = double_double.multiply(r2, double_double.log(r2))
        high[j, j] = smoothing
        high[j, count], high[j, count + 1], high[j, count + 2] = control[j, 0], control[j, 1], 1.0
    for j in range(max(start, count), stop):
        for k in range(count):
            high[j, k] = control[k, j - count] if j < count + 2 else 1.0


@kernel
def _refine(
    start: int, stop: int, high: Any, low: Any, right: Any, correction: Any, x: Any, rest: Any, residual: Any
) -> None:
    """Add a correction to columns of the solution x + rest, and compute the residual that is left (system.2)."""
    count = high.shape[0]
    for column in range(start, stop):
        for j in range(count):
            x[j, column], lost = two_sum(x[j, column], correction[j, column])
            x[j, column], rest[j, column] = two_sum(x[j, column], rest[j, column] + lost)
        for j in range(count):
            missing = (right[j, column], 0.0)
            for k in range(count):
                term, lost = two_product(high[j, k], -x[k, column])
                lost -= high[j, k] * rest[k, column] + low[j, k] * x[k, column]
                missing = double_double.add(missing, (term, lost))
            residual[j, column] = missing[0]


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
        x, rest, residual = (np.zeros(right.shape) for _ in range(3))
        correction = lu_solve(self.factors, right, check_finite=False)
        for _ in range(_STEPS):
            _refine(0, right.shape[1], self.high, self.low, right, argument(correction), x, rest, residual)
            if (abs(correction).max(axis=0) <= _CONVERGED * abs(x).max(axis=0)).all():
                break
            correction = lu_solve(self.factors, residual, check_finite=False)
        return self.scale * x


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
    high, low = np.empty((2, len(centres) + 3, len(centres) + 3))
    _fill(0, len(high), argument(centres), smoothing, high, low)
    scale = _equilibrium(high)
    high, low = scale * high * scale.T, scale * low * scale.T
    condition = np.linalg.cond(high) if np.isfinite(high).all() else math.inf
    if not condition <= LARGEST_CONDITION_NUMBER:
        raise ValueError(
            f"control: given points whose spline has the condition number {condition:.1e}, expected at most "
            f"{LARGEST_CONDITION_NUMBER:.0e}; move apart points that (nearly) coincide or lie on one line"
        )
    factors, pivots = lu_factor(high, check_finite=False)
    for array in (scale, high, low, factors, pivots):
        array.flags.writeable = False
    return System(scale, high, low, (factors, pivots))


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
