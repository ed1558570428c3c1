"""When a measure is better, and when patience with it ends."""

import math

import pytest

from autograd_core.patience import Patience


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "best", "better", "no_better"),
    [
        ("min", "abs", 2.0, [1.49, -math.inf], [1.5, 2.0, 2.5, math.inf, math.nan]),
        ("max", "abs", 2.0, [2.51, math.inf], [2.5, 2.0, 1.5, -math.inf, math.nan]),
        ("min", "rel", 2.0, [0.99, -5.0], [1.0, 1.5, 3.0]),
        ("max", "rel", 2.0, [3.01], [3.0, 2.5, 1.0]),
        # PyTorch's rule as it is: beyond a negative best measure a relative threshold leads the other way.
        ("min", "rel", -2.0, [-1.01, -2.0], [-1.0]),
    ],
)
def test_a_measure_is_better_by_the_threshold(mode, threshold_mode, best, better, no_better):
    patience = Patience(0, 0.5, mode, threshold_mode)
    assert not patience.step(best) and patience.best == best
    assert [patience.is_better(measure) for measure in better + no_better] == [True] * len(better) + [False] * len(
        no_better
    )


@pytest.mark.parametrize("threshold_mode", ["abs", "rel"])
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
def test_the_first_number_is_better_than_none(threshold, mode, threshold_mode):
    patience = Patience(1, threshold, mode, threshold_mode)
    assert not patience.step(math.nan) and patience.waited == 1
    assert not patience.step(1e300) and (patience.best, patience.waited) == (1e300, 0)


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_patience_ends_after_one_more_than_allowed(allowed):
    patience = Patience(allowed, 0.0)
    patience.step(1.0)
    assert [patience.step(1.0) for _ in range(5)] == [k >= allowed for k in range(5)]
    assert patience.exhausted
    assert not patience.step(0.5) and not patience.exhausted and patience.best == 0.5


@pytest.mark.parametrize("done", range(6))
def test_it_goes_on_from_its_state(done):
    measures = [3.0, 2.0, math.nan, 2.5, 1.0, 1.5]
    whole, first = Patience(1), Patience(1)
    expected = [whole.step(measure) for measure in measures]
    for measure in measures[:done]:
        first.step(measure)
    resumed = Patience(1)
    resumed.load_state_dict(first.state_dict())
    assert [resumed.step(measure) for measure in measures[done:]] == expected[done:]
    assert vars(resumed) == vars(whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Patience(-1), "patience: given -1, expected an integer >= 0"),
        (lambda: Patience(1, -0.5), "threshold: given -0.5, expected a number >= 0"),
        (lambda: Patience(1, 0.0, "less"), "mode: given 'less', expected 'min' or 'max'"),
        (lambda: Patience(1, 0.0, "min", "relative"), "threshold_mode: given 'relative', expected 'rel' or 'abs'"),
        (lambda: Patience(1).load_state_dict({"best": 1.0}), r"state: missing entries \['waited'\]"),
    ],
)
def test_bad_arguments_end_in_one_clear_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
