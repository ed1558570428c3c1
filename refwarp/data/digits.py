"""The 1,797 handwritten digits, 8x8 pixels, that come inside scikit-learn.

E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI machine learning repository, 1998: the
test part of that set. The digits lie in the order in which they were collected, a writer's digits side by side, so
they are permuted before they are split. A writer may thus turn up in several parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

COUNT = 1797


@dataclass(frozen=True)
class Examples:
    """Pictures and what they show.

    Attributes
    ----------
    images : ndarray, shape (N, C, H, W)
        The pictures; float32 in [0, 1], 0 is the background.
    labels : ndarray, shape (N,)
        The class of each, int64.
    """

    images: Array
    labels: Array

    def __post_init__(self) -> None:
        """Refuse pictures and labels that do not belong together."""
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"Examples: given images of shape {self.images.shape} and labels of shape {self.labels.shape}, "
                "expected (N, C, H, W) and (N,)"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def repeat(self, times: int) -> Examples:
        """Return each example `times` times, side by side, so that each can be distorted in several ways."""
        return Examples(self.images.repeat(times, axis=0), self.labels.repeat(times))


@dataclass(frozen=True)
class Digits:
    """The digits in three parts that share no picture."""

    train: Examples
    validation: Examples
    test: Examples


def load_digits(train: int = 1200, validation: int = 200, seed: int = 0) -> Digits:
    """Return scikit-learn's digits, split by a permutation.

    Parameters
    ----------
    train, validation : int
        How many digits to train on and to validate with; the others are for the test.
    seed : int
        Of the permutation. It names the split, and is apart from the seeds of training runs.

    Returns
    -------
    Digits
        Pictures of shape (N, 1, 8, 8), float32 in [0, 1], with labels 0 to 9.

    Raises
    ------
    ImportError
        If scikit-learn is missing.
    ValueError
        If the parts leave no digit for the test, or are not positive.
    """
    if min(train, validation) < 1 or train + validation >= COUNT:
        raise ValueError(
            f"train, validation: given {train} and {validation}, expected positive integers whose sum is below {COUNT}"
        )
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            'The digits come with scikit-learn, which is not installed: run pip install "refwarp[data]".'
        ) from error
    digits = datasets.load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]  # 17 grey levels, each an exact float
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = np.split(order, [train, train + validation])
    return Digits(*(Examples(images[part], labels[part]) for part in parts))
