"""A golden case: one call of one operation, and the truth about its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# One element of an output. value + remainder is the exact value to about 106 bits, value its nearest double.
# k and M are the number and the sum of absolute values of its non-zero terms, G its sensitivity to the
# coordinates (see `refwarp.golden.grades`). Where value is not finite, the others are 0.
ELEMENT = np.dtype([("value", "<f8"), ("remainder", "<f8"), ("k", "<i8"), ("M", "<f8"), ("G", "<f8")])

# Where rounding may move a sample across a seam, at which an element jumps: the hull of the element's values on both
# sides, rounded outwards, and how far the nearest such seam is, as a share of the size of its axis.
SEAM = np.dtype([("low", "<f8"), ("high", "<f8"), ("distance", "<f8")])

# What a case expects: one answer; one of a stated set; or that the call is refused.
RESULTS = ("valid", "acceptable", "invalid")

# The types that a case's inputs can be exact in, narrowest first.
INPUT_DTYPES = ("float16", "bfloat16", "float32", "float64")

# No golden case has more elements in an array.
MOST_ELEMENTS = 2**24


@dataclass(frozen=True)
class Truth:
    """The elements of one output, and the constant c of its budget (c + log2 k) u M + k eta."""

    c: float
    elements: npt.NDArray[np.void]


@dataclass(frozen=True)
class Case:
    """One call of one operation.

    Attributes
    ----------
    name : str
        "operation/what_it_is", unique; also the path in the file.
    options : mapping
        The keyword arguments of the call: JSON values.
    inputs : mapping of str to float64 array
        Arguments and cotangents by name. All are exact in the type `dtype`.
    flags : tuple of str
        Names from `refwarp.golden.flags.FLAGS`.
    comment : str
        What the case is for.
    result : {"valid", "acceptable", "invalid"}
        See `RESULTS`.
    outputs : mapping of str to Truth
        By "part/output", as "vjp/ggrid"; where a convention decides by "part/output:convention".
    seams : mapping of str to SEAM array
        By "part/output", where samples lie next to a seam.
    """

    name: str
    options: Mapping[str, Any]
    inputs: Mapping[str, Floats]
    flags: tuple[str, ...]
    comment: str
    result: str = "valid"
    outputs: Mapping[str, Truth] = field(default_factory=dict)
    seams: Mapping[str, npt.NDArray[np.void]] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        """The operation that is called."""
        return self.name.partition("/")[0]

    @property
    def map_size(self) -> tuple[int, int] | None:
        """The height and width of the map that the case samples, or splats onto; None if it does neither."""
        if self.operation == "dense_decode":
            return tuple(self.options["size"][2:])
        return self.inputs["input"].shape[2:] if "input" in self.inputs else None

    @cached_property
    def size(self) -> int:
        """How many numbers it has: in its inputs, and in one answer to each output."""
        return sum(array.size for array in self.inputs.values()) + self.outputs_size

    @property
    def outputs_size(self) -> int:
        """How many numbers there are in one answer to each output."""
        return sum({path.partition(":")[0]: truth.elements.size for path, truth in self.outputs.items()}.values())

    @cached_property
    def dtype(self) -> str:
        """The narrowest type in which all inputs are exact."""
        return next(name for name in INPUT_DTYPES if all(is_exact(array, name) for array in self.inputs.values()))

    def conventions(self, output: str) -> dict[str, Truth]:
        """Return the truth about an output by convention; the only one there is has the name ""."""
        found = {path.partition(":")[2]: truth for path, truth in self.outputs.items() if path.split(":")[0] == output}
        return found


def is_exact(array: Floats, dtype: str) -> bool:
    """Tell whether each number of a float64 array is one of the type `dtype`, NaN and infinities included."""
    with np.errstate(over="ignore", under="ignore"):
        if dtype == "bfloat16":
            # The upper half of a float32: what is exact there and has a lower half of zeros.
            narrow = array.astype(np.float32)
            halves = narrow.view(np.uint32) & np.uint32(0xFFFF)
            return bool(np.array_equal(narrow, array, equal_nan=True) and not halves[~np.isnan(array)].any())
        return bool(np.array_equal(array.astype(dtype), array, equal_nan=True))
