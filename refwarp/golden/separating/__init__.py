"""What failures have in common: the few properties that tell them from what passes, in sentences.

For each operation: in which outputs, dtypes, memory layouts and manners it fails alone, the same cases passing in the
others; then the rule (see `rules`) that tells the cases that fail from those that pass; then the rule that tells, in
the cases that fail, the wrong elements from the right ones. Each sentence says how many cases it is true of, and how
many that pass it would be true of, too: nothing is hidden that speaks against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.manners import MANNERS, ONCE
from refwarp.golden.outcomes import REFUSAL, Grade, Outcome, Verification
from refwarp.golden.separating.properties import of_case, of_elements
from refwarp.golden.separating.rules import Condition, Rule, learn, thresholds

# So many sentences of an operation at most; a further one must be about so large a part of its failing cases.
_MOST_RULES = 3
_LEAST_PART = 0.1
# What is said of elements: from so many wrong and right ones of an outcome, of so many outcomes; and only if the rule
# holds for so large a part of the wrong ones, of which so large a part of those that it holds for are.
_ELEMENTS, _OUTCOMES = 100, 100
_RECALL, _PRECISION = 0.9, 0.7
# So much as an outcome with many elements counts for.
_WEIGHT = 8.0
# What costs more bits than other conditions: flags say what a case is for, which is no property of its numbers.
_COSTS = {"the case has the flag": 2.0, "theta[": 1.0, "elements of": 1.0}


@dataclass(frozen=True)
class Sentence:
    """What failures of an operation have in common, and of which operation they are."""

    operation: str
    counts: str
    what: str


def sentences(verification: Verification) -> tuple[str, ...]:
    """Return what failures have in common, one sentence for each kind; operations of which the same is true share one.

    Parameters
    ----------
    verification : Verification
        With all its outcomes: what passes tells as much as what fails.
    """
    everything = (*verification.outcomes, *verification.sample)
    failing = set(map(id, verification.failures))
    by_operation: dict[str, list[Outcome]] = {}
    for outcome in everything:
        by_operation.setdefault(outcome.case.operation, []).append(outcome)
    alike: dict[str, list[Sentence]] = {}
    for operation in sorted({outcome.case.operation for outcome in verification.failures}):
        for found in _of_operation(operation, by_operation[operation], failing, verification.required):
            alike.setdefault(found.what, []).append(found)
    return tuple(
        f"{', '.join(f'{found.operation} ({found.counts})' for found in group)}: {what}"
        for what, group in alike.items()
    )


def _of_operation(
    operation: str, outcomes: Sequence[Outcome], failing: set[int], required: Grade
) -> Iterable[Sentence]:
    """Yield the sentences about one operation."""
    refusals = [outcome for outcome in outcomes if outcome.output == REFUSAL]
    if any(id(outcome) in failing for outcome in refusals):
        accepted = {outcome.case.name for outcome in refusals if id(outcome) in failing}
        counts = f"{len(accepted)} of {len({outcome.case.name for outcome in refusals})} calls"
        yield Sentence(operation, counts, "Calls that must be refused are not.")
    outcomes = [outcome for outcome in outcomes if outcome.output != REFUSAL]
    ran = len({outcome.case.name for outcome in outcomes})
    left = [outcome for outcome in outcomes if id(outcome) in failing]
    fewest = max(1.0, _LEAST_PART * len({outcome.case.name for outcome in left}))
    # Of nothing, nothing can be wrong: it says nothing that such a case passes.
    passing = [outcome for outcome in outcomes if id(outcome) not in failing and not _is_empty(outcome.case)]
    for number in range(_MOST_RULES):
        cases = {outcome.case.name for outcome in left}
        if not left or (number and len(cases) < fewest):
            return
        only = _only(left, passing)
        pool = [outcome for outcome in (*left, *passing) if _within(outcome, only)]
        rule, runs, bad = _rule_of_runs(pool, set(map(id, left)))
        covered = {run for run, holds, fails in zip(runs, rule.holds, bad, strict=True) if holds and fails}
        explained = [outcome for outcome in left if _run(outcome) in covered]
        counts = f"{len(cases)} of {ran} cases fail"
        what = [_said_of_cases(rule, runs, bad), *_said_of_runs(only), *_said_of_problems(explained)]
        what += _said_of_elements(explained, required)
        yield Sentence(operation, counts, " ".join(what))
        left = [outcome for outcome in left if _run(outcome) not in covered]


def _is_empty(case: Case) -> bool:
    return not case.outputs_size or not all(array.size for array in case.inputs.values())


_Run = tuple[str, str, str, str, str]


def _run(outcome: Outcome) -> _Run:
    return outcome.case.name, outcome.dtype, outcome.layout, outcome.manner, outcome.convention


# ---- in which outputs, dtypes, layouts and manners ----

_PARTS = {
    "output": "only in {}, the other outputs are right.",
    "dtype": "only in {}: the same cases pass in {}.",
    "layout": "only on arrays that are {} in memory.",
    "manner": "only if {}: called once, it is right.",
    "convention": "only with the convention {}.",
}


def _only(failing: Sequence[Outcome], passing: Sequence[Outcome]) -> dict[str, tuple[set[str], set[str]]]:
    """Return what all failures have of a run's parts, and what the same cases pass with."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for part in _PARTS:
        # What tells is a run that passes and differs from one that fails in this part alone.
        others = [other for other in _PARTS if other != part]

        def rest(outcome: Outcome, others: Sequence[str] = others) -> tuple[str, ...]:
            return outcome.case.name, *(getattr(outcome, other) for other in others)

        fail, alike = {getattr(outcome, part) for outcome in failing}, {rest(outcome) for outcome in failing}
        same = {getattr(outcome, part) for outcome in passing if rest(outcome) in alike} - fail
        if same:
            found[part] = fail, same
    return found


def _within(outcome: Outcome, only: Mapping[str, tuple[set[str], set[str]]]) -> bool:
    return all(getattr(outcome, part) in fail for part, (fail, _) in only.items())


def _said_of_runs(only: Mapping[str, tuple[set[str], set[str]]]) -> Iterable[str]:
    for part, (fail, others) in only.items():
        names = sorted(fail)
        if part == "manner":
            if ONCE in fail:  # that not every other manner shows it, is no news
                continue
            names = [MANNERS[name].words for name in names]
        text = _PARTS[part].format(" or ".join(names), " and ".join(sorted(others)))
        yield text[0].upper() + text[1:]


# ---- which cases ----


def _rule_of_runs(pool: Sequence[Outcome], left: set[int]) -> tuple[Rule, list[_Run], list[bool]]:
    """Return the rule that tells the runs with a failure from the others, the runs, and which fail."""
    cases: dict[_Run, Case] = {}
    fails: dict[_Run, bool] = {}
    for outcome in pool:
        cases[_run(outcome)] = outcome.case
        fails[_run(outcome)] = fails.get(_run(outcome), False) or id(outcome) in left
    runs = list(cases)
    # Runs of one case are no independent witnesses: together they count as one.
    times = Counter(run[0] for run in runs)
    weights = np.array([1.0 / times[run[0]] for run in runs])
    described = cache(lambda name: of_case(by_name[name]))
    by_name = {case.name: case for case in cases.values()}
    tables = [{**described(run[0]), **_parts_of(run)} for run in runs]
    bad = np.array([fails[run] for run in runs])
    return learn(_conditions(tables), bad, weights), runs, bad.tolist()


def _parts_of(run: _Run) -> dict[str, str]:
    return {"dtype": run[1], **({"memory layout": run[2]} if run[2] else {}), "manner": run[3]}


def _conditions(tables: Sequence[Mapping[str, Any]]) -> list[Condition]:
    """Return the conditions on properties of instances, each of which has a table of them."""
    found: dict[bytes, Condition] = {}
    for name in dict.fromkeys(name for table in tables for name in table):
        values = [table.get(name) for table in tables]
        cost = next((cost for start, cost in _COSTS.items() if name.startswith(start)), 0.0)
        given = [value for value in values if value is not None]
        if all(isinstance(value, bool | np.bool_) for value in given):
            holds = np.array([bool(value) for value in values])
            some = [Condition(name, holds, cost)]
        elif any(isinstance(value, str) for value in given):
            kinds = sorted({str(value) for value in given})
            some = [Condition(f"{name} is {kind}", np.array([str(v) == kind for v in values]), cost) for kind in kinds]
            if len(kinds) > 2:
                some += [
                    Condition(f"{name} is not {kind}", np.array([str(v) != kind for v in values]), cost + 0.5)
                    for kind in kinds
                ]
        else:
            some = thresholds(name, np.array([np.nan if v is None else float(v) for v in values]), cost)
        for condition in some:  # of those that say the same of these instances, the cheapest, and the first of these
            if condition.holds.any() and not condition.holds.all():
                key = condition.holds.tobytes()
                if key not in found or condition.cost < found[key].cost:
                    found[key] = condition
    return list(found.values())


def _said_of_cases(rule: Rule, runs: Sequence[_Run], bad: Sequence[bool]) -> str:
    names = {run[0] for run, fails in zip(runs, bad, strict=True) if fails}
    inside = {run[0] for run, holds in zip(runs, rule.holds, strict=True) if holds}
    there = {run[0] for run, holds, fails in zip(runs, rule.holds, bad, strict=True) if holds and fails}
    if not rule.conditions:
        every = len(names) == len(inside)
        return "Every case that ran." if every else f"No property tells them from the {len(inside - there)} that pass."
    most = "all" if len(there) == len(names) else f"{len(there)} of the {len(names)}"
    return f"In {most} {rule.words}; of {len(inside)} such cases {len(there)} fail."


def _said_of_problems(outcomes: Sequence[Outcome]) -> Iterable[str]:
    problems = Counter(outcome.problem for outcome in outcomes)
    problem, count = problems.most_common(1)[0]
    if problem and count == len(outcomes):
        yield f"Each of them: {problem}."


# ---- which elements ----


def _said_of_elements(outcomes: Sequence[Outcome], required: Grade) -> Iterable[str]:
    """Yield what tells the wrong elements from the right ones in the outcomes that fail."""
    tables: list[dict[str, Any]] = []
    bad: list[bool] = []
    weights: list[float] = []
    numeric = [outcome for outcome in outcomes if outcome.shares is not None and outcome.result is not None]
    for outcome in numeric[:: max(1, len(numeric) // _OUTCOMES)]:
        assert outcome.shares is not None
        shares = outcome.shares.faithful if required == Grade.FAITHFUL else outcome.shares.working
        wrong = (shares > 1.0).ravel()
        elements = next(iter(outcome.case.conventions(outcome.output).values())).elements
        # A 0 is right by chance: whatever is left out, scaled or turned round, it stays 0.
        telling = wrong | (elements["value"].ravel() != 0)
        properties = {
            name: np.broadcast_to(array, shares.shape).ravel()
            for name, array in of_elements(outcome.case, outcome.output).items()
        }
        each = min(1.0, _WEIGHT / wrong.size)
        for some in (np.flatnonzero(wrong), np.flatnonzero(telling & ~wrong)):
            chosen = some[:: max(1, len(some) // _ELEMENTS)]
            for index in chosen:
                tables.append({name: array[index].item() for name, array in properties.items()})
                bad.append(bool(wrong[index]))
                weights.append(each * len(some) / len(chosen))
    if not any(bad) or all(bad):
        return
    rule = learn(_conditions(tables), np.array(bad), np.array(weights))
    if not rule.conditions:
        return
    found, weight = np.array(bad), np.array(weights)
    both = float(weight[found & rule.holds].sum())
    recall, precision = both / float(weight[found].sum()), both / float(weight[rule.holds].sum())
    if recall >= _RECALL and precision >= _PRECISION:
        yield (
            f"Wrong in them are the elements where {rule.words} ({100 * recall:.0f} % of the wrong ones are such, and "
            f"{100 * precision:.0f} % of such are wrong)."
        )
