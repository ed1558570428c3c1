"""The filling of holes, the pixels that no source reaches: three readings of one sentence.

DTN: "if there are pixels that are not selected on the output feature map, we apply an interpolation strategy over its
neighboring pixels on previous feature maps". Holes are filled with zeros, with the previous map P at the same
position, or with the mean of P over those of the eight pixels around it that are inside the map, excluding itself; 0 if
there are none                                                                                (decoder.8)
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Sum
from refwarp.exact.dense_decode.decode import Decoded, Maps, Pixel, empty_maps
from refwarp.exact.ledger import Equation
from refwarp.exact.sampling import Plane


def neighbours(height: int, width: int, n: int, m: int) -> list[Pixel]:
    """Return the pixels around (n, m) that lie inside the map, without itself (decoder.8)."""
    around = [(n + i, m + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]  # (decoder.8)
    return [(i, j) for i, j in around if 0 <= i < height and 0 <= j < width]


def taken(pixel: Pixel, height: int, width: int, fill: str) -> list[tuple[Pixel, Fraction]]:
    """Return the pixels of the previous map that a hole is filled from, with their weights (decoder.8)."""
    if fill == "zeros":
        return []
    pixels = [pixel] if fill == "previous" else neighbours(height, width, *pixel)
    return [(other, Fraction(1, len(pixels))) for other in pixels]


def holes(decoded: Decoded, height: int, width: int) -> list[Pixel]:
    """Return the pixels that no source reaches."""
    return [(n, m) for n in range(height) for m in range(width) if (n, m) not in decoded.normalisation]


def filled(decoded: Decoded, previous: Sequence[Plane], fill: str) -> Maps:
    """Return the decoded maps with their holes filled from the previous map (decoder.8)."""
    height, width = len(previous[0]), len(previous[0][0])
    result = [[list(row) for row in plane] for plane in decoded.maps]
    for n, m in holes(decoded, height, width):
        for plane, map in zip(previous, result, strict=True):
            sources = taken((n, m), height, width, fill)
            map[n][m] = Sum(plane[i][j] * weight for (i, j), weight in sources)  # (decoder.8)
    return result


def fill_gradient(decoded: Decoded, gout: Sequence[Plane], fill: str) -> Maps:
    """Return the gradient with respect to the previous map: what the holes' cotangents give to it (decoder.8)."""
    height, width = len(gout[0]), len(gout[0][0])
    result = empty_maps(len(gout), height, width)
    for n, m in holes(decoded, height, width):
        for (i, j), weight in taken((n, m), height, width, fill):
            for plane, map in zip(gout, result, strict=True):
                map[i][j].add(plane[n][m] * weight)
    return result


LEDGER = (
    Equation(
        "DTN",
        "holes",
        '"an interpolation strategy over its neighboring pixels on previous feature maps"',
        "ambiguous",
        "the map, the neighbours and the weights are not specified: `fill` supports three readings",
        ("refwarp.exact.dense_decode.holes.filled", "refwarp.samplers.dense_decode.function.fill_holes"),
        ("tests/exact/dense_decode/test_decode.py::test_holes_are_filled_as_said",),
    ),
)
