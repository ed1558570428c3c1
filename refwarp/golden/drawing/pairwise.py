"""Few calls that have every pair of levels of any two factors: a covering array of strength 2.

A factor is an axis, or an option; its levels are the sizes or values that it takes. A fault that needs two axes, each
beyond some size, shows in the call that has that pair, whatever the others are. The rows are found greedily (as in
Cohen, Dalal, Fredman and Patton, IEEE Trans. Software Eng. 23, 1997), in an order that depends on nothing but the
arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from refwarp.golden.case import Case

# A level of a factor, by their places; two of them in the order of the factors.
Level = tuple[int, int]
Pair = tuple[Level, Level]

# Classes of sizes: those that blocks, tiles and vectors have, and their neighbours. The members of a class take turns.
SIZES = ((2, 3, 4, 5), (7, 8, 9), (15, 16, 17), (31, 32, 33), (63, 64, 65), (127, 129, 255, 257))
# Of what there are fewer: images of a batch, and channels.
BATCHES = (1, 2, (3, 5))
CHANNELS = (1, 3, (4, 5), (8, 9), (16, 17))


def pairwise(
    factors: Mapping[str, Sequence[Any]], is_allowed: Callable[[Mapping[str, Any]], bool] = lambda row: True
) -> list[dict[str, Any]]:
    """Return rows that together have each pair of levels of any two factors which some allowed row may have.

    Parameters
    ----------
    factors : mapping
        The levels of each factor, the least demanding first. A level that is a tuple stands for a class: the rows
        that have it take its members in turn, the last one first.
    is_allowed : callable
        Tells whether a row, with members for classes, is small enough. Where it is, it must be so with the first level
        of any factor as well. A pair that is not allowed although all other factors have their first levels is left
        out.

    Returns
    -------
    list of dict
        For each row, a level of each factor by name.

    Examples
    --------
    >>> rows = pairwise({"rows": (1, 8), "columns": (1, 8), "mode": ("nearest", "bilinear")})
    >>> len(rows), rows[0]
    (4, {'rows': 8, 'columns': 8, 'mode': 'bilinear'})
    """
    names, levels = list(factors), list(factors.values())

    def possible(chosen: Mapping[int, int]) -> bool:
        """Tell whether a row is allowed that has the largest members of these levels, and else the first levels."""
        row = {name: _largest(levels[at][chosen.get(at, 0)]) for at, name in enumerate(names)}
        return is_allowed(row)

    wanted = [pair for pair in _pairs([range(len(each)) for each in levels]) if possible(dict(pair))]
    uncovered = dict.fromkeys(reversed(wanted))  # the most demanding first
    turns: dict[Level, int] = {}
    rows = []
    while uncovered:
        chosen = dict(next(iter(uncovered)))
        for at in sorted(set(range(len(names))) - set(chosen), key=lambda at: -len(levels[at])):
            # Of the levels that are possible, the one with the most new pairs; of equal ones, the least used.
            found = [level for level in range(len(levels[at])) if possible({**chosen, at: level})]
            chosen[at] = max(
                found,
                key=lambda level: (
                    sum(_ordered((at, level), other) in uncovered for other in chosen.items()),
                    -turns.get((at, level), 0),
                    -level,
                ),
            )
        for pair in combinations(sorted(chosen.items()), 2):
            uncovered.pop(pair, None)
        row = {}
        for at, name in enumerate(names):
            level, turn = levels[at][chosen[at]], turns.get((at, chosen[at]), 0)
            row[name] = level[-1 - turn % len(level)] if isinstance(level, tuple) else level
            turns[at, chosen[at]] = turn + 1
        rows.append(row)
    return rows


def _pairs(levels: Sequence[Sequence[int]]) -> Iterator[Pair]:
    for one, other in combinations(range(len(levels)), 2):
        yield from (((one, a), (other, b)) for a, b in product(levels[one], levels[other]))


def _ordered(one: Level, other: Level) -> Pair:
    return (one, other) if one < other else (other, one)


def _largest(level: Any) -> Any:
    return max(level) if isinstance(level, tuple) else level


def at_most(limit: int, *axes: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return a rule for `pairwise`: the product of some axes may be so large."""
    return lambda row: math.prod(row[axis] for axis in axes) <= limit


def small_enough(cases: Iterable[Case], most: int = 3000) -> list[Case]:
    """Return the cases whose inputs have at most so many numbers, and wide ones, which are nearly all zeros.

    So the suite stays small; a pair of sizes that occurs in no smaller case is given up.
    """
    return [case for case in cases if "Wide" in case.flags or sum(a.size for a in case.inputs.values()) <= most]
