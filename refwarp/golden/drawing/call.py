"""Drawing up cases: what a call is given beside what a case says, and the calls that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import draw
from refwarp.golden.operations import OPERATIONS

Inputs = Mapping[str, npt.ArrayLike]


def case(
    name: str,
    comment: str,
    flags: str,
    inputs: Inputs,
    shape: tuple[int, ...] = (),
    dtype: str = "",
    **options: Any,
) -> Case:
    """Return a case.

    Parameters
    ----------
    name : str
        "operation/what_it_is".
    comment, flags : str
        What it is for, and its flags with spaces between them.
    inputs : mapping
        What the case is about. Cotangents that are missing are drawn.
    shape : tuple of int
        The output's.
    dtype : str
        Draw cotangents that use every bit of this dtype; dyadic ones, if not given.
    options
        Of the call.
    """
    given = {argument: np.asarray(array, np.float64) for argument, array in inputs.items()}
    for call in OPERATIONS[name.partition("/")[0]]:
        for argument in call.arguments:
            if argument not in given:
                input = argument.removeprefix("cotangent_")
                like = shape if input == argument else given[input].shape
                seed = f"{name} {argument}"
                given[argument] = draw.full(seed, *like, dtype=dtype) if dtype else draw.dyadics(seed, *like)
    return Case(name, options, given, tuple(flags.split()), comment)


def both(
    name: str,
    comment: str,
    flags: str,
    inputs: Inputs,
    shape: tuple[int, ...] = (),
    dtype: str = "",
    **options: Any,
) -> list[Case]:
    """Return the case for both values of align_corners."""
    return [
        case(name, comment, flags, inputs, shape, dtype, **options, align_corners=False),
        case(
            f"{name}_corners", f"{comment} align_corners.", flags, inputs, shape, dtype, **options, align_corners=True
        ),
    ]


def first_order(case: Case) -> Case:
    """Return a case without second derivatives."""
    return replace(case, inputs={key: array for key, array in case.inputs.items() if not key.startswith("cotangent")})


def refused(name: str, comment: str, shapes: Mapping[str, tuple[int, ...]], **options: Any) -> Case:
    """Return a call with ones of the given shapes that must be refused."""
    inputs = {argument: np.ones(shape) for argument, shape in shapes.items()}
    return Case(name, options, inputs, ("Refused",), comment, "invalid")
