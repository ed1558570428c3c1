"""The truth about auxiliary_grid, written down once more."""

from fractions import Fraction

import numpy as np
import pytest

from refwarp.golden.families import with_truth
from refwarp.golden.families.auxiliary import cases as auxiliary
from refwarp.golden.families.auxiliary import truth
from refwarp.golden.judging.answer import numbers
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify

CASES = [case for case in auxiliary.cases() if case.result != "invalid"]
FINITE = [case for case in CASES if all(np.isfinite(array).all() for array in case.inputs.values())]
BY_NAME = {case.name.partition("/")[2]: case for case in CASES}


def literal(case, theta, grid, noise, number=Fraction):
    """Return the positions as nested lists, in numbers of any kind; T from its four points as a plain formula."""
    options = case.options
    corners = options["align_corners"]
    rows, columns = case.inputs["grid"].shape[1:3]
    deviation, collapse = (
        [number(d) for d in np.broadcast_to(options[name], 2).tolist()] for name in ("deviation", "collapse_deviation")
    )

    def pitch(size, corners):
        return number(2) / number(size - 1 if corners and size > 1 else 1 if corners else size)

    def target(at, size):
        return number(2 * at + 1 - size) / number(max(size - corners, 1))

    def between(place, size):
        left = max(0, min(int(np.floor(float(place))), size - 2))
        return left, min(left + 1, size - 1), (place - number(left)) * number(min(size - 1, 1))

    result = []
    for b, i, j, k in np.ndindex(*case.inputs["noise"].shape[1:5]):
        (nx, ny), (mx, my) = noise[0][b][i][j][k], noise[1][b][i][j][k]
        dx, dy = deviation[0] * nx, deviation[1] * ny
        if options["displaced_in"] == "source":
            u, v = grid[b][i][j][0] + dx * pitch(columns, False), grid[b][i][j][1] + dy * pitch(rows, False)
        elif theta is None:
            (x0, x1, fx), (y0, y1, fy) = between(number(j) + dx, columns), between(number(i) + dy, rows)
            u, v = (
                (number(1) - fy) * ((number(1) - fx) * grid[b][y0][x0][a] + fx * grid[b][y0][x1][a])
                + fy * ((number(1) - fx) * grid[b][y1][x0][a] + fx * grid[b][y1][x1][a])
                for a in range(2)
            )
        else:
            x, y = target(j, columns) + dx * pitch(columns, corners), target(i, rows) + dy * pitch(rows, corners)
            u, v = (row[0] * x + row[1] * y + row[2] for row in theta[b])
        height, width = options["map_size"]
        result += [u + collapse[0] * mx * pitch(width, corners), v + collapse[1] * my * pitch(height, corners)]
    return result


def test_positions_are_those_of_the_equations():
    for case in FINITE:
        theta = numbers(case.inputs["theta"]) if "theta" in case.inputs else None
        expected = literal(case, theta, numbers(case.inputs["grid"]), numbers(case.inputs["noise"]))
        found = [s.value for s in truth.auxiliary_grid(case, "")["forward/auxiliary"].sums.ravel()]
        assert found == expected, case.name


def test_g_bounds_what_moving_the_places_does():
    """The place that the transformation is taken at is displaced by 2^-60 of the axis, as noise would."""
    e = Fraction(1, 2**60)
    for case in FINITE:
        if case.options["displaced_in"] == "source" or 0 in np.broadcast_to(case.options["deviation"], 2):
            continue
        theta = numbers(case.inputs["theta"]) if "theta" in case.inputs else None
        grid, noise = numbers(case.inputs["grid"]), numbers(case.inputs["noise"])
        before = literal(case, theta, grid, noise)
        size, scale = case.inputs["grid"].shape[2:0:-1], np.broadcast_to(case.options["deviation"], 2).tolist()
        for point in (p for image in noise[0] for row in image for pixel in row for p in pixel):
            for axis in range(2):
                point[axis] += e * (size[axis] if size[axis] > 1 else 0) / Fraction(scale[axis])
        bounds = truth.auxiliary_grid(case, "")["forward/auxiliary"].sensitivities.ravel()
        for a, b, bound in zip(before, literal(case, theta, grid, noise), bounds, strict=True):
            assert abs(b - a) <= e * bound * (1 + Fraction(1, 2**20)), case.name


class Plain:
    """The positions in the arithmetic of the arrays' dtype, places of the output rounded too."""

    DTYPES = ("float16", "float32", "float64")

    def auxiliary_grid(self, grid, noise, theta, **options):
        case = auxiliary.case("plain", "", "", grid, noise, theta, **options)
        flat = literal(case, theta, grid, noise, grid.dtype.type)
        return np.array(flat, grid.dtype).reshape(*grid.shape[:3], *noise.shape[4:])


def test_a_plain_implementation_works_in_its_precision_and_is_not_faithful():
    found = verify([with_truth(case) for case in FINITE], ModuleTarget(Plain(), "plain"))
    assert [(o.case.name, o.dtype, o.problem) for o in found.outcomes if o.grade == Grade.WRONG] == []
    assert any(outcome.grade == Grade.WORKING for outcome in found.outcomes)


@pytest.mark.parametrize("wrong", ["axes", "variance"])
def test_a_wrong_implementation_is_wrong(wrong):
    class Wrong(Plain):
        def auxiliary_grid(self, grid, noise, theta, **options):
            if wrong == "variance":  # deviations taken for variances
                options["deviation"] = np.sqrt(options["deviation"])
            return super().auxiliary_grid(grid, noise[..., ::-1] if wrong == "axes" else noise, theta, **options)

    found = verify([with_truth(BY_NAME["deviation_pairs"])], ModuleTarget(Wrong(), "wrong"))
    assert found.grade == Grade.WRONG
