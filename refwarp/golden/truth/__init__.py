"""The truth about a case: `refwarp.exact` on rational numbers or balls, rounded once. One file for each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Truth
from refwarp.golden.truth import (
    affine,
    affine_parameters,
    auxiliary,
    composition,
    decoder,
    flow,
    grid_sample,
    linear_basis,
    linearized,
    multiscale,
    penalties,
    piecewise_affine,
    projective,
    separable,
    thin_plate_spline,
)
from refwarp.golden.truth.judge import Judge

JUDGES: Mapping[str, Judge] = {
    **affine.JUDGES,
    **affine_parameters.JUDGES,
    **auxiliary.JUDGES,
    **composition.JUDGES,
    **decoder.JUDGES,
    **flow.JUDGES,
    **grid_sample.JUDGES,
    **linear_basis.JUDGES,
    **linearized.JUDGES,
    **multiscale.JUDGES,
    **penalties.JUDGES,
    **piecewise_affine.JUDGES,
    **projective.JUDGES,
    **separable.JUDGES,
    **thin_plate_spline.JUDGES,
}


def with_truth(case: Case) -> Case:
    """Return a case with its outputs and seams.

    An output that depends on a convention is there once for each, as "vjp/ggrid:left".
    """
    if case.result == "invalid":
        return case
    judge = JUDGES[case.operation]
    answers = {
        convention: {path: answer.truth() for path, answer in judge.answers(case, convention).items()}
        for convention in judge.conventions(case)
    }
    outputs: dict[str, Truth] = {}
    for path, answer in next(iter(answers.values())).items():
        if all(_same_values(answer, other[path]) for other in answers.values()):
            outputs[path] = answer
        else:
            outputs.update({f"{path}:{convention}": other[path] for convention, other in answers.items()})
    return replace(case, outputs=outputs, seams=judge.seams(case))


def _same_values(one: Truth, other: Truth) -> bool:
    a: npt.NDArray[Any]
    a, b = one.elements, other.elements
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in ("value", "remainder"))
