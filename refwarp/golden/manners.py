"""Ways to call a function, beside calling it once on new arrays: as programs do that keep results, and run threads.

A function may be right whenever it is called once, and wrong where a program keeps its results, uses its arrays again
or calls it from two threads: for it hands out a buffer that it fills again, or remembers too little of what it knows
from the last call. `refwarp.golden.targets.calling` makes the calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

ONCE = "once"
# How often two threads call a function at the same time, and how many calls each manner takes at most.
ROUNDS = 4


class Manner(NamedTuple):
    """A manner: what is done; words for a report, after a dtype; and how many calls it takes."""

    description: str
    words: str
    calls: int


# By name. `again` takes, beside these calls, one for each `Calling.others`.
MANNERS: Mapping[str, Manner] = {
    ONCE: Manner("one call, on new arrays", "", 1),
    "again": Manner(
        "called, called with other numbers and with other options, and called again: what the caller kept of the "
        "first call must be as it was, and the last call right",
        "called again",
        3,
    ),
    "rewritten": Manner(
        "called twice on the same arrays, into which the caller wrote other numbers between: the results of the first "
        "call must stay as they were, and those of the second be right",
        "called on rewritten arrays",
        2,
    ),
    "threads": Manner(
        "called by two threads at the same time, on arrays of their own",
        "called in two threads",
        2 * ROUNDS + 1,
    ),
    "single": Manner(
        "asked for one gradient alone, if the target says that it takes such a wish",
        "asked for one gradient",
        1,
    ),
}


@dataclass(frozen=True)
class Calling:
    """How a call is made.

    Attributes
    ----------
    manner : str
        One of `MANNERS`.
    others : tuple of mapping
        Options of calls that come between, for `again`.
    gradients : tuple of str
        The outputs that are asked for, for `single`.
    """

    manner: str = ONCE
    others: tuple[Mapping[str, Any], ...] = ()
    gradients: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """How many calls of the function it takes."""
        return MANNERS[self.manner].calls + len(self.others)


PLAIN = Calling()
