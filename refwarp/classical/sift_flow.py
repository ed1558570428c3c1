"""SIFT flow (C. Liu, J. Yuen and A. Torralba, TPAMI 2011): whole motions, between pictures of different scenes too.

The flow w = (u, v), of whole pixels, is where

    E(w) = sum over p of min(|s1(p) - s2(p + w_p)|, t) + eta (|u_p| + |v_p|)
         + sum over neighbours p, q of min(alpha |u_p - u_q|, d) + min(alpha |v_p - v_q|, d)               (sift_flow.1)

is small; s are the descriptors of `dense_sift`, |.| the sum of absolute differences, and what leaves the frame costs t.

The smoothness is a sum of one of u and one of v, so a pixel sends its neighbours a message about u and one about v:
with h_u and h_v the sums of eta |.| and of all messages that came in about u and v,

    b_u(u) = h_u(u) + min over v of (D(u, v) + h_v(v))                                                     (sift_flow.2)
    m(u_q) = min over u of (b_u(u) - what q sent about u + min(alpha |u - u_q|, d))                        (sift_flow.3)

with D the first term of E, and v alike ("dual-layer loopy belief propagation"). A message is taken less its minimum. In
each iteration first the pixels of one colour of a chess board send, then those of the other, so the result does not
depend on an order. At the end each pixel takes what is smallest of

    D(u, v) + h_u(u) + h_v(v)                                                                              (sift_flow.4)

Coarse to fine: at half the size motions are half as long, so the smallest frames are searched as far as `reach`, and
at each next size only `window` pixels around twice the flow so far. docs/sift_flow.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from refwarp.backend.jit import items, kernel, scalar
from refwarp.backend.launch import argument, run
from refwarp.classical.checks import check_cell, check_counts, check_flow, check_weights, frames_of
from refwarp.classical.descriptors import dense_sift
from refwarp.classical.pyramid import reduced


@dataclass(frozen=True)
class SiftFlowSettings:
    """What the energy weighs, and how far and how long it is searched.

    Attributes
    ----------
    smoothness, most_smoothness : float
        alpha and d.
    size_weight : float
        eta.
    most_difference : float
        t.
    cell : int
        The side of the descriptors' cells in pixels, even.
    levels : int
        How many sizes there are, each half of the next.
    reach, window : int
        How far motions are searched, in pixels: at the smallest size, and around what is known at the next ones.
    iterations : int
        How often all pixels send messages, at each size.
    """

    smoothness: float = 2.0
    most_smoothness: float = 40.0
    size_weight: float = 0.005
    most_difference: float = 10.0
    cell: int = 4
    levels: int = 4
    reach: int = 10
    window: int = 4
    iterations: int = 40

    def __post_init__(self) -> None:
        check_weights(self, ("smoothness", "most_smoothness", "size_weight", "most_difference"))
        check_counts(self, ("levels", "iterations"), 1)
        check_counts(self, ("reach", "window"), 0)
        check_cell(self.cell)


class Weights(NamedTuple):
    """alpha, d and eta."""

    alpha: float
    d: float
    eta: float


# Where a message comes from: from above, from the left, from the right, from below. So 3 - k is the way back.
_ROWS = np.array([-1, 0, 0, 1])
_COLUMNS = np.array([0, -1, 1, 0])


@kernel
def match(start: int, stop: int, one: Any, other: Any, centres: Any, most: float, costs: Any) -> None:
    """Compute D (sift_flow.1) for the rows start to stop: costs (H, W, labels of u, labels of v)."""
    height, width, count = one.shape
    labels = costs.shape[2]
    reach = labels // 2
    for i in items(start, stop):
        for j in range(width):
            for a in range(labels):
                for b in range(labels):
                    column, row = j + centres[0, i, j] + a - reach, i + centres[1, i, j] + b - reach
                    cost = np.float32(most)
                    if 0 <= row < height and 0 <= column < width:
                        difference = np.float32(0.0)
                        for k in range(count):
                            difference += abs(one[i, j, k] - other[row, column, k])
                        cost = min(cost, difference)  # (sift_flow.1)
                    costs[i, j, a, b] = cost


@scalar
def received(messages: Any, r: int, i: int, j: int, label: int) -> float:
    """Return the sum of what the neighbours sent about a label of component r."""
    total = 0.0
    for k in range(4):
        total += messages[r, k, i, j, label]
    return total


@kernel
def send(
    start: int, stop: int, costs: Any, centres: Any, weights: Weights, colour: int, ways: Any, messages: Any
) -> None:
    """Compute (sift_flow.3) for the messages of one colour's pixels in the rows start to stop.

    messages (2, 4, H, W, labels): about u and v, by where they come from, where they went. Each is written by one row
    and read by those of the other colour.
    """
    height, width, labels, _ = costs.shape
    reach = labels // 2
    h, belief = np.empty((2, labels)), np.empty((2, labels))
    for i in items(start, stop):
        for j in range((i + colour) % 2, width, 2):
            for r in range(2):
                for a in range(labels):
                    motion = abs(centres[r, i, j] + a - reach)
                    h[r, a] = weights.eta * motion + received(messages, r, i, j, a)
            for r in range(2):
                for a in range(labels):
                    least = np.inf
                    for b in range(labels):
                        cost = costs[i, j, a, b] if r == 0 else costs[i, j, b, a]
                        least = min(least, cost + h[1 - r, b])
                    belief[r, a] = h[r, a] + least  # (sift_flow.2)
            for k in range(4):
                row, column = i - ways[0, k], j - ways[1, k]  # for whom this pixel lies in direction k
                if 0 <= row < height and 0 <= column < width:
                    for r in range(2):
                        shift = centres[r, row, column] - centres[r, i, j]
                        smallest = np.inf
                        for b in range(labels):
                            least = np.inf
                            for a in range(labels):
                                step = min(weights.alpha * abs(b + shift - a), weights.d)
                                least = min(least, belief[r, a] - messages[r, 3 - k, i, j, a] + step)
                            messages[r, k, row, column, b] = least  # (sift_flow.3)
                            smallest = min(smallest, least)
                        for b in range(labels):
                            messages[r, k, row, column, b] -= smallest


@kernel
def choose(start: int, stop: int, costs: Any, centres: Any, eta: float, messages: Any, flow: Any) -> None:
    """Write the motion that (sift_flow.4) is smallest for, the first of several."""
    _, width, labels, _ = costs.shape
    reach = labels // 2
    for i in items(start, stop):
        for j in range(width):
            best = np.inf
            for a in range(labels):
                u = centres[0, i, j] + a - reach
                h_u = eta * abs(u) + received(messages, 0, i, j, a)
                for b in range(labels):
                    v = centres[1, i, j] + b - reach
                    value = costs[i, j, a, b] + h_u + eta * abs(v) + received(messages, 1, i, j, b)  # (sift_flow.4)
                    if value < best:
                        best = value
                        flow[0, i, j], flow[1, i, j] = u, v


def sift_flow(first: Any, second: Any, settings: SiftFlowSettings | None = None) -> Any:
    """Return the flow of whole pixels from a picture to another.

    Parameters
    ----------
    first, second : ndarray, shape (C, H, W)
        The pictures, of the same shape; about in [0, 1].
    settings : SiftFlowSettings, optional
        Weights, and how far and how long it is searched.

    Returns
    -------
    ndarray, shape (2, H, W)
        The motion of each pixel of the first picture, u (to the right) before v (down), in pixels; float64.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are no pixels, or a number is not finite.
    TypeError
        If the pictures do not hold real numbers.

    Notes
    -----
    The same bits on any number of threads. (sift_flow.1) to (sift_flow.4); docs/sift_flow.md.
    """
    settings = settings or SiftFlowSettings()
    first, second = frames_of(first, second)
    height, width = first.shape[1:]
    flow: Any = None
    for level in range(settings.levels - 1, -1, -1):
        size = max(1, math.ceil(height / 2**level)), max(1, math.ceil(width / 2**level))
        one, other = (dense_sift(reduced(frame, size, 0.0), settings.cell) for frame in (first, second))
        coarse = np.zeros((2, *size), np.int64) if flow is None else _doubled(flow, size)
        flow = search(one, other, coarse, settings.reach if flow is None else settings.window, settings)
    return flow.astype(np.float64)


def _doubled(flow: Any, size: tuple[int, int]) -> Any:
    """Return twice a flow of whole pixels, each for two by two pixels."""
    return 2 * flow.repeat(2, axis=1).repeat(2, axis=2)[:, : size[0], : size[1]]


def search(one: Any, other: Any, centres: Any, reach: int, settings: SiftFlowSettings) -> Any:
    """Return the flow of least belief, `reach` pixels around the centres at most."""
    height, width = one.shape[:2]
    labels = 2 * reach + 1
    weights = Weights(settings.smoothness, settings.most_smoothness, settings.size_weight)
    costs = np.empty((height, width, labels, labels), np.float32)
    around = argument(centres)
    run(match, height, costs.size, argument(one), argument(other), around, settings.most_difference, costs)
    messages = np.zeros((2, 4, height, width, labels))
    known, ways = argument(costs), argument(np.stack([_ROWS, _COLUMNS]))
    for _ in range(settings.iterations):
        for colour in range(2):
            run(send, height, costs.size, known, around, weights, colour, ways, messages)
    flow = np.zeros((2, height, width), np.int64)
    run(choose, height, costs.size, known, around, weights.eta, argument(messages), flow)
    return flow


def sift_flow_energy(flow: Any, first: Any, second: Any, settings: SiftFlowSettings | None = None) -> float:
    """Return the energy of a flow (sift_flow.1), at full size.

    Parameters
    ----------
    flow : ndarray, shape (2, H, W)
        The motion, of whole pixels.
    first, second, settings
        As in `sift_flow`.

    Raises
    ------
    TypeError, ValueError
        As in `sift_flow`; and if a motion is not of whole pixels.
    """
    settings = settings or SiftFlowSettings()
    first, second = frames_of(first, second)
    flow = check_flow("flow", flow, first)
    if (flow != np.rint(flow)).any():
        raise ValueError("flow: given a motion that is not of whole pixels; round it")
    one, other = (dense_sift(frame, settings.cell).astype(np.float64) for frame in (first, second))
    height, width = one.shape[:2]
    total = settings.size_weight * abs(flow).sum()
    for i, j in np.ndindex(height, width):
        column, row = j + int(flow[0, i, j]), i + int(flow[1, i, j])
        inside = 0 <= row < height and 0 <= column < width
        difference = abs(one[i, j] - other[row, column]).sum() if inside else math.inf
        total += min(difference, settings.most_difference)  # (sift_flow.1)
    for axis in (1, 2):
        steps = settings.smoothness * abs(np.diff(flow, axis=axis))
        total += np.minimum(steps, settings.most_smoothness).sum()  # (sift_flow.1)
    return float(total)
