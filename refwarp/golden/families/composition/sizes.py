"""Cases for compose, invert and inverse_compositional_update of many warps, around the sizes of vectors."""

from __future__ import annotations

from refwarp.golden.case import Case
from refwarp.golden.drawing import call
from refwarp.golden.drawing.pairwise import SIZES, pairwise, small_enough
from refwarp.golden.families.composition.cases import ARGUMENTS, KINDS, warps

FACTORS = {"operation": tuple(ARGUMENTS), "kind": tuple(KINDS), "N": SIZES[:5]}


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for row in pairwise(FACTORS):
        operation, kind, n = row.values()
        inputs = {argument: warps(f"{kind} {n} {argument}", kind, n) for argument in ARGUMENTS[operation]}
        name, comment = f"{operation}/sizes_{kind}_{n}", f"{n} images, of the kind {kind}."
        found.append(call.case(name, comment, "Sizes", inputs, next(iter(inputs.values())).shape))
    return small_enough(found)
