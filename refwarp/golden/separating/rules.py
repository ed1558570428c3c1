"""A small learner of rules: one condition, or two together, that separate what fails from what passes.

Of all rules the one is taken with which the fewest bits say what fails: with the share p of failures among n instances,
n H(p) bits, H being the entropy, are needed for those that fulfil the rule, and as many for the others; and the rule
itself costs log2 of the number of conditions for each that it has, and log2(n)/2 for its second share (the minimum
description length, Rissanen 1978).
So a second condition, or a rule at all, must pay for itself, and chance does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Of the conditions alone only so many, the best, are tried in pairs.
_BEAM = 200


@dataclass(frozen=True)
class Condition:
    """Something that holds for some instances: in words, for which, and what it costs in bits beside its choice."""

    words: str
    holds: Bools
    cost: float = 0.0


@dataclass(frozen=True)
class Rule:
    """Conditions that hold together; those of all instances, if there are none."""

    conditions: tuple[Condition, ...]
    holds: Bools

    @property
    def words(self) -> str:
        """The conditions in words."""
        return " and ".join(condition.words for condition in self.conditions)


def learn(conditions: Sequence[Condition], failing: Bools, weights: Floats) -> Rule:
    """Return the rule with the shortest description of what fails.

    Parameters
    ----------
    conditions : sequence of Condition
        Those that a rule may have.
    failing : array of bool, shape (n,)
        Which instances fail.
    weights : array, shape (n,)
        How much each counts, 1 or less.

    Returns
    -------
    Rule
        Without conditions if none pays for itself.
    """
    everything = np.ones(len(failing), bool)
    if not conditions or failing.all() or not failing.any():
        return Rule((), everything)
    holds = np.array([condition.holds for condition in conditions])
    costs = np.array([condition.cost for condition in conditions]) + np.log2(len(conditions))
    share = 0.5 * np.log2(max(float(weights.sum()), 1.0))
    bad, good = np.where(failing, weights, 0.0), np.where(failing, 0.0, weights)
    bits = share + costs + _bits(holds @ bad, holds @ good, bad.sum(), good.sum())
    best = float(_bits(bad.sum(), good.sum(), bad.sum(), good.sum()))
    chosen: tuple[int, ...] = ()
    first = int(np.argmin(bits))
    if bits[first] < best:
        best, chosen = float(bits[first]), (first,)
    beam = np.argsort(bits, kind="stable")[:_BEAM]
    some = holds[beam].astype(np.float64)
    pairs = share + costs[beam][:, None] + costs[beam]
    pairs = pairs + _bits((some * bad) @ some.T, (some * good) @ some.T, bad.sum(), good.sum())
    np.fill_diagonal(pairs, np.inf)
    one, other = divmod(int(np.argmin(pairs)), len(beam))
    if pairs[one, other] < best:
        chosen = tuple(sorted((int(beam[one]), int(beam[other]))))
    taken = tuple(conditions[index] for index in chosen)
    return Rule(taken, np.logical_and.reduce([everything, *(condition.holds for condition in taken)]))


def thresholds(what: str, numbers: Floats, cost: float = 0.0) -> list[Condition]:
    """Return conditions for the numbers that some instances have: at least as much, and at most."""
    found = np.unique(numbers[~np.isnan(numbers)])
    with np.errstate(invalid="ignore"):
        at_least = [Condition(f"{what} >= {number:g}", numbers >= number, cost) for number in found[1:]]
        at_most = [Condition(f"{what} <= {number:g}", numbers <= number, cost) for number in found[:-1]]
    return at_least + at_most


def _bits(bad: Floats, good: Floats, all_bad: float, all_good: float) -> Floats:
    """Return the bits that say what fails, given what a rule holds for; infinity if failures are rarer there."""
    with np.errstate(all="ignore"):
        inside, outside = _entropy(bad, good), _entropy(all_bad - bad, all_good - good)
        rarer = bad * (all_bad + all_good) < all_bad * (bad + good)
    found: Floats = np.where(rarer, np.inf, inside + outside)
    return found


def _entropy(bad: Floats, good: Floats) -> Floats:
    """Return n H(p), with n = bad + good and p = bad / n."""
    bad, good = np.maximum(bad, 0.0), np.maximum(good, 0.0)
    total = bad + good
    parts = [np.where(part > 0, -part * np.log2(np.where(part > 0, part / total, 1.0)), 0.0) for part in (bad, good)]
    found: Floats = parts[0] + parts[1]
    return found
