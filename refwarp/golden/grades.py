"""What an error is worth: three grades, each a bound for each element. docs/golden-grades.md derives them.

For an implementation of unit roundoff u and smallest subnormal eta, an element that is a sum of k terms, with M the
sum of their absolute values and G its sensitivity, is

    faithful            if its error is at most (c + log2 k) u M + k eta                    (grades.1)
    working precision   if its error is at most (c + k) u M + e G + k eta                   (grades.2)
    wrong               otherwise: no rounding explains it

e is how far coordinates may be off, as a share of the size of their axis (of max(1, |g|) sizes, where a coordinate
is reflected), when they are computed in working precision:

    3 u      x = ((g + 1) s - 1)/2, one rounding for each operation
    3 u      more where x is moved to the mirror and back
    e = 6 u                                                                                 (grades.3)
    e = 6 u + 2^-b / (the smallest axis)   where x is rounded to b fractional bits           (grades.4)

Where a seam lies within e of a sample, rounding decides on which side the sample is taken: the hull of the values
on both sides is then as good as the exact value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.exact.arithmetic.budget import SMALLEST, UNIT_ROUNDOFF
from refwarp.golden.case import Case, Floats, Truth

# e / u for coordinates in working precision.
COORDINATE_ROUNDINGS = 6


@dataclass(frozen=True)
class Profile:
    """A kind of implementation: with coordinates in floating point, or rounded to so many bits of a pixel."""

    name: str
    description: str
    fraction_bits: int | None = None

    def move(self, case: Case, dtype: str) -> float:
        """Return e, how far a coordinate may be off as a share of the size of its axis (grades.3), (grades.4)."""
        move = COORDINATE_ROUNDINGS * float(UNIT_ROUNDOFF[dtype])
        if self.fraction_bits is not None and case.map_size is not None:
            move += 2.0**-self.fraction_bits / min(case.map_size)
        return move


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("float", "coordinates and weights in floating point"),
        Profile("fixed5", "coordinates rounded to 1/32 of a pixel, as OpenCV's remap does", 5),
        Profile("fixed8", "coordinates rounded to 1/256 of a pixel, as CUDA's textures do", 8),
        Profile("fixed9", "coordinates rounded to 1/512 of a pixel", 9),
    )
}

# Of the profiles that round coordinates, the one that rounds most.
COARSEST_BITS = min(profile.fraction_bits for profile in PROFILES.values() if profile.fraction_bits is not None)


@dataclass(frozen=True)
class Shares:
    """Errors as shares of their bounds, for each element: at most 1 is within it."""

    faithful: Floats
    working: Floats


def shares(
    result: npt.NDArray[Any],
    truths: Sequence[Truth],
    seam: npt.NDArray[np.void] | None,
    dtype: str,
    move: float,
) -> Shares:
    """Return each element's error as a share of its faithful and of its working-precision bound.

    Parameters
    ----------
    result : ndarray
        Of the shape of the truths.
    truths : sequence of Truth
        The answers; each element is held to the nearest.
    seam : SEAM array or None
        The hulls for elements with a seam nearby.
    dtype : str
        What the implementation computes in.
    move : float
        e of (grades.2).
    """
    found = [_shares(result, truth, seam, dtype, move) for truth in truths]
    return Shares(*(np.minimum.reduce(list(grade)) for grade in zip(*found, strict=True)))


def bounds(truth: Truth, dtype: str, move: float) -> tuple[Floats, Floats]:
    """Return the bounds of each element's error for a faithful result, and for one of working precision.

    Parameters
    ----------
    truth : Truth
        The answer.
    dtype : str
        What the implementation computes in.
    move : float
        e of (grades.2).
    """
    k, M = truth.elements["k"], truth.elements["M"]
    unit, smallest = float(UNIT_ROUNDOFF[dtype]), float(SMALLEST[dtype])
    faithful: Floats = (truth.c + np.log2(np.maximum(k, 1))) * unit * M + k * smallest  # (grades.1)
    working: Floats = (truth.c + k) * unit * M + move * truth.elements["G"] + k * smallest  # (grades.2)
    return faithful, working


def _shares(
    result: npt.NDArray[Any], truth: Truth, seam: npt.NDArray[np.void] | None, dtype: str, move: float
) -> tuple[Floats, Floats]:
    """Return the faithful and the working-precision share of each element, for one answer."""
    elements = np.atleast_1d(truth.elements)
    value = elements["value"]
    given = np.atleast_1d(result.astype(np.float64))
    with np.errstate(all="ignore"):
        error = np.abs((given - value) - elements["remainder"])
        faithful, working = (np.atleast_1d(bound) for bound in bounds(truth, dtype, move))
        outside = error
        if seam is not None:
            beyond = np.maximum(np.maximum(seam["low"] - given, given - seam["high"]), 0.0)
            outside = np.where(seam["distance"] <= move, np.minimum(error, beyond), error)
        graded = _share(error, faithful), _share(outside, working)
    for share in graded:
        share[~np.isfinite(given)] = np.inf
        share[(given == value) & ~np.isfinite(value)] = 0.0
        share[np.isfinite(given) & ~np.isfinite(value)] = np.inf
        share[np.isnan(value)] = np.where(np.isnan(given), 0.0, np.inf)[np.isnan(value)]
    return graded[0].reshape(result.shape), graded[1].reshape(result.shape)


def _share(error: Floats, bound: Floats) -> Floats:
    """Return error / bound. The truth is known to half of float64's smallest number, which is taken off the error."""
    found: Floats = np.maximum(error / bound - 0.5 * (float(SMALLEST["float64"]) / bound), 0.0)
    found[bound == 0.0] = np.inf
    found[error == 0.0] = 0.0
    return found
