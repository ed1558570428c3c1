"""A few cases of every kind, one of them with seams, for tests of the golden file."""

from dataclasses import replace

import numpy as np

from refwarp.golden.case import ELEMENT, SEAM, Case, Truth

CASE = "grid_sample/interior_3x4"  # which has the seams


def with_seams(few: list[Case]) -> list[Case]:
    """Add to a few cases seams of one, a case that has nothing, and one whose arrays are single numbers."""
    case = next(case for case in few if case.name == CASE)
    value = case.outputs["vjp/ggrid"].elements["value"]
    hulls = np.empty(value.shape, SEAM)
    hulls["low"], hulls["high"], hulls["distance"] = value - 1.0, value + 1.0, 2.0**-20
    bare = Case("affine_basis/bare", {"size": [1, 1, 1, 2]}, {}, ("Shape",), "No inputs at all.", "invalid")
    single = Case(
        "smoothness/single",
        {"reduction": "sum"},
        {"field": np.arange(4.0).reshape(1, 1, 2, 2).swapaxes(2, 3), "gpenalty": np.array(0.5)},
        ("Shape",),
        "Arrays of one number without axes.",
        outputs={"forward/penalty": Truth(4.0, np.array((4.0, 0.0, 2, 4.0, 0.0), ELEMENT))},
        seams={"forward/penalty": np.array((3.0, 5.0, 2.0**-12), SEAM)},
    )
    return [*(other for other in few if other is not case), replace(case, seams={"vjp/ggrid": hulls}), bare, single]
