"""The cases of grids with their truths, built once for all tests of them."""

from functools import cache
from importlib import import_module

import numpy as np

from refwarp.golden.build import build

FAMILIES = ("affine", "affine_parameters", "composition", "flow", "linear_basis", "piecewise_affine", "projective")


@cache
def family(name):
    """Return the valid cases of a family with their truths."""
    return tuple(
        build(
            [case for case in import_module(f"refwarp.golden.families.{name}.cases").cases() if case.result == "valid"]
        )
    )


def finite_cases(*names):
    for name in names:
        for case in family(name):
            if all(np.isfinite(array).all() for array in case.inputs.values()):
                yield case
