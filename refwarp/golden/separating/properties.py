"""What can be said of a case, of the elements of an output and of the samples that they belong to.

A property is a name with a value: a bool, a text or a number. Of elements it is an array of them, of a shape that
broadcasts to the output's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, is_exact
from refwarp.golden.flags import FLAGS
from refwarp.golden.operations import OPERATIONS

Array = npt.NDArray[Any]

# What the axes of arrays are, by the name of the array; a gradient's are those of its input.
_MAP = ("image", "channel", "row", "column")
AXES: Mapping[str, tuple[str, ...]] = {
    "input": _MAP,
    "output": _MAP,
    "values": _MAP,
    "previous": _MAP,
    "gout": _MAP,
    "field": _MAP,
    "flow": ("image", "component", "row", "column"),
    "gflow": ("image", "component", "row", "column"),
    "grid": ("image", "row", "column", "component"),
    "auxiliary": ("image", "row", "column", "sample", "component"),
    "points": ("image", "point", "component"),
    "control": ("point", "component"),
    "vertices": ("image", "row", "column", "component"),
    "basis": ("row", "column", "function"),
    "theta": ("image",),
    "matrix": ("image",),
}
# Which axes of samples and of the map have the same names: "row" alone says which in an output, not in a case.
_WHERE = {
    "input": "map",
    "field": "field",
    "flow": "flow",
    "grid": "grid",
    "values": "grid",
    "vertices": "mesh",
    "auxiliary": "grid",
}
_COMPONENTS = ("x", "y")
# A coordinate of more than so many half maps is a huge one.
_HUGE = 1e6


def of_case(case: Case) -> dict[str, bool | str | float]:
    """Return the properties of a case: its options, the lengths of its axes, its numbers, its samples, its flags."""
    found: dict[str, bool | str | float] = {}
    for name, option in case.options.items():
        found.update(_of_option(name, option))
    for name in OPERATIONS[case.operation][0].arguments:  # not the cotangents: their axes are those of the results
        found[f"{name} is given"] = name in case.inputs
        if name in case.inputs:
            found.update(_of_axes(name, case.inputs[name]))
            found.update(_of_numbers(name, case.inputs[name]))
    if isinstance(size := case.options.get("size"), list) and len(size) == 4:
        found.update(
            {"images": float(size[0]), "rows of the grid": float(size[2]), "columns of the grid": float(size[3])}
        )
    if case.operation == "dense_decode" and case.map_size:
        found.update({"rows of the map": float(case.map_size[0]), "columns of the map": float(case.map_size[1])})
    for where in ("map", "grid"):
        if {f"rows of the {where}", f"columns of the {where}"} <= found.keys():
            rows, columns = float(found[f"rows of the {where}"]), float(found[f"columns of the {where}"])
            found[f"elements of a {where}"] = rows * columns
            found[f"the longer axis of the {where}"] = max(rows, columns)
            found[f"the shorter axis of the {where}"] = min(rows, columns)
    for name, holds in of_samples(case).items():
        found[f"a sample is {name}"] = bool(holds.any())
    for flag in case.flags:
        if flag in FLAGS and FLAGS[flag].kind != "KNOWN_BUG":  # which would name the fault itself
            found[f"the case has the flag {flag}"] = True
    return found


def _of_option(name: str, option: Any) -> dict[str, bool | str | float]:
    if isinstance(option, bool | str) or option is None:
        return {name: str(option)}
    if isinstance(option, int | float):
        return {name: float(option)}
    if isinstance(option, Mapping):  # a kernel, with its name and its parameters
        return {f"{name} {key}" if key != "name" else name: _plain(value) for key, value in option.items()}
    return {}


def _plain(value: Any) -> str | float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _of_axes(name: str, array: Array) -> dict[str, bool | str | float]:
    axes = AXES.get(name, ())
    where = _WHERE.get(name)
    if len(axes) > array.ndim:
        return {}
    found: dict[str, bool | str | float] = {}
    for axis, length in zip(axes, array.shape, strict=False):
        if axis == "component":
            continue
        words = f"{axis}s of the {where}" if axis in ("row", "column") and where else f"{axis}s"
        found[words] = float(length)
    return found


def _of_numbers(name: str, array: Array) -> dict[str, bool | str | float]:
    sizes = np.abs(array[np.isfinite(array)])
    found: dict[str, bool | str | float] = {
        f"{name} has NaN": bool(np.isnan(array).any()),
        f"{name} has infinities": bool(np.isinf(array).any()),
        f"{name} is not exact in float16": not is_exact(array, "float16"),
        f"{name} is not exact in float32": not is_exact(array, "float32"),
        f"{name} has numbers beyond 2^60": bool((sizes > 2.0**60).any()),
        f"{name} has numbers below 2^-60": bool(((sizes > 0) & (sizes < 2.0**-60)).any()),
    }
    if name == "theta" and 2 <= array.ndim <= 3 and math.prod(array.shape[1:]) <= 16:
        for index in np.ndindex(array.shape[1:]):
            entry = array[(slice(None), *index)]
            found[f"theta{list(index)} is not 0"] = bool((entry != 0).any())
    return found


def of_samples(case: Case) -> dict[str, Array]:
    """Return what is true of each sample of a case, arrays of the shape (N, H_out, W_out); nothing if it has none."""
    grid, size = case.inputs.get("grid"), case.map_size
    align = case.options.get("align_corners")
    if grid is None or size is None or len(size) != 2 or grid.shape[3:] != (2,) or not isinstance(align, bool):
        return {}
    found: dict[str, Array] = {}
    for axis, name in enumerate(_COMPONENTS):
        found.update({f"{words} in {name}": holds for words, holds in _along(grid[..., axis], size[1 - axis], align)})
    for words in dict.fromkeys(name.rpartition(" in ")[0] for name in found):
        found[words] = found[f"{words} in x"] | found[f"{words} in y"]
    return found


def _along(g: Array, size: int, align_corners: bool) -> list[tuple[str, Array]]:
    """Return what is true of the coordinates along one axis."""
    scale = size - 1 if align_corners else size
    finite = np.isfinite(g)
    g0 = np.where(finite & (np.abs(g) < 2.0**40), g, 0.0)
    doubled, exact = _product(g0, float(scale))  # 2 x - (size - 1)
    x = (doubled + (size - 1)) / 2
    whole = finite & (g0 == g) & exact & (doubled == np.rint(doubled))
    even = np.mod(doubled + (size - 1), 2) == 0
    # Of those that are true of the same samples, the first is told.
    return [
        ("at NaN", np.isnan(g)),
        ("at infinity", np.isinf(g)),
        ("at a huge coordinate", finite & (np.abs(g) > _HUGE)),
        ("on the lattice", whole & even),
        ("halfway between two pixels", whole & ~even),
        ("exactly at the first pixel", whole & (x == 0)),
        ("exactly at the last pixel", whole & (x == size - 1)),
        ("next to the map", finite & (g0 == g) & (((x > -1) & (x < 0)) | ((x > size - 1) & (x < size)))),
        ("before the first pixel", (finite & (g0 == g) & (x < 0)) | (g < -(2.0**40))),
        ("behind the last pixel", (finite & (g0 == g) & (x > size - 1)) | (g > 2.0**40)),
        ("outside of [-1, 1]", finite & (np.abs(g) > 1)),
        ("beyond a mirror image", finite & (np.abs(g) > 3)),
        ("at a negative coordinate", g < 0),
    ]


def _product(a: Array, b: float) -> tuple[Array, Array]:
    """Return the product of arrays of doubles, and where it is exact (Dekker 1971)."""
    p = a * b
    high = a * 134217729.0
    high = high - (high - a)
    b_high = b * 134217729.0
    b_high = b_high - (b_high - b)
    low, b_low = a - high, b - b_high
    return p, ((high * b_high - p) + high * b_low + low * b_high) + low * b_low == 0


def of_elements(case: Case, output: str) -> dict[str, Array]:
    """Return what can be said of the elements of an output, by its path: where they are, and their samples."""
    name = output.partition("/")[2]
    about = name if output.startswith("forward/") else name.removeprefix("g")
    truths = case.conventions(output)
    if not truths:
        return {}
    elements = next(iter(truths.values())).elements
    shape = elements.shape
    axes = AXES.get(about, ())
    axes = axes if len(axes) <= len(shape) else ()
    axes = (*axes, *(f"index {k}" for k in range(len(axes), len(shape))))
    found: dict[str, Array] = {}
    for k, (axis, length) in enumerate(zip(axes, shape, strict=True)):
        index = np.arange(length).reshape([-1 if j == k else 1 for j in range(len(shape))])
        if axis == "component":
            found["component"] = np.array(_COMPONENTS)[np.minimum(index, 1)]
        else:
            found[axis] = index.astype(np.float64)
            if axis in ("row", "column"):
                found[f"the place is in the first {axis}"] = index == 0
                found[f"the place is in the last {axis}"] = index == length - 1
    # The axis that samples do not have. What is decoded lies on the map, and not where its sources are.
    at_samples = {"output": 1, "grid": 3, "values": 1, "gout": 1}.get(about)
    decoded = case.operation == "dense_decode" and about in ("output", "gout")
    if at_samples is not None and len(shape) == 4 and not decoded:
        for words, holds in of_samples(case).items():
            if holds.shape == tuple(length for k, length in enumerate(shape) if k != at_samples):
                found[f"the sample is {words}"] = np.expand_dims(holds, at_samples)
    value = elements["value"]
    found["the value is not finite"] = ~np.isfinite(value)
    return found
