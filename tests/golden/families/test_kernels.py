"""The truth about separable_sample and multiscale_sample: plain programs agree with it as far as they can."""

from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from refwarp.exact import bilinear, multiscale
from refwarp.exact import separable as exact
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.sampling import Cotangents
from refwarp.golden.build import build
from refwarp.golden.families.multiscale import cases as multiscale_cases
from refwarp.golden.families.separable import cases as separable_cases
from refwarp.golden.families.separable import truth as separable
from refwarp.golden.judging.running import Displaced
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify
from tests.golden.families import plain_kernels

FAMILIES = {
    "separable_sample": (separable_cases, plain_kernels.separable),
    "multiscale_sample": (multiscale_cases, plain_kernels.multiscale),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    """An operation, its cases with their truths, and a plain program."""
    cases, function = FAMILIES[request.param]
    built = build([case for case in cases.cases() if case.result != "invalid"])
    return request.param, built, ModuleTarget(plain_kernels.Plain(request.param, function), "plain")


def test_a_plain_program_is_never_wrong_and_not_always_faithful(family):
    _, cases, target = family
    for dtype in ("float16", "float32", "float64"):
        outcomes = verify(cases, target, Selection(dtypes=[dtype])).outcomes
        wrong = [(o.case.name, o.output, o.working_share) for o in outcomes if o.grade is Grade.WRONG]
        assert not wrong, dtype
        assert len(outcomes) > 150
        # Coordinates that are rounded cost a wide map its digits, textbook weights are no zeros at the pixels.
        assert dtype != "float32" or any(o.grade is Grade.WORKING for o in outcomes)


def test_a_program_with_an_error_is_wrong(family):
    """The plain program with coordinates a thousandth of a pixel off, as no rounding of float32 makes them."""
    operation, cases, target = family

    def shifted(image, **options):
        off = image.grid.dtype.type(2.0**-10 / max(image.u.shape[1:]))
        return target.module.function(image._replace(grid=image.grid + off), **options)

    wrong = ModuleTarget(plain_kernels.Plain(operation, shifted), "shifted")
    outcomes = verify(
        cases, wrong, Selection(dtypes=["float32"], flags=["Interior", "FullPrecision", "Border"])
    ).outcomes
    share = sum(o.grade is Grade.WRONG for o in outcomes) / len(outcomes)
    assert share > 0.6  # the rest are samples beyond the map, and weights that are constant


def sums(nested):
    """Return value, k and M of nested sums, in order."""
    if isinstance(nested, list):
        return [element for part in nested for element in sums(part)]
    return [(nested.value, nested.k, nested.M)]


def test_padding_and_levels_are_those_of_the_exact_equations():
    """Zeros padding, which `exact.multiscale` has: the same values and M, to the digits that are stored."""
    case = next(case for case in multiscale_cases.cases() if case.name.endswith("sum_zeros_corners"))
    case = replace(case, options={**case.options, "aggregate": "mean"})
    (built,) = build([case])
    with Balls(400) as balls:
        levels = [
            [balls.midpoint(w) for w in multiscale.gaussian_weights(Fraction(d), 3, lambda x: balls(x).exp())]
            for d in (Fraction(1, 2), Fraction(3, 2))
        ]
    levels = [levels[0][:3], levels[1]]  # 4 deviations of 1/2 are two pixels, those of 3/2 are more than the map has
    a, b, gout, u, grid = (
        fractions(case.inputs[name][0]) for name in ("cotangent_input", "cotangent_grid", "gout", "input", "grid")
    )
    settings = levels, Fraction(1, 2), True
    truths = (
        multiscale.multiscale_sample(u, grid, *settings),
        *multiscale.multiscale_sample_gradient(gout, u, grid, *settings),
        *multiscale.multiscale_sample_second_gradient(Cotangents(a, b), gout, u, grid, *settings),
    )
    for elements, truth in zip([t.elements for t in built.outputs.values()], truths, strict=True):
        for element, (value, _, size) in zip(elements.ravel(), sums(truth), strict=True):
            assert element["value"] == float(value)
            assert abs(element["M"] - float(size)) <= 2**-51 * element["M"]


def numbers_for(kernel):
    """Return the kind of numbers that a kernel is computed with."""
    return Balls(200) if kernel in separable.TRANSCENDENTAL else nullcontext(Fraction)


@pytest.mark.parametrize("name", separable_cases.KERNELS)
@pytest.mark.parametrize("d", [-2.8, -1.7, -0.9, -0.3, 0.2, 0.6, 1.4, 2.3])
def test_weights_move_by_no_more_than_they_say(name, d):
    """To either side, by up to as much as float16 moves a coordinate of eight pixels; without their own roundings."""
    k = separable.sampling_of(separable_cases.KERNELS[name][0])._replace(roundings=lambda r: (0, 0, 0))
    with numbers_for(name) as number:
        here = separable.moving(k, Fraction(8), number)(Fraction(d))
        for step in (separable.MOVE / part * sign for part in (1, 4, 64) for sign in (-1, 1)):
            there = k.kernel(number(Fraction(d) + 8 * step))
            for before, after in zip(here[:3], there[:3], strict=True):
                before = Displaced.of(before)
                assert abs(after - before.value) <= number(abs(step)) * before.M


def test_weights_that_move_in_a_straight_line():
    """The tent's by the coordinate's reach, its slopes not at all."""
    k = separable.sampling_of(separable_cases.TENT)
    weight, slope, curvature = separable.moving(k, Fraction(8), Fraction)(Fraction(1, 4))[:3]
    assert (weight.value, weight.M) == (Fraction(3, 4), 8)
    assert (slope.value, slope.M) == (-1, 0) and (curvature.value, curvature.M) == (0, 0)


def test_kernels_are_those_of_other_formulas():
    """At d = 1/4: the tent, Keys' cubic and the B-spline as sums of powers; sinc and exp in floating point."""
    d = Fraction(1, 4)
    expected = {
        "tent": 1 - d,
        "keys": Fraction(3, 2) * d**3 - Fraction(5, 2) * d**2 + 1,
        "b_spline": sum((-1) ** j * Fraction(c, 6) * max(d + 2 - j, 0) ** 3 for j, c in enumerate((1, 4, 6, 4, 1))),
        "lanczos": np.sinc(0.25) * np.sinc(0.25 / 3),
        "gaussian": np.exp(-1 / 18) / (0.75 * np.sqrt(2 * np.pi)),
        "integer": 1,
    }
    for name, (option, _) in separable_cases.KERNELS.items():
        with numbers_for(name) as number:
            value = separable.sampling_of(option).kernel(number(d))[0]
            assert abs(float(value) - float(expected[name])) < 4 * 2.0**-53, name


def test_the_magnitudes_of_lanczos_hold_its_weights():
    for lobes in (1, 3):
        kernel = exact.lanczos_kernel(lobes)
        with Balls(200) as balls:
            for d in np.linspace(-lobes, lobes, 41)[:-1].tolist():
                found = kernel(balls(d))
                assert all(abs(weight) <= size for weight, size in zip(found[:3], found[3:], strict=True))


def test_a_sample_on_the_lattice_of_a_blurred_map_has_four_answers():
    case = next(case for case in multiscale_cases.cases() if case.name.endswith("at_pixels_zeros"))
    (built,) = build([case])
    slopes = {kind: t.elements["value"][0, 0, :, 0] for kind, t in built.conventions("vjp/ggrid").items()}
    assert np.allclose(slopes["central"], (slopes["left"] + slopes["right"]) / 2, rtol=1e-15)
    assert not np.allclose(slopes["left"], slopes["right"], rtol=0.1)
    assert bilinear.tent_derivative(0, "literal") == 1 and len(slopes) == 4
