"""Losses: one number for a batch, its mean."""

from __future__ import annotations

from typing import Any

from autograd_core.arrays import array_module
from autograd_core.functions import astype, logsumexp, mean, square
from autograd_core.functions.conversion import widened
from autograd_core.functions.operands import operands
from autograd_core.tensor import Tensor, as_tensor


def softmax_cross_entropy(logits: Tensor, labels: Any) -> Tensor:
    """Return the mean of -log softmax(logits)[label] over the batch.

    Parameters
    ----------
    logits : Tensor, (N, K)
        Scores of K classes, unnormalised.
    labels : array of int, (N,)
        The true classes, 0 ... K - 1.

    Returns
    -------
    Tensor, ()
        The loss, in nats. It neither overflows nor, where the true class leads, cancels.

    Raises
    ------
    ValueError
        If the shapes do not fit, the batch is empty, or a label is not a class.
    TypeError
        If the labels are not integers.
    """
    dtype, (logits,) = widened(logits)
    xp = array_module(logits.data)
    classes = xp.asarray(as_tensor(labels).data)
    if logits.ndim != 2 or classes.shape != logits.shape[:1] or not classes.size:
        raise ValueError(
            f"labels: given shape {classes.shape} for logits {logits.shape}, expected (N,) for (N, K), N >= 1"
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"labels: given dtype {classes.dtype}, expected integers")
    if not 0 <= int(classes.min()) <= int(classes.max()) < logits.shape[1]:
        raise ValueError(
            f"labels: given {classes.min()} ... {classes.max()}, expected classes 0 ... {logits.shape[1] - 1}"
        )
    # The softmax does not change with a shift, so the shift needs no gradient.
    shifted = logits - logits.data.max(axis=1, keepdims=True)
    return astype(mean(logsumexp(shifted, axis=1) - shifted[xp.arange(len(classes)), classes]), dtype)


def mean_squared_error(prediction: Tensor, target: Any) -> Tensor:
    """Return the mean of (prediction - target)^2 over all elements; both have the same shape."""
    given, wanted = operands("mean_squared_error", prediction, target)
    if given.shape != wanted.shape:
        raise ValueError(f"target: given shape {wanted.shape}, expected the prediction's, {given.shape}")
    dtype, (given, wanted) = widened(given, wanted)
    return astype(mean(square(given - wanted)), dtype)
