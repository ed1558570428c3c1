"""The resolution of the suite: the smallest relative fault of an operation's outputs that it sees, in each dtype.

A fault is planted and not computed: the exact outputs of every case, multiplied by 1 + eps and rounded to the dtype,
are graded as a target's would be. Of the eps for which some element of some case does not have the required grade, the
smallest is found by bisection. So a fault of all elements alike is seen from there on; one of few elements only if it
is among those with narrow bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import ELEMENT, Case, Floats, Truth
from refwarp.golden.format import Golden
from refwarp.golden.grades import PROFILES, Shares, shares
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Grade
from refwarp.golden.verify import DTYPES, is_asked

# How many of the elements with the narrowest bounds are planted into, of each part in each dtype.
_ELEMENTS = 64
# Where bisection begins, and how many steps it makes: to a tenth of a percent.
_SMALLEST, _LARGEST, _STEPS = 2.0**-60, 4.0, 16

# The smallest fault that is seen, by operation (with its mode or kernel) and part, and by dtype; NaN if nothing asks.
Resolution = Mapping[tuple[str, str], Mapping[str, float]]


def resolution(cases: Iterable[Case], required: Grade = Grade.WORKING) -> Resolution:
    """Return the smallest relative fault that cases see.

    Parameters
    ----------
    cases : iterable of Case
        With their outputs.
    required : Grade
        The worst grade that passes.

    Returns
    -------
    mapping
        By operation and part, and by dtype; for parts that some case asks for, in the order of `OPERATIONS`. A sampler
        of several modes or kernels is one operation for each: "grid_sample, bicubic".
    """
    known: dict[str, dict[str, list[Case]]] = {operation: {} for operation in OPERATIONS}
    for case in cases:
        if case.result != "invalid":
            known[case.operation].setdefault(_called(case), []).append(case)
    found: dict[tuple[str, str], dict[str, float]] = {}
    for operation, kinds in known.items():
        for (name, asked), call in product(sorted(kinds.items()), OPERATIONS[operation]):
            seen = {
                dtype: _smallest(_narrowest(asked, call.paths(), dtype, required), dtype, required) for dtype in DTYPES
            }
            if not all(map(np.isnan, seen.values())):
                found[name, call.part] = seen
    return found


def _called(case: Case) -> str:
    """Return a case's operation with its mode or kernel."""
    mode = case.options.get("mode") or case.options.get("kernel", {}).get("name")
    return f"{case.operation}, {mode}" if mode else case.operation


def table(found: Resolution) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f"| operation | part | {' | '.join(DTYPES)} |", "|---|---|" + "---|" * len(DTYPES)]
    for (operation, part), seen in found.items():
        cells = ("" if np.isnan(seen[dtype]) else f"{seen[dtype]:.1e}" for dtype in DTYPES)
        lines.append(f"| {operation} | {part} | {' | '.join(cells)} |")
    return lines


class _Element(NamedTuple):
    """An element of an output, as a truth of its own, and how far coordinates may be off."""

    truth: Truth
    move: float


def _narrowest(cases: Sequence[Case], paths: Sequence[str], dtype: str, required: Grade) -> list[_Element]:
    """Return the elements with the narrowest bounds of outputs that no convention decides, off their seams."""
    found: list[tuple[float, _Element]] = []
    for case in cases:
        if not is_asked(case, dtype):
            continue
        move = PROFILES["float"].move(case, dtype)
        for path in paths:
            if path not in case.outputs:
                continue
            truth = case.outputs[path]
            elements = np.atleast_1d(truth.elements).ravel()
            usable = np.isfinite(elements["value"]) & (elements["value"] != 0)
            if path in case.seams:
                usable &= np.atleast_1d(case.seams[path]).ravel()["distance"] > move
            elements = elements[usable]
            if not elements.size:
                continue
            # An error of the size of the element, as a share of its bound.
            share = _share(shares(np.zeros(len(elements)), [Truth(truth.c, elements)], None, dtype, move), required)
            best = np.argsort(-share, kind="stable")[:_ELEMENTS]
            found += [(-float(share[at]), _Element(Truth(truth.c, elements[at : at + 1]), move)) for at in best]
            found = sorted(found, key=lambda pair: pair[0])[:_ELEMENTS]
    return [elements for _, elements in found]


def _share(found: Shares, required: Grade) -> Floats:
    return found.faithful if required == Grade.FAITHFUL else found.working


def _smallest(narrowest: Sequence[_Element], dtype: str, required: Grade) -> float:
    """Return the smallest fault of these elements that is seen; NaN if there are none."""
    if not narrowest:
        return float("nan")

    def is_seen(fault: float) -> bool:
        return any(
            _share(shares(_planted(one.truth, fault, dtype), [one.truth], None, dtype, one.move), required).max() > 1.0
            for one in narrowest
        )

    low, high = _SMALLEST, _LARGEST
    if not is_seen(high):
        return float("inf")
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high


def _planted(truth: Truth, fault: float, dtype: str) -> npt.NDArray[np.floating]:
    """Return exact values times 1 + fault, in a dtype: bfloat16 in float32 arrays."""
    elements = truth.elements.astype(ELEMENT, copy=False)
    faulty = elements["value"] + (elements["remainder"] + elements["value"] * fault)
    with np.errstate(over="ignore", under="ignore"):
        if dtype != "bfloat16":
            rounded: npt.NDArray[np.floating] = faulty.astype(dtype)
            return rounded
        bits = faulty.astype(np.float32).view(np.uint32)
        even = (bits >> np.uint32(16)) & np.uint32(1)
        return ((bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)).view(np.float32)


# What stands before the table in docs/resolution.md.
_INTRODUCTION = """# The resolution of the golden suite

The smallest relative fault of an operation's outputs that `refwarp verify` calls wrong, in each dtype: the exact
outputs of all cases, multiplied by 1 + eps and rounded to the dtype, are graded, and eps is bisected to a tenth of a
percent. `refwarp golden resolution` measures and prints this table; `--out docs/resolution.md` writes this page. It is
that of the suite with the digest

    {digest}

A fault of all elements alike is seen from this size on. A fault of some elements only is seen if it is larger than
their own [bounds](golden-grades.md), which differ from element to element. Where a cell is large, verify an
implementation in a wider dtype as well.
"""


def page(golden: Golden) -> str:
    """Return the text of docs/resolution.md."""
    return "\n".join([_INTRODUCTION.format(digest=golden.digest), *table(resolution(golden.cases)), ""])
