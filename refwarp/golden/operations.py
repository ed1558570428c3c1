"""The operations of the suite, and the functions under which a target offers them.

A target is a module (or any object) with functions of arrays, named after operation and part:

    operation             the operation itself
    operation_vjp         its vector-Jacobian product: (cotangent of the output, inputs ...) -> gradients
    operation_second_vjp  that of operation_vjp: (cotangents of the gradients, its inputs ...) -> gradients

Arrays are positional, in the order of `Call.arguments`, and all of one dtype; options are keywords. An optional
argument that a case does not have is None, and so is, or may be, the gradient with respect to it. A function returns
one array, or a tuple of arrays, of the dtype it was given. NumPy has no bfloat16: such numbers come and go in float32
arrays, with the option `dtype="bfloat16"`; a call without arrays is told its dtype in the same way.

A target may lack functions, and a function may raise NotImplementedError, which says in a clause what it does not
offer: both are listed as skipped. A target that can choose a convention says which ones it knows, as
`CHOICES = {"kink": ("right", ...)}`, and takes the option of that name; of any other, one of the stated answers is
accepted. `DTYPES` says what it can run in (float32 and float64, if it does not say), `VERSION` which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The conventions that documents and programs follow where an answer is a set.
#   kink  the slope of a sample on the lattice. With border and reflection "right" is PyTorch's rule, which is 0 at the
#         ends of the map; "ahead" is the derivative from the right there, too
#   ties  the pixel nearest to a sample halfway between two: the even one, the right one, or the one further from 0
CHOICES: Mapping[str, tuple[str, ...]] = {
    "kink": ("right", "left", "central", "literal", "ahead"),
    "ties": ("even", "up", "away"),
}

# How an answer is drawn up: a gradient is named g + its input, a cotangent of a gradient cotangent_ + the input.
PARTS = ("forward", "vjp", "second_vjp")


@dataclass(frozen=True)
class Call:
    """One function of a target: the names of its arguments and of its outputs."""

    part: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]

    def function(self, operation: str) -> str:
        """Return the name of the target's function."""
        return operation if self.part == "forward" else f"{operation}_{self.part}"

    def paths(self) -> list[str]:
        """Return the outputs' paths within a case."""
        return [f"{self.part}/{output}" for output in self.outputs]


def _calls(
    output: str,
    arguments: tuple[str, ...],
    cotangent: str = "",
    constants: tuple[str, ...] = (),
    second: bool = False,
) -> tuple[Call, ...]:
    """Return the calls of one operation: forward, `_vjp` if there is a cotangent, `_second_vjp` if `second`.

    `constants` are the arguments that it is not differentiated with respect to.
    """
    inputs = tuple(name for name in arguments if name not in constants)
    gradients = tuple(f"g{name}" for name in inputs)
    cotangents = tuple(f"cotangent_{name}" for name in inputs)
    calls = [Call("forward", arguments, (output,))]
    if cotangent:
        calls.append(Call("vjp", (cotangent, *arguments), gradients))
    if second:
        calls.append(Call("second_vjp", (*cotangents, cotangent, *arguments), (f"g{cotangent}", *gradients)))
    return tuple(calls)


OPERATIONS: Mapping[str, tuple[Call, ...]] = {
    # grids
    "affine_grid": _calls("grid", ("theta",), "ggrid"),
    "attention_matrix": _calls("matrix", ("theta",), "gmatrix"),
    "translation_matrix": _calls("matrix", ("theta",), "gmatrix"),
    "similarity_matrix": _calls("matrix", ("theta",), "gmatrix", second=True),
    "rotation_scale_translation_matrix": _calls("matrix", ("theta",), "gmatrix", second=True),
    "kurbiel_matrix": _calls("matrix", ("theta",), "gmatrix"),
    "attention_grid": _calls("grid", ("theta",), "ggrid"),
    "translation_grid": _calls("grid", ("theta",), "ggrid"),
    "similarity_grid": _calls("grid", ("theta",), "ggrid", second=True),
    "rotation_scale_translation_grid": _calls("grid", ("theta",), "ggrid", second=True),
    "homography_matrix": _calls("matrix", ("theta",), "gmatrix"),
    "projective_grid": _calls("grid", ("theta",), "ggrid", second=True),
    "piecewise_affine_grid": _calls("grid", ("vertices",), "ggrid"),
    "linear_basis_grid": _calls("grid", ("M", "B"), "ggrid", second=True),
    "affine_basis": _calls("basis", ()),
    "bernstein_basis": _calls("basis", ()),
    "thin_plate_spline_basis": _calls("basis", ("control",)),
    "tps_grid": _calls("grid", ("points", "control"), "ggrid", second=True),
    "flow_grid": _calls("grid", ("flow",), "ggrid"),
    "affine_motion": _calls("flow", ("theta",), "gflow"),
    "compose": _calls("theta", ("outer", "inner"), "gtheta", second=True),
    "invert": _calls("inverse", ("theta",), "ginverse", second=True),
    "inverse_compositional_update": _calls("updated", ("theta", "delta"), "gupdated", second=True),
    # samplers
    "grid_sample": _calls("output", ("input", "grid"), "gout", second=True),
    "separable_sample": _calls("output", ("input", "grid"), "gout", second=True),
    "dense_decode": _calls("output", ("values", "grid", "previous"), "gout", second=True),
    "linearized_sample": _calls("output", ("input", "grid", "auxiliary"), "gout", ("auxiliary",), second=True),
    "auxiliary_grid": _calls("auxiliary", ("grid", "noise", "theta")),
    "multiscale_sample": _calls("output", ("input", "grid"), "gout", second=True),
    # penalties
    "smoothness": _calls("penalty", ("field",), "gpenalty", second=True),
    "bending_energy": _calls("penalty", ("field",), "gpenalty", second=True),
}


def outputs(operation: str) -> dict[str, str]:
    """Return the paths of a differentiable operation's outputs, in their order, each with the argument of its shape.

    Examples
    --------
    >>> outputs("affine_grid")
    {'forward/grid': 'ggrid', 'vjp/gtheta': 'theta'}
    """
    forward, *derivatives = OPERATIONS[operation]
    gradients = {path: path.partition("/g")[2] for call in derivatives for path in call.paths()}
    return {forward.paths()[0]: derivatives[0].arguments[0], **gradients}


# Arguments that a case may leave out.
OPTIONAL = ("control", "previous", "theta")


def choice(operation: str, options: Mapping[str, Any]) -> str:
    """Return the option by which conventions differ in a call, one of `CHOICES`; "" if there is none."""
    if operation == "grid_sample":
        return {"bilinear": "kink", "nearest": "ties"}.get(str(options.get("mode")), "")
    if options.get("variant", "paper") != "paper":  # of dense_decode: the released program's derivatives, and no other
        return ""
    return "kink" if operation in ("multiscale_sample", "dense_decode") else ""


def conventions(operation: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the conventions that a call may follow, the house's own first; () if there are none."""
    padded = options.get("padding_mode", "zeros") != "zeros"
    return tuple(name for name in CHOICES.get(choice(operation, options), ()) if padded or name != "ahead")
