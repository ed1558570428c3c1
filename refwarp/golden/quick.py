"""A tenth of the cases, for a look in seconds: those that together have as much as possible of what cases have.

What a case has are properties that faults depend on: its flags, its options, its type, the sizes of its axes, and two
of those together. Cases are taken greedily, the next one being that with the most properties that no case before has,
by what these are worth, for the time that it takes. Nothing is drawn, and no implementation is looked at: the choice
depends on the cases alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import combinations

from refwarp.golden.case import Case
from refwarp.golden.flags import FLAGS
from refwarp.golden.format import canonical_json

# One case of so many is chosen.
SHARE = 10

# A property: the operation, and one or two things that a case of it has.
Property = tuple[object, ...]

# What properties are worth: a flag, by its kind, and one thing alone, where two things together are worth 1.
_FLAG = {"KNOWN_BUG": 60, "CONVENTION": 30, "EDGE_CASE": 30, "BASIC": 10}
_ALONE = 3

# A case with so many numbers takes twice as long as one with few.
_AS_LONG = 40_000


def quick(cases: Sequence[Case]) -> list[Case]:
    """Return a tenth of some cases, in their order.

    Parameters
    ----------
    cases : sequence of Case
        With their outputs.

    Returns
    -------
    list of Case
        One of ten, and at least one, unless there are none.
    """
    properties = [dict(_properties(case)) for case in cases]
    costs = [1 + _numbers(case) / _AS_LONG for case in cases]
    seen: set[Property] = set()

    def gain(at: int) -> float:
        return sum(weight for one, weight in properties[at].items() if one not in seen) / costs[at]

    heap = [(-gain(at), at) for at in range(len(cases))]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < -(-len(cases) // SHARE):
        most, at = heapq.heappop(heap)
        now = -gain(at)
        if now > most:  # less than it was when it was put here
            heapq.heappush(heap, (now, at))
            continue
        chosen.append(at)
        seen.update(properties[at])
    return [cases[at] for at in sorted(chosen)]


def _numbers(case: Case) -> int:
    arrays = [*case.inputs.values(), *(truth.elements for truth in case.outputs.values())]
    return sum(array.size for array in arrays)


def _properties(case: Case) -> Iterator[tuple[Property, int]]:
    """Yield what a case has that others of its operation may have, too, and what that is worth."""
    options = [
        (name, canonical_json(value)) for name, value in sorted(case.options.items()) if not name.endswith("size")
    ]
    sizes = [
        (name, axis, length.bit_length())
        for name, array in sorted(case.inputs.items())
        if not name.startswith("cotangent")
        for axis, length in enumerate(array.shape)
    ]
    for flag in case.flags:
        yield (case.operation, ("flag", flag)), _FLAG[FLAGS[flag].kind]
        for option in options:
            yield (case.operation, ("flag", flag), option), 1
    for one in (("dtype", case.dtype), *options, *sizes):
        yield (case.operation, one), _ALONE
    for pair in (*combinations(options, 2), *combinations(sizes, 2)):
        yield (case.operation, *pair), 1
