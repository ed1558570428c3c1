"""Measures of flows, images, labels and scores, against their literal definitions in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from autograd_core import Tensor
from refwarp import metrics
from refwarp.exact import metrics as exact
from refwarp.exact.arithmetic.balls import Balls

EPS = np.finfo(np.float64).eps
RNG = np.random.default_rng(1)
FLOW, TRUTH = RNG.normal(0, 3, (2, 3, 2, 4, 5))
# Two pictures and what counts of both: some pixels of one, and in the second reading others of the other.
REGION = RNG.random((3, 4, 5)) < 0.6


def fractions(nested):
    return [fractions(part) for part in nested] if isinstance(nested, list) else Fraction(nested)


@pytest.fixture
def flint():
    """Balls of 320 bits, with their square root and arccosine."""
    arb = pytest.importorskip("flint").arb
    with Balls() as balls:
        yield balls, arb.sqrt, arb.acos


def judged(flint, judge, *fields, **options):
    """Return a judge's number for each picture, rounded once."""
    balls, *_ = flint
    return [float(balls.midpoint(judge(*map(balls, picture), **options))) for picture in zip(*fields, strict=True)]


@pytest.mark.parametrize("region", [None, REGION, REGION[0]], ids=["all", "of each", "of all"])
def test_the_end_point_error_is_the_judge_s(flint, region):
    expected = [
        float(
            flint[0].midpoint(
                exact.endpoint_error(
                    flint[0](flow),
                    flint[0](truth),
                    flint[1],
                    () if region is None else np.broadcast_to(region, REGION.shape)[k].tolist(),
                )
            )
        )
        for k, (flow, truth) in enumerate(zip(FLOW, TRUTH, strict=True))
    ]
    # A difference, a length and a sum of twenty.
    np.testing.assert_allclose(metrics.endpoint_error(FLOW, TRUTH, region), expected, rtol=8 * EPS)


@pytest.mark.parametrize("apart", [1.0, 1e-3, 1e-9])
def test_the_angular_error_is_the_judge_s_for_small_angles_too(flint, apart):
    near = TRUTH + apart * FLOW
    expected = judged(flint, lambda a, b: exact.angular_error(a, b, flint[1], flint[2]), near, TRUTH)
    found = np.radians(metrics.angular_error(near, TRUTH))
    # The terms of the cross product are up to |w| times as large as their sum; |w| is below 15.
    np.testing.assert_allclose(found, expected, rtol=32 * EPS)


def test_the_arccosine_would_not_do():
    """What the definition gives in floating point for an angle of 1e-9: nothing, or ten times too much."""
    near = TRUTH + 1e-9 * FLOW
    lengths = [np.sqrt((field**2).sum(axis=1) + 1) for field in (near, TRUTH)]
    literal = np.arccos(np.clip(((near * TRUTH).sum(axis=1) + 1) / (lengths[0] * lengths[1]), -1, 1))
    assert abs(np.degrees(literal).mean() / metrics.angular_error(near, TRUTH).mean() - 1) > 0.1


@pytest.mark.parametrize(("threshold", "share"), [(3.0, 0.0), (2.0, 0.5), (0.0, 1.0)])
def test_the_share_of_outliers_is_the_judge_s(threshold, share):
    expected = [
        exact.outlier_share(fractions(flow.tolist()), fractions(truth.tolist()), threshold, share, region.tolist())
        for flow, truth, region in zip(FLOW, TRUTH, REGION, strict=True)
    ]
    assert 0 < sum(expected) < 3
    found = metrics.outlier_share(FLOW, TRUTH, REGION, threshold, share)
    np.testing.assert_allclose(found, [float(value) for value in expected], rtol=EPS)


def test_a_motion_just_at_the_threshold_is_right():
    flow = np.array([[[[3.0, 0.0]], [[4.0, 5.5]]]])
    assert metrics.outlier_share(flow, np.zeros_like(flow), threshold=5.0).tolist() == [0.5]


def test_the_distance_of_images_is_the_judge_s():
    a, b = RNG.random((2, 3, 1, 4, 5))
    expected = [
        float(exact.image_distance(fractions(p[0].tolist()), fractions(q[0].tolist()), region.tolist()))
        for p, q, region in zip(a, b, REGION, strict=True)
    ]
    np.testing.assert_allclose(metrics.image_distance(a, b, REGION), expected, rtol=8 * EPS)


def test_colours_have_a_euclidean_distance():
    images = np.zeros((1, 3, 2, 2))
    images[:, :, 0, 0] = np.array([2.0, 3.0, 6.0])
    assert metrics.image_distance(images, np.zeros_like(images)).tolist() == [7 / 4]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_tensors_and_narrow_floats_are_taken_as_they_are(dtype):
    flow, truth = FLOW.astype(dtype), TRUTH.astype(dtype)
    expected = metrics.endpoint_error(flow.astype(np.float64), truth.astype(np.float64))
    found = metrics.endpoint_error(Tensor(flow), truth)
    assert type(found) is np.ndarray and found.dtype == np.float64 and (found == expected).all()


def test_nan_counts():
    flow = FLOW.copy()
    flow[1, 0, 2, 2] = np.nan
    for measure in (metrics.endpoint_error, metrics.angular_error):
        assert np.isnan(measure(flow, TRUTH)).tolist() == [False, True, False]
    assert metrics.outlier_share(flow, TRUTH, threshold=1e6).tolist() == [0, 1 / 20, 0]
    region = np.ones((4, 5), bool)
    region[2, 2] = False
    assert np.isfinite(metrics.endpoint_error(flow, TRUTH, region)).all()


@pytest.mark.parametrize(
    ("size", "share", "rows", "columns"),
    [((64, 64), 0.5, (16, 48), (16, 48)), ((5, 4), 0.5, (1, 4), (1, 3)), ((3, 3), 1.0, (0, 3), (0, 3))],
)
def test_the_central_part(size, share, rows, columns):
    expected = np.zeros(size, bool)
    expected[slice(*rows), slice(*columns)] = True
    assert (metrics.central_region(*size, share) == expected).all()


@pytest.mark.parametrize("measure", [metrics.endpoint_error, metrics.angular_error, metrics.outlier_share])
def test_what_does_not_fit_is_refused(measure):
    with pytest.raises(ValueError, match=r"^flow: given shape \(3, 4, 5\), expected \(N, 2, H, W\)"):
        measure(FLOW[:, 0], TRUTH)
    with pytest.raises(ValueError, match=r"^truth: given shape \(2, 2, 4, 5\), expected that of flow, \(3, 2, 4, 5\)"):
        measure(FLOW, TRUTH[:2])
    with pytest.raises(TypeError, match="^truth: given dtype int64"):
        measure(FLOW, TRUTH.astype(int))
    with pytest.raises(ValueError, match=r"^region: given bool of shape \(5, 4\), expected truth values of shape"):
        measure(FLOW, TRUTH, np.ones((5, 4), bool))
    with pytest.raises(ValueError, match="^region: given none of the pixels of picture 1, expected at least one"):
        measure(FLOW, TRUTH, np.arange(3)[:, None, None] != np.ones((4, 5)))
    with pytest.raises(ValueError, match="^region: given float64"):
        measure(FLOW, TRUTH, np.ones((4, 5)))


def test_other_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="^threshold: given -1"):
        metrics.outlier_share(FLOW, TRUTH, threshold=-1)
    with pytest.raises(ValueError, match="^share: given 0"):
        metrics.central_region(4, 4, 0)
    with pytest.raises(ValueError, match=r"^targets: given shape \(1, 1, 2, 2\), expected that of images"):
        metrics.image_distance(np.zeros((1, 3, 2, 2)), np.zeros((1, 1, 2, 2)))


# ---- labels ----

LABELS, PREDICTED = RNG.integers(0, 4, (2, 6, 7))


def test_the_intersection_over_union_is_the_judge_s():
    confusion = metrics.confusion_matrix(PREDICTED, LABELS, 5)
    found = metrics.intersection_over_union(confusion)
    expected = [exact.intersection_over_union(PREDICTED.ravel(), LABELS.ravel(), k) for k in range(4)]
    assert found[:4].tolist() == [float(value) for value in expected] and np.isnan(found[4])


def test_confusion_matrices_of_parts_add_up_and_leave_out_what_is_ignored():
    labels = np.where(LABELS == 3, 255, LABELS)
    whole = metrics.confusion_matrix(PREDICTED, labels, 4, ignored=255)
    parts = [metrics.confusion_matrix(PREDICTED[k], labels[k], 4, ignored=255) for k in range(6)]
    assert (sum(parts) == whole).all() and whole.sum() == (LABELS != 3).sum() and not whole[3].any()
    assert whole[0, 1] == ((LABELS == 0) & (PREDICTED == 1)).sum()


@pytest.mark.parametrize(
    ("predicted", "labels", "message"),
    [
        ([0, 1], [0], "predicted: given int64 of shape"),
        ([0.0], [0], "predicted: given float64"),
        ([2], [0], "predicted: given classes from 2 to 2, expected 0 to 1"),
        ([0], [-1], "labels: given classes from -1 to -1, expected 0 to 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(predicted, labels, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        metrics.confusion_matrix(predicted, labels, 2)
    with pytest.raises(ValueError, match=r"^confusion: given shape \(2, 3\), expected \(K, K\)"):
        metrics.intersection_over_union(np.ones((2, 3)))


# ---- scores ----

TIED = RNG.integers(0, 6, 40) / 4
POSITIVE = RNG.random(40) < 0.4


@pytest.mark.parametrize("scores", [TIED, RNG.random(40), np.where(TIED > 1, np.inf, TIED)], ids=["tied", "", "inf"])
def test_the_area_under_the_curve_is_the_judge_s(scores):
    expected = exact.area_under_roc(scores.tolist(), POSITIVE.tolist())
    np.testing.assert_allclose(metrics.area_under_roc(scores, POSITIVE), float(expected), rtol=16 * EPS)


def test_the_curve_has_a_point_for_each_score():
    false, true = metrics.roc_curve(TIED, POSITIVE)
    assert len(false) == len(true) == 1 + len(set(TIED)) and (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    for k, score in enumerate(sorted(set(TIED), reverse=True), start=1):
        assert false[k] == np.mean(TIED[~POSITIVE] >= score) and true[k] == np.mean(TIED[POSITIVE] >= score)


def test_scores_of_no_use_are_refused():
    with pytest.raises(ValueError, match="^labels: given 0 positive of 40 examples"):
        metrics.roc_curve(TIED, POSITIVE & False)
    with pytest.raises(ValueError, match="^scores: given NaN"):
        metrics.roc_curve(np.where(TIED > 1, np.nan, TIED), POSITIVE)
    with pytest.raises(ValueError, match=r"^labels: given int64 of shape \(40,\)"):
        metrics.roc_curve(TIED, POSITIVE.astype(int))


def test_scikit_learn_agrees():
    sklearn = pytest.importorskip("sklearn.metrics")
    np.testing.assert_allclose(
        metrics.area_under_roc(TIED, POSITIVE), sklearn.roc_auc_score(POSITIVE, TIED), rtol=1e-14
    )
    theirs = sklearn.roc_curve(POSITIVE, TIED, drop_intermediate=False)
    for ours, other in zip(metrics.roc_curve(TIED, POSITIVE), theirs[:2], strict=True):
        np.testing.assert_allclose(ours, other, rtol=0, atol=4 * EPS)
    confusion = metrics.confusion_matrix(PREDICTED, LABELS, 4)
    assert (confusion == sklearn.confusion_matrix(LABELS.ravel(), PREDICTED.ravel())).all()
    theirs = sklearn.jaccard_score(LABELS.ravel(), PREDICTED.ravel(), average=None)
    np.testing.assert_allclose(metrics.intersection_over_union(confusion), theirs, rtol=4 * EPS)
