"""Means, spreads and differences of results over seeds and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Estimate:
    """A mean and how well it is known.

    Attributes
    ----------
    mean : float
        The mean.
    standard_error : float
        Its standard error; NaN if there is only one seed.
    """

    mean: float
    standard_error: float


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of numbers, one for each seed, and their standard deviation (NaN for fewer than two)."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return float(np.mean(values)), deviation


def paired_difference(first: Array, second: Array) -> Estimate:
    """Return the mean difference of two models' errors on the same examples, with a standard error for both.

    Seeds and examples are each a sample of many that might have been. With d[s, i] the difference for seed s and
    example i, m[s] its mean over examples and n[i] that over seeds, the variance of the mean of all is at most

        Var(m) / S + Var(n) / N,                                                                (statistics.1)

    each Var the unbiased estimate; what depends on seed and example together is in both.

    Parameters
    ----------
    first, second : ndarray, shape (S, N)
        The errors for each seed and example, such as 1 where a digit was misread.

    Returns
    -------
    Estimate
        That of first minus second.

    Raises
    ------
    ValueError
        If the shapes differ, or there are no values.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise ValueError(f"second: given shape {second.shape} beside {first.shape}, expected the same (S, N)")
    difference = first.astype(np.float64) - second
    seeds, examples = difference.shape
    if seeds < 2 or examples < 2:
        return Estimate(float(difference.mean()), float("nan"))
    over_seeds = difference.mean(axis=1).var(ddof=1) / seeds
    over_examples = difference.mean(axis=0).var(ddof=1) / examples
    return Estimate(float(difference.mean()), float(np.sqrt(over_seeds + over_examples)))  # (statistics.1)
