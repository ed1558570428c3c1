"""Faults of ports, planted around refwarp's kernels: what a block, a vector, an index or a fast arithmetic does wrong.

Each changes what a sound implementation was given, or what it returned, in one place. They were written after the
cases, from descriptions of the faults; no case was made for one of them.
"""

import hashlib
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np

from refwarp.golden.operations import OPERATIONS
from refwarp.golden.targets import refwarp as own

# The axes of arguments by name: images, channels, rows, columns, others (K), and what belongs to one point (.).
AXES = {
    **dict.fromkeys(("output", "out", "input", "values", "previous", "field"), "NCHW"),
    **dict.fromkeys(("grid", "vertices"), "NHW."),
    **dict.fromkeys(("matrix", "theta", "inverse", "updated", "outer", "inner", "delta"), "N"),
    "auxiliary": "NHWK.",
    "flow": "N.HW",
    "basis": "KHW",
    "points": "NK.",
    "M": "N.K",
    "B": "KHW",
}


def axes(output):
    """Return the axes of an output or argument; "" where they are none of these."""
    name = output.removeprefix("cotangent_")
    return AXES.get(name) or AXES.get(name[1:], "")


class Fault(NamedTuple):
    """A fault: what it is, the axes that an array needs for it, and what it does to such an array, in place."""

    name: str
    needs: str
    change: Callable
    on_inputs: bool = False


def along(array, names, axis):
    """Return a view with one axis first; it is counted from the end, since levels may come before channels."""
    whole = names + "." * (1 if names == "N" else 0)
    return np.moveaxis(array, array.ndim - len(whole) + names.index(axis) if names != "N" else 0, 0)


def tail(axis, block):
    """Leave what follows the last whole block at 0."""

    def change(array, names):
        view = along(array, names, axis)
        if len(view) > block:
            view[len(view) - len(view) % block :] = 0

    return Fault(f"tail of {axis} after blocks of {block}", axis, change)


def beyond(axis, limit):
    """Repeat the last element within a limit for all beyond it."""

    def change(array, names):
        view = along(array, names, axis)
        view[limit:] = view[limit - 1 : limit]

    return Fault(f"{axis} beyond {limit}", axis, change)


def tile(block):
    """Leave tiles that are neither in the first row nor in the first column of tiles at 0."""

    def change(array, names):
        view = along(array, names, "H")
        columns = names.index("W") - len(names) + view.ndim
        np.moveaxis(view, columns, 1)[block:, block:] = 0

    return Fault(f"tiles of {block} beyond both axes", "HW", change)


def points(limit):
    """Leave the points of an image beyond so many at 0."""

    def change(array, names):
        view = np.moveaxis(along(array, names, "H"), names.index("W") - len(names) + array.ndim, 1)
        here = np.arange(view.shape[0] * view.shape[1]).reshape(view.shape[:2]) >= limit
        view[here] = 0

    return Fault(f"more than {limit} points", "HW", change)


def flat_tail(block):
    """Leave the elements behind the last whole vector at 0."""

    def change(array, names):
        if array.size > block:
            array.reshape(-1)[array.size - array.size % block :] = 0

    return Fault(f"elements behind vectors of {block}", "", change)


def index(bits):
    """Read an array as an index of so many bits would: what lies beyond it is another element."""

    def change(array, names):
        flat = array.reshape(-1)
        flat[2**bits :] = np.resize(flat[: 2**bits], max(array.size - 2**bits, 0))

    return Fault(f"indices of {bits} bits", "HW", change, on_inputs=True)


def strides(array, names):
    """Read rows as if they were as long as columns."""
    view = np.moveaxis(along(array, names, "H"), names.index("W") - len(names) + array.ndim, 1)
    swapped = view.reshape(view.shape[1], view.shape[0], *view.shape[2:]).swapaxes(0, 1).copy()
    view[...] = swapped


def rounded(array, names):
    """Keep what float16 keeps of a result, as a sum in float16 does at best."""
    with np.errstate(over="ignore"):
        array[...] = array.astype(np.float16)


def flushed(array, names):
    """Flush subnormal numbers to zero."""
    array[np.abs(array) < np.finfo(array.dtype).smallest_normal] = 0


def fast(array, names):
    """Take NaN for a number, as a comparison does which the compiler may assume to be ordered."""
    array[np.isnan(array)] = -1


FAULTS = (
    *(tail("W", block) for block in (4, 8, 16, 32)),
    *(tail("H", block) for block in (8, 16)),
    *(tail("C", block) for block in (4, 8)),
    *(beyond(*limit) for limit in (("N", 2), ("C", 4), ("C", 8), ("C", 16), ("W", 64), ("H", 64), ("W", 256))),
    *(tile(block) for block in (8, 16, 32)),
    *(points(limit) for limit in (32, 64, 256, 1024)),
    *(flat_tail(lanes) for lanes in (4, 8, 16)),
    *(index(bits) for bits in (15, 16)),
    Fault("transposed strides", "HW", strides, on_inputs=True),
    Fault("half accumulators", "", rounded),
    Fault("flush to zero", "", flushed),
    Fault("fast arithmetic without NaN", "", fast, on_inputs=True),
)


class Port:
    """refwarp's kernels with a fault, as a module."""

    VERSION = own.VERSION
    CHOICES = own.CHOICES
    DTYPES = ("float32",)

    # What sound functions return, by what they are given: most faults come after.
    known: ClassVar = {}

    def __init__(self, fault):
        self.fault = fault

    def __getattr__(self, name):
        for operation, calls in OPERATIONS.items():
            for call in calls:
                if call.function(operation) == name:
                    return self.function(call, getattr(own, name))
        raise AttributeError(name)

    def function(self, call, sound):
        """Return a function with the fault."""

        def changed(arrays, names):
            kept = [array.copy() if array is not None else None for array in arrays]
            for array, name in zip(kept, names, strict=True):
                if array is not None and all(axis in axes(name) for axis in self.fault.needs):
                    self.fault.change(array, axes(name))
            return kept

        def faulty(*arrays, **options):
            if self.fault.on_inputs:
                return sound(*changed(arrays, call.arguments), **options)
            digest = hashlib.sha256(repr((sound.__name__, sorted(options.items()))).encode())
            for array in arrays:
                digest.update(b"" if array is None else repr(array.shape).encode() + array.tobytes())
            key = digest.digest()
            if key not in self.known:
                results = sound(*arrays, **options)
                self.known[key] = results if isinstance(results, tuple) else (results,)
            return tuple(changed(self.known[key], call.outputs))

        return faulty
