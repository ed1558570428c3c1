"""The lint: cases have the flags they need, and those about conventions lie where they say, as their type computes."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.golden.build import build
from refwarp.golden.drawing.samples import off_y, row
from refwarp.golden.families import all_cases
from refwarp.golden.families.grid_sample import cases as grid_sample
from refwarp.golden.lint import check_flags, check_regime, rounded


def at(*xs, flags="Kink", size=4, mode="bilinear", padding="zeros", align_corners=False):
    """Return a case on a row, with the coordinates xs."""
    options = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
    return grid_sample.case("planted", "Planted.", flags, row(list(range(size))), off_y(*xs), **options)


def test_every_case_passes():
    for case in all_cases():
        check_regime(case)


@pytest.mark.parametrize(
    "case",
    [
        # Pixel 2 of 3 is at 2/3, and that is no number of any type.
        at(0.0, 2 / 3, size=3),
        # 1 + 2^-10 is a float16, but adding 1 loses its last bit: it lands on the end of the map.
        at(1 + 2.0**-10, flags="PaddingSeam", padding="border"),
        at(-0.25 + 2.0**-12),
        at(2.0**-24, size=5),
        at(2.0**-24, size=2, align_corners=True, mode="nearest", flags="Ties"),
        at(0.1, 0.2, size=40, flags="Kink Border"),
    ],
)
def test_planted_cases_are_refused(case):
    with pytest.raises(ValueError, match="planted: flagged .* moves the coordinate"):
        check_regime(case)
    check_regime(replace(case, flags=("Interior",)))
    check_regime(replace(case, flags=("Kink", "NearSeam")))


def test_every_case_has_the_flags_that_its_numbers_ask_for(suite):
    flags = {case.name: case.flags for case in all_cases()}
    for case in suite.cases:  # results are in the suite, flags where the cases are written
        check_flags(replace(case, flags=flags[case.name]))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (replace(at(-0.25, flags="TiesAway"), result="acceptable"), "no flag of the kind CONVENTION"),
        (replace(at(-0.25), result="invalid"), "is invalid; cases that are invalid"),
        (at(-0.25, flags="Kink Refused"), "is valid; cases that are invalid"),
        (at(np.nan), "ask for NonFinite"),
        (at(2.0**-149, flags="TinyCoordinate"), "ask for Subnormal"),
        (at(2.0**-1074, flags="TinyCoordinate"), "ask for Subnormal"),
        (replace(at(0.25), inputs={"grid": np.zeros((0, 2))}), "ask for Empty"),
    ],
)
def test_cases_without_a_flag_that_follows_from_them_are_refused(case, words):
    with pytest.raises(ValueError, match=f"planted: .*{words}"):
        check_flags(case)


def test_numbers_that_are_normal_in_the_cases_dtype_need_no_flag():
    check_flags(at(2.0**-24, 2.0**-126))
    check_flags(at(2.0**-1022))


def test_it_is_part_of_the_build():
    case = replace(at(-0.25 + 2.0**-12, -0.25), result="acceptable")
    with pytest.raises(ValueError, match="moves the coordinate"):
        build([case])
    with pytest.raises(ValueError, match="no flag of the kind CONVENTION"):
        build([replace(case, flags=("TiesAway",))])


def test_exact_cases_and_other_conventions_pass():
    check_regime(at(-0.75, -0.25, 0.25, 0.75))
    check_regime(at(2.0**-24, size=5, flags="AxisOrder NonFinite Huge"))
    check_regime(at(np.nan, np.inf, -0.25))


@given(st.floats(-60000, 60000), st.sampled_from([("float16", 11), ("float32", 24), ("float64", 53)]))
def test_rounding_is_numpys(number, kind):
    dtype, bits = kind
    expected = np.dtype(dtype).type(number)
    if abs(expected) >= np.finfo(dtype).smallest_normal:
        assert rounded(Fraction(number), bits) == Fraction(float(expected))
