"""What a verification found, for programs. Numbers that are not finite are null; docs/verify.md lists the fields."""

from __future__ import annotations

import json
import math
from typing import Any

from refwarp.golden.format import Golden
from refwarp.golden.outcomes import Outcome, Skip, Verification
from refwarp.golden.report import asked, determinism, layouts, lines, summary, worst_element


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
        "skips_fail": verification.skips_fail,
        "passed": verification.passed,
        "summary": summary(verification),
        "common": list(verification.common),
        "determinism": determinism(verification),
        "operations": [
            {
                "operation": line.operation,
                "dtype": line.dtype,
                "layout": line.layout,
                "manner": line.manner,
                "cases": line.cases,
                "faithful": line.faithful,
                "working": line.working,
                "wrong": line.wrong,
                "worst_share": _finite(line.worst),
                "first_failure": line.first.case.name if line.first else None,
            }
            for line in lines(verification, by_output=False)
        ],
        "sample": [
            {
                "layout": line.layout,
                "manner": line.manner,
                "results": line.calls,
                "wrong": line.wrong,
                "unrepeatable": line.unrepeatable,
                "skipped_calls": line.skipped,
                "first_failure": line.first.case.name if line.first else None,
            }
            for line in asked(verification)
        ],
        "skipped": [_skip(skip) for skip in verification.skipped],
        "sample_skipped": [_skip(skip) for skip in verification.sample_skipped],
        "remarks": list(verification.remarks),
        "outcomes": [_outcome(outcome) for outcome in verification.outcomes],
        "sample_outcomes": [_outcome(outcome) for outcome in verification.sample],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _skip(skip: Skip) -> dict[str, Any]:
    return {
        "function": skip.function,
        "reason": skip.reason,
        "layout": skip.layout,
        "manner": skip.manner,
        "calls": [list(call) for call in skip.calls],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {
        "case": outcome.case.name,
        "output": outcome.output,
        "dtype": outcome.dtype,
        "layout": outcome.layout,
        "manner": outcome.manner,
        "convention": outcome.convention,
        "grade": outcome.grade.name.lower(),
        "share": _finite(outcome.share),
        "working_share": _finite(outcome.working_share),
        "problem": outcome.problem,
        "repeatable": outcome.repeatable,
    }
    if outcome.result is not None:
        element = worst_element(outcome)
        expected = [value.hex() for value in element.expected]
        found["worst"] = {"index": list(element.index), "result": element.result.hex(), "expected": expected}
    return found


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
