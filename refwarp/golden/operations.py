"""The operations of the suite, and the names under which a target offers them.

A target is a module (or any object) with functions of arrays, named after operation and part:

    operation             the operation itself
    operation_vjp         its vector-Jacobian product: (cotangent of the output, inputs ...) -> gradients
    operation_second_vjp  that of operation_vjp: (cotangents of the gradients, its inputs ...) -> gradients

Arrays are positional, in the order of `Call.arguments`, and all of one dtype; options are keywords. A function
returns one array, or a tuple of arrays, of the dtype it was given. A target may lack functions: what they would
compute is listed as skipped. A target that can choose its rule at kinks says which ones it knows, as
`KINKS = ("right", ...)`, and takes the option `kink`; of any other, one of the stated answers is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The documented conventions for the gradient where a sample lies on the lattice.
KINKS = ("right", "left", "central", "literal")


@dataclass(frozen=True)
class Call:
    """One function of a target: its arguments, its outputs with the constants c of their budgets.

    Where `kinks` is true, a target with `KINKS` is asked for each of its rules.
    """

    part: str
    arguments: tuple[str, ...]
    outputs: Mapping[str, float]
    kinks: bool = False

    def function(self, operation: str) -> str:
        """Return the name of the target's function."""
        return operation if self.part == "forward" else f"{operation}_{self.part}"

    def paths(self) -> list[str]:
        """Return the outputs' paths within a case."""
        return [f"{self.part}/{output}" for output in self.outputs]


OPERATIONS: Mapping[str, tuple[Call, ...]] = {
    "affine_grid": (
        Call("forward", ("theta",), {"grid": 4.0}),
        Call("vjp", ("ggrid", "theta"), {"gtheta": 4.0}),
    ),
    "grid_sample": (
        Call("forward", ("input", "grid"), {"output": 4.0}),
        Call("vjp", ("gout", "input", "grid"), {"ginput": 4.0, "ggrid": 4.0}, kinks=True),
        Call(
            "second_vjp",
            ("cotangent_input", "cotangent_grid", "gout", "input", "grid"),
            {"ggout": 8.0, "ginput": 8.0, "ggrid": 8.0},
            kinks=True,
        ),
    ),
}
