"""Calling a function in one of the manners of `refwarp.golden.manners`, and saying what came of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from threading import Barrier, BrokenBarrierError, Thread
from typing import Any

import numpy as np

from refwarp.golden.manners import ONCE, ROUNDS, Calling
from refwarp.golden.outcomes import Reply

# Calls the function once: with named arrays in their order, and options.
Once = Callable[[Mapping[str, Any], Mapping[str, Any]], Reply]

# While two threads run, Python hands over from one to the other after so many seconds. By default it is 5 ms, in
# which a call of a small case is over.
_SWITCH_SECONDS = 1e-5


def call(once: Once, given: Mapping[str, Any], options: Mapping[str, Any], calling: Calling) -> Reply:
    """Call a function in some manner.

    Parameters
    ----------
    once : callable
        Calls it once.
    given : mapping of str to array
        Its arguments, None for one that is left out.
    options : mapping
        Its options.
    calling : Calling
        The manner.

    Returns
    -------
    Reply
        The results that are to be judged, and whether all calls with these arguments gave the same bits.
    """
    if calling.manner == ONCE:
        return once(given, options)
    if calling.manner == "single":
        return once(given, {**options, "gradients": list(calling.gradients)})
    if calling.manner == "again":
        return _again(once, given, options, calling)
    return _rewritten(once, given, options) if calling.manner == "rewritten" else _in_threads(once, given, options)


def _again(once: Once, given: Mapping[str, Any], options: Mapping[str, Any], calling: Calling) -> Reply:
    first = once(_copies(given), options)
    if not _returned(first):
        return first
    kept = _bits(first)
    once(_others(given), options)  # what comes of it is another case's matter; here and below
    for other in calling.others:
        once(_copies(given), other)
    if _bits(first) != kept:
        return replace(first, broken="a result that the caller kept changed when the function was called again")
    second = once(_copies(given), options)
    return replace(second, repeatable=_bits(second) == kept)


def _rewritten(once: Once, given: Mapping[str, Any], options: Mapping[str, Any]) -> Reply:
    arrays = _others(given)
    first = once(arrays, options)
    kept = _bits(first)
    for name, array in arrays.items():
        if array is not None:
            array[...] = given[name]
    if _bits(first) != kept:
        return replace(first, broken="a result changed when the caller wrote into an input after the call")
    return once(arrays, options)


def _in_threads(once: Once, given: Mapping[str, Any], options: Mapping[str, Any]) -> Reply:
    alone = once(_copies(given), options)
    if not _returned(alone):
        return alone
    barrier = Barrier(2)
    ended: list[str] = []
    replies: list[Reply] = []
    other = _others(given)

    def work(arrays: Mapping[str, Any], found: list[Reply]) -> None:
        try:
            for _ in range(ROUNDS):
                copies = _copies(arrays)
                barrier.wait()
                found.append(once(copies, options))
        except BrokenBarrierError:  # the other thread ended
            return
        except BaseException as error:
            ended.append(type(error).__name__)
            barrier.abort()

    threads = [Thread(target=work, args=(given, replies)), Thread(target=work, args=(other, []))]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if ended:
        return Reply(broken=f"a thread that called the function ended with {ended[0]}")
    kept = _bits(alone)
    different = [reply for reply in replies if _bits(reply) != kept]
    return replace(max(different, key=partial(_distance, alone)), repeatable=False) if different else replies[-1]


def _returned(reply: Reply) -> bool:
    return not (reply.raised or reply.missing or reply.broken)


def _bits(reply: Reply) -> list[Any]:
    """Return all that there is to results, bit by bit, and what was raised in their place."""
    arrays = [
        (item.dtype, item.shape, item.tobytes()) if isinstance(item, np.ndarray) else item for item in reply.results
    ]
    return [reply.raised, reply.missing, *arrays]


def _distance(one: Reply, other: Reply) -> float:
    """Return the largest difference of two results; infinity where there is no number, or something else came back."""
    if not _returned(other) or len(one.results) != len(other.results):
        return math.inf
    largest = 0.0
    for before, after in zip(one.results, other.results, strict=True):
        if isinstance(before, str) or isinstance(after, str) or before.shape != after.shape:
            return math.inf
        a, b = before.astype(np.float64), after.astype(np.float64)
        with np.errstate(all="ignore"):
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        largest = max(largest, float(np.nan_to_num(apart, nan=math.inf).max(initial=0.0)))
    return largest


def _copies(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if array is None else array.copy() for name, array in given.items()}


def _others(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays of the same shapes with other numbers: backwards, and halved, so that a constant differs, too."""
    return {
        name: None if array is None else np.array(np.flip(array) * array.dtype.type(0.5), order="C")
        for name, array in given.items()
    }
