"""Checks of cases: their flags say what is in them, and rounding does not decide what they show.

A flag that follows from a case's numbers is not left to its author's memory: who leaves out the cases with a flag
(`refwarp verify --without-flag Subnormal`) leaves out all of them.

Cases that probe a convention are checked once more: rounding must not decide which regime their samples are in. A
kink, a tie or a fold is met by an exact coordinate. If the coordinate arithmetic of an implementation rounds it away,
the case shows rounding and not the convention. So each coordinate of such a case is computed by the usual
formulas, each operation rounded to a type that holds the case's inputs, and has to stay where it is: on the same
multiple of 1/2 (the lattice, half-integers, the ends of the map) or between the same two.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np

from refwarp.exact.bilinear import coordinate_scale, pixel_coordinate
from refwarp.golden.case import INPUT_DTYPES, Case, is_exact
from refwarp.golden.flags import FLAGS

# The operations whose samples lie at the pixel coordinates of `grid`, on a map `input`.
_SAMPLERS = ("grid_sample", "separable_sample", "multiscale_sample", "linearized_sample")

# Conventions about something other than where exactly a coordinate lies.
_ELSEWHERE = ("Refused", "NonFinite", "Huge")

# The bits of a significand.
_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}

# So many pixels beyond the map, all is outside with the paddings zeros and border.
_BEYOND = 3


def check_flags(case: Case) -> None:
    """Raise ValueError if a case lacks a flag that its result or its numbers ask for; with its outputs, if it has any.

    An acceptable case names its convention. Subnormal is what float32 has below its smallest normal number, or, where
    the inputs are no float32 numbers, float64.
    """
    kinds = {FLAGS[flag].kind for flag in case.flags}
    if case.result == "acceptable" and "CONVENTION" not in kinds:
        raise ValueError(f"{case.name}: is acceptable, but has no flag of the kind CONVENTION that says what decides")
    if (case.result == "invalid") != ("Refused" in case.flags):
        raise ValueError(f"{case.name}: is {case.result}; cases that are invalid, and no others, are flagged Refused")
    if case.result == "invalid":
        return
    inputs, results = case.inputs.values(), [truth.elements["value"] for truth in case.outputs.values()]
    normal = np.finfo("float64" if case.dtype == "float64" else "float32").smallest_normal
    asked_for = {
        "Empty": any(array.size == 0 for array in (*inputs, *results)),
        "NonFinite": not all(np.isfinite(array).all() for array in inputs),
        "Subnormal": any(((0 < abs(array)) & (abs(array) < normal)).any() for array in (*inputs, *results)),
    }
    for flag, is_there in asked_for.items():
        if is_there and flag not in case.flags:
            given = ", ".join(case.flags)
            raise ValueError(f"{case.name}: given the flags {given}, but its numbers ask for {flag}, too")


def check_regime(case: Case) -> None:
    """Raise ValueError if a case probes a convention at a coordinate that rounding moves into another regime.

    Cases flagged NearSeam probe just that, and are exempt.
    """
    probes = [flag for flag in case.flags if FLAGS[flag].kind == "CONVENTION" and flag not in _ELSEWHERE]
    if not probes or "NearSeam" in case.flags or case.operation not in _SAMPLERS or case.result == "invalid":
        return
    align_corners, endless = case.options["align_corners"], case.options["padding_mode"] == "reflection"
    dtypes = [dtype for dtype in INPUT_DTYPES if all(is_exact(array, dtype) for array in case.inputs.values())]
    sizes = case.inputs["input"].shape[:1:-1]
    for point in case.inputs["grid"].reshape(-1, 2).tolist():
        for (g, size), dtype in product(zip(point, sizes, strict=True), dtypes):
            if not math.isfinite(g):
                continue
            exact = pixel_coordinate(Fraction(g), size, align_corners)
            for computed in _computed(Fraction(g), size, align_corners, dtype):
                if _regime(computed, size, endless) != _regime(exact, size, endless):
                    raise ValueError(
                        f"{case.name}: flagged {', '.join(probes)}, but rounding to {dtype} moves the coordinate {g!r} "
                        f"from pixel {float(exact)} to {float(computed)}; choose one that is exact, or flag NearSeam"
                    )


def rounded(x: Fraction, bits: int) -> Fraction:
    """Return the number nearest to x that has a significand of so many bits; ties go to the even one.

    Examples
    --------
    >>> rounded(Fraction(2049), 11), rounded(Fraction(1, 3), 2)
    (Fraction(2048, 1), Fraction(3, 8))
    """
    if x == 0:
        return x
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()
    if abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    place = Fraction(2) ** (exponent - bits + 1)
    return round(x / place) * place


def _computed(g: Fraction, size: int, align_corners: bool, dtype: str) -> list[Fraction]:
    """Return the pixel coordinate of g as the usual formulas give it, each operation rounded.

    Where the first one halves makes no difference: ((g + 1)/2) s - 1/2 is rounded alike.
    """
    scale = coordinate_scale(size, align_corners)
    rest = size - 1 - scale  # 0 with align_corners, else -1

    def r(x: Fraction) -> Fraction:
        return rounded(x, _BITS[dtype])

    return [
        r(r(r(g + 1) * scale) + rest) / 2,
        r(r(g * Fraction(scale, 2)) + Fraction(size - 1, 2)),
    ]


def _regime(x: Fraction, size: int, endless: bool) -> tuple[int, bool]:
    """Return the multiple of 1/2 at or below x, as an integer, and whether x is on it."""
    if not endless:
        x = min(max(x, Fraction(-_BEYOND)), Fraction(size - 1 + _BEYOND))
    return math.floor(2 * x), 2 * x % 1 == 0
