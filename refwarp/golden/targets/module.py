"""A target whose functions run in this process: a module, or any object that has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.operations import Call
from refwarp.golden.verify import USUAL_DTYPES, Reply

# What an implementation may raise to refuse a call. Anything else is a crash.
REFUSALS = (ValueError, TypeError, RuntimeError)


class ModuleTarget:
    """Functions of the names that `refwarp.golden.operations` documents.

    Parameters
    ----------
    module : object
        That has them as attributes.
    name : str
        How to call it.
    """

    def __init__(self, module: Any, name: str) -> None:
        self.module = module
        self.name = name
        self.version = str(getattr(module, "VERSION", ""))
        self.dtypes: tuple[str, ...] = tuple(getattr(module, "DTYPES", USUAL_DTYPES))
        self.choices: Mapping[str, Sequence[str]] = getattr(module, "CHOICES", {})

    def offers(self, function: str) -> bool:
        """Tell whether the module has such a function."""
        return callable(getattr(self.module, function, None))

    def reply(self, case: Case, call: Call, dtype: str, options: Mapping[str, Any]) -> Reply:
        """Call a function with copies of the case's inputs."""
        return self.run(call.function(case.operation), arguments(case, call, dtype), options_in(dtype, options))

    def run(self, function: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> Reply:
        """Call a function by name, with named arrays in their order, and say what came of it."""
        before = {name: array.tobytes() for name, array in given.items() if array is not None}
        try:
            results = getattr(self.module, function)(*given.values(), **options)
        except NotImplementedError as error:
            return Reply(missing=str(error) or "not offered")
        except Exception as error:  # whatever a target raises is a verdict, not our failure
            return Reply(raised=f"{type(error).__name__}: {error}", refused=isinstance(error, REFUSALS))
        results = tuple(results) if isinstance(results, tuple | list) else (results,)
        for name, content in before.items():
            if given[name].tobytes() != content:
                return Reply(results, broken=f"wrote into {name}")
        return Reply(results)


def arguments(case: Case, call: Call, dtype: str) -> dict[str, Any]:
    """Return fresh arrays for a call, None for an argument that the case leaves out."""
    carried = np.float32 if dtype == "bfloat16" else np.dtype(dtype)
    return {name: case.inputs[name].astype(carried) if name in case.inputs else None for name in call.arguments}


def options_in(dtype: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call; that numbers in a float32 array are bfloat16 is said by one more."""
    return {**options, "dtype": dtype} if dtype == "bfloat16" else dict(options)
