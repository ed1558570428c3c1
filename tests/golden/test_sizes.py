"""Cases of many sizes: a covering array covers, and numbers are distinct where an index could be wrong."""

from itertools import combinations, product

import numpy as np
import pytest

from refwarp.golden.drawing.pairwise import SIZES, at_most, pairwise
from refwarp.golden.drawing.samples import between_seams
from refwarp.golden.families import all_cases
from refwarp.golden.operations import OPERATIONS

SIZED = [case for case in all_cases() if "Sizes" in case.flags]


def belongs(member, level):
    return member in level if isinstance(level, tuple) else member == level


@pytest.mark.parametrize("limit", [10**9, 4000, 300])
def test_each_pair_that_is_allowed_is_covered(limit):
    factors = {"N": (1, 2, (3, 5)), "rows": SIZES, "columns": SIZES, "mode": ("a", "b", "c")}
    is_allowed = at_most(limit, "N", "rows", "columns")
    rows = pairwise(factors, is_allowed)
    assert all(is_allowed(row) for row in rows)
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    largest = {name: [max(level) if isinstance(level, tuple) else level for level in factors[name]] for name in factors}
    for one, other in combinations(factors, 2):
        for i, j in product(range(len(factors[one])), range(len(factors[other]))):
            cheapest = {name: levels[0] for name, levels in largest.items()}
            cheapest |= {one: largest[one][i], other: largest[other][j]}
            found = [
                row for row in rows if belongs(row[one], factors[one][i]) and belongs(row[other], factors[other][j])
            ]
            assert bool(found) or not is_allowed(cheapest), (one, other, i, j)
    if limit == 10**9:
        assert len(rows) <= 1.5 * len(SIZES) ** 2


def test_the_members_of_a_class_take_turns():
    rows = pairwise({"rows": SIZES, "columns": SIZES, "mode": ("a", "b")})
    assert {row["rows"] for row in rows} == {size for sizes in SIZES for size in sizes}


def test_points_between_seams_are_there():
    for seam, align_corners in product((0.0, 0.5), (False, True)):
        grid = between_seams("planted", (2, 5, 7), (257, 3), align_corners, seam)
        assert grid.shape == (2, 5, 7, 2) and np.array_equal(grid.astype(np.float16), grid)
        for axis, size in ((0, 3), (1, 257)):
            x = (grid[..., axis] * (size - align_corners) + size - 1) / 2 - seam
            assert abs(x - np.round(x)).min() >= 0.375 and x.min() > -2 and x.max() < size + 1
            assert len(np.unique(x)) > 20


def test_every_operation_has_cases_of_sizes():
    assert {case.operation for case in SIZED} == set(OPERATIONS)


def test_images_and_channels_are_distinct():
    """An index that is off by an image or a channel reads other numbers."""
    for case in SIZED:
        array = case.inputs.get("input", case.inputs.get("values", case.inputs.get("theta")))
        if array is None or array.size > 25_000:  # zeros, but for a few pixels
            continue
        for axis in range(min(2, array.ndim - 1)):
            parts = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
            assert parts.shape[1] == 1 or len(np.unique(parts, axis=0)) == len(parts), case.name
