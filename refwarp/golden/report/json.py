"""What a verification found, for programs. Numbers that are not finite are null; docs/verify.md lists the fields."""

from __future__ import annotations

import json
import math
from typing import Any

from refwarp.golden.format import Golden
from refwarp.golden.outcomes import Outcome, Verification
from refwarp.golden.report import layouts, lines, summary, worst_element


def document(verification: Verification, suite: Golden) -> str:
    """Return the report as JSON."""
    content = {
        "format": "refwarp verification",
        "version": 1,
        "suite": {"digest": suite.digest, "generator": suite.generator, "cases": len(suite.cases)},
        "target": {"name": verification.target, "version": verification.version},
        "profile": verification.profile.name,
        "required": verification.required.name.lower(),
        "layouts": layouts(verification),
        "passed": verification.passed,
        "summary": summary(verification),
        "operations": [
            {
                "operation": line.operation,
                "dtype": line.dtype,
                "layout": line.layout,
                "cases": line.cases,
                "faithful": line.faithful,
                "working": line.working,
                "wrong": line.wrong,
                "worst_share": _finite(line.worst),
                "first_failure": line.first.case.name if line.first else None,
            }
            for line in lines(verification, by_output=False)
        ],
        "skipped": [
            {
                "function": skip.function,
                "reason": skip.reason,
                "layout": skip.layout,
                "calls": [list(call) for call in skip.calls],
            }
            for skip in verification.skipped
        ],
        "remarks": list(verification.remarks),
        "outcomes": [_outcome(outcome) for outcome in verification.outcomes],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _outcome(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {
        "case": outcome.case.name,
        "output": outcome.output,
        "dtype": outcome.dtype,
        "layout": outcome.layout,
        "convention": outcome.convention,
        "grade": outcome.grade.name.lower(),
        "share": _finite(outcome.share),
        "working_share": _finite(outcome.working_share),
        "problem": outcome.problem,
    }
    if outcome.result is not None:
        element = worst_element(outcome)
        expected = [value.hex() for value in element.expected]
        found["worst"] = {"index": list(element.index), "result": element.result.hex(), "expected": expected}
    return found


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
