"""The truth about a case: `refwarp.exact` on rational numbers, rounded once.

Each element becomes a double and the remainder of its rounding, so that the pair holds some 106 bits (fewer
where the remainder underflows). M and G are bounds and are rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.exact import affine, bilinear
from refwarp.exact.numbers import Number, Sum
from refwarp.golden import sensitivity
from refwarp.golden.case import ELEMENT, Case, Truth
from refwarp.golden.operations import KINKS, OPERATIONS

# The sums of one output with their sensitivities, in the order of its elements.
Pairs = list[tuple[Sum, Number]]


def truth(case: Case) -> dict[str, Truth]:
    """Return the truth about every output of a case.

    An output that depends on the convention at kinks is there once for each of `KINKS`, as "vjp/ggrid:left".
    """
    if case.result == "invalid":
        return {}
    if case.operation == "affine_grid":
        return _truths(case, _affine_grid(case))
    answers = {kink: _truths(case, _grid_sample(case, kink)) for kink in (KINKS if _on_lattice(case) else KINKS[:1])}
    outputs = {}
    for path, answer in answers["right"].items():
        if all(_same_values(answer, other[path]) for other in answers.values()):
            outputs[path] = answer
        else:
            outputs.update({f"{path}:{kink}": other[path] for kink, other in answers.items()})
    return outputs


def element(exact: Sum, sensitivity: Number) -> tuple[float, float, int, float, float]:
    """Return value, remainder, k, M and G of one element, as they are stored.

    Examples
    --------
    >>> element(Sum([Fraction(1, 3), Fraction(-1, 2)]), 0)
    (-0.16666666666666666, -9.25185853854297e-18, 2, 0.8333333333333334, 0.0)
    """
    if isinstance(exact.value, float):  # NaN: every exact sum is rational
        return math.nan, 0.0, 0, 0.0, 0.0
    if exact.k == 0 and sensitivity == 0:  # most pixels of a wide map
        return 0.0, 0.0, 0, 0.0, 0.0
    value = float(exact.value)
    return value, float(exact.value - Fraction(value)), exact.k, _rounded_up(exact.M), _rounded_up(sensitivity)


def _rounded_up(number: Number) -> float:
    rounded = float(number)
    return rounded if Fraction(rounded) >= number else math.nextafter(rounded, math.inf)


def numbers(values: Any) -> Any:
    """Turn nested lists of floats into rational numbers; NaN and infinities stay what they are."""
    if isinstance(values, list):
        return [numbers(value) for value in values]
    return Fraction(values) if math.isfinite(values) else values


def _grid_sample(case: Case, kink: str) -> dict[str, Pairs]:
    align_corners = case.options["align_corners"]
    found: dict[str, Pairs] = {path: [] for call in OPERATIONS["grid_sample"] for path in call.paths()}
    for parts in zip(*(numbers(case.inputs[name].tolist()) for name in sensitivity.Image._fields), strict=True):
        image = sensitivity.Image(*parts)
        first = bilinear.grid_sample_gradient(image.gout, image.input, image.grid, align_corners, kink)
        second = bilinear.grid_sample_second_gradient(*image, align_corners, kink)
        sums = {
            "forward/output": bilinear.grid_sample(image.input, image.grid, align_corners),
            "vjp/ginput": first.ginput,
            "vjp/ggrid": first.ggrid,
            "second_vjp/ggout": second.ggout,
            "second_vjp/ginput": second.ginput,
            "second_vjp/ggrid": second.ggrid,
        }
        _collect(found, sums, sensitivity.grid_sample(image, align_corners, kink))
    return found


def _affine_grid(case: Case) -> dict[str, Pairs]:
    align_corners, (_, _, height, width) = case.options["align_corners"], case.options["size"]
    found: dict[str, Pairs] = {path: [] for call in OPERATIONS["affine_grid"] for path in call.paths()}
    for theta, ggrid in zip(*(numbers(case.inputs[name].tolist()) for name in ("theta", "ggrid")), strict=True):
        sums = {
            "forward/grid": affine.affine_grid(theta, height, width, align_corners),
            "vjp/gtheta": affine.affine_grid_gradient(ggrid, align_corners),
        }
        _collect(found, sums, sensitivity.affine_grid(theta, ggrid, height, width, align_corners))
    return found


def _collect(found: dict[str, Pairs], sums: Mapping[str, Any], sensitivities: Mapping[str, Any]) -> None:
    """Add one image's sums and sensitivities to what is found."""
    for path, pairs in found.items():
        pairs.extend(zip(_flat(sums[path]), sensitivities[path].ravel(), strict=True))


def _flat(sums: Any) -> Iterator[Sum]:
    if isinstance(sums, Sum):
        yield sums
    else:
        for part in sums:
            yield from _flat(part)


def _truths(case: Case, found: Mapping[str, Pairs]) -> dict[str, Truth]:
    truths = {}
    for call in OPERATIONS[case.operation]:
        for name, c in call.outputs.items():
            path = f"{call.part}/{name}"
            elements = np.array([element(*pair) for pair in found[path]], ELEMENT)
            truths[path] = Truth(c, elements.reshape(_shape(case, name)))
    return truths


def _shape(case: Case, output: str) -> tuple[int, ...]:
    """Return an output's shape: a gradient has that of its input, the others that of their cotangent."""
    cotangents = {"output": "gout", "grid": "ggrid"}
    return case.inputs[cotangents[output] if output in cotangents else output[1:]].shape


def _on_lattice(case: Case) -> bool:
    """Tell whether a sample has an integer coordinate that its gradient depends on, so that conventions may differ."""
    align_corners, (height, width) = case.options["align_corners"], case.inputs["input"].shape[2:]
    points = numbers(case.inputs["grid"].reshape(-1, 2).tolist())
    return any(
        isinstance(g, Fraction)
        and bilinear.coordinate_scale(size, align_corners) != 0
        and bilinear.pixel_coordinate(g, size, align_corners) % 1 == 0
        for point in points
        for g, size in zip(point, (width, height), strict=True)
    )


def _same_values(one: Truth, other: Truth) -> bool:
    a: npt.NDArray[Any]
    a, b = one.elements, other.elements
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in ("value", "remainder"))
