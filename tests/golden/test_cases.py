"""The cases: described, exact in the type they name, and what they claim to be."""

import math
from dataclasses import replace

import numpy as np
import pytest

from refwarp.golden.build import build
from refwarp.golden.case import INPUT_DTYPES, is_exact
from refwarp.golden.drawing import draw
from refwarp.golden.families import all_cases
from refwarp.golden.flags import FLAGS, KINDS
from refwarp.golden.operations import OPERATIONS

CASES = all_cases()


def test_every_case_says_what_it_is_for():
    assert len(CASES) >= 100
    for case in CASES:
        assert case.comment.endswith(".") and len(case.comment) >= 8, case.name
        assert case.operation in OPERATIONS and set(case.flags) <= set(FLAGS), case.name


def test_every_flag_is_described_and_used():
    used = {flag for case in CASES for flag in case.flags}
    assert used == set(FLAGS)
    for flag in FLAGS.values():
        assert flag.kind in KINDS and flag.description.endswith(".")
        assert flag.thread.startswith("github.com/") == (flag.kind == "KNOWN_BUG")


def test_every_dtype_and_every_result_is_there():
    assert {case.dtype for case in CASES} == set(INPUT_DTYPES)
    assert {case.result for case in CASES} == {"valid", "acceptable", "invalid"}


@pytest.mark.parametrize(
    ("number", "narrowest"),
    [
        (1.0, "float16"),
        (2.0**-24, "float16"),
        (65504.0, "float16"),
        (65536.0, "bfloat16"),
        (2.0**-100, "bfloat16"),
        (255 * 2.0**100, "bfloat16"),
        (257 * 2.0**100, "float32"),
        (1 + 2.0**-11, "float32"),
        (2.0**-149, "float32"),
        (1 + 2.0**-24, "float64"),
        (2.0**128, "float64"),
        (5e-324, "float64"),
        (math.nan, "float16"),
        (-math.inf, "float16"),
    ],
)
def test_the_narrowest_type(number, narrowest):
    array = np.array([number, 0.5])
    assert next(dtype for dtype in INPUT_DTYPES if is_exact(array, dtype)) == narrowest


def test_draws_are_the_same_everywhere():
    """Pinned: numbers that change here change the suite."""
    assert draw.dyadics("pin", 3).tolist() == [2.546875, -1.953125, -0.953125]
    assert draw.full("pin", 2, dtype="float64").tolist() == [0.6377898106231059, -0.4847290307113272]
    drawn = draw.dyadics("many", 400)
    assert is_exact(drawn, "float16") and is_exact(drawn, "bfloat16")
    assert 0 < np.abs(drawn).min() and np.abs(drawn).max() < 4
    assert np.all(draw.coordinates("many", 400) * 1024 % 2 == 1)


def some_case():
    return next(case for case in CASES if case.name == "grid_sample/row_at_pixel")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"result": "valid"}, "conventions make it acceptable"),
        ({"flags": ("Misspelled",)}, "flags"),
        ({"flags": ()}, "flags"),
        ({"inputs": {**some_case().inputs, "image": np.ones(1)}}, "given inputs"),
        ({"inputs": {**some_case().inputs, "gout": np.full((1, 1, 1, 1), 2.0**127)}}, "overflows"),
    ],
)
def test_build_refuses_cases_that_are_not_what_they_say(changes, message):
    with pytest.raises(ValueError, match=message):
        build([replace(some_case(), **changes)])


def test_build_refuses_two_cases_of_one_name():
    with pytest.raises(ValueError, match="row_at_pixel"):
        build([some_case(), some_case()])


def test_build_reports_progress():
    calls = []
    build([some_case()], progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 1)]
