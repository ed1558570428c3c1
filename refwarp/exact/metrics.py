"""Measures of flows, images, labels and scores, transcribed literally.

For a flow w = (u, v), the true one t = (s, r), and images I and J of grey values, at a pixel:

    end-point error   |w - t|                                                            (metrics.1)
    angular error     arccos((u s + v r + 1) / (|(u, v, 1)| |(s, r, 1)|))                (metrics.2)
    outlier           |w - t| > threshold and |w - t| > share |t|                        (metrics.3)
    image distance    |I - J|                                                            (metrics.4)

each averaged over the pixels of a region. For labels with K classes, and for scores of examples that are positive or
negative:

    intersection over union of k   |predicted k and k| / |predicted k or k|              (metrics.5)
    area under the ROC curve       P(a > b) + P(a = b)/2                                 (metrics.6)

with a the score of a positive example, and b that of a negative one, both drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.ledger import Equation

Plane = Sequence[Sequence[Number]]
Region = Sequence[Sequence[bool]]
Function = Callable[[Number], Number]


def _everywhere(plane: Plane) -> Region:
    return [[True] * len(row) for row in plane]


def _of_region(region: Region, *planes: Plane) -> list[tuple[Number, ...]]:
    """Return what planes have at each pixel of a region."""
    return [
        values
        for inside, *rows in zip(region, *planes, strict=True)
        for kept, *values_of in zip(inside, *rows, strict=True)
        if kept
        for values in [tuple(values_of)]
    ]


def _mean(values: Sequence[Number]) -> Number:
    return sum(values) / len(values)


def endpoint_error(flow: Sequence[Plane], truth: Sequence[Plane], root: Function, region: Region = ()) -> Number:
    """Return the end-point error of two flows (2, H, W), averaged over a region; `root` is the square root."""
    pixels = _of_region(region or _everywhere(flow[0]), *flow, *truth)
    return _mean([root((u - s) ** 2 + (v - r) ** 2) for u, v, s, r in pixels])  # (metrics.1)


def angular_error(flow: Sequence[Plane], truth: Sequence[Plane], root: Function, arccos: Function) -> Number:
    """Return the angle between the directions of two flows (2, H, W) in space and time, averaged over all pixels."""
    angles = []
    for u, v, s, r in _of_region(_everywhere(flow[0]), *flow, *truth):
        lengths = root(u * u + v * v + 1) * root(s * s + r * r + 1)
        angles.append(arccos((u * s + v * r + 1) / lengths))  # (metrics.2)
    return _mean(angles)


def outlier_share(
    flow: Sequence[Plane], truth: Sequence[Plane], threshold: Number, share: Number, region: Region = ()
) -> Number:
    """Return which share of the pixels of a region has a wrong flow. Nothing is rooted: both sides are squared."""
    wrong = []
    for u, v, s, r in _of_region(region or _everywhere(flow[0]), *flow, *truth):
        error = (u - s) ** 2 + (v - r) ** 2
        wrong.append(error > threshold**2 and error > share**2 * (s * s + r * r))  # (metrics.3)
    return _mean([Fraction(value) for value in wrong])


def image_distance(a: Plane, b: Plane, region: Region = ()) -> Number:
    """Return what HSTN (Sect. 4.2) calls EPE, the distance of two images' grey values, averaged over a region."""
    return _mean([abs(p - q) for p, q in _of_region(region or _everywhere(a), a, b)])  # (metrics.4)


def intersection_over_union(predicted: Sequence[int], labels: Sequence[int], k: int) -> Number:
    """Return the intersection over union of a class that is among the labels or the predictions."""
    both = [(p == k and label == k, p == k or label == k) for p, label in zip(predicted, labels, strict=True)]
    return Fraction(sum(one for one, _ in both), sum(other for _, other in both))  # (metrics.5)


def area_under_roc(scores: Sequence[Number], labels: Sequence[bool]) -> Number:
    """Return the area under the ROC curve, from all pairs of a positive and a negative example."""
    positive, negative = ([s for s, label in zip(scores, labels, strict=True) if label is k] for k in (True, False))
    wins = [Fraction(1 if a > b else 0) + Fraction(a == b, 2) for a in positive for b in negative]
    return _mean(wins)  # (metrics.6)


LEDGER = (
    Equation(
        "HSTN",
        "EPE (section 4.2)",
        "Euclidean distance between two images, averaged over all pixels",
        "ambiguous",
        "the end-point error is usually the distance between two flows. The two are unrelated: any flow has distance "
        "0 for a constant image, and the true flow between images of different brightness does not",
        (
            "refwarp.exact.metrics.image_distance",
            "refwarp.exact.metrics.endpoint_error",
            "refwarp.metrics.image_distance",
            "refwarp.metrics.endpoint_error",
        ),
        ("tests/exact/test_remarks.py::test_a_distance_of_images_is_no_endpoint_error",),
    ),
)
