"""The cases of grids with their truths, built once for all tests of them."""

import pkgutil
from functools import cache
from importlib import import_module

import numpy as np

from refwarp.golden import families
from refwarp.golden.build import build
from tests.golden.families.plain_grids import FORWARD


@cache
def valid_cases(name):
    """Return the valid cases of a family, without truths."""
    module = import_module(f"{families.__name__}.{name}.cases")
    return tuple(case for case in getattr(module, "cases", list)() if case.result == "valid")


@cache
def family(name):
    """Return the valid cases of a family with their truths."""
    return tuple(build(valid_cases(name)))


def has_plain_grids(name):
    """Tell whether a family's operations are grids, all of which have a plain implementation."""
    operations = {case.operation for case in valid_cases(name)}
    return operations and operations <= FORWARD.keys()


MODULES = [module.name.split(".") for module in pkgutil.walk_packages(families.__path__, f"{families.__name__}.")]
FAMILIES = [name for *_, name, module in MODULES if module == "cases" and has_plain_grids(name)]


def finite_cases(*names):
    for name in names:
        for case in family(name):
            if all(np.isfinite(array).all() for array in case.inputs.values()):
                yield case
