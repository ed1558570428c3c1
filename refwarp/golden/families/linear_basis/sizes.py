"""Cases for linear_basis_grid, affine_basis and bernstein_basis of sizes around those of tiles and vectors."""

from __future__ import annotations

from collections.abc import Iterator

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw
from refwarp.golden.drawing.pairwise import BATCHES, SIZES, at_most, pairwise, small_enough

GRIDS = {"N": BATCHES, "functions": SIZES[:5], "rows": SIZES, "columns": SIZES}
BASES = {"degree": (None, 1, 2, 3), "rows": SIZES, "columns": SIZES, "align_corners": (False, True)}


def _grids() -> Iterator[Case]:
    for row in pairwise(GRIDS, at_most(9000, *GRIDS)):
        n, count, height, width = row.values()
        name = f"linear_basis_grid/sizes_{n}x{count}x{height}x{width}"
        inputs = {"M": draw.dyadics(f"{name} M", n, 2, count), "B": draw.dyadics(f"{name} B", count, height, width)}
        comment = f"{n} grids of {height} x {width} points, {count} functions."
        yield call.case(name, comment, "Sizes", inputs, (n, height, width, 2))


def _bases() -> Iterator[Case]:
    for row in pairwise(BASES, at_most(1100, "rows", "columns")):
        degree, height, width, align_corners = row.values()
        options = {} if degree is None else {"degree": degree}
        what = f"sizes_{height}x{width}" + "_corners" * align_corners
        comment = f"{height} x {width} points" + f", degree {degree}" * (degree is not None) + "."
        yield call.case(
            f"affine_basis/{what}" if degree is None else f"bernstein_basis/{what}_degree_{degree}",
            comment + " align_corners." * align_corners,
            "Sizes",
            {},
            **options,
            size=[1, 1, height, width],
            align_corners=align_corners,
        )


def cases() -> list[Case]:
    """Return the cases."""
    return small_enough([*_grids(), *_bases()])
