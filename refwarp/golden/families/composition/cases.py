"""Cases for compose, invert and inverse_compositional_update."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case, Floats
from refwarp.golden.drawing import draw
from refwarp.golden.drawing.call import case, refused

KINDS = {"translation": (2,), "similarity": (4,), "affine": (2, 3), "homography": (3, 3)}
ARGUMENTS = {
    "compose": ("outer", "inner"),
    "invert": ("theta",),
    "inverse_compositional_update": ("theta", "delta"),
}
IDENTITY: Mapping[str, npt.ArrayLike] = {"similarity": [1.0, 0.0, 0.0, 0.0], "homography": np.eye(3)}
QUARTER_TURN = [[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]


def _case(operation: str, name: str, comment: str, flags: str, *warps: npt.ArrayLike, dtype: str = "") -> Case:
    """Return one case."""
    inputs = dict(zip(ARGUMENTS[operation], warps, strict=True))
    return case(f"{operation}/{name}", comment, flags, inputs, np.shape(warps[0]), dtype)


def _warps(name: str, kind: str, batch: int, dtype: str = "") -> Floats:
    """Return warps that are not nearly singular."""
    shape = batch, *KINDS[kind]
    drawn = draw.full(name, *shape, dtype=dtype) if dtype else draw.dyadics(name, *shape) / 4
    if kind == "similarity":
        drawn[:, 0] = np.sign(drawn[:, 0]) * (1.0 + abs(drawn[:, 0]))
    elif len(KINDS[kind]) == 2:
        rows, columns = KINDS[kind]
        drawn = drawn / 2 + 2 * np.eye(rows, columns)
    return drawn.astype(dtype or np.float64).astype(np.float64)


def _every(operation: str, kind: str) -> list[Case]:
    """Return what each operation is asked of each kind of warp."""

    def drawn(name: str, batch: int, dtype: str = "") -> list[Floats]:
        return [_warps(f"{kind} {name} {argument}", kind, batch, dtype) for argument in ARGUMENTS[operation]]

    def one(name: str, comment: str, flags: str, warps: list[Floats], dtype: str = "") -> Case:
        return _case(operation, f"{kind}_{name}", comment, flags, *warps, dtype=dtype)

    cases = [one("general_2", f"Two images, of the kind {kind}.", "Interior Shape", drawn("two", 2))]
    for dtype in ("float32", "float64"):
        comment = f"Every bit of {dtype}, of the kind {kind}."
        cases.append(one(dtype, comment, "FullPrecision", drawn(dtype, 1, dtype), dtype))
    if kind in ("similarity", "homography"):
        identity = np.array([IDENTITY[kind]])
        comment = f"The identity, of the kind {kind}."
        cases.append(one("identity", comment, "Interior", [identity for _ in ARGUMENTS[operation]]))
    if kind == "affine":
        cases.append(one("empty_batch", "No image.", "Empty", drawn("none", 0)))
    return cases


def _conventions() -> list[Case]:
    turn, shift = np.array(QUARTER_TURN), np.eye(3)[None] + [[0.0, 0.0, 0.5], [0.0, 0.0, 0.25], [0.0, 0.0, 0.0]]
    return [
        _case("compose", "turn_of_shift", "A shift, then a quarter of a turn.", "Order", turn, shift),
        _case("compose", "shift_of_turn", "A quarter of a turn, then a shift.", "Order", shift, turn),
        _case("compose", "affine_turn_of_shift", "The same without a last row.", "Order", turn[:, :2], shift[:, :2]),
        _case(
            "compose",
            "homographies",
            "Last rows that are not (0, 0, 1): multiplied like the others, and not divided by.",
            "Order",
            [[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.5, 0.0, 2.0]]],
            [[[2.0, 0.0, 0.0], [0.0, 1.0, 0.25], [0.0, 0.25, 1.0]]],
        ),
        _case(
            "compose",
            "similarity_order",
            "The outer scale and angle act on the inner translation, not the other way round.",
            "Order",
            [[2.0, 0.0, 0.5, 0.25]],
            [[0.5, 1.5, 1.0, -0.75]],
        ),
        _case(
            "compose",
            "similarity_angles",
            "Angles are added, and stay beyond half a turn.",
            "Units Angle",
            [[1.0, 3.0, 0.5, 0.25]],
            [[1.0, 2.5, 1.0, -0.75]],
        ),
        _case("invert", "turn", "A quarter of a turn back.", "Order", turn),
        _case("invert", "shift", "The shift back, exactly.", "Order", shift[:, :2]),
        _case(
            "invert",
            "projective",
            "The inverse of a homography is the matrix's: not divided by its last entry.",
            "Order",
            [[[1.0, 0.0, 0.5], [0.0, 2.0, 0.0], [0.5, 0.0, 0.5]]],
        ),
        _case(
            "invert",
            "similarity_turned_back",
            "The translation is turned and scaled back too.",
            "Order",
            [[0.5, 1.25, 1.0, -0.5]],
        ),
        _case(
            "inverse_compositional_update",
            "order",
            "theta after the inverse of delta: neither the inverse of theta, nor delta's first.",
            "Order",
            turn,
            shift,
        ),
        _case(
            "inverse_compositional_update",
            "itself",
            "A warp after its own inverse: the identity, in which terms cancel.",
            "Cancellation",
            _warps("itself", "affine", 1),
            _warps("itself", "affine", 1),
        ),
        _case(
            "inverse_compositional_update",
            "similarity_itself",
            "A similarity after its own inverse, likewise.",
            "Cancellation",
            [[1.5, 0.75, 0.5, -0.25]],
            [[1.5, 0.75, 0.5, -0.25]],
        ),
    ]


def _extremes() -> list[Case]:
    nan = np.eye(3)[None].repeat(2, axis=0)
    nan[0, 1, 1] = math.nan
    spoilt = _warps("spoilt", "homography", 2)
    spoilt[0] = math.nan
    small = np.array([[[2.0**-30, 0.0, 0.25], [0.0, 2.0**-30, 0.5]]])
    cases = [
        _case("compose", "nan", "A NaN spoils its row of the outer matrix, of its image.", "NonFinite", nan, nan[::-1]),
        _case(
            "invert",
            "nan",
            "A matrix of NaN gives NaN and is not refused, nor does it spoil another image.",
            "NonFinite",
            spoilt,
        ),
        _case("invert", "small", "A scale of 2^-30: small, not singular.", "Huge", small),
        _case("invert", "similarity_small", "A scale of 2^-30.", "Huge", [[2.0**-30, 0.5, 0.25, 0.5]]),
        _case(
            "inverse_compositional_update",
            "huge",
            "An increment by the scale 2^20 is undone.",
            "Huge",
            _warps("huge", "affine", 1),
            np.array([[[2.0**20, 0.0, 0.25], [0.0, 2.0**20, 0.5]]]),
        ),
        _case(
            "compose",
            "cancelling",
            "Products that cancel but for 2^-9.",
            "Cancellation",
            [[[1.0, 1.0, 0.5], [1.0, -1.0, 0.0]]],
            [[[1.0, 1.0 + 2.0**-9, -0.25], [-1.0, 1.0, -0.25]]],
        ),
    ]
    for dtype, bits in (("float32", 10), ("float64", 24)):
        rows = draw.full(f"rows {dtype}", 1, 3, 3, dtype=dtype)
        rows[0, 1] = rows[0, 0] / 2 + 2.0**-bits * draw.full(f"last {dtype}", 3, dtype=dtype)
        rows[0, 2, 2] += 1.0
        rows = rows.astype(dtype).astype(np.float64)
        comment = f"Two rows are multiples of each other but for 2^-{bits}: so much of the determinant cancels."
        cases += [
            _case("invert", f"nearly_singular_{dtype}", comment, "NearSingular Cancellation", rows, dtype=dtype),
            _case(
                "inverse_compositional_update",
                f"nearly_singular_{dtype}",
                comment,
                "NearSingular Cancellation",
                _warps(f"theta {dtype}", "homography", 1, dtype),
                rows,
                dtype=dtype,
            ),
        ]
    return cases


def _refusals() -> list[Case]:
    def singular(name: str, comment: str, warp: npt.ArrayLike) -> list[Case]:
        warp = np.array(warp, float)
        identity = np.eye(*warp.shape[1:])[None] if warp.ndim == 3 else np.array([IDENTITY["similarity"]])
        given = {"invert": {"theta": warp}, "inverse_compositional_update": {"theta": identity, "delta": warp}}
        return [
            Case(f"{operation}/refused_{name}", {}, inputs, ("Refused",), comment, "invalid")
            for operation, inputs in given.items()
        ]

    return [
        *singular("singular", "Rows in arithmetic progression have no inverse.", np.arange(1.0, 10).reshape(1, 3, 3)),
        *singular("flat", "An affine warp onto a line has no inverse.", [[[2.0, 6.0, 1.0], [1.0, 3.0, 0.5]]]),
        *singular("scale_0", "A similarity of scale 0 has no inverse.", [[0.0, 1.0, 0.5, 0.25]]),
        refused("compose/refused_kinds", "An affine warp and a homography.", {"outer": (1, 2, 3), "inner": (1, 3, 3)}),
        refused("compose/refused_eight", "Eight parameters are no group.", {"outer": (1, 8), "inner": (1, 8)}),
        refused("compose/refused_batch", "Two images and one.", {"outer": (2, 4), "inner": (1, 4)}),
        refused("invert/refused_shape", "A vector of three.", {"theta": (1, 3)}),
        refused(
            "inverse_compositional_update/refused_kinds",
            "A similarity and a translation.",
            {"theta": (1, 4), "delta": (1, 2)},
        ),
    ]


def cases() -> list[Case]:
    """Return the cases for warps as parameters."""
    every = [found for operation in ARGUMENTS for kind in KINDS for found in _every(operation, kind)]
    return [*every, *_conventions(), *_extremes(), *_refusals()]
