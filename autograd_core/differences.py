"""Numerical derivatives with an estimate of their error: extrapolated differences and the complex step.

Both take a function F from R to R^K, the restriction of something larger to a line, and differentiate it at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Vector = np.ndarray[Any, Any]
EPS = float(np.finfo(np.float64).eps)

# Steps 1, 1/2, ..., 2^-19 times the first: a kink or a curve at a millionth of the first step is still seen.
LEVELS = 20
# Each extrapolation removes one more term of the error, and amplifies the noise; six have proved enough.
COLUMNS = 6


@dataclass(frozen=True)
class Derivative:
    """A derivative, and an estimate of the absolute error of each of its elements."""

    value: Vector
    error: Vector


@dataclass(frozen=True)
class Differences:
    """The derivatives from the right, from the left, and their mean, the central one."""

    right: Derivative
    left: Derivative
    central: Derivative
    # Where the function, not its derivative, has a jump at 0.
    jump: Vector


def _extrapolate(quotients: Vector, noise: Vector, power: int) -> Derivative:
    """Take difference quotients (LEVELS, K) for halved steps to the limit (Richardson, Ridders).

    Their error is a series in h^power, of which each column of the table removes a term. An entry's error is
    taken to be its distance from the two entries it was made from and from the one above it, which are worse, plus
    the noise of evaluating F, which each column amplifies; of all entries the one with the smallest estimate is
    chosen, separately for each of the K elements. (W. Press et al., "Numerical recipes", section 5.7, compares with
    the first two only, and adds no noise: of so many entries one then looks right by luck.)
    """
    value, error = quotients[-1], np.full(quotients.shape[1], np.inf)
    table = quotients
    for column in range(1, COLUMNS + 1):
        factor = 2.0 ** (power * column)
        new = (factor * table[1:] - table[:-1]) / (factor - 1)
        noise = noise[1:] * ((factor + 1) / (factor - 1))
        rivals = table[2:], table[1:-1], new[:-1]
        estimates = np.max([abs(new[1:] - rival) for rival in rivals], axis=0) + noise[1:]
        estimates[~np.isfinite(estimates)] = np.inf  # F is not defined that far out
        best = estimates.argmin(axis=0)[None]
        smallest = np.take_along_axis(estimates, best, 0)[0]
        value = np.where(smallest < error, np.take_along_axis(new[1:], best, 0)[0], value)
        error = np.minimum(error, smallest)
        table = new
    return Derivative(value, error)


def _noise(values: Vector, here: Vector) -> Vector:
    """Estimate by how much evaluations F(h) (LEVELS, K) are off, from how far small steps are from a parabola.

    F(h) - 6 F(h/2) + 8 F(h/4) - 3 F(0) is a share of the cubic term, next to nothing at the last steps, plus noise
    with weights whose squares add up to 110: ten times the noise of one evaluation, and the largest of four such
    some twenty times. A quarter of that is taken, and at least a last bit.
    """
    small = values[-6:]
    cubic = small[:-2] - 6 * small[1:-1] + 8 * small[2:] - 3 * here
    noise: Vector = np.maximum(abs(cubic).max(axis=0) / 4, EPS * (abs(values).max(axis=0) + abs(here)))
    return noise


def differences(function: Callable[[float], Vector], first_step: float) -> Differences:
    """Differentiate `function` at 0 from evaluations at 0 and at +-first_step 2^-k, k = 0 ... LEVELS - 1."""
    steps = first_step * 0.5 ** np.arange(LEVELS)
    with np.errstate(all="ignore"):
        here = function(0.0)
        right = np.stack([function(step) for step in steps])
        left = np.stack([function(-step) for step in steps])
        h = steps[:, None]
        noise_right, noise_left = _noise(right, here), _noise(left, here)
        return Differences(
            _extrapolate((right - here) / h, noise_right / h, power=1),
            _extrapolate((here - left) / h, noise_left / h, power=1),
            _extrapolate((right - left) / (2 * h), np.maximum(noise_right, noise_left) / (2 * h), power=2),
            _jumps(function, here, right, steps[-1]) | _jumps(function, here, left, -steps[-1]),
        )


def _jumps(function: Callable[[float], Vector], here: Vector, values: Vector, last_step: float) -> Vector:
    """Tell which elements change by about the same at all of the last steps, and by more than rounding does.

    Where F is continuous, however steep, the change shrinks with the step. Noise of few bits may be the same at five
    steps by chance, but not at fifteen more.
    """
    changes = values[-5:] - here
    jumps = _constant(changes, here)
    if jumps.any():
        more = np.stack([function(last_step * (1 + k / 16)) for k in range(1, 16)]) - here
        jumps = _constant(np.concatenate([changes, more]), here)
    return jumps


def _constant(changes: Vector, here: Vector) -> Vector:
    sizes = abs(changes)
    least: Vector = sizes.min(axis=0)
    alike: Vector = (least > 0.7 * sizes.max(axis=0)) & (abs(changes.sum(axis=0)) > 0.99 * sizes.sum(axis=0))
    return alike & (least > 16 * EPS * abs(here))


def complex_step(function: Callable[[complex], Vector]) -> Vector:
    """Return the derivative at 0 of a function that continues analytically to complex numbers.

    Im F(ih) / h has the error of a difference quotient, O(h^2), but no difference that could cancel: h is as
    small as one likes, and the result as accurate as the evaluation of F.
    """
    step = 2.0**-100
    derivative: Vector = function(1j * step).imag / step
    return derivative
