"""A target whose functions run in this process: a module, or any object that has them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.layouts import CONTIGUOUS, lay_out
from refwarp.golden.manners import PLAIN, Calling
from refwarp.golden.operations import CHOICES, Call, choice
from refwarp.golden.outcomes import Reply
from refwarp.golden.targets import calling as manners
from refwarp.golden.verify import DTYPES, USUAL_DTYPES

# What an implementation may raise to refuse a call. Anything else is a crash.
REFUSALS = (ValueError, TypeError, RuntimeError)

# As much as a report says of an exception, which may print whole arrays.
_MOST_CHARACTERS = 300


class ModuleTarget:
    """Functions of the names that `refwarp.golden.operations` documents.

    Parameters
    ----------
    module : object
        That has them as attributes, and may have `VERSION`, `DTYPES`, `CHOICES`, `SELECTS_GRADIENTS`
        and `THREADS`.
    name : str
        How to call it.

    Raises
    ------
    ValueError
        If `DTYPES`, `CHOICES`, `SELECTS_GRADIENTS` or `THREADS` is not what it should be.
    """

    takes_arrays = True

    def __init__(self, module: Any, name: str) -> None:
        self.module = module
        self.name = name
        self.version = one_line(getattr(module, "VERSION", ""))
        self.dtypes: tuple[str, ...] = _some_of("DTYPES", getattr(module, "DTYPES", USUAL_DTYPES), DTYPES)
        self.choices = _checked_choices(getattr(module, "CHOICES", {}))
        self.takes_threads = _checked_flag("THREADS", getattr(module, "THREADS", True))
        self.selects_gradients = _checked_flag("SELECTS_GRADIENTS", getattr(module, "SELECTS_GRADIENTS", False))

    def offers(self, function: str) -> bool:
        """Tell whether the module has such a function."""
        return callable(getattr(self.module, function, None))

    def conventions(self, case: Case, dtype: str) -> Sequence[str]:
        """Return the conventions that the module can choose in a case."""
        return self.choices.get(choice(case.operation, case.options), ())

    def reply(
        self,
        case: Case,
        call: Call,
        dtype: str,
        options: Mapping[str, Any],
        layout: str = CONTIGUOUS,
        calling: Calling = PLAIN,
    ) -> Reply:
        """Call a function in some manner with copies of the case's inputs, in a memory layout."""
        given = laid_out(arguments(case, call, dtype), layout)
        return self.run(
            call.function(case.operation), given, options_in(call, dtype, options), told(call, dtype, calling)
        )

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        """Return nothing: all is in the outcomes."""
        return ()

    def run(
        self, function: str, given: Mapping[str, Any], options: Mapping[str, Any], calling: Calling = PLAIN
    ) -> Reply:
        """Call a function by name in some manner, with named arrays in their order, and say what came of it."""
        return manners.call(partial(self._once, function), given, options, calling)

    def _once(self, function: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> Reply:
        before = {name: _memory(array).tobytes() for name, array in given.items() if array is not None}
        handed = copy.deepcopy(dict(options))
        try:
            returned = getattr(self.module, function)(*given.values(), **handed)
        except NotImplementedError as error:
            return Reply(missing=one_line(error).rstrip(".") or "not offered")
        except Exception as error:  # whatever a target raises is a verdict, not our failure
            return Reply(raised=f"{type(error).__name__}: {one_line(error)}", refused=isinstance(error, REFUSALS))
        results = tuple(_array(result) for result in (returned if isinstance(returned, tuple | list) else [returned]))
        for name, content in before.items():
            if _memory(given[name]).tobytes() != content:
                return Reply(results, broken=f"wrote into {name}")
        changed = [name for name in options if handed[name] != options[name]]
        return Reply(results, broken=f"changed the option {changed[0]}" if changed else "")


def arguments(case: Case, call: Call, dtype: str) -> dict[str, Any]:
    """Return fresh arrays for a call, None for an argument that the case leaves out."""
    carried = np.float32 if dtype == "bfloat16" else np.dtype(dtype)
    return {name: case.inputs[name].astype(carried) if name in case.inputs else None for name in call.arguments}


def laid_out(given: Mapping[str, Any], layout: str) -> dict[str, Any]:
    """Return the arrays of a call in a memory layout."""
    return {name: None if array is None else lay_out(array, layout) for name, array in given.items()}


def options_in(call: Call, dtype: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call, and one more that says the dtype, where its arrays do not."""
    unsaid = dtype == "bfloat16" or not call.arguments
    return {**options, "dtype": dtype} if unsaid else dict(options)


def told(call: Call, dtype: str, calling: Calling) -> Calling:
    """Return how a call is made, with all that its other options need, as `options_in` does."""
    return replace(calling, others=tuple(options_in(call, dtype, other) for other in calling.others))


def one_line(said: object) -> str:
    """Return what an object says, an exception perhaps: one printable line of bounded length, even where it fails."""
    try:
        words = " ".join(str(said).split())
    except Exception as failure:
        return f"(its message raised {type(failure).__name__})"
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def _array(result: Any) -> npt.NDArray[Any] | str:
    """Return a result as an array, which a NumPy scalar is one of; or what it is instead."""
    if isinstance(result, np.ndarray | np.generic):
        return np.asarray(result)
    return f"returned {one_line(type(result).__name__)}, expected an array"


def _memory(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return all the memory that an array is a view of: what lies between its elements is no more to be written."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _checked_flag(what: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise ValueError(f"{what}: given {given!r}, expected True or False")
    return given


def _some_of(what: str, given: Any, known: Sequence[str]) -> tuple[str, ...]:
    """Return some names as a tuple, or raise ValueError if there are none, or one is not known."""
    if not isinstance(given, tuple | list) or not given or not all(name in known for name in given):
        raise ValueError(f"{what}: given {given!r}, expected a tuple of some of {', '.join(known)}")
    return tuple(given)


def _checked_choices(given: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, Mapping) or not all(option in CHOICES for option in given):
        raise ValueError(f"CHOICES: given {given!r}, expected a dict with keys of {', '.join(CHOICES)}")
    return {option: _some_of(f"CHOICES[{option!r}]", names, CHOICES[option]) for option, names in given.items()}
