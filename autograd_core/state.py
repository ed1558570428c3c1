"""States: flat dictionaries of arrays by which training is saved and goes on with the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

State = dict[str, np.ndarray[Any, Any]]


def entries(state: Mapping[str, Any], expected: State) -> State:
    """Return the arrays of `state`, or raise ValueError unless names, shapes and dtypes are those of `expected`."""
    if state.keys() != expected.keys():
        raise ValueError(
            f"state: missing entries {sorted(expected.keys() - state.keys())}, unexpected entries "
            f"{sorted(state.keys() - expected.keys())}; expected what `state_dict` of the same kind of object returned"
        )
    arrays = {name: np.array(value) for name, value in state.items()}
    for name, array in arrays.items():
        if array.shape != expected[name].shape or array.dtype != expected[name].dtype:
            raise ValueError(
                f"state[{name!r}]: given {array.dtype}{array.shape}, expected "
                f"{expected[name].dtype}{expected[name].shape}"
            )
    return arrays
