"""The hull of an element where rounding may move a sample across a seam.

A seam is where the outputs of a sample jump: the lattice for slopes of bilinear samples, half-integers for nearest
ones. Where a sample lies nearer to a seam than a computation in a narrow type can tell, but not on it, each element's
value may be that of either side. So an element has a hull, the sum of those of what its samples contribute, each
from its own side and from the other, in all combinations of both axes. In a case flagged NearSeam that holds for a
sample on a seam too: nothing promises that its coordinate is computed exactly.

On a seam the rule "literal" picks no value between the sides: an implementation that follows it, and rounds a
coordinate onto the lattice, is not within the hull.

Where a reflected coordinate is so large that rounding moves it by more than half a pixel, it may land anywhere, and
the hull is that over a point in each half of each pixel, in both directions of the mirror.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF
from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.sampling import Place, Plane, Samples, Tap
from refwarp.golden.grades import COORDINATE_ROUNDINGS
from refwarp.golden.judging import answer
from refwarp.golden.judging.judge import Seams
from refwarp.golden.judging.sampler import Call, Image, outputs
from refwarp.golden.judging.slopes import reach

# How far, as a share of its reach (see `slopes.reach`), a computation in float16 may move a coordinate.
MOVE = COORDINATE_ROUNDINGS * UNIT_ROUNDOFF["float16"]

# The distance of an element without a seam nearby: the whole axis.
FAR = Fraction(1)

# The sides of a seam are looked at so near to it, in pixels, that nothing else changes.
_NUDGE = Fraction(1, 2**80)

# An element: its path "part/output" and its index. What a sample contributes to elements; to others it is 0.
Element = tuple[str, tuple[int, ...]]
Contributions = Mapping[Element, Number]


class Axis(NamedTuple):
    """Where a coordinate may be computed to lie, in units of g, and how far its seam is as a share of its reach."""

    places: list[Number]
    distance: Number


class Hull:
    """The hulls of one output's elements, and the distance of the nearest seam that matters to each."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.low, self.high = np.zeros(shape, object), np.zeros(shape, object)
        self.distance = np.full(shape, FAR, object)

    def stored(self) -> npt.NDArray[np.void]:
        """Return them as they are stored."""
        parts = zip(self.low.ravel(), self.high.ravel(), self.distance.ravel(), strict=True)
        nothing = 0, 0, FAR  # as most pixels of a wide map have
        stored = answer.seam(*nothing)
        return answer.seams(self.low.shape, (stored if part == nothing else answer.seam(*part) for part in parts))


def seams(
    call: Call,
    images: Sequence[Image],
    shapes: Mapping[str, tuple[int, ...]],
    rules: Sequence[str],
    offset: Fraction,
    move: Fraction,
    exact: bool,
) -> Seams:
    """Return the hulls of some outputs; none at all if no sample lies next to a seam.

    Parameters
    ----------
    shapes : mapping
        The shapes of the outputs that jump, by "part/output".
    rules : sequence of str
        The conventions that samples on a seam may follow.
    offset : Fraction
        How far seams lie from pixels.
    move : Fraction
        How far a coordinate may be moved, as a share of its reach (see `slopes.reach`).
    exact : bool
        Whether a sample on a seam stays there.
    """
    hulls = {path: Hull(shape) for path, shape in shapes.items()}
    found = [_spread(call, image, offset, move, exact) for image in images]
    if all(x.distance == y.distance == FAR for axes in found for x, y in axes.values()):
        return {}
    for b, (image, axes) in enumerate(zip(images, found, strict=True)):
        points = [(here, point) for here, (x, y) in axes.items() for point in product(x.places, y.places)]
        contributed = defaultdict(list)
        for rule in rules:
            samples = call.samples([[point for _, point in points]], rule)
            for place in samples.defined:
                here = points[place.j][0]
                contributed[here].append(contributions(call, image, place, here))
        for here, parts in contributed.items():
            distance = min(axis.distance for axis in axes[here])
            for path, index in {element for part in parts for element in part}:
                if path in hulls:
                    values = [part.get((path, index), 0) for part in parts]
                    hull, at = hulls[path], (b, *index)
                    hull.low[at] += min(values)
                    hull.high[at] += max(values)
                    if min(values) < max(values):
                        hull.distance[at] = min(hull.distance[at], distance)
    return {path: hull.stored() for path, hull in hulls.items() if (hull.distance < FAR).any()}


def axis(call: Call, g: Number, along: int, offset: Fraction, move: Fraction, exact: bool) -> Axis:
    """Return where the coordinate g along x (0) or y (1) may be computed to lie."""
    size, scale = call.sizes[along], call.scales[along]
    if not isinstance(g, Fraction) or scale == 0:
        return Axis([g], FAR)
    x, far = call.coordinate(g, size), reach(g, size, scale)
    seam = offset + math.floor(x - offset + Fraction(1, 2))
    distance = abs(x - seam) / far
    if distance > move or (exact and distance == 0):
        return Axis([g], FAR)
    if call.padding == "reflection" and abs(g) > 2 and 2 * move * far > 1:
        there = [Fraction(2 * quarter + 1, 4) for quarter in range(4 * size)]
    else:
        there = [seam - _NUDGE, seam + _NUDGE]
    return Axis([g, *((2 * x - size + 1) / (2 * scale) for x in there)], distance)


def contributions(call: Call, image: Image, place: Place, here: tuple[int, int]) -> Contributions:
    """Return what one sample adds to the elements of all outputs of its image.

    The exact sums run over the part of the map that the sample reads.
    """
    i, j = here
    rows, columns = (sorted({tap.pixel for tap in taps}) for taps in (place.rows, place.columns))
    axes = [_renumbered(place.columns, columns), _renumbered(place.rows, rows)]
    # The coordinates 0 and 1 stand for the taps in x and in y.
    samples = Samples([[(0, 1)]], len(rows), len(columns), lambda g, size: axes[g], lambda sign, size: [], "zeros")
    read = image._replace(
        gout=[[[plane[i][j]]] for plane in image.gout],
        cotangent_grid=[[image.cotangent_grid[i][j]]],
        input=_cropped(image.input, rows, columns),
        cotangent_input=_cropped(image.cotangent_input, rows, columns),
    )
    found: dict[Element, Number] = {}
    for path, nested in outputs(read, samples, call.scales).items():
        sums = np.array(nested, object)
        for (a, b, c), total in np.ndenumerate(sums):
            if path.endswith("ginput"):
                found[path, (a, rows[b], columns[c])] = total.value
            else:
                found[path, (i, j, c) if path.endswith("ggrid") else (a, i, j)] = total.value
    return found


def _spread(
    call: Call, image: Image, offset: Fraction, move: Fraction, exact: bool
) -> dict[tuple[int, int], tuple[Axis, Axis]]:
    """Return for each sample where its coordinates may be computed to lie."""
    return {
        (i, j): (axis(call, gx, 0, offset, move, exact), axis(call, gy, 1, offset, move, exact))
        for i, row in enumerate(image.grid)
        for j, (gx, gy) in enumerate(row)
    }


def _renumbered(taps: list[Tap], pixels: list[int]) -> list[Tap]:
    return [tap._replace(pixel=pixels.index(tap.pixel)) for tap in taps]


def _cropped(planes: Sequence[Plane], rows: list[int], columns: list[int]) -> list[list[list[Number]]]:
    return [[[plane[n][m] for m in columns] for n in rows] for plane in planes]
