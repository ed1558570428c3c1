"""What a failing test says of a golden case: which outputs, and of each the first element that is not good enough."""

from __future__ import annotations

import numpy as np

from refwarp.golden.outcomes import Grade, Outcome, Verification
from refwarp.golden.report import number, place


def message(verification: Verification) -> str:
    """Return what is wrong with the outcomes of one case, what the case is for, and how to look at it.

    Parameters
    ----------
    verification : Verification
        With at least one failure.
    """
    failures = verification.failures
    case = failures[0].case
    lines = [f"{place(outcome)}: {_first_flaw(outcome, verification.required)}" for outcome in failures]
    options = "".join(f", {name}={option!r}" for name, option in case.options.items())
    call = f"{case.operation}({', '.join(f'{name} {list(x.shape)}' for name, x in case.inputs.items())}{options})"
    shown = f"{call}: {case.comment}"
    return "\n".join([*lines, shown, f"All its numbers: refwarp golden show {case.name}"])


def _first_flaw(outcome: Outcome, required: Grade) -> str:
    """Return what is wrong with an outcome; of numbers, the first in row-major order that is beyond its bound."""
    if outcome.problem or outcome.result is None or outcome.shares is None:
        return outcome.problem
    shares = outcome.shares.faithful if required == Grade.FAITHFUL else outcome.shares.working
    beyond = np.argwhere(shares > 1.0)
    index = tuple(int(i) for i in beyond[0])
    truths = outcome.case.conventions(outcome.output)
    asked = [truths[outcome.convention]] if outcome.convention in truths else list(truths.values())
    expected = " or ".join(repr(value) for value in dict.fromkeys(float(t.elements["value"][index]) for t in asked))
    share = float(shares[index])
    many = f"{len(beyond)} of {shares.size} elements are not {required.word}, the first at {list(index)}: "
    times = f", {number(share)} times as far as rounding explains" if np.isfinite(share) else ""
    return f"{many if shares.size > 1 else ''}{float(outcome.result[index])!r} instead of {expected}{times}"
