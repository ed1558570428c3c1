"""Dialects: in which conventions programs differ, asked of each with one small call and answered with one word.

A probe is a call whose exact answer depends on a convention and on nothing else. Maps have four rows, all of them
(1, 5, 2, 9), so that only x matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Target

ROW = (1.0, 5.0, 2.0, 9.0)


@dataclass(frozen=True)
class Probe:
    """A question, the call that asks it, and the words for the answers that are known.

    Attributes
    ----------
    question : str
        In words, for the table.
    case : Case
        The call, without a truth.
    part, output : str
        Which of its results answers.
    answers : mapping
        For each word the result, flattened.
    dtype : str
        What the call is made in.
    tolerance : float
        How far a result may lie from an answer.
    """

    question: str
    case: Case
    part: str
    output: str
    answers: Mapping[str, tuple[float, ...]]
    dtype: str = "float32"
    tolerance: float = 1e-4

    @property
    def name(self) -> str:
        """The probe's name in the machine-readable table."""
        return self.case.name


def ask(probe: Probe, target: Target) -> str:
    """Return a target's answer: one of the probe's words, other numbers as they are, or why there are none."""
    call = next(call for call in OPERATIONS[probe.case.operation] if call.part == probe.part)
    if not target.offers(call.function(probe.case.operation)) or probe.dtype not in target.dtypes:
        return "not offered"
    reply = target.reply(probe.case, call, probe.dtype, probe.case.options)
    if reply.missing:
        return "not offered"
    if reply.raised or reply.broken:
        return "raises" if reply.raised else "breaks"
    found = np.asarray(reply.results[call.outputs.index(probe.output)], dtype=np.float64).ravel()
    if probe.output == "ggrid":
        found = found[::2]  # along x
    for word, numbers in probe.answers.items():
        if np.allclose(found, numbers, rtol=0.0, atol=probe.tolerance, equal_nan=True):
            return word
    return ", ".join(f"{number:.6g}" for number in found)


def _probe(
    name: str,
    question: str,
    answers: Mapping[str, Any],
    x: tuple[float, ...],
    mode: str = "bilinear",
    padding: str = "zeros",
    slope: bool = False,
    align_corners: bool = False,
    **how: Any,
) -> Probe:
    """Return a probe of grid_sample: its value at each x, or its slope."""
    grid = np.array([[[[g, 0.125] for g in x]]])
    inputs = {"input": np.array([[[ROW] * 4]]), "grid": grid, "gout": np.ones((1, 1, 1, len(x)))}
    options = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
    case = Case(f"grid_sample/{name}", options, inputs, (), question)
    known = {word: numbers if isinstance(numbers, tuple) else (numbers,) for word, numbers in answers.items()}
    return Probe(question, case, "vjp" if slope else "forward", "ggrid" if slope else "output", known, **how)


def _one_pixel(name: str, question: str, g: float) -> Probe:
    """Return a probe of a map of one pixel, with align_corners."""
    inputs = {"input": np.full((1, 1, 1, 1), 3.0), "grid": np.full((1, 1, 1, 2), g)}
    options = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": True}
    case = Case(f"grid_sample/{name}", options, inputs, (), question)
    return Probe(question, case, "forward", "output", {"the pixel": (3.0,), "nothing": (0.0,)})


def _affine(name: str, question: str, answers: Mapping[str, tuple[float, ...]], size: int) -> Probe:
    """Return a probe of affine_grid: the x of one row of the identity's grid, with align_corners."""
    inputs = {"theta": np.array([[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])}
    case = Case(f"affine_grid/{name}", {"size": [1, 1, 1, size], "align_corners": True}, inputs, (), question)
    pairs = {word: tuple(part for x in numbers for part in (x, 0.0)) for word, numbers in answers.items()}
    return Probe(question, case, "forward", "grid", pairs)


NAN = {"NaN": math.nan, "0": 0.0, "the first pixel": 1.0, "the last pixel": 9.0}
ENDS = {"0": 0.0, "the last pixel": 9.0, "the first pixel": 1.0, "NaN": math.nan}

PROBES = (
    _probe("nan_zeros", "NaN coordinate, zeros padding", NAN, (math.nan,)),
    _probe("nan_border", "NaN coordinate, border padding", NAN, (math.nan,), padding="border"),
    _probe("nan_reflection", "NaN coordinate, reflection padding", NAN, (math.nan,), padding="reflection"),
    _probe("nan_nearest", "NaN coordinate, nearest, zeros padding", NAN, (math.nan,), mode="nearest"),
    _probe("infinite_zeros", "infinite coordinate, zeros padding", ENDS, (math.inf,)),
    _probe("infinite_border", "infinite coordinate, border padding", ENDS, (math.inf,), padding="border"),
    _probe("huge_zeros", "g = 2^100, zeros padding", ENDS, (2.0**100,)),
    _probe("huge_border", "g = 2^100, border padding", ENDS, (2.0**100,), padding="border"),
    _probe("far_reflection", "g = 2^40, reflection padding", {"folds": 3.5}, (2.0**40,), padding="reflection"),
    _probe(
        "edge_zeros",
        "x = -1/2, the edge of the map, zeros padding",
        {"fades: half the pixel": 0.5, "the whole pixel": 1.0, "nothing": 0.0},
        (-1.0,),
    ),
    _probe(
        "mirror",
        "x = -1 with reflection: the mirror stands at",
        {"-1/2, the edge": 1.0, "0, the first pixel": 5.0},
        (-1.25,),
        padding="reflection",
    ),
    _probe(
        "ties",
        "nearest at x = 1/2, 3/2, 5/2",
        {"to even": (1.0, 2.0, 2.0), "up": (5.0, 2.0, 9.0), "down": (1.0, 5.0, 2.0)},
        (-0.5, 0.0, 0.5),
        mode="nearest",
    ),
    _probe(
        "tie_at_the_edge",
        "nearest at x = -1/2, zeros padding",
        {"the first pixel": 1.0, "outside": 0.0},
        (-1.0,),
        mode="nearest",
    ),
    _probe(
        "tie_in_the_mirror",
        "nearest at x = -3/2, mirrored to 1/2",
        {"pixel 0": 1.0, "pixel 1": 5.0},
        (-1.5,),
        mode="nearest",
        padding="reflection",
    ),
    _probe(
        "slope_at_a_pixel",
        "slope at x = 1, where a derivative does not exist",
        {"right": -6.0, "left": 8.0, "central": 1.0, "literal": 10.0, "0": 0.0},
        (-0.25,),
        slope=True,
    ),
    _probe(
        "slope_at_the_last_pixel",
        "slope at x = W - 1, border padding",
        {"0, from the right": 0.0, "from the left": 14.0, "central": 7.0},
        (0.75,),
        padding="border",
        slope=True,
    ),
    _probe(
        "slope_at_the_first_pixel",
        "slope at x = 0, border padding",
        {"0, from the left": 0.0, "from the right": 8.0, "central": 4.0},
        (-0.75,),
        padding="border",
        slope=True,
    ),
    _probe(
        "slope_in_the_mirror",
        "slope at x = -5/4, mirrored to 1/4",
        {"mirrored": -8.0, "not mirrored": 8.0, "0": 0.0},
        (-1.375,),
        padding="reflection",
        slope=True,
    ),
    _probe(
        "keys_parameter",
        "bicubic: Keys' a",
        {"-3/4": 3.21875, "-1/2": 3.3125},
        (0.0,),
        mode="bicubic",
    ),
    _probe(
        "bicubic_border",
        "bicubic, border padding, x = -1/4: clamps",
        {"each pixel (a = -3/4)": 0.578125, "each pixel (a = -1/2)": 0.71875, "the point": 1.0},
        (-0.875,),
        mode="bicubic",
        padding="border",
    ),
    _one_pixel("one_pixel_inside", "one pixel, align_corners, g = 1/2", 0.5),
    _one_pixel("one_pixel_outside", "one pixel, align_corners, g = 2", 2.0),
    _affine("one_pixel", "affine_grid of one pixel, align_corners", {"0": (0.0,), "-1": (-1.0,), "1": (1.0,)}, 1),
    _probe(
        "coordinates_in_float64",
        "float64 data: coordinates are computed in",
        {"float64": 3.0 + 2.0**-28},
        (-0.5 + 2.0**-31,),
        dtype="float64",
        tolerance=1e-13,
    ),
)
