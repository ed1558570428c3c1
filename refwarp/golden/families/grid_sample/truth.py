"""The truth about grid_sample, in all modes and paddings."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF
from refwarp.golden.case import Case, is_exact
from refwarp.golden.grades import COARSEST_BITS, COORDINATE_ROUNDINGS
from refwarp.golden.judging import slopes
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge, Seams, every_convention
from refwarp.golden.judging.sampler import OUTPUTS, Call, images, outputs
from refwarp.golden.judging.seams import MOVE, seams

# The constants of the budgets: of values and first gradients, and of second ones.
CONSTANTS = {"nearest": (0.0, 0.0), "bilinear": (4.0, 8.0), "bicubic": (12.0, 16.0)}

# How far from pixels samples jump, and the outputs that do.
JUMPS: Mapping[str, tuple[Fraction, tuple[str, ...]]] = {
    "nearest": (Fraction(1, 2), ("forward/output", "vjp/ginput", "second_vjp/ggout")),
    "bilinear": (Fraction(0), ("vjp/ggrid", "second_vjp/ggout", "second_vjp/ginput", "second_vjp/ggrid")),
    "bicubic": (Fraction(0), ("second_vjp/ggrid",)),
}


def answers(case: Case, convention: str) -> Answers:
    """Return the answers of grid_sample."""
    call = Call.of(case)
    given = images(case)
    sums = [outputs(image, call.samples(image.grid, convention), call.scales) for image in given]
    moves = [slopes.sensitivities(call, image, convention) for image in given]
    first, second = CONSTANTS[call.mode]
    return {
        path: Answer.of(
            second if path.startswith("second") else first,
            case.inputs[name].shape,
            [one[path] for one in sums],
            [one[path] for one in moves],
        )
        for path, name in OUTPUTS.items()
    }


def conventions(case: Case) -> tuple[str, ...]:
    """Return all rules if a sample lies where slopes or pixels may jump, else the first.

    With padding there may be no kink at an integer; then all rules give the same, and `with_truth` sees it.
    """
    call = Call.of(case)
    rules = every_convention(case)
    offset, _ = JUMPS[call.mode]
    on_seam = any(
        isinstance(g, Fraction) and scale != 0 and (call.coordinate(g, size) - offset) % 1 == 0
        for point in numbers(case.inputs["grid"].reshape(-1, 2))
        for g, size, scale in zip(point, call.sizes, call.scales, strict=True)
    )
    return rules if on_seam else rules[:1]


def hulls(case: Case) -> Seams:
    """Return the hulls of the outputs that jump, if a sample lies next to a seam."""
    call = Call.of(case)
    offset, paths = JUMPS[call.mode]
    shapes = {path: case.inputs[OUTPUTS[path]].shape for path in paths}
    coarse = all(is_exact(array, "bfloat16") for array in case.inputs.values())
    move = COORDINATE_ROUNDINGS * UNIT_ROUNDOFF["bfloat16"] if coarse else MOVE
    move += Fraction(1, 2**COARSEST_BITS * min(call.sizes))
    return seams(call, images(case), shapes, conventions(case), offset, move, "NearSeam" not in case.flags)


JUDGES = {"grid_sample": Judge(answers, conventions, hulls)}
