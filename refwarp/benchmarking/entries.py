"""What a comparison is made of: entries, each of two programs that compute the same; and single figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Call = Callable[[], Any]


class Disagreement(ValueError):
    """The two programs of an entry do not compute the same."""


def _nothing() -> None:
    """Wait for nothing."""


class Pair(NamedTuple):
    """Two programs, each a call without arguments that returns an array, or several.

    Attributes
    ----------
    ours, peer : callable
        refwarp's program, and the peer's. Arrays may be NumPy's, CuPy's, PyTorch's, or Tensors.
    wait : callable
        Returns when what was called has ended: on a GPU calls return before.
    """

    ours: Call
    peer: Call
    wait: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Entry:
    """One line of a comparison.

    Attributes
    ----------
    labels : mapping of str to str
        What is computed: operation, shape, dtype, ...; `labelled` makes them.
    peer : str
        Whose program it is compared with.
    elements : int
        How many output elements one call of ours computes.
    prepare : callable
        Makes the inputs, and returns the `Pair`. Nothing large is made before.
    tolerance : float or None
        By how much the results may differ, relative to the largest element of each; None where the peer computes
        something else, so that only time is compared.
    threads : int
        How many threads both run on.
    peer_elements : int, optional
        How many output elements one call of the peer computes; as many as ours by default.
    """

    labels: Mapping[str, str]
    peer: str
    elements: int
    prepare: Callable[[], Pair]
    tolerance: float | None
    threads: int = 1
    peer_elements: int | None = None

    @property
    def name(self) -> str:
        """The labels and the peer as one line, which `--only` looks into."""
        return f"{' '.join(self.labels.values())}, against {self.peer}"


@dataclass(frozen=True)
class Figure:
    """A number without a peer, such as the seconds that a compilation takes.

    Attributes
    ----------
    name : str
        What is measured.
    unit : str
        Its unit.
    measure : callable
        Measures it.
    goal : float, optional
        What it should not exceed.
    """

    name: str
    unit: str
    measure: Callable[[], float]
    goal: float | None = None


def labelled(
    operation: str, direction: str, shape: tuple[int, ...], dtype: str, threads: int, **others: str
) -> dict[str, str]:
    """Return the labels of an entry: operation, the others in their order, shape, dtype, direction, threads."""
    return {
        "operation": operation,
        **others,
        "shape": "x".join(map(str, shape)),
        "dtype": dtype,
        "direction": direction,
        "threads": "1 thread" if threads == 1 else f"{threads} threads",
    }


def check_agreement(entry: Entry, ours: Any, peers: Any) -> None:
    """Raise Disagreement unless the results of both programs agree within the entry's tolerance."""
    if entry.tolerance is None:
        return
    results, others = ([_as_numpy(array) for array in _several(given)] for given in (ours, peers))
    if [array.shape for array in results] != [array.shape for array in others]:
        given, expected = ([array.shape for array in arrays] for arrays in (results, others))
        raise Disagreement(f"{entry.name}: the shapes are {given} and {expected}")
    for result, other in zip(results, others, strict=True):
        largest = np.abs(other).max(initial=0.0)
        error = np.abs(result - other).max(initial=0.0)
        if not error <= entry.tolerance * largest:
            raise Disagreement(
                f"{entry.name}: the results differ by {error:.2g}, with {largest:.2g} the largest element, "
                f"expected at most {entry.tolerance:.2g} of that"
            )


def _several(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, tuple | list) else (given,)


def _as_numpy(array: Any) -> np.ndarray[Any, Any]:
    """Return a NumPy array with the elements of one of NumPy, CuPy, PyTorch or the engine."""
    for way in ("detach", "cpu", "numpy", "get"):
        array = getattr(array, way)() if hasattr(array, way) else array
    return np.asarray(array, np.float64)
