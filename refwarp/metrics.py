"""How far a flow, an image, labels or scores are from the true ones.

For a flow w = (u, v), the true one t = (s, r), and images I and J of C channels, at a pixel:

    endpoint_error    |w - t|                                                            (metrics.1)
    angular_error     arccos((u s + v r + 1) / (|(u, v, 1)| |(s, r, 1)|))                (metrics.2)
    outlier_share     |w - t| > threshold and |w - t| > share |t|                        (metrics.3)
    image_distance    |I - J|, the Euclidean distance of C numbers                       (metrics.4)

each averaged over the pixels of a region: one number for each picture of a batch, in float64. HSTN (Sect. 4.2) calls
the last one, for grey pictures, the endpoint error; everybody else calls the first one so. For labels of K classes, and
for the scores of examples that are positive or negative:

    intersection_over_union        |predicted k and k| / |predicted k or k|              (metrics.5)
    area_under_roc                 P(a > b) + P(a = b)/2                                 (metrics.6)

with a the score of a positive example, and b that of a negative one, both drawn at random.

The arccosine has no digits left for small angles. The angle is that of the cross product and the inner product,
arctan(|c|/d) with c = (v - r, s - u, u r - v s) and u r - v s = u (r - v) - v (s - u).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor
from refwarp.arguments import check_array, check_count, number

Array = np.ndarray[Any, Any]


def _plain(array: Any) -> Array:
    """Return an array or a Tensor, wherever it lies, as a NumPy array in float64."""
    found: Array = (array if isinstance(array, Tensor) else Tensor(array)).numpy().astype(np.float64)
    return found


def _pair(names: tuple[str, str], arrays: tuple[Any, Any], channels: int | None) -> tuple[Array, Array]:
    letter = "C" if channels is None else channels
    for name, array in zip(names, arrays, strict=True):
        check_array(name, array, f"(N, {letter}, H, W)", (None, channels, None, None))
    first, second = arrays
    if tuple(first.shape) != tuple(second.shape):
        raise ValueError(
            f"{names[1]}: given shape {tuple(second.shape)}, expected that of {names[0]}, {tuple(first.shape)}"
        )
    return _plain(first), _plain(second)


def _averaged(values: Array, region: Any) -> Array:
    """Return the means over a region of values (N, H, W)."""
    if region is None:
        region = np.ones(values.shape[1:], bool)
    region = np.asarray(region.numpy() if isinstance(region, Tensor) else region)
    if region.dtype != np.bool_ or region.shape not in (values.shape, values.shape[1:]):
        raise ValueError(
            f"region: given {region.dtype} of shape {region.shape}, expected truth values of shape {values.shape[1:]}, "
            f"or {values.shape}"
        )
    region = np.broadcast_to(region, values.shape)
    counts = region.sum(axis=(1, 2))
    if (counts == 0).any():
        raise ValueError(f"region: given none of the pixels of picture {int(np.argmin(counts))}, expected at least one")
    found: Array = np.where(region, values, 0.0).sum(axis=(1, 2)) / counts
    return found


def central_region(height: int, width: int, share: float = 0.5) -> Array:
    """Return which pixels are in the central part of a picture.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.
    share : float
        Height and width of the part, as a share of the picture's, above 0 and at most 1; what is left is halved, and
        rounded down.

    Returns
    -------
    ndarray, shape (H, W)
        True in the part.

    Raises
    ------
    ValueError
        If a length is not a positive integer, or the share is none.

    Examples
    --------
    >>> central_region(2, 4).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    for name, length in (("height", height), ("width", width)):
        check_count(name, length)
    number("share", share, "a number above 0 and at most 1", lambda value: 0 < value <= 1)
    rows, columns = (int(length * (1 - share) / 2) for length in (height, width))
    region = np.zeros((height, width), bool)
    region[rows : height - rows, columns : width - columns] = True
    return region


def endpoint_error(flow: Any, truth: Any, region: Any = None) -> Array:
    """Return how far the ends of motions are from where they should be (metrics.1).

    Parameters
    ----------
    flow, truth : ndarray or Tensor, shape (N, 2, H, W)
        The motions, u before v, in pixels or any other unit; float16, float32 or float64.
    region : ndarray of bool, shape (H, W) or (N, H, W), optional
        The pixels that count: those of `central_region`, or those whose true motion is known. By default all.

    Returns
    -------
    ndarray, shape (N,)
        The mean distance of each picture, in the unit; float64. NaN where a motion in the region is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype or shape, or a region has no pixel.

    Examples
    --------
    >>> endpoint_error(np.full((1, 2, 4, 4), 3.0), np.zeros((1, 2, 4, 4))).round(3).tolist()
    [4.243]
    """
    return _averaged(_distances(*_pair(("flow", "truth"), (flow, truth), 2)), region)


def _distances(flow: Array, truth: Array) -> Array:
    distances: Array = np.hypot(*(flow - truth).swapaxes(0, 1))  # (metrics.1)
    return distances


def outlier_share(flow: Any, truth: Any, region: Any = None, threshold: float = 3.0, share: float = 0.0) -> Array:
    """Return how many motions are wrong: off by more than a threshold, and by more than a share of the true motion.

    Parameters
    ----------
    flow, truth, region : ndarray or Tensor
        As `endpoint_error` takes them.
    threshold : float
        In the unit of the flow.
    share : float
        Of the length of the true motion; KITTI has 3 pixels and 0.05.

    Returns
    -------
    ndarray, shape (N,)
        The share of the pixels of each picture's region, from 0 to 1; float64. A motion that is NaN is wrong.

    Raises
    ------
    TypeError, ValueError
        As `endpoint_error`, or if `threshold` or `share` is negative.
    """
    flow, truth = _pair(("flow", "truth"), (flow, truth), 2)
    threshold, share = (
        number(name, value, "a finite number that is not negative")
        for name, value in (("threshold", threshold), ("share", share))
    )
    distances = _distances(flow, truth)
    right = (distances <= threshold) | (distances <= share * np.hypot(truth[:, 0], truth[:, 1]))
    return _averaged(np.where(right, 0.0, 1.0), region)  # (metrics.3)


def angular_error(flow: Any, truth: Any, region: Any = None) -> Array:
    """Return the angle between motions in space and time, in degrees (metrics.2).

    Each motion is a direction (u, v, 1): pixels right, pixels down, and one frame. So the angle means something where
    nothing moves, and weighs errors of small motions more than those of large ones.

    Parameters
    ----------
    flow, truth, region : ndarray or Tensor
        As `endpoint_error` takes them, in pixels.

    Returns
    -------
    ndarray, shape (N,)
        The mean angle of each picture, in degrees; float64.

    Raises
    ------
    TypeError, ValueError
        As `endpoint_error`.

    Notes
    -----
    J. Barron, D. Fleet and S. Beauchemin, "Performance of optical flow techniques", IJCV 12 (1994), Eq. 3.1.

    Examples
    --------
    >>> angular_error(np.zeros((1, 2, 1, 1)), np.array([1.0, 0.0]).reshape(1, 2, 1, 1)).round(9).tolist()
    [45.0]
    """
    flow, truth = _pair(("flow", "truth"), (flow, truth), 2)
    (u, v), (s, r) = flow.swapaxes(0, 1), truth.swapaxes(0, 1)
    cross = np.hypot(np.hypot(v - r, s - u), u * (r - v) - v * (s - u))
    return _averaged(np.degrees(np.arctan2(cross, u * s + v * r + 1)), region)  # (metrics.2)


def image_distance(images: Any, targets: Any, region: Any = None) -> Array:
    """Return how far the pixels of pictures are from those of others (metrics.4).

    Parameters
    ----------
    images, targets : ndarray or Tensor, shape (N, C, H, W)
        The pictures; float16, float32 or float64. HSTN's numbers are of grey levels from 0 to 255.
    region : ndarray of bool, shape (H, W) or (N, H, W), optional
        The pixels that count; by default all.

    Returns
    -------
    ndarray, shape (N,)
        For each picture the mean over its pixels of the Euclidean distance of their channels; float64.

    Raises
    ------
    TypeError, ValueError
        As `endpoint_error`.
    """
    images, targets = _pair(("images", "targets"), (images, targets), None)
    return _averaged(np.linalg.norm(images - targets, axis=1), region)  # (metrics.4)


# ---- labels and scores ----


def confusion_matrix(predicted: Any, labels: Any, classes: int, ignored: int | None = None) -> Array:
    """Return how often each class is taken for each.

    Matrices of parts of a set add up to that of the set.

    Parameters
    ----------
    predicted, labels : ndarray of int
        Classes from 0 to K - 1, of the same shape.
    classes : int
        K.
    ignored : int, optional
        A label that does not count, such as that of a border.

    Returns
    -------
    ndarray, shape (K, K)
        int64; rows are labels, columns what is predicted.

    Raises
    ------
    ValueError
        If shapes or kinds do not fit, or there is another class.
    """
    check_count("classes", classes)
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or predicted.dtype.kind not in "iu" or labels.dtype.kind not in "iu":
        raise ValueError(
            f"predicted: given {predicted.dtype} of shape {predicted.shape} for labels in {labels.dtype} of shape "
            f"{labels.shape}, expected integers of one shape"
        )
    kept = np.ones(labels.shape, bool) if ignored is None else labels != ignored
    predicted, labels = predicted[kept].astype(np.int64), labels[kept].astype(np.int64)
    for name, given in (("predicted", predicted), ("labels", labels)):
        if given.size and not 0 <= given.min() <= given.max() < classes:
            raise ValueError(f"{name}: given classes from {given.min()} to {given.max()}, expected 0 to {classes - 1}")
    counts: Array = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return counts


def intersection_over_union(confusion: Array) -> Array:
    """Return the intersection over union of each class (metrics.5), of which the mean is the usual mean IoU.

    Parameters
    ----------
    confusion : ndarray, shape (K, K)
        Of `confusion_matrix`.

    Returns
    -------
    ndarray, shape (K,)
        From 0 to 1, in float64; NaN for a class that is neither among the labels nor predicted.

    Raises
    ------
    ValueError
        If it is no square matrix.

    Examples
    --------
    >>> intersection_over_union(confusion_matrix([0, 0, 1], [0, 1, 1], 2)).tolist()
    [0.5, 0.5]
    """
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion: given shape {confusion.shape}, expected (K, K), as confusion_matrix returns it")
    both = np.diag(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    with np.errstate(invalid="ignore"):
        found: Array = both / either  # (metrics.5)
    return found


def roc_curve(scores: Any, labels: Any) -> tuple[Array, Array]:
    """Return the receiver operating characteristic of scores.

    Parameters
    ----------
    scores : ndarray, shape (N,)
        The higher, the more an example is taken for a positive one.
    labels : ndarray of bool, shape (N,)
        Whether it is one.

    Returns
    -------
    false_positives, true_positives : ndarray, shape (M + 1,)
        For each of the M different scores, from the highest on, the share of the negative and of the positive examples
        that have it or a higher one; (0, 0) comes first. float64.

    Raises
    ------
    ValueError
        If shapes or kinds do not fit, a score is NaN, or there are no positive or no negative examples.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 1 or scores.shape != labels.shape or labels.dtype != np.bool_:
        raise ValueError(
            f"labels: given {labels.dtype} of shape {labels.shape} for scores of shape {scores.shape}, expected truth "
            "values, and both of shape (N,)"
        )
    if np.isnan(scores).any():
        raise ValueError("scores: given NaN, expected numbers that can be compared")
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise ValueError(f"labels: given {positives} positive of {len(labels)} examples, expected some of either kind")
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(labels) - 1)  # of each run of equal scores
    found = np.cumsum(labels[order])[last]
    true = np.append(0, found) / positives
    false = np.append(0, 1 + last - found) / (len(labels) - positives)
    return false, true


def area_under_roc(scores: Any, labels: Any) -> float:
    """Return the area under the ROC curve (metrics.6); parameters and errors are those of `roc_curve`.

    Examples
    --------
    >>> area_under_roc([0.1, 0.4, 0.35, 0.8], np.array([False, False, True, True]))
    0.75
    """
    false, true = roc_curve(scores, labels)
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))  # (metrics.6): trapezia, where scores are equal
