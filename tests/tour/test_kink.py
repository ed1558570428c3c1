"""The gradient study's numbers are the documented ones, and the exact ones."""

from fractions import Fraction

import numpy as np
import pytest

from refwarp.tour.kink import KinkStudy, study_kink


@pytest.fixture(scope="module")
def study() -> KinkStudy:
    return study_kink()


def test_each_rule_gives_its_documented_value_at_the_pixel_of_value_5(study: KinkStudy) -> None:
    at_one = {rule.rule: rule for rule in study.rules if rule.x == 1}
    documented = {"right": Fraction(-3), "left": Fraction(4), "central": Fraction(1, 2), "literal": Fraction(5)}
    assert {name: Fraction(rule.kernel) for name, rule in at_one.items()} == documented
    assert {name: rule.exact for name, rule in at_one.items()} == documented


def test_kernels_equal_the_exact_numbers_everywhere(study: KinkStudy) -> None:
    assert len(study.rules) == 4 * 4
    assert study.agrees
    # By hand: the differences of neighbours in (0, 1, 5, 2, 9, 0).
    assert study.slope.tolist() == [1, 4, -3, 7, -9]
    assert study.exact_slope == (1, 4, -3, 7, -9)


def test_the_walk_passes_the_pixels_and_is_piecewise_linear(study: KinkStudy) -> None:
    expected = np.interp(study.x, [-1, 0, 1, 2, 3, 4], [0, 1, 5, 2, 9, 0])
    np.testing.assert_allclose(study.value, expected, rtol=0, atol=4 * 9 * 2.0**-52)  # a few roundings of 9


def test_difference_quotients_come_to_the_slope_on_their_side(study: KinkStudy) -> None:
    # V near 5 and x near 1 are rounded by at most 2^-52 and 2^-53, and so the quotients by some 20 2^-52 / h.
    noise = 20 * 2.0**-52 / study.step
    for name, limit in (("right", -3), ("left", 4), ("central", 0.5)):
        error = np.abs(study.quotients[name] - limit)
        assert (error <= noise)[study.step > 1e-12].all()
    assert study.step[0] == 1 and study.step[-1] < 1e-16


def test_a_wrong_number_is_noticed(study: KinkStudy) -> None:
    from dataclasses import replace

    rules = (replace(study.rules[0], kernel=np.nextafter(study.rules[0].kernel, 9)), *study.rules[1:])
    assert not replace(study, rules=rules).agrees
    assert not replace(study, slope=study.slope + np.array([0, 0, 1e-15, 0, 0])).agrees
