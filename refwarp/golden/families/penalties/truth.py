"""The truth about smoothness and bending_energy: no coordinates, so G is 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refwarp.exact import penalties
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge, options

# Of the value, of the gradient, and of the second gradients; docs/penalties.md derives them.
VALUE, GRADIENT, SECOND = 12.0, 20.0, 32.0

# By the form of a bending energy; the smoothness has none.
STENCILS = {"": penalties.GRADIENT, "laplacian": penalties.LAPLACIAN, "hessian": penalties.HESSIAN}


def penalty(case: Case, convention: str) -> Answers:
    """Return the answers of a penalty."""
    norm, boundary, reduction = options(case, "norm", "boundary", "reduction")
    settings = STENCILS[case.options.get("form", "")], norm, boundary, reduction
    shape = case.inputs["field"].shape
    # An infinite motion has no differences.
    fields = numbers(np.where(np.isfinite(case.inputs["field"]), case.inputs["field"], math.nan))
    gpenalty = numbers(case.inputs["gpenalty"])
    found: dict[str, Any] = {
        "forward/penalty": Answer.of(VALUE, (), penalties.penalty(fields, *settings)),
        "vjp/gfield": Answer.of(GRADIENT, shape, penalties.gradient(fields, *settings, gpenalty)),
    }
    if "cotangent_field" in case.inputs:
        second = penalties.second_gradient(numbers(case.inputs["cotangent_field"]), gpenalty, fields, *settings)
        found["second_vjp/ggpenalty"] = Answer.of(SECOND, (), second.ggpenalty)
        found["second_vjp/gfield"] = Answer.of(SECOND, shape, second.gfield)
    return found


JUDGES = {"smoothness": Judge(penalty), "bending_energy": Judge(penalty)}
