"""The truth about dense_decode: the literal sums, what binds the outputs together, and what G and the hulls promise."""

import math
from fractions import Fraction

import numpy as np
import pytest

from refwarp.exact.bilinear import pixel_coordinate
from refwarp.exact.dense_decode import decode as exact
from refwarp.exact.dense_decode import released
from refwarp.golden.families import with_truth
from refwarp.golden.families.dense_decode import cases as decoder
from refwarp.golden.families.dense_decode import extremes as decoder_extremes
from refwarp.golden.families.dense_decode import released as decoder_released
from refwarp.golden.families.dense_decode import truth
from refwarp.golden.judging.running import elements
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify

FAMILIES = decoder, decoder_extremes, decoder_released
CASES = [case for family in FAMILIES for case in family.cases() if case.result != "invalid"]
FINITE = [case for case in CASES if all(np.isfinite(array).all() for array in case.inputs.values())]
BY_NAME = {case.name.partition("/")[2]: case for case in CASES}


def few(cases):
    """Return one in five, so that the test is quick."""
    return cases[::5]


# ---- values ----


def test_elements_are_the_literal_sums_of_the_paper():
    """DTN's (7), (8) and (10) as printed, off the lattice, where they hold; one channel."""
    checked = 0
    for case in FINITE:
        values, gout = case.inputs["values"], case.inputs["gout"]
        height, width = gout.shape[2:]
        if values.shape[:2] != (1, 1) or not 0 < values.size * height * width <= 60 or truth.is_released(case):
            continue
        if truth.conventions(case) != ("right",) or case.options["fill"] != "zeros":
            continue
        (image,) = truth.images(case)
        flat = [value for row in image.values[0] for value in row]
        align_corners = case.options["align_corners"]
        points = [
            [pixel_coordinate(g, size, align_corners) + 1 for g, size in zip(point, (width, height), strict=True)]
            for row in image.grid
            for point in row
        ]
        scales = [(size - align_corners) * Fraction(1, 2) for size in (width, height)]
        found = truth.paper(image, "zeros", align_corners, "right")
        covered = exact.covered_pixels(points, height, width)
        for n, m in np.ndindex(height, width):
            expected = exact.printed_value(flat, points, n + 1, m + 1) if (n + 1, m + 1) in covered else 0
            assert found["forward/output"][0][n][m].value == expected, case.name
        gvalues = [s.value for s in elements(found["vjp/gvalues"])]
        ggrid = [s.value for s in elements(found["vjp/ggrid"])]
        plane = image.gout[0]
        for i in range(len(flat)):
            assert gvalues[i] == exact.printed_value_gradient(plane, points, i), case.name
            assert ggrid[2 * i] == scales[0] * exact.printed_x_gradient(plane, flat, points, i), case.name
            assert ggrid[2 * i + 1] == scales[1] * exact.printed_y_gradient(plane, flat, points, i), case.name
        checked += 1
    assert checked >= 6


def test_the_numbers_that_carry_g_are_the_elements():
    """They are computed in another way, from shares w/S and differences V - U: all six outputs must be the same."""
    for case in few(FINITE):
        if truth.is_released(case):
            continue
        for convention in truth.conventions(case):
            for image in truth.images(case):
                sums, moved = truth.evaluated(image, case, convention)
                holes = [s.value == 0 for s in elements(moved["forward/output"])]
                for path, found in sums.items():
                    for index, (a, b) in enumerate(zip(elements(found), elements(moved[path]), strict=True)):
                        filled = "previous" in case.inputs and path in ("forward/output", "second_vjp/ggout")
                        if not (filled and holes[index]) and not path.endswith("gprevious"):
                            assert a.value == b.value, (case.name, path)


def test_the_second_derivatives_are_those_of_one_sum():
    """<gout, ggout> = <gvalues, A> + <ggrid, b> + <gprevious, p>, and as rational numbers."""

    def inner(a, b):
        return sum((x.value * y for x, y in zip(elements(a), elements(b), strict=True)), Fraction(0))

    for case in FINITE[::2]:
        if "cotangent_grid" in case.inputs and case.inputs["gout"].size <= 30:
            for image in truth.images(case):
                found, _ = truth.evaluated(image, case, "right")
                first = inner(found["vjp/gvalues"], image.cotangent_values)
                first += inner(found["vjp/ggrid"], image.cotangent_grid)
                if image.previous is not None:
                    first += inner(found["vjp/gprevious"], image.cotangent_previous)
                assert inner(found["second_vjp/ggout"], image.gout) == first, case.name


@pytest.mark.parametrize("case", [case for case in FINITE if truth.is_released(case)], ids=lambda case: case.name)
def test_the_released_programs_derivatives_are_the_written_ones(case):
    """Elements come from dual numbers along the steps; (released.5) to (released.9) are another way to them."""
    first = case.options["variant"] == "first_release"
    for image in truth.images(case):
        sums, _ = truth.evaluated(image, case, "")
        found = {path: [number.value for number in elements(part)] for path, part in sums.items()}
        gradient = released.released_gradient(image.gout, image.values, image.grid, first)
        nothing = [[[0 for _ in row] for row in plane] for plane in image.gout]
        cotangents = image.cotangent_values, image.cotangent_grid, image.cotangent_previous or nothing
        second = released.released_second_gradient(
            released.Gradients(*cotangents), image.gout, image.values, image.grid, first
        )
        assert found["vjp/gvalues"] == elements(gradient.gvalues)
        assert found["vjp/ggrid"] == elements(gradient.ggrid)
        assert found.get("vjp/gprevious") in (None, elements(gradient.gprevious))
        assert found["second_vjp/ggout"] == elements(second.ggout)
        assert found["second_vjp/gvalues"] == elements(second.gvalues)
        assert found["second_vjp/ggrid"] == elements(second.ggrid)


def test_the_released_program_gives_10_and_the_paper_55_thirteenths():
    paper, program = (with_truth(BY_NAME[name]) for name in ("two_in_one_cell", "released_two_in_one_cell"))
    assert paper.outputs["forward/output"].elements["value"][0, 0, 0, 0] == 55 / 13
    assert program.outputs["forward/output"].elements["value"][0, 0, 0, 0] == 10


# ---- sensitivities and hulls ----


@pytest.mark.parametrize(
    "name",
    [
        "dense_4x4_to_3x3",
        "batch_2x3x2x3_to_3x4",
        "released_apart",
        "released_holes_previous",
        "released_every_border",
        "first_release_every_border",
    ],
)
def test_g_bounds_how_far_an_element_moves(name):
    """To first order: moves by 2^-60 of the axis, up and down at random, and some 2^-20 to spare."""
    case, rng, e = BY_NAME[name], np.random.default_rng(1), Fraction(1, 2**60)
    height, width = case.options["size"][2:]
    steps = [2 * e * size / (size - case.options["align_corners"]) for size in (width, height)]
    tight = 0
    for image in truth.images(case):
        before, moved = truth.evaluated(image, case, "right")
        for row in image.grid:
            for point in row:
                for axis in range(2):
                    point[axis] += int(rng.choice([-1, 1])) * steps[axis]
        after, _ = truth.evaluated(image, case, "right")
        for path in before:
            for a, b, bound in zip(*map(elements, (before[path], after[path], moved[path])), strict=True):
                assert abs(b.value - a.value) <= e * bound.M * (1 + Fraction(1, 2**20)), path
                tight += bound.M != 0 and abs(b.value - a.value) > e * bound.M / 8
    assert tight or truth.is_released(case)  # and is no wild overestimate


def test_lone_sources_have_no_sensitivity():
    case = with_truth(BY_NAME["lone_sources_4x16"])
    assert not case.outputs["forward/output"].elements["G"].any()
    assert not case.outputs["vjp/ggrid"].elements["value"].any()


def test_hulls_hold_both_sides_of_the_lattice():
    """A lone source of 5 next to pixel 1: its neighbours are covered or show the previous map, pixel 1 is covered."""
    for dtype in ("float16", "float32", "float64"):
        case = with_truth(BY_NAME[f"next_to_pixel_below_{dtype}"])
        previous = case.inputs["previous"].ravel()
        hull = case.seams["forward/output"].ravel()
        for pixel in (0, 2):
            assert hull["low"][pixel] <= min(5.0, previous[pixel]) and max(5.0, previous[pixel]) <= hull["high"][pixel]
        assert hull["low"][1] == hull["high"][1] == 5.0
        assert hull["low"][3] == hull["high"][3] == previous[3]
        g = Fraction(float(case.inputs["grid"][0, 0, 0, 0]))
        assert Fraction(float(hull["distance"][0])) <= abs(g + Fraction(1, 4)) / 2


def test_ordinary_sources_lie_away_from_the_lattice():
    for case in FINITE:
        if not truth.is_released(case) and "NearSeam" not in case.flags:
            assert truth.seams(case) == {}, case.name


# ---- a plain implementation ----


class Plain:
    """(DTN 6) to (DTN 10) as a program would have them, in the dtype of its arrays, coordinates rounded too."""

    DTYPES = ("float16", "float32", "float64")

    def _read(self, values, grid, size, align_corners):
        one, two = values.dtype.type(1), values.dtype.type(2)
        for b, i, j in np.ndindex(grid.shape[:3]):
            axes = []
            for g, length in zip(grid[b, i, j], size[:1:-1], strict=True):
                s = values.dtype.type(length - 1 if align_corners else length)
                x = (((g + one) * s - one) if not align_corners else (g + one) * s) / two
                if not abs(x) <= length + 1:
                    break
                low = math.floor(x)
                f = x - values.dtype.type(low)
                axes.append(((low, one - f, -s / two), (low + 1, f, s / two)))
            else:
                places = [
                    (n, m, kx * ky, dx * ky, kx * dy)
                    for n, ky, dy in axes[1]
                    for m, kx, dx in axes[0]
                    if 0 <= n < size[2] and 0 <= m < size[3]
                ]
                yield (b, i, j), places

    def _decode(self, values, grid, size, align_corners):
        top, bottom = np.zeros(size, values.dtype), np.zeros((size[0], *size[2:]), values.dtype)
        for (b, i, j), places in self._read(values, grid, size, align_corners):
            for n, m, w, _, _ in places:
                bottom[b, n, m] += w
                if w:
                    top[b, :, n, m] += values[b, :, i, j] * w
        with np.errstate(all="ignore"):
            return np.where(bottom[:, None] > 0, top / bottom[:, None], 0).astype(values.dtype), bottom

    def dense_decode(self, values, grid, previous, *, size, align_corners, fill, variant):
        if variant != "paper" or fill == "neighbours":
            raise NotImplementedError("not here")
        out, bottom = self._decode(values, grid, size, align_corners)
        return out if previous is None else np.where(bottom[:, None] > 0, out, previous)

    def dense_decode_vjp(self, gout, values, grid, previous, *, size, align_corners, fill, variant):
        if variant != "paper" or fill == "neighbours":
            raise NotImplementedError("not here")
        out, bottom = self._decode(values, grid, size, align_corners)
        gvalues, ggrid = np.zeros_like(values), np.zeros_like(grid)
        ggrid[np.isnan(grid).any(axis=-1)] = np.nan
        for (b, i, j), places in self._read(values, grid, size, align_corners):
            for n, m, w, wx, wy in places:
                if bottom[b, n, m] > 0:
                    share = gout[b, :, n, m] / bottom[b, n, m]
                    gvalues[b, :, i, j] += share * w
                    inner = (share * (values[b, :, i, j] - out[b, :, n, m])).sum()
                    ggrid[b, i, j] += inner * np.array([wx, wy])
        gprevious = None if previous is None else np.where(bottom[:, None] > 0, 0, gout).astype(gout.dtype)
        return gvalues, ggrid, gprevious


def test_a_plain_implementation_works_in_its_precision_and_is_not_faithful():
    with np.errstate(all="ignore"):
        asked = [with_truth(case) for case in CASES if not truth.is_released(case)]
        found = verify(asked, ModuleTarget(Plain(), "plain"))
    assert [(o.case.name, o.output, o.dtype, o.problem) for o in found.outcomes if o.grade == Grade.WRONG] == []
    assert any(outcome.grade == Grade.WORKING for outcome in found.outcomes)


@pytest.mark.parametrize("change", ["sums", "shift", "sign"])
def test_a_wrong_implementation_is_wrong(change):
    class Wrong(Plain):
        def _decode(self, values, grid, size, align_corners):
            out, bottom = super()._decode(values, grid, size, align_corners)
            return (out * bottom[:, None] if change == "sums" else out), bottom

        def _read(self, values, grid, size, align_corners):
            shifted = grid + grid.dtype.type(1 / 64) if change == "shift" else grid
            for place, places in super()._read(values, shifted, size, align_corners):
                yield place, [(n, m, w, -wx if change == "sign" else wx, wy) for n, m, w, wx, wy in places]

    found = verify([with_truth(BY_NAME["dense_4x4_to_3x3"])], ModuleTarget(Wrong(), "wrong"))
    assert found.grade == Grade.WRONG
