"""How two programs are timed: alternately, in one run, so that whatever else the machine does meets both."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_core.threads import get_num_threads, set_num_threads
from refwarp.benchmarking.entries import Call, Entry, Figure, Pair, check_agreement

# The shortest time of a sample, in seconds; shorter programs are called several times.
SHORTEST = 5e-3
# The threads of some libraries spin after their work, on a core that the other side needs; PyTorch's for some 7 ms.
PAUSE = 10e-3
# What part of a sample's calls, at least one, is made before it, untimed: after the pause caches are cold, threads
# asleep.
WARM_UP = 0.25
# How many samples of each program, and the seconds after which the fewer are enough.
MOST, LEAST, PATIENCE = 15, 7, 4.0


@dataclass(frozen=True)
class Measurement:
    """The times of an entry's two programs.

    Attributes
    ----------
    entry : Entry
        What was measured.
    ours, peers : tuple of float
        Seconds per call; sample k of one was taken right before sample k of the other.
    """

    entry: Entry
    ours: tuple[float, ...]
    peers: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """The peer's time per output element over ours, for each pair of samples: above 1 ours is faster."""
        scale = self.entry.elements / self._peer_elements
        return tuple(scale * peer / own for own, peer in zip(self.ours, self.peers, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return float(np.median(self.ratios))

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile of the ratios."""
        low, high = np.quantile(self.ratios, (0.25, 0.75))
        return float(low), float(high)

    @property
    def nanoseconds(self) -> tuple[float, float]:
        """The median times per output element, ours and the peer's."""
        ours, peers = float(np.median(self.ours)), float(np.median(self.peers))
        return 1e9 * ours / self.entry.elements, 1e9 * peers / self._peer_elements

    @property
    def _peer_elements(self) -> int:
        return self.entry.elements if self.entry.peer_elements is None else self.entry.peer_elements


def measure(
    pair: Pair,
    *,
    most: int = MOST,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Time two programs alternately, each time after a pause and some calls untimed; both have been called before.

    Parameters
    ----------
    pair : Pair
        The programs.
    most : int
        How many samples are taken of each; 7 at least, and no more than these if it takes long.
    clock, sleep : callable
        `time.perf_counter` and `time.sleep`, or what a test puts in their place.

    Returns
    -------
    ours, peers : tuple of float
        Seconds per call, one for each sample.
    """
    counts = [_calls_per_sample(call, pair.wait, clock) for call in (pair.ours, pair.peer)]
    began = clock()
    ours: list[float] = []
    peers: list[float] = []
    while len(ours) < LEAST or (len(ours) < most and clock() - began < PATIENCE):
        for call, count, times in zip((pair.ours, pair.peer), counts, (ours, peers), strict=True):
            sleep(PAUSE)
            _duration(call, math.ceil(WARM_UP * count), pair.wait, clock)
            times.append(_duration(call, count, pair.wait, clock) / count)
    return tuple(ours), tuple(peers)


def measure_entry(entry: Entry, most: int = MOST) -> Measurement:
    """Make an entry's inputs, call both programs, see that they agree, and time them.

    Raises
    ------
    Disagreement
        If they do not agree.
    """
    with limited_threads(entry.threads):
        pair = entry.prepare()
        check_agreement(entry, pair.ours(), pair.peer())
        return Measurement(entry, *measure(pair, most=most))


def _calls_per_sample(call: Call, wait: Callable[[], None], clock: Callable[[], float]) -> int:
    """Return how many calls take about as long as the shortest sample, or longer."""
    count = 1
    while (took := _duration(call, count, wait, clock)) < SHORTEST:
        count *= min(max(2, math.ceil(SHORTEST / max(took, 1e-9))), 100)
    return count


def _duration(call: Call, count: int, wait: Callable[[], None], clock: Callable[[], float]) -> float:
    wait()
    start = clock()
    for _ in range(count):
        call()
    wait()
    return clock() - start


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let refwarp, and whichever of PyTorch, OpenCV and the BLAS libraries is loaded, run on so many threads."""
    setters: list[tuple[Callable[[int], Any], int]] = [(set_num_threads, get_num_threads())]
    if torch := sys.modules.get("torch"):
        setters.append((torch.set_num_threads, torch.get_num_threads()))
    if cv2 := sys.modules.get("cv2"):
        setters.append((cv2.setNumThreads, cv2.getNumThreads()))
    try:
        for setter, _ in setters:
            setter(count)
        with _limited_blas(count):
            yield
    finally:
        for setter, before in setters:
            setter(before)


@contextmanager
def _limited_blas(count: int) -> Iterator[None]:
    """Limit BLAS, if threadpoolctl is installed; a comparison that multiplies matrices imports it."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(count, user_api="blas"):
        yield


@dataclass
class Comparison:
    """What one file of `benchmarks/` has measured.

    Attributes
    ----------
    name, title : str
        The file's name without its suffix, and the first line of its docstring.
    rows : sequence of str
        The labels that name a row of its picture; entries that differ in others only share a row.
    measurements : list of Measurement
        Its entries.
    figures : list of (Figure, float)
        Its figures without a peer, and their values.
    disagreements : list of str
        The entries that were not timed, since the two programs do not compute the same.
    """

    name: str
    title: str
    rows: Sequence[str] = ("operation", "shape")
    measurements: list[Measurement] = field(default_factory=list)
    figures: list[tuple[Figure, float]] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
