"""Losses: one number for a batch, its mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.arguments import is_integer
from autograd_core.arrays import Array, array_module, mean_over, sum_over
from autograd_core.function import Context, Function
from autograd_core.functions import astype, exp, logsumexp, mean, reshape, square
from autograd_core.functions.conversion import widened
from autograd_core.functions.elementwise import masked
from autograd_core.functions.operands import operands
from autograd_core.tensor import Tensor, as_tensor


class _SoftmaxCrossEntropy(Function):
    """The sum over places of weight / total times -log p[label], with p = softmax of logits (N, K, P) along axis 1.

    The derivative of -log p[label] with respect to the logits is p - 1[label], with 1 for the label and 0 elsewhere.
    Without weights all are 1. Where a weight is 0, neither a loss nor a gradient of infinity or NaN counts.
    """

    @staticmethod
    def forward(ctx: Context, logits: Array, *, labels: Array, weights: Array | None, total: float) -> Array:
        xp = array_module(logits)
        shifted = logits - logits.max(axis=1, keepdims=True)  # which does not change the softmax
        numerators = xp.exp(shifted)
        denominators = sum_over(numerators, 1, keepdims=True)
        ctx.save(numerators, denominators)
        losses = xp.log(denominators[:, 0]) - shifted[_places(labels)]
        if weights is None:
            return mean_over(losses)
        weighted = xp.where(weights > 0, losses, 0).astype(np.result_type(losses.dtype, np.float64)) * weights
        return (sum_over(weighted) / total).astype(losses.dtype)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return _CrossEntropyGradient.apply(gout, ctx.inputs[0], softmax=ctx.saved, **ctx.parameters)


class _CrossEntropyGradient(Function):
    """gout weight / total (p - 1[label]); the quotient of the two arrays `softmax` is p."""

    @staticmethod
    def forward(
        ctx: Context,
        gout: Array,
        logits: Array,
        *,
        softmax: tuple[Array, Array],
        labels: Array,
        weights: Array | None,
        total: float,
    ) -> Array:
        numerators, denominators = softmax
        factors = gout * _factors(logits, weights, total)
        glogits = numerators * (factors / denominators)
        glogits[_places(labels)] -= factors[:, 0]
        return glogits if weights is None else array_module(logits).where(weights[:, None] > 0, glogits, 0)

    @staticmethod
    def backward(ctx: Context, gglogits: Tensor) -> tuple[Tensor, Tensor]:
        # With v = gglogits gout weight / total, the derivative of p in the direction v is p (v - sum_k p[k] v[k]).
        (gout, logits), labels, weights = ctx.inputs, ctx.parameters["labels"], ctx.parameters["weights"]
        xp, factors = array_module(logits.data), _factors(logits.data, weights, ctx.parameters["total"])
        p = exp(logits - logsumexp(logits, 1, keepdims=True))
        label = (xp.arange(logits.shape[1])[:, None] == labels[:, None]).astype(logits.dtype)
        along, v = gglogits * factors * (p - label), gglogits * factors * gout
        glogits = p * (v - (p * v).sum(1, keepdims=True))
        if weights is not None:
            kept = weights[:, None] > 0
            along, glogits = masked(along, kept), masked(glogits, kept)
        return along.sum(), glogits


def _places(labels: Array) -> tuple[Array, ...]:
    """Return the index of what logits (N, K, P) have at their labels (N, P)."""
    xp, (n, places) = array_module(labels), labels.shape
    return xp.arange(n)[:, None], labels, xp.arange(places)


def _factors(logits: Array, weights: Array | None, total: float) -> Array:
    """Return weight / total, (N, 1, P)."""
    if weights is None:
        weights = array_module(logits).ones((len(logits), logits.shape[2]))
    return (weights / total).astype(logits.dtype)[:, None]


def softmax_cross_entropy(logits: Tensor, labels: Any, ignore_label: int | None = None, weight: Any = None) -> Tensor:
    """Return the mean of -log softmax(logits)[label] over the batch, and over the pixels of each example if it has any.

    Parameters
    ----------
    logits : Tensor, (N, K) or (N, K, ...)
        Scores of K classes, unnormalised, for each example or each of its pixels.
    labels : array of int, (N,) or (N, ...)
        The true classes, 0 ... K - 1.
    ignore_label : int, optional
        What has this label, a class or not, counts in no way: the mean is over the others.
    weight : array, (K,), optional
        How much each class counts, not negative: the mean is weighted by that of the labels.

    Returns
    -------
    Tensor, ()
        The loss, in nats. It neither overflows nor, where the true class leads, cancels. If all labels are ignored, or
        of weight 0, it is 0, with a gradient of zeros (PyTorch's is NaN).

    Raises
    ------
    ValueError
        If the shapes do not fit, the batch is empty, a label is not a class, or a weight is negative or not finite.
    TypeError
        If the labels are not integers.
    """
    dtype, (logits,) = widened(logits)
    xp = array_module(logits.data)
    classes = xp.asarray(as_tensor(labels).data)
    if logits.ndim < 2 or classes.shape != (logits.shape[0], *logits.shape[2:]) or not classes.size:
        raise ValueError(
            f"labels: given shape {classes.shape} for logits {logits.shape}, expected (N, ...) for (N, K, ...), with "
            "one label at least"
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"labels: given dtype {classes.dtype}, expected integers")
    n, k = logits.shape[:2]
    classes, weights = classes.reshape(n, -1).astype(np.int64), None
    if ignore_label is not None:
        if not is_integer(ignore_label):
            raise ValueError(f"ignore_label: given {ignore_label!r}, expected an integer or None")
        weights = (classes != ignore_label).astype(np.float64)
        classes = xp.where(weights > 0, classes, 0)
    if not 0 <= int(classes.min()) <= int(classes.max()) < k:
        raise ValueError(f"labels: given {classes.min()} ... {classes.max()}, expected classes 0 ... {k - 1}")
    if weight is not None:
        of_classes = xp.asarray(as_tensor(weight).data).astype(np.float64)
        if of_classes.shape != (k,) or not bool((of_classes >= 0).all() and xp.isfinite(of_classes).all()):
            raise ValueError(f"weight: given {of_classes}, expected {k} finite numbers >= 0, one for each class")
        weights = of_classes[classes] if weights is None else weights * of_classes[classes]
    total = float(classes.size if weights is None else weights.sum()) or 1.0
    pixels = reshape(logits, (n, k, -1))
    return astype(_SoftmaxCrossEntropy.apply(pixels, labels=classes, weights=weights, total=total), dtype)


def mean_squared_error(prediction: Tensor, target: Any) -> Tensor:
    """Return the mean of (prediction - target)^2 over all elements; both have the same shape."""
    given, wanted = operands("mean_squared_error", prediction, target)
    if given.shape != wanted.shape:
        raise ValueError(f"target: given shape {wanted.shape}, expected the prediction's, {given.shape}")
    dtype, (given, wanted) = widened(given, wanted)
    return astype(mean(square(given - wanted)), dtype)
